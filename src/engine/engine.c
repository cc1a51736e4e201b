/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening, closing and looking after an engine. Reading is in engine_read.c; writing in commit.c.
 *
 * Start order: directory and lock, caches, recovery, commit thread, workers. Stop order is the reverse; the WAL makes a stop
 * without engine_finish() as safe as a crash, which it is to the next start.
 */
#include "base/clock.h"
#include "base/huge_pages.h"
#include "engine/compaction.h"
#include "engine/damage_report.h"
#include "engine/engine_internal.h"
#include "engine/filename.h"
#include "engine/identity.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	SEGMENT_BYTES_MIN = 64 * 1024,
	FLUSH_FAILURES_MAX = 8, /* about one a second */
};

static kv_status out_of_memory(struct kv_error *err)
{
	return kv_error_set(err, KV_NO_MEMORY, "out of memory while opening the store");
}

static kv_status open_dir(struct engine *engine, struct kv_error *err)
{
	const struct engine_options *options = &engine->options;
	kv_status status = dir_open(options->fs, options->data_dir, true, &engine->dir, err);

	if (status == KV_OK)
		status = identity_lock(&engine->dir, &engine->lock, err);
	return status;
}

static void files_to_give_back(void *engine)
{
	background_kick_flush(engine);
}

static kv_status init_parts(struct engine *engine, struct kv_error *err)
{
	const struct engine_options *options = &engine->options;

	engine->blocks = block_cache_new(options->block_cache_bytes);
	if (!engine->blocks)
		return out_of_memory(err);
	engine->tables = table_cache_new(&engine->dir, &engine->id, engine->blocks,
		options->open_tables_max);
	if (engine->tables)
		table_cache_on_full(engine->tables, files_to_give_back, engine);
	engine->blobs = blob_set_new(&engine->dir, files_to_give_back, engine);
	if (!engine->tables || !engine->blobs || health_init(&engine->health, options->event,
			options->event_arg) != KV_OK ||
		views_init(&engine->views) != KV_OK ||
		catalog_init(&engine->catalog, &engine->dir, &engine->id, &engine->views,
			engine->tables) != KV_OK ||
		pthread_mutex_init(&engine->snapshot_mu, NULL) != 0 ||
		commit_init(engine) != KV_OK || unsynced_init(&engine->unsynced) != KV_OK || blob_sync_init(engine) != KV_OK ||
		background_init(engine) != KV_OK)
		return out_of_memory(err);
	engine->catalog.history.bytes_max = options->change_log_bytes;
	engine->catalog.history.hint_bytes = engine->wal_segment_bytes / HISTORY_HINTS;
	return KV_OK;
}

static kv_status start_threads(struct engine *engine, struct kv_error *err)
{
	kv_status status = commit_start(engine, err);

	if (status != KV_OK)
		return status;
	status = blob_sync_start(engine, err);
	if (status != KV_OK) {
		commit_stop(engine);
		return status;
	}
	status = background_start(engine, err);
	if (status != KV_OK) {
		blob_sync_stop(engine);
		commit_stop(engine);
		return status;
	}
	engine->threads_started = true;
	return KV_OK;
}

static struct engine *engine_new(const struct engine_options *options)
{
	struct engine *engine = aligned_alloc(64, (sizeof *engine + 63) / 64 * 64);

	if (!engine)
		return NULL;
	memset(engine, 0, sizeof *engine);
	engine->options = *options;
	engine->flush_interval_s = options->flush_interval_s;
	engine->compaction_threshold = options->compaction_threshold;
	engine->scrub_interval_s = options->scrub_interval_s;
	engine->wal_segment_bytes = options->memtable_bytes > SEGMENT_BYTES_MIN ?
		options->memtable_bytes : SEGMENT_BYTES_MIN;
	spare_init(engine);
	huge_pages_keep(options->memtable_bytes); /* from one memtable to the next */
	engine->dir.fd = -1;
	engine->lock.fd = -1;
	engine->snapshots.prev = engine->snapshots.next = &engine->snapshots;
	return engine;
}

static kv_status check_options(const struct engine_options *options, struct kv_error *err)
{
	if (options->memtable_bytes < 16 * 1024 || options->table_bytes < 4 * 1024 ||
		options->compaction_threshold < 2 || options->compaction_threads < 1 ||
		options->compaction_threads > ENGINE_COMPACTION_THREADS_MAX)
		return kv_error_set(err, KV_INVALID, "an option of the engine is out of range");
	if (!sst_compression_available(options->table.compression))
		return kv_error_set(err, KV_UNSUPPORTED, "this compression is not built in");
	return KV_OK;
}

