/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A history: random operations on a store on a simulated disk, with everything remembered that a power cut may not take back. The journal of
 * the disk has marks of it, so that for each of its points it is known what was promised and what had been begun.
 *
 * All commits go through one log, in the order of their versions. So what may be left after a cut is the state at one version, and what was
 * promised is a version, too: that of the newest write that was
 *	- acknowledged with durability `commit`, or seen by a reader and of that durability
 *	- in memory when a flush was acknowledged
 *	- there when a store was opened
 */
#ifndef KV_MODEL_HISTORY_H
#define KV_MODEL_HISTORY_H

#include "model/model.h"
#include "store/store.h"
#include "support/fault_fs.h"
#include "support/sim_disk.h"

#include <stdatomic.h>

enum {
	HISTORY_KEYS = 48,
	HISTORY_LARGE = 4096, /* from here on a value has a file of its own */
	HISTORY_CHECKPOINTS = 8,
};
#define HISTORY_PATH "/store"

enum history_mark {
	HISTORY_BEGUN,      /* submission `value` is on its way */
	HISTORY_PROMISED,   /* everything up to version `value` must survive */
	HISTORY_SEEN,       /* a reader can see version `value` */
	HISTORY_CHECKPOINT, /* number `value` was acknowledged */
};

struct history_change {
	enum store_change_kind kind;
	struct slice key;  /* of a key, or owned: `bound` */
	struct buf bound, value;
	uint64_t version, expires_unix_ms;
};

/* A batch that was handed to the store. */
struct history_submission {
	uint64_t last_version; /* 0: not committed */
	bool durable;          /* asked for durability `commit` */
};

struct history_checkpoint {
	char path[24];
	uint64_t from, to; /* it holds the state at a version of these */
};

enum history_kind {
	HISTORY_MIXED,
	HISTORY_LAZY,     /* few syncs and a larger log, which is then written through windows */
	HISTORY_UNSYNCED, /* small segments, of which many see no sync, and no change feed: so they are left without one */
};

struct history {
	uint64_t random;
	struct sim_disk *disk; /* owned */
	struct fault_fs *fault; /* around it */
	struct model *model;
	struct buf keys[HISTORY_KEYS];
	uint64_t first_version, last_version; /* at the begin of the journal, and now */
	struct history_change *changes; /* all since the store was made, in order */
	size_t change_count;
	struct history_submission *submissions; /* of this journal */
	size_t submission_count;
	struct history_checkpoint checkpoints[HISTORY_CHECKPOINTS]; /* of this journal */
	size_t checkpoint_count;
	uint64_t change_log_bytes; /* the same for all of its life; so is */
	enum history_kind kind;
	uint64_t flushes, compactions, large_values;
	uint64_t lost_segments; /* starts that told of segments that a power cut had taken (judge.c) */
	_Atomic uint64_t windows; /* counted by all threads */

	bool faulty; /* the store may fail: what it must not do then is checked */
	bool relieved; /* allocations that fail do so only up to the next flush, compaction or second try to open */
	uint64_t uncertain_to; /* last version of a write whose outcome is not known before the next start; 0: none */

	_Atomic(struct store *) store; /* while it is open */
	bool sync_commits;
	char complaint[700]; /* of the store: an event that must not be */
};

/* A new disk, without a store. Whatever is wrong ends the test, here and below. */
struct history *history_new(uint64_t seed, enum history_kind kind);
struct history *history_free(struct history *history);

/* Opens the store, does so many operations, and closes it. */
void history_live(struct history *history, unsigned operations);

/* The same for a life that is always about the same, with a flush, a rotation, compactions, large values, range deletes, a checkpoint, reads,
 * the change feed, and two recoveries in it: for a history that is `faulty`. A store that cannot be opened twice ends it. */
void history_script(struct history *history);

/* Goes on with `disk`, which a cut has left with the state at `version`: owned from now on. What came later is forgotten. */
void history_go_on(struct history *history, struct sim_disk *disk, uint64_t version);

/* Random options, of which only what is kept for changes is always the same. */
void history_options(struct history *history, struct store_options *ret);

uint64_t history_below(struct history *history, uint64_t n);

/* Is there a commit that ends with this version, or did the journal begin with it? */
bool history_is_boundary(const struct history *history, uint64_t version);

/* The newest version not above `seen` whose durability was `commit`; 0: none. */
uint64_t history_durable_below(const struct history *history, uint64_t seen);

#endif
