/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store as http and the tools see it: an ordered map from keys (1..4096 bytes) to values, with
 * durable atomic batches, consistent iteration and snapshots. Nothing here tells which backend holds
 * the data; backend.h is the table of functions that a backend fills in.
 *
 * Three promises: KV_OK from a write means durable (in the durability asked for); damage is reported
 * (KV_CORRUPT), never answered with a wrong value; a value that was read cannot be taken back by a
 * crash.
 *
 * Threads: every function may be called by any thread, except where it says otherwise. Batches and
 * iterators belong to one thread at a time.
 */
#ifndef KV_STORE_STORE_H
#define KV_STORE_STORE_H

#include "base/file.h"
#include "base/log.h"
#include "base/pinned.h"
#include "base/slice.h"
#include "base/status.h"

enum {
	STORE_KEY_MAX = 4096, /* bytes; a key has at least 1 */
	STORE_LEVELS_MAX = 8,
};
#define STORE_VALUE_MAX (UINT64_C(1) << 30) /* bytes: what max_value_bytes may be at most */
#define STORE_BATCH_MAX (UINT64_C(1) << 31) /* bytes of keys and values in one batch */

struct store;
struct store_batch;
struct store_iter;
struct store_snapshot;

/* ---- opening and closing ---- */

enum store_durability {
	STORE_DURABLE_DEFAULT, /* what the options say */
	STORE_DURABLE_COMMIT,  /* survives a power cut */
	STORE_DURABLE_OS,      /* survives a crash of the daemon, not of the machine */
};

enum store_compression { STORE_COMPRESSION_NONE, STORE_COMPRESSION_LZ4, STORE_COMPRESSION_ZSTD };

/* What may change while the store is open. */
struct store_tunables {
	uint32_t flush_interval_s;     /* flush a memtable older than this; 0: only by size */
	uint32_t compaction_threshold; /* tables in level 0 that start a compaction, 2..64 */
};

struct store_options {
	const char *backend;  /* NULL: "lsm" */
	const char *data_dir; /* created (0700) when only the last component is missing */
	const struct fs *fs;  /* NULL: fs_posix */
	struct store_tunables tunables;
	uint64_t memtable_bytes;
	uint64_t block_cache_bytes;
	enum store_durability durability; /* COMMIT or OS */
	enum store_compression compression;
	unsigned compaction_threads; /* 0: 1 */
	unsigned open_tables_max;    /* descriptors for tables; 0: 4096 */
	/* Notable events (recovery, torn tail, damage, state changes), one plain line each. Called from
	 * any thread, never under a lock that the store's functions take. May be NULL. */
	void (*event)(void *arg, enum log_level level, const char *text);
	void *event_arg;
};

/* The defaults of kvstored.conf(5), all but data_dir. */
void store_options_init(struct store_options *options);

/* KV_INVALID for a built-in limit that an option breaks. */
kv_status store_options_check(const struct store_options *options, struct kv_error *err);

/* Opens or creates, and recovers. KV_BUSY: locked by another process. KV_CORRUPT: damage that needs a decision;
 * err names file and offset. KV_UNSUPPORTED: a newer format, or a
 * compression that was not built in. Nothing was changed in these cases. */
kv_status store_open(const struct store_options *options, struct store **ret, struct kv_error *err);

kv_status store_retune(struct store *store, const struct store_tunables *tunables,
	struct kv_error *err);

struct store_finish_report {
	uint64_t entries_flushed;
	uint64_t bytes_flushed;     /* of the table written */
	char table[32];             /* its file name, "" when memory was empty */
	uint64_t log_files_removed;
	uint64_t tables;            /* on disk afterwards */
	uint64_t bytes_on_disk;     /* of all files of the store */
	uint64_t elapsed_us;
};

/* The clean end: new writes get KV_BUSY, queued ones are committed, memory is flushed to a table, the WAL is cleaned.
 * Reads go on until store_close. An error leaves the data as safe as before (in the WAL). */
