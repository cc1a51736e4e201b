/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A collection of range deletes that grows: each addition makes a new, immutable picture of it, and the pictures before stay good as long
 * as the newest, so that readers without a lock may hold any of them. One thread adds.
 */
#ifndef KV_ENGINE_RANGE_RUNS_H
#define KV_ENGINE_RANGE_RUNS_H

#include "engine/range_set.h"

struct range_runs {
	struct range_runs *previous; /* owned; NULL: it was empty before */
	size_t ranges;               /* in all */
	uint64_t last_sequence;      /* the largest */
	size_t bytes;                /* of memory, with what came before */
	size_t count;
	struct range_set *sets[];    /* a reference on each; newest last, each at most half as large as the one before */
};

/* The picture after adding at least one range to `before` (NULL: nothing), which it takes over, unless it returns NULL: out of memory. */
struct range_runs *range_runs_add(struct range_runs *before, const struct range *ranges, size_t count);

/* Frees the newest picture; returns the one before. */
struct range_runs *range_runs_pop(struct range_runs *runs);
void range_runs_free(struct range_runs *runs); /* all of them; NULL is allowed */

/* As of a set; NULL is allowed. */
uint64_t range_runs_cover(const struct range_runs *runs, struct slice key, uint64_t max_sequence);

/* Copies all ranges to `to`, whose keys stay those of the runs. */
void range_runs_list(const struct range_runs *runs, struct range *to);

#endif
