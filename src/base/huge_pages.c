/* SPDX-License-Identifier: BSD-2-Clause */
/* A mapping that is one huge page longer has an aligned one in it; what lies before and behind goes back. */
#include "base/huge_pages.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

struct piece { /* one huge page; the last that came is the next to go, it may be in the processor's caches */
	struct piece *next;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct piece *kept; /* guarded by mu, as the next two */
static size_t kept_bytes, kept_max;

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

/* One of what is kept, as long as that is more than `most` bytes. */
static void *take_kept(size_t most)
{
	struct piece *ret;

	pthread_mutex_lock(&mu);
	ret = kept_bytes > most ? kept : NULL;
	if (ret) {
		kept = ret->next;
		kept_bytes -= HUGE_PAGES_BYTES;
	}
	pthread_mutex_unlock(&mu);
	return ret;
}

static bool keep_piece(struct piece *piece)
{
	bool ret;

	pthread_mutex_lock(&mu);
	ret = kept_bytes + HUGE_PAGES_BYTES <= kept_max;
	if (ret) {
		piece->next = kept;
		kept = piece;
		kept_bytes += HUGE_PAGES_BYTES;
	}
	pthread_mutex_unlock(&mu);
	return ret;
}

static void give_back_beyond(size_t most)
{
	uint8_t *piece;

	while ((piece = take_kept(most)) != NULL)
		give_back(piece, HUGE_PAGES_BYTES);
}

size_t huge_pages_kept(void)
{
	size_t ret;

	pthread_mutex_lock(&mu);
	ret = kept_bytes;
	pthread_mutex_unlock(&mu);
	return ret;
}

void huge_pages_keep(size_t bytes)
{
	pthread_mutex_lock(&mu);
	kept_max += bytes;
	pthread_mutex_unlock(&mu);
}

void huge_pages_keep_less(size_t bytes)
{
	size_t most;

	pthread_mutex_lock(&mu);
	assert(bytes <= kept_max);
	most = kept_max -= bytes;
	pthread_mutex_unlock(&mu);
	give_back_beyond(most);
}

void huge_pages_give_back(void)
{
	give_back_beyond(0);
}

void *huge_pages_alloc(size_t bytes, bool huge)
{
	uint8_t *ret;

	assert(bytes > 0 && bytes % HUGE_PAGES_BYTES == 0);
	if (bytes > PTRDIFF_MAX - HUGE_PAGES_BYTES)
		return NULL;
	if (HUGE_PAGES_PLAIN)
		return aligned_alloc(HUGE_PAGES_BYTES, bytes);
	ret = huge && bytes == HUGE_PAGES_BYTES ? take_kept(0) : NULL;
	if (ret)
		return ret;
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
	else if (memory && (bytes != HUGE_PAGES_BYTES || !keep_piece(memory)))
		give_back(memory, bytes);
}
