/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each shard is a hash table with linear probing whose slots hold 32 bits of the hash beside the pointer, so that a look-up
 * touches one line of the table and then the block itself: its counter and the head of its data share a cache line. The
 * same slots are the circle of the CLOCK. A spin lock guards a shard for some ten nanoseconds; memory is
 * allocated and freed outside of it.
 *
 * A block is counted once by the cache and once by each user; whoever takes the last one away frees it.
 */
#include "engine/block_cache.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	SHARDS_MAX = 64,
	SHARD_BYTES_MIN = 1 << 20, /* smaller caches have fewer shards */
	BLOCK_BYTES_TYPICAL = 4096,
	SLOTS_MIN = 64,
	LINE_BYTES = 64,
	SPINS_MAX = 64,
	PREFETCH_LINES = 16, /* head and keys of a block of usual size */
};

struct cached_block {
	_Atomic uint32_t refs;
	uint32_t charge; /* bytes in units of LINE_BYTES, as all but refs constant once shared */
	size_t len;
	uint64_t table, offset;
	uint8_t data[];
};

struct slot {
	uint32_t tag;  /* bits of the hash */
	uint32_t used; /* found since the hand came by */
	struct cached_block *block; /* NULL: free */
};

struct shard {
	_Alignas(LINE_BYTES) atomic_flag busy;
	/* guarded by busy; mask, slots and capacity are constant */
	uint32_t mask; /* slots - 1 */
	uint32_t hand;
	uint32_t blocks;
	struct slot *slots;
	uint64_t bytes, capacity;
	uint64_t hits, misses;
};

struct block_cache { /* constant */
	unsigned shard_mask;
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

/* The finalizer of MurmurHash3 (Appleby): every bit of the place moves every bit of the result. */
static inline uint64_t hash_of(uint64_t table, uint64_t offset)
{
	uint64_t h = offset ^ table * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

static inline struct shard *shard_of(const struct block_cache *cache, uint64_t hash)
{
	return &cache->shards[(hash >> 32) & cache->shard_mask];
}

static inline uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)hash;
}

static uint32_t round_up_to_power(uint64_t n)
{
	uint32_t ret = SLOTS_MIN;

	while (ret < n && ret < UINT32_C(1) << 31)
		ret *= 2;
	return ret;
}

static struct slot *new_slots(uint64_t capacity, uint32_t *ret_mask)
{
	/* half full with blocks of the usual size, so that probes stay short */
	uint32_t slots = round_up_to_power(capacity / BLOCK_BYTES_TYPICAL * 2);

	*ret_mask = slots - 1;
	return calloc(slots, sizeof(struct slot));
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
		shard->slots = new_slots(shard->capacity, &shard->mask);
		if (!shard->slots)
			return block_cache_free(cache);
	}
	return cache;
}

struct block_cache *block_cache_free(struct block_cache *cache)
{
	if (!cache)
		return NULL;
	for (unsigned i = 0; i <= cache->shard_mask; i++) {
		struct shard *shard = &cache->shards[i];

		for (size_t j = 0; shard->slots && j <= shard->mask; j++)
			cached_block_unref(shard->slots[j].block);
		free(shard->slots);
	}
	free(cache->shards);
	free(cache);
	return NULL;
}

struct cached_block *cached_block_new(size_t room)
{
	struct cached_block *block;
	size_t bytes;

