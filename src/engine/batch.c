/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations are encoded as they are added, so that a commit only concatenates. Each has one
 * encoding: what the reader accepts is what the writer makes, byte for byte (shortest varints, no
 * empty expiry, no value in a delete, no empty range).
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
	batch->range_deletes = 0;
	batch->puts = 0;
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
	batch->puts += kind == ENTRY_PUT || kind == ENTRY_BLOB;
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

static bool is_range(struct slice start, struct slice end)
{
	return end.len == 0 || (end.len <= ENTRY_KEY_MAX && slice_compare(start, end) < 0);
}

kv_status batch_delete_range(struct batch *batch, struct slice start, struct slice end)
{
	kv_status status = KV_INVALID;

	if (is_range(start, end) && batch->range_deletes < BATCH_RANGES_MAX)
		status = add(batch, ENTRY_RANGE_DELETE, start, end, 0);
	if (status == KV_OK)
		batch->range_deletes++;
	return status;
}

kv_status batch_put_blob(struct batch *batch, struct slice key, const struct blob_pointer *pointer,
	uint64_t expires_unix_ms)
{
	uint8_t bytes[BLOB_POINTER_BYTES];

	if (!blob_pointer_is_possible(pointer))
		return KV_INVALID;
	blob_pointer_encode(pointer, bytes);
	return add(batch, ENTRY_BLOB, key, slice_of(bytes, sizeof bytes), expires_unix_ms);
}

static bool read_kind(uint8_t tag, enum entry_kind *ret)
{
	if ((tag & ~TAG_KNOWN) != 0)
		return false;
	switch (tag & TAG_KIND) {
	case ENTRY_PUT:
		*ret = ENTRY_PUT;
		return true;
	case ENTRY_BLOB:
		*ret = ENTRY_BLOB;
		return true;
	case ENTRY_DELETE:
	case ENTRY_RANGE_DELETE:
		*ret = (enum entry_kind)(tag & TAG_KIND);
		return (tag & TAG_EXPIRES) == 0;
	default:
		return false;
	}
}

static bool value_fits(const struct entry *entry)
{
	struct blob_pointer pointer;

	switch (entry->kind) {
	case ENTRY_DELETE:
		return entry->value.len == 0;
	case ENTRY_RANGE_DELETE:
		return is_range(entry->key, entry->value);
	case ENTRY_BLOB:
		return blob_pointer_decode(entry->value, &pointer);
	case ENTRY_PUT:
		break;
	}
	return true;
}

/* Inlined: batch_next() is called for each operation of a commit. */
static inline __attribute__((always_inline)) bool read_head(struct reader *r, struct entry *ret, uint32_t *ret_value_len)
{
	uint8_t tag;
	uint32_t key_len, value_len;

	if (!read_byte(r, &tag) || !read_kind(tag, &ret->kind) ||
		!read_varint32(r, &key_len) || !read_varint32(r, &value_len))
		return false;
	if (key_len < 1 || key_len > ENTRY_KEY_MAX ||
		value_len > (ret->kind == ENTRY_PUT ? ENTRY_VALUE_MAX : ENTRY_KEY_MAX))
		return false;
	*ret_value_len = value_len;
	ret->expires_unix_ms = 0;
	if ((tag & TAG_EXPIRES) &&
		(!read_varint64(r, &ret->expires_unix_ms) || ret->expires_unix_ms == 0))
		return false;
	return read_bytes(r, key_len, &ret->key);
}

static bool read_operation(struct reader *r, struct entry *ret)
{
	uint32_t value_len;

	return read_head(r, ret, &value_len) && read_bytes(r, value_len, &ret->value) &&
		value_fits(ret);
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

kv_status batch_next_head(struct reader *reader, struct entry *ret, uint32_t *ret_value_bytes)
{
	struct reader ahead = *reader;
	struct entry entry = { .sequence = ret->sequence };

	if (reader_left(reader) == 0)
		return KV_NOT_FOUND;
	if (!read_head(&ahead, &entry, ret_value_bytes))
		return KV_CORRUPT;
	*reader = ahead;
	*ret = entry;
	return KV_OK;
}
