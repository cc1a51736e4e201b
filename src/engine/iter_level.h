/* SPDX-License-Identifier: BSD-2-Clause */
/* One iterator over the tables of a level that do not overlap: opens them one after another, as the walk reaches them. */
#ifndef KV_ENGINE_ITER_LEVEL_H
#define KV_ENGINE_ITER_LEVEL_H

#include "engine/iter.h"
#include "engine/range_cover.h"
#include "engine/table_cache.h"

/* `tables` sorted by smallest key, disjoint; the array and the references on the tables must outlive the iterator (it is
 * made over the arrays of a view that the owner holds). Keys of which `cover` (borrowed; NULL: none) hides all that their table holds are left
 * out as by iter_uncovered. NULL when out of memory. */
struct iter *iter_level_new(struct table *const *tables, size_t count, const struct range_cover *cover,
	bool keep_blocks);

#endif
