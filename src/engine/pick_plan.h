/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What compact_pick.c makes its candidates from: a plan is a run of neighbouring tables of one level and the run of those of the output
 * level that they overlap. As pure as the rest of the policy.
 */
#ifndef KV_ENGINE_PICK_PLAN_H
#define KV_ENGINE_PICK_PLAN_H

#include "engine/compact_pick.h"

struct pick_run {
	size_t first, count; /* tables of a level; without tables, `first` is where they would be */
};

struct pick_plan {
	enum pick_reason reason;
	unsigned level, output;
	struct pick_run inputs[2];
	bool move;
	double score;
};

/* What all decisions of one call share. */
struct pick_scene {
	const struct pick_level *levels;
	const struct pick_options *options;
	uint64_t table_bytes;
	unsigned last;                     /* the deepest level that holds data, or that could */
	unsigned first;                    /* where level 0 goes */
	uint64_t target[MANIFEST_LEVELS];  /* bytes; of levels 1 to last - 1 */
	uint64_t small_bytes;              /* may stay in any level; UINT64_MAX: somebody writes, so only the targets count */
};

struct pick_run pick_plan_whole(const struct pick_level *level);
uint64_t pick_plan_bytes(const struct pick_level *level);
uint64_t pick_plan_run_bytes(const struct pick_level *level, struct pick_run run);
/* The first level from `from` on that holds data; MANIFEST_LEVELS: none. */
unsigned pick_plan_next_filled(const struct pick_level *levels, unsigned from);
struct pick_scene pick_plan_scene(const struct pick_level *levels, const struct pick_options *options);

/* Does the run hold a table that cannot be an input? */
bool pick_plan_is_busy(const struct pick_level *level, struct pick_run run);
/* Can every tombstone of the table be dropped, as far as snapshots go? */
bool pick_plan_is_free(const struct pick_scene *scene, const struct pick_table *table);
bool pick_plan_has_expired(const struct pick_table *table, uint64_t now_unix_ms);

/* Finds what the inputs of plan->level overlap in the output level. False when another compaction or a damaged table is in the way. */
bool pick_plan_complete(const struct pick_scene *scene, struct pick_plan *plan);
/* Its two parts: does a compaction under way read from, or pass over, a level of the plan? That is the same for all plans of these levels. */
bool pick_plan_is_crossed(const struct pick_scene *scene, const struct pick_plan *plan);
bool pick_plan_complete_uncrossed(const struct pick_scene *scene, struct pick_plan *plan);
/* Takes in tables to the right while that costs little (no further table of the output level, unless `widen`), up to `want` bytes
 * of plan->level. */
void pick_plan_grow(const struct pick_scene *scene, struct pick_plan *plan, uint64_t want, bool widen);
/* A small output joins a small table beside it, so that crumbs do not pile up. */
void pick_plan_join_crumbs(const struct pick_scene *scene, struct pick_plan *plan);
/* KV_OK, KV_NO_MEMORY. */
kv_status pick_plan_decide(const struct pick_scene *scene, const struct pick_plan *plan, struct pick *ret);

#endif
