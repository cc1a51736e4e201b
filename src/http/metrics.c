/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shards: each thread adds to the one that its first call gave it. There may be more threads than shards, so the
 * additions are atomic; with as many threads as processors they do not meet.
 */
#define _GNU_SOURCE
#include "http/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SHARDS = 16, STATUS_MIN = 100, STATUS_MAX = 599 };

struct shard {
	_Alignas(64) atomic_uint_fast64_t buckets[METRICS_OP_COUNT][METRICS_BUCKETS];
	atomic_uint_fast64_t elapsed_us[METRICS_OP_COUNT];
	atomic_uint_fast64_t statuses[METRICS_OP_COUNT][STATUS_MAX + 1];
};

struct metrics {
	struct shard shards[SHARDS];
};

static const uint64_t bounds_us[METRICS_BUCKETS] = {
	50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
	2500000, 5000000, 10000000, UINT64_MAX,
};

static const char *const names[METRICS_OP_COUNT] = {
	[METRICS_GET] = "get",
	[METRICS_SET] = "set",
	[METRICS_DELETE] = "delete",
	[METRICS_SCAN] = "scan",
	[METRICS_CHANGES] = "changes",
	[METRICS_ADMIN] = "admin",
	[METRICS_OTHER] = "other",
};

struct metrics *metrics_new(void)
{
	struct metrics *metrics = aligned_alloc(64, sizeof *metrics);

	if (metrics)
		memset(metrics, 0, sizeof *metrics);
	return metrics;
}

struct metrics *metrics_free(struct metrics *metrics)
{
	free(metrics);
	return NULL;
}

const char *metrics_op_name(enum metrics_op op)
{
	return names[op];
}

uint64_t metrics_bucket_bound_us(unsigned bucket)
{
	return bounds_us[bucket];
}

static struct shard *own_shard(struct metrics *metrics)
{
	static atomic_uint next;
	static _Thread_local unsigned own; /* 1 + index; 0: none yet */

	if (own == 0)
		own = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % SHARDS;
	return &metrics->shards[own - 1];
}

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t load(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_record(struct metrics *metrics, enum metrics_op op, unsigned status, uint64_t elapsed_us)
{
	struct shard *shard = own_shard(metrics);
	unsigned bucket = 0;

	while (elapsed_us > bounds_us[bucket])
		bucket++;
	add(&shard->buckets[op][bucket], 1);
	add(&shard->elapsed_us[op], elapsed_us);
	if (status >= STATUS_MIN && status <= STATUS_MAX)
		add(&shard->statuses[op][status], 1);
}

static void collect_op(const struct shard *shard, unsigned op, struct metrics_sum *sum)
{
	for (unsigned i = 0; i < METRICS_BUCKETS; i++)
		sum->buckets[op][i] += load(&shard->buckets[op][i]);
	sum->elapsed_us[op] += load(&shard->elapsed_us[op]);
	for (unsigned i = STATUS_MIN; i <= STATUS_MAX; i++)
		sum->statuses[op][i] += load(&shard->statuses[op][i]);
}

void metrics_collect(const struct metrics *metrics, struct metrics_sum *ret)
{
	memset(ret, 0, sizeof *ret);
	for (unsigned i = 0; i < SHARDS; i++)
		for (unsigned op = 0; op < METRICS_OP_COUNT; op++)
			collect_op(&metrics->shards[i], op, ret);
}
