/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Index of a table: for each data block a separator and the block's size.
 *
 * A separator is a position (key, sequence) at or after the block's last entry and before the next block's first. Between two keys
 * it is a key as short as possible with sequence 0, which comes after every version of it; where the versions of one key
 * go on in the next block, it is the last entry's own position.
 */
#ifndef KV_ENGINE_SST_INDEX_H
#define KV_ENGINE_SST_INDEX_H

#include "base/buf.h"
#include "engine/entry.h"

struct sst_index_builder {
	struct buf content;   /* the index block so far */
	struct buf last;      /* the last separator's key */
	struct buf separator; /* scratch */
	uint64_t blocks;
};

void sst_index_builder_free(struct sst_index_builder *builder); /* the content; `{0}` is an empty one */

/* Adds a block of `stored_bytes` (with trailer) whose last entry is (last, sequence); `next`: the next block's first key, NULL: there
 * is none. */
kv_status sst_index_builder_add(struct sst_index_builder *builder, struct slice last,
	uint64_t sequence, const struct slice *next, uint64_t stored_bytes);

/* In memory: one flat array of the separators' first 8 bytes after the prefix that all keys of the table have in common, big-endian
 * as numbers; the whole separators are only looked at where two of those are equal. */
struct sst_index;

/* `content`: the index block, of `blocks` blocks in `data_bytes` bytes; `smallest` and `largest`: the table's keys. KV_CORRUPT (with *ret_what,
 * a constant text) when it is not in order or does not fit these; KV_NO_MEMORY. */
kv_status sst_index_open(struct slice content, uint64_t blocks, uint64_t data_bytes,
	struct slice smallest, struct slice largest, struct sst_index **ret, const char **ret_what);
struct sst_index *sst_index_close(struct sst_index *index);

size_t sst_index_blocks(const struct sst_index *index);
size_t sst_index_memory(const struct sst_index *index);

/* The first block that may hold an entry at or after (key, sequence); the number of blocks when there is none. Any thread. */
size_t sst_index_find(const struct sst_index *index, struct slice key, uint64_t sequence);

/* Where block `i` lies, and its size with trailer. */
uint64_t sst_index_offset(const struct sst_index *index, size_t i);
uint32_t sst_index_stored_bytes(const struct sst_index *index, size_t i);

#endif
