/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bump allocator: memory in large blocks, given back all at once. One thread allocates; any thread
 * may read what was allocated and published. Memory is not zeroed.
 */
#ifndef KV_BASE_ARENA_H
#define KV_BASE_ARENA_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct arena;

enum {
	ARENA_BLOCK_HEAD = 16,
	ARENA_HUGE_BLOCK = (2 << 20) - ARENA_BLOCK_HEAD, /* blocks of this size and more lie in huge pages, where the kernel has any */
};

/* `block_size` bytes a block (larger requests get a block of their own). NULL when out of memory. */
struct arena *arena_new(size_t block_size);

/* Frees every block; NULL is allowed. Returns NULL. */
struct arena *arena_free(struct arena *arena);

/* `size` bytes aligned to `align` (a power of two, at most 64). NULL when out of memory; the arena stays
 * usable. */
void *arena_alloc(struct arena *arena, size_t size, size_t align);

/* Lets a writer fail before it has promised anything: takes the memory for the next allocations ahead. While their
 * sizes, each with align - 1 added, sum up to at most `bytes`, they cannot fail. A later call replaces an earlier
 * one. KV_NO_MEMORY leaves the arena usable. */
kv_status arena_reserve(struct arena *arena, size_t bytes);

/* Bytes handed out so far. The allocating thread only. */
size_t arena_used(const struct arena *arena);

/* Bytes obtained from malloc so far (what the arena costs at most; what was reserved and not handed out was not
 * touched yet). Any thread. */
size_t arena_bytes(const struct arena *arena);

#endif
