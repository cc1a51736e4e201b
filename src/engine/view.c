/* SPDX-License-Identifier: BSD-2-Clause */
/* Views: building, counting, replacing. See view.h for the rules; view_read.c reads them. */
#include "engine/view.h"

#include "base/rcu.h"

#include <assert.h>
#include <stdlib.h>

struct view_level *view_level_new(struct table *const *tables, size_t count)
{
	struct view_level *level = malloc(sizeof *level + count * sizeof level->tables[0]);

	if (!level)
		return NULL;
	atomic_init(&level->refs, 1);
	level->count = count;
	level->bytes = 0;
	for (size_t i = 0; i < count; i++) {
		level->tables[i] = table_ref(tables[i]);
		level->bytes += table_meta(tables[i])->file_bytes;
	}
	return level;
}

struct view_level *view_level_ref(struct view_level *level)
{
	atomic_fetch_add_explicit(&level->refs, 1, memory_order_relaxed);
	return level;
}

void view_level_unref(struct view_level *level)
{
	if (!level || atomic_fetch_sub_explicit(&level->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < level->count; i++)
		table_unref(level->tables[i]);
	free(level);
}

size_t view_level_find(const struct view_level *level, struct slice key)
{
	size_t low = 0, high = level->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct slice largest = buf_slice(&table_meta(level->tables[middle])->largest);

		if (slice_compare(largest, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct view *view_room(size_t frozen_count)
{
	return malloc(sizeof(struct view) + frozen_count * sizeof(struct memtable *));
}

struct view *view_new(struct memtable *active, struct memtable *const *frozen, size_t frozen_count,
	struct view_level *const levels[MANIFEST_LEVELS])
{
	struct view *view = view_room(frozen_count);

	if (view)
		view_fill(view, active, frozen, frozen_count, levels);
	return view;
}

void view_fill(struct view *view, struct memtable *active, struct memtable *const *frozen,
	size_t frozen_count, struct view_level *const levels[MANIFEST_LEVELS])
{
	atomic_init(&view->refs, 1);
	view->next_retired = NULL;
	view->ranges = NULL;
	view->flushed_sequence = 0;
	view->active = memtable_ref(active);
	view->frozen_count = frozen_count;
	for (size_t i = 0; i < frozen_count; i++)
		view->frozen[i] = memtable_ref(frozen[i]);
	for (unsigned i = 0; i < MANIFEST_LEVELS; i++)
		view->levels[i] = view_level_ref(levels[i]);
}

void view_set_ranges(struct view *view, struct range_set *ranges, uint64_t flushed_sequence)
{
	range_set_unref(view->ranges);
	view->ranges = range_set_ref(ranges);
	view->flushed_sequence = flushed_sequence;
}

struct view *view_ref(struct view *view)
{
	atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
	return view;
}

void view_unref(struct view *view)
{
	if (!view || atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) != 1)
		return;
	memtable_unref(view->active);
	for (size_t i = 0; i < view->frozen_count; i++)
		memtable_unref(view->frozen[i]);
	for (unsigned i = 0; i < MANIFEST_LEVELS; i++)
		view_level_unref(view->levels[i]);
	range_set_unref(view->ranges);
	free(view);
}

kv_status views_init(struct views *views)
{
	atomic_init(&views->current, NULL);
	views->retired = NULL;
	return pthread_mutex_init(&views->mu, NULL) == 0 ? KV_OK : KV_NO_MEMORY;
}

void views_destroy(struct views *views)
{
	views_reclaim(views);
	view_unref(views_peek(views));
	atomic_store(&views->current, NULL);
	pthread_mutex_destroy(&views->mu);
}

struct view *views_acquire(struct views *views)
{
	struct view *view;

	rcu_enter();
	view = view_ref(views_peek(views));
	rcu_leave();
	return view;
}

void views_replace_locked(struct views *views, struct view *view)
{
	struct view *old = views_peek(views);

	atomic_store_explicit(&views->current, view, memory_order_release);
	if (old) {
		old->next_retired = views->retired;
		views->retired = old;
	}
}

void views_reclaim(struct views *views)
{
	struct view *list;

	pthread_mutex_lock(&views->mu);
	list = views->retired;
	views->retired = NULL;
	pthread_mutex_unlock(&views->mu);
	if (!list)
		return;
	rcu_wait();
	while (list) {
		struct view *next = list->next_retired;

		view_unref(list);
		list = next;
	}
}
