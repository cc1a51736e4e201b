/* SPDX-License-Identifier: BSD-2-Clause */
/* See coding.h for the grammar. A reader moves only after everything it was asked for proved right. */
#include "base/coding.h"

size_t varint_length(uint64_t v)
{
	size_t ret = 1;

	while (v >= 0x80) {
		v >>= 7;
		ret++;
	}
	return ret;
}

size_t put_varint64(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		to[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	to[n++] = (uint8_t)v;
	return n;
}

kv_status buf_append_fixed32(struct buf *buf, uint32_t v)
{
	uint8_t bytes[4];

	put_fixed32(bytes, v);
	return buf_append(buf, bytes, sizeof bytes);
}

kv_status buf_append_fixed64(struct buf *buf, uint64_t v)
{
	uint8_t bytes[8];

	put_fixed64(bytes, v);
	return buf_append(buf, bytes, sizeof bytes);
}

kv_status buf_append_varint(struct buf *buf, uint64_t v)
{
	uint8_t bytes[VARINT64_MAX_BYTES];

	return buf_append(buf, bytes, put_varint64(bytes, v));
}

kv_status buf_append_prefixed(struct buf *buf, struct slice s)
{
	kv_status status;

	/* room for both first: half a field must not stay behind on failure */
	if (s.len > SIZE_MAX - VARINT64_MAX_BYTES)
		return KV_NO_MEMORY;
	status = buf_reserve(buf, VARINT64_MAX_BYTES + s.len);
	if (status != KV_OK)
		return status;
	buf->len += put_varint64(buf->data + buf->len, s.len);
	return buf_append_slice(buf, s);
}

bool read_byte(struct reader *r, uint8_t *ret)
{
	if (reader_left(r) < 1)
		return false;
	*ret = *r->pos++;
	return true;
}

bool read_fixed32(struct reader *r, uint32_t *ret)
{
	if (reader_left(r) < 4)
		return false;
	*ret = get_fixed32(r->pos);
	r->pos += 4;
	return true;
}

bool read_fixed64(struct reader *r, uint64_t *ret)
{
	if (reader_left(r) < 8)
		return false;
	*ret = get_fixed64(r->pos);
	r->pos += 8;
	return true;
}

bool read_varint64(struct reader *r, uint64_t *ret)
{
	const uint8_t *pos = r->pos;
	uint64_t v = 0;
	uint8_t byte;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (pos == r->end)
			return false;
		byte = *pos++;
		if (shift == 63 && byte > 1)
			return false; /* bits beyond 64, or an eleventh byte */
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte >= 0x80)
			continue;
		if (byte == 0 && shift > 0)
			return false; /* not the shortest encoding */
		r->pos = pos;
		*ret = v;
		return true;
	}
	return false;
}

bool read_varint32(struct reader *r, uint32_t *ret)
{
	struct reader ahead = *r;
	uint64_t v;

	if (!read_varint64(&ahead, &v) || v > UINT32_MAX)
		return false;
	*r = ahead;
	*ret = (uint32_t)v;
	return true;
}

bool read_bytes(struct reader *r, size_t len, struct slice *ret)
{
	if (len > reader_left(r))
		return false;
	*ret = slice_of(r->pos, len);
	r->pos += len;
	return true;
}

bool read_prefixed(struct reader *r, struct slice *ret)
{
	struct reader ahead = *r;
	uint64_t len;

	if (!read_varint64(&ahead, &len) || len > reader_left(&ahead))
		return false;
	if (!read_bytes(&ahead, (size_t)len, ret))
		return false;
	*r = ahead;
	return true;
}
