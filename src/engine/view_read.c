/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a view. Newest data comes first: active memtable, frozen ones, level 0 from its newest table, then at
 * most one table of each deeper level. Every version in an earlier place is newer than any version
 * of the same key in a later one, so the first hit is the answer.
 */
#include "base/checksum.h"
#include "engine/iter_level.h"
#include "engine/iter_merge.h"
#include "engine/view.h"

#include <stdlib.h>

static void release_memtable(void *owner)
{
	memtable_unref(owner);
}

static bool get_from_memtable(struct memtable *memtable, struct slice key, uint64_t max_sequence,
	struct view_read *ret)
{
	if (!memtable_get(memtable, key, max_sequence, &ret->entry))
		return false;
	ret->pin = (struct pinned){ .bytes = ret->entry.value };
	if (ret->entry.value.len > 0) {
		ret->pin.owner = memtable_ref(memtable);
		ret->pin.release = release_memtable;
	}
	return true;
}

static bool covers(const struct table *table, struct slice key)
{
	const struct sst_meta *meta = table_meta(table);

	return slice_compare(buf_slice(&meta->smallest), key) <= 0 &&
		slice_compare(key, buf_slice(&meta->largest)) <= 0;
}

static kv_status get_from_tables(struct view *view, struct slice key, uint64_t max_sequence,
	struct view_read *ret, struct kv_error *err)
{
	uint64_t hash = key_hash(key);
	kv_status status = KV_NOT_FOUND;

	for (size_t i = 0; status == KV_NOT_FOUND && i < view->levels[0]->count; i++) {
		struct table *table = view->levels[0]->tables[i];

		if (covers(table, key))
			status = table_get(table, key, hash, max_sequence, &ret->entry, &ret->pin, err);
	}
	for (unsigned n = 1; status == KV_NOT_FOUND && n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = view->levels[n];
		size_t i = view_level_find(level, key);

		if (i < level->count && covers(level->tables[i], key))
			status = table_get(level->tables[i], key, hash, max_sequence, &ret->entry,
				&ret->pin, err);
	}
	return status;
}

kv_status view_get(struct view *view, struct slice key, uint64_t max_sequence,
	struct view_read *ret, struct kv_error *err)
{
	if (get_from_memtable(view->active, key, max_sequence, ret))
		return KV_OK;
	for (size_t i = 0; i < view->frozen_count; i++)
		if (get_from_memtable(view->frozen[i], key, max_sequence, ret))
			return KV_OK;
	return get_from_tables(view, key, max_sequence, ret, err);
}

/* Adds the child, or closes all so far when it is NULL. */
static bool add_child(struct iter **children, size_t *count, struct iter *child)
{
	if (child) {
		children[(*count)++] = child;
		return true;
	}
	while (*count > 0)
		iter_close(children[--*count]);
	return false;
}

static bool add_children(struct view *view, bool keep_blocks, struct iter **children, size_t *count)
{
	if (!add_child(children, count, memtable_iter(view->active)))
		return false;
	for (size_t i = 0; i < view->frozen_count; i++)
		if (!add_child(children, count, memtable_iter(view->frozen[i])))
			return false;
	for (size_t i = 0; i < view->levels[0]->count; i++)
		if (!add_child(children, count, table_iter(view->levels[0]->tables[i], keep_blocks)))
			return false;
	for (unsigned n = 1; n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = view->levels[n];

		if (level->count > 0 && !add_child(children, count,
				iter_level_new(level->tables, level->count, keep_blocks)))
			return false;
	}
	return true;
}

struct iter *view_iter(struct view *view, bool keep_blocks)
{
	size_t most = 1 + view->frozen_count + view->levels[0]->count + MANIFEST_LEVELS;
	struct iter **children = malloc(most * sizeof *children);
	struct iter *merge = NULL;
	size_t count = 0;

	if (children && add_children(view, keep_blocks, children, &count))
		merge = iter_merge_new(children, count);
	free(children);
	return merge;
}