kv_status store_finish(struct store *store, struct store_finish_report *ret, struct kv_error *err);

/* Stops the threads and frees everything; without store_finish before, the next open replays the
 * WAL. No iterator, snapshot or pinned value may be left. NULL is allowed; returns NULL. */
struct store *store_close(struct store *store);

/* ---- writing ---- */

/* What must hold for an operation; decided at commit, in commit order, so that it is atomic. */
enum store_expect {
	STORE_EXPECT_NOTHING,
	STORE_EXPECT_EXISTS,
	STORE_EXPECT_ABSENT,
	STORE_EXPECT_VERSION, /* exists with exactly this version */
};

struct store_condition {
	enum store_expect expect;
	uint64_t version;
	bool want_existed; /* learn whether the key existed (costs a lookup at commit) */
};

/* An empty batch; NULL when out of memory. */
struct store_batch *store_batch_new(struct store *store);
struct store_batch *store_batch_free(struct store_batch *batch);

/* Adds an operation; key and value are copied. `expires_unix_ms` 0: never. `condition` NULL: none.
 * KV_INVALID for a key of 0 or more than STORE_KEY_MAX bytes, or an over-long value or batch. */
kv_status store_batch_put(struct store_batch *batch, struct slice key, struct slice value,
	uint64_t expires_unix_ms, const struct store_condition *condition);
kv_status store_batch_delete(struct store_batch *batch, struct slice key,
	const struct store_condition *condition);
void store_batch_set_durability(struct store_batch *batch, enum store_durability durability);

/* After a commit: about the operation `index` (in the order they were added). */
struct store_outcome {
	uint64_t version; /* of the new state of the key: larger than every earlier one */
	bool existed;     /* before; only when the condition asked or expected */
};
struct store_outcome store_batch_outcome(const struct store_batch *batch, size_t index);
/* After KV_CONDITION: the index of the operation whose condition did not hold. */
size_t store_batch_failed_index(const struct store_batch *batch);

/* Queues the batch and returns at once; never blocks. `done` is called exactly once, by any thread
 * (perhaps before store_submit returns), must not block, and takes the batch back:
 *   KV_OK         committed in the durability asked for
 *   KV_CONDITION  nothing written
 *   KV_NO_SPACE, KV_BUSY, KV_NO_MEMORY  nothing written, may be tried again
 *   KV_IO         the store has failed earlier; nothing written
 *   KV_CORRUPT    a condition needed a damaged table; nothing written
 *   KV_UNCERTAIN  the write or sync failed; the outcome is known after the next start
 */
typedef void (*store_done)(struct store_batch *batch, kv_status status, void *arg);
void store_submit(struct store *store, struct store_batch *batch, store_done done, void *arg);

/* The same, waiting. When nobody is committing, the caller does it itself. */
kv_status store_write(struct store *store, struct store_batch *batch);

/* ---- reading ---- */

struct store_value {
	struct pinned value;      /* release with pinned_release() */
	uint64_t version;
	uint64_t expires_unix_ms; /* 0: never */
};

/* The newest value, or the one of `snapshot` when that is not NULL. KV_NOT_FOUND; KV_CORRUPT when a
 * table that may hold the key is damaged. `ret` is untouched on failure. */
kv_status store_get(struct store *store, const struct store_snapshot *snapshot, struct slice key,
	struct store_value *ret, struct kv_error *err);

/* A picture that stays as it is until released. NULL when out of memory. */
struct store_snapshot *store_snapshot_new(struct store *store);
struct store_snapshot *store_snapshot_free(struct store_snapshot *snapshot);

/* An iterator over live keys (no deleted, no expired ones), in byte order, over the state at its opening or of
 * `snapshot`. It starts out invalid: seek first. */
kv_status store_iter_open(struct store *store, const struct store_snapshot *snapshot,
	struct store_iter **ret, struct kv_error *err);
