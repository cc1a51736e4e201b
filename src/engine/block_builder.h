/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds one data block (format.h, doc/format.md):
 *
 *	block = head hashes runs keys values
 *	head  = count:u16 run_shift:u8 0:u8 keys_len:u32
 *	keys  = (tag:u8 shared:varint unshared:varint value_len:varint sequence:1..7 bytes [expires:varint] suffix)*
 *	tag   = kind (4 bits) | bytes of the sequence, less one (3 bits) | 0x80 when `expires` follows
 *
 * Keys and values lie apart, so that a lookup that steps over a few keys does not touch their values, and keys compress among
 * their like.
 */
#ifndef KV_ENGINE_BLOCK_BUILDER_H
#define KV_ENGINE_BLOCK_BUILDER_H

#include "base/buf.h"
#include "engine/entry.h"
#include "engine/format.h"

struct block_builder {
	struct buf hashes, runs, keys, values;
	struct buf last_key; /* of the last entry, also after the block was finished */
	uint64_t last_sequence;
	uint32_t count;      /* entries in the block */
};

void block_builder_free(struct block_builder *builder); /* the content; `{0}` is an empty one */

/* Bytes of the block as it would be finished now. */
static inline size_t block_builder_bytes(const struct block_builder *builder)
{
	return BLOCK_HEAD_BYTES + builder->hashes.len + builder->runs.len + builder->keys.len +
		builder->values.len;
}

/* May the entry still be added? An empty block takes any; with more, offsets have to fit into 16 bits. */
bool block_builder_fits(const struct block_builder *builder, const struct entry *entry);

/* The entry must fit and come after the last one; `hash` = key_hash(entry->key); `common`: bytes that its key has in common with last_key. After
 * KV_NO_MEMORY the builder can only be freed. */
kv_status block_builder_add(struct block_builder *builder, const struct entry *entry, uint64_t hash,
	size_t common);

/* Appends the block (at least one entry) to `to` and empties the builder. */
kv_status block_builder_finish(struct block_builder *builder, struct buf *to);

#endif
