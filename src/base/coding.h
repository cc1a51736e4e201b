/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Little-endian fixed integers and varints (7 bits a byte, low bits first, high bit = more follows;
 * at most 5 bytes for 32 and 10 for 64 bits). Works on any alignment and byte order.
 *
 * Writing: the put_* functions write to memory that the caller made large enough and return the
 * number of bytes. Reading: `struct reader` is a cursor over borrowed bytes; every read is
 * bounds-checked and fails by returning false, after which the cursor is where it was.
 */
#ifndef KV_BASE_CODING_H
#define KV_BASE_CODING_H

#include "base/buf.h"
#include "base/slice.h"

#include <endian.h>

enum {
	VARINT32_MAX_BYTES = 5,
	VARINT64_MAX_BYTES = 10,
};

static inline void put_fixed16(uint8_t *to, uint16_t v)
{
	v = htole16(v);
	memcpy(to, &v, sizeof v);
}

static inline void put_fixed32(uint8_t *to, uint32_t v)
{
	v = htole32(v);
	memcpy(to, &v, sizeof v);
}

static inline void put_fixed64(uint8_t *to, uint64_t v)
{
	v = htole64(v);
	memcpy(to, &v, sizeof v);
}

static inline uint16_t get_fixed16(const uint8_t *from)
{
	uint16_t v;

	memcpy(&v, from, sizeof v);
	return le16toh(v);
}

static inline uint32_t get_fixed32(const uint8_t *from)
{
	uint32_t v;

	memcpy(&v, from, sizeof v);
	return le32toh(v);
}

static inline uint64_t get_fixed64(const uint8_t *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof v);
	return le64toh(v);
}

/* Number of bytes that put_varint64 writes for `v`, 1..10. */
size_t varint_length(uint64_t v);

/* Writes 1..10 bytes, returns how many. */
size_t put_varint64(uint8_t *to, uint64_t v);

kv_status buf_append_fixed32(struct buf *buf, uint32_t v);
kv_status buf_append_fixed64(struct buf *buf, uint64_t v);
kv_status buf_append_varint(struct buf *buf, uint64_t v);

/* varint length, then the bytes */
kv_status buf_append_prefixed(struct buf *buf, struct slice s);

struct reader {
	const uint8_t *pos;
	const uint8_t *end;
};

static inline struct reader reader_of(struct slice s)
{
	return (struct reader){ .pos = s.data, .end = s.data + s.len };
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->pos);
}

bool read_byte(struct reader *r, uint8_t *ret);
bool read_fixed32(struct reader *r, uint32_t *ret);
bool read_fixed64(struct reader *r, uint64_t *ret);

/* Fails on more than 10 bytes, on bits beyond 64 (32), and on a cut end. Accepts only the shortest
 * encoding of a number, so that equal data has equal bytes. */
bool read_varint64(struct reader *r, uint64_t *ret);
bool read_varint32(struct reader *r, uint32_t *ret);

/* `len` bytes, borrowed from the reader's memory */
bool read_bytes(struct reader *r, size_t len, struct slice *ret);

/* what buf_append_prefixed wrote */
bool read_prefixed(struct reader *r, struct slice *ret);

#endif
