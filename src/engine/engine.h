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
#include "engine/blob_pointer.h"
#include "engine/filename.h"
#include "engine/fsck.h"
#include "engine/health.h"
#include "engine/iter_live.h"
#include "engine/manifest.h"
#include "engine/sst_writer.h"

struct engine;
struct engine_snapshot;
struct engine_iter;
struct engine_upload;
struct engine_large;
struct view;

struct engine_options {
	const char *data_dir;
	const struct fs *fs;
	uint64_t memtable_bytes;     /* a memtable is frozen at this size, 16 KiB and more */
	uint64_t table_bytes;        /* size of the tables that compactions write */
	uint64_t block_cache_bytes;
	size_t open_tables_max;
	uint32_t flush_interval_s;   /* 0: only by size */
	uint32_t compaction_threshold; /* level-0 tables */
	uint32_t scrub_interval_s;   /* every file is read and verified once in so many seconds; 0: never */
	unsigned compaction_threads; /* 1..8 */
	bool sync_commits;           /* durability of a write that does not say */
	uint64_t change_log_bytes;   /* of the log, kept for readers of changes only; 0: no changes are told */
	/* After each group that became visible, while engine_watch() says so: by the thread that committed it. Must not block. */
	void (*committed)(void *arg);
	void *committed_arg;
	struct sst_options table;
	void (*event)(void *arg, enum log_level level, const char *text);
	void *event_arg;
};

kv_status engine_open(const struct engine_options *options, struct engine **ret,
	struct kv_error *err);
void engine_retune(struct engine *engine, uint32_t flush_interval_s, uint32_t compaction_threshold,
	uint32_t scrub_interval_s);

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
	ENGINE_EXPECT_NOT_ABSENT, /* exists, or cannot be read because it is damaged */
};

/* What must hold for an operation of a batch, or (a check) for a key at its place between the operations. */
struct engine_condition {
	uint32_t place;             /* among operations and checks in the order they were added */
	uint32_t checks_before;     /* so many of those at smaller places are checks */
	bool is_check;
	bool existed;               /* result: whether the key existed before; what is damaged did */
	enum engine_expect expect;
	uint64_t version;           /* for ENGINE_EXPECT_VERSION */
	uint64_t found;             /* result: the version of the key; 0: it did not exist */
	size_t key_offset, key_len; /* of a check: its key in engine_write.check_keys */
};

/* How the commit makes the value of a write that depends on the one before (transform.c). */
enum engine_transform_kind { ENGINE_TRANSFORM_NONE, ENGINE_INCREMENT, ENGINE_TOUCH };

struct engine_transform {
	enum engine_transform_kind kind;
	int64_t by;               /* of an increment */
	int64_t number;           /* result of an increment: the sum */
	uint64_t expires_unix_ms; /* of a touch, 0: none; result of an increment: what stayed */
};

enum engine_durability { ENGINE_DURABLE_DEFAULT, ENGINE_DURABLE_COMMIT, ENGINE_DURABLE_OS };

/* One batch on its way through the commit queue. The caller owns it, fills the first part (the rest zeroed) and may not
 * touch it between engine_submit and done. */
struct engine_write {
	struct batch batch;                  /* at least one operation or one check */
	struct engine_condition *conditions; /* ascending by place; owned by the caller */
	size_t condition_count;
	struct buf check_keys;               /* owned by the caller */
	struct engine_transform transform;   /* when it is one: the batch is a single put of the key, and the commit replaces it */
	struct engine_upload *uploads;       /* large values whose pointers are in the batch: engine_write_put_upload() */
	enum engine_durability durability;
	void (*done)(struct engine_write *write, kv_status status);

	/* results, good in and after done */
	uint64_t first_sequence;   /* the i-th operation has first_sequence + i */
	uint32_t failed_place;     /* after KV_CONDITION */
	struct kv_error *error;    /* after KV_CORRUPT, or KV_IO of a read or of a large value's file, if there was memory to keep it: to be freed with free() */

	/* the commit path's own */
	struct engine_write *next;
	kv_status status;
	void *waiting; /* who sleeps in engine_write() */
	struct view *held; /* keeps the blob file that a touch found */
	uint64_t held_blob; /* that file is counted for it; 0: none is */
};

/* A list linked by `next`, queued in its order, but for those with uploads, which join when these are durable; and, if it may be, committed as one
 * group. Never blocks; done is called exactly once for each, perhaps before this returns. */
void engine_submit(struct engine *engine, struct engine_write *list);

/* Waits; `write->done` is not used. When nobody is committing, the caller leads the group. */
kv_status engine_write(struct engine *engine, struct engine_write *write);

/* ---- large values ---- */

/* The value goes to a blob file as it comes, and is synced before a batch with it is committed. One thread at a time; until it is in a
 * write it is the caller's. KV_NO_SPACE, KV_IO, KV_BUSY: also while the disk is full, when the store has failed, or has finished. */
kv_status engine_upload_new(struct engine *engine, struct engine_upload **ret, struct kv_error *err);
/* KV_INVALID beyond ENTRY_VALUE_MAX. After a failure only engine_upload_free() is left. */
kv_status engine_upload_append(struct engine_upload *upload, struct slice bytes, struct kv_error *err);
struct engine_upload *engine_upload_free(struct engine_upload *upload); /* NULL is allowed; returns NULL */

