/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large values over the engine's blob files. An upload begins in memory and moves to a file when it has become large: a value that turns out
 * to be small is put like any other.
 */
#include "store/lsm.h"

#include <stdlib.h>

struct lsm_large {
	struct store_large base;
	struct engine_large *large;
};

struct lsm_upload {
	struct store_upload base;
	struct engine *engine;
	uint64_t large_value_bytes;
	uint64_t bytes;
	struct buf small;            /* all of the value, until it is large */
	struct engine_upload *large; /* NULL: it is not */
	bool failed;
};

static struct lsm_upload *upload_of(const struct store_upload *upload)
{
	return (struct lsm_upload *)upload;
}

uint64_t lsm_large_value_bytes(const struct store *store)
{
	return ((const struct lsm_store *)store)->large_value_bytes;
}

/* ---- in ---- */

kv_status lsm_upload_new(struct store *store, struct store_upload **ret, struct kv_error *err)
{
	struct lsm_upload *upload = calloc(1, sizeof *upload);

	if (!upload)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a large value");
	upload->base.backend = store->backend;
	upload->engine = lsm_engine(store);
	upload->large_value_bytes = lsm_large_value_bytes(store);
	*ret = &upload->base;
	return KV_OK;
}

static kv_status become_large(struct lsm_upload *upload, struct kv_error *err)
{
	kv_status status;

	if (upload->large)
		return KV_OK;
	status = engine_upload_new(upload->engine, &upload->large, err);
	if (status == KV_OK)
		status = engine_upload_append(upload->large, buf_slice(&upload->small), err);
	if (status == KV_OK)
		buf_free(&upload->small);
	return status;
}

static kv_status append(struct lsm_upload *upload, struct slice bytes, struct kv_error *err)
{
	kv_status status;

	if (bytes.len > ENTRY_VALUE_MAX - upload->bytes)
		return kv_error_set(err, KV_INVALID, "the value is longer than a value may be");
	upload->bytes += bytes.len;
	if (upload->bytes < upload->large_value_bytes) {
		status = buf_append_slice(&upload->small, bytes);
		return status == KV_OK ? KV_OK : kv_error_set(err, status, "out of memory for a value");
	}
	status = become_large(upload, err);
	return status == KV_OK ? engine_upload_append(upload->large, bytes, err) : status;
}

kv_status lsm_upload_append(struct store_upload *base, struct slice bytes, struct kv_error *err)
{
	struct lsm_upload *upload = upload_of(base);
	kv_status status;

	if (upload->failed)
		return kv_error_set(err, KV_IO, "writing this value has failed before");
	status = append(upload, bytes, err);
	upload->failed = status != KV_OK;
	return status;
}

uint64_t lsm_upload_bytes(const struct store_upload *upload)
{
	return upload_of(upload)->bytes;
}

void lsm_upload_free(struct store_upload *base)
{
	struct lsm_upload *upload = upload_of(base);

	engine_upload_free(upload->large);
	buf_free(&upload->small);
	free(upload);
}

kv_status lsm_upload_put(struct engine_write *write, struct slice key, struct store_upload *base,
	uint64_t expires_unix_ms)
{
	struct lsm_upload *upload = upload_of(base);
	kv_status status = KV_IO;

	if (!upload->failed && upload->large)
		status = engine_write_put_upload(write, key, upload->large, expires_unix_ms);
	else if (!upload->failed)
		status = batch_put(&write->batch, key, buf_slice(&upload->small), expires_unix_ms);
	if (status != KV_OK)
		return status;
	upload->large = NULL; /* it is the write's */
	lsm_upload_free(base);
	return KV_OK;
}

/* ---- out ---- */

struct store_large *lsm_large_new(struct engine_large *from, uint64_t size)
{
	struct lsm_large *large = malloc(sizeof *large);

	if (!large) {
		engine_large_close(from);
		return NULL;
	}
	large->base.backend = &store_backend_lsm;
	large->base.size = size;
	large->large = from;
	return &large->base;
}

kv_status lsm_large_read(struct store_large *base, uint64_t offset, void *buf, size_t len,
	struct kv_error *err)
{
	return engine_large_read(((struct lsm_large *)base)->large, offset, buf, len, err);
}

void lsm_large_free(struct store_large *base)
{
	struct lsm_large *large = (struct lsm_large *)base;

	engine_large_close(large->large);
	free(large);
}
