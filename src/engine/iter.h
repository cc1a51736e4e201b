/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one iterator shape: over a memtable, a block, a table, a level, or a merge of those. It walks entries
 * in the order of entry.h, all versions of all keys, in both directions.
 *
 * An implementation embeds `struct iter` as its first member, and after every move sets `valid` and, when valid,
 * `entry`, whose slices stay good until the next move. An iterator is born invalid: seek first. One
 * thread at a time. Errors make it invalid and stay: iter_status() tells; iterators never skip what
 * they cannot read.
 */
#ifndef KV_ENGINE_ITER_H
#define KV_ENGINE_ITER_H

#include "base/status.h"
#include "engine/entry.h"

struct iter;

struct iter_ops {
	void (*seek_first)(struct iter *iter);
	void (*seek_last)(struct iter *iter);
	/* to the first entry at or after (key, sequence); ENTRY_SEQUENCE_MAX: the key's newest */
	void (*seek)(struct iter *iter, struct slice key, uint64_t sequence);
	/* to the last entry whose user key is < key */
	void (*seek_before)(struct iter *iter, struct slice key);
	void (*next)(struct iter *iter); /* only while valid */
	void (*prev)(struct iter *iter); /* only while valid */
	kv_status (*status)(const struct iter *iter, struct kv_error *err);
	void (*close)(struct iter *iter); /* frees it and gives back what it pinned */
};

struct iter {
	const struct iter_ops *ops;
	bool valid;
	struct entry entry; /* while valid */
};

static inline void iter_seek_first(struct iter *iter)
{
	iter->ops->seek_first(iter);
}

static inline void iter_seek_last(struct iter *iter)
{
	iter->ops->seek_last(iter);
}

static inline void iter_seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	iter->ops->seek(iter, key, sequence);
}

static inline void iter_seek_before(struct iter *iter, struct slice key)
{
	iter->ops->seek_before(iter, key);
}

static inline void iter_next(struct iter *iter)
{
	iter->ops->next(iter);
}

static inline void iter_prev(struct iter *iter)
{
	iter->ops->prev(iter);
}

static inline kv_status iter_status(const struct iter *iter, struct kv_error *err)
{
	return iter->ops->status(iter, err);
}

/* NULL is allowed; returns NULL. */
static inline struct iter *iter_close(struct iter *iter)
{
	if (iter)
		iter->ops->close(iter);
	return NULL;
}

/* An iterator over nothing; with `status` other than KV_OK, one that reports it (and a copy of *err when not NULL). NULL
 * when out of memory. */
struct iter *iter_new_empty(kv_status status, const struct kv_error *err);

#endif
