/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run: load, settle, (reopen,) the measured part, settle, look whether what was written is there, close. Settled: nothing was written and no CPU used for two
 * seconds, by the same rule for every engine.
 */
#ifndef KV_BENCH_RUN_H
#define KV_BENCH_RUN_H

#include "bench/figures.h"
#include "bench/worker.h"
#include "bench/workload.h"

struct run {
	const struct settings *settings;
	struct adapter_options options;
	struct workers workers;
	struct worker **threads; /* of run_threads(), until run_threads_free() */
	uint64_t thread_count;

	/* results */
	struct figures at_start, at_loaded, at_begin, at_end, at_settled, at_closed;
	bool settled;          /* false: the engine was still at work after the longest wait */
	double seconds;        /* of the measured part */
	double load_seconds;   /* without the wait for the background work */
	uint64_t ops, found, missing, entries, user_bytes, load_bytes;
	uint64_t extra_ops, extra_user_bytes; /* of threads that are not measured */
	uint64_t verified;     /* values read and found right after a workload that writes */
	uint64_t live_bytes;   /* keys and values that are there at the end */
	uint64_t disk_bytes, disk_closed_bytes, peak_bytes, peak_anon_bytes;
	struct histogram histogram;
};

/* Everything; ends the program on a failure. */
void run_all(const struct settings *settings, struct run *ret);

/* For workloads that measure by themselves (struct workload, whole). */
void run_load(struct run *run);
void run_open(struct run *run, bool sync);
void run_close(struct run *run);
void run_drop_caches(void);

#endif
