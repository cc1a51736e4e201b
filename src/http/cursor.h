/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the next page of a range begins, as an opaque text (base64url):
 *   cursor = version(1 byte = 1) check(8 bytes) key        the key is the first one that was not delivered
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

/* Appends the text. */
kv_status cursor_encode(struct slice key, const struct cursor_range *range, struct buf *to);

/* KV_INVALID when it is no cursor of this range. The key lies in `storage`. */
kv_status cursor_decode(struct slice text, const struct cursor_range *range, struct buf *storage,
	struct slice *ret_key);

#endif
