/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend over src/engine. The two layers do not share types, because the engine may not look up and http may not look
 * down; so this file translates, and does nothing else. The write path is in lsm_batch.c.
 */
#include "engine/engine.h"
#include "store/lsm.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	TABLE_BYTES_MIN = 8 * 1024,
	OPEN_TABLES_MAX = 4096,
	FILTER_BITS_PER_KEY = 10,
};
#define TABLE_BYTES_MAX (UINT64_C(16) << 20)

struct lsm_snapshot {
	struct store_snapshot base;
	struct engine_snapshot *snapshot;
};

struct lsm_iter {
	struct store_iter base;
	struct engine_iter *iter;
	struct iter_live *walk; /* of iter */
};

/* A quarter of a memtable, so that tests with tiny memtables get tiny tables. */
static uint64_t table_bytes(uint64_t memtable_bytes)
{
	uint64_t bytes = memtable_bytes / 4;

	if (bytes > TABLE_BYTES_MAX)
		return TABLE_BYTES_MAX;
	return bytes < TABLE_BYTES_MIN ? TABLE_BYTES_MIN : bytes;
}

static const enum sst_compression compressions[] = {
	[STORE_COMPRESSION_NONE] = SST_COMPRESSION_NONE,
	[STORE_COMPRESSION_LZ4] = SST_COMPRESSION_LZ4,
	[STORE_COMPRESSION_ZSTD] = SST_COMPRESSION_ZSTD,
};

static kv_status lsm_open(const struct store_options *options, struct store **ret,
	struct kv_error *err)
{
	struct engine_options engine_options = {
		.data_dir = options->data_dir,
		.fs = options->fs ? options->fs : &fs_posix,
		.memtable_bytes = options->memtable_bytes,
		.table_bytes = table_bytes(options->memtable_bytes),
		.block_cache_bytes = options->block_cache_bytes,
		.open_tables_max = options->open_tables_max ? options->open_tables_max : OPEN_TABLES_MAX,
		.flush_interval_s = options->tunables.flush_interval_s,
		.compaction_threshold = options->tunables.compaction_threshold,
		.scrub_interval_s = options->tunables.scrub_interval_s,
		.compaction_threads = options->compaction_threads ? options->compaction_threads : 1,
		.sync_commits = options->durability == STORE_DURABLE_COMMIT,
		.change_log_bytes = options->change_log_bytes,
		.committed = lsm_watches_notify,
		.event = options->event,
		.event_arg = options->event_arg,
	};
	struct lsm_store *store = calloc(1, sizeof *store);
	kv_status status;

	if (!store)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory");
	sst_options_init(&engine_options.table);
	engine_options.table.compression = compressions[options->compression];
	engine_options.table.filter_bits_per_key = FILTER_BITS_PER_KEY;
	store->base.backend = &store_backend_lsm;
	store->keeps_changes = options->change_log_bytes > 0;
	engine_options.committed_arg = &store->watches;
	status = lsm_watches_init(&store->watches);
	if (status != KV_OK) {
		free(store);
		return kv_error_set(err, status, "out of memory");
	}
	store->large_value_bytes = options->large_value_bytes;
	status = engine_open(&engine_options, &store->engine, err);
	if (status != KV_OK) {
		lsm_watches_destroy(&store->watches);
		free(store);
		return status;
	}
	*ret = &store->base;
	return KV_OK;
}

static kv_status lsm_retune(struct store *store, const struct store_tunables *tunables,
	struct kv_error *err)
{
	(void)err;
	engine_retune(lsm_engine(store), tunables->flush_interval_s,
		tunables->compaction_threshold, tunables->scrub_interval_s);
	return KV_OK;
}

static kv_status lsm_finish(struct store *store, struct store_finish_report *ret,
	struct kv_error *err)
{
	struct engine_finish_report report;
	kv_status status = engine_finish(lsm_engine(store), &report, err);

	if (status != KV_OK)
		return status;
	*ret = (struct store_finish_report){
		.entries_flushed = report.entries_flushed,
		.bytes_flushed = report.bytes_flushed,
		.log_files_removed = report.wal_segments_removed,
		.tables = report.tables,
		.bytes_on_disk = report.bytes_on_disk,
		.elapsed_us = report.elapsed_us,
	};
	snprintf(ret->table, sizeof ret->table, "%s", report.table);
	return KV_OK;
}

