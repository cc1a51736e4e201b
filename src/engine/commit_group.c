/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One group of the write path: conditions, WAL, sync, memtable, in this order. All of it runs in the leader of the commit
 * (commit.c).
 *
 * Durable before visible: the memtable is written after the sync, so no reader ever sees what a crash can take
 * back. The memory for it is taken before the append, so that nothing can fail in between.
 */
#include "base/clock.h"
#include "engine/decide.h"
#include "engine/engine_internal.h"

#include <assert.h>
#include <stdlib.h>

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
	group->wal_bytes += write->batch.operations.len;
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

/* The time that syncs take tells commit.c whether waiting for more writes pays. */
static kv_status timed_sync(struct commit *commit, struct kv_error *err)
{
	uint64_t begin = clock_monotonic_us();
	kv_status status = wal_sync(commit->wal, err);

	commit->sync_us = (commit->sync_us * 7 + (clock_monotonic_us() - begin)) / 8;
	return status;
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
	if (group->sync && timed_sync(commit, &err) != KV_OK)
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

static void write_group(struct engine *engine, struct group *group)
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

static uint64_t list_bytes(const struct engine_write *list)
{
	uint64_t bytes = 0;

	for (; list; list = list->next)
		bytes += list->batch.operations.len;
	return bytes;
}

void commit_group(struct engine *engine, struct engine_write *list)
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
		write_group(engine, &group);
	if (decide)
		overlay_clear(engine->commit.overlay);
}
