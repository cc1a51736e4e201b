/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read-copy-update by liburcu, `bp` flavour: readers need no registration and never wait. A writer
 * publishes a new object with an atomic release store, calls rcu_wait() (which may take as long as the
 * longest read section), and may then free the old one.
 *
 * ThreadSanitizer does not see the order that liburcu's barriers give; the two annotations tell it.
 */
#ifndef KV_BASE_RCU_H
#define KV_BASE_RCU_H

#include <urcu-bp.h>

#if defined(__SANITIZE_THREAD__)
#define KV_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KV_TSAN 1
#endif
#endif

#ifdef KV_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char rcu_tsan_domain;
#endif

/* Read sections may nest; they may contain a pread, never a wait for a writer. Any thread. */
static inline void rcu_enter(void)
{
	urcu_bp_read_lock();
}

static inline void rcu_leave(void)
{
#ifdef KV_TSAN
	__tsan_release(&rcu_tsan_domain);
#endif
	urcu_bp_read_unlock();
}

/* Returns when every read section that was open at the call has ended. Not inside a read section. */
static inline void rcu_wait(void)
{
	urcu_bp_synchronize_rcu();
#ifdef KV_TSAN
	__tsan_acquire(&rcu_tsan_domain);
#endif
}

#endif
