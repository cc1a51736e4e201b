/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads one data block (block_builder.h has the grammar): a point lookup by the block's hash bytes, and a cursor in
 * both directions. Every length is checked while it is read: a malformed block gives KV_CORRUPT, never a read outside of it.
 */
#ifndef KV_ENGINE_BLOCK_READER_H
#define KV_ENGINE_BLOCK_READER_H

#include "base/status.h"
#include "engine/entry.h"

/* The parts of a block; borrowed. */
struct block {
	const uint8_t *hashes;
	const uint8_t *runs; /* of the second run and those after it */
	const uint8_t *keys;
	const uint8_t *keys_end;
	const uint8_t *values_end; /* they begin at keys_end */
	uint32_t count;            /* entries, at least 1 */
	unsigned run_shift;
};

/* KV_CORRUPT when the head does not fit the content. */
kv_status block_open(struct slice content, struct block *ret);

/* Whether each run begins where the entries before it end: lookups and seeks go by what is told of the runs, walks do not. For who verifies;
 * reads the whole block. KV_CORRUPT. */
kv_status block_check_runs(const struct block *block);

/* The newest version of `key` with a sequence <= max_sequence within the block. The value points into the block, ret->key is `key`.
 * `hash` = key_hash(key). KV_NOT_FOUND, KV_CORRUPT. */
kv_status block_get(const struct block *block, struct slice key, uint64_t hash,
	uint64_t max_sequence, struct entry *ret);

/* Where an entry begins. */
struct block_position {
	const uint8_t *key;
	const uint8_t *value;
};

enum {
	BLOCK_BATCH = 16, /* entries */
	BLOCK_BATCH_SEEK = 8, /* after a seek: who seeks may want but a few */
	BLOCK_KEY_SLACK = 32,
};

/* Stands on a batch: some entries of the block that follow one another, decoded. After a move that did not return KV_OK, on none. Moves
 * return KV_NOT_FOUND where the block ends. A malformed entry is reported when it is the next; what lies before it is shown. */
struct block_cursor {
	struct block block;
	struct block_position next; /* the entry behind the batch */
	uint32_t index;             /* of entries[0] */
	uint32_t count;             /* entries decoded, at least 1 */
	size_t keys_bytes;          /* used of `keys` */
	struct entry entries[BLOCK_BATCH]; /* values point into the block, keys there or to `keys` */
	uint8_t keys[2 * ENTRY_KEY_MAX + BLOCK_KEY_SLACK];
};

/* `content` must stay while the cursor is used. KV_CORRUPT as block_open. */
kv_status block_cursor_open(struct block_cursor *cursor, struct slice content);

kv_status block_cursor_first(struct block_cursor *cursor); /* a batch that begins with the block's first entry */
kv_status block_cursor_last(struct block_cursor *cursor);  /* one that ends with its last */
/* A batch with the first entry at or after (key, sequence) in the order of entry.h, and its place in it. */
kv_status block_cursor_seek(struct block_cursor *cursor, struct slice key, uint64_t sequence, uint32_t *ret_at);
/* The same for the last entry whose key is < key. */
kv_status block_cursor_seek_before(struct block_cursor *cursor, struct slice key, uint32_t *ret_at);
kv_status block_cursor_next(struct block_cursor *cursor); /* the batch behind this one; only while on one, as prev */
kv_status block_cursor_prev(struct block_cursor *cursor); /* one that ends before it */

#endif
