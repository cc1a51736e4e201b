/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `struct table`: one live table as views share it: its meta, a counted life, and its reader, which is opened at
 * the first use and closed again when too many are open.
 *
 * Point reads run inside an RCU read section and use the reader without counting; so a reader is taken away by
 * swapping the pointer, waiting for RCU, then closing (table_cache_trim, background thread). Iterators count.
 */
#ifndef KV_ENGINE_TABLE_CACHE_H
#define KV_ENGINE_TABLE_CACHE_H

#include "engine/blob_set.h"
#include "engine/sst_reader.h"

struct table_cache;
struct table;

/* All borrowed and constant. `open_max`: readers open at a time (soft: exceeded until the next trim). NULL when out of memory. */
struct table_cache *table_cache_new(const struct dir *dir, const struct store_id *id,
	struct block_cache *blocks, size_t open_max);
/* `full` is called by whoever has opened a table beyond that, each time: it is to see that table_cache_trim() comes. It may be inside a read
 * section: `full` waits for nobody who waits for RCU. Before there are tables. */
void table_cache_on_full(struct table_cache *cache, void (*full)(void *arg), void *arg);
struct table_cache *table_cache_free(struct table_cache *cache); /* no table may be left */

/* A table with one reference; copies the meta. Does not open it. NULL when out of memory. */
struct table *table_new(struct table_cache *cache, const struct sst_meta *meta);
/* The table takes a reference on each blob file that its entries point to, and gives it up when it is freed. Reads their list from the file, when there is
 * one, and leaves it open where there is room; before the table gets into a view. KV_CORRUPT, KV_IO, KV_NO_MEMORY: it holds none. */
kv_status table_hold_blobs(struct table *table, struct blob_set *blobs, struct kv_error *err);
/* The numbers of these files. While the table is referenced. */
void table_each_blob(const struct table *table, void (*each)(void *arg, uint64_t number), void *arg);
struct table *table_ref(struct table *table); /* any thread */
/* Any thread, also inside a read section: does no I/O and no waiting; the last one hands the table to the cache's list of the
 * dropped, which table_cache_trim() works off. NULL is allowed. */
void table_unref(struct table *table);

const struct sst_meta *table_meta(const struct table *table); /* constant */

/* The file is to be removed when the last reference goes. Any thread. */
void table_set_obsolete(struct table *table);

/* A mark for those who compact, who guard it. Damaged: a compaction could not read it. */
enum table_mark { TABLE_FREE, TABLE_BUSY, TABLE_DAMAGED };
void table_set_mark(struct table *table, enum table_mark mark);
enum table_mark table_get_mark(const struct table *table);

/* Damage was found in it, by whomever. True the first time. Any thread. */
bool table_note_damage(struct table *table);
bool table_has_damage(const struct table *table);
/* It has passed. True when there was some. Any thread. */
bool table_forget_damage(struct table *table);
/* Whether it has left the tree, so that what is found in it is of no interest any more. Any thread. */
bool table_is_obsolete(const struct table *table);

/* Inside an RCU read section, as the two below. By the filter of an open reader: false when the table does not hold the key, true when that is not
 * known. `hash` = key_hash(key). */
bool table_may_have(struct table *table, uint64_t hash);
/* Starts to fetch what table_may_have() will look at. */
void table_prefetch_filter(const struct table *table, uint64_t hash);
/* As sst_reader_get; after table_may_have() said yes. */
kv_status table_get(struct table *table, struct slice key, uint64_t hash, uint64_t max_sequence,
	struct entry *ret, struct pinned *ret_pin, struct kv_error *err);

/* The iterator keeps the table and its reader. Failure to open is reported by the iterator. NULL when out of memory. */
struct iter *table_iter(struct table *table, bool keep_blocks);

/* Which part of the table lies in [start, end), 0 to 1, by its index; an empty `end`: to its last key. Outside of a read section. */
kv_status table_share(struct table *table, struct slice start, struct slice end, double *ret,
	struct kv_error *err);

/* Opens the reader now, to find damage early. */
kv_status table_check(struct table *table, struct kv_error *err);

/* Brings the table's blocks into the block cache as far as there is room, and leaves it open; not where too many are. Outside of a read section; while the table is referenced. */
kv_status table_warm(struct table *table, struct kv_error *err);
/* That was not done; somebody is to take it, once, and do it later. Any thread. */
void table_leave_cold(struct table *table);
bool table_take_cold(struct table *table);

/* Closes readers of dropped tables and those above the limit that were not used lately; removes the files of dropped obsolete tables
 * (not synced: an orphan is swept at the next start). Waits for RCU. Background thread. The first error of an unlink is returned after
 * the rest was done. */
kv_status table_cache_trim(struct table_cache *cache, struct kv_error *err);

struct table_cache_stats {
	uint64_t open_readers;
	uint64_t memory_bytes; /* indexes and filters */
	uint64_t filter_negatives;
	uint64_t damaged; /* tables in which damage was found */
};

void table_cache_get_stats(struct table_cache *cache, struct table_cache_stats *ret);

#endif
