/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a view. Newest data comes first: active memtable, frozen ones, level 0 from its newest table, then at
 * most one table of each deeper level. Every version in an earlier place is newer than any version
 * of the same key in a later one, so the first hit is the answer.
 *
 * The hash of the key is made once, and the filters of all memtables and of level 0 are fetched at once, before the first of them is
 * asked: the waits for memory go side by side.
 *
 * A range delete of a memtable is newer than everything in later places, too: a hit. Those of the view are compared with what the tables
 * hold; a table that has nothing newer than the one that covers the key is not read.
 */
#include "base/checksum.h"
#include "engine/iter_level.h"
#include "engine/iter_merge.h"
#include "engine/iter_uncovered.h"
#include "engine/view.h"

#include <stdlib.h>

static void release_memtable(void *owner)
{
	memtable_unref(owner);
}

static bool get_from_memtable(struct memtable *memtable, struct slice key, uint64_t hash,
	uint64_t max_sequence, struct view_read *ret)
{
	if (!memtable_may_have(memtable, hash) ||
		!memtable_get(memtable, key, max_sequence, &ret->entry))
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

/* Looks for a key in the tables: what is the same for each of them. */
struct table_read {
	struct slice key;
	uint64_t hash;
	uint64_t max_sequence;
	uint64_t deleted; /* by a range delete of this sequence; 0: by none */
};

/* The filter first: it is the cheapest of the three. */
static bool may_have(struct table *table, const struct table_read *read)
{
	return table_may_have(table, read->hash) && covers(table, read->key) &&
		(read->deleted == 0 || table_meta(table)->last_sequence >= read->deleted);
}

static kv_status get_from_tables(struct view *view, const struct table_read *read,
	struct view_read *ret, struct kv_error *err)
{
	kv_status status = KV_NOT_FOUND;

	for (size_t i = 0; status == KV_NOT_FOUND && i < view->levels[0]->count; i++) {
		struct table *table = view->levels[0]->tables[i];

		if (may_have(table, read))
			status = table_get(table, read->key, read->hash, read->max_sequence, &ret->entry,
				&ret->pin, err);
	}
	for (unsigned n = 1; status == KV_NOT_FOUND && n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = view->levels[n];
		size_t i = view_level_find(level, read->key);

		if (i < level->count && may_have(level->tables[i], read))
			status = table_get(level->tables[i], read->key, read->hash, read->max_sequence,
				&ret->entry, &ret->pin, err);
	}
	return status;
}

/* The answer of the tables after a range delete that covers the key. */
static kv_status judge_covered(const struct table_read *read, kv_status status, struct view_read *ret)
{
	if (status != KV_NOT_FOUND && (status != KV_OK || ret->entry.sequence > read->deleted))
		return status;
	if (status == KV_OK)
		pinned_release(&ret->pin);
	*ret = (struct view_read){ .entry = { .key = read->key, .sequence = read->deleted,
		.kind = ENTRY_DELETE } };
	return KV_OK;
}

/* Apart from view_get(), which mostly finds the key in memory. */
static kv_status get_from_disk(struct view *view, struct slice key, uint64_t hash, uint64_t max_sequence,
	struct view_read *ret, struct kv_error *err)
{
	struct table_read read = { .key = key, .hash = hash, .max_sequence = max_sequence };
	kv_status status;

	if (view->ranges)
		read.deleted = range_set_cover(view->ranges, key, max_sequence);
	status = get_from_tables(view, &read, ret, err);
	return read.deleted == 0 ? status : judge_covered(&read, status, ret);
}

static void prefetch_filters(const struct view *view, uint64_t hash)
{
	memtable_prefetch(view->active, hash);
	for (size_t i = 0; i < view->frozen_count; i++)
		memtable_prefetch(view->frozen[i], hash);
	for (size_t i = 0; i < view->levels[0]->count; i++)
		table_prefetch_filter(view->levels[0]->tables[i], hash);
}

kv_status view_get(struct view *view, struct slice key, uint64_t max_sequence,
	struct view_read *ret, struct kv_error *err)
{
	uint64_t hash = key_hash(key);

	prefetch_filters(view, hash);
	if (get_from_memtable(view->active, key, hash, max_sequence, ret))
		return KV_OK;
	for (size_t i = 0; i < view->frozen_count; i++)
		if (get_from_memtable(view->frozen[i], key, hash, max_sequence, ret))
			return KV_OK;
	return get_from_disk(view, key, hash, max_sequence, ret, err);
}

/* ---- iterators ---- */

static size_t add_sets(const struct range_runs *runs, struct range_cover *cover)
{
	for (size_t i = 0; cover && runs && i < runs->count; i++)
		cover->sets[cover->count++] = runs->sets[i];
	return runs ? runs->count : 0;
}

/* Adds the sets to `cover` unless it is NULL; returns how many there are. `active`: of the active memtable, which may get more. */
static size_t gather_sets(struct view *view, const struct range_runs *active, struct range_cover *cover)
{
	size_t count = add_sets(active, cover);

	for (size_t i = 0; i < view->frozen_count; i++)
		count += add_sets(memtable_ranges(view->frozen[i]), cover);
	if (view->ranges) {
		if (cover)
			cover->sets[cover->count++] = view->ranges;
		count++;
	}
	return count;
}

kv_status view_cover(struct view *view, uint64_t max_sequence, struct range_cover **ret)
{
	const struct range_runs *active = memtable_ranges(view->active);
	size_t count = gather_sets(view, active, NULL);
	struct range_cover *cover = NULL;

	if (count > 0) {
		cover = malloc(sizeof *cover + count * sizeof cover->sets[0]);
		if (!cover)
			return KV_NO_MEMORY;
		*cover = (struct range_cover){ .max_sequence = max_sequence };
		gather_sets(view, active, cover);
	}
	*ret = cover;
	return KV_OK;
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

static struct iter *uncovered_table(struct table *table, const struct range_cover *cover, bool keep_blocks)
{
	return iter_uncovered_new(table_iter(table, keep_blocks), cover, table_meta(table)->last_sequence);
}

static bool add_children(struct view *view, const struct range_cover *cover, bool keep_blocks,
	struct iter **children, size_t *count)
{
	if (!add_child(children, count, memtable_iter(view->active)))
		return false;
	for (size_t i = 0; i < view->frozen_count; i++)
		if (!add_child(children, count, memtable_iter(view->frozen[i])))
			return false;
	for (size_t i = 0; i < view->levels[0]->count; i++)
		if (!add_child(children, count,
				uncovered_table(view->levels[0]->tables[i], cover, keep_blocks)))
			return false;
	for (unsigned n = 1; n < MANIFEST_LEVELS; n++) {
		const struct view_level *level = view->levels[n];

		if (level->count > 0 && !add_child(children, count,
				iter_level_new(level->tables, level->count, cover, keep_blocks)))
			return false;
	}
	return true;
}

struct iter *view_iter(struct view *view, const struct range_cover *cover, bool keep_blocks)
{
	size_t most = 1 + view->frozen_count + view->levels[0]->count + MANIFEST_LEVELS;
	struct iter **children = malloc(most * sizeof *children);
	struct iter *merge = NULL;
	size_t count = 0;

	if (children && add_children(view, cover, keep_blocks, children, &count))
		merge = iter_merge_new(children, count);
	free(children);
	return merge;
}
