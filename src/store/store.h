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
	STORE_RANGES_MAX = 4096, /* range deletes in one batch */
	STORE_LEVELS_MAX = 8,
};
#define STORE_VALUE_MAX (UINT64_C(1) << 30) /* bytes: what max_value_bytes may be at most */
#define STORE_BATCH_MAX (UINT64_C(1) << 31) /* bytes of keys and values in one batch */

struct store;
struct store_batch;
struct store_iter;
struct store_snapshot;
struct store_upload;
struct store_large;
struct store_changes;

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
	uint32_t scrub_interval_s;     /* all files are read and verified once in so many seconds; 0: never */
};

struct store_options {
	const char *backend;  /* NULL: "lsm" */
	const char *data_dir; /* created (0700) when only the last component is missing */
	const struct fs *fs;  /* NULL: fs_posix */
	struct store_tunables tunables;
	uint64_t memtable_bytes;
	uint64_t block_cache_bytes;
	uint64_t large_value_bytes; /* values of this size and more get a file of their own; at least 4 KiB */
	uint64_t change_log_bytes;  /* what is kept for the change feed beyond what recovery needs; 0: nothing */
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
	STORE_EXPECT_NOT_ABSENT, /* exists, or is damaged and cannot be read */
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
/* Deletes every key in [start, end), those that the batch itself has put so far included; an empty `start`: from the first key, an empty
 * `end`: to the last. Costs the same for one key and for a million. KV_INVALID when start >= end, a bound is longer than STORE_KEY_MAX,
 * or the batch has STORE_RANGES_MAX of them already. */
kv_status store_batch_delete_range(struct store_batch *batch, struct slice start, struct slice end);
/* An operation that writes nothing: the batch commits only if `condition` holds for `key` at this place in it. */
kv_status store_batch_check(struct store_batch *batch, struct slice key,
	const struct store_condition *condition);
/* These two must be the only operation of their batch, or they get KV_INVALID. They are decided at commit, in commit order.
 * Increment: the decimal number that the key holds (optional '-', digits, int64; a missing key is 0) plus `by`; the expiry stays. Ends with
 * KV_NOT_NUMBER or KV_OVERFLOW when it cannot be; the sum is in the outcome. Touch: the same value with another expiry (0: none);
 * KV_CONDITION when there is no such key. */
kv_status store_batch_increment(struct store_batch *batch, struct slice key, int64_t by);
kv_status store_batch_touch(struct store_batch *batch, struct slice key, uint64_t expires_unix_ms);
void store_batch_set_durability(struct store_batch *batch, enum store_durability durability);
/* Operations so far, checks included. */
size_t store_batch_count(const struct store_batch *batch);

/* After a commit: about the operation `index` (in the order they were added, checks included). */
struct store_outcome {
	uint64_t version; /* of the new state of the key: larger than every earlier one; of a check: what it found, 0: no key */
	bool existed;     /* before; only when the condition asked or expected. What is damaged did */
	int64_t number;   /* of an increment: the sum */
	uint64_t expires_unix_ms; /* of an increment: the expiry that stayed; 0: none */
};
struct store_outcome store_batch_outcome(const struct store_batch *batch, size_t index);
/* After KV_CONDITION: the index of the operation whose condition did not hold. */
size_t store_batch_failed_index(const struct store_batch *batch);
/* After KV_CORRUPT, and KV_IO of a read or of a large value's file: which file cannot be read or written, and where. NULL: nothing is known. Lives as long as the batch. */
const struct kv_error *store_batch_error(const struct store_batch *batch);

/* Queues the batch and returns at once; never blocks. Batches commit in the order of their submission, but for those with large values, which
 * wait for their sync first. `done` is called exactly once, by any thread
 * (perhaps before store_submit returns), must not block, and takes the batch back:
 *   KV_OK         committed in the durability asked for
 *   KV_CONDITION  nothing written
 *   KV_NO_SPACE, KV_BUSY, KV_NO_MEMORY  nothing written, may be tried again
 *   KV_IO         the store has failed earlier, or a condition needed what the disk cannot read; nothing written
 *   KV_CORRUPT    a condition needed a damaged table; nothing written
 *   KV_UNCERTAIN  the write or sync failed; the outcome is known after the next start
 */
typedef void (*store_done)(struct store_batch *batch, kv_status status, void *arg);
void store_submit(struct store *store, struct store_batch *batch, store_done done, void *arg);

/* Several, in their order but for those with large values, as above: what is at hand together shares a sync. */
struct store_submission {
	struct store_batch *batch;
	store_done done;
	void *arg;
};
void store_submit_all(struct store *store, const struct store_submission *submissions, size_t count);

/* The same, waiting. When nobody is committing, the caller does it itself. */
kv_status store_write(struct store *store, struct store_batch *batch);

/* ---- large values on their way in ---- */

/* Values of this many bytes and more are large: streamed to a file of their own, and read from it in pieces. */
uint64_t store_large_value_bytes(const struct store *store);

/* A value that is written to disk as it comes, in memory that does not grow with it. Nothing of it is visible before the commit of the
 * batch that takes it. One thread at a time. KV_UNSUPPORTED: this backend has no large values. */
kv_status store_upload_new(struct store *store, struct store_upload **ret, struct kv_error *err);
/* May wait for the page cache, never for a sync. KV_INVALID beyond STORE_VALUE_MAX; KV_NO_SPACE. After a failure only
 * store_upload_free() is left. */
kv_status store_upload_append(struct store_upload *upload, struct slice bytes, struct kv_error *err);
uint64_t store_upload_bytes(const struct store_upload *upload);
/* Drops the value with its file. NULL is allowed; returns NULL. */
struct store_upload *store_upload_free(struct store_upload *upload);
/* As store_batch_put(). Takes the upload over when it returns KV_OK. The commit syncs the file first, in a thread that no small
 * write waits for. */
kv_status store_batch_put_upload(struct store_batch *batch, struct slice key, struct store_upload *upload,
	uint64_t expires_unix_ms, const struct store_condition *condition);

/* ---- reading ---- */

struct store_value {
	struct pinned value;       /* empty when the value is large */
	uint64_t version;
	uint64_t expires_unix_ms;  /* 0: never */
	struct store_large *large; /* NULL: the value is in `value` */
	uint64_t size;             /* bytes of the value, large or not */
};

/* Gives up what store_get() gave; `value` or `large` may have been taken out (zeroed) before. */
void store_value_release(struct store_value *value);

/* Reads `len` bytes from `offset` on, all of them inside of the value, each verified before it is returned. KV_CORRUPT names the
 * file. May wait for the disk. One thread at a time. */
kv_status store_large_read(struct store_large *large, uint64_t offset, void *buf, size_t len,
	struct kv_error *err);
uint64_t store_large_size(const struct store_large *large);
struct store_large *store_large_free(struct store_large *large); /* NULL is allowed; returns NULL */

/* The newest value, or the one of `snapshot` when that is not NULL. KV_NOT_FOUND; KV_CORRUPT when a
 * table that may hold the key is damaged. `ret` is untouched on failure. */
kv_status store_get(struct store *store, const struct store_snapshot *snapshot, struct slice key,
	struct store_value *ret, struct kv_error *err);

/* A picture that stays as it is until released. NULL when out of memory. */
struct store_snapshot *store_snapshot_new(struct store *store);
struct store_snapshot *store_snapshot_free(struct store_snapshot *snapshot);
uint64_t store_snapshot_version(const struct store_snapshot *snapshot); /* it sees changes up to this one */

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
struct slice store_iter_value(const struct store_iter *iter); /* valid until the next move; empty when the value is large */
uint64_t store_iter_size(const struct store_iter *iter); /* bytes of the value, large or not */
/* *ret is NULL when the value is not large. May open a file. */
kv_status store_iter_large(const struct store_iter *iter, struct store_large **ret, struct kv_error *err);
uint64_t store_iter_version(const struct store_iter *iter);
uint64_t store_iter_expires_unix_ms(const struct store_iter *iter);
/* KV_OK also at the end. KV_BUSY: the deadline passed while skipping what is deleted; store_iter_key()
 * then tells how far it came, and seeking there goes on. KV_CORRUPT, KV_IO, KV_NO_MEMORY: not valid. */
kv_status store_iter_status(const struct store_iter *iter, struct kv_error *err);
/* Monotonic microseconds (clock_monotonic_us) after which a move gives up; 0: never. */
void store_iter_set_deadline(struct store_iter *iter, uint64_t deadline_us);

struct store_estimate {
	uint64_t entries; /* of any kind: overwritten and deleted ones count until they are compacted */
	uint64_t bytes;   /* on disk and in memory */
};

/* What [start, end) holds, roughly, from the statistics of the tables; without reading data. Empty: no bound. */
kv_status store_estimate_range(struct store *store, struct slice start, struct slice end,
	struct store_estimate *ret, struct kv_error *err);

/* ---- changes ---- */

enum store_change_kind { STORE_CHANGE_PUT, STORE_CHANGE_DELETE, STORE_CHANGE_DELETE_RANGE };

struct store_change {
	enum store_change_kind kind;
	bool large;               /* a PUT whose value is not here: read it by its key */
	struct slice key;         /* of a range: the first key */
	struct slice value;       /* of a PUT; of a range: its end, empty: to the last key */
	uint64_t size;            /* bytes of the value, large or not */
	uint64_t version;         /* its position in the feed, too */
	uint64_t expires_unix_ms; /* 0: never */
	uint64_t committed_unix_us;
};

/* Every change that was committed after the version `since`, each once, in order; what is not yet visible to reads is not in it
 * either. It reads the log, in memory that does not grow. KV_GONE: the log no longer goes back that far. KV_INVALID:
 * `since` has not been reached yet. KV_UNSUPPORTED: this backend, or its setting, keeps no changes. */
kv_status store_changes_open(struct store *store, uint64_t since, struct store_changes **ret,
	struct kv_error *err);
/* The next one; its slices are good until the next call. KV_NOT_FOUND: that was all for now. KV_BUSY: nothing yet, since there was much to
 * pass over or to verify: the next call goes on with it. KV_GONE: the log went on faster than it was read; KV_CORRUPT: it is damaged here;
 * both for good. May wait for the disk. One thread at a time. */
kv_status store_changes_next(struct store_changes *changes, struct store_change *ret,
	struct kv_error *err);
struct store_changes *store_changes_close(struct store_changes *changes); /* NULL is allowed; returns NULL */
/* The oldest `since` that store_changes_open() would take now. */
uint64_t store_changes_oldest(struct store *store);

/* Somebody who wants to be told of new versions. `notify` is called after each group of commits that became visible, by the thread that
 * committed it, and must not block. */
struct store_watch {
	void (*notify)(void *arg);
	void *arg;
	struct store_watch *prev, *next; /* the store's */
};
void store_watch_add(struct store *store, struct store_watch *watch);
void store_watch_remove(struct store *store, struct store_watch *watch); /* afterwards no call is under way */

/* ---- looking after it ---- */

enum store_state {
	STORE_HEALTHY,
	STORE_STALLED,   /* compaction debt: writes are delayed, then KV_BUSY */
	STORE_DISK_FULL, /* writes get KV_NO_SPACE until there is space again; batches that only delete are taken if at all possible */
	STORE_FAILED,    /* a sync, append or MANIFEST change failed: writes get KV_IO until a restart */
	STORE_FINISHED,  /* store_finish was called */
};

const char *store_state_name(enum store_state state); /* "healthy", "stalled", "disk_full", ... */

/* The state with its reason in one line: "" when it is healthy and no file is known to be damaged. `size` includes the NUL. */
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
	uint64_t range_deletes;         /* in force: not yet applied by compaction */
	uint64_t large_values, large_bytes; /* files of large values, garbage included */
	uint64_t large_bytes_written;
	uint64_t change_log_bytes;      /* kept for the change feed only */
	uint64_t oldest_change;         /* as store_changes_oldest() */
	uint64_t scrub_tables, scrub_large_values, scrub_bytes; /* read and verified in the background */
	uint64_t scrub_files;           /* that there are to read; 0: not known yet, or it is turned off */
	uint64_t scrub_due;             /* of these: whose time has come */
	uint64_t damaged_tables;        /* in use, and known to be damaged; as the next two */
	uint64_t damaged_large_values;
	uint64_t damaged_basics;        /* files without which the store would not open again */
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
	bool range_deletes;
	bool large_values;
	bool changes;
	uint64_t key_bytes_max;
	uint64_t value_bytes_max;
	uint64_t batch_bytes_max;
};

void store_get_capabilities(const struct store *store, struct store_capabilities *ret);

#endif
