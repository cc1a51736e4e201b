/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room for the next group: freezing a full memtable together with its WAL segment, and waiting where flush or
 * compaction are behind. Everything here runs in the leader of the commit.
 *
 * Every memtable begins with a segment: when either is full both are replaced, so a flushed memtable frees whole
 * segments. Mostly that is one; where it was short the memtable goes on in the next. The old segment is synced before
 * the new one is begun, and the new header says where the old one ends.
 *
 * But where nobody has asked for a sync all along the old segment, it is left as it is, and the new header says so: a table will soon have
 * what it holds, and then the file is removed before the system has written it. A write that does ask has what was left so synced first. With a
 * change feed, which goes on to read the segment for long, it is synced at once.
 */
#include "base/clock.h"
#include "base/rcu.h"
#include "engine/engine_internal.h"

enum {
	ROOM_TIMEOUT_US = 10 * 1000 * 1000, /* frozen memtables that are not flushed */
	BLOBS_PER_MEMTABLE = 4, /* so many times the size of a memtable may lie in blob files that it points to */
	DELAY_MIN_US = 1000,
	UNDELAYED_BYTES = 64 * 1024,
	STALL_TIMEOUT_US = 2 * 1000 * 1000, /* level 0 too long */
	GROUP_EXTRA_BYTES = 128, /* a group has so many more than its operations, at most */
};

static kv_status fail(struct engine *engine, struct kv_error *err)
{
	err->status = KV_IO; /* half-way through, whatever it was: only a restart sorts it out */
	health_report(&engine->health, "the write-ahead log cannot be continued", err);
	background_progress(engine); /* who waits for a rotation waits in vain */
	return KV_IO;
}

/* Once it is unknown whether a segment was begun it stays held: nobody may resize it any more. */
static void let_go(struct engine *engine, kv_status status)
{
	if (status == KV_OK || status == KV_NO_MEMORY)
		catalog_release_spare(&engine->catalog); /* unless it was taken */
}

kv_status rotate_sync_before(struct engine *engine, struct kv_error *err)
{
	kv_status status = unsynced_sync(&engine->unsynced, err);

	return status == KV_OK ? wal_writer_vouch(engine->commit.wal, err) : status;
}

/* The segment that is left now, and those before it. */
static bool may_stay_unsynced(struct engine *engine)
{
	const struct wal_writer *wal = engine->commit.wal;
	size_t before = unsynced_count(&engine->unsynced);

	return engine->options.change_log_bytes == 0 && before < UNSYNCED_MAX &&
		(wal_writer_is_unsynced(wal) || (before > 0 && wal_writer_is_settled(wal)));
}

/* Everything that was written so far becomes durable, unless it may stay as it is. */
static kv_status leave_segment(struct engine *engine, bool *ret_unsynced, struct kv_error *err)
{
	kv_status status;

	*ret_unsynced = may_stay_unsynced(engine);
	if (*ret_unsynced)
		return KV_OK;
	status = unsynced_sync(&engine->unsynced, err);
	return status == KV_OK ? wal_sync(engine->commit.wal, err) : status;
}

static void close_or_keep(struct engine *engine, struct wal_writer *old, bool unsynced)
{
	if (unsynced) {
		wal_writer_rest(old);
		unsynced_add(&engine->unsynced, old, engine->commit.last_sequence);
	} else {
		wal_writer_close(old);
	}
	atomic_store(&engine->log_is_unsynced, unsynced);
}

/* Goes on in the segment made ahead. KV_NO_MEMORY: nothing has begun. */
static kv_status next_segment(struct engine *engine, uint64_t number)
{
	struct commit *commit = &engine->commit;
	struct wal_writer *old = commit->wal, *next;
	struct wal_header header = { .number = number };
	struct kv_error err = { 0 };
	kv_status status;

	if (leave_segment(engine, &header.prev_unsynced, &err) != KV_OK)
		return fail(engine, &err);
	header.prev_number = wal_writer_number(old);
	header.prev_end = wal_writer_end(old);
	header.first_sequence = commit->last_sequence + 1;
	status = history_prepare(&engine->catalog.history);
	if (status != KV_OK)
		return status;
	status = wal_writer_open(&engine->dir, &engine->id, &header, &next, &err);
	if (status == KV_NO_MEMORY)
		return status;
	if (status != KV_OK)
		return fail(engine, &err);
	history_begin(&engine->catalog.history, number, header.first_sequence);
	catalog_take_spare(&engine->catalog);
	commit->wal = next;
	close_or_keep(engine, old, header.prev_unsynced);
	return KV_OK;
}

