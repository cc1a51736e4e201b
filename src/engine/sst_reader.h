/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads one table. Open: footer, properties, index and filter are read, verified and kept in memory; data blocks come through the
 * block cache and are verified (checksum seeded by store id, file number and offset) whenever they are read from disk.
 * All functions: any thread, no lock.
 */
#ifndef KV_ENGINE_SST_READER_H
#define KV_ENGINE_SST_READER_H

#include "base/file.h"
#include "base/pinned.h"
#include "engine/blob_pointer.h"
#include "engine/block_cache.h"
#include "engine/entry.h"
#include "engine/format.h"
#include "engine/iter.h"
#include "engine/sst_blobs.h"
#include "engine/sst_meta.h"

struct sst_reader;

/* KV_CORRUPT with file and offset; also when `expected` (from the MANIFEST; NULL: unknown) differs from the table's properties. KV_NOT_FOUND: no such
 * file. `cache` is borrowed. */
kv_status sst_reader_open(const struct dir *dir, const struct store_id *id, uint64_t number,
	const struct sst_meta *expected, struct block_cache *cache, struct sst_reader **ret,
	struct kv_error *err);
struct sst_reader *sst_reader_close(struct sst_reader *reader);

const struct sst_meta *sst_reader_meta(const struct sst_reader *reader);
/* The blob files that entries of the table point to; lives as long as the reader. */
const struct sst_blobs *sst_reader_blobs(const struct sst_reader *reader);
size_t sst_reader_memory(const struct sst_reader *reader); /* bytes of index, filter and list of blobs */

/* May the table hold the key (filter)? `hash` = key_hash(key). */
bool sst_reader_may_have(const struct sst_reader *reader, uint64_t hash);

/* Starts to fetch what sst_reader_may_have() will look at. */
void sst_reader_prefetch_filter(const struct sst_reader *reader, uint64_t hash);

/* Does not ask the filter. The newest version of `key` with sequence <= max_sequence, a delete as well. `ret->value` stays good until
 * pinned_release(ret_pin); ret->key is the caller's `key`. KV_NOT_FOUND; KV_CORRUPT, KV_IO, KV_NO_MEMORY. */
kv_status sst_reader_get(struct sst_reader *reader, struct slice key, uint64_t hash,
	uint64_t max_sequence, struct entry *ret, struct pinned *ret_pin, struct kv_error *err);

/* `keep_blocks`: enter what is read into the cache (false for compactions and big scans; then reads ahead in larger pieces). The reader must
 * outlive the iterator. NULL when out of memory. */
struct iter *sst_reader_iter(struct sst_reader *reader, bool keep_blocks);
/* The same, which calls release(owner) when it is closed, so that it can hold what keeps the reader. On NULL it has not been called. */
struct iter *sst_reader_iter_owned(struct sst_reader *reader, bool keep_blocks,
	void (*release)(void *owner), void *owner);

/* Reads the data blocks that the cache has room for, so that the first readers of a table just written need not. */
kv_status sst_reader_warm(struct sst_reader *reader, struct kv_error *err);

/* Which part of the blocks lies in [start, end), 0 to 1; half a block when both are in the same one. An empty `end`: to the last key. */
double sst_reader_share(const struct sst_reader *reader, struct slice start, struct slice end);

/* Reads and verifies everything. */
kv_status sst_reader_verify(struct sst_reader *reader, struct kv_error *err);

/* How a file is verified beside other work. */
struct verify_way {
	/* Before so many bytes are read: may wait. What is not KV_OK ends it, with this status and `err` as it was. */
	kv_status (*pace)(void *arg, uint64_t bytes);
	/* For each entry that points to a blob file; may be NULL. As pace. */
	kv_status (*blob)(void *arg, struct slice key, const struct blob_pointer *pointer);
	void *arg;
};

/* The same, where it goes from the disk instead of from the kernel's memory. */
kv_status sst_reader_verify_from_disk(struct sst_reader *reader, const struct verify_way *way,
	struct kv_error *err);

#endif
