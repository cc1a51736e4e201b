/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log-structured merge tree: the public face of the engine layer, used by store/ only. What the functions promise
 * stands in store/store.h, where the same operations are offered to the layers above; here is what is particular.
 */
#ifndef KV_ENGINE_ENGINE_H
#define KV_ENGINE_ENGINE_H

#include "base/file.h"
#include "base/log.h"
#include "base/pinned.h"
#include "engine/batch.h"
#include "engine/filename.h"
#include "engine/health.h"
#include "engine/iter_live.h"
#include "engine/manifest.h"
#include "engine/sst_writer.h"

struct engine;
struct engine_snapshot;
struct engine_iter;

struct engine_options {
	const char *data_dir;
	const struct fs *fs;
	uint64_t memtable_bytes;     /* a memtable is frozen at this size, 16 KiB and more */
	uint64_t table_bytes;        /* size of the tables that compactions write */
	uint64_t block_cache_bytes;
	size_t open_tables_max;
	uint32_t flush_interval_s;   /* 0: only by size */
	uint32_t compaction_threshold; /* level-0 tables */
	unsigned compaction_threads; /* 1..8 */
	bool sync_commits;           /* durability of a write that does not say */
	struct sst_options table;
	void (*event)(void *arg, enum log_level level, const char *text);
	void *event_arg;
};

kv_status engine_open(const struct engine_options *options, struct engine **ret,
	struct kv_error *err);
void engine_retune(struct engine *engine, uint32_t flush_interval_s, uint32_t compaction_threshold);

struct engine_finish_report {
	uint64_t entries_flushed, bytes_flushed;
	char table[FILENAME_MAX_BYTES]; /* written by the last flush; "": memory was empty */
	uint64_t wal_segments_removed;
	uint64_t tables, bytes_on_disk;
	uint64_t elapsed_us;
};

kv_status engine_finish(struct engine *engine, struct engine_finish_report *ret,
	struct kv_error *err);
struct engine *engine_close(struct engine *engine);

/* ---- writing ---- */

enum engine_expect {
	ENGINE_EXPECT_NOTHING,
	ENGINE_EXPECT_EXISTS,
	ENGINE_EXPECT_ABSENT,
	ENGINE_EXPECT_VERSION,
};

/* About one operation of a batch. */
struct engine_condition {
	uint32_t operation;        /* its index */
	enum engine_expect expect;
	uint64_t version;          /* for ENGINE_EXPECT_VERSION */
	bool existed;              /* result: whether the key existed before */
};

enum engine_durability { ENGINE_DURABLE_DEFAULT, ENGINE_DURABLE_COMMIT, ENGINE_DURABLE_OS };

/* One batch on its way through the commit queue. The caller owns it, fills the first part (the rest zeroed) and may not
 * touch it between engine_submit and done. */
struct engine_write {
	struct batch batch;                  /* at least one operation */
	struct engine_condition *conditions; /* ascending by operation; owned by the caller */
	size_t condition_count;
	enum engine_durability durability;
	void (*done)(struct engine_write *write, kv_status status);

	/* results, good in and after done */
	uint64_t first_sequence;   /* the i-th operation has first_sequence + i */
	uint32_t failed_operation; /* after KV_CONDITION */

	/* the commit path's own */
	struct engine_write *next;
	kv_status status;
	void *waiting; /* who sleeps in engine_write() */
};

/* Never blocks; done is called exactly once, perhaps before this returns. */
void engine_submit(struct engine *engine, struct engine_write *write);

/* Waits; `write->done` is not used. When nobody is committing, the caller leads the group. */
kv_status engine_write(struct engine *engine, struct engine_write *write);

/* ---- reading ---- */

struct engine_value {
	struct pinned value;
	uint64_t version;
	uint64_t expires_unix_ms;
};

kv_status engine_get(struct engine *engine, const struct engine_snapshot *snapshot,
	struct slice key, struct engine_value *ret, struct kv_error *err);

struct engine_snapshot *engine_snapshot_new(struct engine *engine); /* NULL when out of memory */
struct engine_snapshot *engine_snapshot_free(struct engine_snapshot *snapshot);

/* The walk itself is iter_live's; the pointer is good until engine_iter_close. */
kv_status engine_iter_open(struct engine *engine, const struct engine_snapshot *snapshot,
	struct engine_iter **ret, struct kv_error *err);
struct engine_iter *engine_iter_close(struct engine_iter *iter);
struct iter_live *engine_iter_walk(struct engine_iter *iter);

/* ---- looking after it ---- */

enum health_state engine_state(struct engine *engine, char *reason, size_t size);

struct engine_level_stats {
	uint64_t tables, bytes, entries, tombstones;
};

struct engine_stats {
	struct engine_level_stats levels[MANIFEST_LEVELS];
	uint64_t memtable_bytes, memtable_entries, frozen_memtables;
	uint64_t table_memory_bytes;
	uint64_t cache_bytes, cache_capacity_bytes, cache_hits, cache_misses;
	uint64_t wal_segments, wal_bytes;
	uint64_t commits, commit_groups, commit_syncs;
	uint64_t user_bytes_written, wal_bytes_written;
	uint64_t flushes, flush_bytes_written;
	uint64_t compactions, compaction_bytes_read, compaction_bytes_written;
	uint64_t gets, gets_found, filter_negatives;
	uint64_t snapshots, iterators;
	uint64_t last_sequence;
	uint64_t stall_us;
};

void engine_get_stats(struct engine *engine, struct engine_stats *ret);
kv_status engine_flush(struct engine *engine, struct kv_error *err);
kv_status engine_compact(struct engine *engine, struct kv_error *err);
kv_status engine_checkpoint(struct engine *engine, const char *path, struct kv_error *err);

#endif
