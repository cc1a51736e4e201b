/* SPDX-License-Identifier: BSD-2-Clause */
/* What range deletes would take from a table: policy, pure. */
#ifndef KV_ENGINE_COMPACT_RANGES_H
#define KV_ENGINE_COMPACT_RANGES_H

#include "engine/range_set.h"
#include "engine/sst_meta.h"

struct compact_ranges {
	bool covered; /* nothing of the table is to be seen by anybody */
	double share; /* of its keys that are under range deletes not applied yet, 0 to 1, as far as one can tell from the bounds; 0: there are none */
};

/* Range deletes above `max_sequence` do not count: give the oldest snapshot, as what those of them hide may still be seen. */
struct compact_ranges compact_ranges_judge(const struct range_set *ranges, const struct sst_meta *meta,
	uint64_t max_sequence);

#endif
