/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table needs a range delete when it may hold an entry that this covers: they have keys in common, the table has something older, and
 * was not written with the range delete applied. Whatever is not in a table yet, when the memtable of the range delete goes to
 * one, is newer than it. So when no table needs it, it can go.
 */
#include "engine/catalog_ranges.h"

#include <stdlib.h>

static bool needs(const struct table *table, const struct range *range)
{
	const struct sst_meta *meta = table_meta(table);

	return meta->first_sequence < range->sequence && meta->range_applied < range->sequence &&
		slice_compare(range->start, buf_slice(&meta->largest)) <= 0 &&
		(range->end.len == 0 || slice_compare(buf_slice(&meta->smallest), range->end) < 0);
}

static bool level_needs(const struct view_level *level, bool sorted, const struct range *range)
{
	for (size_t i = sorted ? view_level_find(level, range->start) : 0; i < level->count; i++) {
		if (needs(level->tables[i], range))
			return true;
		if (sorted && range->end.len > 0 &&
			slice_compare(buf_slice(&table_meta(level->tables[i])->smallest), range->end) >= 0)
			return false;
	}
	return false;
}

static bool is_needed(struct view_level *const levels[MANIFEST_LEVELS], const struct range *range)
{
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		if (level_needs(levels[n], n > 0, range))
			return true;
	return false;
}

/* Do newer range deletes hide the same for every reader: also for all snapshots, because none of them lies between? */
static bool is_superfluous(const struct range_set *all, const struct range *range, uint64_t oldest_snapshot)
{
	size_t at = range_set_find(all, 0, range->start);
	size_t end = range->end.len > 0 ? range_set_find(all, at, range->end) : range_set_fragments(all);

	for (; at < end; at++)
		if (range_set_at(all, at, oldest_snapshot) <= range->sequence)
			return false;
	return true;
}

static size_t keep_needed(const struct range_set *all, struct view_level *const levels[MANIFEST_LEVELS],
	uint64_t oldest_snapshot, struct range *to)
{
	const struct range *list = range_set_list(all);
	size_t count = 0;

	for (size_t i = 0; i < range_set_count(all); i++)
		if (is_needed(levels, &list[i]) && !is_superfluous(all, &list[i], oldest_snapshot))
			to[count++] = list[i];
	return count;
}

/* Those of the view and of the memtable. */
static kv_status gather(const struct view *before, const struct memtable *flushed, struct range_set **ret)
{
	const struct range_runs *more = flushed ? memtable_ranges(flushed) : NULL;
	size_t count = range_set_count(before->ranges);
	struct range *ranges;

	if (!more) {
		*ret = range_set_ref(before->ranges);
		return KV_OK;
	}
	ranges = calloc(count + more->ranges, sizeof *ranges);
	if (!ranges)
		return KV_NO_MEMORY;
	if (count > 0)
		memcpy(ranges, range_set_list(before->ranges), count * sizeof *ranges);
	range_runs_list(more, ranges + count);
	*ret = range_set_new(ranges, count + more->ranges);
	free(ranges);
	return *ret ? KV_OK : KV_NO_MEMORY;
}

kv_status catalog_ranges_after(const struct view *before, const struct memtable *flushed,
	struct view_level *const levels[MANIFEST_LEVELS], uint64_t oldest_snapshot, struct range_set **ret)
{
	struct range_set *all = NULL, *kept = NULL;
	struct range *ranges;
	size_t count;
	kv_status status = gather(before, flushed, &all);

	if (status != KV_OK)
		return status;
	ranges = calloc(range_set_count(all) + 1, sizeof *ranges);
	if (!ranges) {
		range_set_unref(all);
		return KV_NO_MEMORY;
	}
	count = keep_needed(all, levels, oldest_snapshot, ranges);
	if (count == range_set_count(all))
		kept = range_set_ref(all);
	else if (count > 0 && !(kept = range_set_new(ranges, count)))
		status = KV_NO_MEMORY;
	free(ranges);
	range_set_unref(all);
	if (status == KV_OK)
		*ret = kept;
	return status;
}

kv_status catalog_ranges_describe(const struct range_set *ranges, struct manifest *manifest)
{
	const struct range *list = range_set_list(ranges);
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < range_set_count(ranges); i++)
		status = manifest_add_range(manifest, list[i].sequence, list[i].start, list[i].end);
	return status;
}

kv_status catalog_ranges_load(const struct manifest *manifest, struct range_set **ret)
{
	struct range *ranges;

	*ret = NULL;
	if (manifest->range_count == 0)
		return KV_OK;
	ranges = calloc(manifest->range_count, sizeof *ranges);
	if (!ranges)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < manifest->range_count; i++)
		ranges[i] = (struct range){ .sequence = manifest->ranges[i].sequence,
			.start = buf_slice(&manifest->ranges[i].start),
			.end = buf_slice(&manifest->ranges[i].end) };
	*ret = range_set_new(ranges, manifest->range_count);
	free(ranges);
	return *ret ? KV_OK : KV_NO_MEMORY;
}
