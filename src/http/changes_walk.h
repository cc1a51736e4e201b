/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's way through the changes: those of its prefix, and where it has come. One thread at a time. */
#ifndef KV_HTTP_CHANGES_WALK_H
#define KV_HTTP_CHANGES_WALK_H

#include "base/buf.h"
#include "http/scan_range.h"
#include "store/store.h"

struct changes_walk {
	struct store_changes *changes;
	struct buf prefix;       /* owned */
	struct scan_range range; /* the keys that begin with it */
	uint64_t position;       /* version of the last change that was given out or passed over */
	bool held;               /* `next` was looked at and not taken */
	struct store_change next;
};

/* As store_changes_open(). On failure there is nothing to be closed. */
kv_status changes_walk_open(struct changes_walk *walk, struct store *store, struct slice prefix,
	uint64_t since, struct kv_error *err);
void changes_walk_close(struct changes_walk *walk); /* safe on a zeroed one */

/* The next change of the prefix; a range delete is told with the part of it that the prefix has. KV_NOT_FOUND: that was all for now. KV_BUSY:
 * `until_us` (clock_monotonic_us) is over, or nearly. Others as store_changes_next(). Its slices are good until the next call. */
kv_status changes_walk_next(struct changes_walk *walk, uint64_t until_us, struct store_change *ret,
	struct kv_error *err);
/* The same without taking it. */
kv_status changes_walk_peek(struct changes_walk *walk, uint64_t until_us, struct kv_error *err);

/* "put", "delete", "delete_range". */
const char *changes_walk_name(enum store_change_kind kind);
/* The change as a JSON object, without a newline in it. */
kv_status changes_walk_append(struct buf *to, const struct store_change *change);

#endif
