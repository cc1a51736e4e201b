/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts of requests by operation and status, and their latencies as histograms. Recording is a few relaxed atomic
 * additions to memory that mostly one thread uses. Any thread.
 */
#ifndef KV_HTTP_METRICS_H
#define KV_HTTP_METRICS_H

#include "base/buf.h"

enum metrics_op {
	METRICS_GET,
	METRICS_SET,
	METRICS_DELETE,
	METRICS_SCAN,
	METRICS_CHANGES, /* with what they wait */
	METRICS_ADMIN, /* health, statistics, shutdown */
	METRICS_OTHER, /* refused before an operation was known */
	METRICS_OP_COUNT
};

enum { METRICS_BUCKETS = 18 }; /* with the last one: above all bounds */

struct metrics;

struct metrics *metrics_new(void); /* NULL when out of memory */
struct metrics *metrics_free(struct metrics *metrics);

void metrics_record(struct metrics *metrics, enum metrics_op op, unsigned status, uint64_t elapsed_us);

/* "get", "set", ... */
const char *metrics_op_name(enum metrics_op op);

/* The sum over all threads, as far as recorded at the time of the call. */
struct metrics_sum {
	uint64_t buckets[METRICS_OP_COUNT][METRICS_BUCKETS]; /* not cumulative */
	uint64_t elapsed_us[METRICS_OP_COUNT];
	uint64_t statuses[METRICS_OP_COUNT][600]; /* by HTTP status */
};

void metrics_collect(const struct metrics *metrics, struct metrics_sum *ret);

/* Upper bound of a bucket in microseconds; UINT64_MAX for the last one. */
uint64_t metrics_bucket_bound_us(unsigned bucket);

#endif
