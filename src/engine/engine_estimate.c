/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much a range of keys holds, roughly, without reading data.
 *
 * Of a table within the range everything counts; of one that lies across a bound, as much as its index says: blocks are of about the same
 * size, so the share of blocks is the share of entries. A range inside of one block counts as half of it.
 *
 * A memtable has no such index. It is looked into up to COUNT_MAX entries: inside of the range, and when that was not all, before and
 * behind it; what was not counted is shared out evenly among the parts whose end was not reached. So small ranges and nearly whole ones are
 * exact, and others are off by less than the memtable.
 */
#include "engine/engine_internal.h"

enum { COUNT_MAX = 1024 };

/* The other end of the part is the end of the range or of the memtable. */
struct part {
	uint64_t entries;
	bool whole; /* its end was reached */
};

static struct part count_forward(struct iter *it, struct slice from, struct slice end)
{
	struct part part = { 0 };

	if (from.len > 0)
		iter_seek(it, from, ENTRY_SEQUENCE_MAX);
	else
		iter_seek_first(it);
	while (it->valid && part.entries < COUNT_MAX && (end.len == 0 || slice_compare(it->entry->key, end) < 0)) {
		part.entries++;
		iter_next(it);
	}
	part.whole = part.entries < COUNT_MAX;
	return part;
}

static struct part count_backward(struct iter *it, struct slice before)
{
	struct part part = { .whole = true };

	if (before.len == 0)
		return part;
	for (iter_seek_before(it, before); it->valid && part.entries < COUNT_MAX; iter_prev(it))
		part.entries++;
	part.whole = part.entries < COUNT_MAX;
	return part;
}

/* The share of `inside` in what none of the parts has counted. */
static uint64_t guess(uint64_t all, const struct part *inside, const struct part *before, const struct part *behind)
{
	uint64_t counted = inside->entries + before->entries + behind->entries;
	unsigned open_ends = 1 + !before->whole + !behind->whole;

	return inside->entries + (all > counted ? (all - counted) / open_ends : 0);
}

static kv_status estimate_memtable(struct memtable *memtable, struct slice start, struct slice end,
	struct engine_estimate *sum)
{
	uint64_t all = memtable_entries(memtable), entries = all;
	struct iter *it;
	struct part inside, before, behind = { .whole = true };
	kv_status status;

	if (all == 0)
		return KV_OK;
	it = memtable_iter(memtable);
	if (!it)
		return KV_NO_MEMORY;
	inside = count_forward(it, start, end);
	if (inside.whole) {
		entries = inside.entries;
	} else if (start.len > 0 || end.len > 0) {
		before = count_backward(it, start);
		if (end.len > 0)
			behind = count_forward(it, end, slice_of(NULL, 0));
		entries = guess(all, &inside, &before, &behind);
	}
	status = iter_status(it, NULL);
	iter_close(it);
	sum->entries += entries;
	sum->bytes += (uint64_t)((double)(memtable_bytes(memtable) + memtable_blob_bytes(memtable)) *
		(double)entries / (double)all);
	return status;
}

static kv_status estimate_table(struct table *table, struct slice start, struct slice end,
	struct engine_estimate *sum, struct kv_error *err)
{
	const struct sst_meta *meta = table_meta(table);
	bool from_start = slice_compare(start, buf_slice(&meta->smallest)) <= 0;
	bool to_end = end.len == 0 || slice_compare(buf_slice(&meta->largest), end) < 0;
	double share = 1;
	kv_status status = KV_OK;

	if (slice_compare(buf_slice(&meta->largest), start) < 0 ||
		(end.len > 0 && slice_compare(end, buf_slice(&meta->smallest)) <= 0))
		return KV_OK;
	if (!from_start || !to_end)
		status = table_share(table, start, end, &share, err);
	if (status != KV_OK)
		return status;
	sum->entries += (uint64_t)((double)meta->entries * share);
	sum->bytes += (uint64_t)((double)(meta->file_bytes + meta->blob_bytes) * share);
	return KV_OK;
}

static kv_status estimate_view(struct view *view, struct slice start, struct slice end,
	struct engine_estimate *sum, struct kv_error *err)
{
	kv_status status = estimate_memtable(view->active, start, end, sum);

	for (size_t i = 0; i < view->frozen_count && status == KV_OK; i++)
		status = estimate_memtable(view->frozen[i], start, end, sum);
	if (status != KV_OK)
		return kv_error_set(err, status, "cannot look into a memtable");
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		for (size_t i = 0; i < view->levels[n]->count && status == KV_OK; i++)
			status = estimate_table(view->levels[n]->tables[i], start, end, sum, err);
	return status;
}

kv_status engine_estimate(struct engine *engine, struct slice start, struct slice end,
	struct engine_estimate *ret, struct kv_error *err)
{
	struct engine_estimate sum = { 0 };
	struct view *view = views_acquire(&engine->views);
	kv_status status = KV_OK;

	if (end.len == 0 || slice_compare(start, end) < 0)
		status = estimate_view(view, start, end, &sum, err);
	view_unref(view);
	if (status == KV_OK)
		*ret = sum;
	return status;
}
