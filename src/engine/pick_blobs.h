/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When large values make a compaction due (part of compact_pick.c; as pure as that). They lie in files of their own, so tables full of pointers
 * to them never get large; but each pointer above the last level may hide an older one below, and so keep a file that
 * nobody can read any more.
 *
 * Tables with pointers go down when their values come to half of the store's size; then no more than that is garbage. And level 0 goes down
 * when most of it is tombstones and the store consists of large values: rewriting pointers costs little beside what comes back.
 */
#ifndef KV_ENGINE_PICK_BLOBS_H
#define KV_ENGINE_PICK_BLOBS_H

#include "engine/compact_pick.h"

struct pick_blobs {
	unsigned level; /* this table of this level; in level 0: all of it */
	size_t index;
	double score;   /* at least 1 */
};

/* `last`: the deepest level that holds data, or could. False: nothing is due. */
bool pick_blobs_due(const struct pick_level levels[MANIFEST_LEVELS], unsigned last,
	const struct pick_options *options, struct pick_blobs *ret);

#endif
