/* SPDX-License-Identifier: BSD-2-Clause */
/* One iterator over several: all their entries in order. */
#ifndef KV_ENGINE_ITER_MERGE_H
#define KV_ENGINE_ITER_MERGE_H

#include "engine/iter.h"

/* Takes the `count` children, at least one, over (also on failure: then they are closed). The first error of any child makes the
 * merge invalid, and stays: later seeks do nothing. With one child, that child itself is returned. NULL when out of memory. */
struct iter *iter_merge_new(struct iter *const *children, size_t count);

#endif
