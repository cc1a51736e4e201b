/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The writes of a group that is being put together: not yet in the memtable, because they are not durable yet, but later
 * conditions of the same group must see them. A hash table from key to newest write, with rollback of a batch whose
 * conditions do not hold. The leader of the commit only.
 */
#ifndef KV_ENGINE_OVERLAY_H
#define KV_ENGINE_OVERLAY_H

#include "base/status.h"
#include "engine/entry.h"

struct overlay;

struct overlay *overlay_new(void); /* NULL when out of memory */
struct overlay *overlay_free(struct overlay *overlay);
void overlay_clear(struct overlay *overlay);

/* Keys are borrowed until overlay_clear. KV_NO_MEMORY leaves it as it was. */
kv_status overlay_add(struct overlay *overlay, const struct entry *entry);
/* The newest entry of `key`, NULL when there is none; a delete when a range delete covers it. Good until the next add or find. */
const struct entry *overlay_find(struct overlay *overlay, struct slice key);

size_t overlay_mark(const struct overlay *overlay);
void overlay_rollback(struct overlay *overlay, size_t mark); /* forgets what came after the mark */

#endif
