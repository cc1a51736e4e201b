/* SPDX-License-Identifier: BSD-2-Clause */
/* A batch of the store is one write of the engine with its conditions; the write is embedded, so nothing is copied on the way. */
#include "store/lsm.h"

#include <stdlib.h>

struct lsm_batch {
	struct store_batch base;
	struct store *store; /* constant */
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
	struct lsm_batch *batch = malloc(sizeof *batch); /* faster than calloc(), which goes past the thread's cache */

	if (!batch)
		return NULL;
	*batch = (struct lsm_batch){ .base.backend = store->backend, .store = store };
	batch->write.conditions = &batch->first_condition;
	batch->condition_capacity = 1;
	return &batch->base;
}

void lsm_batch_free(struct store_batch *base)
{
	struct lsm_batch *batch = lsm_batch_of(base);

	batch_free(&batch->write.batch);
	buf_free(&batch->write.check_keys);
	engine_write_free_uploads(&batch->write);
	free(batch->write.error);
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

static uint32_t check_count(const struct engine_write *write)
{
	const struct engine_condition *last;

	if (write->condition_count == 0)
		return 0;
	last = &write->conditions[write->condition_count - 1];
	return last->checks_before + last->is_check;
}

/* There is room for it. `place` is that of what was added last, or of the check that is being added. */
static struct engine_condition *add_condition(struct lsm_batch *batch, uint32_t place,
	const struct store_condition *condition)
{
	static const enum engine_expect expects[] = {
		[STORE_EXPECT_NOTHING] = ENGINE_EXPECT_NOTHING,
		[STORE_EXPECT_EXISTS] = ENGINE_EXPECT_EXISTS,
		[STORE_EXPECT_ABSENT] = ENGINE_EXPECT_ABSENT,
		[STORE_EXPECT_VERSION] = ENGINE_EXPECT_VERSION,
		[STORE_EXPECT_NOT_ABSENT] = ENGINE_EXPECT_NOT_ABSENT,
	};
	struct engine_write *write = &batch->write;
	uint32_t checks = check_count(write);
	struct engine_condition *ret = &write->conditions[write->condition_count++];

	*ret = (struct engine_condition){ .place = place, .checks_before = checks,
		.expect = expects[condition->expect], .version = condition->version };
	return ret;
}

static bool matters(const struct store_condition *condition)
{
	return condition &&
		(condition->expect != STORE_EXPECT_NOTHING || condition->want_existed);
}

/* An increment or a touch takes nothing beside it. */
static bool is_complete(const struct lsm_batch *batch)
{
	return batch->write.transform.kind != ENGINE_TRANSFORM_NONE;
}

static kv_status begin_operation(struct lsm_batch *batch, const struct store_condition *condition)
{
	if (is_complete(batch))
		return KV_INVALID;
	return matters(condition) ? reserve_condition(batch) : KV_OK;
}

static void end_operation(struct lsm_batch *batch, const struct store_condition *condition)
{
	if (matters(condition))
		add_condition(batch, (uint32_t)lsm_batch_count(&batch->base) - 1, condition);
}

/* Whoever has the value in memory gives it at once; log and memtables are spared it all the same. */
static kv_status put_large(struct lsm_batch *batch, struct slice key, struct slice value,
	uint64_t expires_unix_ms)
{
	struct engine_upload *upload = NULL;
	struct kv_error err = { 0 };
	kv_status status = engine_upload_new(lsm_engine(batch->store), &upload, &err);

	if (status == KV_OK)
		status = engine_upload_append(upload, value, &err);
	if (status == KV_IO && err.status == KV_IO)
		engine_write_keep_error(&batch->write, &err);
	if (status == KV_OK)
		status = engine_write_put_upload(&batch->write, key, upload, expires_unix_ms);
	if (status != KV_OK)
		engine_upload_free(upload);
	return status;
}

kv_status lsm_batch_put(struct store_batch *base, struct slice key, struct slice value,
	uint64_t expires_unix_ms, const struct store_condition *condition)
{
	struct lsm_batch *batch = lsm_batch_of(base);
	kv_status status = begin_operation(batch, condition);

	if (status == KV_OK && value.len >= lsm_large_value_bytes(batch->store))
		status = put_large(batch, key, value, expires_unix_ms);
	else if (status == KV_OK)
		status = batch_put(&batch->write.batch, key, value, expires_unix_ms);
	if (status == KV_OK)
		end_operation(batch, condition);
	return status;
}

kv_status lsm_batch_put_upload(struct store_batch *base, struct slice key, struct store_upload *upload,
	uint64_t expires_unix_ms, const struct store_condition *condition)
{
	struct lsm_batch *batch = lsm_batch_of(base);
	kv_status status = begin_operation(batch, condition);

	if (status == KV_OK)
		status = lsm_upload_put(&batch->write, key, upload, expires_unix_ms);
	if (status == KV_OK)
		end_operation(batch, condition);
	return status;
}

kv_status lsm_batch_delete(struct store_batch *base, struct slice key,
	const struct store_condition *condition)
{
	struct lsm_batch *batch = lsm_batch_of(base);
	kv_status status = begin_operation(batch, condition);

	if (status == KV_OK)
		status = batch_delete(&batch->write.batch, key);
	if (status == KV_OK)
		end_operation(batch, condition);
	return status;
}

_Static_assert((int)BATCH_RANGES_MAX == (int)STORE_RANGES_MAX, "a batch takes what it promises");

kv_status lsm_batch_delete_range(struct store_batch *base, struct slice start, struct slice end)
{
	struct lsm_batch *batch = lsm_batch_of(base);

	if (is_complete(batch))
		return KV_INVALID;
	return batch_delete_range(&batch->write.batch, start.len > 0 ? start : slice_of("", 1), end);
}

/* Bytes of keys count as operations do, so that places fit into 32 bits. */
static bool fits_check(const struct lsm_batch *batch, struct slice key)
{
	return key.len >= 1 && key.len <= ENTRY_KEY_MAX &&
		key.len <= BATCH_BYTES_MAX - batch->write.check_keys.len;
}

kv_status lsm_batch_check(struct store_batch *base, struct slice key,
	const struct store_condition *condition)
{
	struct lsm_batch *batch = lsm_batch_of(base);
	struct buf *keys = &batch->write.check_keys;
	struct engine_condition *check;
	kv_status status = KV_INVALID;

	if (fits_check(batch, key) && !is_complete(batch))
		status = reserve_condition(batch);
	if (status == KV_OK)
		status = buf_append_slice(keys, key);
	if (status != KV_OK)
		return status;
	check = add_condition(batch, (uint32_t)lsm_batch_count(base), condition);
	check->is_check = true;
	check->key_offset = keys->len - key.len;
	check->key_len = key.len;
	return KV_OK;
}

static kv_status add_transform(struct lsm_batch *batch, struct slice key,
	const struct engine_transform *transform)
{
	kv_status status;

	if (lsm_batch_count(&batch->base) > 0)
		return KV_INVALID;
	status = batch_put(&batch->write.batch, key, slice_of(NULL, 0), 0);
	if (status == KV_OK)
		batch->write.transform = *transform;
	return status;
}

kv_status lsm_batch_increment(struct store_batch *batch, struct slice key, int64_t by)
{
	return add_transform(lsm_batch_of(batch), key,
		&(struct engine_transform){ .kind = ENGINE_INCREMENT, .by = by });
}

kv_status lsm_batch_touch(struct store_batch *batch, struct slice key, uint64_t expires_unix_ms)
{
	return add_transform(lsm_batch_of(batch), key, &(struct engine_transform){
		.kind = ENGINE_TOUCH, .expires_unix_ms = expires_unix_ms });
}

size_t lsm_batch_count(const struct store_batch *batch)
{
	const struct engine_write *write = &lsm_batch_of(batch)->write;

	return (size_t)write->batch.count + check_count(write);
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

/* The last condition whose place is not above `place`; NULL: none. */
static const struct engine_condition *condition_until(const struct engine_write *write, size_t place)
{
	size_t low = 0, high = write->condition_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (write->conditions[mid].place <= place)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 ? &write->conditions[low - 1] : NULL;
}

struct store_outcome lsm_batch_outcome(const struct store_batch *base, size_t index)
{
	const struct engine_write *write = &lsm_batch_of(base)->write;
	const struct engine_condition *condition = condition_until(write, index);
	struct store_outcome outcome = { .version = write->first_sequence + index };

	if (condition && condition->place == index)
		outcome.existed = condition->existed;
	if (condition && condition->place == index && condition->is_check)
		outcome.version = condition->found;
	else if (condition)
		outcome.version -= condition->checks_before + condition->is_check;
	if (write->transform.kind == ENGINE_INCREMENT) {
		outcome.number = write->transform.number;
		outcome.expires_unix_ms = write->transform.expires_unix_ms;
	}
	return outcome;
}

size_t lsm_batch_failed_index(const struct store_batch *batch)
{
	return lsm_batch_of(batch)->write.failed_place;
}

const struct kv_error *lsm_batch_error(const struct store_batch *batch)
{
	return lsm_batch_of(batch)->write.error;
}

/* ---- committing ---- */

static void submitted_done(struct engine_write *write, kv_status status)
{
	struct lsm_batch *batch =
		(struct lsm_batch *)((char *)write - offsetof(struct lsm_batch, write));

	batch->done(&batch->base, status, batch->done_arg);
}

void lsm_submit(struct store *store, const struct store_submission *submissions, size_t count)
{
	struct engine_write *list = NULL, **tail = &list;

	for (size_t i = 0; i < count; i++) {
		struct lsm_batch *batch = lsm_batch_of(submissions[i].batch);

		if (lsm_batch_count(&batch->base) == 0) {
			submissions[i].done(&batch->base, KV_INVALID, submissions[i].arg);
			continue;
		}
		batch->done = submissions[i].done;
		batch->done_arg = submissions[i].arg;
		batch->write.done = submitted_done;
		*tail = &batch->write;
		tail = &batch->write.next;
	}
	*tail = NULL;
	engine_submit(lsm_engine(store), list);
}

kv_status lsm_write(struct store *store, struct store_batch *base)
{
	struct lsm_batch *batch = lsm_batch_of(base);

	if (lsm_batch_count(base) == 0)
		return KV_INVALID;
	return engine_write(lsm_engine(store), &batch->write);
}
