/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the scrub read which file, in SCRUB, so that a start does not begin anew (doc/format.md).
 * Nothing depends on it: it is written without a sync, and when it is missing or damaged all files
 * count as never read.
 */
#ifndef KV_ENGINE_SCRUB_STATE_H
#define KV_ENGINE_SCRUB_STATE_H

#include "base/file.h"
#include "engine/format.h"
#include "engine/scrub_plan.h"

/* `ret` is sorted, its owners are not known (0). KV_NOT_FOUND; KV_CORRUPT: not ours, of another
 * store, or damaged; KV_IO, KV_NO_MEMORY. */
kv_status scrub_state_read(const struct dir *dir, const struct store_id *id, struct scrub_list *ret,
	struct kv_error *err);

/* Replaces the file. A failure leaves the old one, or none. */
kv_status scrub_state_write(const struct dir *dir, const struct store_id *id,
	const struct scrub_list *list, struct kv_error *err);

#endif
