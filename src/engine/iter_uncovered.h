/* SPDX-License-Identifier: BSD-2-Clause */
/* Over the iterator of a table: jumps over keys of which range deletes hide all that the table holds, some ranges in one move; so what is shown must
 * still be compared with them. */
#ifndef KV_ENGINE_ITER_UNCOVERED_H
#define KV_ENGINE_ITER_UNCOVERED_H

#include "engine/iter.h"
#include "engine/range_cover.h"

/* Takes `input` over (also on failure: then it is closed); NULL when that is NULL or memory ran out. `cover` is borrowed; without it (NULL)
 * the result is `input` itself. `last_sequence`: the largest of the input. */
struct iter *iter_uncovered_new(struct iter *input, const struct range_cover *cover, uint64_t last_sequence);

#endif
