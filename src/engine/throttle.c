/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Back-pressure without a cliff: from four times the compaction threshold on, writes are delayed in proportion to
 * how far level 0 is behind; at nine times the threshold they wait until it is shorter.
 */
#include "engine/engine_internal.h"

enum {
	SOFT_FACTOR = 4,
	HARD_FACTOR = 9,
	SLOWEST_BYTES_PER_US = 8, /* just below the hard limit: 8 MB/s */
};

uint64_t throttle_delay_us(size_t level0_tables, uint32_t threshold, uint64_t bytes)
{
	uint64_t soft = (uint64_t)threshold * SOFT_FACTOR;
	uint64_t hard = (uint64_t)threshold * HARD_FACTOR;

	if (level0_tables <= soft)
		return 0;
	if (level0_tables >= hard)
		return UINT64_MAX;
	return bytes * (level0_tables - soft) / ((hard - soft) * SLOWEST_BYTES_PER_US);
}

uint64_t throttle_longest_us(uint64_t bytes)
{
	return bytes / SLOWEST_BYTES_PER_US;
}
