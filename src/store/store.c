/* SPDX-License-Identifier: BSD-2-Clause */
/* The face of the store: finds the backend, and passes each call on to it. */
#include "store/store.h"

#include "store/backend.h"

static const struct store_backend *const backends[] = {
	&store_backend_lsm, /* the default */
};

static const char *const state_names[] = {
	[STORE_HEALTHY] = "healthy",
	[STORE_STALLED] = "stalled",
	[STORE_DISK_FULL] = "disk_full",
	[STORE_FAILED] = "failed",
	[STORE_FINISHED] = "finished",
};

void store_options_init(struct store_options *options)
{
	*options = (struct store_options){
		.tunables = { .flush_interval_s = 60, .compaction_threshold = 4,
			.scrub_interval_s = 7 * 24 * 3600 },
		.memtable_bytes = UINT64_C(64) << 20,
		.block_cache_bytes = UINT64_C(256) << 20,
		.large_value_bytes = UINT64_C(64) << 10,
		.change_log_bytes = UINT64_C(64) << 20,
		.durability = STORE_DURABLE_COMMIT,
		.compression = STORE_COMPRESSION_NONE,
	};
}

static kv_status check_tunables(const struct store_tunables *tunables, struct kv_error *err)
{
	if (tunables->compaction_threshold < 2 || tunables->compaction_threshold > 64)
		return kv_error_set(err, KV_INVALID, "compaction_threshold must be 2 to 64 tables");
	return KV_OK;
}

kv_status store_options_check(const struct store_options *options, struct kv_error *err)
{
	if (!options->data_dir || options->data_dir[0] == '\0')
		return kv_error_set(err, KV_INVALID, "data_dir is not set");
	if (options->memtable_bytes < 16 * 1024)
		return kv_error_set(err, KV_INVALID, "memtable_size must be at least 16K");
	if (options->durability != STORE_DURABLE_COMMIT && options->durability != STORE_DURABLE_OS)
		return kv_error_set(err, KV_INVALID, "durability must be commit or os");
	if (options->large_value_bytes < 4096)
		return kv_error_set(err, KV_INVALID, "blob_threshold must be at least 4K");
	if (options->compaction_threads > 8)
		return kv_error_set(err, KV_INVALID, "at most 8 compaction threads");
	return check_tunables(&options->tunables, err);
}

kv_status store_open(const struct store_options *options, struct store **ret, struct kv_error *err)
{
	kv_status status = store_options_check(options, err);

	if (status != KV_OK)
		return status;
	for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
		if (!options->backend || strcmp(options->backend, backends[i]->name) == 0)
			return backends[i]->open(options, ret, err);
	return kv_error_set(err, KV_INVALID, "there is no storage backend '%s'", options->backend);
}

kv_status store_retune(struct store *store, const struct store_tunables *tunables,
	struct kv_error *err)
{
	kv_status status = check_tunables(tunables, err);

	return status == KV_OK ? store->backend->retune(store, tunables, err) : status;
}

kv_status store_finish(struct store *store, struct store_finish_report *ret, struct kv_error *err)
{
	return store->backend->finish(store, ret, err);
}

struct store *store_close(struct store *store)
{
	if (store)
		store->backend->close(store);
	return NULL;
}

/* ---- writing ---- */

struct store_batch *store_batch_new(struct store *store)
{
	return store->backend->batch_new(store);
}

struct store_batch *store_batch_free(struct store_batch *batch)
{
	if (batch)
		batch->backend->batch_free(batch);
	return NULL;
}

kv_status store_batch_put(struct store_batch *batch, struct slice key, struct slice value,
	uint64_t expires_unix_ms, const struct store_condition *condition)
{
	return batch->backend->batch_put(batch, key, value, expires_unix_ms, condition);
}

kv_status store_batch_delete(struct store_batch *batch, struct slice key,
	const struct store_condition *condition)
{
	return batch->backend->batch_delete(batch, key, condition);
}

kv_status store_batch_delete_range(struct store_batch *batch, struct slice start, struct slice end)
{
	return batch->backend->batch_delete_range(batch, start, end);
}

