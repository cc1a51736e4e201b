/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of malloc'ed blocks, the newest first; allocation cuts from the front one. A request that would
 * waste too much of the current block gets a block of its own, linked behind the current one, which
 * stays in use.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct block {
	struct block *next;
	uint8_t bytes[];
};

enum {
	ALIGN_MAX = 64,
	BLOCK_SIZE_MIN = 256,
};

struct arena {
	size_t block_size; /* constant */

	/* allocating thread only */
	struct block *blocks;
	uint8_t *pos; /* free part of blocks: pos..end; both NULL before the first */
	uint8_t *end;

	atomic_size_t bytes; /* written by the allocating thread, read by any */
};

struct arena *arena_new(size_t block_size)
{
	struct arena *arena = malloc(sizeof *arena);

	if (!arena)
		return NULL;
	*arena = (struct arena){
		.block_size = block_size < BLOCK_SIZE_MIN ? BLOCK_SIZE_MIN : block_size,
	};
	atomic_init(&arena->bytes, sizeof *arena);
	return arena;
}

struct arena *arena_free(struct arena *arena)
{
	struct block *next;

	if (!arena)
		return NULL;
	for (struct block *block = arena->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
	return NULL;
}

/* A block with room for `size` bytes, counted but not yet linked. */
static struct block *new_block(struct arena *arena, size_t size)
{
	struct block *block;

	if (size > PTRDIFF_MAX - sizeof *block)
		return NULL;
	block = malloc(sizeof *block + size);
	if (!block)
		return NULL;
	atomic_fetch_add_explicit(&arena->bytes, sizeof *block + size, memory_order_relaxed);
	return block;
}

/* Bytes to skip from `pos` to the next multiple of `align`. */
static size_t padding(const uint8_t *pos, size_t align)
{
	return (size_t)(-(uintptr_t)pos & (align - 1));
}

static void *alloc_own_block(struct arena *arena, size_t size, size_t align)
{
	struct block *block = new_block(arena, size + align - 1);

	if (!block)
		return NULL;
	if (arena->blocks) {
		block->next = arena->blocks->next;
		arena->blocks->next = block;
	} else {
		block->next = NULL;
		arena->blocks = block;
	}
	return block->bytes + padding(block->bytes, align);
}

static void *alloc_new_block(struct arena *arena, size_t size, size_t align)
{
	struct block *block = new_block(arena, arena->block_size);
	uint8_t *ret;

	if (!block)
		return NULL;
	block->next = arena->blocks;
	arena->blocks = block;
	ret = block->bytes + padding(block->bytes, align);
	arena->pos = ret + size;
	arena->end = block->bytes + arena->block_size;
	return ret;
}

void *arena_alloc(struct arena *arena, size_t size, size_t align)
{
	size_t left = (size_t)(arena->end - arena->pos);
	size_t skip = padding(arena->pos, align);
	uint8_t *ret;

	assert(align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
	if (size > PTRDIFF_MAX - 2 * ALIGN_MAX)
		return NULL;
	if (skip + size <= left && arena->pos) {
		ret = arena->pos + skip;
		arena->pos = ret + size;
		return ret;
	}
	/* also keeps what a fresh block needs below its size: a quarter and the padding */
	if (size > arena->block_size / 4)
		return alloc_own_block(arena, size, align);
	return alloc_new_block(arena, size, align);
}

size_t arena_bytes(const struct arena *arena)
{
	return atomic_load_explicit(&arena->bytes, memory_order_relaxed);
}
