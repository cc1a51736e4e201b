/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room for the next group: freezing a full memtable together with its WAL segment, and waiting where flush or
 * compaction are behind. Everything here runs in the leader of the commit.
 *
 * A memtable and a segment go together: when either is full both are replaced, so a flushed memtable frees whole
 * segments. The old segment is synced before the new one is begun, and the new header says where the old one ends.
 */
#include "base/clock.h"
#include "base/rcu.h"
#include "engine/engine_internal.h"

enum {
	ROOM_TIMEOUT_US = 10 * 1000 * 1000, /* frozen memtables that are not flushed */
	STALL_TIMEOUT_US = 2 * 1000 * 1000, /* level 0 too long */
};

static kv_status fail(struct engine *engine, struct kv_error *err)
{
	if (err->status == KV_NO_SPACE || err->status == KV_NO_MEMORY)
		err->status = KV_IO; /* half-way through: only a restart sorts it out */
	health_report(&engine->health, "the write-ahead log cannot be continued", err);
	background_progress(engine); /* who waits for a rotation waits in vain */
	return KV_IO;
}

static kv_status switch_to(struct engine *engine, struct memtable *fresh, uint64_t number)
{
	struct commit *commit = &engine->commit;
	struct wal_writer *old = commit->wal, *next;
	struct wal_header header = { .number = number };
	struct kv_error err = { 0 };
	kv_status status;

	if (wal_writer_synced(old) < wal_writer_end(old) && wal_sync(old, &err) != KV_OK)
		return fail(engine, &err);
	header.prev_number = wal_writer_number(old);
	header.prev_end = wal_writer_end(old);
	header.first_sequence = commit->last_sequence + 1;
	status = wal_writer_open(&engine->dir, &engine->id, &header, &next, &err);
	if (status == KV_NO_MEMORY)
		return status; /* nothing has begun */
	if (status != KV_OK)
		return fail(engine, &err);
	catalog_take_spare(&engine->catalog);
	status = catalog_rotate(&engine->catalog, fresh);
	if (status != KV_OK) {
		wal_writer_close(next);
		kv_error_set(&err, status, "out of memory for a view");
		return fail(engine, &err);
	}
	commit->wal = next;
	wal_writer_close(old);
	memtable_unref(commit->active);
	commit->active = memtable_ref(fresh);
	background_kick_flush(engine);
	return KV_OK;
}

kv_status rotate_now(struct engine *engine)
{
	uint64_t number = catalog_peek_spare(&engine->catalog);
	struct memtable *fresh;
	kv_status status;

	if (memtable_entries(engine->commit.active) == 0)
		return KV_OK;
	if (number == 0) {
		background_kick_flush(engine);
		return KV_BUSY;
	}
	fresh = memtable_new(number);
	if (!fresh)
		return KV_NO_MEMORY;
	status = switch_to(engine, fresh, number);
	memtable_unref(fresh); /* the view has its own reference */
	return status;
}

static bool is_full(struct engine *engine, uint64_t bytes)
{
	struct memtable *active = engine->commit.active;
	uint64_t wal_end = wal_writer_end(engine->commit.wal);

	if (memtable_entries(active) == 0)
		return false;
	return memtable_bytes(active) + bytes > engine->options.memtable_bytes ||
		wal_end + bytes > engine->wal_segment_bytes;
}

/* Waits for a flush, a compaction or a change of state since `seen`. KV_BUSY after the deadline. */
static kv_status wait_for_progress(struct engine *engine, uint64_t seen, uint64_t deadline_us)
{
	uint64_t begin = clock_monotonic_us();
	bool in_time = background_wait_progress(engine, seen, deadline_us);

	count_up(&engine->counters.stall_us, clock_monotonic_us() - begin);
	return in_time ? health_write_status(&engine->health) : KV_BUSY;
}

struct backlog {
	size_t frozen; /* memtables */
	size_t level0; /* tables */
};

static struct backlog backlog_of(struct engine *engine)
{
	struct backlog backlog;
	struct view *view;

	rcu_enter();
	view = views_peek(&engine->views);
	backlog = (struct backlog){ view->frozen_count, view->levels[0]->count };
	rcu_leave();
	return backlog;
}

static kv_status freeze_when_full(struct engine *engine, uint64_t bytes)
{
	uint64_t deadline = clock_monotonic_us() + ROOM_TIMEOUT_US;
	kv_status status = KV_OK;

	while (status == KV_OK && is_full(engine, bytes)) {
		uint64_t seen = background_progress_count(engine);

		if (backlog_of(engine).frozen < ENGINE_FROZEN_MAX) {
			status = rotate_now(engine);
			if (status != KV_BUSY)
				break;
		}
		status = wait_for_progress(engine, seen, deadline);
	}
	return status;
}

/* Where a damaged table keeps level 0 from being compacted, waiting for that would never end. */
static uint64_t delay_now(struct engine *engine, uint64_t bytes)
{
	uint64_t delay = throttle_delay_us(backlog_of(engine).level0,
		atomic_load_explicit(&engine->compaction_threshold, memory_order_relaxed), bytes);

	if (delay == UINT64_MAX &&
		atomic_load_explicit(&engine->background.damaged, memory_order_relaxed))
		return throttle_longest_us(bytes);
	return delay;
}

bool rotate_is_stalled(struct engine *engine)
{
	return delay_now(engine, 0) == UINT64_MAX;
}

/* A delay is a wait for the debt to be paid, cut short when it is. */
static kv_status delay_by_debt(struct engine *engine, uint64_t bytes)
{
	uint64_t begin = clock_monotonic_us();
	kv_status status = KV_OK;

	while (status == KV_OK) {
		uint64_t seen = background_progress_count(engine);
		uint64_t delay = delay_now(engine, bytes);

		if (delay == UINT64_MAX) {
			health_set(&engine->health, HEALTH_STALLED,
				"compaction is behind: too many tables in level 0");
			status = wait_for_progress(engine, seen, begin + STALL_TIMEOUT_US);
			continue;
		}
		if (health_get(&engine->health) == HEALTH_STALLED)
			health_leave(&engine->health, HEALTH_STALLED);
		if (delay == 0 || clock_monotonic_us() >= begin + delay)
			break;
		status = wait_for_progress(engine, seen, begin + delay);
		if (status == KV_BUSY)
			status = KV_OK; /* the delay is over */
	}
	return status;
}

kv_status rotate_make_room(struct engine *engine, uint64_t bytes)
{
	kv_status status = health_write_status(&engine->health);

	if (status == KV_OK)
		status = freeze_when_full(engine, bytes);
	if (status == KV_OK)
		status = delay_by_debt(engine, bytes);
	return status;
}
