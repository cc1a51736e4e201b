/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys and the orders they come in. */
#include "bench/keys.h"

static void digits(uint64_t number, uint8_t *ret)
{
	for (int i = KEY_BYTES - 1; i >= 0; i--) {
		ret[i] = (uint8_t)('0' + number % 10);
		number /= 10;
	}
}

static void hex(uint64_t number, uint8_t *ret)
{
	uint64_t scrambled = keys_mix(number);

	for (int i = KEY_BYTES - 1; i >= 0; i--) {
		ret[i] = (uint8_t)"0123456789abcdef"[scrambled & 15];
		scrambled >>= 4;
	}
}

static void make(enum keys_kind kind, uint64_t number, uint8_t *ret)
{
	if (kind == KEYS_HEX)
		hex(number, ret);
	else
		digits(number, ret);
}

void keys_make(enum keys_kind kind, uint64_t index, uint8_t *ret)
{
	make(kind, 2 * index, ret);
}

void keys_make_missing(enum keys_kind kind, uint64_t index, uint8_t *ret)
{
	make(kind, 2 * index + 1, ret);
}

struct permutation permutation_new(uint64_t count, uint64_t seed)
{
	struct permutation ret = { .count = count, .seed = keys_mix(seed + 1), .half_bits = 1 };

	while (ret.half_bits < 31 && (UINT64_C(1) << (2 * ret.half_bits)) < count)
		ret.half_bits++;
	return ret;
}

static uint64_t feistel(const struct permutation *permutation, uint64_t x)
{
	uint64_t mask = (UINT64_C(1) << permutation->half_bits) - 1;
	uint64_t left = x >> permutation->half_bits, right = x & mask, next;

	for (uint64_t round = 0; round < 4; round++) {
		next = left ^ (keys_mix(right + permutation->seed + (round << 56)) & mask);
		left = right;
		right = next;
	}
	return left << permutation->half_bits | right;
}

uint64_t permutation_at(const struct permutation *permutation, uint64_t i)
{
	uint64_t ret = i;

	do
		ret = feistel(permutation, ret);
	while (ret >= permutation->count);
	return ret;
}

struct draw draw_new(uint64_t seed)
{
	uint64_t state = keys_mix(seed + UINT64_C(0x9e3779b97f4a7c15));

	return (struct draw){ .state = state ? state : 1 };
}