kv_status store_batch_check(struct store_batch *batch, struct slice key,
	const struct store_condition *condition)
{
	return batch->backend->batch_check(batch, key, condition);
}

kv_status store_batch_increment(struct store_batch *batch, struct slice key, int64_t by)
{
	return batch->backend->batch_increment(batch, key, by);
}

kv_status store_batch_touch(struct store_batch *batch, struct slice key, uint64_t expires_unix_ms)
{
	return batch->backend->batch_touch(batch, key, expires_unix_ms);
}

size_t store_batch_count(const struct store_batch *batch)
{
	return batch->backend->batch_count(batch);
}

void store_batch_set_durability(struct store_batch *batch, enum store_durability durability)
{
	batch->backend->batch_set_durability(batch, durability);
}

struct store_outcome store_batch_outcome(const struct store_batch *batch, size_t index)
{
	return batch->backend->batch_outcome(batch, index);
}

size_t store_batch_failed_index(const struct store_batch *batch)
{
	return batch->backend->batch_failed_index(batch);
}

const struct kv_error *store_batch_error(const struct store_batch *batch)
{
	return batch->backend->batch_error(batch);
}

void store_submit(struct store *store, struct store_batch *batch, store_done done, void *arg)
{
	store_submit_all(store, &(struct store_submission){ batch, done, arg }, 1);
}

void store_submit_all(struct store *store, const struct store_submission *submissions, size_t count)
{
	store->backend->submit(store, submissions, count);
}

kv_status store_write(struct store *store, struct store_batch *batch)
{
	return store->backend->write(store, batch);
}

/* ---- large values ---- */

uint64_t store_large_value_bytes(const struct store *store)
{
	return store->backend->large_value_bytes(store);
}

kv_status store_upload_new(struct store *store, struct store_upload **ret, struct kv_error *err)
{
	return store->backend->upload_new(store, ret, err);
}

kv_status store_upload_append(struct store_upload *upload, struct slice bytes, struct kv_error *err)
{
	return upload->backend->upload_append(upload, bytes, err);
}

uint64_t store_upload_bytes(const struct store_upload *upload)
{
	return upload->backend->upload_bytes(upload);
}

struct store_upload *store_upload_free(struct store_upload *upload)
{
	if (upload)
		upload->backend->upload_free(upload);
	return NULL;
}

kv_status store_batch_put_upload(struct store_batch *batch, struct slice key, struct store_upload *upload,
	uint64_t expires_unix_ms, const struct store_condition *condition)
{
	return batch->backend->batch_put_upload(batch, key, upload, expires_unix_ms, condition);
}

kv_status store_large_read(struct store_large *large, uint64_t offset, void *buf, size_t len,
	struct kv_error *err)
{
	return large->backend->large_read(large, offset, buf, len, err);
}

uint64_t store_large_size(const struct store_large *large)
{
	return large->size;
}

struct store_large *store_large_free(struct store_large *large)
{
	if (large)
		large->backend->large_free(large);
	return NULL;
}

/* ---- reading ---- */

void store_value_release(struct store_value *value)
{
	pinned_release(&value->value);
	value->large = store_large_free(value->large);
}

kv_status store_get(struct store *store, const struct store_snapshot *snapshot, struct slice key,
	struct store_value *ret, struct kv_error *err)
{
	return store->backend->get(store, snapshot, key, ret, err);
}

struct store_snapshot *store_snapshot_new(struct store *store)
{
	return store->backend->snapshot_new(store);
}

struct store_snapshot *store_snapshot_free(struct store_snapshot *snapshot)
{
	if (snapshot)
		snapshot->backend->snapshot_free(snapshot);
	return NULL;
}

uint64_t store_snapshot_version(const struct store_snapshot *snapshot)
{
	return snapshot->backend->snapshot_version(snapshot);
}

kv_status store_iter_open(struct store *store, const struct store_snapshot *snapshot,
	struct store_iter **ret, struct kv_error *err)
{
	return store->backend->iter_open(store, snapshot, ret, err);
}

