/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/thread_counter.h"

_Thread_local unsigned thread_counter_number;

unsigned thread_counter_begin(void)
{
	static _Atomic unsigned last;
	unsigned mine = atomic_load_explicit(&last, memory_order_relaxed);

	/* numbers beyond the shared line are all the same: it cannot wrap */
	do {
		thread_counter_number = mine <= THREAD_COUNTER_SHARED ? mine + 1 : mine;
	} while (!atomic_compare_exchange_weak_explicit(&last, &mine, thread_counter_number,
		memory_order_relaxed, memory_order_relaxed));
	return thread_counter_number;
}
