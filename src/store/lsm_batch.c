/* SPDX-License-Identifier: BSD-2-Clause */
/* A batch of the store is one write of the engine with its conditions; the write is embedded, so nothing is copied on the way. */
#include "store/lsm.h"

#include <stdlib.h>

struct lsm_batch {
	struct store_batch base;
	struct engine_write write;
	struct engine_condition first_condition; /* saves an allocation in the common case */
	size_t condition_capacity;
	store_done done;
	void *done_arg;
};

static struct lsm_batch *lsm_batch_of(const struct store_batch *batch)
{
	return (struct lsm_batch *)batch;
}

struct store_batch *lsm_batch_new(struct store *store)
{
	struct lsm_batch *batch = calloc(1, sizeof *batch);

	if (!batch)
		return NULL;
	batch->base.backend = store->backend;
	batch->write.conditions = &batch->first_condition;
	batch->condition_capacity = 1;
	return &batch->base;
}

void lsm_batch_free(struct store_batch *base)
{
	struct lsm_batch *batch = lsm_batch_of(base);

	batch_free(&batch->write.batch);
	if (batch->write.conditions != &batch->first_condition)
		free(batch->write.conditions);
	free(batch);
}

/* ---- conditions ---- */

static kv_status reserve_condition(struct lsm_batch *batch)
{
	struct engine_write *write = &batch->write;
	size_t capacity = batch->condition_capacity * 2;
	struct engine_condition *grown;

	if (write->condition_count < batch->condition_capacity)
		return KV_OK;
	grown = calloc(capacity, sizeof *grown);
	if (!grown)
		return KV_NO_MEMORY;
	memcpy(grown, write->conditions, write->condition_count * sizeof *grown);
	if (write->conditions != &batch->first_condition)
		free(write->conditions);
	write->conditions = grown;
	batch->condition_capacity = capacity;
	return KV_OK;
}

static void add_condition(struct lsm_batch *batch, const struct store_condition *condition)
{
	static const enum engine_expect expects[] = {
		[STORE_EXPECT_NOTHING] = ENGINE_EXPECT_NOTHING,
		[STORE_EXPECT_EXISTS] = ENGINE_EXPECT_EXISTS,
		[STORE_EXPECT_ABSENT] = ENGINE_EXPECT_ABSENT,
		[STORE_EXPECT_VERSION] = ENGINE_EXPECT_VERSION,
	};
	struct engine_write *write = &batch->write;

	write->conditions[write->condition_count++] = (struct engine_condition){
		.operation = write->batch.count - 1,
		.expect = expects[condition->expect],
		.version = condition->version,
	};
}

static bool matters(const struct store_condition *condition)
{
	return condition &&
		(condition->expect != STORE_EXPECT_NOTHING || condition->want_existed);
}

kv_status lsm_batch_put(struct store_batch *base, struct slice key, struct slice value,
	uint64_t expires_unix_ms, const struct store_condition *condition)
{
	struct lsm_batch *batch = lsm_batch_of(base);
	kv_status status = matters(condition) ? reserve_condition(batch) : KV_OK;

	if (status == KV_OK)
		status = batch_put(&batch->write.batch, key, value, expires_unix_ms);
	if (status == KV_OK && matters(condition))
		add_condition(batch, condition);
	return status;
}

kv_status lsm_batch_delete(struct store_batch *base, struct slice key,
	const struct store_condition *condition)
{
	struct lsm_batch *batch = lsm_batch_of(base);
	kv_status status = matters(condition) ? reserve_condition(batch) : KV_OK;

	if (status == KV_OK)
		status = batch_delete(&batch->write.batch, key);
	if (status == KV_OK && matters(condition))
		add_condition(batch, condition);
	return status;
}

void lsm_batch_set_durability(struct store_batch *batch, enum store_durability durability)
{
	static const enum engine_durability durabilities[] = {
		[STORE_DURABLE_DEFAULT] = ENGINE_DURABLE_DEFAULT,
		[STORE_DURABLE_COMMIT] = ENGINE_DURABLE_COMMIT,
		[STORE_DURABLE_OS] = ENGINE_DURABLE_OS,
	};

	lsm_batch_of(batch)->write.durability = durabilities[durability];
}

/* ---- results ---- */

struct store_outcome lsm_batch_outcome(const struct store_batch *base, size_t index)
{
	const struct engine_write *write = &lsm_batch_of(base)->write;
	struct store_outcome outcome = { .version = write->first_sequence + index };

	for (size_t i = 0; i < write->condition_count; i++)
		if (write->conditions[i].operation == index)
			outcome.existed = write->conditions[i].existed;
	return outcome;
}

size_t lsm_batch_failed_index(const struct store_batch *batch)
{
	return lsm_batch_of(batch)->write.failed_operation;
}

/* ---- committing ---- */

static void submitted_done(struct engine_write *write, kv_status status)
{
	struct lsm_batch *batch =
		(struct lsm_batch *)((char *)write - offsetof(struct lsm_batch, write));

	batch->done(&batch->base, status, batch->done_arg);
}

void lsm_submit(struct store *store, struct store_batch *base, store_done done, void *arg)
{
	struct lsm_batch *batch = lsm_batch_of(base);

	if (batch->write.batch.count == 0) {
		done(base, KV_INVALID, arg);
		return;
	}
	batch->done = done;
	batch->done_arg = arg;
	batch->write.done = submitted_done;
	engine_submit(lsm_engine(store), &batch->write);
}

kv_status lsm_write(struct store *store, struct store_batch *base)
{
	struct lsm_batch *batch = lsm_batch_of(base);

	if (batch->write.batch.count == 0)
		return KV_INVALID;
	return engine_write(lsm_engine(store), &batch->write);
}
