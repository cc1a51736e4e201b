/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Iterator over a memtable: a walk over the leaves, and within each over its versions.
 *
 * Versions are linked from newer to older only. A walk backwards over a key with several versions therefore
 * lists them once, when it first needs to go from one to a newer one.
 */
#include "engine/memtable_iter.h"

#include "engine/memtable_version.h"

#include <stdlib.h>

struct memtable_iter {
	struct iter iter; /* first */
	struct memtable *memtable;
	struct art_iter *leaves;
	bool failed; /* out of memory: stays */

	/* while valid */
	const struct art_leaf *leaf;
	const struct memtable_version *version;

	/* the versions of `leaf` from the newest at some time to `version`, when listed > 0 */
	const struct memtable_version **list;
	size_t capacity;
	size_t listed;
};

static struct memtable_iter *self(struct iter *iter)
{
	return (struct memtable_iter *)iter;
}

static void stand_at(struct memtable_iter *it, const struct art_leaf *leaf,
	const struct memtable_version *version)
{
	it->leaf = leaf;
	it->version = version;
	it->iter.valid = true;
	it->iter.entry = memtable_version_entry(leaf, version);
}

/* `leaf` is what a move over the leaves returned. */
static void enter(struct memtable_iter *it, const struct art_leaf *leaf, bool at_oldest)
{
	const struct memtable_version *version;

	it->listed = 0;
	it->iter.valid = false;
	it->failed = it->failed || (!leaf && art_iter_failed(it->leaves));
	if (!leaf || it->failed)
		return;
	version = memtable_version_newest(leaf);
	while (at_oldest && version->older)
		version = version->older;
	stand_at(it, leaf, version);
}

static void seek_first(struct iter *iter)
{
	enter(self(iter), art_iter_first(self(iter)->leaves), false);
}

static void seek_last(struct iter *iter)
{
	enter(self(iter), art_iter_last(self(iter)->leaves), true);
}

static void seek_before(struct iter *iter, struct slice key)
{
	enter(self(iter), art_iter_seek_before(self(iter)->leaves, key), true);
}

static void seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	struct memtable_iter *it = self(iter);
	const struct memtable_version *version;

	enter(it, art_iter_seek(it->leaves, key), false);
	if (!iter->valid || !slice_equal(art_leaf_key(it->leaf), key))
		return;
	version = memtable_version_at(it->leaf, sequence);
	if (version)
		stand_at(it, it->leaf, version);
	else
		enter(it, art_iter_next(it->leaves), false);
}

static void next(struct iter *iter)
{
	struct memtable_iter *it = self(iter);

	it->listed = 0;
	if (it->version->older)
		stand_at(it, it->leaf, it->version->older);
	else
		enter(it, art_iter_next(it->leaves), false);
}

static bool append(struct memtable_iter *it, const struct memtable_version *version)
{
	size_t capacity = it->capacity == 0 ? 16 : it->capacity * 2;
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

/* Lists from the newest version to the one it stands at. */
static bool list_versions(struct memtable_iter *it)
{
	const struct memtable_version *version = memtable_version_newest(it->leaf);

	while (append(it, version)) {
		if (version == it->version)
			return true;
		version = version->older;
	}
	return false;
}

static void prev(struct iter *iter)
{
	struct memtable_iter *it = self(iter);

	if (it->listed == 0 && it->version != memtable_version_newest(it->leaf) && !list_versions(it)) {
		it->failed = true;
		iter->valid = false;
		return;
	}
	if (it->listed <= 1) {
		enter(it, art_iter_prev(it->leaves), true);
		return;
	}
	it->listed--;
	stand_at(it, it->leaf, it->list[it->listed - 1]);
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
	free(it);
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
	struct memtable_iter *it = calloc(1, sizeof *it);

	if (!it)
		return NULL;
	it->leaves = art_iter_new(art);
	if (!it->leaves) {
		free(it);
		return NULL;
	}
	it->iter.ops = &ops;
	it->memtable = memtable_ref(memtable);
	return &it->iter;
}