static kv_status switch_to(struct engine *engine, struct memtable *fresh, uint64_t number)
{
	struct commit *commit = &engine->commit;
	struct kv_error err = { 0 };
	kv_status status = next_segment(engine, number);

	if (status != KV_OK)
		return status;
	status = catalog_rotate(&engine->catalog, fresh);
	if (status != KV_OK) {
		kv_error_set(&err, status, "out of memory for a view");
		return fail(engine, &err);
	}
	memtable_unref(commit->active);
	commit->active = memtable_ref(fresh);
	background_kick_flush(engine);
	return KV_OK;
}

/* The first segment after a start is short, others may be: rather than to write behind the end of a file, the log
 * goes on in the next segment, the memtable in both. */
static kv_status leave_short_segment(struct engine *engine, uint64_t bytes)
{
	struct wal_writer *wal = engine->commit.wal;
	kv_status status = KV_OK;
	uint64_t number;

	if (wal_writer_left(wal) >= bytes + GROUP_EXTRA_BYTES ||
		wal_writer_end(wal) + wal_writer_left(wal) >= engine->wal_segment_bytes)
		return KV_OK;
	number = catalog_hold_spare(&engine->catalog);
	if (number != 0) {
		atomic_store(&engine->wal_was_short, true);
		status = next_segment(engine, number);
		let_go(engine, status);
		background_kick_flush(engine);
	}
	return status == KV_NO_MEMORY ? KV_OK : status;
}

static kv_status rotate_to(struct engine *engine, uint64_t number)
{
	struct memtable *fresh = memtable_new(number);
	kv_status status;

	if (!fresh)
		return KV_NO_MEMORY;
	memtable_keep_blobs(fresh, engine->blobs);
	memtable_add_filter(fresh, engine->options.memtable_bytes);
	status = switch_to(engine, fresh, number);
	memtable_unref(fresh); /* the view has its own reference */
	return status;
}

kv_status rotate_now(struct engine *engine)
{
	bool leave = atomic_exchange(&engine->leave_segment, false);
	uint64_t number;
	kv_status status;

	if (health_get(&engine->health) == HEALTH_FAILED)
		return KV_IO; /* nobody knows where the segment ends */
	if (atomic_load(&engine->catalog.unbegun))
		return KV_BUSY;
	if (memtable_entries(engine->commit.active) == 0 && !leave)
		return KV_OK;
	number = catalog_hold_spare(&engine->catalog);
	if (number == 0) {
		background_kick_flush(engine);
		return KV_BUSY;
	}
	status = rotate_to(engine, number);
	let_go(engine, status);
	return status;
}

static bool is_full(struct engine *engine, uint64_t bytes)
{
	struct memtable *active = engine->commit.active;
	uint64_t wal_end = wal_writer_end(engine->commit.wal);

	if (memtable_entries(active) == 0)
		return false;
	/* pointers are small; but what they replace is given back only when they are in tables */
	if (memtable_blob_bytes(active) > BLOBS_PER_MEMTABLE * engine->options.memtable_bytes)
		return true;
	return memtable_has_many_ranges(active) ||
		memtable_bytes(active) + bytes > atomic_load_explicit(&engine->memtable_limit, memory_order_relaxed) ||
		wal_end + bytes > engine->wal_segment_bytes;
}

/* On a full disk only deletes go on: with the reserve. */
static kv_status write_status(const struct engine *engine, bool for_deletes)
{
	kv_status status = health_write_status(&engine->health);

	return status == KV_NO_SPACE && for_deletes ? KV_OK : status;
}

