/* SPDX-License-Identifier: BSD-2-Clause */
/* Random walks with an iterator, compared with the sorted array of what it must show; and random entries. */
#ifndef KV_SUPPORT_ITER_CHECK_H
#define KV_SUPPORT_ITER_CHECK_H

#include "engine/iter.h"

#include <stddef.h>

/* `count` random entries in the order of entry.h: short keys over few bytes, so that keys are often equal, prefixes of one
 * another, and alike in their first 8 or 16 bytes; sequences 1..count, each once. Freed with iter_check_free(). */
struct entry *iter_check_entries(uint64_t *rnd, size_t count);
void iter_check_free(struct entry *entries, size_t count);

enum { ITER_CHECK_KEY_MAX = 19 };

/* A random key of the same kind; `to` has room for ITER_CHECK_KEY_MAX bytes. */
struct slice iter_check_key(uint64_t *rnd, uint8_t *to);

/* `moves` random moves (a seek, or some steps forward or backward); after each the iterator must show what the array says. Fails the
 * test otherwise. */
void iter_check_walk(struct iter *iter, const struct entry *entries, size_t count, uint64_t *rnd,
	size_t moves);

/* Is it this entry, in all fields? */
bool iter_check_same(const struct entry *a, const struct entry *b);

#endif
