/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Uncompressed, verified data blocks of all tables, up to a number of bytes: shards with a CLOCK each. A block that is
 * referenced is never freed; it may leave the cache before. Any thread; no I/O inside.
 *
 * There is no table to look a block up in: each reader of a table has a place for each of its blocks, and the cache puts the block
 * there, and takes it away again. A block is found by loading its place, and counted by one compare and swap of it.
 */
#ifndef KV_ENGINE_BLOCK_CACHE_H
#define KV_ENGINE_BLOCK_CACHE_H

#include "base/slice.h"
#include "base/status.h"

#include <stdatomic.h>

struct block_cache;
struct cached_block;

/* Where a block is when it is in the cache. Zeroed at first; must not move, and stay until block_cache_forget(). */
struct block_place {
	_Atomic uint64_t word; /* block_cache.c only */
};

/* `capacity` bytes of blocks (0: nothing is kept). NULL when out of memory. */
struct block_cache *block_cache_new(uint64_t capacity);
/* NULL is allowed; returns NULL. Blocks that are still referenced live on; all places are empty then. */
struct block_cache *block_cache_free(struct block_cache *cache);

/* The block with one more reference, or NULL. */
struct cached_block *block_cache_find(struct block_cache *cache, struct block_place *place);

/* Starts to bring the whole block into the processor's cache, when it is there: it will be found soon. */
void block_cache_prefetch(const struct block_place *place);

/* Enters `block`, which is filled and whose one reference is the caller's, and returns it; when another thread was faster, gives `block` back and returns
 * the other's with a reference. A block that does not fit is not kept, only returned. */
struct cached_block *block_cache_add(struct block_cache *cache, struct block_place *place,
	struct cached_block *block);

/* Could a block of `bytes` be entered for this place without another leaving? */
bool block_cache_has_room(struct block_cache *cache, const struct block_place *place, size_t bytes);

/* Takes all blocks out of these places: nobody will look there any more. */
void block_cache_forget(struct block_cache *cache, struct block_place *places, size_t count);

/* A block outside of any cache, with one reference and room for `room` bytes, which its maker fills. NULL when out of memory. */
struct cached_block *cached_block_new(size_t room);
uint8_t *cached_block_room(struct cached_block *block);
/* The first `len` bytes of the room are the data. Before the block is shared. */
void cached_block_set_len(struct cached_block *block, size_t len);

void cached_block_unref(struct cached_block *block); /* any thread; NULL is allowed */
struct slice cached_block_data(const struct cached_block *block);

struct block_cache_stats {
	uint64_t bytes, capacity, hits, misses;
	uint64_t blocks;
};

void block_cache_get_stats(struct block_cache *cache, struct block_cache_stats *ret);

#endif
