/* SPDX-License-Identifier: BSD-2-Clause */
/* A piece changes hands by an exchange of its place with NULL: so it has one owner at any time, also where threads share a line. */
#include "engine/iter_spare.h"

#include "base/huge_pages.h"

#include <stdlib.h>

/* A line that is this thread's alone needs no locked instruction. */
static inline void *exchange(_Atomic(void *) *place, void *with, unsigned line)
{
	void *was;

	if (line == THREAD_COUNTER_SHARED)
		return atomic_exchange_explicit(place, with, memory_order_acq_rel);
	was = atomic_load_explicit(place, memory_order_relaxed);
	atomic_store_explicit(place, with, memory_order_relaxed);
	return was;
}

void *iter_spare_take(struct iter_spare *spare, size_t bytes)
{
	unsigned line = thread_counter_line();
	_Atomic(void *) *pieces = spare->lines[line].pieces;

	for (unsigned i = 0; i < ITER_SPARE_PIECES; i++) {
		void *piece = atomic_load_explicit(&pieces[i], memory_order_relaxed);

		if (piece)
			piece = exchange(&pieces[i], NULL, line);
		if (piece)
			return piece;
	}
	return malloc(bytes);
}

void iter_spare_give(struct iter_spare *spare, void *memory)
{
	unsigned line = thread_counter_line();
	_Atomic(void *) *pieces = spare->lines[line].pieces;

	for (unsigned i = 0; !HUGE_PAGES_PLAIN && memory && i < ITER_SPARE_PIECES; i++)
		if (!atomic_load_explicit(&pieces[i], memory_order_relaxed))
			memory = exchange(&pieces[i], memory, line); /* what another thread has put there meanwhile goes on */
	free(memory);
}
