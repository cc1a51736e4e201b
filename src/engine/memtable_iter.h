/* SPDX-License-Identifier: BSD-2-Clause */
/* The iterator behind memtable_iter(); private to memtable*.c. */
#ifndef KV_ENGINE_MEMTABLE_ITER_H
#define KV_ENGINE_MEMTABLE_ITER_H

#include "engine/art.h"
#include "engine/memtable.h"

/* Over all versions in `art`, which belongs to `memtable`; takes a reference. NULL when out of memory. */
struct iter *memtable_iter_new(struct memtable *memtable, const struct art *art);

#endif
