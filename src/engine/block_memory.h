/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for cached blocks: those of the usual size and of values up to some 64 KiB come from slabs (Bonwick: "The Slab Allocator", USENIX
 * 1994) that are huge pages. Random reads over some hundred MiB in pages of 4 KiB wait for the translation of an address longer than for the
 * bytes; and malloc gives what is large back to the system and has it anew, page by page, with every block that takes another one's place.
 *
 * A slab has pieces of one size. The first slab of a size has small pages, so that a size that is hardly used takes little; it is kept, with
 * the pages that were touched. Others go when they are empty; one block that stays keeps all of its slab, which costs most after a change
 * of sizes. Sanitizers get each block by itself.
 */
#ifndef KV_ENGINE_BLOCK_MEMORY_H
#define KV_ENGINE_BLOCK_MEMORY_H

#include <stddef.h>

enum { BLOCK_MEMORY_ALIGN = 64 };

/* What block_memory_alloc() will take for `bytes`, at least as much; a multiple of the alignment. Pure. */
size_t block_memory_size(size_t bytes);

/* `size` is a result of block_memory_size(). NULL when out of memory. Any thread. */
void *block_memory_alloc(size_t size);
void block_memory_free(void *memory, size_t size); /* the same size; any thread */

#endif
