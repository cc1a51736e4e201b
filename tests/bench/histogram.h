/* SPDX-License-Identifier: BSD-2-Clause */
/* Latencies in buckets that are a 64th of a power of two wide: a percentile is at most 1.6 % too high. One thread. */
#ifndef KV_BENCH_HISTOGRAM_H
#define KV_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 6,
	HISTOGRAM_SUBS = 1 << HISTOGRAM_SUB_BITS,
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUBS,
};

struct histogram {
	uint64_t count, max_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Values below HISTOGRAM_SUBS have a bucket each; above, the highest bits choose. */
static inline unsigned histogram_bucket(uint64_t ns)
{
	unsigned shift;

	if (ns < HISTOGRAM_SUBS)
		return (unsigned)ns;
	shift = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
	return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(ns >> shift);
}

static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->buckets[histogram_bucket(ns)]++;
	histogram->count++;
	if (ns > histogram->max_ns)
		histogram->max_ns = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from);

/* The upper end of the bucket that holds the value of rank `share` (0 to 1), at most the largest value; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
