/* SPDX-License-Identifier: BSD-2-Clause */
/* Borrowed bytes: a pointer and a length, never freed through this type. The bytes must outlive it. */
#ifndef KV_BASE_SLICE_H
#define KV_BASE_SLICE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *data; /* may be NULL when len is 0 */
	size_t len;          /* bytes */
};

static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){ .data = data, .len = len };
}

/* The bytes of a C string without its NUL. */
static inline struct slice slice_of_string(const char *text)
{
	return slice_of(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Order of unsigned bytes, a prefix before what it is a prefix of: <0, 0, >0 as memcmp. */
static inline int slice_compare(struct slice a, struct slice b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common == 0 ? 0 : memcmp(a.data, b.data, common);

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
		(prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* Number of bytes that both begin with. */
static inline size_t slice_common_prefix(struct slice a, struct slice b)
{
	size_t max = a.len < b.len ? a.len : b.len;
	size_t n = 0;

	for (; max - n >= sizeof(uint64_t); n += sizeof(uint64_t)) {
		uint64_t from_a, from_b;

		memcpy(&from_a, a.data + n, sizeof from_a);
		memcpy(&from_b, b.data + n, sizeof from_b);
		if (from_a != from_b)
			return n + (size_t)__builtin_ctzll(le64toh(from_a ^ from_b)) / 8;
	}
	while (n < max && a.data[n] == b.data[n])
		n++;
	return n;
}

#endif
