/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of an engine, for the files that are its threads: commit, flush, background, recover, engine. Fields stand
 * under the thread or lock that may touch them.
 *
 * Locks, in the order in which they may be taken: catalog.io_mu, then views.mu or background.mu or commit.mu or history.mu (never two
 * of these at once). None is held over I/O but io_mu, and io_mu is never taken by a reader or by the commit. unsynced.mu is held over a sync of what was left without
 * one: no other is taken under it, and only the leader of the commit and the flush thread take it, holding none. A directory's own lock is
 * held over its sync (base/dir.c), under io_mu or none of these.
 */
#ifndef KV_ENGINE_ENGINE_INTERNAL_H
#define KV_ENGINE_ENGINE_INTERNAL_H

#include "engine/blob_set.h"
#include "engine/block_cache.h"
#include "engine/catalog.h"
#include "engine/engine.h"
#include "engine/log_size.h"
#include "engine/thread_counter.h"
#include "engine/unsynced.h"
#include "engine/warm.h"

enum {
	ENGINE_FROZEN_MAX = 2,           /* frozen memtables that may wait before writes do */
	ENGINE_COMPACTION_THREADS_MAX = 8,
};

struct engine_snapshot {
	struct engine *engine;
	struct engine_snapshot *prev, *next; /* guarded by engine->snapshot_mu; ascending by sequence */
	uint64_t sequence;                   /* constant */
};

/* The commit queue (commit.c). */
struct commit {
	pthread_t thread;
	pthread_mutex_t mu;
	pthread_cond_t wake;       /* the commit thread waits here */
	pthread_cond_t idle;       /* nobody leads and the queue is empty, or a waiting write is done */
	struct engine_write *head; /* guarded by mu, as all up to the next blank line */
	struct engine_write **tail;
	uint64_t queued_bytes;
	size_t queued;             /* writes */
	size_t gather;             /* the commit thread waits for so many; 0: for any */
	bool leading;              /* somebody commits a group */
	bool sleeping;             /* the commit thread waits on `wake` */
	bool rotate_wanted;
	bool closed;               /* new writes get KV_BUSY */
	bool stop;

	struct wal_writer *wal;    /* the leader only */
	struct memtable *active;   /* the leader only; a reference: the view that holds it may be replaced */
	uint64_t last_sequence;    /* the leader only */
	uint64_t undelayed_bytes;  /* the leader only: written since compaction debt delayed anybody */
	uint64_t sync_us;          /* the leader, or mu while nobody leads: what a sync takes, smoothed */
	struct slice *pieces;      /* the leader only, as the next */
	size_t pieces_capacity;
	struct overlay *overlay;
};

/* Writes with large values, before they join the commit queue (blob_sync.c). */
struct blob_sync {
	pthread_t thread;
	pthread_mutex_t mu;
	pthread_cond_t wake;       /* the thread waits here */
	pthread_cond_t idle;       /* nothing is queued or under way */
	struct engine_write *head; /* guarded by mu, as all below */
	struct engine_write **tail;
	bool working;
	bool closed;               /* new writes get KV_BUSY */
	bool stop;
};

/* What the background threads share (background.c). */
struct background {
	pthread_t flush_thread;
	pthread_t compact_threads[ENGINE_COMPACTION_THREADS_MAX];
	unsigned compact_thread_count; /* constant once open */