struct store_iter *store_iter_close(struct store_iter *iter);
void store_iter_seek_first(struct store_iter *iter);
void store_iter_seek_last(struct store_iter *iter);
void store_iter_seek(struct store_iter *iter, struct slice key);        /* first key >= key */
void store_iter_seek_before(struct store_iter *iter, struct slice key); /* last key < key */
void store_iter_next(struct store_iter *iter); /* only while valid */
void store_iter_prev(struct store_iter *iter); /* only while valid */
bool store_iter_valid(const struct store_iter *iter);
struct slice store_iter_key(const struct store_iter *iter);   /* valid until the next move */
struct slice store_iter_value(const struct store_iter *iter); /* valid until the next move */
uint64_t store_iter_version(const struct store_iter *iter);
uint64_t store_iter_expires_unix_ms(const struct store_iter *iter);
/* KV_OK also at the end. KV_BUSY: the deadline passed while skipping what is deleted; store_iter_key()
 * then tells how far it came, and seeking there goes on. KV_CORRUPT, KV_IO, KV_NO_MEMORY: not valid. */
kv_status store_iter_status(const struct store_iter *iter, struct kv_error *err);
/* Monotonic microseconds (clock_monotonic_us) after which a move gives up; 0: never. */
void store_iter_set_deadline(struct store_iter *iter, uint64_t deadline_us);

/* ---- looking after it ---- */

enum store_state {
	STORE_HEALTHY,
	STORE_STALLED,   /* compaction debt: writes are delayed, then KV_BUSY */
	STORE_DISK_FULL, /* writes get KV_NO_SPACE until there is space again */
	STORE_FAILED,    /* a sync, append or MANIFEST change failed: writes get KV_IO until a restart */
	STORE_FINISHED,  /* store_finish was called */
};

const char *store_state_name(enum store_state state); /* "healthy", "stalled", "disk_full", ... */

/* The state with its reason ("" when healthy) in one line. `size` includes the NUL. */
enum store_state store_get_state(struct store *store, char *reason, size_t size);

struct store_level_stats {
	uint64_t tables;
	uint64_t bytes;
	uint64_t entries; /* of any kind */
	uint64_t tombstones;
};

struct store_stats {
	struct store_level_stats levels[STORE_LEVELS_MAX];
	unsigned level_count;
	uint64_t memtable_bytes;        /* active and frozen */
	uint64_t memtable_entries;
	uint64_t frozen_memtables;
	uint64_t table_memory_bytes;    /* indexes and filters of open tables */
	uint64_t cache_bytes, cache_capacity_bytes, cache_hits, cache_misses;
	uint64_t wal_segments, wal_bytes;
	uint64_t commits;               /* batches */
	uint64_t commit_groups;         /* = WAL groups */
	uint64_t commit_syncs;
	uint64_t user_bytes_written;    /* keys and values accepted */
	uint64_t wal_bytes_written;
	uint64_t flushes, flush_bytes_written;
	uint64_t compactions, compaction_bytes_read, compaction_bytes_written;
	uint64_t gets, gets_found;
	uint64_t filter_negatives;      /* lookups a filter answered */
	uint64_t snapshots, iterators;  /* open now */
	uint64_t last_version;
	uint64_t stall_us;              /* time that writes were delayed */
};

void store_get_stats(struct store *store, struct store_stats *ret);

/* Flushes memory to a table now and waits for it. */
kv_status store_flush(struct store *store, struct kv_error *err);
/* Merges everything into the lowest level and waits for it. */
kv_status store_compact(struct store *store, struct kv_error *err);
/* A consistent copy in the new directory `path` on the same file system: tables by hard links, synced. */
kv_status store_checkpoint(struct store *store, const char *path, struct kv_error *err);

struct store_capabilities {
	const char *backend;        /* "lsm" */
	bool atomic_batches;        /* over any keys */
	bool snapshots;
	bool ordered_iteration;
	bool reverse_iteration;
	bool expiry;
	bool checkpoint;
	uint64_t key_bytes_max;
	uint64_t value_bytes_max;
	uint64_t batch_bytes_max;
};

void store_get_capabilities(const struct store *store, struct store_capabilities *ret);

#endif