kv_status engine_open(const struct engine_options *options, struct engine **ret,
	struct kv_error *err)
{
	struct engine *engine;
	kv_status status = check_options(options, err);

	if (status != KV_OK)
		return status;
	engine = engine_new(options);
	if (!engine)
		return out_of_memory(err);
	/* the parts first: closing may rely on them */
	status = init_parts(engine, err);
	if (status == KV_OK)
		status = open_dir(engine, err);
	if (status == KV_OK)
		status = recover_run(engine, err);
	if (status == KV_OK)
		status = start_threads(engine, err);
	if (status != KV_OK) {
		engine_close(engine);
		return status;
	}
	*ret = engine;
	return KV_OK;
}

/* Also after a failed open: what was not initialised is zero, which is a good mutex, condition and empty part. */
struct engine *engine_close(struct engine *engine)
{
	if (!engine)
		return NULL;
	if (engine->threads_started) {
		background_stop(engine);
		blob_sync_stop(engine);
		commit_stop(engine);
	}
	recover_free(engine->recovery);
	blob_sync_destroy(engine);
	commit_destroy(engine);
	unsynced_destroy(&engine->unsynced);
	views_destroy(&engine->views);
	if (engine->tables)
		table_cache_trim(engine->tables, NULL); /* orphans are swept at the next start */
	engine->tables = table_cache_free(engine->tables);
	engine->blobs = blob_set_free(engine->blobs);
	catalog_destroy(&engine->catalog);
	engine->blocks = block_cache_free(engine->blocks);
	background_destroy(engine);
	health_destroy(&engine->health);
	pthread_mutex_destroy(&engine->snapshot_mu);
	file_close(&engine->lock);
	dir_close(&engine->dir);
	huge_pages_keep_less(engine->options.memtable_bytes);
	free(engine);
	return NULL;
}

void engine_retune(struct engine *engine, uint32_t flush_interval_s, uint32_t compaction_threshold,
	uint32_t scrub_interval_s)
{
	atomic_store(&engine->scrub_interval_s, scrub_interval_s);
	scrub_kick(engine);
	atomic_store(&engine->flush_interval_s, flush_interval_s);
	atomic_store(&engine->compaction_threshold, compaction_threshold);
	background_kick_flush(engine);
	background_kick_compact(engine);
}

enum health_state engine_state(struct engine *engine, char *reason, size_t size)
{
	enum health_state state = health_describe(&engine->health, reason, size);
	char damage[HEALTH_REASON_MAX];
	size_t len = strlen(reason);

	damage_report_summary(engine, damage, sizeof damage);
	if (damage[0] != '\0')
		snprintf(reason + len, size - len, "%s%s", len > 0 ? "; " : "", damage);
	return state;
}

/* ---- flush and compact by hand ---- */

/* The newest memtable that holds anything, counted; NULL when memory is empty. */
static struct memtable *newest_memtable(struct engine *engine)
{
	struct view *view = views_acquire(&engine->views);
	struct memtable *memtable = NULL;

	if (memtable_entries(view->active) > 0)
		memtable = memtable_ref(view->active);
	else if (view->frozen_count > 0)
		memtable = memtable_ref(view->frozen[0]);
	view_unref(view);
	return memtable;
}

static kv_status flush_failure(struct engine *engine, struct kv_error *err)
{
	char reason[HEALTH_REASON_MAX];

	switch (health_describe(&engine->health, reason, sizeof reason)) {
	case HEALTH_DISK_FULL:
		return kv_error_set(err, KV_NO_SPACE, "%s", reason);
	case HEALTH_FAILED:
		return kv_error_set(err, KV_IO, "%s", reason);
	default:
		return KV_OK;
	}
}

