/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A place holds a block's address and, beside it, how many references were taken there and are not counted in the block yet (split
 * reference counts: Williams, "C++ Concurrency in Action", section 7.2.4). So a reference to a block that may be evicted at any moment is one compare
 * and swap, without a lock, and without touching the block.
 *
 *	word = address / 64 (44 bits) | count (20 bits)
 *
 * While a block is in the cache, its own counter has a large number added, so that it cannot reach zero by references
 * that are given back. Counts move from the place to the block when the hand of the CLOCK comes by, when the block leaves,
 * and when there are very many. They are added to the block first and taken from the place then: the block never has
 * fewer references than users.
 *
 * A count that is not zero also tells the hand that the block was used since it came by last. A shard's ring of blocks
 * is guarded by a spin lock, which only those take who enter or evict. Memory is allocated and freed outside of it.
 */
#include "engine/block_cache.h"

#include "engine/block_memory.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>

enum {
	SHARDS_MAX = 64,
	SHARD_BYTES_MIN = 1 << 20, /* smaller caches have fewer shards */
	BLOCK_BYTES_TYPICAL = 4096,
	RING_MIN = 48,
	LINE_BYTES = 64,
	SPINS_MAX = 64,
	PREFETCH_LINES = 16, /* head and keys of a block of usual size */
	FOUND_LINES = 3,     /* counter, head, hash bytes and runs of one */
	ADDRESS_BITS = 44,
};

#define COUNT_ONE  (UINT64_C(1) << ADDRESS_BITS)
#define COUNT_MANY (UINT64_C(1) << 19) /* half of what there is room for */
#define IN_CACHE   (INT64_C(1) << 40)  /* what the block's own counter has more */

struct cached_block {
	_Atomic int64_t refs;
	uint32_t charge;  /* bytes in units of LINE_BYTES, as len constant once shared */
	uint32_t ring_at; /* guarded by the shard's lock */
	size_t len;
	struct block_place *place; /* constant while in the cache */
	uint8_t data[];
};

struct shard {
	_Alignas(LINE_BYTES) atomic_flag busy;
	/* guarded by busy; ring and its size, and capacity, are constant */
	uint32_t ring_size;
	uint32_t blocks; /* the first of the ring */
	uint32_t hand;
	struct cached_block **ring;
	uint64_t bytes, capacity;
	uint64_t hits; /* that are no longer counted in places */
	_Atomic uint64_t misses; /* anybody's */
};

struct block_cache {
	unsigned shard_mask; /* constant, as the next two */
	uint64_t capacity;
	struct shard *shards;
};

static void lock(struct shard *shard)
{
	unsigned spins = 0;

	while (atomic_flag_test_and_set_explicit(&shard->busy, memory_order_acquire)) {
		if (++spins > SPINS_MAX)
			sched_yield();
	}
}

static void unlock(struct shard *shard)
{
	atomic_flag_clear_explicit(&shard->busy, memory_order_release);
}

static inline struct cached_block *block_of(uint64_t word)
{
	return (struct cached_block *)(uintptr_t)((word & (COUNT_ONE - 1)) * LINE_BYTES);
}

static inline int64_t count_of(uint64_t word)
{
	return (int64_t)(word >> ADDRESS_BITS);
}

/* Places that lie side by side have different shards. */
static inline struct shard *shard_of(const struct block_cache *cache, const struct block_place *place)
{
	uint64_t h = (uint64_t)(uintptr_t)place / sizeof *place;

	return &cache->shards[(h ^ h >> 9) & cache->shard_mask];
}

struct block_cache *block_cache_new(uint64_t capacity)
{
	struct block_cache *cache = calloc(1, sizeof *cache);
	unsigned shards = SHARDS_MAX;

	if (!cache)
		return NULL;
	while (shards > 1 && capacity / shards < SHARD_BYTES_MIN)
		shards /= 2;
	cache->capacity = capacity;
	cache->shard_mask = shards - 1;
	cache->shards = aligned_alloc(LINE_BYTES, shards * sizeof *cache->shards);
	if (!cache->shards) {
		free(cache);
		return NULL;
	}
	memset(cache->shards, 0, shards * sizeof *cache->shards);
	for (unsigned i = 0; i < shards; i++) {
		struct shard *shard = &cache->shards[i];

		atomic_flag_clear(&shard->busy);
		shard->capacity = capacity / shards;
		shard->ring_size = RING_MIN + (uint32_t)(shard->capacity / BLOCK_BYTES_TYPICAL * 3 / 2);
		shard->ring = malloc(shard->ring_size * sizeof(struct cached_block *));
		if (!shard->ring)
			return block_cache_free(cache);
	}
	return cache;
}