static void lsm_close(struct store *store)
{
	engine_close(lsm_engine(store));
	lsm_watches_destroy(&((struct lsm_store *)store)->watches);
	free(store);
}

/* ---- reading ---- */

static const struct engine_snapshot *snapshot_of(const struct store_snapshot *snapshot)
{
	return snapshot ? ((const struct lsm_snapshot *)snapshot)->snapshot : NULL;
}

/* Not inlined: it costs the others registers. */
static __attribute__((noinline)) kv_status give_large(const struct engine_value *value, struct store_value *ret,
	struct kv_error *err)
{
	struct store_large *large = lsm_large_new(value->large, value->size);

	if (!large)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a large value");
	*ret = (struct store_value){ .version = value->version, .expires_unix_ms = value->expires_unix_ms,
		.large = large, .size = value->size };
	return KV_OK;
}

static kv_status lsm_get(struct store *store, const struct store_snapshot *snapshot,
	struct slice key, struct store_value *ret, struct kv_error *err)
{
	struct engine_value value;
	kv_status status = engine_get(lsm_engine(store), snapshot_of(snapshot), key, &value, err);

	if (status != KV_OK)
		return status;
	if (value.large)
		return give_large(&value, ret, err);
	*ret = (struct store_value){ .value = value.value, .version = value.version,
		.expires_unix_ms = value.expires_unix_ms, .size = value.size };
	return KV_OK;
}

static struct store_snapshot *lsm_snapshot_new(struct store *store)
{
	struct lsm_snapshot *snapshot = malloc(sizeof *snapshot);

	if (!snapshot)
		return NULL;
	snapshot->base.backend = &store_backend_lsm;
	snapshot->snapshot = engine_snapshot_new(lsm_engine(store));
	if (!snapshot->snapshot) {
		free(snapshot);
		return NULL;
	}
	return &snapshot->base;
}

static void lsm_snapshot_free(struct store_snapshot *base)
{
	struct lsm_snapshot *snapshot = (struct lsm_snapshot *)base;

	engine_snapshot_free(snapshot->snapshot);
	free(snapshot);
}

static uint64_t lsm_snapshot_version(const struct store_snapshot *base)
{
	return engine_snapshot_sequence(((const struct lsm_snapshot *)base)->snapshot);
}

static kv_status lsm_iter_open(struct store *store, const struct store_snapshot *snapshot,
	struct store_iter **ret, struct kv_error *err)
{
	struct lsm_iter *iter = malloc(sizeof *iter);
	kv_status status;

	if (!iter)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for an iterator");
	*iter = (struct lsm_iter){ .base.backend = &store_backend_lsm };
	status = engine_iter_open(lsm_engine(store), snapshot_of(snapshot), &iter->iter, err);
	if (status != KV_OK) {
		free(iter);
		return status;
	}
	iter->walk = engine_iter_walk(iter->iter);
	*ret = &iter->base;
	return KV_OK;
}

static void lsm_iter_close(struct store_iter *base)
{
	struct lsm_iter *iter = (struct lsm_iter *)base;

	engine_iter_close(iter->iter);
	free(iter);
}

static struct iter_live *walk_of(const struct store_iter *iter)
{
	return ((const struct lsm_iter *)iter)->walk;
}

static inline void show(struct store_iter *iter, const struct entry *entry)
{
	iter->valid = entry != NULL;
	if (!entry) {
		iter->key = iter_live_position(walk_of(iter));
		iter->value = slice_of(NULL, 0);
		return;
	}
	iter->key = entry->key;
	iter->value = entry->value;
	iter->size = entry->value.len;
	if (entry->kind == ENTRY_BLOB) {
		iter->value = slice_of(NULL, 0);
		iter->size = engine_iter_size(((const struct lsm_iter *)iter)->iter);
	}
}

static void lsm_iter_seek_first(struct store_iter *iter)
{
	show(iter, iter_live_seek_first(walk_of(iter)));
}

static void lsm_iter_seek_last(struct store_iter *iter)
{
	show(iter, iter_live_seek_last(walk_of(iter)));
}

static void lsm_iter_seek(struct store_iter *iter, struct slice key)
{
	show(iter, iter_live_seek(walk_of(iter), key));
}

static void lsm_iter_seek_before(struct store_iter *iter, struct slice key)
{
	show(iter, iter_live_seek_before(walk_of(iter), key));
}

