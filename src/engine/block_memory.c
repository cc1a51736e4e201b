/* SPDX-License-Identifier: BSD-2-Clause */
/* A slab lies at a multiple of its size, so that the address of a piece tells its slab. Pieces are handed out in order at first, later from
 * a list of those that came back. A slab with a free piece is on its size's list. */
#include "engine/block_memory.h"

#include "base/huge_pages.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
	SLAB_BYTES = HUGE_PAGES_BYTES,
	SIZE_MIN = 2048,
	SIZE_MAX_BYTES = 80 * 1024, /* of values that just have no file of their own, with some room */
	STEPS_SMALL = 24,     /* from SIZE_MIN to four times that, 256 bytes apart */
	STEPS_DOUBLED = 16,   /* each time the sizes double, the distance does, too */
	SIZES = STEPS_SMALL + 3 * STEPS_DOUBLED + STEPS_DOUBLED / 4,
};

struct piece {
	struct piece *next;
};

struct slab {
	struct slab *prev, *next;
	struct piece *returned;
	size_t used, fresh; /* pieces; fresh: never handed out */
	bool first;         /* constant: of its size; small pages */
	_Alignas(BLOCK_MEMORY_ALIGN) uint8_t pieces[];
};

struct size {
	pthread_mutex_t mu;
	struct slab *slabs; /* guarded by mu, as has_first; those with a free piece */
	bool has_first;
};

static struct size sizes[SIZES] = { [0 ... SIZES - 1] = { .mu = PTHREAD_MUTEX_INITIALIZER } };

static bool is_plain(size_t size)
{
	return HUGE_PAGES_PLAIN || size <= SIZE_MIN || size > SIZE_MAX_BYTES;
}

/* Between the sizes about `bytes`. *ret_before: how many sizes there are up to *ret_from, where this distance begins. */
static size_t step_of(size_t bytes, size_t *ret_from, size_t *ret_before)
{
	size_t step = 256;

	*ret_from = SIZE_MIN;
	*ret_before = 0;
	for (size_t end = 4 * SIZE_MIN; bytes > end; end *= 2) {
		*ret_before += end == 4 * SIZE_MIN ? STEPS_SMALL : STEPS_DOUBLED;
		*ret_from = end;
		step *= 2;
	}
	return step;
}

static struct size *size_of(size_t size)
{
	size_t from, before, step = step_of(size, &from, &before);

	return &sizes[before + (size - from) / step - 1];
}

size_t block_memory_size(size_t bytes)
{
	size_t from, before, step = is_plain(bytes) ? BLOCK_MEMORY_ALIGN : step_of(bytes, &from, &before);

	return (bytes + step - 1) / step * step;
}

static void link_slab(struct size *of, struct slab *slab)
{
	slab->prev = NULL;
	slab->next = of->slabs;
	if (slab->next)
		slab->next->prev = slab;
	of->slabs = slab;
}

static void unlink_slab(struct size *of, struct slab *slab)
{
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		of->slabs = slab->next;
	if (slab->next)
		slab->next->prev = slab->prev;
}

static struct slab *new_slab(size_t size, bool first)
{
	struct slab *slab = huge_pages_alloc(SLAB_BYTES, !first);

	if (!slab)
		return NULL;
	*slab = (struct slab){ .fresh = (SLAB_BYTES - sizeof *slab) / size, .first = first };
	return slab;
}

/* A free piece of a slab that has one; a full slab leaves the list. */
static void *take_locked(struct size *of, struct slab *slab, size_t size)
{
	struct piece *piece = slab->returned;

	if (piece)
		slab->returned = piece->next;
	else
		piece = (struct piece *)(slab->pieces + --slab->fresh * size);
	slab->used++;
	if (slab->fresh == 0 && !slab->returned)
		unlink_slab(of, slab);
	return piece;
}

/* The slab is made outside of the lock. */
static void *alloc_from_new(struct size *of, size_t size)
{
	struct slab *slab;
	void *ret;
	bool first;

	pthread_mutex_lock(&of->mu);
	first = !of->has_first;
	of->has_first = true;
	pthread_mutex_unlock(&of->mu);
	slab = new_slab(size, first);
	pthread_mutex_lock(&of->mu);
	if (slab) {
		link_slab(of, slab);
		ret = take_locked(of, slab, size);
	} else {
		ret = NULL;
		if (first)
			of->has_first = false;
	}
	pthread_mutex_unlock(&of->mu);
	return ret;
}

void *block_memory_alloc(size_t size)
{
	struct size *of;
	void *ret = NULL;

	if (is_plain(size))
		return aligned_alloc(BLOCK_MEMORY_ALIGN, size);
	of = size_of(size);
	pthread_mutex_lock(&of->mu);
	if (of->slabs)
		ret = take_locked(of, of->slabs, size);
	pthread_mutex_unlock(&of->mu);
	return ret ? ret : alloc_from_new(of, size);
}

void block_memory_free(void *memory, size_t size)
{
	struct slab *slab = (struct slab *)((uintptr_t)memory & ~(uintptr_t)(SLAB_BYTES - 1));
	struct piece *piece = memory;
	struct size *of;
	bool empty;

	if (is_plain(size)) {
		free(memory);
		return;
	}
	of = size_of(size);
	pthread_mutex_lock(&of->mu);
	if (slab->fresh == 0 && !slab->returned)
		link_slab(of, slab);
	piece->next = slab->returned;
	slab->returned = piece;
	slab->used--;
	empty = slab->used == 0 && !slab->first;
	if (empty)
		unlink_slab(of, slab);
	pthread_mutex_unlock(&of->mu);
	if (empty)
		huge_pages_free(slab, SLAB_BYTES);
}
