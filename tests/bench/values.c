/* SPDX-License-Identifier: BSD-2-Clause */
/* Values: windows of a pool of half compressible text. */
#include "bench/values.h"

#include "bench/keys.h"
#include "support/die.h"

#include <stdlib.h>

/* A piece and its copy: short, so that a value of 100 bytes has two pairs. A window begins with a pair. */
enum { TEXT_PIECE = 25, TEXT_PAIR = 2 * TEXT_PIECE, WINDOWS = VALUES_POOL_BYTES / TEXT_PAIR };

static uint8_t *pool; /* VALUES_POOL_BYTES and a value more */

void values_init(uint64_t seed, uint64_t value_max)
{
	uint64_t size = VALUES_POOL_BYTES + value_max;
	struct draw draw = draw_new(seed);

	free(pool);
	pool = malloc(size);
	if (!pool)
		die("no memory for the pool of values");
	for (uint64_t at = 0; at < size; at++) {
		if (at / TEXT_PIECE % 2 == 0)
			pool[at] = (uint8_t)(' ' + draw_below(&draw, 95));
		else
			pool[at] = pool[at - TEXT_PIECE];
	}
}

static const uint8_t *text(uint64_t index, uint32_t generation)
{
	uint64_t mixed = keys_mix(index * 31 + generation) >> 32;

	return pool + (mixed * WINDOWS >> 32) * TEXT_PAIR;
}

static void head(uint64_t index, uint32_t generation, uint8_t *ret)
{
	memcpy(ret, &index, 8);
	memcpy(ret + 8, &generation, 4);
}

void values_make(uint8_t *ret, uint64_t size, uint64_t index, uint32_t generation)
{
	uint8_t start[VALUES_HEAD_BYTES];

	head(index, generation, start);
	memcpy(ret, start, size < sizeof start ? size : sizeof start);
	if (size > sizeof start)
		memcpy(ret + sizeof start, text(index, generation), size - sizeof start);
}

bool values_check(struct slice value, uint64_t size, uint64_t index, uint32_t generation)
{
	uint8_t start[VALUES_HEAD_BYTES];

	if (value.len != size)
		return false;
	if (generation == VALUES_ANY_GENERATION && size >= sizeof start)
		memcpy(&generation, value.data + 8, 4);
	head(index, generation, start);
	if (size <= sizeof start)
		return memcmp(value.data, start, generation == VALUES_ANY_GENERATION && size > 8 ? 8 : size) == 0;
	return memcmp(value.data, start, sizeof start) == 0 &&
		memcmp(value.data + sizeof start, text(index, generation), size - sizeof start) == 0;
}

uint64_t values_index(struct slice value)
{
	uint64_t ret = UINT64_MAX;

	if (value.len >= 8)
		memcpy(&ret, value.data, 8);
	return ret;
}