/* Gives up after some failures that are tried again: a stop must not wait for memory or descriptors that never come. */
kv_status engine_flush(struct engine *engine, struct kv_error *err)
{
	struct memtable *target = newest_memtable(engine);
	uint64_t failures = atomic_load(&engine->background.failures);
	kv_status status = KV_OK;

	while (target && status == KV_OK) {
		uint64_t seen = background_progress_count(engine);
		enum memtable_state state = memtable_get_state(target);

		if (state == MEMTABLE_FLUSHED)
			break;
		status = flush_failure(engine, err);
		if (status == KV_OK &&
			atomic_load(&engine->background.failures) - failures >= FLUSH_FAILURES_MAX)
			status = kv_error_set(err, KV_NO_MEMORY,
				"memory cannot be flushed for want of memory or descriptors");
		if (status != KV_OK)
			break;
		if (state == MEMTABLE_ACTIVE)
			commit_want_rotation(engine);
		background_wait_progress(engine, seen, clock_monotonic_us() + 1000 * 1000);
	}
	memtable_unref(target);
	return status;
}

kv_status engine_compact(struct engine *engine, struct kv_error *err)
{
	kv_status status = engine_flush(engine, err);

	return status == KV_OK ? compaction_run_all(engine, err) : status;
}

/* ---- the clean end ---- */

static void report_newest_table(struct engine *engine, struct engine_finish_report *report)
{
	struct view *view = views_acquire(&engine->views);

	if (view->levels[0]->count > 0) {
		const struct sst_meta *meta = table_meta(view->levels[0]->tables[0]);

		filename_make(report->table, FILENAME_TABLE, meta->number);
		report->bytes_flushed = meta->file_bytes;
	}
	view_unref(view);
}

static kv_status flush_everything(struct engine *engine, struct engine_finish_report *report,
	struct kv_error *err)
{
	struct memtable *last = newest_memtable(engine);
	kv_status status = engine_flush(engine, err);

	if (status == KV_OK && last) {
		report->entries_flushed = memtable_entries(last);
		report_newest_table(engine, report);
	}
	memtable_unref(last);
	return status;
}

struct measure {
	const struct dir *dir;
	uint64_t bytes;
	uint64_t tables;
};

static int measure_one(void *arg, const char *name)
{
	struct measure *measure = arg;
	struct file file;
	uint64_t number, bytes;
	enum filename_kind kind = filename_parse(name, &number);

	if (kind == FILENAME_FOREIGN || kind == FILENAME_LOST_FOUND || kind == FILENAME_RESERVE ||
		file_open(measure->dir, name, FILE_READ, &file, NULL) != KV_OK)
		return 0;
	if (file_size(&file, &bytes, NULL) == KV_OK)
		measure->bytes += bytes;
	file_close(&file);
	measure->tables += kind == FILENAME_TABLE;
	return 0;
}

/* The WAL holds nothing any more: the MANIFEST forgets it, then the files go. The commit is closed, so its
 * writer is not used again. */
static kv_status clean_wal(struct engine *engine, struct engine_finish_report *report,
	struct kv_error *err)
{
	struct catalog_edit edit = { .forget_wals = true };
	kv_status status = catalog_apply(&engine->catalog, &edit, err);

	report->wal_segments_removed = edit.wals_removed;
	return status;
}

kv_status engine_finish(struct engine *engine, struct engine_finish_report *ret,
	struct kv_error *err)
{
	struct engine_finish_report report = { 0 };
	struct measure measure = { .dir = &engine->dir };
	uint64_t begin = clock_monotonic_us();
	kv_status status;

	if (!engine->threads_started)
		return kv_error_set(err, KV_INVALID, "the store has been finished already");
	blob_sync_drain(engine);
	commit_drain(engine);
	status = flush_everything(engine, &report, err);
	if (status != KV_OK)
		return status;
	if (!health_set(&engine->health, HEALTH_FINISHED, "the store was closed for writing"))
		return flush_failure(engine, err); /* what failed is left as it is, for the next start */
	background_stop(engine);
	blob_sync_stop(engine);
	commit_stop(engine);
	engine->threads_started = false;
	status = clean_wal(engine, &report, err);
	if (status != KV_OK)
		return status;
	views_reclaim(&engine->views);
	table_cache_trim(engine->tables, NULL); /* orphans are swept at the next start, as below */
	blob_set_trim(engine->blobs, NULL);
	status = dir_list(&engine->dir, measure_one, &measure, err);
	if (status != KV_OK)
		return status;
	report.tables = measure.tables;
	report.bytes_on_disk = measure.bytes;
	report.elapsed_us = clock_monotonic_us() - begin;
	*ret = report;
	return KV_OK;
}
