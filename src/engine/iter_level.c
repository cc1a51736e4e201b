/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * At most one table is open. A seek finds the table by its key range in memory, without opening any other. A
 * table that cannot be opened or read ends the walk: nothing is ever skipped, but for what range deletes hide.
 */
#include "engine/iter_level.h"

#include "engine/iter_uncovered.h"

#include <assert.h>
#include <stdlib.h>

struct iter_level {
	struct iter base;
	struct table *const *tables; /* borrowed */
	size_t count;
	const struct range_cover *cover; /* NULL: none; borrowed */
	bool keep_blocks;

	size_t at;           /* index of the open table */
	size_t sought;       /* between two steps of a fetch */
	size_t judged_at;    /* SIZE_MAX, or the table of which the next is known */
	bool judged_hidden;
	struct iter *table;  /* NULL: none is open */
	kv_status status;    /* once not KV_OK, nothing moves any more; the detail is in `table` when there is one */
};

static struct slice smallest(const struct iter_level *level, size_t at)
{
	return buf_slice(&table_meta(level->tables[at])->smallest);
}

static struct slice largest(const struct iter_level *level, size_t at)
{
	return buf_slice(&table_meta(level->tables[at])->largest);
}

/* Makes table `at` the open one; false when there is none at that place, or on an error. */
static bool open_table(struct iter_level *level, size_t at)
{
	if (at >= level->count || level->status != KV_OK)
		return false;
	if (level->table && level->at == at)
		return true;
	level->table = iter_close(level->table);
	level->table = iter_uncovered_new(table_iter(level->tables[at], level->keep_blocks), level->cover,
		table_meta(level->tables[at])->last_sequence);
	level->at = at;
	if (!level->table)
		level->status = KV_NO_MEMORY;
	return level->table != NULL;
}

/* After a move of the open table: shows its entry. False at its end without an error: then the walk goes on elsewhere. */
static bool show(struct iter_level *level)
{
	iter_show_as(&level->base, level->table);
	if (!level->base.valid)
		level->status = iter_status(level->table, NULL);
	return level->base.valid || level->status != KV_OK;
}

/* Not even a look into it is needed then. The answer is kept: it takes long where very many range deletes follow one another. */
static bool is_hidden(struct iter_level *level, size_t at)
{
	if (!level->cover || at >= level->count)
		return false;
	if (level->judged_at != at)
		level->judged_hidden = range_cover_hides(level->cover, smallest(level, at), largest(level, at),
			table_meta(level->tables[at])->last_sequence);
	level->judged_at = at;
	return level->judged_hidden;
}

/* From the first entry of table `at` on. */
static void walk_forward(struct iter_level *level, size_t at)
{
	for (;; at++) {
		while (is_hidden(level, at))
			at++;
		if (!open_table(level, at))
			return;
		iter_seek_first(level->table);
		if (show(level))
			return;
	}
}

/* From the last entry of table `at` backward; SIZE_MAX: there is none. */
static void walk_backward(struct iter_level *level, size_t at)
{
	for (;; at--) {
		while (is_hidden(level, at))
			at--;
		if (!open_table(level, at))
			return;
		iter_seek_last(level->table);
		if (show(level))
			return;
	}
}

static void level_seek_first(struct iter *iter)
{
	iter->valid = false;
	walk_forward((struct iter_level *)iter, 0);
}

static void level_seek_last(struct iter *iter)
{
	struct iter_level *level = (struct iter_level *)iter;

	iter->valid = false;
	walk_backward(level, level->count - 1);
}

/* Index of the first table whose largest key is >= key. */
static size_t find_ending_at(const struct iter_level *level, struct slice key)
{
	size_t low = 0, high = level->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_compare(largest(level, mid), key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Number of tables whose smallest key is < key. */
static size_t count_beginning_before(const struct iter_level *level, struct slice key)
{
	size_t low = 0, high = level->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_compare(smallest(level, mid), key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void level_fetch(struct iter *iter, struct slice key, uint64_t sequence, unsigned step)
{
	struct iter_level *level = (struct iter_level *)iter;

	if (step == 0)
		level->sought = find_ending_at(level, key);
	if (!is_hidden(level, level->sought) && open_table(level, level->sought))
		iter_fetch(level->table, key, sequence, step);
}

static void level_seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	struct iter_level *level = (struct iter_level *)iter;
	size_t at = find_ending_at(level, key);

	iter->valid = false;
	if (is_hidden(level, at)) {
		walk_forward(level, at + 1);
		return;
	}
	if (!open_table(level, at))
		return;
	iter_seek(level->table, key, sequence);
	if (!show(level))
		walk_forward(level, at + 1);
}

static void level_seek_before(struct iter *iter, struct slice key)
{
	struct iter_level *level = (struct iter_level *)iter;
	size_t at = count_beginning_before(level, key) - 1;

	iter->valid = false;
	if (is_hidden(level, at)) {
		walk_backward(level, at - 1);
		return;
	}
	if (!open_table(level, at))
		return;
	iter_seek_before(level->table, key);
	if (!show(level))
		walk_backward(level, at - 1);
}

static void level_next(struct iter *iter)
{
	struct iter_level *level = (struct iter_level *)iter;

	assert(iter->valid);
	level->table->entry = iter->entry; /* it has moved within the run */
	iter_next(level->table);
	if (!show(level))
		walk_forward(level, level->at + 1);
}

static void level_prev(struct iter *iter)
{
	struct iter_level *level = (struct iter_level *)iter;

	assert(iter->valid);
	level->table->entry = iter->entry;
	iter_prev(level->table);
	if (!show(level))
		walk_backward(level, level->at - 1);
}

static kv_status level_status(const struct iter *iter, struct kv_error *err)
{
	const struct iter_level *level = (const struct iter_level *)iter;

	if (level->status != KV_OK && level->table)
		return iter_status(level->table, err);
	if (level->status != KV_OK)
		return kv_error_set(err, level->status, "cannot open a table");
	return KV_OK;
}

static void level_close(struct iter *iter)
{
	struct iter_level *level = (struct iter_level *)iter;

	iter_close(level->table);
	free(level);
}

static const struct iter_ops level_ops = {
	.seek_first = level_seek_first,
	.seek_last = level_seek_last,
	.seek = level_seek,
	.seek_before = level_seek_before,
	.fetch = level_fetch,
	.next = level_next,
	.prev = level_prev,
	.status = level_status,
	.close = level_close,
};

struct iter *iter_level_new(struct table *const *tables, size_t count,
	const struct range_cover *cover, bool keep_blocks)
{
	struct iter_level *level = malloc(sizeof *level);

	if (!level)
		return NULL;
	*level = (struct iter_level){
		.base.ops = &level_ops,
		.tables = tables,
		.count = count,
		.cover = cover,
		.keep_blocks = keep_blocks,
		.judged_at = SIZE_MAX,
	};
	return &level->base;
}
