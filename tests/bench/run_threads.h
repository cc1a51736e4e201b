/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads of the measured part. */
#ifndef KV_BENCH_RUN_THREADS_H
#define KV_BENCH_RUN_THREADS_H

#include "bench/run.h"

/* Runs the workload's function in its threads, each with a session of its own, and fills the results. */
void run_threads(struct run *run);
void run_threads_free(struct run *run);

/* A worker for the calling thread, with an open session; beside run_threads(). */
struct worker *run_threads_worker(struct run *run);
struct worker *run_threads_worker_free(struct worker *worker); /* returns NULL */

/* After run_threads() of a workload of WORKLOAD_FILLED: the index of one of the keys that were written. False: none was. */
bool run_threads_written(const struct run *run, struct draw *draw, uint64_t *ret_index);

#endif
