/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The newest writes, in memory: an ordered index (art) from key to its chain of versions, newest first,
 * all in one arena. The commit thread is the only writer; readers need no lock. Counted references
 * keep it (and every slice handed out) alive.
 *
 * Range deletes are no entries of the index: they lie beside it, in a form that is replaced as a whole (range_runs).
 *
 * Life: active (being written) -> frozen (immutable, waiting) -> flushed (its table is in the MANIFEST).
 */
#ifndef KV_ENGINE_MEMTABLE_H
#define KV_ENGINE_MEMTABLE_H

#include "base/status.h"
#include "engine/entry.h"
#include "engine/iter.h"
#include "engine/range_runs.h"

struct blob_set;
struct memtable;

enum memtable_state { MEMTABLE_ACTIVE, MEMTABLE_FROZEN, MEMTABLE_FLUSHED };

/* `wal_number`: the oldest WAL segment that holds entries of it. One reference, the caller's. NULL when out of
 * memory. */
struct memtable *memtable_new(uint64_t wal_number);
struct memtable *memtable_ref(struct memtable *memtable); /* any thread */
void memtable_unref(struct memtable *memtable);           /* any thread; NULL is allowed */
/* From now on it holds a reference on the blob file of each entry that has one. Before the first add; `blobs` must outlive the memtable. */
void memtable_keep_blobs(struct memtable *memtable, struct blob_set *blobs);

/* From now on memtable_may_have() says no to most keys that are not there. `memtable_bytes`: what the memtable will hold, roughly. Before the first add;
 * without memory for it, nothing changes. */
void memtable_add_filter(struct memtable *memtable, uint64_t memtable_bytes);

/* Takes the memory that the next memtable_add()s for these entries will need: `count` entries, `key_bytes` and
 * `value_bytes` of keys and values in all. After KV_OK they cannot fail. The writer only. */
kv_status memtable_reserve(struct memtable *memtable, size_t count, size_t key_bytes,
	size_t value_bytes);

/* The same for range deletes (memtable_reserve counts their entries, too): with the sequences that they will be added with,
 * ascending. A later call replaces an earlier one whose range deletes were not added. */
kv_status memtable_reserve_ranges(struct memtable *memtable, const struct range *ranges, size_t count);

/* Adds one version or range delete (copied). Sequences must rise from call to call. KV_CORRUPT: no pointer to a blob file. The writer only; readers
 * that look for sequences
 * up to `entry->sequence` see it at once. */
kv_status memtable_add(struct memtable *memtable, const struct entry *entry);

/* The newest version of `key` with sequence <= max_sequence, also when it is a delete (by a range delete, too: then with the sequence
 * of that); false when there is none.
 * The slices are good while the memtable is referenced. Any thread. */
bool memtable_get(const struct memtable *memtable, struct slice key, uint64_t max_sequence,
	struct entry *ret);

/* False: memtable_get() would find nothing, whatever the sequence. `hash` = key_hash(key). Any thread. */
bool memtable_may_have(const struct memtable *memtable, uint64_t hash);
/* Starts to fetch what memtable_may_have() will look at. */
void memtable_prefetch(const struct memtable *memtable, uint64_t hash);

/* Its range deletes, as of now; NULL: none. Good while the memtable is referenced. Any thread. */
const struct range_runs *memtable_ranges(const struct memtable *memtable);

/* Are they so many that the memtable is full? Any thread. */
bool memtable_has_many_ranges(const struct memtable *memtable);

/* Iterator over all versions, without range deletes; takes a reference for its life. NULL when out of memory. */
struct iter *memtable_iter(struct memtable *memtable);

/* The only way to change the state; legal: active -> frozen -> flushed. */
void memtable_set_state(struct memtable *memtable, enum memtable_state state);
enum memtable_state memtable_get_state(const struct memtable *memtable);

uint64_t memtable_wal_number(const struct memtable *memtable);
uint64_t memtable_blob_bytes(const struct memtable *memtable);   /* of the values in blob files that entries point to; any thread */
size_t memtable_bytes(const struct memtable *memtable);          /* memory in use; any thread */
uint64_t memtable_entries(const struct memtable *memtable);      /* with range deletes; any thread */
uint64_t memtable_last_sequence(const struct memtable *memtable); /* 0 when empty; any thread */
/* clock_monotonic_us() of the first add, 0 when empty; any thread */
uint64_t memtable_first_write_us(const struct memtable *memtable);

#endif
