/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the next page of a range begins, as an opaque text (base64url):
 *   cursor = version(1 byte = 2) check(8 bytes) flags(1 byte) snapshot(16 bytes) key
 *   flags = 1: the key was not handed out yet, else everything up to it was | 2: the pages are those of `snapshot`, else of the one that the
 *   request names
 * `check` is a checksum over all the rest and the range that the page was asked for: a cursor that was changed, or is used
 * with other parameters, is refused instead of silently leading elsewhere.
 */
#ifndef KV_HTTP_CURSOR_H
#define KV_HTTP_CURSOR_H

#include "base/buf.h"

struct cursor_range {
	struct slice prefix, start, end;
	struct slice snapshot; /* the parameter; empty: none */
	bool reverse;
};

struct cursor {
	struct slice key; /* at least one byte */
	bool included;
	const uint8_t *snapshot; /* an id; NULL: none of its own */
};

/* Appends the text. */
kv_status cursor_encode(const struct cursor *cursor, const struct cursor_range *range, struct buf *to);

/* KV_INVALID when it is no cursor of this range, or has no key. Key and snapshot lie in `storage`. */
kv_status cursor_decode(struct slice text, const struct cursor_range *range, struct buf *storage,
	struct cursor *ret);

#endif
