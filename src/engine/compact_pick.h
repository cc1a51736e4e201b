/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What to compact next: policy only. Pure: no I/O, no lock, no clock; the caller describes the levels and gets a decision.
 *
 * Level 0 holds whole memtables that overlap, newest first; the deeper levels hold tables that do not overlap, sorted by
 * key. Level sizes are set from the bottom up: the last level that holds data has no limit, each one above it that of the next one below
 * divided by level_factor; what is below base_bytes then is no target, and the level stays empty (while something is in it, it may have
 * base_bytes). Level 0 goes to the first level that has a target, or to one above it that holds data: nothing may be passed over.
 *
 * While somebody writes, the levels are let grow, because what is merged more at a time is merged less often. When it has become quiet, all that
 * is above the last level and hides much of it goes down, and gives the space back; level 0 goes, too, so that reads find few tables.
 *
 * Several compactions may run at the same time, when the tables of each are marked busy: picks never disturb
 * them, and what they bring will fit.
 */
#ifndef KV_ENGINE_COMPACT_PICK_H
#define KV_ENGINE_COMPACT_PICK_H

#include "base/slice.h"
#include "engine/manifest.h"

struct pick_table {
	uint64_t number;
	uint64_t bytes;
	uint64_t blob_bytes;            /* of the values in blob files that it points to */
	uint64_t entries;
	uint64_t tombstones;
	uint64_t first_sequence, last_sequence; /* smallest and largest in it */
	uint64_t oldest_expiry_unix_ms; /* 0: none */
	bool covered;                   /* range deletes hide all of it from everybody: it can go without being read */
	double range_share;             /* of its keys, 0 to 1: under range deletes that a rewriting would apply */
	struct slice smallest, largest; /* user keys, inclusive; borrowed */
	bool busy;                      /* input of a compaction under way */
	bool damaged;                   /* cannot be read: it stays where it is */
};

struct pick_level {
	const struct pick_table *tables;
	size_t count;
	struct slice cursor; /* where the last compaction of this level ended (largest key taken); empty: start */
};

struct pick_options {
	uint32_t level0_threshold; /* tables */
	uint64_t base_bytes;       /* smallest target of a level, e.g. 16 tables */
	uint64_t table_bytes;      /* table_bytes_max of the outputs; 0: a quarter of base_bytes */
	uint32_t level_factor;     /* e.g. 5 */
	bool quiet;                /* nobody writes now */
	uint64_t small_bytes;      /* then a level above the last may hold so much, if not more */
	double overwritten;        /* share of the entries above the last level that probably replace one below, 0 to 1; for quiet times */
	uint64_t now_unix_ms;      /* for tables whose oldest expiry has passed */
	uint64_t oldest_snapshot;  /* the smallest sequence in use; UINT64_MAX: none. Tombstones that it keeps alive are no reason to do anything */
	uint64_t manual_sequence;  /* compact_pick_all only: the last sequence when it began, so that it ends under a load of writes; UINT64_MAX: all */
};

enum pick_reason { PICK_LEVEL0, PICK_SIZE, PICK_TOMBSTONES, PICK_EXPIRED, PICK_RANGES, PICK_COVERED, PICK_BLOBS, PICK_MANUAL };

struct pick {
	enum pick_reason reason;
	unsigned level;        /* inputs of `level` ... */
	unsigned output_level; /* ... are merged with those of output_level; the same (the lowest) level: rewritten in their place */
	uint64_t *inputs[2];   /* table numbers of `level` and of output_level; malloc'ed */
	size_t input_count[2];
	bool drop;             /* the tables of `level` just go */
	bool move;             /* nothing overlaps and nothing would be dropped: the tables of `level` just change their level */
	double score;          /* how urgent: 1 and more is due */
};

void pick_free(struct pick *pick); /* the content */

/* The most urgent compaction that needs no busy table. KV_NOT_FOUND: nothing is due. KV_NO_MEMORY. Level-0 inputs are always the
 * oldest run without a gap, so that no newer entry gets below an older one; inputs grow until no user key is split between an input and a table
 * that stays in the same level. A pick of a level ends when its bytes above the target or about 25 tables are
 * taken; level 0 goes whole. Repeated, without new tables and snapshots, it comes to KV_NOT_FOUND. */
kv_status compact_pick(const struct pick_level levels[MANIFEST_LEVELS],
	const struct pick_options *options, struct pick *ret);

/* The next step of merging everything down into the lowest level, and cleaning that of tombstones (that no snapshot keeps), of what range
 * deletes cover, and of what has expired at now_unix_ms: give the same time at each step. KV_NOT_FOUND when that is done, KV_BUSY when only the
 * compactions under way stand between. */
kv_status compact_pick_all(const struct pick_level levels[MANIFEST_LEVELS],
	const struct pick_options *options, struct pick *ret);

#endif
