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

size_t block_builder_bytes(const struct block_builder *builder)
{
	return BLOCK_HEAD_BYTES + builder->hashes.len + builder->runs.len + builder->keys.len +
		builder->values.len;
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

/* A run begins: its first key is written whole, so that a search can enter the block there. */
static kv_status start_run(struct block_builder *builder)
{
	uint8_t bytes[BLOCK_RUN_BYTES];

	put_fixed16(bytes + BLOCK_RUN_KEY, (uint16_t)builder->keys.len);
	put_fixed16(bytes + BLOCK_RUN_VALUE, (uint16_t)builder->values.len);
	return buf_append(&builder->runs, bytes, sizeof bytes);
}

static kv_status append_key(struct block_builder *builder, const struct entry *entry, size_t shared)
{
	uint8_t head[ENTRY_HEAD_MAX];
	unsigned sequence_bytes = 1;
	size_t len = 0;
	kv_status status;

	while (sequence_bytes < 7 && entry->sequence >> 8 * sequence_bytes != 0)
		sequence_bytes++;
	head[len++] = (uint8_t)((unsigned)entry->kind | (sequence_bytes - 1) << BLOCK_TAG_SEQUENCE_SHIFT |
		(entry->expires_unix_ms != 0 ? BLOCK_TAG_EXPIRES : 0));
	len += put_varint64(head + len, shared);
	len += put_varint64(head + len, entry->key.len - shared);
	len += put_varint64(head + len, entry->value.len);
	put_fixed64(head + len, entry->sequence); /* there is room for the zeros behind it */
	len += sequence_bytes;
	if (entry->expires_unix_ms != 0)
		len += put_varint64(head + len, entry->expires_unix_ms);
	status = buf_append(&builder->keys, head, len);
	if (status != KV_OK)
		return status;
	return buf_append(&builder->keys, entry->key.data + shared, entry->key.len - shared);
}

kv_status block_builder_add(struct block_builder *builder, const struct entry *entry, uint64_t hash)
{
	size_t shared = 0;
	kv_status status = KV_OK;

	assert(block_builder_fits(builder, entry));
	if (builder->count % RUN_ENTRIES != 0)
		shared = slice_common_prefix(buf_slice(&builder->last_key), entry->key);
	else if (builder->count > 0)
		status = start_run(builder);
	if (status == KV_OK)
		status = append_key(builder, entry, shared);
	if (status == KV_OK)
		status = buf_append_slice(&builder->values, entry->value);
	if (status == KV_OK)
		status = buf_append_byte(&builder->hashes, (uint8_t)hash);
	if (status == KV_OK)
		status = buf_set(&builder->last_key, entry->key);
	if (status != KV_OK)
		return status;
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