struct cached_block *cached_block_new(size_t room)
{
	struct cached_block *block;
	size_t bytes;

	if (room > PTRDIFF_MAX - sizeof *block - 2 * LINE_BYTES)
		return NULL;
	bytes = block_memory_size(sizeof *block + room);
	block = block_memory_alloc(bytes);
	if (!block)
		return NULL;
	atomic_init(&block->refs, 1);
	block->charge = (uint32_t)(bytes / LINE_BYTES);
	block->len = room;
	block->place = NULL;
	return block;
}

uint8_t *cached_block_room(struct cached_block *block)
{
	return block->data;
}

void cached_block_set_len(struct cached_block *block, size_t len)
{
	assert(len <= block->len);
	block->len = len;
}

struct slice cached_block_data(const struct cached_block *block)
{
	return slice_of(block->data, block->len);
}

/* Adds to the block's own counter; the last reference is gone when it gets to zero. */
static inline void count(struct cached_block *block, int64_t more)
{
	if (atomic_fetch_add_explicit(&block->refs, more, memory_order_acq_rel) + more == 0)
		block_memory_free(block, (size_t)block->charge * LINE_BYTES);
}

void cached_block_unref(struct cached_block *block)
{
	if (block)
		count(block, -1);
}

static inline uint64_t charge_of(const struct cached_block *block)
{
	return (uint64_t)block->charge * LINE_BYTES + sizeof(struct cached_block *);
}

/* Moves the count of the place, which was `word`, to the block. False: the place has changed, and nothing has happened. */
static bool move_count_locked(struct block_place *place, uint64_t word)
{
	struct cached_block *block = block_of(word);
	int64_t moved = count_of(word);

	count(block, moved);
	if (atomic_compare_exchange_strong_explicit(&place->word, &word, word & (COUNT_ONE - 1),
		    memory_order_acq_rel, memory_order_relaxed))
		return true;
	count(block, -moved); /* `word` is what the place holds by now */
	return false;
}

static __attribute__((noinline)) void move_many(struct block_cache *cache, struct block_place *place)
{
	struct shard *shard = shard_of(cache, place);
	uint64_t word;

	lock(shard);
	word = atomic_load_explicit(&place->word, memory_order_relaxed);
	if (word != 0 && move_count_locked(place, word))
		shard->hits += (uint64_t)count_of(word);
	unlock(shard);
}

struct cached_block *block_cache_find(struct block_cache *cache, struct block_place *place)
{
	uint64_t word = atomic_load_explicit(&place->word, memory_order_relaxed);

	while (word != 0) {
		const char *lines = (const char *)block_of(word);

		for (unsigned i = 0; i < FOUND_LINES; i++)
			__builtin_prefetch(lines + i * LINE_BYTES);
		if (!atomic_compare_exchange_weak_explicit(&place->word, &word, word + COUNT_ONE,
			    memory_order_acquire, memory_order_relaxed))
			continue;
		if ((uint64_t)count_of(word) >= COUNT_MANY)
			move_many(cache, place);
		return block_of(word);
	}
	atomic_fetch_add_explicit(&shard_of(cache, place)->misses, 1, memory_order_relaxed);
	return NULL;
}

/* Another block that is there meanwhile does no harm, nor does one that is freed in between. */
void block_cache_prefetch(const struct block_place *place)
{
	const char *lines = (const char *)block_of(atomic_load_explicit(&place->word, memory_order_relaxed));

	for (unsigned i = 0; lines && i < PREFETCH_LINES; i++)
		__builtin_prefetch(lines + i * LINE_BYTES);
}

/* Its place is empty already. The block that was entered last moves into the gap. */
static void remove_from_ring(struct shard *shard, struct cached_block *block)
{
	struct cached_block *last = shard->ring[--shard->blocks];

	shard->ring[block->ring_at] = last;
	last->ring_at = block->ring_at;
	shard->bytes -= charge_of(block);
}

/* Empties the place; *ret_word is what it held. With `only_unused` false when the block was used since the hand came by. */
static bool take_out_locked(struct shard *shard, struct block_place *place, bool only_unused,
	uint64_t *ret_word)
{
	uint64_t word = atomic_load_explicit(&place->word, memory_order_relaxed);

	while (word != 0 && !(only_unused && count_of(word) > 0)) {
		if (!atomic_compare_exchange_weak_explicit(&place->word, &word, 0, memory_order_acq_rel,
			    memory_order_relaxed))
			continue;
		shard->hits += (uint64_t)count_of(word);
		remove_from_ring(shard, block_of(word));
		*ret_word = word;
		return true;
	}
	return false;
}

