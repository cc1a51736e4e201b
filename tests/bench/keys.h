/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of the bench: entry `index` of N has the key "%016llu" of twice its index, as db_bench of LevelDB writes numbers; the odd numbers
 * between are keys that are missing, within the range of those that are there. With KEYS_HEX a key is 16 hexadecimal digits of that
 * number scrambled: as long, but without dense ranges, and in another order.
 *
 * Orders come from a permutation of [0, N): four rounds of a Feistel network, walked until the result is below N; no memory, so that the
 * bench does not add to the peak that it measures. Pure functions: any thread.
 */
#ifndef KV_BENCH_KEYS_H
#define KV_BENCH_KEYS_H

#include <stdint.h>

enum { KEY_BYTES = 16 };

enum keys_kind { KEYS_DIGITS, KEYS_HEX };

/* Writes KEY_BYTES to `ret`. */
void keys_make(enum keys_kind kind, uint64_t index, uint8_t *ret);
void keys_make_missing(enum keys_kind kind, uint64_t index, uint8_t *ret);

struct permutation {
	uint64_t count, seed;
	unsigned half_bits;
};

struct permutation permutation_new(uint64_t count, uint64_t seed);
/* A bijection of [0, count). */
uint64_t permutation_at(const struct permutation *permutation, uint64_t i);

/* xorshift64*: what draws the keys to read. The state is never 0. */
struct draw {
	uint64_t state;
};

struct draw draw_new(uint64_t seed);

static inline uint64_t draw_next(struct draw *draw)
{
	draw->state ^= draw->state >> 12;
	draw->state ^= draw->state << 25;
	draw->state ^= draw->state >> 27;
	return draw->state * UINT64_C(0x2545F4914F6CDD1D);
}

/* In [0, below), by multiplication instead of division. */
static inline uint64_t draw_below(struct draw *draw, uint64_t below)
{
	return (uint64_t)(((unsigned __int128)draw_next(draw) * below) >> 64);
}

/* The finalizer of MurmurHash3 (Appleby): a bijection of 64 bits. */
static inline uint64_t keys_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ (x >> 33);
}

#endif
