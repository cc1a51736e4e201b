/* SPDX-License-Identifier: BSD-2-Clause */
/* Merging of histograms, and percentiles. */
#include "bench/histogram.h"

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	into->count += from->count;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
}

static uint64_t upper_end(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * HISTOGRAM_SUBS)
		return bucket;
	shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
	return ((uint64_t)(bucket - (shift << HISTOGRAM_SUB_BITS)) << shift) + ((UINT64_C(1) << shift) - 1);
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
	uint64_t rank = (uint64_t)(share * (double)histogram->count), seen = 0, end;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen > rank || (seen != 0 && seen == histogram->count)) {
			end = upper_end(i);
			return end < histogram->max_ns ? end : histogram->max_ns;
		}
	}
	return histogram->max_ns;
}