/* After take_out_locked(), without the lock: what was counted in the place is counted in the block, and it is not in the cache any more. */
static void let_go(uint64_t word)
{
	if (word != 0)
		count(block_of(word), count_of(word) - IN_CACHE);
}

/* Takes one block out of the shard: the next that was not found since the hand came by last. The shard is not empty. */
static uint64_t evict_locked(struct shard *shard)
{
	for (;;) {
		struct block_place *place;
		uint64_t word;

		if (shard->hand >= shard->blocks)
			shard->hand = 0;
		place = shard->ring[shard->hand]->place;
		shard->hand++; /* also past the one that moves into the gap */
		if (take_out_locked(shard, place, true, &word))
			return word;
		word = atomic_load_explicit(&place->word, memory_order_relaxed);
		if (move_count_locked(place, word))
			shard->hits += (uint64_t)count_of(word);
	}
}

static bool is_full_locked(const struct shard *shard, uint64_t more)
{
	return shard->blocks > 0 &&
		(more > shard->capacity - shard->bytes || shard->blocks == shard->ring_size);
}

/* Enters the block when its place is empty; else returns the one that is there, with a reference. */
static struct cached_block *enter_locked(struct shard *shard, struct block_place *place,
	struct cached_block *block)
{
	uint64_t word = atomic_load_explicit(&place->word, memory_order_relaxed);

	if (word != 0) {
		atomic_fetch_add_explicit(&block_of(word)->refs, 1, memory_order_relaxed);
		return block_of(word);
	}
	block->place = place;
	block->ring_at = shard->blocks;
	shard->ring[shard->blocks++] = block;
	shard->bytes += charge_of(block);
	atomic_fetch_add_explicit(&block->refs, IN_CACHE, memory_order_relaxed);
	atomic_store_explicit(&place->word, (uintptr_t)block / LINE_BYTES, memory_order_release);
	return block;
}

struct cached_block *block_cache_add(struct block_cache *cache, struct block_place *place,
	struct cached_block *block)
{
	struct shard *shard = shard_of(cache, place);
	struct cached_block *ret = NULL;

	if (charge_of(block) > shard->capacity || (uintptr_t)block / LINE_BYTES >= COUNT_ONE)
		return block;
	while (!ret) {
		uint64_t evicted = 0;

		lock(shard);
		if (is_full_locked(shard, charge_of(block)))
			evicted = evict_locked(shard);
		else
			ret = enter_locked(shard, place, block);
		unlock(shard);
		let_go(evicted);
	}
	if (ret != block)
		cached_block_unref(block);
	return ret;
}

bool block_cache_has_room(struct block_cache *cache, const struct block_place *place, size_t bytes)
{
	struct shard *shard = shard_of(cache, place);
	uint64_t charge = block_memory_size(sizeof(struct cached_block) + bytes) + sizeof(struct cached_block *);
	bool ret;

	lock(shard);
	ret = charge <= shard->capacity - shard->bytes && shard->blocks < shard->ring_size;
	unlock(shard);
	return ret;
}

void block_cache_forget(struct block_cache *cache, struct block_place *places, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct shard *shard = shard_of(cache, &places[i]);
		uint64_t word = 0;

		if (atomic_load_explicit(&places[i].word, memory_order_acquire) == 0)
			continue;
		lock(shard);
		take_out_locked(shard, &places[i], false, &word);
		unlock(shard);
		let_go(word);
	}
}

struct block_cache *block_cache_free(struct block_cache *cache)
{
	if (!cache)
		return NULL;
	for (unsigned i = 0; i <= cache->shard_mask; i++) {
		struct shard *shard = &cache->shards[i];

		while (shard->ring && shard->blocks > 0)
			block_cache_forget(cache, shard->ring[shard->blocks - 1]->place, 1);
		free(shard->ring);
	}
	free(cache->shards);
	free(cache);
	return NULL;
}

void block_cache_get_stats(struct block_cache *cache, struct block_cache_stats *ret)
{
	struct block_cache_stats stats = { .capacity = cache->capacity };

	for (unsigned i = 0; i <= cache->shard_mask; i++) {
		struct shard *shard = &cache->shards[i];

		lock(shard);
		stats.bytes += shard->bytes;
		stats.blocks += shard->blocks;
		stats.hits += shard->hits;
		for (uint32_t at = 0; at < shard->blocks; at++)
			stats.hits += (uint64_t)count_of(atomic_load_explicit(&shard->ring[at]->place->word,
				memory_order_relaxed));
		unlock(shard);
		stats.misses += atomic_load_explicit(&shard->misses, memory_order_relaxed);
	}
	*ret = stats;
}
