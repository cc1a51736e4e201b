/* SPDX-License-Identifier: BSD-2-Clause */
/* Replays WAL segments into memtables. Part of recovery; one thread. */
#ifndef KV_ENGINE_REPLAY_H
#define KV_ENGINE_REPLAY_H

#include "engine/memtable.h"
#include "engine/wal.h"

struct replay {
	/* filled by the caller, the rest zeroed */
	const struct dir *dir;
	const struct store_id *id;
	struct blob_set *blobs;  /* for the memtables; may be NULL */
	uint64_t memtable_bytes; /* a new memtable is begun at this size */
	uint64_t last_sequence;  /* in: of the MANIFEST; out: of everything */

	/* results */
	struct memtable **memtables; /* malloc'ed, oldest first, a reference on each */
	size_t count;
	uint64_t oldest_needed;  /* the first segment that holds something not in a table; UINT64_MAX: none */
	uint64_t unused;         /* the segment that is made ahead, 0: none */
	uint64_t last_used;      /* the newest segment that was in use, 0: none */
	uint64_t end;            /* where its groups end */
	uint64_t torn_end;       /* > end: an incomplete group follows up to here */
	uint64_t blob_number_max; /* of the blob files that something replayed points to; 0: none */
	uint64_t operations;
	size_t segments;         /* that were in use */
	size_t lost_segments;    /* behind last_used: a power cut has taken the end of that, which nobody had asked to be durable */
};

/* `numbers` ascending, as in the MANIFEST. When it returns KV_OK everything replayed is durable. KV_CORRUPT: damage, or a
 * segment that does not fit to its neighbours. Where one ends too early that was left without a sync, the replay ends with it, and
 * what follows (lost_segments) is no more of the store. Groups whose entries are all in tables already (sequence <= the
 * MANIFEST's) are skipped. */
kv_status replay_run(struct replay *replay, const uint64_t *numbers, size_t count,
	struct kv_error *err);
/* Of the memtables that are still there. */
uint64_t replay_memory_bytes(const struct replay *replay);
void replay_free(struct replay *replay);

#endif