	if (room > PTRDIFF_MAX - sizeof *block - LINE_BYTES)
		return NULL;
	bytes = (sizeof *block + room + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
	block = aligned_alloc(LINE_BYTES, bytes);
	if (!block)
		return NULL;
	atomic_init(&block->refs, 1);
	block->charge = (uint32_t)(bytes / LINE_BYTES);
	block->len = room;
	block->table = 0;
	block->offset = 0;
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

void cached_block_unref(struct cached_block *block)
{
	if (block && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1)
		free(block);
}

struct slice cached_block_data(const struct cached_block *block)
{
	return slice_of(block->data, block->len);
}

static inline uint64_t charge_of(const struct cached_block *block)
{
	return (uint64_t)block->charge * LINE_BYTES + 2 * sizeof(struct slot);
}

/* The slot of the block, or the free one where it belongs: there always is one. */
static inline struct slot *find_slot(const struct shard *shard, uint64_t hash, uint64_t table,
	uint64_t offset)
{
	uint32_t i = tag_of(hash) & shard->mask;

	for (;; i = (i + 1) & shard->mask) {
		struct slot *slot = &shard->slots[i];

		if (!slot->block)
			return slot;
		if (slot->tag == tag_of(hash) && slot->block->table == table &&
			slot->block->offset == offset)
			return slot;
	}
}

struct cached_block *block_cache_find(struct block_cache *cache, uint64_t table, uint64_t offset)
{
	uint64_t hash = hash_of(table, offset);
	struct shard *shard = shard_of(cache, hash);
	struct cached_block *block;
	struct slot *slot;

	lock(shard);
	slot = find_slot(shard, hash, table, offset);
	block = slot->block;
	if (block) {
		slot->used = 1;
		shard->hits++;
		atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
	} else {
		shard->misses++;
	}
	unlock(shard);
	return block;
}

void block_cache_prefetch(struct block_cache *cache, uint64_t table, uint64_t offset)
{
	uint64_t hash = hash_of(table, offset);
	struct shard *shard = shard_of(cache, hash);
	const char *lines = NULL;

	/* only the tag is compared: the block itself is what must not be waited for. Another one does no harm, nor does one
	 * that is freed in between. */
	lock(shard);
	for (uint32_t i = tag_of(hash) & shard->mask; shard->slots[i].block && !lines;
		i = (i + 1) & shard->mask) {
		if (shard->slots[i].tag == tag_of(hash))
			lines = (const char *)shard->slots[i].block;
	}
	unlock(shard);
	for (unsigned i = 0; lines && i < PREFETCH_LINES; i++)
		__builtin_prefetch(lines + i * LINE_BYTES);
}

void block_cache_prefetch_slot(const struct block_cache *cache, uint64_t table, uint64_t offset)
{
	uint64_t hash = hash_of(table, offset);
	const struct shard *shard = shard_of(cache, hash);

	__builtin_prefetch(&shard->slots[tag_of(hash) & shard->mask]);
}

/* Empties a slot and moves those behind it up that would not be found any more. */
static void remove_slot(struct shard *shard, uint32_t gap)
{
	uint32_t i = gap;

	for (;;) {
		uint32_t home;

		i = (i + 1) & shard->mask;
		if (!shard->slots[i].block)
			break;
		home = shard->slots[i].tag & shard->mask;
		/* may it lie in the gap: is the gap between its home and where it is? */
		if (((i - home) & shard->mask) >= ((i - gap) & shard->mask)) {
			shard->slots[gap] = shard->slots[i];
			gap = i;
		}
	}
	shard->slots[gap] = (struct slot){ 0 };
}

/* Takes one block out of the shard: the next that was not found since the hand came by last. The shard is not empty. */
static struct cached_block *evict_locked(struct shard *shard)
{
	for (;;) {
		struct slot *slot = &shard->slots[shard->hand];
		struct cached_block *block = slot->block;

		if (block && !slot->used) {
			/* the hand stays: another may have moved into this slot */
			remove_slot(shard, shard->hand);
			shard->bytes -= charge_of(block);
			shard->blocks--;
			return block;
		}
		slot->used = 0;
		shard->hand = (shard->hand + 1) & shard->mask;
	}
}

static bool is_full_locked(const struct shard *shard, uint64_t more)
{
	return shard->blocks > 0 &&
		(more > shard->capacity - shard->bytes || shard->blocks > shard->mask / 4 * 3);
}

/* Enters the block when it is not there; else returns the one that is, with a reference. */
static struct cached_block *enter_locked(struct shard *shard, uint64_t hash,
	struct cached_block *block)
{
	struct slot *slot = find_slot(shard, hash, block->table, block->offset);

	if (!slot->block) {
		*slot = (struct slot){ .tag = tag_of(hash), .block = block };
		shard->bytes += charge_of(block);
		shard->blocks++;
	}
	/* of the cache in the one case, of the caller in the other */
	atomic_fetch_add_explicit(&slot->block->refs, 1, memory_order_relaxed);
	return slot->block;
}

struct cached_block *block_cache_add(struct block_cache *cache, uint64_t table, uint64_t offset,
	struct cached_block *block)
{
	uint64_t hash = hash_of(table, offset);
	struct shard *shard = shard_of(cache, hash);
	struct cached_block *ret, *evicted;

	block->table = table;
	block->offset = offset;
	if (charge_of(block) > shard->capacity)
		return block;
	for (;;) {
		evicted = NULL;
		ret = NULL;
		lock(shard);
		if (is_full_locked(shard, charge_of(block)))
			evicted = evict_locked(shard);
		else
			ret = enter_locked(shard, hash, block);
		unlock(shard);
		cached_block_unref(evicted);
		if (ret)
			break;
	}
	if (ret != block)
		cached_block_unref(block);
	return ret;
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
		stats.misses += shard->misses;
		unlock(shard);
	}
	*ret = stats;
}
