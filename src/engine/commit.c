/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The write path. Writes queue up; whoever leads takes what is queued as one group, decides conditions, appends the
 * group to the WAL, syncs, applies it to the memtable, publishes the sequence, and calls each `done`.
 *
 * Who leads: the commit thread for submitted writes; for a waiting write the caller itself when nobody leads and nothing is
 * queued, so that a lone thread pays no hand-over. `leading` is the right to touch WAL and memtable; it
 * passes from thread to thread under commit.mu.
 *
 * Durable before visible: the memtable is written after the sync, so no reader ever sees what a crash can take
 * back. The memory for it is taken before the append, so that nothing can fail in between.
 */
#include "base/clock.h"
#include "engine/decide.h"
#include "engine/engine_internal.h"

#include <assert.h>
#include <semaphore.h>
#include <stdlib.h>

enum {
	GROUP_BYTES_MAX = 8 << 20, /* a group is closed at this size, but takes at least one write */
};
#define QUEUE_BYTES_MAX (UINT64_C(1) << 32) /* above: KV_BUSY */

static uint64_t write_bytes(const struct engine_write *write)
{
	return write->batch.operations.len;
}

/* ---- a group: the leader only ---- */

struct group {
	struct engine_write *first; /* all, accepted or not */
	uint32_t operations;        /* of the accepted ones, as all below */
	uint64_t key_bytes, value_bytes, wal_bytes;
	size_t pieces;
	bool sync;
};

static bool wants_sync(const struct engine *engine, const struct engine_write *write)
{
	if (write->durability == ENGINE_DURABLE_DEFAULT)
		return engine->options.sync_commits;
	return write->durability == ENGINE_DURABLE_COMMIT;
}

static kv_status reserve_pieces(struct commit *commit, size_t count)
{
	struct slice *pieces;

	if (count <= commit->pieces_capacity)
		return KV_OK;
	pieces = reallocarray(commit->pieces, count, sizeof *pieces);
	if (!pieces)
		return KV_NO_MEMORY;
	commit->pieces = pieces;
	commit->pieces_capacity = count;
	return KV_OK;
}

/* Gives the write its sequences and its place in the group, or the status that it ends with. */
static void accept(struct engine *engine, struct group *group, struct engine_write *write,
	bool decide)
{
	struct commit *commit = &engine->commit;

	write->first_sequence = commit->last_sequence + 1 + group->operations;
	write->status = reserve_pieces(commit, group->pieces + 1);
	if (write->status == KV_OK && decide)
		write->status = decide_write(&engine->views, engine_visible(engine), clock_wall_ms(),
			commit->overlay, write);
	if (write->status != KV_OK)
		return;
	commit->pieces[group->pieces++] = buf_slice(&write->batch.operations);
	group->operations += write->batch.count;
	group->key_bytes += write->batch.key_bytes;
	group->value_bytes += write->batch.value_bytes;
	group->wal_bytes += write_bytes(write);
	group->sync = group->sync || wants_sync(engine, write);
}

/* A condition that did not hold may have seen what another write of the group was to bring, so it is not the answer either; but of
 * this one it is known that nothing was written. */
static void fail_group(struct group *group, kv_status status)
{
	for (struct engine_write *write = group->first; write; write = write->next) {
		if (write->status == KV_OK)
			write->status = status;
		else if (write->status == KV_CONDITION)
			write->status = status == KV_UNCERTAIN ? KV_IO : status;
	}
}

/* What a failure of the WAL means for the store and for the group. */
static kv_status wal_failed(struct engine *engine, const struct kv_error *err)
{
	if (err->status == KV_NO_MEMORY)
		return KV_NO_MEMORY;
	health_report(&engine->health, "the write-ahead log cannot be written", err);
	background_kick_flush(engine); /* it looks for space from now on */
	return err->status == KV_NO_SPACE ? KV_NO_SPACE : KV_UNCERTAIN;
}

static kv_status make_durable(struct engine *engine, const struct group *group)
{
	struct commit *commit = &engine->commit;
	struct wal_group header = {
		.first_sequence = commit->last_sequence + 1,
		.count = group->operations,
		.wall_us = clock_wall_us(),
	};
	struct kv_error err = { 0 };

	if (wal_append(commit->wal, &header, commit->pieces, group->pieces, &err) != KV_OK)
		return wal_failed(engine, &err);
	if (group->sync && wal_sync(commit->wal, &err) != KV_OK)
		return wal_failed(engine, &err);
	return KV_OK;
}

