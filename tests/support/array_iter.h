/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A struct iter over a sorted array of entries, for tests of what is built on iterators. It is as strict as the
 * contract allows: a slice is good until the next move only (then its bytes are overwritten), moving an invalid
 * iterator is an assertion, and an error stays.
 */
#ifndef KV_SUPPORT_ARRAY_ITER_H
#define KV_SUPPORT_ARRAY_ITER_H

#include "engine/iter.h"

#include <stddef.h>

enum { ARRAY_ITER_RUN_MAX = 8 };

/* `entries` in the order of entry.h, borrowed. Its runs have one entry. NULL when out of memory. */
struct iter *array_iter_new(const struct entry *entries, size_t count);

/* Runs of up to `entries` (1..ARRAY_ITER_RUN_MAX) from now on. Moves within one are not counted, and do not fail. */
void array_iter_set_runs(struct iter *iter, size_t entries);

/* Its slices stay good until it is closed (iter.h: keeps_slices), from now on. */
void array_iter_keep_slices(struct iter *iter);

/* The move (seek, next or prev) after `moves` more ones fails with `status`: 0 is the next one. */
void array_iter_fail(struct iter *iter, size_t moves, kv_status status);

/* Moves made so far. */
size_t array_iter_moves(const struct iter *iter);

/* How many are open now, in the whole process. */
size_t array_iter_open(void);

/* Sorts entries into the order of entry.h. */
void array_iter_sort(struct entry *entries, size_t count);

#endif
