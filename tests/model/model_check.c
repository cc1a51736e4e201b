/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/model_check.h"

#include <stdio.h>

static uint64_t large_reads;
static char text[700];

static const char *told(kv_status status, const struct kv_error *err)
{
	return status == KV_OK ? NULL : kv_error_format(err, text, sizeof text);
}

const char *model_check_large(struct store_large *large, struct slice want)
{
	struct kv_error err;
	uint8_t bytes[5000];

	if (store_large_size(large) != want.len)
		return "the size of a large value";
	for (size_t at = 0; at < want.len; at += sizeof bytes) {
		size_t len = want.len - at < sizeof bytes ? want.len - at : sizeof bytes;
		kv_status status = store_large_read(large, at, bytes, len, &err);

		if (status != KV_OK)
			return told(status, &err);
		if (memcmp(bytes, want.data + at, len) != 0)
			return "the bytes of a large value";
	}
	large_reads++;
	return NULL;
}

static const char *check_value(const struct model_version *v, const struct store_iter *iter, uint64_t large_bytes)
{
	struct store_large *large;
	struct kv_error err;
	kv_status status = store_iter_large(iter, &large, &err);
	const char *ret = NULL;

	if (status != KV_OK)
		return told(status, &err);
	if ((large != NULL) != (v->value.len >= large_bytes))
		ret = "whether a value is large";
	else if (large)
		ret = model_check_large(large, buf_slice(&v->value));
	else if (!slice_equal(store_iter_value(iter), buf_slice(&v->value)))
		ret = "the bytes of a value";
	store_large_free(large);
	return ret;
}

const char *model_check_at(const struct model *model, const struct store_iter *iter, long place, uint64_t at,
	uint64_t now_unix_ms, uint64_t large_bytes)
{
	const struct model_version *v;
	struct kv_error err;
	kv_status status = store_iter_status(iter, &err);

	if (status != KV_OK)
		return told(status, &err);
	if (store_iter_valid(iter) != (place != MODEL_NONE))
		return place == MODEL_NONE ? "there is a key that should not be there" : "a key is missing";
	if (place == MODEL_NONE)
		return NULL;
	if (!slice_equal(store_iter_key(iter), model_key(model, place)))
		return "a key is missing, or there is another one";
	v = model_get(model, model_key(model, place), at, now_unix_ms);
	if (store_iter_version(iter) != v->version || store_iter_expires_unix_ms(iter) != v->expires_unix_ms)
		return "a version or an expiry";
	if (store_iter_size(iter) != v->value.len)
		return "the size of a value";
	return check_value(v, iter, large_bytes);
}

uint64_t model_check_large_reads(void)
{
	return large_reads;
}