/* Waits for a flush, a compaction or a change of state since `seen`. KV_BUSY after the deadline. */
static kv_status wait_for_progress(struct engine *engine, uint64_t seen, uint64_t deadline_us, bool for_deletes)
{
	uint64_t begin = clock_monotonic_us();
	bool in_time = background_wait_progress(engine, seen, deadline_us);

	count_up(&engine->counters.stall_us, clock_monotonic_us() - begin);
	return in_time ? write_status(engine, for_deletes) : KV_BUSY;
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

static kv_status freeze_when_full(struct engine *engine, uint64_t bytes, bool for_deletes)
{
	uint64_t deadline;
	kv_status status = KV_OK;

	if (!is_full(engine, bytes))
		return KV_OK;
	deadline = clock_monotonic_us() + ROOM_TIMEOUT_US;
	while (status == KV_OK && is_full(engine, bytes)) {
		uint64_t seen = background_progress_count(engine);

		if (backlog_of(engine).frozen < ENGINE_FROZEN_MAX) {
			status = rotate_now(engine);
			if (status != KV_BUSY)
				break;
		}
		status = wait_for_progress(engine, seen, deadline, for_deletes);
	}
	return status == KV_BUSY && health_get(&engine->health) == HEALTH_DISK_FULL ? KV_NO_SPACE : status;
}

/* Where a damaged table or a full disk keeps level 0 from being compacted, waiting for that would never end. */
static uint64_t delay_now(struct engine *engine, uint64_t bytes)
{
	uint64_t delay = throttle_delay_us(backlog_of(engine).level0,
		atomic_load_explicit(&engine->compaction_threshold, memory_order_relaxed), bytes);

	if (delay == UINT64_MAX && (atomic_load_explicit(&engine->background.damaged, memory_order_relaxed) ||
			health_get(&engine->health) == HEALTH_DISK_FULL))
		return throttle_longest_us(bytes);
	return delay;
}

bool rotate_is_stalled(struct engine *engine)
{
	return delay_now(engine, 0) == UINT64_MAX;
}

/* A delay is a wait for the debt to be paid, cut short when it is. */
static kv_status wait_for_debt(struct engine *engine, uint64_t bytes, bool for_deletes)
{
	uint64_t begin = clock_monotonic_us();
	kv_status status = KV_OK;

	while (status == KV_OK) {
		uint64_t seen = background_progress_count(engine);
		uint64_t delay = delay_now(engine, bytes);

		if (delay == UINT64_MAX) {
			health_set(&engine->health, HEALTH_STALLED,
				"compaction is behind: too many tables in level 0");
			status = wait_for_progress(engine, seen, begin + STALL_TIMEOUT_US, for_deletes);
			continue;
		}
		if (health_get(&engine->health) == HEALTH_STALLED)
			health_leave(&engine->health, HEALTH_STALLED);
		if (delay == 0 || clock_monotonic_us() >= begin + delay)
			break;
		status = wait_for_progress(engine, seen, begin + delay, for_deletes);
		if (status == KV_BUSY)
			status = KV_OK; /* the delay is over */
	}
	return status;
}

/* A wait is never as short as the delay that a small group is due: so what they are due is saved up until it is worth
 * a wait. Mostly nobody is behind, and nobody looks at the clock. */
static kv_status delay_by_debt(struct engine *engine, uint64_t bytes, bool for_deletes)
{
	struct commit *commit = &engine->commit;
	uint64_t delay = delay_now(engine, commit->undelayed_bytes += bytes);

	if (delay < DELAY_MIN_US && health_get(&engine->health) != HEALTH_STALLED) {
		if (delay == 0 && commit->undelayed_bytes >= UNDELAYED_BYTES)
			commit->undelayed_bytes = 0; /* so many are due nothing: nobody is behind */
		return KV_OK;
	}
	bytes = commit->undelayed_bytes;
	commit->undelayed_bytes = 0;
	return wait_for_debt(engine, bytes, for_deletes);
}

kv_status rotate_make_room(struct engine *engine, uint64_t bytes, bool for_deletes)
{
	kv_status status = write_status(engine, for_deletes);

	if (status == KV_OK && atomic_load(&engine->catalog.unbegun))
		status = KV_NO_SPACE; /* there is no log yet */
	if (status == KV_OK)
		status = freeze_when_full(engine, bytes, for_deletes);
	if (status == KV_OK)
		status = leave_short_segment(engine, bytes);
	if (status == KV_OK)
		status = delay_by_debt(engine, bytes, for_deletes);
	return status;
}
