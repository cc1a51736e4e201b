/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of what every read does: each thread counts in a cache line of its own, with a plain load and store; a locked
 * instruction would cost more than what is counted. Threads beyond the first few share the last line, and count there in the locked way.
 */
#ifndef KV_ENGINE_THREAD_COUNTER_H
#define KV_ENGINE_THREAD_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	THREAD_COUNTER_LINES = 16,
	THREAD_COUNTER_SHARED = THREAD_COUNTER_LINES - 1,
	THREAD_COUNTER_LINE_BYTES = 64,
};

extern _Thread_local unsigned thread_counter_number; /* of this thread, from 1 on; 0: it has none yet */

unsigned thread_counter_begin(void); /* gives this thread its number */

/* Which line of a table of THREAD_COUNTER_LINES is this thread's. */
static inline unsigned thread_counter_line(void)
{
	unsigned number = thread_counter_number;

	if (number == 0)
		number = thread_counter_begin();
	return number <= THREAD_COUNTER_SHARED ? number - 1 : THREAD_COUNTER_SHARED;
}

/* `counter` is in the line `line`, this thread's. */
static inline void thread_counter_add(_Atomic uint64_t *counter, unsigned line, uint64_t by)
{
	uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

	if (line == THREAD_COUNTER_SHARED)
		atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
	else
		atomic_store_explicit(counter, now + by, memory_order_relaxed);
}

#endif
