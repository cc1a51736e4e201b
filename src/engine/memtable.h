/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The newest writes, in memory: an ordered index (art) from key to its chain of versions, newest first,
 * all in one arena. The commit thread is the only writer; readers need no lock. Counted references
 * keep it (and every slice handed out) alive.
 *
 * Life: active (being written) -> frozen (immutable, waiting) -> flushed (its table is in the MANIFEST).
 */
#ifndef KV_ENGINE_MEMTABLE_H
#define KV_ENGINE_MEMTABLE_H

#include "base/status.h"
#include "engine/entry.h"
#include "engine/iter.h"

struct memtable;

enum memtable_state { MEMTABLE_ACTIVE, MEMTABLE_FROZEN, MEMTABLE_FLUSHED };

/* `wal_number`: the oldest WAL segment that holds entries of it. One reference, the caller's. NULL when out of
 * memory. */
struct memtable *memtable_new(uint64_t wal_number);
struct memtable *memtable_ref(struct memtable *memtable); /* any thread */
void memtable_unref(struct memtable *memtable);           /* any thread; NULL is allowed */

/* Takes the memory that the next memtable_add()s for these entries will need: `count` entries, `key_bytes` and
 * `value_bytes` of keys and values in all. After KV_OK they cannot fail. The writer only. */
kv_status memtable_reserve(struct memtable *memtable, size_t count, size_t key_bytes,
	size_t value_bytes);

/* Adds one version (copied). Sequences must rise from call to call. The writer only; readers that look for sequences
 * up to `entry->sequence` see it at once. */
kv_status memtable_add(struct memtable *memtable, const struct entry *entry);

/* The newest version of `key` with sequence <= max_sequence, also when it is a delete; false when there is none.
 * The slices are good while the memtable is referenced. Any thread. */
bool memtable_get(const struct memtable *memtable, struct slice key, uint64_t max_sequence,
	struct entry *ret);

/* Iterator over all versions; takes a reference for its life. NULL when out of memory. */
struct iter *memtable_iter(struct memtable *memtable);

/* The only way to change the state; legal: active -> frozen -> flushed. */
void memtable_set_state(struct memtable *memtable, enum memtable_state state);
enum memtable_state memtable_get_state(const struct memtable *memtable);

uint64_t memtable_wal_number(const struct memtable *memtable);
size_t memtable_bytes(const struct memtable *memtable);          /* memory in use; any thread */
uint64_t memtable_entries(const struct memtable *memtable);      /* any thread */
uint64_t memtable_last_sequence(const struct memtable *memtable); /* 0 when empty; any thread */
/* clock_monotonic_us() of the first add, 0 when empty; any thread */
uint64_t memtable_first_write_us(const struct memtable *memtable);

#endif
