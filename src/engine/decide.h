/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the conditions of a write hold, and what an increment or a touch writes, decided in commit order: against what is
 * visible and against the earlier writes of the same group (overlay). The leader of the commit only.
 */
#ifndef KV_ENGINE_DECIDE_H
#define KV_ENGINE_DECIDE_H

#include "engine/engine.h"
#include "engine/overlay.h"
#include "engine/view.h"

/* Does any write of the list have a condition or a transform? When not, nothing needs deciding. */
bool decide_is_needed(const struct engine_write *list);

/* KV_OK: all conditions hold, a transform has made the batch, and the operations (with sequences from write->first_sequence on) are
 * in the overlay. KV_CONDITION with write->failed_place; KV_NOT_NUMBER, KV_OVERFLOW and KV_NO_MEMORY of a transform; other errors
 * from reading. On failure the overlay is as before, and the write may be tried again. */
kv_status decide_write(struct views *views, uint64_t visible_sequence, uint64_t now_unix_ms,
	struct overlay *overlay, struct engine_write *write);

#endif