	pthread_mutex_t pick_mu;     /* one thread picks and marks at a time; taken before mu */
	pthread_mutex_t mu;
	pthread_cond_t flush_wake;   /* a memtable was frozen, a spare was taken, stop */
	pthread_cond_t compact_wake; /* the levels changed, stop */
	pthread_cond_t progress;     /* a flush or compaction ended, a spare is there, the state changed */
	bool stop;                   /* guarded by mu, as all below */
	uint64_t progress_count;     /* counts what `progress` told */
	bool flush_kicked;
	bool compact_kicked;
	uint64_t manual_wanted;      /* calls of engine_compact: a running number */
	uint64_t manual_done;
	uint64_t manual_sequence;    /* what engine_compact() covers: the last sequence when it was called, */
	uint64_t manual_unix_ms;     /* ... and what had expired by then */
	uint64_t manual_behind;      /* bytes that compactions for those who write meanwhile have read, and its own steps not yet */
	kv_status manual_status;
	struct kv_error manual_error;
	unsigned running;            /* compactions; their inputs are marked as busy */
	struct buf cursors[MANIFEST_LEVELS];
	uint64_t seen_sequence;      /* the last one when the compaction threads looked, */
	uint64_t seen_us;            /* ... and since when it is that */
	bool quiet;                  /* it has been for a while: nobody writes */
	double overwritten;          /* share of the entries merged lately that replaced another */

	struct warm warm;

	_Atomic uint64_t failures;   /* rounds of the flush thread, and rotations asked for, that failed */
	_Atomic bool damaged;        /* some tables stay out of compactions, because they cannot be read */
	unsigned bad_results;        /* guarded by mu, as the next: results in a row that could not be read again, of the inputs */
	uint64_t bad_result_of;      /* ... whose last table has this number */
};

enum { SCRUB_FORMAT_DAMAGED = 1, SCRUB_MANIFEST_DAMAGED = 2 };

/* The thread that reads everything from time to time (scrub.c). */
struct scrub {
	pthread_t thread;
	pthread_cond_t wake; /* used with background.mu: stop, or another interval */
	bool kicked;         /* guarded by background.mu */

	_Atomic uint64_t tables, large_values, bytes; /* read so far */
	_Atomic uint64_t files;                       /* that there are to read; 0: it has not looked yet */
	_Atomic uint64_t due;                         /* those that should have been read by now */
	_Atomic unsigned damaged_basics;              /* bits, SCRUB_... */
};

struct engine_counters {
	_Atomic uint64_t commits, commit_groups, commit_syncs;
	_Atomic uint64_t user_bytes_written, wal_bytes_written;
	_Atomic uint64_t flushes, flush_bytes_written;
	_Atomic uint64_t compactions, compaction_bytes_read, compaction_bytes_written;
	_Atomic uint64_t stall_us;
	_Atomic uint64_t large_bytes_written;
	_Atomic uint64_t iterators;
};

/* Counted on every read. */
struct engine_read_counters {
	_Alignas(THREAD_COUNTER_LINE_BYTES) _Atomic uint64_t gets;
	_Atomic uint64_t found;
};

struct engine {
	struct engine_options options; /* constant, but for the three below */
	_Atomic uint32_t flush_interval_s;
	_Atomic uint32_t compaction_threshold;
	_Atomic uint32_t scrub_interval_s;
	struct dir dir;                /* constant after open, as all up to the next blank line */
	struct file lock;
	struct store_id id;
	uint64_t wal_segment_bytes;

	struct block_cache *blocks;    /* they guard themselves */
	struct table_cache *tables;
	struct blob_set *blobs;
	struct views views;
	struct catalog catalog;
	struct health health;
	struct engine_counters counters;
	struct engine_read_counters reads[THREAD_COUNTER_LINES];
	atomic_bool watched;           /* somebody wants to be told of commits */
	atomic_bool wal_was_short;     /* the log had to leave a segment that was shorter than a memtable needs */
	atomic_bool log_is_unsynced;   /* nobody has asked for the last segment to be durable: the next is not made for syncs either */
	atomic_bool leave_segment;     /* the next rotation is for the segment's sake: also when memory is empty */
	_Atomic uint64_t look_at_log;  /* counters.wal_bytes_written at which the flush thread is to be kicked */
	_Atomic uint64_t memtable_limit; /* bytes: options.memtable_bytes, or less where the disk has not four times as much */
	struct recovery *recovery;     /* the flush thread only: of a start that is unbegun */
	struct log_size log_size;      /* the flush thread only, as the next */
	bool has_reserve;

	pthread_mutex_t snapshot_mu;
	struct engine_snapshot snapshots; /* ring; guarded by snapshot_mu */
	uint64_t snapshot_count;          /* guarded by snapshot_mu */