struct store_iter *store_iter_close(struct store_iter *iter)
{
	if (iter)
		iter->backend->iter_close(iter);
	return NULL;
}

void store_iter_seek_first(struct store_iter *iter)
{
	iter->backend->iter_seek_first(iter);
}

void store_iter_seek_last(struct store_iter *iter)
{
	iter->backend->iter_seek_last(iter);
}

void store_iter_seek(struct store_iter *iter, struct slice key)
{
	iter->backend->iter_seek(iter, key);
}

void store_iter_seek_before(struct store_iter *iter, struct slice key)
{
	iter->backend->iter_seek_before(iter, key);
}

void store_iter_next(struct store_iter *iter)
{
	iter->backend->iter_next(iter);
}

void store_iter_prev(struct store_iter *iter)
{
	iter->backend->iter_prev(iter);
}

bool store_iter_valid(const struct store_iter *iter)
{
	return iter->valid;
}

struct slice store_iter_key(const struct store_iter *iter)
{
	return iter->key;
}

struct slice store_iter_value(const struct store_iter *iter)
{
	return iter->value;
}

uint64_t store_iter_size(const struct store_iter *iter)
{
	return iter->size;
}

kv_status store_iter_large(const struct store_iter *iter, struct store_large **ret, struct kv_error *err)
{
	return iter->backend->iter_large(iter, ret, err);
}

uint64_t store_iter_version(const struct store_iter *iter)
{
	return iter->backend->iter_version(iter);
}

uint64_t store_iter_expires_unix_ms(const struct store_iter *iter)
{
	return iter->backend->iter_expires_unix_ms(iter);
}

kv_status store_iter_status(const struct store_iter *iter, struct kv_error *err)
{
	return iter->backend->iter_status(iter, err);
}

void store_iter_set_deadline(struct store_iter *iter, uint64_t deadline_us)
{
	iter->backend->iter_set_deadline(iter, deadline_us);
}

kv_status store_estimate_range(struct store *store, struct slice start, struct slice end,
	struct store_estimate *ret, struct kv_error *err)
{
	return store->backend->estimate_range(store, start, end, ret, err);
}

/* ---- changes ---- */

kv_status store_changes_open(struct store *store, uint64_t since, struct store_changes **ret,
	struct kv_error *err)
{
	return store->backend->changes_open(store, since, ret, err);
}

kv_status store_changes_next(struct store_changes *changes, struct store_change *ret,
	struct kv_error *err)
{
	return changes->backend->changes_next(changes, ret, err);
}

struct store_changes *store_changes_close(struct store_changes *changes)
{
	if (changes)
		changes->backend->changes_close(changes);
	return NULL;
}

uint64_t store_changes_oldest(struct store *store)
{
	return store->backend->changes_oldest(store);
}

void store_watch_add(struct store *store, struct store_watch *watch)
{
	store->backend->watch_add(store, watch);
}

void store_watch_remove(struct store *store, struct store_watch *watch)
{
	store->backend->watch_remove(store, watch);
}

/* ---- looking after it ---- */

const char *store_state_name(enum store_state state)
{
	return (size_t)state < sizeof state_names / sizeof state_names[0] ? state_names[state] :
									    "unknown";
}

enum store_state store_get_state(struct store *store, char *reason, size_t size)
{
	return store->backend->get_state(store, reason, size);
}

void store_get_stats(struct store *store, struct store_stats *ret)
{
	store->backend->get_stats(store, ret);
}

kv_status store_flush(struct store *store, struct kv_error *err)
{
	return store->backend->flush(store, err);
}

kv_status store_compact(struct store *store, struct kv_error *err)
{
	return store->backend->compact(store, err);
}

kv_status store_checkpoint(struct store *store, const char *path, struct kv_error *err)
{
	return store->backend->checkpoint(store, path, err);
}

void store_get_capabilities(const struct store *store, struct store_capabilities *ret)
{
	store->backend->get_capabilities(store, ret);
}
