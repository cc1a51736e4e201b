/* SPDX-License-Identifier: BSD-2-Clause */
/* One compaction, from the choice of its inputs to the live result. Private to the threads that write tables. */
#ifndef KV_ENGINE_COMPACTION_JOB_H
#define KV_ENGINE_COMPACTION_JOB_H

#include "engine/compact_pick.h"
#include "engine/compact_run.h"
#include "engine/engine_internal.h"

/* The tables of a view, and as compact_pick sees them. Not the view itself: a long compaction would keep its memtables. */
struct compaction_picture {
	struct view_level *held[MANIFEST_LEVELS]; /* a reference on each, and on the next */
	struct range_set *ranges;                 /* NULL: none */
	uint64_t flushed_sequence;
	struct pick_table *tables; /* of all levels, one after the other */
	struct pick_level levels[MANIFEST_LEVELS];
	struct buf cursors[MANIFEST_LEVELS];
	unsigned running; /* compactions, when it was taken */
};

struct compaction_job {
	struct engine *engine;
	struct compaction_picture picture;
	struct pick pick;
	struct table **inputs[2]; /* borrowed from the picture */
	size_t input_count[2];
	bool for_writers; /* while engine_compact() waits: it is the turn of those who write */
};

/* Picks one and marks its inputs. KV_NOT_FOUND: nothing to do. KV_BUSY: others are in the way. KV_CORRUPT: damage is in the way. */
kv_status compaction_job_take(struct engine *engine, bool manual, struct compaction_job *job);
kv_status compaction_job_run(struct compaction_job *job, struct kv_error *err);
/* Unmarks the inputs, and frees the content. `status`, `err`: what the run came to; the input that KV_CORRUPT names stays marked as damaged; all of
 * them where it names none, or the third time the result of the same ones cannot be read. */
void compaction_job_end(struct compaction_job *job, kv_status status, const struct kv_error *err);

/* compact_run with what is the same for flush and compaction: directory, options, time, the snapshots of now, file numbers. `input` is
 * borrowed; NULL: memory ran out for it. */
kv_status compaction_write_tables(struct engine *engine, struct compact_run *run, struct iter *input,
	struct compact_result *ret, struct kv_error *err);
/* Removes tables that were written and did not come into a view, as far as `status` tells that no MANIFEST can name them. */
void compaction_discard(struct engine *engine, const struct compact_result *result, kv_status status);

#endif
