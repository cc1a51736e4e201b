/* SPDX-License-Identifier: BSD-2-Clause */
/* The workloads: a table of what they need, and a function that each thread runs in the measured part. */
#ifndef KV_BENCH_WORKLOAD_H
#define KV_BENCH_WORKLOAD_H

#include "bench/settings.h"
#include "bench/worker.h"

struct run;

/* Which generation a key has after the measured part. */
enum workload_after {
	WORKLOAD_READ_ONLY,
	WORKLOAD_FILLED,  /* what the workers wrote from `first` to `done`, in their order, has `after_generation` */
	WORKLOAD_MIXED,   /* every loaded key is there, in any generation */
};

struct workload {
	const char *name, *text;
	const char *latency_of; /* what is one value of the histogram */
	uint64_t (*default_ops)(const struct settings *settings);
	void (*run)(struct worker *worker);
	void (*whole)(struct run *run); /* instead of `run`: measures by itself, before any session is open */
	void (*prepare)(struct workers *workers);
	void (*first)(struct run *run); /* loads, instead of the usual way, while this process has one thread */
	enum workload_after after;
	uint32_t after_generation;
	bool ascending; /* FILLED, in the order of the indexes */
	bool load;      /* all keys are there before */
	bool sync;      /* every commit is durable */
	bool cold;      /* reopened with the page cache dropped */
	bool no_engine;
	bool writes_new_keys; /* up to as many as operations, beyond the loaded ones */
	unsigned extra_threads; /* beside those that are measured */
};

extern const struct workload workloads[];
extern const size_t workload_count;

/* fill */
void fill_seq(struct worker *worker);
void fill_random(struct worker *worker);
void fill_overwrite(struct worker *worker);
void fill_batches(struct worker *worker);
void fill_thrice(struct worker *worker);
void fill_delete_reinsert(struct worker *worker);

/* YCSB */
void ycsb_prepare(struct workers *workers);
void ycsb_a(struct worker *worker);
void ycsb_b(struct worker *worker);
void ycsb_c(struct worker *worker);
void ycsb_d(struct worker *worker);
void ycsb_e(struct worker *worker);
void ycsb_f(struct worker *worker);

/* open, disk */
void open_clean(struct run *run);
void open_load_and_die(struct run *run);
void open_replay(struct run *run);
void disk_rate(struct run *run);
void harness_alone(struct run *run);

/* read */
void read_random(struct worker *worker);
void read_missing(struct worker *worker);
void read_scans(struct worker *worker);
void read_seq(struct worker *worker);
void read_reverse(struct worker *worker);
void read_while_writing(struct worker *worker);

#endif