	struct commit commit;
	struct unsynced unsynced;         /* it guards itself */
	struct blob_sync blob_sync;
	struct background background;
	struct scrub scrub;
	bool threads_started;             /* the opening and closing thread only */
};

static inline uint64_t engine_visible(const struct engine *engine)
{
	return atomic_load_explicit(&engine->catalog.visible_sequence, memory_order_acquire);
}

static inline void count_up(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* Sequences of open snapshots, ascending, malloc'ed. Any thread. */
kv_status engine_list_snapshots(struct engine *engine, uint64_t **ret, size_t *ret_count);

/* The smallest of them; UINT64_MAX: none. Any thread. */
uint64_t engine_oldest_snapshot(struct engine *engine);

/* ---- commit.c ---- */
kv_status commit_init(struct engine *engine);
kv_status commit_start(struct engine *engine, struct kv_error *err); /* its thread */
/* New writes get KV_BUSY from now on; returns when those in the queue are done. */
void commit_drain(struct engine *engine);
void commit_stop(struct engine *engine); /* joins the thread */
void commit_destroy(struct engine *engine);
/* Freezes the active memtable as soon as nobody commits; no wait. Any thread. */
void commit_want_rotation(struct engine *engine);

/* Queues a write whatever the queue is like, but for a store that is being finished: who drains the commit drains first who calls this. */
void commit_enqueue(struct engine *engine, struct engine_write *write);

/* ---- blob_sync.c ---- */
kv_status blob_sync_init(struct engine *engine);
kv_status blob_sync_start(struct engine *engine, struct kv_error *err); /* its thread */
/* New writes get KV_BUSY from now on; returns when those in the queue are in that of the commit, or done. */
void blob_sync_drain(struct engine *engine);
void blob_sync_stop(struct engine *engine); /* joins the thread, which does what is queued first */
void blob_sync_destroy(struct engine *engine);
/* Makes the files of write->uploads durable, then queues the write for the commit; calls `done` when that fails. Never blocks. Only
 * when it does not return KV_OK, the write is still the caller's. */
kv_status blob_sync_submit(struct engine *engine, struct engine_write *write);
/* The same in the caller's thread, without queueing the write. KV_OK: it can be committed. */
kv_status blob_sync_now(struct engine *engine, struct engine_write *write);

/* ---- blob_sweep.c ---- */
/* The end of a recovery: removes the blob files that nobody needs, and tells of those that are missing or cut. Returns how many
 * could not be removed. */
uint64_t blob_sweep(struct engine *engine);

/* ---- engine_large.c ---- */
/* Where the file of this entry (ENTRY_BLOB) is known to be referenced: one more reference, which goes over to engine_large_open()
 * or is given up by engine_large_release(). */
kv_status engine_large_hold(struct engine *engine, const struct entry *entry, struct blob_pointer *ret,
	struct kv_error *err);
/* Also on failure the reference is given up. */
kv_status engine_large_open(struct engine *engine, const struct blob_pointer *pointer,
	struct engine_large **ret, struct kv_error *err);
void engine_large_release(struct engine *engine, const struct blob_pointer *pointer);

/* ---- commit_group.c: the leader of the commit only ---- */
/* The status that this write gets in the state of the store: on a full disk those that only delete go on. Any thread. */
kv_status commit_may_write(struct engine *engine, const struct engine_write *write);
/* Commits the list as one group, or as several where touches make it large; then each write has its status. Calls no `done`. */
void commit_group(struct engine *engine, struct engine_write *list);

/* ---- rotate.c: the leader of the commit only ---- */
/* Makes room for `bytes` more: freezes a full memtable, delays by the compaction debt, waits (bounded) where there are too
 * many frozen ones. KV_BUSY when that takes too long, KV_IO after a failure, KV_NO_SPACE when the disk is full, unless it is for deletes. */
kv_status rotate_make_room(struct engine *engine, uint64_t bytes, bool for_deletes);
/* Freezes the active memtable if it holds anything, or engine->leave_segment is set. KV_BUSY: no WAL segment made ahead yet. KV_NO_MEMORY: may be tried again. */
kv_status rotate_now(struct engine *engine);
/* Makes durable what is before the active segment, for a group that is to be durable. KV_NO_SPACE, KV_NO_MEMORY: may be tried again. After any other
 * failure (KV_UNCERTAIN, KV_IO) no try succeeds. */
kv_status rotate_sync_before(struct engine *engine, struct kv_error *err);
/* Is level 0 so long that writes wait? Any thread. */
bool rotate_is_stalled(struct engine *engine);

/* ---- spare.c: the flush thread only, and a start before there is one ---- */
void spare_init(struct engine *engine);
/* How large memtables and segments may be now. */
void spare_look_at_disk(struct engine *engine);
/* How large the segment is that a start begins, on a disk that has to take what was replayed as well. Limits memtables, too, as spare_look_at_disk(),
 * which needs a view. */
uint64_t spare_first_bytes(struct engine *engine, uint64_t replayed_bytes);
/* The disk is full: gives back the reserve, and what the log does not need. */
void spare_give_back(struct engine *engine);
/* While there is space, some of it is put by; where there is none, the disk is full. */
void spare_keep_reserve(struct engine *engine);
/* Makes a WAL segment ahead when there is none. */
kv_status spare_make(struct engine *engine);
/* Fits the log to what is written: the segment made ahead grows in a burst of writes; when it is quiet the log gives back what it can.
 * Returns when that is to be looked at again. */
uint64_t spare_fit(struct engine *engine);

/* ---- flush.c ---- */
void *flush_thread(void *engine);

/* ---- scrub.c ---- */
kv_status scrub_start(struct engine *engine, struct kv_error *err);
void scrub_join(struct engine *engine); /* after background.stop was told by `wake` */
void scrub_kick(struct engine *engine); /* looks at the interval again; any thread */

/* ---- background.c ---- */
kv_status background_init(struct engine *engine);
kv_status background_start(struct engine *engine, struct kv_error *err);
void background_stop(struct engine *engine); /* joins the threads */
void background_destroy(struct engine *engine);
void background_kick_flush(struct engine *engine);   /* any thread */
void background_kick_compact(struct engine *engine); /* any thread */
void background_progress(struct engine *engine);     /* wakes who waits for progress; any thread */
/* For how long nobody has written, in microseconds, as far as was looked: often enough is four times a second. Any thread. */
uint64_t background_quiet_us(struct engine *engine);
/* Waits on a condition until the monotonic deadline; background.mu is held. False: the deadline has passed. */
bool background_wait_locked(struct engine *engine, pthread_cond_t *condition, uint64_t deadline_us);
/* Waiting for progress without missing it: take the count, look at what is waited for, then wait for a count other than that.
 * False: the monotonic deadline has passed, or the store is closing. Any thread but the workers. */
uint64_t background_progress_count(struct engine *engine);
bool background_wait_progress(struct engine *engine, uint64_t seen, uint64_t deadline_us);

/* ---- throttle.c ---- */
/* Microseconds that a group of `bytes` should wait, by the number of level-0 tables; UINT64_MAX: until there are fewer. Pure. */
uint64_t throttle_delay_us(size_t level0_tables, uint32_t threshold, uint64_t bytes);
/* The longest delay that is not for ever. Pure. */
uint64_t throttle_longest_us(uint64_t bytes);

/* ---- recover.c ---- */
/* Brings the directory into use: identity, MANIFEST, replay, a new WAL segment, sweep. Fills the catalog, the first view and commit.wal. On a
 * full disk all but the last two: the store can be read, and is `unbegun` until recover_begin() has done the rest. */
kv_status recover_run(struct engine *engine, struct kv_error *err);
/* KV_NO_SPACE: not yet. Any other failure: the store must go to failed. The flush thread. */
kv_status recover_begin(struct engine *engine, struct kv_error *err);
void recover_free(struct recovery *recovery); /* NULL is allowed */

#endif
