/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one iterator shape: over a memtable, a block, a table, a level, or a merge of those. It walks entries
 * in the order of entry.h, all versions of all keys, in both directions.
 *
 * An implementation embeds `struct iter` as its first member, and after every move sets `valid` and, when valid,
 * `entry`, whose slices stay good until the next move. An iterator is born invalid: seek first. One
 * thread at a time. Errors make it invalid and stay: iter_status() tells; iterators never skip what
 * they cannot read.
 *
 * A call for each entry would cost more than the entry. So an implementation lays out a run: an array of entries that
 * follow one another, of which one is shown. iter_next() and iter_prev() within the run only move `entry`, and all of the run stays good;
 * next() and prev() of the implementation are called at its ends.
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
	/* NULL, or: starts to bring what a seek to there will look at into the processor's cache; the same seek has to follow next. Called with step
	 * 0, then 1: the second may wait for what the first has started. So the waits of several iterators overlap. */
	void (*fetch)(struct iter *iter, struct slice key, uint64_t sequence, unsigned step);
	void (*next)(struct iter *iter); /* only while valid and at the last entry of the run */
	void (*prev)(struct iter *iter); /* only while valid and at the first one */
	kv_status (*status)(const struct iter *iter, struct kv_error *err);
	void (*close)(struct iter *iter); /* frees it and gives back what it pinned */
};

struct iter {
	const struct iter_ops *ops;
	bool valid;
	/* constant: what slices point to stays until close, not only to the next move (the entries themselves do not) */
	bool keeps_slices;
	/* while valid: the one shown, and the ends of the run */
	const struct entry *entry, *first, *last;
};

/* For implementations: shows one entry, which is a run of its own. */
static inline void iter_show(struct iter *iter, const struct entry *entry)
{
	iter->entry = iter->first = iter->last = entry;
	iter->valid = true;
}

/* For implementations that pass on what another one shows, run and all. */
static inline void iter_show_as(struct iter *iter, const struct iter *input)
{
	iter->valid = input->valid;
	iter->entry = input->entry;
	iter->first = input->first;
	iter->last = input->last;
}

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

static inline void iter_fetch(struct iter *iter, struct slice key, uint64_t sequence, unsigned step)
{
	if (iter->ops->fetch)
		iter->ops->fetch(iter, key, sequence, step);
}

static inline void iter_seek_before(struct iter *iter, struct slice key)
{
	iter->ops->seek_before(iter, key);
}

static inline void iter_next(struct iter *iter)
{
	if (iter->entry != iter->last)
		iter->entry++;
	else
		iter->ops->next(iter);
}

static inline void iter_prev(struct iter *iter)
{
	if (iter->entry != iter->first)
		iter->entry--;
	else
		iter->ops->prev(iter);
}

/* Do the entry shown and its slices outlive an iter_next()? */
static inline bool iter_outlives_next(const struct iter *iter)
{
	return iter->entry != iter->last;
}

static inline bool iter_outlives_prev(const struct iter *iter)
{
	return iter->entry != iter->first;
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
