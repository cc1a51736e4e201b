/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of iterators that were closed, kept for the next ones. A short scan opens a handful of iterators of some KiB each, and closes them a few
 * microseconds later: to the heap these are large pieces, which it splits and joins again each time, and what it hands out is not in the
 * processor's cache.
 *
 * Each kind of iterator has a spare of its own, static, whose pieces are of one size. A thread keeps up to ITER_SPARE_PIECES of them and never waits for
 * another. What is kept stays until the process ends; with the address sanitizer nothing is kept, so that each
 * piece is a block of its own, and each that is taken an allocation that a test can fail.
 */
#ifndef KV_ENGINE_ITER_SPARE_H
#define KV_ENGINE_ITER_SPARE_H

#include "engine/thread_counter.h"

#include <stddef.h>

enum { ITER_SPARE_PIECES = 8 };

struct iter_spare_line { /* a thread's; several share the last */
	_Alignas(THREAD_COUNTER_LINE_BYTES) _Atomic(void *) pieces[ITER_SPARE_PIECES]; /* NULL: empty */
};

struct iter_spare { /* zeros: nothing is kept */
	struct iter_spare_line lines[THREAD_COUNTER_LINES];
};

/* `bytes` of any content, the same number for all calls with this spare. NULL when out of memory. Any thread. */
void *iter_spare_take(struct iter_spare *spare, size_t bytes);
/* Gives back what was taken, from any thread; NULL is allowed. */
void iter_spare_give(struct iter_spare *spare, void *memory);

#endif