static void lsm_iter_next(struct store_iter *iter)
{
	show(iter, iter_live_next(walk_of(iter)));
}

static void lsm_iter_prev(struct store_iter *iter)
{
	show(iter, iter_live_prev(walk_of(iter)));
}

static kv_status lsm_iter_large(const struct store_iter *iter, struct store_large **ret,
	struct kv_error *err)
{
	struct engine_large *large;
	kv_status status = engine_iter_large(((const struct lsm_iter *)iter)->iter, &large, err);

	if (status != KV_OK)
		return status;
	*ret = large ? lsm_large_new(large, iter->size) : NULL;
	if (large && !*ret)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a large value");
	return KV_OK;
}

static uint64_t lsm_iter_version(const struct store_iter *iter)
{
	return iter_live_entry(walk_of(iter))->sequence;
}

static uint64_t lsm_iter_expires_unix_ms(const struct store_iter *iter)
{
	return iter_live_entry(walk_of(iter))->expires_unix_ms;
}

static kv_status lsm_iter_status(const struct store_iter *iter, struct kv_error *err)
{
	return engine_iter_status(((const struct lsm_iter *)iter)->iter, err);
}

static void lsm_iter_set_deadline(struct store_iter *iter, uint64_t deadline_us)
{
	iter_live_set_deadline(walk_of(iter), deadline_us);
}

static kv_status lsm_estimate_range(struct store *store, struct slice start, struct slice end,
	struct store_estimate *ret, struct kv_error *err)
{
	struct engine_estimate estimate;
	kv_status status = engine_estimate(lsm_engine(store), start, end, &estimate, err);

	if (status == KV_OK)
		*ret = (struct store_estimate){ .entries = estimate.entries, .bytes = estimate.bytes };
	return status;
}

/* ---- looking after it ---- */

static enum store_state lsm_get_state(struct store *store, char *reason, size_t size)
{
	static const enum store_state states[HEALTH_STATE_COUNT] = {
		[HEALTH_HEALTHY] = STORE_HEALTHY,
		[HEALTH_STALLED] = STORE_STALLED,
		[HEALTH_DISK_FULL] = STORE_DISK_FULL,
		[HEALTH_FAILED] = STORE_FAILED,
		[HEALTH_FINISHED] = STORE_FINISHED,
	};

	return states[engine_state(lsm_engine(store), reason, size)];
}

static void lsm_get_stats(struct store *store, struct store_stats *ret)
{
	struct engine_stats from;

	engine_get_stats(lsm_engine(store), &from);
	*ret = (struct store_stats){
		.level_count = MANIFEST_LEVELS,
		.memtable_bytes = from.memtable_bytes,
		.memtable_entries = from.memtable_entries,
		.frozen_memtables = from.frozen_memtables,
		.range_deletes = from.range_deletes,
		.table_memory_bytes = from.table_memory_bytes,
		.cache_bytes = from.cache_bytes,
		.cache_capacity_bytes = from.cache_capacity_bytes,
		.cache_hits = from.cache_hits,
		.cache_misses = from.cache_misses,
		.wal_segments = from.wal_segments,
		.wal_bytes = from.wal_bytes,
		.commits = from.commits,
		.commit_groups = from.commit_groups,
		.commit_syncs = from.commit_syncs,
		.user_bytes_written = from.user_bytes_written,
		.wal_bytes_written = from.wal_bytes_written,
		.flushes = from.flushes,
		.flush_bytes_written = from.flush_bytes_written,
		.compactions = from.compactions,
		.compaction_bytes_read = from.compaction_bytes_read,
		.compaction_bytes_written = from.compaction_bytes_written,
		.gets = from.gets,
		.gets_found = from.gets_found,
		.filter_negatives = from.filter_negatives,
		.snapshots = from.snapshots,
		.iterators = from.iterators,
		.last_version = from.last_sequence,
		.stall_us = from.stall_us,
		.change_log_bytes = from.change_log_bytes,
		.oldest_change = from.oldest_change,
		.large_values = from.blob_files,
		.large_bytes = from.blob_bytes,
		.large_bytes_written = from.large_bytes_written,
		.scrub_tables = from.scrub_tables,
		.scrub_large_values = from.scrub_large_values,
		.scrub_bytes = from.scrub_bytes,
		.scrub_files = from.scrub_files,
		.scrub_due = from.scrub_due,
		.damaged_tables = from.damaged_tables,
		.damaged_large_values = from.damaged_large_values,
		.damaged_basics = from.damaged_basics,
	};
	_Static_assert((int)MANIFEST_LEVELS <= (int)STORE_LEVELS_MAX, "every level has its figures");
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		ret->levels[n] = (struct store_level_stats){ from.levels[n].tables,
			from.levels[n].bytes, from.levels[n].entries, from.levels[n].tombstones };
}

