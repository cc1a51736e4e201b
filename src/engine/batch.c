/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations are encoded as they are added, so that a commit only concatenates. Each has one
 * encoding: what the reader accepts is what the writer makes, byte for byte (shortest varints, no
 * empty expiry, no value in a delete).
 */
#include "engine/batch.h"

enum {
	TAG_KIND = 0x0f,
	TAG_EXPIRES = 0x80,
	TAG_KNOWN = TAG_KIND | TAG_EXPIRES,

	/* tag and three varints */
	HEADER_BYTES_MAX = 1 + 2 * VARINT32_MAX_BYTES + VARINT64_MAX_BYTES,
};

void batch_free(struct batch *batch)
{
	buf_free(&batch->operations);
	*batch = (struct batch){ 0 };
}

void batch_clear(struct batch *batch)
{
	buf_clear(&batch->operations);
	batch->count = 0;
	batch->key_bytes = 0;
	batch->value_bytes = 0;
}

static bool acceptable(const struct batch *batch, struct slice key, struct slice value)
{
	return key.len >= 1 && key.len <= ENTRY_KEY_MAX && value.len <= ENTRY_VALUE_MAX &&
		HEADER_BYTES_MAX + key.len + value.len <= BATCH_BYTES_MAX - batch->operations.len;
}

static void append(struct buf *to, struct slice s)
{
	if (s.len > 0)
		memcpy(to->data + to->len, s.data, s.len);
	to->len += s.len;
}

static kv_status add(struct batch *batch, enum entry_kind kind, struct slice key,
	struct slice value, uint64_t expires_unix_ms)
{
	struct buf *to = &batch->operations;
	kv_status status;

	if (!acceptable(batch, key, value))
		return KV_INVALID;
	status = buf_reserve(to, HEADER_BYTES_MAX + key.len + value.len);
	if (status != KV_OK)
		return status;
	to->data[to->len++] = (uint8_t)(kind | (expires_unix_ms ? TAG_EXPIRES : 0));
	to->len += put_varint64(to->data + to->len, key.len);
	to->len += put_varint64(to->data + to->len, value.len);
	if (expires_unix_ms)
		to->len += put_varint64(to->data + to->len, expires_unix_ms);
	append(to, key);
	append(to, value);
	batch->count++;
	batch->key_bytes += key.len;
	batch->value_bytes += value.len;
	return KV_OK;
}

kv_status batch_put(struct batch *batch, struct slice key, struct slice value,
	uint64_t expires_unix_ms)
{
	return add(batch, ENTRY_PUT, key, value, expires_unix_ms);
}

kv_status batch_delete(struct batch *batch, struct slice key)
{
	return add(batch, ENTRY_DELETE, key, slice_of(NULL, 0), 0);
}

static bool read_kind(uint8_t tag, enum entry_kind *ret)
{
	if ((tag & ~TAG_KNOWN) != 0)
		return false;
	switch (tag & TAG_KIND) {
	case ENTRY_PUT:
		*ret = ENTRY_PUT;
		return true;
	case ENTRY_DELETE:
		*ret = ENTRY_DELETE;
		return (tag & TAG_EXPIRES) == 0;
	default:
		return false;
	}
}

static bool read_operation(struct reader *r, struct entry *ret)
{
	uint8_t tag;
	uint32_t key_len, value_len;

	if (!read_byte(r, &tag) || !read_kind(tag, &ret->kind) ||
		!read_varint32(r, &key_len) || !read_varint32(r, &value_len))
		return false;
	if (key_len < 1 || key_len > ENTRY_KEY_MAX || value_len > ENTRY_VALUE_MAX ||
		(ret->kind == ENTRY_DELETE && value_len > 0))
		return false;
	ret->expires_unix_ms = 0;
	if ((tag & TAG_EXPIRES) &&
		(!read_varint64(r, &ret->expires_unix_ms) || ret->expires_unix_ms == 0))
		return false;
	return read_bytes(r, key_len, &ret->key) && read_bytes(r, value_len, &ret->value);
}

kv_status batch_next(struct reader *reader, struct entry *ret)
{
	struct reader ahead = *reader;
	struct entry entry = { .sequence = ret->sequence };

	if (reader_left(reader) == 0)
		return KV_NOT_FOUND;
	if (!read_operation(&ahead, &entry))
		return KV_CORRUPT;
	*reader = ahead;
	*ret = entry;
	return KV_OK;
}
