/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values of the bench: they compress to about half, in the way of LevelDB's db_bench (random characters, then the same again), and they
 * tell what they belong to, so that a reader can check every byte:
 *
 *	value = index (8 bytes) generation (4 bytes) text
 *
 * The text is a window of a pool made at the start; index and generation choose where. The generation counts how often the key was
 * written. A value of less than 12 bytes is cut off. Constant after values_init(): any thread.
 */
#ifndef KV_BENCH_VALUES_H
#define KV_BENCH_VALUES_H

#include "base/slice.h"

enum { VALUES_HEAD_BYTES = 12, VALUES_POOL_BYTES = 1 << 20 };
#define VALUES_ANY_GENERATION UINT32_MAX

/* Makes the pool for values of at most `value_max` bytes. Once, before any thread. Ends the program when memory is out. */
void values_init(uint64_t seed, uint64_t value_max);

/* Writes `size` bytes. */
void values_make(uint8_t *ret, uint64_t size, uint64_t index, uint32_t generation);

/* Whether the value is the one of `index`, every byte, of this generation or of any. */
bool values_check(struct slice value, uint64_t size, uint64_t index, uint32_t generation);

/* The index that a value claims; UINT64_MAX when it is too short. */
uint64_t values_index(struct slice value);

#endif
