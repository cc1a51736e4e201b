/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread of the measured part. The clock is read once an operation: its end is the beginning of the next, so that a latency holds the making of
 * key and value and the checking of what was read, too, which is the same code for all engines.
 */
#ifndef KV_BENCH_WORKER_H
#define KV_BENCH_WORKER_H

#include "bench/histogram.h"
#include "bench/settings.h"
#include "bench/values.h"
#include "bench/zipfian.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>

/* What all threads of a run share. */
struct workers {
	const struct settings *settings;
	const struct adapter *adapter;
	void *database;
	struct permutation load_order, order;
	struct zipfian zipfian;
	uint32_t read_generation; /* that reads must find, or VALUES_ANY_GENERATION */

	pthread_barrier_t ready; /* all sessions are open */
	pthread_barrier_t go;
	pthread_barrier_t done;    /* the last measured thread, and who waits for it */
	pthread_barrier_t closing; /* before that no session is closed */
	atomic_uint measured_left; /* of the threads that are measured: when none, the extra ones stop */
	struct worker **all;       /* set before the first begins */
};

struct worker {
	struct workers *shared;
	pthread_t thread;
	uint64_t number;
	bool extra;           /* not measured: it runs until the others are done */

	void *session;
	struct draw draw;
	uint64_t first, end;  /* its part of the operations */
	uint64_t done;        /* first <= done <= end: where it has come to */
	uint64_t last_ns, deadline_ns;
	uint64_t ops, found, missing, entries, user_bytes;
	_Atomic uint64_t inserted; /* new keys that are there; read by all */
	uint8_t *value;       /* of the size of a value */
	uint8_t key[KEY_BYTES];
	struct histogram histogram;
};

/* To be called at the end of each operation (or `ops` of them that are one latency). False: time is up. */
static inline bool worker_tick(struct worker *worker, uint64_t ops)
{
	uint64_t now = clock_monotonic_ns();

	histogram_add(&worker->histogram, now - worker->last_ns);
	worker->last_ns = now;
	worker->ops += ops;
	return now < worker->deadline_ns;
}

/* The key of an index, good until the next one. */
struct slice worker_key(struct worker *worker, uint64_t index);
struct slice worker_value(struct worker *worker, uint64_t index, uint32_t generation);

void worker_put(struct worker *worker, uint64_t index, uint32_t generation);
void worker_delete(struct worker *worker, uint64_t index);
/* It must be there, and be the right one: or the program ends. */
void worker_get(struct worker *worker, uint64_t index, uint32_t generation);
/* It must not. */
void worker_get_missing(struct worker *worker, uint64_t index);
/* From the key of `index` on; checks the sizes, and, with digits and `whole` (nobody inserts), that just the right entries come, in order. */
void worker_scan(struct worker *worker, uint64_t index, uint64_t length, bool whole);

#endif
