/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksum is no secret: it finds mistakes. What a forged cursor can reach, start= could reach, too. */
#define _GNU_SOURCE
#include "http/cursor.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "http/base64.h"

enum {
	CURSOR_VERSION = 1,
	CURSOR_HEADER = 9, /* bytes before the key */
};

static uint64_t check_of(const struct cursor_range *range, struct slice key)
{
	uint64_t seed = checksum_seed(CURSOR_VERSION, range->reverse, 0);

	seed = checksum64(range->prefix, seed);
	seed = checksum64(range->start, seed);
	seed = checksum64(range->end, seed);
	return checksum64(key, seed);
}

kv_status cursor_encode(struct slice key, const struct cursor_range *range, struct buf *to)
{
	struct buf raw = { 0 };
	kv_status status;

	status = buf_append_byte(&raw, CURSOR_VERSION);
	if (status == KV_OK)
		status = buf_append_fixed64(&raw, check_of(range, key));
	if (status == KV_OK)
		status = buf_append_slice(&raw, key);
	if (status == KV_OK)
		status = buf_reserve(to, base64_encoded_size(raw.len));
	if (status == KV_OK)
		to->len += base64_encode(to->data + to->len, buf_slice(&raw), BASE64_URL);
	buf_free(&raw);
	return status;
}

kv_status cursor_decode(struct slice text, const struct cursor_range *range, struct buf *storage,
	struct slice *ret_key)
{
	struct slice key;
	size_t len;
	kv_status status;

	buf_clear(storage);
	status = buf_reserve(storage, text.len / 4 * 3 + 2);
	if (status != KV_OK)
		return status;
	if (!base64_decode_url(storage->data, text, &len) || len < CURSOR_HEADER ||
		storage->data[0] != CURSOR_VERSION)
		return KV_INVALID;
	key = slice_of(storage->data + CURSOR_HEADER, len - CURSOR_HEADER);
	if (get_fixed64(storage->data + 1) != check_of(range, key))
		return KV_INVALID;
	storage->len = len;
	*ret_key = key;
	return KV_OK;
}
