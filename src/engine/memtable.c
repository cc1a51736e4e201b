/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each key's leaf holds the newest of its versions; each version points to the next older one. A version is
 * published by one release store, of the leaf into the tree or of the leaf's head, after everything in it was
 * written; it never changes after that.
 *
 * In memory a version's value lies before its header, and the header of a key's first version right before the
 * leaf: a lookup finds all it needs but the value in one or two cache lines.
 *
 *	value [expires:u64] struct version | struct art_leaf key
 */
#include "engine/memtable.h"

#include "base/clock.h"
#include "engine/art.h"
#include "engine/memtable_version.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	LEAF_BLOCK = 1 << 20,
	NODE_BLOCK = 1 << 18,
};

struct memtable {
	uint64_t wal_number; /* constant, as the next three */
	struct arena *nodes;
	struct arena *leaves; /* and versions */
	struct art *art;

	/* any thread */
	atomic_uint references;
	_Atomic(enum memtable_state) state;

	/* written by the writer, read by any */
	atomic_size_t bytes;
	atomic_uint_fast64_t entries;
	atomic_uint_fast64_t last_sequence;
	atomic_uint_fast64_t first_write_us;
};
