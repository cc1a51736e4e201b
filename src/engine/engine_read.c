/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading: gets, snapshots, iterators.
 *
 * The view is taken before the sequence: everything up to a sequence that was loaded later is in that view
 * or in a memtable that was begun after it; so a read sees a state that was current when it began, or later, and never misses
 * a version that a newer view has merged away.
 */
#include "base/clock.h"
#include "base/rcu.h"
#include "engine/engine_internal.h"

#include <stdlib.h>

/* Threads are spread over the counters by the address of their stack, so that they do not share a cache line. */
static struct engine_read_counters *counters_of_thread(struct engine *engine)
{
	static _Thread_local unsigned slot;
	static _Atomic unsigned next_slot;

	if (slot == 0)
		slot = 1 + atomic_fetch_add_explicit(&next_slot, 1, memory_order_relaxed);
	return &engine->reads[slot % ENGINE_READ_COUNTERS];
}

kv_status engine_get(struct engine *engine, const struct engine_snapshot *snapshot,
	struct slice key, struct engine_value *ret, struct kv_error *err)
{
	struct engine_read_counters *counters = counters_of_thread(engine);
	struct view_read read;
	struct view *view;
	kv_status status;

	count_up(&counters->gets, 1);
	rcu_enter();
	view = views_peek(&engine->views);
	status = view_get(view, key, snapshot ? snapshot->sequence : engine_visible(engine), &read,
		err);
	rcu_leave();
	if (status != KV_OK)
		return status;
	if (!entry_is_live(&read.entry, read.entry.expires_unix_ms ? clock_wall_ms() : 0)) {
		pinned_release(&read.pin);
		return KV_NOT_FOUND;
	}
	count_up(&counters->found, 1);
	ret->value = read.pin;
	ret->value.bytes = read.entry.value;
	ret->version = read.entry.sequence;
	ret->expires_unix_ms = read.entry.expires_unix_ms;
	return KV_OK;
}

/* ---- snapshots ---- */

struct engine_snapshot *engine_snapshot_new(struct engine *engine)
{
	struct engine_snapshot *snapshot = malloc(sizeof *snapshot);
	struct engine_snapshot *ring = &engine->snapshots;

	if (!snapshot)
		return NULL;
	snapshot->engine = engine;
	pthread_mutex_lock(&engine->snapshot_mu);
	snapshot->sequence = engine_visible(engine); /* under the lock: the ring stays in order */
	snapshot->prev = ring->prev;
	snapshot->next = ring;
	ring->prev->next = snapshot;
	ring->prev = snapshot;
	engine->snapshot_count++;
	pthread_mutex_unlock(&engine->snapshot_mu);
	return snapshot;
}

struct engine_snapshot *engine_snapshot_free(struct engine_snapshot *snapshot)
{
	struct engine *engine;

	if (!snapshot)
		return NULL;
	engine = snapshot->engine;
	pthread_mutex_lock(&engine->snapshot_mu);
	snapshot->prev->next = snapshot->next;
	snapshot->next->prev = snapshot->prev;
	engine->snapshot_count--;
	pthread_mutex_unlock(&engine->snapshot_mu);
	free(snapshot);
	return NULL;
}

kv_status engine_list_snapshots(struct engine *engine, uint64_t **ret, size_t *ret_count)
{
	uint64_t *sequences;
	size_t count = 0;

	pthread_mutex_lock(&engine->snapshot_mu);
	sequences = malloc((engine->snapshot_count + 1) * sizeof *sequences);
	if (sequences)
		for (struct engine_snapshot *s = engine->snapshots.next; s != &engine->snapshots;
			s = s->next)
			if (count == 0 || sequences[count - 1] != s->sequence)
				sequences[count++] = s->sequence;
	pthread_mutex_unlock(&engine->snapshot_mu);
	if (!sequences)
		return KV_NO_MEMORY;
	*ret = sequences;
	*ret_count = count;
	return KV_OK;
}

/* ---- iterators ---- */

struct engine_iter {
	struct engine *engine;
	struct view *view;
	struct iter_live *walk;
};

kv_status engine_iter_open(struct engine *engine, const struct engine_snapshot *snapshot,
	struct engine_iter **ret, struct kv_error *err)
{
	struct engine_iter *iter = calloc(1, sizeof *iter);
	struct iter *all;
	uint64_t sequence;

	if (!iter)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for an iterator");
	iter->engine = engine;
	count_up(&engine->counters.iterators, 1);
	iter->view = views_acquire(&engine->views);
	sequence = snapshot ? snapshot->sequence : engine_visible(engine);
	all = view_iter(iter->view, true);
	if (all)
		iter->walk = iter_live_new(all, sequence, clock_wall_ms());
	if (!iter->walk) {
		engine_iter_close(iter);
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for an iterator");
	}
	*ret = iter;
	return KV_OK;
}

struct engine_iter *engine_iter_close(struct engine_iter *iter)
{
	if (!iter)
		return NULL;
	iter->walk = iter_live_close(iter->walk);
	view_unref(iter->view);
	atomic_fetch_sub_explicit(&iter->engine->counters.iterators, 1, memory_order_relaxed);
	free(iter);
	return NULL;
}

struct iter_live *engine_iter_walk(struct engine_iter *iter)
{
	return iter->walk;
}
