/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each key's leaf holds the newest of its versions; each version points to the next older one. A version is
 * published by one release store, of the leaf into the tree or of the leaf's head, after everything in it was
 * written; it never changes after that.
 *
 * In memory a version's value lies before its header, and the header of a key's first version right before the
 * leaf: a lookup finds all it needs but the value in one or two cache lines.
 *
 *	value [expires:u64] struct version | struct art_leaf key
 */
#include "engine/memtable.h"

#include "base/clock.h"
#include "engine/art.h"
#include "engine/memtable_iter.h"
#include "engine/memtable_version.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* bytes; touched only as they are used */
enum {
	LEAF_BLOCK = 1 << 20,
	NODE_BLOCK = 1 << 18,
};

struct memtable {
	uint64_t wal_number; /* constant, as the next three */
	struct arena *nodes;
	struct arena *leaves; /* and versions */
	struct art *art;

	/* any thread */
	atomic_uint references;
	_Atomic(enum memtable_state) state;

	/* written by the writer, read by any */
	atomic_size_t bytes;
	atomic_uint_fast64_t entries;
	atomic_uint_fast64_t last_sequence;
	atomic_uint_fast64_t first_write_us;
};

struct memtable *memtable_new(uint64_t wal_number)
{
	struct memtable *memtable = malloc(sizeof *memtable);

	if (!memtable)
		return NULL;
	*memtable = (struct memtable){
		.wal_number = wal_number,
		.nodes = arena_new(NODE_BLOCK),
		.leaves = arena_new(LEAF_BLOCK),
		.references = 1,
		.state = MEMTABLE_ACTIVE,
	};
	if (memtable->nodes && memtable->leaves)
		memtable->art = art_new(memtable->nodes, memtable->leaves);
	if (!memtable->art) {
		memtable_unref(memtable);
		return NULL;
	}
	return memtable;
}

struct memtable *memtable_ref(struct memtable *memtable)
{
	atomic_fetch_add_explicit(&memtable->references, 1, memory_order_relaxed);
	return memtable;
}

void memtable_unref(struct memtable *memtable)
{
	if (!memtable ||
		atomic_fetch_sub_explicit(&memtable->references, 1, memory_order_acq_rel) != 1)
		return;
	arena_free(memtable->nodes);
	arena_free(memtable->leaves);
	free(memtable);
}

kv_status memtable_reserve(struct memtable *memtable, size_t count, size_t key_bytes,
	size_t value_bytes)
{
	size_t bytes;
	kv_status status;

	if (__builtin_mul_overflow(count, art_leaf_bytes(0) + memtable_version_bytes(0), &bytes) ||
		__builtin_add_overflow(bytes, key_bytes, &bytes) ||
		__builtin_add_overflow(bytes, value_bytes, &bytes))
		return KV_NO_MEMORY;
	status = arena_reserve(memtable->leaves, bytes);
	if (status == KV_OK)
		status = art_reserve_nodes(memtable->art, count);
	return status;
}

/* What others may ask for. The sequence last: who sees it, sees the entry. */
static void note_added(struct memtable *memtable, uint64_t sequence)
{
	uint64_t entries = atomic_load_explicit(&memtable->entries, memory_order_relaxed);

	if (entries == 0)
		atomic_store_explicit(&memtable->first_write_us, clock_monotonic_us(), memory_order_relaxed);
	atomic_store_explicit(&memtable->bytes, arena_used(memtable->nodes) + arena_used(memtable->leaves),
		memory_order_relaxed);
	atomic_store_explicit(&memtable->entries, entries + 1, memory_order_relaxed);
	atomic_store_explicit(&memtable->last_sequence, sequence, memory_order_release);
}

kv_status memtable_add(struct memtable *memtable, const struct entry *entry)
{
	struct memtable_version *version;
	struct art_leaf *leaf;
	bool inserted;
	kv_status status;

	assert(memtable_get_state(memtable) == MEMTABLE_ACTIVE);
	assert(entry->key.len <= ENTRY_KEY_MAX && entry->value.len <= ENTRY_VALUE_MAX);
	assert(entry->sequence > memtable_last_sequence(memtable) && entry->sequence <= ENTRY_SEQUENCE_MAX);
	version = memtable_version_new(memtable->leaves, entry);
	if (!version)
		return KV_NO_MEMORY;
	status = art_insert(memtable->art, entry->key, version, &leaf, &inserted);
	if (status != KV_OK)
		return status;
	if (!inserted) {
		version->older = memtable_version_newest(leaf);
		atomic_store_explicit(&leaf->head, version, memory_order_release);
	}
	note_added(memtable, entry->sequence);
	return KV_OK;
}

bool memtable_get(const struct memtable *memtable, struct slice key, uint64_t max_sequence,
	struct entry *ret)
{
	const struct art_leaf *leaf = art_find(memtable->art, key);
	const struct memtable_version *version = leaf ? memtable_version_at(leaf, max_sequence) : NULL;

	if (!version)
		return false;
	*ret = memtable_version_entry(leaf, version);
	return true;
}

struct iter *memtable_iter(struct memtable *memtable)
{
	return memtable_iter_new(memtable, memtable->art);
}

void memtable_set_state(struct memtable *memtable, enum memtable_state state)
{
	enum memtable_state before = atomic_exchange(&memtable->state, state);

	assert((before == MEMTABLE_ACTIVE && state == MEMTABLE_FROZEN) ||
		(before == MEMTABLE_FROZEN && state == MEMTABLE_FLUSHED));
	(void)before;
}

enum memtable_state memtable_get_state(const struct memtable *memtable)
{
	return atomic_load(&memtable->state);
}

uint64_t memtable_wal_number(const struct memtable *memtable)
{
	return memtable->wal_number;
}

size_t memtable_bytes(const struct memtable *memtable)
{
	return atomic_load_explicit(&memtable->bytes, memory_order_relaxed);
}

uint64_t memtable_entries(const struct memtable *memtable)
{
	return atomic_load_explicit(&memtable->entries, memory_order_relaxed);
}

uint64_t memtable_last_sequence(const struct memtable *memtable)
{
	return atomic_load_explicit(&memtable->last_sequence, memory_order_acquire);
}

uint64_t memtable_first_write_us(const struct memtable *memtable)
{
	return atomic_load_explicit(&memtable->first_write_us, memory_order_relaxed);
}