/* Adds a put of the value, which has at least one byte, and takes the upload over when it returns KV_OK. After KV_IO write->error says what it was. */
kv_status engine_write_put_upload(struct engine_write *write, struct slice key, struct engine_upload *upload,
	uint64_t expires_unix_ms);
/* Which file it is that cannot be read or written: write->error, if there is memory for it. */
void engine_write_keep_error(struct engine_write *write, const struct kv_error *err);
/* Whoever owns the write calls this when it is done with it, committed or not. */
void engine_write_free_uploads(struct engine_write *write);

/* A large value that is open for reading; the file stays until it is closed. One thread at a time. */
kv_status engine_large_read(struct engine_large *large, uint64_t offset, void *to, size_t len,
	struct kv_error *err);
struct engine_large *engine_large_close(struct engine_large *large); /* NULL is allowed; returns NULL */

/* ---- reading ---- */

struct engine_value {
	struct pinned value;        /* empty when the value is large */
	struct engine_large *large; /* NULL: the value is not large */
	uint64_t size;              /* bytes of the value, large or not */
	uint64_t version;
	uint64_t expires_unix_ms;
};

kv_status engine_get(struct engine *engine, const struct engine_snapshot *snapshot,
	struct slice key, struct engine_value *ret, struct kv_error *err);

struct engine_snapshot *engine_snapshot_new(struct engine *engine); /* NULL when out of memory */
struct engine_snapshot *engine_snapshot_free(struct engine_snapshot *snapshot);
uint64_t engine_snapshot_sequence(const struct engine_snapshot *snapshot);

/* The walk itself is iter_live's; the pointer is good until engine_iter_close. */
kv_status engine_iter_open(struct engine *engine, const struct engine_snapshot *snapshot,
	struct engine_iter **ret, struct kv_error *err);
struct engine_iter *engine_iter_close(struct engine_iter *iter);
struct iter_live *engine_iter_walk(struct engine_iter *iter);
/* That of the walk; damage is told and counted, when `err` is there to name it. */
kv_status engine_iter_status(const struct engine_iter *iter, struct kv_error *err);
/* Where the walk is: bytes of the value, large or not. */
uint64_t engine_iter_size(const struct engine_iter *iter);
/* *ret is NULL when the value is not large. */
kv_status engine_iter_large(struct engine_iter *iter, struct engine_large **ret, struct kv_error *err);

/* ---- changes ---- */

enum { ENGINE_CHANGE_VALUE_MAX = 1 << 20 }; /* bytes: a longer value is not given out with its change */

struct engine_changes;

struct engine_change {
	enum entry_kind kind;
	bool large;         /* a put whose value is not here */
	struct slice key;   /* of a range delete: its start */
	struct slice value; /* of a range delete: its end */
	uint64_t size;      /* of the value, large or not */
	uint64_t sequence;
	uint64_t expires_unix_ms;
	uint64_t committed_unix_us;
};

kv_status engine_changes_open(struct engine *engine, uint64_t since, struct engine_changes **ret,
	struct kv_error *err);
/* KV_BUSY: so much had to be passed over that it goes on with the next call. KV_CORRUPT, KV_GONE: so does every later call. */
kv_status engine_changes_next(struct engine_changes *changes, struct engine_change *ret,
	struct kv_error *err);
struct engine_changes *engine_changes_close(struct engine_changes *changes);
uint64_t engine_changes_oldest(struct engine *engine); /* the oldest `since` that is taken */
/* Whether options.committed is called. What is committed after this call returned is told. */
void engine_watch(struct engine *engine, bool on);

struct engine_estimate {
	uint64_t entries, bytes;
};

/* Empty: no bound. */
kv_status engine_estimate(struct engine *engine, struct slice start, struct slice end,
	struct engine_estimate *ret, struct kv_error *err);

/* ---- looking after it ---- */

/* `reason` tells of damaged files, too, in whatever state. */
enum health_state engine_state(struct engine *engine, char *reason, size_t size);

struct engine_level_stats {
	uint64_t tables, bytes, entries, tombstones;
};

struct engine_stats {
	struct engine_level_stats levels[MANIFEST_LEVELS];
	uint64_t memtable_bytes, memtable_entries, frozen_memtables;
	uint64_t range_deletes; /* in force: in memory, or not yet applied to all tables */
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
	uint64_t change_log_bytes, oldest_change;
	uint64_t blob_files, blob_bytes; /* garbage included */
	uint64_t large_bytes_written;
	uint64_t scrub_tables, scrub_large_values, scrub_bytes; /* that the scrub has read */
	uint64_t scrub_files, scrub_due; /* files that there are to read, and those whose time has come */
	uint64_t damaged_tables, damaged_large_values;          /* of those in use */
	uint64_t damaged_basics;                                /* of FORMAT and MANIFEST */
};

void engine_get_stats(struct engine *engine, struct engine_stats *ret);
kv_status engine_flush(struct engine *engine, struct kv_error *err);
kv_status engine_compact(struct engine *engine, struct kv_error *err);
kv_status engine_checkpoint(struct engine *engine, const char *path, struct kv_error *err);

#endif
