/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The high half of a key's hash chooses the line (multiplied into the range, no division). The hash times an odd constant gives
 * the bits within it: nine bits of the product each, from the top, of which there are seven. On disk: never change.
 */
#include "engine/filter.h"

#include "engine/format.h"

#include <stdlib.h>
#include <string.h>

#define FILTER_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15) /* 2^64 divided by the golden ratio */
#define FILTER_LINES_MAX  UINT32_MAX

enum { PROBES_USUAL = 6 }; /* of 10 bits a key */

void filter_free(struct filter *filter)
{
	free(filter->lines);
	*filter = (struct filter){ 0 };
}

kv_status filter_init(struct filter *filter, size_t bytes, unsigned probes)
{
	uint8_t *lines = aligned_alloc(FILTER_LINE_BYTES, bytes);

	if (!lines)
		return KV_NO_MEMORY;
	memset(lines, 0, bytes);
	*filter = (struct filter){ .lines = lines, .bytes = bytes, .probes = probes };
	return KV_OK;
}

kv_status filter_plan(uint64_t keys, unsigned bits_per_key, size_t *ret_bytes, unsigned *ret_probes)
{
	unsigned probes = (bits_per_key * 6 + 5) / 10;
	uint64_t lines;

	if (keys > FILTER_LINES_MAX)
		return KV_NO_MEMORY;
	lines = (keys * bits_per_key + FILTER_LINE_BYTES * 8 - 1) / (FILTER_LINE_BYTES * 8);
	if (lines > FILTER_LINES_MAX || lines > SIZE_MAX / FILTER_LINE_BYTES)
		return KV_NO_MEMORY;
	if (probes < 1)
		probes = 1;
	*ret_probes = probes > FILTER_PROBES_MAX ? FILTER_PROBES_MAX : probes;
	*ret_bytes = (size_t)(lines > 0 ? lines : 1) * FILTER_LINE_BYTES;
	return KV_OK;
}

static inline uint8_t *line_of(const struct filter *filter, uint64_t hash)
{
	uint64_t lines = filter->bytes / FILTER_LINE_BYTES;

	return filter->lines + ((hash >> 32) * lines >> 32) * FILTER_LINE_BYTES;
}

static inline __attribute__((always_inline)) void set_bits(uint8_t *line, uint64_t hash, unsigned probes)
{
	uint64_t bits = hash * FILTER_MULTIPLIER;

#pragma GCC unroll 8
	for (unsigned i = 0; i < probes; i++) {
		line[bits >> 58] |= (uint8_t)(1u << (bits >> 55 & 7));
		bits <<= 9;
	}
}

void filter_add(struct filter *filter, uint64_t hash)
{
	set_bits(line_of(filter, hash), hash, filter->probes);
}

/* With a number of probes that the compiler knows, or not. */
static inline __attribute__((always_inline)) void add_all(const struct filter *filter, const uint64_t *hashes,
	size_t count, unsigned probes)
{
	struct filter copy = *filter; /* which no write to a line can change */

	for (size_t i = 0; i < count; i++)
		set_bits(line_of(&copy, hashes[i]), hashes[i], probes);
}

void filter_add_all(struct filter *filter, const uint64_t *hashes, size_t count)
{
	if (filter->probes == PROBES_USUAL)
		add_all(filter, hashes, count, PROBES_USUAL);
	else
		add_all(filter, hashes, count, filter->probes);
}

void filter_prefetch(const struct filter *filter, uint64_t hash)
{
	if (filter->lines)
		__builtin_prefetch(line_of(filter, hash));
}

bool filter_may_have(const struct filter *filter, uint64_t hash)
{
	const uint8_t *line;
	uint64_t bits = hash * FILTER_MULTIPLIER;
	unsigned missing = 0;

	if (!filter->lines)
		return true;
	line = line_of(filter, hash);
	/* all probes hit the same cache line: testing them all is cheaper than a branch that is mispredicted */
	for (unsigned i = 0; i < filter->probes; i++) {
		missing |= ~(unsigned)line[bits >> 58] & (1u << (bits >> 55 & 7));
		bits <<= 9;
	}
	return missing == 0;
}
