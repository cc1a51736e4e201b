/* SPDX-License-Identifier: BSD-2-Clause */
/* The new batch is made beside the old one, whose key it copies, and takes its place when nothing can fail any more. */
#include "engine/transform.h"

#include "base/decimal.h"

#include <inttypes.h>
#include <stdio.h>

static kv_status increment(struct engine_write *write, const struct entry *before,
	struct slice key, struct batch *fresh)
{
	uint64_t expires_unix_ms = before ? before->expires_unix_ms : 0;
	int64_t number = 0;
	char text[DECIMAL_INT64_MAX_BYTES + 1];
	kv_status status;

	if (before && (before->kind != ENTRY_PUT || !decimal_int64(before->value, &number)))
		return KV_NOT_NUMBER;
	if (__builtin_add_overflow(number, write->transform.by, &number))
		return KV_OVERFLOW;
	snprintf(text, sizeof text, "%" PRId64, number);
	status = batch_put(fresh, key, slice_of_string(text), expires_unix_ms);
	if (status == KV_OK) {
		write->transform.number = number;
		write->transform.expires_unix_ms = expires_unix_ms;
	}
	return status;
}

static kv_status touch(const struct engine_write *write, const struct entry *before,
	struct slice key, struct batch *fresh)
{
	struct blob_pointer pointer;

	if (!before)
		return KV_CONDITION;
	if (before->kind == ENTRY_BLOB)
		return blob_pointer_decode(before->value, &pointer) ?
			batch_put_blob(fresh, key, &pointer, write->transform.expires_unix_ms) : KV_CORRUPT;
	return batch_put(fresh, key, before->value, write->transform.expires_unix_ms);
}

kv_status transform_apply(struct engine_write *write, const struct entry *before)
{
	struct reader reader = reader_of(buf_slice(&write->batch.operations));
	struct batch fresh = { 0 };
	struct entry placeholder = { 0 };
	kv_status status = batch_next(&reader, &placeholder);

	if (status == KV_OK && write->transform.kind == ENGINE_INCREMENT)
		status = increment(write, before, placeholder.key, &fresh);
	else if (status == KV_OK)
		status = touch(write, before, placeholder.key, &fresh);
	if (status != KV_OK) {
		batch_free(&fresh);
		return status;
	}
	batch_free(&write->batch);
	write->batch = fresh;
	return KV_OK;
}
