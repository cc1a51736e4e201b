/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One group of the write path: conditions, WAL, memtable, sync, publication, in this order. All of it runs in the leader of the
 * commit (commit.c).
 *
 * Durable before visible: the sequence up to which readers look is published after the sync, so no reader ever sees what a crash can
 * take back. The memtable is filled before, while the disk writes what was appended. When the sync fails then, what it
 * was filled with is never published and never flushed: the store is `failed` and neither writes nor rotates any more. The memory
 * for it is taken before the append, so that nothing can fail in between.
 */
#include "base/clock.h"
#include "engine/blob_format.h"
#include "engine/blob_pointer.h"
#include "engine/damage_report.h"
#include "engine/decide.h"
#include "engine/engine_internal.h"
#include "engine/engine_upload.h"
#include "engine/overlay.h"

#include <assert.h>
#include <stdlib.h>

/* Touches bring values of which the queue did not know; a touch that makes a group larger than this begins the next one. */
#define GROUP_GROWN_MAX (UINT64_C(64) << 20)
/* From so many operations on, filling the memtable takes longer than the system call by which the disk begins meanwhile. */
#define EARLY_START_OPERATIONS 24

struct group {
	struct engine_write *first; /* all, accepted or not */
	struct engine_write *end;   /* the first that is not in it; NULL: none is left */
	uint32_t operations;        /* of the accepted ones, as all below */
	uint64_t key_bytes, value_bytes, large_bytes, wal_bytes;
	size_t range_deletes;
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

/* Is the group too large with this write, which has been decided? */
static bool is_too_much(const struct group *group, const struct engine_write *write)
{
	return write->status == KV_OK && write->transform.kind != ENGINE_TRANSFORM_NONE && group->operations > 0 &&
		group->wal_bytes + write->batch.operations.len > GROUP_GROWN_MAX;
}

static void add(const struct engine *engine, struct group *group, struct engine_write *write, struct slice *pieces)
{
	pieces[group->pieces++] = buf_slice(&write->batch.operations);
	group->operations += write->batch.count;
	group->range_deletes += write->batch.range_deletes;
	group->key_bytes += write->batch.key_bytes;
	group->value_bytes += write->batch.value_bytes;
	if (write->uploads)
		group->large_bytes += engine_upload_bytes_all(write);
	group->wal_bytes += write->batch.operations.len;
	group->sync = group->sync || wants_sync(engine, write);
}

static void release_held(struct engine *engine, struct engine_write *write)
{
	if (write->held_blob != 0)
		blob_set_unref(engine->blobs, write->held_blob);
	write->held_blob = 0;
	view_unref(write->held);
	write->held = NULL;
}

/* A touch may have found a large value of which nobody keeps count: after a start that could not read its table. The memtable will; what that
 * takes is taken here, where it can fail. */
static kv_status hold_blob(struct engine *engine, struct engine_write *write)
{
	struct reader reader = reader_of(buf_slice(&write->batch.operations));
	struct blob_pointer pointer;
	struct entry entry;
	kv_status status = batch_next(&reader, &entry);

	if (status != KV_OK || entry.kind != ENTRY_BLOB)
		return status;
	if (!blob_pointer_decode(entry.value, &pointer))
		return KV_CORRUPT;
	status = blob_set_ref(engine->blobs, pointer.number, blob_file_bytes(pointer.size));
	if (status == KV_OK)
		write->held_blob = pointer.number;
	return status;
}

/* What a decision could not read: told once for all, and kept only for a write that ends with it. */
static void report_unreadable(struct engine *engine, struct engine_write *write)
{
	if (!write->error)
		return;
	if (write->error->status == KV_CORRUPT)
		damage_report_error(engine, write->error);
	if (write->status == KV_OK) {
		free(write->error);
		write->error = NULL;
	}
}

/* Gives the write its sequences and its place in the group, or the status that it ends with. False: it belongs to the next group, where
 * it is decided anew. */
static bool accept(struct engine *engine, struct group *group, struct engine_write *write,
	bool must_decide)
{
	struct commit *commit = &engine->commit;
	size_t mark = overlay_mark(commit->overlay);

	write->first_sequence = commit->last_sequence + 1 + group->operations;
	write->status = reserve_pieces(commit, group->pieces + 1);
	if (write->status == KV_OK && must_decide) {
		write->status = decide_write(&engine->views, engine_visible(engine), clock_wall_ms(), commit->overlay,
			write);
		report_unreadable(engine, write);
		if (is_too_much(group, write)) {
			release_held(engine, write); /* what it finds then may be another value */
			return false;
		}
		if (write->status == KV_OK && write->transform.kind == ENGINE_TOUCH)
			write->status = hold_blob(engine, write);
		if (write->status != KV_OK)
			overlay_rollback(commit->overlay, mark);
	}
	if (write->status == KV_OK && write->batch.count > 0)
		add(engine, group, write, commit->pieces);
	return true;
}

/* Was the write decided by what it saw, and brings nothing itself? */
static bool only_looked(const struct engine_write *write)
{
	return (write->status == KV_OK && write->batch.count == 0) || write->status == KV_CONDITION ||
		write->status == KV_NOT_NUMBER || write->status == KV_OVERFLOW;
}

/* Who only looked may have seen what another write of the group was to bring, so what it found is not the answer either; but of
 * this one it is known that nothing was written. */
static void fail_group(struct engine *engine, struct group *group, kv_status status)
{
	for (struct engine_write *write = group->first; write != group->end; write = write->next) {
		if (only_looked(write))
			write->status = status == KV_UNCERTAIN ? KV_IO : status;
		else if (write->status == KV_OK)
			write->status = status;
		if (write->status == KV_UNCERTAIN)
			engine_upload_keep_all(write);
		if (write->status == KV_UNCERTAIN && write->held) /* the log may point once more to what it touched */
			blob_set_keep_all(engine->blobs);
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

/* The time that syncs take tells commit.c whether waiting for more writes pays. */
static kv_status timed_sync(struct commit *commit, struct kv_error *err)
{
	uint64_t begin = clock_monotonic_us();
	kv_status status = wal_sync(commit->wal, err);

	commit->sync_us = (commit->sync_us * 7 + (clock_monotonic_us() - begin)) / 8;
	return status;
}

static kv_status append(struct engine *engine, const struct group *group)
{
	struct commit *commit = &engine->commit;
	struct wal_group header = {
		.first_sequence = commit->last_sequence + 1,
		.count = group->operations,
		.wall_us = clock_wall_us(),
		.sync_follows = group->sync,
	};
	struct kv_error err = { 0 };

	if (group->sync && rotate_sync_before(engine, &err) != KV_OK) {
		kv_status status = wal_failed(engine, &err);

		return status == KV_UNCERTAIN ? KV_IO : status; /* of this group nothing was written */
	}
	if (wal_append(commit->wal, &header, commit->pieces, group->pieces, &err) != KV_OK)
		return wal_failed(engine, &err);
	if (group->sync && group->operations >= EARLY_START_OPERATIONS && wal_start_sync(commit->wal, &err) != KV_OK)
		return wal_failed(engine, &err);
	return KV_OK;
}

/* Nobody can ask for these entries before their sequences are published. */
static void fill_memtable(struct memtable *memtable, const struct group *group)
{
	struct entry entry;

	for (struct engine_write *write = group->first; write != group->end; write = write->next) {
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
}

static kv_status finish_sync(struct engine *engine)
{
	struct kv_error err = { 0 };

	return timed_sync(&engine->commit, &err) == KV_OK ? KV_OK : wal_failed(engine, &err);
}

static void publish(struct engine *engine, const struct group *group)
{
	struct commit *commit = &engine->commit;

	commit->last_sequence += group->operations;
	history_advance(&engine->catalog.history, commit->last_sequence + 1, wal_writer_end(commit->wal));
	atomic_store(&engine->catalog.visible_sequence, commit->last_sequence);
	if (atomic_load(&engine->watched)) /* in one order with the store before: see engine_watch() */
		engine->options.committed(engine->options.committed_arg);
	if (memtable_entries(commit->active) == group->operations)
		background_kick_flush(engine); /* flush_interval counts from the first write */
}

/* Of a counter to which only the leader adds. */
static void count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

static void count_group(struct engine *engine, const struct group *group)
{
	struct engine_counters *counters = &engine->counters;

	count(&counters->commits, group->pieces);
	count(&counters->commit_groups, 1);
	count(&counters->commit_syncs, group->sync);
	count(&counters->user_bytes_written, group->key_bytes + group->value_bytes + group->large_bytes);
	count(&counters->wal_bytes_written, group->wal_bytes + WAL_GROUP_HEADER_BYTES);
}

static void list_ranges(const struct engine_write *write, struct range *to)
{
	struct reader reader = reader_of(buf_slice(&write->batch.operations));
	struct entry entry = { .sequence = write->first_sequence };

	for (; batch_next(&reader, &entry) == KV_OK; entry.sequence++)
		if (entry.kind == ENTRY_RANGE_DELETE)
			*to++ = range_of_entry(&entry);
}

static kv_status reserve_ranges(struct memtable *memtable, const struct group *group)
{
	struct range *ranges = calloc(group->range_deletes, sizeof *ranges);
	size_t count = 0;
	kv_status status;

	if (!ranges)
		return KV_NO_MEMORY;
	for (struct engine_write *write = group->first; write != group->end; write = write->next)
		if (write->status == KV_OK && write->batch.range_deletes > 0) {
			list_ranges(write, ranges + count);
			count += write->batch.range_deletes;
		}
	status = memtable_reserve_ranges(memtable, ranges, count);
	free(ranges);
	return status;
}

static void write_group(struct engine *engine, struct group *group)
{
	kv_status status = memtable_reserve(engine->commit.active, group->operations,
		group->key_bytes, group->value_bytes);

	if (status == KV_OK && group->range_deletes > 0)
		status = reserve_ranges(engine->commit.active, group);
	if (status == KV_OK)
		status = append(engine, group);
	if (status == KV_OK)
		fill_memtable(engine->commit.active, group);
	if (status == KV_OK && group->sync)
		status = finish_sync(engine);
	if (status != KV_OK) {
		fail_group(engine, group, status);
		return;
	}
	publish(engine, group);
	count_group(engine, group);
	if (atomic_load_explicit(&engine->counters.wal_bytes_written, memory_order_relaxed) >=
		atomic_load_explicit(&engine->look_at_log, memory_order_relaxed)) {
		atomic_store(&engine->look_at_log, UINT64_MAX); /* once will do */
		background_kick_flush(engine);
	}
}

static uint64_t list_bytes(const struct engine_write *list)
{
	uint64_t bytes = 0;

	for (; list; list = list->next)
		bytes += list->batch.operations.len;
	return bytes;
}

static void end_decisions(struct engine *engine, const struct group *group)
{
	overlay_clear(engine->commit.overlay);
	for (struct engine_write *write = group->first; write != group->end; write = write->next)
		release_held(engine, write);
}

kv_status commit_may_write(struct engine *engine, const struct engine_write *write)
{
	kv_status status = health_write_status(&engine->health);

	return status == KV_NO_SPACE && write->batch.puts == 0 ? KV_OK : status;
}

/* Is there one that only deletes? */
static bool has_deletes(const struct engine_write *list)
{
	for (; list; list = list->next)
		if (list->batch.puts == 0)
			return true;
	return false;
}

/* Commits the list up to where the group is full; returns the rest. */
static struct engine_write *commit_some(struct engine *engine, struct engine_write *list, bool must_decide)
{
	struct group group = { .first = list };
	kv_status status = rotate_make_room(engine, list_bytes(list), has_deletes(list));

	for (struct engine_write *write = list; write && !group.end; write = write->next) {
		write->status = status == KV_OK ? commit_may_write(engine, write) : status;
		if (write->status == KV_OK && !accept(engine, &group, write, must_decide))
			group.end = write;
	}
	if (group.operations > 0)
		write_group(engine, &group);
	if (must_decide)
		end_decisions(engine, &group);
	return group.end;
}

void commit_group(struct engine *engine, struct engine_write *list)
{
	bool must_decide = decide_is_needed(list);

	while (list)
		list = commit_some(engine, list, must_decide);
}
