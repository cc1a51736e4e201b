/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The write path: the queue. Writes queue up; whoever leads takes what is queued as one group, commits it
 * (commit_group.c), and calls each `done`.
 *
 * Who leads: the commit thread for submitted writes; for a waiting write the caller itself when nobody leads and nothing is
 * queued, so that a lone thread pays no hand-over. `leading` is the right to touch WAL and memtable; it
 * passes from thread to thread under commit.mu.
 *
 * Where a sync takes long, two sets of clients would take turns, each waiting for the other's sync. So the thread waits for the
 * clients of the last group to come back, at most for half of what a sync takes; on a fast disk it does not wait.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "engine/engine_internal.h"
#include "engine/overlay.h"

#include <semaphore.h>
#include <stdlib.h>

enum {
	GROUP_BYTES_MAX = 8 << 20, /* a group is closed at this size, but takes at least one write */
	RANGE_BYTES = 4096,        /* a range delete costs memory for its place among the others */
	GATHER_SYNC_US = 400,      /* a sync that is faster than this is not worth waiting */
	GATHER_MAX_US = 5000,
	WAKE_FAN = 16, /* more hops cost more on a busy machine than they spare */
};
#define QUEUE_BYTES_MAX (UINT64_C(1) << 32) /* above: KV_BUSY */

static uint64_t write_bytes(const struct engine_write *write)
{
	return write->batch.operations.len + write->check_keys.len +
		(uint64_t)write->batch.range_deletes * RANGE_BYTES;
}

/* Wakes a few of those who wait, each of whom wakes its share of the others: so waking does not keep a leader from the next group. */
static void wake_waiting(struct engine_write *list)
{
	struct engine_write *heads[WAKE_FAN] = { NULL };
	struct engine_write **tails[WAKE_FAN];

	for (size_t i = 0; i < WAKE_FAN; i++)
		tails[i] = &heads[i];
	for (size_t i = 0; list; i = (i + 1) % WAKE_FAN) {
		*tails[i] = list;
		tails[i] = &list->next;
		list = list->next;
	}
	for (size_t i = 0; i < WAKE_FAN; i++)
		*tails[i] = NULL;
	for (size_t i = 0; i < WAKE_FAN && heads[i]; i++)
		sem_post(heads[i]->waiting); /* after that it is no longer ours */
}

static void deliver(struct engine_write *list)
{
	struct engine_write *waiting = NULL, **tail = &waiting;

	while (list) {
		struct engine_write *next = list->next;

		if (list->waiting) {
			*tail = list;
			tail = &list->next;
		} else if (list->done) {
			list->done(list, list->status);
		}
		list = next;
	}
	*tail = NULL;
	wake_waiting(waiting);
}

/* ---- the queue ---- */

static void enqueue_locked(struct commit *commit, struct engine_write *write)
{
	write->next = NULL;
	*commit->tail = write;
	commit->tail = &write->next;
	commit->queued_bytes += write_bytes(write);
	commit->queued++;
}

static struct engine_write *dequeue_group_locked(struct commit *commit)
{
	struct engine_write *first = commit->head, *last = first;
	uint64_t bytes;

	if (!first)
		return NULL;
	bytes = write_bytes(first);
	commit->queued--;
	while (last->next && bytes + write_bytes(last->next) <= GROUP_BYTES_MAX) {
		last = last->next;
		bytes += write_bytes(last);
		commit->queued--;
	}
	commit->head = last->next;
	if (!commit->head)
		commit->tail = &commit->head;
	last->next = NULL;
	commit->queued_bytes -= bytes;
	return first;
}

static bool must_work_locked(const struct commit *commit)
{
	return commit->head || commit->rotate_wanted || commit->stop;
}

static void wake_thread_locked(struct commit *commit)
{
	if (commit->sleeping && !commit->leading &&
		(commit->queued >= commit->gather || commit->stop || commit->rotate_wanted))
		pthread_cond_signal(&commit->wake);
}

static void end_leading_locked(struct commit *commit)
{
	commit->leading = false;
	if (must_work_locked(commit))
		wake_thread_locked(commit);
	if (!commit->head)
		pthread_cond_broadcast(&commit->idle);
}

void commit_enqueue(struct engine *engine, struct engine_write *write)
{
	struct commit *commit = &engine->commit;

	pthread_mutex_lock(&commit->mu);
	enqueue_locked(commit, write);
	wake_thread_locked(commit);
	pthread_mutex_unlock(&commit->mu);
}

/* Takes from the list what may not be written and what has to wait for its large values; the rest. */
static struct engine_write *admit(struct engine *engine, struct engine_write *list)
{
	struct engine_write *rest = NULL, **tail = &rest;

