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

#include "base/checksum.h"
#include "base/clock.h"
#include "engine/art.h"
#include "engine/blob_format.h"
#include "engine/blob_pointer.h"
#include "engine/blob_set.h"
#include "engine/memtable_filter.h"
#include "engine/memtable_iter.h"
#include "engine/memtable_version.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* bytes; touched only as they are used */
enum {
	LEAF_BLOCK = ARENA_HUGE_BLOCK,
	NODE_BLOCK = ARENA_HUGE_BLOCK,
};

enum { FILTER_SHARE = 64 }; /* of the memory that a memtable may take, one part: some 20 bits for a small entry */
enum { MANY_RANGES = 1024 }; /* range deletes with which it is full */

/* A reference that is to be given up; in the arena. */
struct blob_ref {
	struct blob_ref *next;
	uint64_t number;
};

struct memtable {
	uint64_t wal_number; /* constant, as the next five */
	struct blob_set *blobs; /* NULL: nobody keeps count */
	struct memtable_filter *filter; /* of the keys of the index; NULL: none */
	struct arena *nodes;
	struct arena *leaves; /* and versions */
	struct art *art;
	_Atomic(struct range_runs *) ranges; /* NULL: none; written by the writer, read by any */

	/* any thread */
	atomic_uint references;
	_Atomic(enum memtable_state) state;

	struct blob_ref *blob_refs; /* the writer, and the last unref */
	struct range_runs *prepared; /* the writer only, as the next: what `ranges` will be; NULL: nothing is waiting */
	uint64_t ranges_until;       /* the last sequence in `ranges` */

	/* written by the writer, read by any */
	atomic_size_t bytes;
	atomic_uint_fast64_t entries;
	atomic_uint_fast64_t last_sequence;
	atomic_uint_fast64_t first_write_us;
	atomic_uint_fast64_t blob_bytes;
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

void memtable_keep_blobs(struct memtable *memtable, struct blob_set *blobs)
{
	memtable->blobs = blobs;
}

void memtable_add_filter(struct memtable *memtable, uint64_t memtable_bytes)
{
	assert(!memtable->filter && memtable_entries(memtable) == 0);
	memtable->filter = memtable_filter_new((size_t)(memtable_bytes / FILTER_SHARE));
}

static void drop_blobs(struct memtable *memtable)
{
	for (const struct blob_ref *ref = memtable->blob_refs; ref; ref = ref->next)
		blob_set_unref(memtable->blobs, ref->number);
}

/* Not inlined, as get_among_ranges(): almost every call is that of a get that goes on without it. */
static __attribute__((noinline)) void destroy(struct memtable *memtable)
{
	drop_blobs(memtable);
	range_runs_free(memtable->prepared ? memtable->prepared : atomic_load(&memtable->ranges));
	arena_free(memtable->nodes);
	arena_free(memtable->leaves);
	free(memtable->filter);
	free(memtable);
}

void memtable_unref(struct memtable *memtable)
{
	if (memtable && atomic_fetch_sub_explicit(&memtable->references, 1, memory_order_acq_rel) == 1)
		destroy(memtable);
}

kv_status memtable_reserve(struct memtable *memtable, size_t count, size_t key_bytes,
	size_t value_bytes)
{
	size_t bytes;
	kv_status status;

	if (__builtin_mul_overflow(count, art_leaf_bytes(0) + memtable_version_bytes(0) + sizeof(struct blob_ref), &bytes) ||
		__builtin_add_overflow(bytes, key_bytes, &bytes) ||
		__builtin_add_overflow(bytes, value_bytes, &bytes))
		return KV_NO_MEMORY;
	status = arena_reserve(memtable->leaves, bytes);
	if (status == KV_OK)
		status = art_reserve_nodes(memtable->art, count);
	return status;
}

kv_status memtable_reserve_ranges(struct memtable *memtable, const struct range *ranges, size_t count)
{
	struct range_runs *now = atomic_load_explicit(&memtable->ranges, memory_order_relaxed);
	struct range_runs *next;

	if (memtable->prepared)
		range_runs_pop(memtable->prepared);
	memtable->prepared = NULL;
	next = range_runs_add(now, ranges, count);
	if (!next)
		return KV_NO_MEMORY;
	memtable->prepared = next;
	return KV_OK;
}

static size_t ranges_bytes(const struct memtable *memtable)
{
	const struct range_runs *ranges = memtable_ranges(memtable);

	return ranges ? ranges->bytes : 0;
}

/* What others may ask for. The sequence last: who sees it, sees the entry. */
static void note_added(struct memtable *memtable, uint64_t sequence)
{
	uint64_t entries = atomic_load_explicit(&memtable->entries, memory_order_relaxed);

	if (entries == 0)
		atomic_store_explicit(&memtable->first_write_us, clock_monotonic_us(), memory_order_relaxed);
	atomic_store_explicit(&memtable->bytes, arena_used(memtable->nodes) + arena_used(memtable->leaves) +
		ranges_bytes(memtable),
		memory_order_relaxed);
	atomic_store_explicit(&memtable->entries, entries + 1, memory_order_relaxed);
	atomic_store_explicit(&memtable->last_sequence, sequence, memory_order_release);
}

static kv_status keep_blob(struct memtable *memtable, const struct entry *entry)
{
	struct blob_pointer pointer;
	struct blob_ref *ref;
	kv_status status;

	if (!blob_pointer_decode(entry->value, &pointer))
		return KV_CORRUPT;
	if (memtable->blobs) {
		ref = arena_alloc(memtable->leaves, sizeof *ref, _Alignof(struct blob_ref));
		if (!ref)
			return KV_NO_MEMORY;
		status = blob_set_ref(memtable->blobs, pointer.number, blob_file_bytes(pointer.size));
		if (status != KV_OK)
			return status;
		*ref = (struct blob_ref){ memtable->blob_refs, pointer.number };
		memtable->blob_refs = ref;
	}
	atomic_store_explicit(&memtable->blob_bytes, memtable_blob_bytes(memtable) + pointer.size,
		memory_order_relaxed);
	return KV_OK;
}

/* All that was prepared is published with the first of it: nobody can ask for the sequences of the others yet. */
static kv_status add_range(struct memtable *memtable, const struct entry *entry)
{
	struct range range = range_of_entry(entry);
	kv_status status = KV_OK;

	if (entry->sequence <= memtable->ranges_until)
		return KV_OK;
	if (!memtable->prepared)
		status = memtable_reserve_ranges(memtable, &range, 1);
	if (status != KV_OK)
		return status;
	memtable->ranges_until = memtable->prepared->last_sequence;
	atomic_store_explicit(&memtable->ranges, memtable->prepared, memory_order_release);
	memtable->prepared = NULL;
	return KV_OK;
}

static kv_status add_version(struct memtable *memtable, const struct entry *entry)
{
	uint64_t hash = key_hash(entry->key);
	struct memtable_version *version;
	struct art_leaf *leaf;
	bool inserted;
	kv_status status;

	if (memtable->filter) /* while the value is copied */
		__builtin_prefetch(&memtable->filter->words[memtable_filter_word(memtable->filter, hash)], 1);
	version = memtable_version_new(memtable->leaves, entry);
	if (!version)
		return KV_NO_MEMORY;
	if (memtable->filter)
		memtable_filter_add(memtable->filter, hash);
	status = art_insert(memtable->art, entry->key, version, &leaf, &inserted);
	if (status == KV_OK && !inserted) {
		version->older = memtable_version_newest(leaf);
		atomic_store_explicit(&leaf->head, version, memory_order_release);
	}
	return status;
}

kv_status memtable_add(struct memtable *memtable, const struct entry *entry)
{
	kv_status status;

	assert(memtable_get_state(memtable) == MEMTABLE_ACTIVE);
	assert(entry->key.len <= ENTRY_KEY_MAX && entry->value.len <= ENTRY_VALUE_MAX);
	assert(entry->sequence > memtable_last_sequence(memtable) && entry->sequence <= ENTRY_SEQUENCE_MAX);
	if (entry->kind == ENTRY_BLOB) {
		status = keep_blob(memtable, entry);
		if (status != KV_OK)
			return status;
	}
	status = entry->kind == ENTRY_RANGE_DELETE ? add_range(memtable, entry) :
						     add_version(memtable, entry);
	if (status == KV_OK)
		note_added(memtable, entry->sequence);
	return status;
}

const struct range_runs *memtable_ranges(const struct memtable *memtable)
{
	return atomic_load_explicit(&memtable->ranges, memory_order_acquire);
}

bool memtable_has_many_ranges(const struct memtable *memtable)
{
	const struct range_runs *ranges = memtable_ranges(memtable);

	return ranges && ranges->ranges >= MANY_RANGES;
}

static inline bool get_version(const struct memtable *memtable, struct slice key, uint64_t max_sequence,
	struct entry *ret)
{
	const struct art_leaf *leaf = art_find(memtable->art, key);
	const struct memtable_version *version = leaf ? memtable_version_at(leaf, max_sequence) : NULL;

