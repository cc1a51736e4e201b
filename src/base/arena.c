/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of malloc'ed blocks, kept for freeing; allocation cuts from one of them. A request that would waste
 * too much of the current block gets a block of its own, and the current one stays in use.
 *
 * A reservation is a spare block that is at least as large as what was promised, unless the current block has the
 * room. When the spare one comes into use, allocation goes on in whichever has more left: so what is left
 * always covers the rest of the promise.
 */
#include "base/arena.h"

#include "base/huge_pages.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct block {
	struct block *next;
	size_t huge_bytes; /* of huge_pages_alloc(); 0: malloc'ed */
	uint8_t bytes[];
};

_Static_assert(sizeof(struct block) <= ARENA_BLOCK_HEAD, "a block of ARENA_HUGE_BLOCK fits a page");
_Static_assert((size_t)ARENA_HUGE_BLOCK + ARENA_BLOCK_HEAD == HUGE_PAGES_BYTES, "and fills it");

enum {
	ALIGN_MAX = 64,
	BLOCK_SIZE_MIN = 256,
};

struct arena {
	size_t block_size; /* constant */

	/* allocating thread only */
	struct block *blocks;
	uint8_t *pos; /* free part of the current block: pos..end; both NULL before the first */
	uint8_t *end;
	struct block *spare; /* not in blocks; NULL: none */
	size_t spare_size;   /* of its bytes */
	size_t used;

	atomic_size_t bytes; /* written by the allocating thread, read by any */
};

static void free_block(struct block *block)
{
	if (block && block->huge_bytes > 0)
		huge_pages_free(block, block->huge_bytes);
	else
		free(block);
}

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
		free_block(block);
	}
	free_block(arena->spare);
	free(arena);
	return NULL;
}

static void count_block(struct arena *arena, size_t size, bool more)
{
	size_t bytes = sizeof(struct block) + size;
	size_t now = atomic_load_explicit(&arena->bytes, memory_order_relaxed);

	atomic_store_explicit(&arena->bytes, more ? now + bytes : now - bytes, memory_order_relaxed);
}

/* Whoever jumps about in many small pages waits for their translation more than for the bytes. */
static struct block *alloc_block(size_t bytes)
{
	bool huge = bytes + ARENA_BLOCK_HEAD > HUGE_PAGES_BYTES;
	size_t huge_bytes = huge ? (bytes + HUGE_PAGES_BYTES - 1) / HUGE_PAGES_BYTES * HUGE_PAGES_BYTES : 0;
	struct block *ret = huge ? huge_pages_alloc(huge_bytes, true) : malloc(bytes);

	if (ret)
		ret->huge_bytes = huge_bytes;
	return ret;
}

/* A block with room for `size` bytes, counted but not yet linked. */
static struct block *new_block(struct arena *arena, size_t size)
{
	struct block *block;

	if (size > PTRDIFF_MAX - ARENA_BLOCK_HEAD - HUGE_PAGES_BYTES)
		return NULL;
	block = alloc_block(sizeof *block + size);
	if (block)
		count_block(arena, size, true);
	return block;
}

/* Bytes to skip from `pos` to the next multiple of `align`. */
static size_t padding(const uint8_t *pos, size_t align)
{
	return (size_t)(-(uintptr_t)pos & (align - 1));
}

static size_t left(const struct arena *arena)
{
	return (size_t)(arena->end - arena->pos);
}

/* Cuts the first piece from a new block of `block_size`, which has room for it. */
static void *first_piece(struct arena *arena, struct block *block, size_t block_size, size_t size,
	size_t align)
{
	uint8_t *ret = block->bytes + padding(block->bytes, align);
	uint8_t *end = block->bytes + block_size;

	block->next = arena->blocks;
	arena->blocks = block;
	if ((size_t)(end - (ret + size)) >= left(arena)) {
		arena->pos = ret + size;
		arena->end = end;
	}
	return ret;
}

/* For what does not fit into the current block. */
static void *alloc_elsewhere(struct arena *arena, size_t size, size_t align)
{
	size_t most = size + align - 1;
	size_t block_size = size > arena->block_size / 4 ? most : arena->block_size;
	struct block *block = arena->spare;

	if (block && most <= arena->spare_size) {
		block_size = arena->spare_size;
		arena->spare = NULL;
	} else {
		block = new_block(arena, block_size);
	}
	return block ? first_piece(arena, block, block_size, size, align) : NULL;
}

void *arena_alloc(struct arena *arena, size_t size, size_t align)
{
	size_t skip = padding(arena->pos, align);
	uint8_t *ret;

	assert(align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
	if (size > PTRDIFF_MAX - 2 * ALIGN_MAX)
		return NULL;
	if (arena->pos && skip + size <= left(arena)) {
		ret = arena->pos + skip;
		arena->pos = ret + size;
	} else {
		ret = alloc_elsewhere(arena, size, align);
	}
	if (ret)
		arena->used += size;
	return ret;
}

kv_status arena_reserve(struct arena *arena, size_t bytes)
{
	size_t size = bytes < arena->block_size ? arena->block_size : bytes;
	struct block *block;

	if (bytes <= left(arena) || (arena->spare && bytes <= arena->spare_size))
		return KV_OK;
	block = new_block(arena, size);
	if (!block)
		return KV_NO_MEMORY;
	if (arena->spare)
		count_block(arena, arena->spare_size, false);
	free_block(arena->spare);
	arena->spare = block;
	arena->spare_size = size;
	return KV_OK;
}

size_t arena_used(const struct arena *arena)
{
	return arena->used;
}

size_t arena_bytes(const struct arena *arena)
{
	return atomic_load_explicit(&arena->bytes, memory_order_relaxed);
}
