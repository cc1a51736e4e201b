/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush thread: makes WAL segments ahead (spare.c), writes frozen memtables to level 0 (oldest first), freezes a memtable that has
 * become older than flush_interval, looks whether a full disk has space again, and gives back what readers no
 * longer need. It works for nobody in particular: whoever waits for it waits for `progress`.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/huge_pages.h"
#include "base/rcu.h"
#include "engine/compaction_job.h"
#include "engine/reserve.h"

#include <stdlib.h>

enum {
	RETRY_US = 1000 * 1000,       /* after a failure, and while the disk is full */
	SPACE_MIN = 2 << 20,
	HURRY_FACTOR = 16,            /* times the compaction threshold: nobody waits for level 0 on a full disk, but reads look into all of it */
	IDLE_US = 60 * 1000 * 1000,
};

/* The range deletes of a memtable as one set, with a reference; NULL: none. Those of older memtables cover nothing in it. */
static kv_status set_of(const struct memtable *memtable, struct range_set **ret)
{
	const struct range_runs *runs = memtable_ranges(memtable);
	struct range *ranges;

	*ret = NULL;
	if (!runs)
		return KV_OK;
	ranges = calloc(runs->ranges, sizeof *ranges);
	if (!ranges)
		return KV_NO_MEMORY;
	range_runs_list(runs, ranges);
	*ret = range_set_new(ranges, runs->ranges);
	free(ranges);
	return *ret ? KV_OK : KV_NO_MEMORY;
}

static kv_status write_table(struct engine *engine, struct memtable *memtable,
	struct compact_result *ret, struct kv_error *err)
{
	struct compact_run run = { .table_bytes_max = UINT64_MAX,
		.ranges_complete = memtable_last_sequence(memtable) };
	struct range_set *ranges;
	struct iter *input = NULL;
	kv_status status = set_of(memtable, &ranges);

	if (status == KV_OK)
		input = memtable_iter(memtable);
	run.ranges = ranges;
	status = compaction_write_tables(engine, &run, input, ret, err);
	iter_close(input);
	range_set_unref(ranges);
	return status;
}

