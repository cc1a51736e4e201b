/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Iterator over a memtable: a walk over the leaves, and within each over its versions, newest first.
 *
 * Leaves and versions lie anywhere in memory. So the walk goes over some leaves ahead, which starts to fetch them, before the first
 * of them is looked at; and their entries are laid out as one run.
 *
 * Versions are linked from newer to older only. A walk backwards over a key with so many versions that a run has no room for them
 * therefore lists them once.
 */
#include "engine/memtable_iter.h"

#include "engine/iter_spare.h"
#include "engine/memtable_version.h"

#include <stdlib.h>

enum {
	RUN_ENTRIES = 16,
	RUN_AFTER_SEEK = 8, /* who seeks may want but a few */
};

/* Where an entry of the run comes from. */
struct place {
	const struct art_leaf *leaf;
	const struct memtable_version *version;
};

struct memtable_iter {
	struct iter iter; /* first */
	struct memtable *memtable;
	struct art_iter *leaves;
	bool failed; /* out of memory: stays */

	/* walked over already, from ahead[at] to ahead[count - 1], in this direction */
	bool backward;
	unsigned at, count;
	unsigned most; /* entries of the next run */
	const struct art_leaf *ahead[RUN_ENTRIES];

	struct place first, last; /* of the run; while valid */
	struct entry run[RUN_ENTRIES];

	/* all versions of first.leaf from the newest at some time to one that a run begins with, when listed > 0 */
	const struct memtable_version **list;
	size_t capacity;
	size_t listed;
};

static struct iter_spare spare;

static struct memtable_iter *self(struct iter *iter)
{
	return (struct memtable_iter *)iter;
}

/* ---- leaves ---- */

/* `leaf` is what a move of the walk over the leaves returned: its next ones go on from there. */
static void walk_from(struct memtable_iter *it, const struct art_leaf *leaf, bool backward)
{
	it->failed = it->failed || (!leaf && art_iter_failed(it->leaves));
	it->backward = backward;
	it->at = 0;
	it->count = leaf ? 1 : 0;
	it->most = RUN_AFTER_SEEK;
	it->ahead[0] = leaf;
	it->listed = 0;
	it->iter.valid = false;
}

static void walk_ahead(struct memtable_iter *it, unsigned most)
{
	const struct art_leaf *leaf = NULL;

	it->at = it->count = 0;
	while (it->count < most) {
		leaf = it->backward ? art_iter_prev(it->leaves) : art_iter_next(it->leaves);
		if (!leaf)
			break;
		it->ahead[it->count++] = leaf;
	}
	it->failed = it->failed || (!leaf && art_iter_failed(it->leaves));
}

/* The next leaf of the walk, which is not passed by that; NULL at the end. `most` (at least 1) are wanted. */
static inline const struct art_leaf *peek_leaf(struct memtable_iter *it, unsigned most)
{
	if (it->at == it->count)
		walk_ahead(it, most);
	return it->at < it->count ? it->ahead[it->at] : NULL;
}

/* Makes the walk one in this direction, whose next leaf is the one beside `leaf`. */
static void turn_to(struct memtable_iter *it, const struct art_leaf *leaf, bool backward)
{
	if (it->backward == backward)
		return;
	if (backward) {
		walk_from(it, art_iter_seek_before(it->leaves, art_leaf_key(leaf)), true);
	} else {
		walk_from(it, art_iter_seek(it->leaves, art_leaf_key(leaf)), false);
		it->at = it->count; /* passes `leaf` */
	}
}

/* ---- runs ---- */

static void show_run(struct memtable_iter *it, unsigned first, unsigned end, unsigned at)
{
	it->iter.valid = first < end && !it->failed;
	it->iter.first = it->run + first;
	it->iter.last = it->run + end - (end > 0);
	it->iter.entry = it->run + at;
}

/* A run from a version of a leaf on (NULL: from the next leaf of the walk on). The walk goes forward, and has passed the leaf. */
static void lay_forward(struct memtable_iter *it, struct place next)
{
	unsigned n = 0;

	for (; n < it->most; n++) {
		if (!next.version) {
			next.leaf = peek_leaf(it, it->most - n);
			if (!next.leaf)
				break;
			next.version = memtable_version_newest(next.leaf);
			it->at++;
		}
		if (n == 0)
			it->first = next;
		it->last = next;
		it->run[n] = memtable_version_entry(next.leaf, next.version);
		__builtin_prefetch(it->run[n].value.data);
		next.version = next.version->older;
	}
	it->most = RUN_ENTRIES;
	show_run(it, 0, n, 0);
}

static bool append(struct memtable_iter *it, const struct memtable_version *version)
{
	size_t capacity = it->capacity == 0 ? 2 * RUN_ENTRIES : it->capacity * 2;
	const struct memtable_version **list;

	if (it->listed == it->capacity) {
		list = realloc(it->list, capacity * sizeof list[0]);
		if (!list)
			return false;
		it->list = list;
		it->capacity = capacity;
	}
	it->list[it->listed++] = version;
	return true;
}

/* Lists the versions of a leaf from the newest down to `oldest` (NULL: all). */
static void list_versions(struct memtable_iter *it, const struct art_leaf *leaf,
	const struct memtable_version *oldest)
{
	const struct memtable_version *version = memtable_version_newest(leaf);

	it->listed = 0;
	while (version && !it->failed) {
		it->failed = !append(it, version);
		version = version == oldest ? NULL : version->older;
	}
}

