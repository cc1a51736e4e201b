/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Uncompressed, verified data blocks of all tables, up to a number of bytes: shards with a CLOCK each. A block that is
 * referenced is never freed; it may leave the cache before. Any thread; no I/O inside.
 */
#ifndef KV_ENGINE_BLOCK_CACHE_H
#define KV_ENGINE_BLOCK_CACHE_H

#include "base/slice.h"
#include "base/status.h"

struct block_cache;
struct cached_block;

/* `capacity` bytes of blocks (0: nothing is kept). NULL when out of memory. */
struct block_cache *block_cache_new(uint64_t capacity);
struct block_cache *block_cache_free(struct block_cache *cache); /* no reference may be left */

/* The block with one more reference, or NULL. */
struct cached_block *block_cache_find(struct block_cache *cache, uint64_t table, uint64_t offset);

/* Puts malloc'ed `data` in (taken over, also on failure) and returns it with a reference; when another thread was faster, its block. With
 * `keep` false the block is not entered, only wrapped (big scans). NULL when out of memory. */
struct cached_block *block_cache_add(struct block_cache *cache, uint64_t table, uint64_t offset,
	uint8_t *data, size_t len, bool keep);

void cached_block_unref(struct cached_block *block); /* any thread */
struct slice cached_block_data(const struct cached_block *block);

struct block_cache_stats {
	uint64_t bytes, capacity, hits, misses;
};

void block_cache_get_stats(struct block_cache *cache, struct block_cache_stats *ret);

#endif
