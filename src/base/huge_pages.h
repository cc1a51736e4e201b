/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory in huge pages, straight from the system and back to it. Not by aligned_alloc(): glibc before 2.38 finds no place for an aligned
 * piece in the hole that another left, and a process that takes and frees them for hours grows without an end.
 *
 * A page that the system gives has to be cleared first; in a virtual machine it may also have to be had from the host, which takes ten
 * times as long. So pages that are freed can be kept for whoever takes the next ones.
 */
#ifndef KV_BASE_HUGE_PAGES_H
#define KV_BASE_HUGE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* With the address sanitizer every piece is a block of its own, so that overruns and leaks are seen. */
#if defined(__SANITIZE_ADDRESS__)
#define HUGE_PAGES_PLAIN true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HUGE_PAGES_PLAIN true
#endif
#endif
#ifndef HUGE_PAGES_PLAIN
#define HUGE_PAGES_PLAIN false
#endif

enum { HUGE_PAGES_BYTES = 2 << 20 };

/* `bytes` (a multiple of HUGE_PAGES_BYTES, not 0) at a multiple of HUGE_PAGES_BYTES, with anything in them; they cost nothing before they are
 * touched, unless they were kept. Not `huge`: small pages will do. A kernel without huge pages does without. NULL when out of memory. Any thread. */
void *huge_pages_alloc(size_t bytes, bool huge);
void huge_pages_free(void *memory, size_t bytes); /* NULL is allowed */

/* From now on up to `bytes` more of what is freed, in pieces of one huge page, may be kept; at first none. Any thread, as the next two. */
void huge_pages_keep(size_t bytes);
/* Takes that back; what is beyond goes to the system. */
void huge_pages_keep_less(size_t bytes);
/* All that is kept now goes to the system: nobody will want it soon. */
void huge_pages_give_back(void);
size_t huge_pages_kept(void); /* bytes; any thread */

#endif
