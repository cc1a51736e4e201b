/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the next page of a range begins, as an opaque text (base64url):
 *   cursor = version(1 byte = 1) flags(1 byte) check(8 bytes) key
 * `check` is a checksum over all the rest and the range that the page was asked for: a cursor that was changed, or is used
 * with other parameters, is refused instead of silently leading elsewhere.
 */
#ifndef KV_HTTP_CURSOR_H
#define KV_HTTP_CURSOR_H

#include "base/buf.h"

struct cursor_range {
	struct slice prefix, start, end;
	bool reverse;
};

struct cursor {
	struct slice key; /* when decoded: lies in the buffer of cursor_decode() */
	bool inclusive;   /* the page begins with the key itself, not with the one after it */
};

kv_status cursor_encode(const struct cursor *cursor, const struct cursor_range *range, struct buf *to);

/* KV_INVALID when it is no cursor of this range. `storage` holds the key afterwards. */
kv_status cursor_decode(struct slice text, const struct cursor_range *range, struct buf *storage,
	struct cursor *ret);

#endif