static void apply(struct engine *engine, const struct group *group)
{
	struct memtable *memtable = engine->commit.active;
	bool was_empty = memtable_entries(memtable) == 0;
	struct entry entry;

	for (struct engine_write *write = group->first; write; write = write->next) {
		struct reader reader = reader_of(buf_slice(&write->batch.operations));
		kv_status status;

		if (write->status != KV_OK)
			continue;
		for (uint32_t i = 0; i < write->batch.count; i++) {
			status = batch_next(&reader, &entry);
			assert(status == KV_OK); /* batch.c made it */
			entry.sequence = write->first_sequence + i;
			status = memtable_add(memtable, &entry);
			assert(status == KV_OK); /* memory was reserved */
			(void)status;
		}
	}
	engine->commit.last_sequence += group->operations;
	atomic_store_explicit(&engine->catalog.visible_sequence, engine->commit.last_sequence,
		memory_order_release);
	if (was_empty)
		background_kick_flush(engine); /* flush_interval counts from the first write */
}

static void count_group(struct engine *engine, const struct group *group)
{
	struct engine_counters *counters = &engine->counters;

	count_up(&counters->commits, group->pieces);
	count_up(&counters->commit_groups, 1);
	count_up(&counters->commit_syncs, group->sync);
	count_up(&counters->user_bytes_written, group->key_bytes + group->value_bytes);
	count_up(&counters->wal_bytes_written, group->wal_bytes + WAL_GROUP_HEADER_BYTES);
}

static void commit_group(struct engine *engine, struct group *group)
{
	kv_status status = memtable_reserve(engine->commit.active, group->operations,
		group->key_bytes, group->value_bytes);

	if (status == KV_OK)
		status = make_durable(engine, group);
	if (status != KV_OK) {
		fail_group(group, status);
		return;
	}
	apply(engine, group);
	count_group(engine, group);
}

static void deliver(struct engine_write *list)
{
	while (list) {
		struct engine_write *next = list->next;

		if (list->done)
			list->done(list, list->status);
		list = next;
	}
}

static uint64_t list_bytes(const struct engine_write *list)
{
	uint64_t bytes = 0;

	for (; list; list = list->next)
		bytes += write_bytes(list);
	return bytes;
}

/* Commits the list, whose writes then have their status. */
static void lead(struct engine *engine, struct engine_write *list)
{
	struct group group = { .first = list };
	bool decide = decide_is_needed(list);
	kv_status status = rotate_make_room(engine, list_bytes(list));

	for (struct engine_write *write = list; write; write = write->next) {
		write->status = status;
		if (status == KV_OK)
			accept(engine, &group, write, decide);
	}
	if (group.operations > 0)
		commit_group(engine, &group);
	if (decide)
		overlay_clear(engine->commit.overlay);
}

/* ---- the queue ---- */

static void enqueue_locked(struct commit *commit, struct engine_write *write)
{
	write->next = NULL;
	*commit->tail = write;
	commit->tail = &write->next;
	commit->queued_bytes += write_bytes(write);
}

static struct engine_write *dequeue_group_locked(struct commit *commit)
{
	struct engine_write *first = commit->head, *last = first;
	uint64_t bytes;

	if (!first)
		return NULL;
	bytes = write_bytes(first);
	while (last->next && bytes + write_bytes(last->next) <= GROUP_BYTES_MAX) {
		last = last->next;
		bytes += write_bytes(last);
	}
	commit->head = last->next;
	if (!commit->head)
		commit->tail = &commit->head;
	last->next = NULL;
	commit->queued_bytes -= bytes;
	return first;
}

static void wake_thread_locked(struct commit *commit)
{
	if (commit->sleeping && !commit->leading)
		pthread_cond_signal(&commit->wake);
}

static void end_leading_locked(struct commit *commit)
{
	commit->leading = false;
	if (commit->head || commit->rotate_wanted || commit->stop)
		wake_thread_locked(commit);
	if (!commit->head)
		pthread_cond_broadcast(&commit->idle);
}

void engine_submit(struct engine *engine, struct engine_write *write)
{
	struct commit *commit = &engine->commit;
	kv_status status = health_write_status(&engine->health);

	if (status == KV_OK) {
		pthread_mutex_lock(&commit->mu);
		if (commit->closed || commit->queued_bytes > QUEUE_BYTES_MAX) {
			status = KV_BUSY;
		} else {
			enqueue_locked(commit, write);
			wake_thread_locked(commit);
		}
		pthread_mutex_unlock(&commit->mu);
	}
	if (status != KV_OK) {
		write->status = status;
		write->done(write, status);
	}
}

static void post_waiting(struct engine_write *write, kv_status status)
{
	(void)status;
	sem_post(write->waiting);
}

