/* SPDX-License-Identifier: BSD-2-Clause */
/* What lsm_backend.c and lsm_batch.c share. */
#ifndef KV_STORE_LSM_H
#define KV_STORE_LSM_H

#include "engine/engine.h"
#include "store/backend.h"

#include <pthread.h>

/* Who wants to be told of commits (lsm_changes.c). */
struct lsm_watches {
	pthread_mutex_t mu;
	struct store_watch *first; /* guarded by mu */
};

struct lsm_store {
	struct store base;
	struct engine *engine;
	struct lsm_watches watches;
	bool keeps_changes; /* constant */
	uint64_t large_value_bytes; /* constant */
};

static inline struct engine *lsm_engine(const struct store *store)
{
	return ((const struct lsm_store *)store)->engine;
}

struct store_batch *lsm_batch_new(struct store *store);
void lsm_batch_free(struct store_batch *batch);
kv_status lsm_batch_put(struct store_batch *batch, struct slice key, struct slice value,
	uint64_t expires_unix_ms, const struct store_condition *condition);
kv_status lsm_batch_delete(struct store_batch *batch, struct slice key,
	const struct store_condition *condition);
kv_status lsm_batch_delete_range(struct store_batch *batch, struct slice start, struct slice end);
kv_status lsm_batch_check(struct store_batch *batch, struct slice key,
	const struct store_condition *condition);
kv_status lsm_batch_increment(struct store_batch *batch, struct slice key, int64_t by);
kv_status lsm_batch_touch(struct store_batch *batch, struct slice key, uint64_t expires_unix_ms);
size_t lsm_batch_count(const struct store_batch *batch);
void lsm_batch_set_durability(struct store_batch *batch, enum store_durability durability);
struct store_outcome lsm_batch_outcome(const struct store_batch *batch, size_t index);
size_t lsm_batch_failed_index(const struct store_batch *batch);
const struct kv_error *lsm_batch_error(const struct store_batch *batch);
void lsm_submit(struct store *store, const struct store_submission *submissions, size_t count);
kv_status lsm_write(struct store *store, struct store_batch *batch);

/* ---- lsm_large.c ---- */
uint64_t lsm_large_value_bytes(const struct store *store);
kv_status lsm_upload_new(struct store *store, struct store_upload **ret, struct kv_error *err);
kv_status lsm_upload_append(struct store_upload *upload, struct slice bytes, struct kv_error *err);
uint64_t lsm_upload_bytes(const struct store_upload *upload);
void lsm_upload_free(struct store_upload *upload);
kv_status lsm_batch_put_upload(struct store_batch *batch, struct slice key, struct store_upload *upload,
	uint64_t expires_unix_ms, const struct store_condition *condition);
/* Adds the put to `write`, and frees the upload, when it returns KV_OK. */
kv_status lsm_upload_put(struct engine_write *write, struct slice key, struct store_upload *upload,
	uint64_t expires_unix_ms);
/* Takes `large` over, also on failure: NULL when out of memory. */
struct store_large *lsm_large_new(struct engine_large *large, uint64_t size);
kv_status lsm_large_read(struct store_large *large, uint64_t offset, void *buf, size_t len,
	struct kv_error *err);
void lsm_large_free(struct store_large *large);

/* ---- lsm_changes.c ---- */
kv_status lsm_changes_open(struct store *store, uint64_t since, struct store_changes **ret,
	struct kv_error *err);
kv_status lsm_changes_next(struct store_changes *changes, struct store_change *ret,
	struct kv_error *err);
void lsm_changes_close(struct store_changes *changes);
uint64_t lsm_changes_oldest(struct store *store);
void lsm_watch_add(struct store *store, struct store_watch *watch);
void lsm_watch_remove(struct store *store, struct store_watch *watch);
kv_status lsm_watches_init(struct lsm_watches *watches);
void lsm_watches_destroy(struct lsm_watches *watches);
void lsm_watches_notify(void *watches); /* the engine's thread that committed */

#endif
