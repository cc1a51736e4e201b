/* SPDX-License-Identifier: BSD-2-Clause */
/* What the store of tests cannot do: tests of endpoints that need it use a real store. */
#include "support/fake_store.h"

kv_status store_batch_delete_range(struct store_batch *batch, struct slice start, struct slice end)
{
	(void)batch;
	(void)start;
	(void)end;
	return KV_UNSUPPORTED;
}

kv_status store_batch_increment(struct store_batch *batch, struct slice key, int64_t by)
{
	(void)batch;
	(void)key;
	(void)by;
	return KV_UNSUPPORTED;
}

kv_status store_batch_touch(struct store_batch *batch, struct slice key, uint64_t expires_unix_ms)
{
	(void)batch;
	(void)key;
	(void)expires_unix_ms;
	return KV_UNSUPPORTED;
}

kv_status store_flush(struct store *store, struct kv_error *err)
{
	(void)store;
	return kv_error_set(err, KV_UNSUPPORTED, "no flush");
}

kv_status store_compact(struct store *store, struct kv_error *err)
{
	(void)store;
	return kv_error_set(err, KV_UNSUPPORTED, "no compaction");
}

kv_status store_checkpoint(struct store *store, const char *path, struct kv_error *err)
{
	(void)store;
	(void)path;
	return kv_error_set(err, KV_UNSUPPORTED, "no checkpoint");
}

void store_get_capabilities(const struct store *store, struct store_capabilities *ret)
{
	(void)store;
	*ret = (struct store_capabilities){ .backend = "fake" };
}

uint64_t store_large_value_bytes(const struct store *store)
{
	(void)store;
	return UINT64_MAX;
}

kv_status store_upload_new(struct store *store, struct store_upload **ret, struct kv_error *err)
{
	(void)store;
	(void)ret;
	return kv_error_set(err, KV_UNSUPPORTED, "no large values");
}

kv_status store_upload_append(struct store_upload *upload, struct slice bytes, struct kv_error *err)
{
	(void)upload;
	(void)bytes;
	return kv_error_set(err, KV_UNSUPPORTED, "no large values");
}

uint64_t store_upload_bytes(const struct store_upload *upload)
{
	(void)upload;
	return 0;
}

struct store_upload *store_upload_free(struct store_upload *upload)
{
	(void)upload;
	return NULL;
}

kv_status store_batch_put_upload(struct store_batch *batch, struct slice key, struct store_upload *upload,
	uint64_t expires_unix_ms, const struct store_condition *condition)
{
	(void)batch;
	(void)key;
	(void)upload;
	(void)expires_unix_ms;
	(void)condition;
	return KV_UNSUPPORTED;
}

kv_status store_large_read(struct store_large *large, uint64_t offset, void *buf, size_t len,
	struct kv_error *err)
{
	(void)large;
	(void)offset;
	(void)buf;
	(void)len;
	return kv_error_set(err, KV_UNSUPPORTED, "no large values");
}

uint64_t store_large_size(const struct store_large *large)
{
	(void)large;
	return 0;
}

struct store_large *store_large_free(struct store_large *large)
{
	(void)large;
	return NULL;
}

void store_value_release(struct store_value *value)
{
	pinned_release(&value->value);
}

uint64_t store_iter_size(const struct store_iter *iter)
{
	return store_iter_value(iter).len;
}

kv_status store_iter_large(const struct store_iter *iter, struct store_large **ret, struct kv_error *err)
{
	(void)iter;
	(void)err;
	*ret = NULL;
	return KV_OK;
}

kv_status store_estimate_range(struct store *store, struct slice start, struct slice end,
	struct store_estimate *ret, struct kv_error *err)
{
	(void)store;
	(void)start;
	(void)end;
	(void)ret;
	return kv_error_set(err, KV_UNSUPPORTED, "no estimates");
}

void store_batch_set_durability(struct store_batch *batch, enum store_durability durability)
{
	(void)batch;
	(void)durability; /* everything is in memory */
}
