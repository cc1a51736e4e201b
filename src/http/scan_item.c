/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/scan_item.h"

#include "http/condition.h"
#include "http/jsontext.h"

#include <inttypes.h>

struct item {
	struct slice key, value;
	uint64_t size; /* bytes of the value, which may not be in `value` */
	uint64_t version, expires_unix_ms;
};

static kv_status append_value(struct buf *to, const struct item *item)
{
	kv_status status = buf_append_byte(to, ',');

	if (status != KV_OK)
		return status;
	if (item->size > SCAN_ITEM_VALUE_MAX || item->size != item->value.len)
		return buf_printf(to, "\"large\":%" PRIu64, item->size);
	return jsontext_bytes(to, "value", item->value);
}

static kv_status append_etag(struct buf *to, uint64_t version)
{
	char etag[CONDITION_ETAG_SIZE];
	kv_status status = buf_append(to, ",\"etag\":", 8);

	condition_etag(version, etag);
	return status == KV_OK ? jsontext_string(to, slice_of_string(etag)) : status;
}

static kv_status append_item(struct buf *to, const struct item *item, bool key_only)
{
	kv_status status = buf_append_byte(to, '{');

	if (status == KV_OK)
		status = jsontext_bytes(to, "key", item->key);
	if (status == KV_OK && !key_only)
		status = append_value(to, item);
	if (status == KV_OK && !key_only)
		status = append_etag(to, item->version);
	if (status == KV_OK && !key_only && item->expires_unix_ms != 0)
		status = buf_printf(to, ",\"expires\":%" PRIu64, item->expires_unix_ms);
	return status == KV_OK ? buf_append_byte(to, '}') : status;
}

kv_status scan_item_append(struct buf *to, const struct store_iter *iter, bool keys_only)
{
	struct item item = { .key = store_iter_key(iter) };

	if (!keys_only) {
		item.value = store_iter_value(iter);
		item.size = store_iter_size(iter);
		item.version = store_iter_version(iter);
		item.expires_unix_ms = store_iter_expires_unix_ms(iter);
	}
	return append_item(to, &item, keys_only);
}

kv_status scan_item_append_value(struct buf *to, struct slice key, const struct store_value *value)
{
	struct item item = { .key = key, .value = value->value.bytes, .size = value->size,
		.version = value->version, .expires_unix_ms = value->expires_unix_ms };

	return append_item(to, &item, false);
}