/* A run that ends with the oldest version listed, which is then taken from the list. */
static void lay_listed(struct memtable_iter *it, const struct art_leaf *leaf)
{
	size_t n = it->listed < RUN_ENTRIES ? it->listed : RUN_ENTRIES;

	it->listed -= n;
	for (size_t i = 0; i < n; i++)
		it->run[i] = memtable_version_entry(leaf, it->list[it->listed + i]);
	it->first = (struct place){ leaf, it->list[it->listed] };
	it->last = (struct place){ leaf, it->list[it->listed + n - 1] };
	show_run(it, 0, (unsigned)n, (unsigned)n - 1);
}

/* Puts all versions of a leaf before run[end]. False when they are too many. */
static bool lay_leaf(struct memtable_iter *it, const struct art_leaf *leaf, unsigned end, unsigned *ret_first)
{
	const struct memtable_version *newest = memtable_version_newest(leaf), *version = newest;
	unsigned count = 1, at;

	while (version->older && count <= end) {
		version = version->older;
		count++;
	}
	if (count > end)
		return false;
	if (end == RUN_ENTRIES)
		it->last = (struct place){ leaf, version };
	it->first = (struct place){ leaf, newest };
	at = end - count;
	*ret_first = at;
	for (version = newest; at < end; version = version->older) {
		it->run[at] = memtable_version_entry(leaf, version);
		__builtin_prefetch(it->run[at++].value.data);
	}
	return true;
}

/* A run that ends with the next leaf of the walk, which goes backward. */
static void lay_backward(struct memtable_iter *it)
{
	const struct art_leaf *leaf = peek_leaf(it, it->most);
	unsigned first = RUN_ENTRIES, least = RUN_ENTRIES - it->most;

	it->listed = 0;
	it->most = RUN_ENTRIES;
	while (leaf && lay_leaf(it, leaf, first, &first)) {
		it->at++;
		leaf = first > least ? peek_leaf(it, first - least) : NULL;
	}
	if (first < RUN_ENTRIES || !leaf || it->failed) {
		show_run(it, first, RUN_ENTRIES, RUN_ENTRIES - 1);
		return;
	}
	it->at++;
	list_versions(it, leaf, NULL);
	if (!it->failed)
		lay_listed(it, leaf);
}

/* ---- moves ---- */

static void seek_first(struct iter *iter)
{
	walk_from(self(iter), art_iter_first(self(iter)->leaves), false);
	lay_forward(self(iter), (struct place){ NULL, NULL });
}

static void seek_last(struct iter *iter)
{
	walk_from(self(iter), art_iter_last(self(iter)->leaves), true);
	lay_backward(self(iter));
}

static void seek_before(struct iter *iter, struct slice key)
{
	walk_from(self(iter), art_iter_seek_before(self(iter)->leaves, key), true);
	lay_backward(self(iter));
}

static void seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	struct memtable_iter *it = self(iter);
	const struct art_leaf *leaf = art_iter_seek(it->leaves, key);
	struct place next = { leaf, NULL };

	walk_from(it, leaf, false);
	if (leaf && sequence != ENTRY_SEQUENCE_MAX && slice_equal(art_leaf_key(leaf), key)) {
		next.version = memtable_version_at(leaf, sequence);
		it->at++;
	}
	lay_forward(it, next);
}

static void next(struct iter *iter)
{
	struct memtable_iter *it = self(iter);
	struct place from = it->last;

	it->listed = 0;
	turn_to(it, from.leaf, false);
	from.version = from.version->older;
	lay_forward(it, from);
}

static void prev(struct iter *iter)
{
	struct memtable_iter *it = self(iter);
	const struct place from = it->first;

	iter->valid = false;
	turn_to(it, from.leaf, true);
	if (it->listed == 0 && from.version != memtable_version_newest(from.leaf)) {
		list_versions(it, from.leaf, from.version);
		it->listed -= !it->failed; /* it was shown */
	}
	if (it->failed)
		return;
	if (it->listed > 0)
		lay_listed(it, from.leaf);
	else
		lay_backward(it);
}

static kv_status status(const struct iter *iter, struct kv_error *err)
{
	if (((const struct memtable_iter *)iter)->failed)
		return kv_error_set(err, KV_NO_MEMORY, "cannot walk over the memtable");
	return KV_OK;
}

static void close_iter(struct iter *iter)
{
	struct memtable_iter *it = self(iter);

	art_iter_free(it->leaves);
	memtable_unref(it->memtable);
	free(it->list);
	iter_spare_give(&spare, it);
}

static const struct iter_ops ops = {
	.seek_first = seek_first,
	.seek_last = seek_last,
	.seek = seek,
	.seek_before = seek_before,
	.next = next,
	.prev = prev,
	.status = status,
	.close = close_iter,
};

struct iter *memtable_iter_new(struct memtable *memtable, const struct art *art)
{
	struct memtable_iter *it = iter_spare_take(&spare, sizeof *it);

	if (!it)
		return NULL;
	memset(it, 0, offsetof(struct memtable_iter, ahead));
	it->list = NULL;
	it->capacity = it->listed = 0;
	it->leaves = art_iter_new(art);
	if (!it->leaves) {
		iter_spare_give(&spare, it);
		return NULL;
	}
	it->iter.ops = &ops;
	it->iter.keeps_slices = true; /* all lies in the memtable's arenas */
	it->memtable = memtable_ref(memtable);
	return &it->iter;
}