	while (list) {
		struct engine_write *write = list;
		kv_status status = commit_may_write(engine, write);

		list = write->next;
		if (status == KV_OK && !write->uploads) {
			*tail = write;
			tail = &write->next;
			continue;
		}
		if (status == KV_OK)
			status = blob_sync_submit(engine, write); /* from here on it may be done, and gone */
		if (status == KV_OK)
			continue;
		write->status = status;
		write->done(write, status);
	}
	*tail = NULL;
	return rest;
}

void engine_submit(struct engine *engine, struct engine_write *list)
{
	struct commit *commit = &engine->commit;

	list = admit(engine, list);
	if (!list)
		return;
	pthread_mutex_lock(&commit->mu);
	while (list && !commit->closed && commit->queued_bytes <= QUEUE_BYTES_MAX) {
		struct engine_write *write = list;

		list = write->next;
		enqueue_locked(commit, write);
	}
	wake_thread_locked(commit);
	pthread_mutex_unlock(&commit->mu);
	while (list) {
		struct engine_write *write = list;

		list = write->next;
		write->status = KV_BUSY;
		write->done(write, KV_BUSY);
	}
}

static kv_status wait_for_others_locked(struct commit *commit, struct engine_write *write)
{
	sem_t done;

	if (sem_init(&done, 0, 0) != 0) {
		pthread_mutex_unlock(&commit->mu);
		return KV_NO_MEMORY;
	}
	write->waiting = &done; /* cppcheck-suppress autoVariables ; we wait until it is done */
	enqueue_locked(commit, write);
	wake_thread_locked(commit);
	pthread_mutex_unlock(&commit->mu);
	while (sem_wait(&done) != 0)
		; /* a signal came */
	wake_waiting(write->next);
	sem_destroy(&done);
	write->waiting = NULL;
	return write->status;
}

kv_status engine_write(struct engine *engine, struct engine_write *write)
{
	struct commit *commit = &engine->commit;
	kv_status status = commit_may_write(engine, write);

	if (status == KV_OK && write->uploads)
		status = blob_sync_now(engine, write);
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
	commit_group(engine, write);

	pthread_mutex_lock(&commit->mu);
	end_leading_locked(commit);
	pthread_mutex_unlock(&commit->mu);
	return write->status;
}

/* ---- the thread ---- */

/* How many writes to expect next: those that are queued already, and the clients of this group, if they come back. */
static size_t expect_back(struct commit *commit, const struct engine_write *list)
{
	size_t expected = 0;

	for (; list; list = list->next)
		expected++;
	pthread_mutex_lock(&commit->mu);
	expected += commit->queued;
	pthread_mutex_unlock(&commit->mu);
	return expected;
}

/* Waits for `expected` writes in the queue, as long as it pays. mu is held. */
static void gather_locked(struct commit *commit, size_t expected)
{
	uint64_t wait_us = commit->sync_us / 2;
	uint64_t deadline_us;
	struct timespec deadline;

	if (commit->sync_us < GATHER_SYNC_US || !commit->head)
		return;
	deadline_us = clock_monotonic_us() + (wait_us < GATHER_MAX_US ? wait_us : GATHER_MAX_US);
	deadline.tv_sec = (time_t)(deadline_us / 1000000);
	deadline.tv_nsec = (long)(deadline_us % 1000000) * 1000;
	commit->gather = expected;
	while (commit->queued < expected && !commit->rotate_wanted && !commit->stop && !commit->closed &&
		pthread_cond_clockwait(&commit->wake, &commit->mu, CLOCK_MONOTONIC, &deadline) == 0)
		;
	commit->gather = 0;
}

static void *commit_thread(void *arg)
{
	struct engine *engine = arg;
	struct commit *commit = &engine->commit;
	size_t expected = 0;

	pthread_setname_np(pthread_self(), "commit");
	pthread_mutex_lock(&commit->mu);
	for (;;) {
		struct engine_write *list;
		bool rotate;

		commit->sleeping = true;
		do {
			while (commit->leading || !must_work_locked(commit))
				pthread_cond_wait(&commit->wake, &commit->mu);
			gather_locked(commit, expected);
			expected = 0;
		} while (commit->leading || !must_work_locked(commit));
		commit->sleeping = false;
		if (commit->stop && !commit->head)
			break;
		commit->leading = true;
		list = dequeue_group_locked(commit);
		rotate = commit->rotate_wanted;
		commit->rotate_wanted = false;
		pthread_mutex_unlock(&commit->mu);

		/* who wants it waits for progress, and asks again */
		if (rotate && rotate_now(engine) == KV_NO_MEMORY)
			count_up(&engine->background.failures, 1);
		if (list) {
			commit_group(engine, list);
			expected = expect_back(commit, list);
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
