/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/export: everything of a range, as lines of JSON that POST /v1/import takes.
 *
 *	export = {"kvstored_export":1,"version":N} item* {"complete":true,"count":N,"version":N}
 *	item   = {"key":...,"value":...,"expires":MS}
 *	       | {"key":...,"size":BYTES,"offset":BYTES,"expires":MS,"value_b64":"..."}+    parts of one value, from offset 0 on
 *
 * A value above PART_BYTES is split, so that neither side needs memory for more than a part. `count` counts keys. No line is longer
 * than IMPORT_LINE_BYTES (import.h).
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/jsontext.h"
#include "http/reply.h"
#include "http/scan_item.h"
#include "http/scan_stream.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PART_BYTES = 256 * 1024 };

struct export {
	struct scan_stream base; /* first */
	struct buf key;          /* of the value that is being split, as all below */
	struct store_value value;
	uint64_t offset;
	uint8_t *part;           /* PART_BYTES, once there was a value with a file of its own */
};

static kv_status begin(struct scan_stream *stream, struct buf *to)
{
	return buf_printf(to, "{\"kvstored_export\":1,\"version\":%" PRIu64 "}\n", scan_version(&stream->scan));
}

static kv_status append_expiry(struct buf *to, uint64_t expires_unix_ms)
{
	return expires_unix_ms != 0 ? buf_printf(to, ",\"expires\":%" PRIu64, expires_unix_ms) : KV_OK;
}

static kv_status write_whole(struct buf *to, const struct store_iter *iter)
{
	kv_status status = buf_append_byte(to, '{');

	if (status == KV_OK)
		status = jsontext_bytes(to, "key", store_iter_key(iter));
	if (status == KV_OK)
		status = append_expiry(to, store_iter_expires_unix_ms(iter));
	if (status == KV_OK)
		status = buf_append_byte(to, ',');
	if (status == KV_OK)
		status = jsontext_bytes(to, "value", store_iter_value(iter));
	return status == KV_OK ? buf_append(to, "}\n", 2) : status;
}

/* The value is held by itself from here on, so that the iterator can go and the key may expire. */
static kv_status begin_parts(struct export *export, struct slice key, struct kv_error *err)
{
	const struct scan_walk *walk = &export->base.scan.walk;
	kv_status status = buf_set(&export->key, key);

	if (status == KV_OK)
		status = store_get(walk->store, walk->picture, key, &export->value, err);
	if (status == KV_NOT_FOUND) { /* its time was over in between */
		export->base.scan.count--;
		return KV_OK;
	}
	export->offset = 0;
	export->base.unfinished = status == KV_OK;
	return status;
}

static kv_status write_item(struct scan_stream *stream, struct buf *to, struct kv_error *err)
{
	const struct store_iter *iter = scan_walk_item(&stream->scan.walk);

	if (store_iter_size(iter) <= PART_BYTES && !scan_item_is_large(iter))
		return write_whole(to, iter);
	return begin_parts((struct export *)stream, store_iter_key(iter), err);
}

/* The next part's bytes. */
static kv_status read_part(struct export *export, struct slice *ret, struct kv_error *err)
{
	uint64_t left = export->value.size - export->offset;
	size_t len = left < PART_BYTES ? (size_t)left : PART_BYTES;

	if (!export->value.large) {
		*ret = slice_of(export->value.value.bytes.data + export->offset, len);
		return KV_OK;
	}
	if (!export->part)
		export->part = malloc(PART_BYTES);
	if (!export->part)
		return KV_NO_MEMORY;
	*ret = slice_of(export->part, len);
	return store_large_read(export->value.large, export->offset, export->part, len, err);
}

static kv_status write_part(struct scan_stream *stream, struct buf *to, struct kv_error *err)
{
	struct export *export = (struct export *)stream;
	struct slice part;
	kv_status status = read_part(export, &part, err);

	if (status == KV_OK)
		status = buf_append_byte(to, '{');
	if (status == KV_OK)
		status = jsontext_bytes(to, "key", buf_slice(&export->key));
	if (status == KV_OK)
		status = buf_printf(to, ",\"size\":%" PRIu64 ",\"offset\":%" PRIu64, export->value.size, export->offset);
	if (status == KV_OK)
		status = append_expiry(to, export->value.expires_unix_ms);
	if (status == KV_OK)
		status = buf_append_byte(to, ',');
	if (status == KV_OK)
		status = jsontext_base64(to, "value", part);
	if (status == KV_OK)
		status = buf_append(to, "}\n", 2);
	if (status != KV_OK)
		return status;
	export->offset += part.len;
	stream->unfinished = export->offset < export->value.size;
	if (!stream->unfinished)
		store_value_release(&export->value);
	return KV_OK;
}

static kv_status end(struct scan_stream *stream, struct buf *to, bool complete)
{
	(void)complete; /* there is no limit */
	return buf_printf(to, "{\"complete\":true,\"count\":%" PRIu64 ",\"version\":%" PRIu64 "}\n",
		stream->scan.count, scan_version(&stream->scan));
}

static void close_export(struct scan_stream *stream)
{
	struct export *export = (struct export *)stream;

	store_value_release(&export->value);
	buf_free(&export->key);
	free(export->part);
}

static const struct scan_writer writer = {
	.begin = begin, .item = write_item, .rest = write_part, .end = end, .close = close_export,
};

void api_export(struct request *request)
{
	struct urlkey_param params[SCAN_PARAMS] = { SCAN_PARAM_NAMES };
	struct export *export = calloc(1, sizeof *export);

	if (!export) {
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return;
	}
	export->base.writer = &writer;
	export->base.scan.limit = UINT64_MAX;
	if (request_query(request, params, SCAN_PARAMS) && scan_take(request, params, NULL, &export->base.scan))
		scan_stream_reply(request, &export->base);
	else
		scan_stream_free(&export->base);
}