static kv_status lsm_flush(struct store *store, struct kv_error *err)
{
	return engine_flush(lsm_engine(store), err);
}

static kv_status lsm_compact(struct store *store, struct kv_error *err)
{
	return engine_compact(lsm_engine(store), err);
}

static kv_status lsm_checkpoint(struct store *store, const char *path, struct kv_error *err)
{
	return engine_checkpoint(lsm_engine(store), path, err);
}

static void lsm_get_capabilities(const struct store *store, struct store_capabilities *ret)
{
	*ret = (struct store_capabilities){
		.backend = store->backend->name,
		.atomic_batches = true,
		.snapshots = true,
		.ordered_iteration = true,
		.reverse_iteration = true,
		.expiry = true,
		.checkpoint = true,
		.range_deletes = true,
		.changes = ((const struct lsm_store *)store)->keeps_changes,
		.large_values = true,
		.key_bytes_max = ENTRY_KEY_MAX,
		.value_bytes_max = ENTRY_VALUE_MAX,
		.batch_bytes_max = BATCH_BYTES_MAX,
	};
}

const struct store_backend store_backend_lsm = {
	.name = "lsm",
	.open = lsm_open,
	.retune = lsm_retune,
	.finish = lsm_finish,
	.close = lsm_close,
	.batch_new = lsm_batch_new,
	.batch_free = lsm_batch_free,
	.batch_put = lsm_batch_put,
	.batch_delete = lsm_batch_delete,
	.batch_delete_range = lsm_batch_delete_range,
	.batch_check = lsm_batch_check,
	.batch_increment = lsm_batch_increment,
	.batch_touch = lsm_batch_touch,
	.batch_count = lsm_batch_count,
	.batch_set_durability = lsm_batch_set_durability,
	.batch_outcome = lsm_batch_outcome,
	.batch_failed_index = lsm_batch_failed_index,
	.batch_error = lsm_batch_error,
	.submit = lsm_submit,
	.write = lsm_write,
	.large_value_bytes = lsm_large_value_bytes,
	.upload_new = lsm_upload_new,
	.upload_append = lsm_upload_append,
	.upload_bytes = lsm_upload_bytes,
	.upload_free = lsm_upload_free,
	.batch_put_upload = lsm_batch_put_upload,
	.large_read = lsm_large_read,
	.large_free = lsm_large_free,
	.get = lsm_get,
	.snapshot_new = lsm_snapshot_new,
	.snapshot_free = lsm_snapshot_free,
	.snapshot_version = lsm_snapshot_version,
	.iter_open = lsm_iter_open,
	.iter_close = lsm_iter_close,
	.iter_seek_first = lsm_iter_seek_first,
	.iter_seek_last = lsm_iter_seek_last,
	.iter_seek = lsm_iter_seek,
	.iter_seek_before = lsm_iter_seek_before,
	.iter_next = lsm_iter_next,
	.iter_prev = lsm_iter_prev,
	.iter_large = lsm_iter_large,
	.iter_version = lsm_iter_version,
	.iter_expires_unix_ms = lsm_iter_expires_unix_ms,
	.iter_status = lsm_iter_status,
	.iter_set_deadline = lsm_iter_set_deadline,
	.estimate_range = lsm_estimate_range,
	.changes_open = lsm_changes_open,
	.changes_next = lsm_changes_next,
	.changes_close = lsm_changes_close,
	.changes_oldest = lsm_changes_oldest,
	.watch_add = lsm_watch_add,
	.watch_remove = lsm_watch_remove,
	.get_state = lsm_get_state,
	.get_stats = lsm_get_stats,
	.flush = lsm_flush,
	.compact = lsm_compact,
	.checkpoint = lsm_checkpoint,
	.get_capabilities = lsm_get_capabilities,
};
