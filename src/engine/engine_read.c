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
#include "engine/damage_report.h"

#include <stdlib.h>

/* While the section lasts, the view keeps whatever refers to the file. */
static __attribute__((noinline)) kv_status hold_in_section(struct engine *engine, struct view_read *read, struct blob_pointer *ret,
	struct kv_error *err)
{
	kv_status status = engine_large_hold(engine, &read->entry, ret, err);

	if (status != KV_OK)
		pinned_release(&read->pin);
	return status;
}

/* Not inlined: it costs the others registers, as the next. */
static __attribute__((noinline)) kv_status note_damage(struct engine *engine, const struct kv_error *err)
{
	if (err)
		damage_report_error(engine, err);
	return KV_CORRUPT;
}

static __attribute__((noinline)) kv_status get_large(struct engine *engine, struct view_read *read,
	const struct blob_pointer *blob, struct engine_value *ret, struct kv_error *err)
{
	struct engine_large *large;
	kv_status status = engine_large_open(engine, blob, &large, err);

	pinned_release(&read->pin);
	if (status == KV_CORRUPT)
		return note_damage(engine, err);
	if (status == KV_OK)
		*ret = (struct engine_value){ .large = large, .size = blob->size,
			.version = read->entry.sequence,
			.expires_unix_ms = read->entry.expires_unix_ms };
	return status;
}

kv_status engine_get(struct engine *engine, const struct engine_snapshot *snapshot,
	struct slice key, struct engine_value *ret, struct kv_error *err)
{
	unsigned line = thread_counter_line();
	struct engine_read_counters *counters = &engine->reads[line];
	struct blob_pointer blob; /* of an ENTRY_BLOB */
	struct view_read read;
	struct view *view;
	kv_status status;

	thread_counter_add(&counters->gets, line, 1);
	rcu_enter();
	view = views_peek(&engine->views);
	status = view_get(view, key, snapshot ? snapshot->sequence : engine_visible(engine), &read,
		err);
	if (status == KV_OK && read.entry.kind == ENTRY_BLOB)
		status = hold_in_section(engine, &read, &blob, err);
	rcu_leave();
	if (status != KV_OK)
		return status == KV_CORRUPT ? note_damage(engine, err) : status;
	if (!entry_is_live(&read.entry, read.entry.expires_unix_ms ? clock_wall_ms() : 0)) {
		pinned_release(&read.pin);
		if (read.entry.kind == ENTRY_BLOB)
			engine_large_release(engine, &blob);
		return KV_NOT_FOUND;
	}
	thread_counter_add(&counters->found, line, 1);
	if (read.entry.kind == ENTRY_BLOB)
		return get_large(engine, &read, &blob, ret, err);
	ret->value = read.pin;
	ret->value.bytes = read.entry.value;
	ret->large = NULL;
	ret->size = read.entry.value.len;
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

uint64_t engine_snapshot_sequence(const struct engine_snapshot *snapshot)
{
	return snapshot->sequence;
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

uint64_t engine_oldest_snapshot(struct engine *engine)
{
	uint64_t oldest = UINT64_MAX;

	pthread_mutex_lock(&engine->snapshot_mu);
	if (engine->snapshots.next != &engine->snapshots)
		oldest = engine->snapshots.next->sequence;
	pthread_mutex_unlock(&engine->snapshot_mu);
	return oldest;
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
	struct engine_iter *iter = malloc(sizeof *iter);
	struct range_cover *cover = NULL;
	struct iter *all = NULL;
	uint64_t sequence;

	if (!iter)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for an iterator");
	*iter = (struct engine_iter){ .engine = engine };
	count_up(&engine->counters.iterators, 1);
	iter->view = views_acquire(&engine->views);
	sequence = snapshot ? snapshot->sequence : engine_visible(engine);
	if (view_cover(iter->view, sequence, &cover) == KV_OK)
		all = view_iter(iter->view, cover, true);
	if (all)
		iter->walk = iter_live_new(all, sequence, clock_wall_ms());
	if (!iter->walk) {
		free(cover);
		engine_iter_close(iter);
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for an iterator");
	}
	iter_live_set_cover(iter->walk, cover);
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

kv_status engine_iter_status(const struct engine_iter *iter, struct kv_error *err)
{
	kv_status status = iter_live_status(iter->walk, err);

	return status == KV_CORRUPT ? note_damage(iter->engine, err) : status;
}

uint64_t engine_iter_size(const struct engine_iter *iter)
{
	const struct entry *entry = iter_live_entry(iter->walk);
	struct blob_pointer pointer;

	if (entry->kind == ENTRY_BLOB && blob_pointer_decode(entry->value, &pointer))
		return pointer.size;
	return entry->value.len;
}

/* The view of the iterator keeps whatever refers to the file. */
kv_status engine_iter_large(struct engine_iter *iter, struct engine_large **ret, struct kv_error *err)
{
	const struct entry *entry = iter_live_entry(iter->walk);
	struct blob_pointer pointer;
	kv_status status;

	if (entry->kind != ENTRY_BLOB) {
		*ret = NULL;
		return KV_OK;
	}
	status = engine_large_hold(iter->engine, entry, &pointer, err);
	if (status == KV_OK)
		status = engine_large_open(iter->engine, &pointer, ret, err);
	return status == KV_CORRUPT ? note_damage(iter->engine, err) : status;
}
