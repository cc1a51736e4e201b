/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksum is no secret: it finds mistakes, and whoever uses a key from here must look whether it lies in the range. */
#define _GNU_SOURCE
#include "http/cursor.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "http/base64.h"
#include "http/snapshots.h"

enum {
	CURSOR_VERSION = 2,
	CURSOR_CHECK = 1, /* offsets */
	CURSOR_FLAGS = 9,
	CURSOR_SNAPSHOT = 10,
	CURSOR_KEY = CURSOR_SNAPSHOT + SNAPSHOT_ID_BYTES,
};

enum { FLAG_INCLUDED = 1, FLAG_SNAPSHOT = 2 };

/* Of everything from the flags on. */
static uint64_t check_of(const struct cursor_range *range, struct slice rest)
{
	uint64_t seed = checksum_seed(CURSOR_VERSION, range->reverse, 0);

	seed = checksum64(range->prefix, seed);
	seed = checksum64(range->start, seed);
	seed = checksum64(range->end, seed);
	seed = checksum64(range->snapshot, seed);
	return checksum64(rest, seed);
}

kv_status cursor_encode(const struct cursor *cursor, const struct cursor_range *range, struct buf *to)
{
	static const uint8_t no_snapshot[SNAPSHOT_ID_BYTES];
	unsigned flags = (cursor->included ? FLAG_INCLUDED : 0u) | (cursor->snapshot ? FLAG_SNAPSHOT : 0u);
	struct buf raw = { 0 };
	kv_status status = buf_append_byte(&raw, CURSOR_VERSION);

	if (status == KV_OK)
		status = buf_append_fixed64(&raw, 0);
	if (status == KV_OK)
		status = buf_append_byte(&raw, (uint8_t)flags);
	if (status == KV_OK)
		status = buf_append(&raw, cursor->snapshot ? cursor->snapshot : no_snapshot, SNAPSHOT_ID_BYTES);
	if (status == KV_OK)
		status = buf_append_slice(&raw, cursor->key);
	if (status == KV_OK)
		status = buf_reserve(to, base64_encoded_size(raw.len));
	if (status == KV_OK) {
		put_fixed64(raw.data + CURSOR_CHECK,
			check_of(range, slice_of(raw.data + CURSOR_FLAGS, raw.len - CURSOR_FLAGS)));
		to->len += base64_encode(to->data + to->len, buf_slice(&raw), BASE64_URL);
	}
	buf_free(&raw);
	return status;
}

kv_status cursor_decode(struct slice text, const struct cursor_range *range, struct buf *storage,
	struct cursor *ret)
{
	uint8_t *raw;
	size_t len;
	kv_status status;

	buf_clear(storage);
	status = buf_reserve(storage, text.len / 4 * 3 + 2);
	if (status != KV_OK)
		return status;
	raw = storage->data;
	if (!base64_decode_url(raw, text, &len) || len <= CURSOR_KEY || raw[0] != CURSOR_VERSION)
		return KV_INVALID;
	if (get_fixed64(raw + CURSOR_CHECK) != check_of(range, slice_of(raw + CURSOR_FLAGS, len - CURSOR_FLAGS)))
		return KV_INVALID;
	storage->len = len;
	ret->key = slice_of(raw + CURSOR_KEY, len - CURSOR_KEY);
	ret->included = (raw[CURSOR_FLAGS] & FLAG_INCLUDED) != 0;
	ret->snapshot = (raw[CURSOR_FLAGS] & FLAG_SNAPSHOT) != 0 ? raw + CURSOR_SNAPSHOT : NULL;
	return KV_OK;
}