static kv_status publish(struct engine *engine, struct memtable *memtable,
	const struct compact_result *result, struct kv_error *err)
{
	struct table *table = NULL;
	struct catalog_edit edit = { .flushed = memtable,
		.oldest_snapshot = engine_oldest_snapshot(engine) };
	kv_status status;

	if (result->table_count > 0) {
		table = table_new(engine->tables, &result->tables[0]);
		if (!table)
			return kv_error_set(err, KV_NO_MEMORY, "out of memory for a table");
		status = table_hold_blobs(table, engine->blobs, err);
		if (status != KV_OK) {
			table_unref(table);
			return status;
		}
		edit.added = &table;
		edit.added_count = 1;
	}
	status = catalog_apply(&engine->catalog, &edit, err);
	if (status == KV_OK && table)
		warm_new_table(engine, table);
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
	compaction_discard(engine, &result, status);
	if (status == KV_OK) {
		unsynced_forget(&engine->unsynced, memtable_last_sequence(memtable));
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

static bool has_frozen(struct engine *engine)
{
	bool ret;

	rcu_enter();
	ret = views_peek(&engine->views)->frozen_count > 0;
	rcu_leave();
	return ret;
}

static void reclaim(struct engine *engine)
{
	struct kv_error err = { 0 };

	views_reclaim(&engine->views);
	if (table_cache_trim(engine->tables, &err) != KV_OK)
		health_event(&engine->health, LOG_LEVEL_WARNING, "cannot remove a table: %s", err.text);
	if (blob_set_trim(engine->blobs, &err) != KV_OK)
		health_event(&engine->health, LOG_LEVEL_WARNING, "cannot remove a large value: %s", err.text);
	if (background_quiet_us(engine) >= LOG_QUIET_US)
		huge_pages_give_back();
}

static kv_status flush_all(struct engine *engine)
{
	struct memtable *memtable;
	struct kv_error err = { 0 };
	kv_status status = KV_OK;

	while (status == KV_OK && (memtable = oldest_frozen(engine)) != NULL) {
		status = flush_memtable(engine, memtable, &err);
		memtable_unref(memtable);
		if (status != KV_OK) {
			health_report(&engine->health, "cannot flush memory to a table", &err);
		} else {
			reclaim(engine); /* its memory comes back before the next one is flushed, and who keeps writing keeps nothing from being given back */
			background_kick_compact(engine);
			if (catalog_has_retired(&engine->catalog))
				spare_make(engine); /* tried again after the last one */
		}
		background_progress(engine);
	}
	return status;
}

/* Leaves disk_full when what was to be written could be written and there is room for the next. What the file system tells of its space may be more
 * than we are allowed, or nothing; so the reserve is made first. */
static void look_for_space(struct engine *engine)
{
	uint64_t reserve = reserve_bytes(engine->wal_segment_bytes), segments = 2 * engine->wal_segment_bytes;
	uint64_t need = reserve + (segments < SPACE_MIN ? segments : SPACE_MIN) + (1 << 20);
	uint64_t space;

	if (health_get(&engine->health) != HEALTH_DISK_FULL || engine->has_reserve || /* it has come since this round began */
		(dir_space(&engine->dir, &space, NULL) == KV_OK && space < need) ||
		reserve_make(&engine->dir, reserve, NULL) == KV_NO_SPACE)
		return;
	health_leave(&engine->health, HEALTH_DISK_FULL);
	spare_look_at_disk(engine);
}

/* What was deleted while the disk is full gives its space back only when it has got into the tables: all together, once no more come. Level 0 may
 * grow by that, but not for ever. Behind memory that cannot be flushed it would only take a segment of the log for itself. */
static void hurry_deletes(struct engine *engine)
{
	struct view *view = views_acquire(&engine->views);
	bool due = memtable_entries(view->active) > 0 && view->frozen_count == 0 &&
		view->levels[0]->count < HURRY_FACTOR * (size_t)atomic_load(&engine->compaction_threshold);

	view_unref(view);
	if (due && background_quiet_us(engine) >= LOG_QUIET_US)
		commit_want_rotation(engine);
	background_kick_compact(engine);
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

/* What a start on a full disk has left to be done. */
static bool begin(struct engine *engine)
{
	struct kv_error err = { 0 };
	kv_status status = recover_begin(engine, &err);

	if (status != KV_OK)
		health_report(&engine->health, "cannot begin a log", &err);
	return status == KV_OK;
}

/* One round; returns when the next is due. *ret_failed: not sooner than that, however much is asked for. */
static uint64_t work(struct engine *engine, bool *ret_failed)
{
	kv_status spare, flushed;
	uint64_t next, next_fit;

	*ret_failed = false;
	if (health_get(&engine->health) == HEALTH_FAILED) {
		background_progress(engine); /* who waits must see it */
		return clock_monotonic_us() + IDLE_US;
	}
	if (atomic_load(&engine->catalog.unbegun) && !begin(engine)) {
		background_progress(engine);
		*ret_failed = true;
		return clock_monotonic_us() + RETRY_US;
	}
	spare_look_at_disk(engine);
	if (health_get(&engine->health) == HEALTH_DISK_FULL)
		spare_give_back(engine);
	/* to write a segment of zeros is as much work as a flush, after which there may be one to make it from */
	if (catalog_has_retired(&engine->catalog) || !has_frozen(engine))
		spare_make(engine);
	background_progress(engine);
	flushed = flush_all(engine);
	spare = spare_make(engine);
	background_progress(engine);
	if (spare == KV_OK && flushed == KV_OK)
		look_for_space(engine);
	if (health_get(&engine->health) == HEALTH_DISK_FULL)
		hurry_deletes(engine);
	spare_keep_reserve(engine);
	look_at_debt(engine);
	reclaim(engine);
	next = flush_by_age(engine);
	next_fit = spare_fit(engine);
	background_progress(engine);
	*ret_failed = spare != KV_OK || flushed != KV_OK;
	if (*ret_failed)
		count_up(&engine->background.failures, 1);
	if (*ret_failed || health_get(&engine->health) == HEALTH_DISK_FULL)
		return clock_monotonic_us() + RETRY_US;
	return next < next_fit ? next : next_fit;
}

void *flush_thread(void *arg)
{
	struct engine *engine = arg;
	struct background *background = &engine->background;

	pthread_setname_np(pthread_self(), "flush");
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