	if (!version)
		return false;
	*ret = memtable_version_entry(leaf, version);
	return true;
}

/* The key is deleted when a range delete is newer than its version, or it has none. */
static __attribute__((noinline)) bool get_among_ranges(const struct memtable *memtable,
	const struct range_runs *ranges, struct slice key, uint64_t max_sequence, struct entry *ret)
{
	uint64_t sequence = range_runs_cover(ranges, key, max_sequence);

	if (get_version(memtable, key, max_sequence, ret) && ret->sequence > sequence)
		return true;
	if (sequence == 0)
		return false;
	*ret = (struct entry){ .key = key, .sequence = sequence, .kind = ENTRY_DELETE };
	return true;
}

void memtable_prefetch(const struct memtable *memtable, uint64_t hash)
{
	const struct memtable_filter *filter = memtable->filter;

	if (filter)
		__builtin_prefetch(&filter->words[memtable_filter_word(filter, hash)]);
}

bool memtable_may_have(const struct memtable *memtable, uint64_t hash)
{
	return !memtable->filter || memtable_filter_may_have(memtable->filter, hash) ||
		memtable_ranges(memtable);
}

bool memtable_get(const struct memtable *memtable, struct slice key, uint64_t max_sequence,
	struct entry *ret)
{
	const struct range_runs *ranges = memtable_ranges(memtable);

	if (ranges)
		return get_among_ranges(memtable, ranges, key, max_sequence, ret);
	return get_version(memtable, key, max_sequence, ret);
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

uint64_t memtable_blob_bytes(const struct memtable *memtable)
{
	return atomic_load_explicit(&memtable->blob_bytes, memory_order_relaxed);
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