static kv_status wait_for_others_locked(struct commit *commit, struct engine_write *write)
{
	sem_t done;

	if (sem_init(&done, 0, 0) != 0) {
		pthread_mutex_unlock(&commit->mu);
		return KV_NO_MEMORY;
	}
	write->waiting = &done; /* cppcheck-suppress autoVariables ; we wait until it is done */
	write->done = post_waiting;
	enqueue_locked(commit, write);
	wake_thread_locked(commit);
	pthread_mutex_unlock(&commit->mu);
	while (sem_wait(&done) != 0)
		; /* a signal came */
	sem_destroy(&done);
	return write->status;
}

kv_status engine_write(struct engine *engine, struct engine_write *write)
{
	struct commit *commit = &engine->commit;
	kv_status status = health_write_status(&engine->health);

	if (status != KV_OK)
		return status;
	pthread_mutex_lock(&commit->mu);
	if (commit->closed) {
		pthread_mutex_unlock(&commit->mu);
		return KV_BUSY;
	}
	if (commit->leading || commit->head || commit->rotate_wanted)
		return wait_for_others_locked(commit, write);
	commit->leading = true;
	pthread_mutex_unlock(&commit->mu);

	write->next = NULL;
	lead(engine, write);

	pthread_mutex_lock(&commit->mu);
	end_leading_locked(commit);
	pthread_mutex_unlock(&commit->mu);
	return write->status;
}

/* ---- the thread ---- */

static void *commit_thread(void *arg)
{
	struct engine *engine = arg;
	struct commit *commit = &engine->commit;

	pthread_mutex_lock(&commit->mu);
	for (;;) {
		struct engine_write *list;
		bool rotate;

		commit->sleeping = true;
		while (commit->leading ||
			(!commit->head && !commit->rotate_wanted && !commit->stop))
			pthread_cond_wait(&commit->wake, &commit->mu);
		commit->sleeping = false;
		if (commit->stop && !commit->head)
			break;
		commit->leading = true;
		list = dequeue_group_locked(commit);
		rotate = commit->rotate_wanted;
		commit->rotate_wanted = false;
		pthread_mutex_unlock(&commit->mu);

		if (rotate)
			rotate_now(engine); /* who wants it waits for progress, and asks again */
		if (list) {
			lead(engine, list);
			deliver(list);
		}

		pthread_mutex_lock(&commit->mu);
		end_leading_locked(commit);
	}
	pthread_mutex_unlock(&commit->mu);
	return NULL;
}

void commit_want_rotation(struct engine *engine)
{
	struct commit *commit = &engine->commit;

	pthread_mutex_lock(&commit->mu);
	commit->rotate_wanted = true;
	wake_thread_locked(commit);
	pthread_mutex_unlock(&commit->mu);
}

/* ---- life ---- */

kv_status commit_init(struct engine *engine)
{
	struct commit *commit = &engine->commit;

	commit->tail = &commit->head;
	commit->overlay = overlay_new();
	if (!commit->overlay || pthread_mutex_init(&commit->mu, NULL) != 0 ||
		pthread_cond_init(&commit->wake, NULL) != 0 ||
		pthread_cond_init(&commit->idle, NULL) != 0)
		return KV_NO_MEMORY;
	return KV_OK;
}

kv_status commit_start(struct engine *engine, struct kv_error *err)
{
	int failed = pthread_create(&engine->commit.thread, NULL, commit_thread, engine);

	return failed ? kv_error_errno(err, failed, "", "cannot start the commit thread") : KV_OK;
}

void commit_drain(struct engine *engine)
{
	struct commit *commit = &engine->commit;

	pthread_mutex_lock(&commit->mu);
	commit->closed = true;
	while (commit->leading || commit->head)
		pthread_cond_wait(&commit->idle, &commit->mu);
	pthread_mutex_unlock(&commit->mu);
}

void commit_stop(struct engine *engine)
{
	struct commit *commit = &engine->commit;

	pthread_mutex_lock(&commit->mu);
	commit->closed = true;
	commit->stop = true;
	wake_thread_locked(commit);
	pthread_mutex_unlock(&commit->mu);
	pthread_join(commit->thread, NULL);
}

void commit_destroy(struct engine *engine)
{
	struct commit *commit = &engine->commit;

	commit->wal = wal_writer_close(commit->wal);
	memtable_unref(commit->active);
	commit->overlay = overlay_free(commit->overlay);
	free(commit->pieces);
	pthread_mutex_destroy(&commit->mu);
	pthread_cond_destroy(&commit->wake);
	pthread_cond_destroy(&commit->idle);
}
