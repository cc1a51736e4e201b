/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the segments of a log of which some may be damaged or missing: every group that checks is given out, and what lies between is told by
 * its sequences. For kvfsck; replay is for those who want all or nothing. One thread.
 *
 * Sequences decide what is lost: a segment without its header, or one that is missing, costs nothing when the groups on both sides of it
 * follow one another.
 */
#ifndef KV_ENGINE_LOG_SCAN_H
#define KV_ENGINE_LOG_SCAN_H

#include "engine/entry.h"
#include "engine/wal.h"

struct log_scan_events {
	/* `name`: of the segment's file, good for the call. */
	void (*fault)(void *arg, const char *name, uint64_t offset, const char *what);
	void (*torn)(void *arg, const char *name, uint64_t offset, uint64_t bytes);
	/* The segment was left without a sync, and ends at `offset` instead of `end`: what is behind that, in this segment and the later ones, had
	 * not been asked to be durable, and is no more of the store. */
	void (*unsynced)(void *arg, const char *name, uint64_t offset, uint64_t end);
	/* The operations from `first` on, up to and without `end` (0: nobody knows), cannot be read; of which keys is not known. */
	void (*lost)(void *arg, uint64_t first, uint64_t end);
	/* One that can be; a range delete, too. Any failure ends the scan. */
	kv_status (*operation)(void *arg, const struct entry *entry, struct kv_error *err);
	void *arg;
};

struct log_scan {
	/* filled by the caller, the rest zeroed */
	const struct dir *dir;
	const struct store_id *id;
	uint64_t last_sequence; /* operations up to it are in tables: they are not missed when they are not there */
	bool give_all;          /* give out those, too, that are in tables */
	struct log_scan_events events;

	/* results */
	uint64_t next_sequence; /* above all that were seen */
	uint64_t first_sequence; /* the lowest that was given out; 0: none */
	uint64_t last_used;     /* the newest segment in use, 0: none */
	uint64_t header_sequence; /* the first sequence that the header of the oldest one in use names; 0: not known */
	uint64_t groups, operations;
	size_t faults;
	bool lost;
};

/* `numbers`: the segments that are to be replayed, ascending. */
kv_status log_scan_run(struct log_scan *scan, const uint64_t *numbers, size_t count, struct kv_error *err);

/* Those kept for the change feed; `next_first_sequence` is that of the segment behind them, 0: not known. *ret_good: so many of the last are
 * whole. Faults are told, operations are not given out. */
kv_status log_scan_history(struct log_scan *scan, const uint64_t *numbers, size_t count, uint64_t next_first_sequence,
	size_t *ret_good, struct kv_error *err);

#endif
