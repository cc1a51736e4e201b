/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A view: one immutable picture of the tree: the active memtable, the frozen ones, and the live tables of each level.
 * Readers find the current one by RCU and hold it without a lock; whoever changes the tree builds a new
 * view and replaces the old one.
 *
 * A point read stays inside an RCU read section and counts nothing. An iterator takes a counted reference. The slot itself
 * holds one reference, which is given up only after a wait for RCU, in views_reclaim(): so a reader inside a
 * section may always count up what it found.
 */
#ifndef KV_ENGINE_VIEW_H
#define KV_ENGINE_VIEW_H

#include "engine/manifest.h"
#include "engine/memtable.h"
#include "engine/range_cover.h"
#include "engine/table_cache.h"

#include <pthread.h>
#include <stdatomic.h>

/* The tables of one level; immutable and counted, shared by all views between two changes of the level. */
struct view_level {
	_Atomic unsigned refs;
	size_t count;
	uint64_t bytes;
	struct table *tables[]; /* a reference on each; level 0: newest first; others: by smallest key, disjoint */
};

struct view {
	_Atomic unsigned refs;
	struct view *next_retired; /* guarded by views.mu */
	struct view_level *levels[MANIFEST_LEVELS];
	struct range_set *ranges;  /* range deletes in force for the tables; a reference; NULL: none */
	uint64_t flushed_sequence; /* every range delete up to it is in `ranges`, or needed by no table */
	struct memtable *active;
	size_t frozen_count;
	struct memtable *frozen[]; /* newest first; a reference on each */
};

struct views {
	_Atomic(struct view *) current;
	pthread_mutex_t mu;   /* serialises replacement; no I/O under it */
	struct view *retired; /* guarded by mu */
};

/* A level over `count` tables; takes its own references. NULL when out of memory. */
struct view_level *view_level_new(struct table *const *tables, size_t count);
struct view_level *view_level_ref(struct view_level *level);
void view_level_unref(struct view_level *level); /* NULL is allowed */

/* Index of the first table of a sorted level whose largest key is >= `key`; count when there is none. */
size_t view_level_find(const struct view_level *level, struct slice key);

/* A view with one reference; takes its own references on all parts, and is without range deletes. NULL when out of memory. */
struct view *view_new(struct memtable *active, struct memtable *const *frozen, size_t frozen_count,
	struct view_level *const levels[MANIFEST_LEVELS]);
/* The same in two steps, for those who may not fail in the second: memory (to be freed with free() when it is not filled), ... */
struct view *view_room(size_t frozen_count);
/* ... and what view_new() puts there, of at most so many frozen memtables. */
void view_fill(struct view *view, struct memtable *active, struct memtable *const *frozen,
	size_t frozen_count, struct view_level *const levels[MANIFEST_LEVELS]);
/* Before the view is published. */
void view_set_ranges(struct view *view, struct range_set *ranges, uint64_t flushed_sequence);
struct view *view_ref(struct view *view);
void view_unref(struct view *view); /* NULL is allowed */

kv_status views_init(struct views *views);
void views_destroy(struct views *views); /* no readers may be left */

/* Inside an RCU read section, or with views.mu held: good as long as that. */
static inline struct view *views_peek(struct views *views)
{
	return atomic_load_explicit(&views->current, memory_order_acquire);
}

/* The current view, counted. Any thread, outside of a section. */
struct view *views_acquire(struct views *views);

/* Makes `view` (its reference is taken over) the current one. The old one waits for views_reclaim(). views.mu is held. */
void views_replace_locked(struct views *views, struct view *view);

/* Gives up what was replaced, after waiting for RCU. Background threads. */
void views_reclaim(struct views *views);

struct view_read {
	struct entry entry;   /* newest visible version, may be a delete (by a range delete, too) */
	struct pinned pin;    /* keeps entry.value */
};

/* The newest version of `key` with sequence <= max_sequence. Inside an RCU read section. KV_NOT_FOUND: no version at
 * all. Errors as table_get. */
kv_status view_get(struct view *view, struct slice key, uint64_t max_sequence,
	struct view_read *ret, struct kv_error *err);

/* The range deletes of the view up to max_sequence, malloc'ed, and good as long as the view; *ret is NULL when there are none. KV_NO_MEMORY. */
kv_status view_cover(struct view *view, uint64_t max_sequence, struct range_cover **ret);

/* All entries of the view, in order; with `cover` (NULL: none) without what it hides whole tables of: what is left must still be compared
 * with it. The caller's reference on `view` (and `cover`) must outlive the iterator. NULL when out of memory. */
struct iter *view_iter(struct view *view, const struct range_cover *cover, bool keep_blocks);

#endif
