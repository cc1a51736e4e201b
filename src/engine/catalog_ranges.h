/* SPDX-License-Identifier: BSD-2-Clause */
/* Which range deletes stay in force after a change of the tables. */
#ifndef KV_ENGINE_CATALOG_RANGES_H
#define KV_ENGINE_CATALOG_RANGES_H

#include "engine/view.h"

/* The range deletes of the view and of the memtable that its tables take in now (NULL: none), but for those that no table of `levels` has
 * entries for, and those that newer ones make superfluous: they cover all of it, with sequences up to `oldest_snapshot`
 * (0: do not look for such). *ret has a reference; it is NULL when none stays. KV_NO_MEMORY. */
kv_status catalog_ranges_after(const struct view *before, const struct memtable *flushed,
	struct view_level *const levels[MANIFEST_LEVELS], uint64_t oldest_snapshot, struct range_set **ret);

kv_status catalog_ranges_describe(const struct range_set *ranges, struct manifest *manifest);
/* KV_NO_MEMORY. NULL: the MANIFEST has none. */
kv_status catalog_ranges_load(const struct manifest *manifest, struct range_set **ret);

#endif
