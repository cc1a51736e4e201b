/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells of most keys that a memtable does not hold them, with one load: a Bloom filter whose bits of a key lie all in
 * one word ("register-blocked": Lang, Neumann, Kemper, Boncz: "Performance-Optimal Filtering", VLDB 2019, section 3.2). In memory only.
 *
 * One writer, any number of readers: a bit is only ever set, before the entry that it stands for is published. So who may see the
 * entry sees its bits.
 */
#ifndef KV_ENGINE_MEMTABLE_FILTER_H
#define KV_ENGINE_MEMTABLE_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memtable_filter {
	uint32_t count; /* of words, at least 1 */
	_Atomic uint64_t words[];
};

/* Of at most `bytes`, at least a word, without a key; NULL when out of memory. For free(). */
struct memtable_filter *memtable_filter_new(size_t bytes);

/* The high half of the hash chooses the word, ... */
static inline uint32_t memtable_filter_word(const struct memtable_filter *filter, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * filter->count >> 32);
}

/* ... four times six of the low bits the bits in it. */
static inline uint64_t memtable_filter_bits(uint64_t hash)
{
	return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63) |
		UINT64_C(1) << (hash >> 12 & 63) | UINT64_C(1) << (hash >> 18 & 63);
}

/* The writer only. `hash` = key_hash(key), as below. */
static inline void memtable_filter_add(struct memtable_filter *filter, uint64_t hash)
{
	_Atomic uint64_t *word = &filter->words[memtable_filter_word(filter, hash)];
	uint64_t before = atomic_load_explicit(word, memory_order_relaxed);

	atomic_store_explicit(word, before | memtable_filter_bits(hash), memory_order_relaxed);
}

/* Any thread. */
static inline bool memtable_filter_may_have(const struct memtable_filter *filter, uint64_t hash)
{
	uint64_t bits = memtable_filter_bits(hash);

	return (atomic_load_explicit(&filter->words[memtable_filter_word(filter, hash)],
			memory_order_relaxed) &
		       bits) == bits;
}

#endif
