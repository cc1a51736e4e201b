/* SPDX-License-Identifier: BSD-2-Clause */
/* A mapping that is one huge page longer has an aligned one in it; what lies before and behind goes back. */
#include "base/huge_pages.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Too many mappings may forbid to make a hole; then the pages go, and only their addresses stay taken. */
static void give_back(uint8_t *at, size_t bytes)
{
	if (bytes > 0 && munmap(at, bytes) != 0)
		(void)madvise(at, bytes, MADV_DONTNEED);
}

static uint8_t *map_aligned(size_t bytes)
{
	size_t whole = bytes + HUGE_PAGES_BYTES, head;
	uint8_t *at = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	head = (size_t)(-(uintptr_t)at & (HUGE_PAGES_BYTES - 1));
	give_back(at, head);
	give_back(at + head + bytes, HUGE_PAGES_BYTES - head);
	return at + head;
}

void *huge_pages_alloc(size_t bytes, bool huge)
{
	uint8_t *ret;

	assert(bytes > 0 && bytes % HUGE_PAGES_BYTES == 0);
	if (bytes > PTRDIFF_MAX - HUGE_PAGES_BYTES)
		return NULL;
	if (HUGE_PAGES_PLAIN)
		return aligned_alloc(HUGE_PAGES_BYTES, bytes);
	ret = map_aligned(bytes);
#ifdef MADV_HUGEPAGE
	if (ret && huge)
		(void)madvise(ret, bytes, MADV_HUGEPAGE);
#else
	(void)huge;
#endif
	return ret;
}

void huge_pages_free(void *memory, size_t bytes)
{
	if (HUGE_PAGES_PLAIN)
		free(memory);
	else if (memory)
		give_back(memory, bytes);
}
