/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/compact_filter.h"

/* The oldest snapshot that is not below `sequence`; ENTRY_SEQUENCE_MAX when there is none. */
static uint64_t snapshot_from(const struct compact_filter *filter, uint64_t sequence)
{
	size_t low = 0, high = filter->snapshot_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (filter->snapshots[mid] < sequence)
			low = mid + 1;
		else
			high = mid;
	}
	return low < filter->snapshot_count ? filter->snapshots[low] : ENTRY_SEQUENCE_MAX;
}

/* Would nothing older come to light without the tombstone `entry`? */
static bool hides_nothing(const struct compact_filter *filter, const struct entry *entry)
{
	if (filter->snapshot_count > 0 && filter->snapshots[0] < entry->sequence)
		return false;
	return filter->may_be_below && !filter->may_be_below(filter->arg, entry->key);
}

enum compact_verdict compact_filter_judge(const struct compact_filter *filter,
	const struct entry *entry, uint64_t newer)
{
	if (newer != 0 && snapshot_from(filter, entry->sequence) >= newer)
		return COMPACT_DROP;
	if (entry_is_live(entry, filter->now_unix_ms))
		return COMPACT_KEEP;
	if (hides_nothing(filter, entry))
		return COMPACT_DROP;
	return entry->kind == ENTRY_DELETE ? COMPACT_KEEP : COMPACT_BURY;
}
