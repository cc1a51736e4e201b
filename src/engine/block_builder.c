/* SPDX-License-Identifier: BSD-2-Clause */
/* Each part of the block grows in a buffer of its own; finish puts them together. */
#include "engine/block_builder.h"

#include "base/coding.h"
#include "engine/format.h"

#include <assert.h>

enum {
	RUN_ENTRIES = 1 << BLOCK_RUN_SHIFT_DEFAULT,
	/* tag, shared, unshared, sequence, expires, value length */
	ENTRY_HEAD_MAX = 1 + 2 * VARINT32_MAX_BYTES + 3 * VARINT64_MAX_BYTES,
};

void block_builder_free(struct block_builder *builder)
{
	buf_free(&builder->hashes);
	buf_free(&builder->runs);
	buf_free(&builder->keys);
	buf_free(&builder->values);
	buf_free(&builder->last_key);
	*builder = (struct block_builder){ 0 };
}

bool block_builder_fits(const struct block_builder *builder, const struct entry *entry)
{
	size_t bytes = block_builder_bytes(builder);
	size_t more = BLOCK_HASH_BYTES + BLOCK_RUN_BYTES + ENTRY_HEAD_MAX + entry->key.len;

	if (builder->count == 0)
		return true;
	return bytes <= BLOCK_SHARED_BYTES_MAX && more <= BLOCK_SHARED_BYTES_MAX - bytes &&
		entry->value.len <= BLOCK_SHARED_BYTES_MAX - bytes - more;
}

/* Room for `bytes` more, nearly always without a call. */
static inline kv_status make_room(struct buf *buf, size_t bytes)
{
	return bytes <= buf->capacity - buf->len ? KV_OK : buf_reserve(buf, bytes);
}

/* A run begins: its first key is written whole, so that a search can enter the block there. */
static kv_status start_run(struct block_builder *builder)
{
	uint8_t bytes[BLOCK_RUN_BYTES];

	put_fixed16(bytes + BLOCK_RUN_KEY, (uint16_t)builder->keys.len);
	put_fixed16(bytes + BLOCK_RUN_VALUE, (uint16_t)builder->values.len);
	return buf_append(&builder->runs, bytes, sizeof bytes);
}

static inline size_t put_length(uint8_t *to, uint64_t v)
{
	if (v >= 0x80)
		return put_varint64(to, v);
	*to = (uint8_t)v;
	return 1;
}

/* Bytes of the number without the zeros in front, at least 1. */
static inline unsigned sequence_bytes(uint64_t sequence)
{
	return (71 - (unsigned)__builtin_clzll(sequence | 1)) / 8;
}

static inline kv_status append_key(struct block_builder *builder, const struct entry *entry, size_t shared)
{
	size_t unshared = entry->key.len - shared;
	unsigned bytes = sequence_bytes(entry->sequence);
	kv_status status = make_room(&builder->keys, ENTRY_HEAD_MAX + unshared);
	uint8_t *p;

	if (status != KV_OK)
		return status;
	p = builder->keys.data + builder->keys.len;
	*p++ = (uint8_t)((unsigned)entry->kind | (bytes - 1) << BLOCK_TAG_SEQUENCE_SHIFT |
		(entry->expires_unix_ms != 0 ? BLOCK_TAG_EXPIRES : 0));
	p += put_length(p, shared);
	p += put_length(p, unshared);
	p += put_length(p, entry->value.len);
	put_fixed64(p, entry->sequence); /* there is room for the zeros behind it */
	p += bytes;
	if (entry->expires_unix_ms != 0)
		p += put_varint64(p, entry->expires_unix_ms);
	memcpy(p, entry->key.data + shared, unshared);
	builder->keys.len = (size_t)(p - builder->keys.data) + unshared;
	return KV_OK;
}

static inline kv_status append_value(struct block_builder *builder, struct slice value)
{
	kv_status status = make_room(&builder->values, value.len);

	if (status == KV_OK && value.len > 0) {
		memcpy(builder->values.data + builder->values.len, value.data, value.len);
		builder->values.len += value.len;
	}
	return status;
}

/* What it has in common with the last one is there already. */
static inline kv_status set_last_key(struct block_builder *builder, struct slice key, size_t common)
{
	struct buf *last = &builder->last_key;
	kv_status status = key.len <= last->capacity ? KV_OK : buf_reserve(last, key.len - last->len);

	if (status == KV_OK) {
		memcpy(last->data + common, key.data + common, key.len - common);
		last->len = key.len;
	}
	return status;
}

kv_status block_builder_add(struct block_builder *builder, const struct entry *entry, uint64_t hash,
	size_t common)
{
	bool starts_run = builder->count % RUN_ENTRIES == 0;
	kv_status status = make_room(&builder->hashes, BLOCK_HASH_BYTES);

	assert(block_builder_fits(builder, entry));
	if (status == KV_OK && starts_run && builder->count > 0)
		status = start_run(builder);
	if (status == KV_OK)
		status = append_key(builder, entry, starts_run ? 0 : common);
	if (status == KV_OK)
		status = append_value(builder, entry->value);
	if (status == KV_OK)
		status = set_last_key(builder, entry->key, common);
	if (status != KV_OK)
		return status;
	builder->hashes.data[builder->hashes.len++] = (uint8_t)hash;
	builder->last_sequence = entry->sequence;
	builder->count++;
	return KV_OK;
}

kv_status block_builder_finish(struct block_builder *builder, struct buf *to)
{
	uint8_t head[BLOCK_HEAD_BYTES] = { 0 };
	kv_status status;

	assert(builder->count > 0);
	status = buf_reserve(to, block_builder_bytes(builder));
	if (status != KV_OK)
		return status;
	put_fixed16(head + BLOCK_HEAD_COUNT, (uint16_t)builder->count);
	head[BLOCK_HEAD_RUN_SHIFT] = BLOCK_RUN_SHIFT_DEFAULT;
	put_fixed32(head + BLOCK_HEAD_KEYS, (uint32_t)builder->keys.len);
	/* cannot fail: the room is there */
	(void)buf_append(to, head, sizeof head);
	(void)buf_append_slice(to, buf_slice(&builder->hashes));
	(void)buf_append_slice(to, buf_slice(&builder->runs));
	(void)buf_append_slice(to, buf_slice(&builder->keys));
	(void)buf_append_slice(to, buf_slice(&builder->values));
	buf_clear(&builder->hashes);
	buf_clear(&builder->runs);
	buf_clear(&builder->keys);
	buf_clear(&builder->values);
	builder->count = 0;
	return KV_OK;
}
