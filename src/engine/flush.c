/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush thread: makes WAL segments ahead, writes frozen memtables to level 0 (oldest first), freezes a memtable that has
 * become older than flush_interval, looks whether a full disk has space again, and gives back what readers no
 * longer need. It works for nobody in particular: whoever waits for it waits for `progress`.
 */
#include "base/clock.h"
#include "engine/compact_run.h"
#include "engine/engine_internal.h"

#include <stdlib.h>

enum {
	RETRY_US = 1000 * 1000,       /* after a failure, and while the disk is full */
	IDLE_US = 60 * 1000 * 1000,
};

static uint64_t new_file_number(void *arg)
{
	struct engine *engine = arg;

	return catalog_new_file_number(&engine->catalog);
}

static kv_status write_table(struct engine *engine, struct memtable *memtable,
	struct compact_result *ret, struct kv_error *err)
{
	struct compact_run run = {
		.dir = &engine->dir,
		.id = &engine->id,
		.table = engine->options.table,
		.table_bytes_max = UINT64_MAX,
		.now_unix_ms = clock_wall_ms(),
		.new_file_number = new_file_number,
		.arg = engine,
	};
	struct iter *input = memtable_iter(memtable);
	uint64_t *snapshots = NULL;
	kv_status status = KV_NO_MEMORY;

	if (input)
		status = engine_list_snapshots(engine, &snapshots, &run.snapshot_count);
	run.snapshots = snapshots;
	if (status == KV_OK)
		status = compact_run(&run, input, ret, err);
	else
		kv_error_set(err, status, "out of memory for a flush");
	free(snapshots);
	iter_close(input);
	return status;
}

static kv_status publish(struct engine *engine, struct memtable *memtable,
	const struct compact_result *result, struct kv_error *err)
{
	struct table *table = NULL;
	struct catalog_edit edit = { .flushed = memtable };
	kv_status status;

	if (result->table_count > 0) {
		table = table_new(engine->tables, &result->tables[0]);
		if (!table)
			return kv_error_set(err, KV_NO_MEMORY, "out of memory for a table");
		edit.added = &table;
		edit.added_count = 1;
	}
	status = catalog_apply(&engine->catalog, &edit, err);
	table_unref(table);
	return status;
}

/* Writes one memtable out and makes it the newest table of level 0. */
static kv_status flush_memtable(struct engine *engine, struct memtable *memtable, struct kv_error *err)
{
	struct compact_result result = { 0 };
	kv_status status = write_table(engine, memtable, &result, err);

	if (status == KV_OK)
		status = publish(engine, memtable, &result, err);
	if (status == KV_NO_SPACE || status == KV_NO_MEMORY)
		compact_result_remove(&result, &engine->dir);
	if (status == KV_OK) {
		count_up(&engine->counters.flushes, 1);
		count_up(&engine->counters.flush_bytes_written, result.bytes_written);
	}
	compact_result_free(&result);
	return status;
}

static struct memtable *oldest_frozen(struct engine *engine)
{
	struct view *view = views_acquire(&engine->views);
	struct memtable *memtable = NULL;

	if (view->frozen_count > 0)
		memtable = memtable_ref(view->frozen[view->frozen_count - 1]);
	view_unref(view);
	return memtable;
}

static kv_status make_spare(struct engine *engine)
{
	struct kv_error err = { 0 };
	kv_status status;

	if (catalog_peek_spare(&engine->catalog) != 0)
		return KV_OK;
	status = catalog_make_spare(&engine->catalog, engine->wal_segment_bytes, &err);
	if (status != KV_OK)
		health_report(&engine->health, "cannot make a WAL segment", &err);
	return status;
}

static kv_status flush_all(struct engine *engine)
{
	struct memtable *memtable;
	struct kv_error err = { 0 };
	kv_status status = KV_OK;

	while (status == KV_OK && (memtable = oldest_frozen(engine)) != NULL) {
		status = flush_memtable(engine, memtable, &err);
		memtable_unref(memtable);
		if (status != KV_OK)
			health_report(&engine->health, "cannot flush memory to a table", &err);
		else
			background_kick_compact(engine);
		background_progress(engine);
	}
	return status;
}

/* Leaves disk_full when what was to be written could be written and there is room for the next. */
static void look_for_space(struct engine *engine)
{
	uint64_t need = 2 * engine->wal_segment_bytes + (1 << 20);
	uint64_t space;

	if (health_get(&engine->health) == HEALTH_DISK_FULL &&
		dir_space(&engine->dir, &space, NULL) == KV_OK && space >= need)
		health_leave(&engine->health, HEALTH_DISK_FULL);
}

/* A write enters the stalled state; but those who see it may send none until it is left. */
static void look_at_debt(struct engine *engine)
{
	if (health_get(&engine->health) == HEALTH_STALLED && !rotate_is_stalled(engine))
		health_leave(&engine->health, HEALTH_STALLED);
}

/* Freezes a memtable that is due; returns when the next one will be. */
static uint64_t flush_by_age(struct engine *engine)
{
	uint64_t interval = (uint64_t)atomic_load(&engine->flush_interval_s) * 1000000;
	struct view *view = views_acquire(&engine->views);
	uint64_t first = memtable_first_write_us(view->active);
	uint64_t now = clock_monotonic_us();

	view_unref(view);
	if (interval == 0 || first == 0)
		return now + IDLE_US;
	if (now < first + interval)
		return first + interval;
	commit_want_rotation(engine);
	return now + RETRY_US;
}

static void reclaim(struct engine *engine)
{
	struct kv_error err = { 0 };

	views_reclaim(&engine->views);
	if (table_cache_trim(engine->tables, &err) != KV_OK)
		health_event(&engine->health, LOG_LEVEL_WARNING, "cannot remove a table: %s", err.text);
}

/* One round; returns when the next is due. *ret_failed: not sooner than that, however much is asked for. */
static uint64_t work(struct engine *engine, bool *ret_failed)
{
	kv_status spare, flushed;
	uint64_t next;

	*ret_failed = false;
	if (health_get(&engine->health) == HEALTH_FAILED) {
		background_progress(engine); /* who waits must see it */
		return clock_monotonic_us() + IDLE_US;
	}
	spare = make_spare(engine);
	background_progress(engine);
	flushed = flush_all(engine);
	if (spare == KV_OK && flushed == KV_OK)
		look_for_space(engine);
	look_at_debt(engine);
	reclaim(engine);
	next = flush_by_age(engine);
	background_progress(engine);
	*ret_failed = spare != KV_OK || flushed != KV_OK;
	if (*ret_failed)
		count_up(&engine->background.failures, 1);
	if (*ret_failed || health_get(&engine->health) == HEALTH_DISK_FULL)
		return clock_monotonic_us() + RETRY_US;
	return next;
}

void *flush_thread(void *arg)
{
	struct engine *engine = arg;
	struct background *background = &engine->background;

	pthread_mutex_lock(&background->mu);
	while (!background->stop) {
		uint64_t next;
		bool failed;

		background->flush_kicked = false;
		pthread_mutex_unlock(&background->mu);
		next = work(engine, &failed);
		pthread_mutex_lock(&background->mu);
		while (!background->stop && (failed || !background->flush_kicked) &&
			background_wait_locked(engine, &background->flush_wake, next))
			;
	}
	pthread_mutex_unlock(&background->mu);
	return NULL;
}
