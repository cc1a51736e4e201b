/* SPDX-License-Identifier: BSD-2-Clause */
/* What lsm_backend.c and lsm_batch.c share. */
#ifndef KV_STORE_LSM_H
#define KV_STORE_LSM_H

#include "engine/engine.h"
#include "store/backend.h"

struct lsm_store {
	struct store base;
	struct engine *engine;
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
void lsm_batch_set_durability(struct store_batch *batch, enum store_durability durability);
struct store_outcome lsm_batch_outcome(const struct store_batch *batch, size_t index);
size_t lsm_batch_failed_index(const struct store_batch *batch);
void lsm_submit(struct store *store, struct store_batch *batch, store_done done, void *arg);
kv_status lsm_write(struct store *store, struct store_batch *batch);

#endif
