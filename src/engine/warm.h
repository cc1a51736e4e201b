/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables that were just written are read into the block cache while that has room, so that the first reads find them there. But not while somebody
 * writes fast: then most of them are merged away before anybody reads them, and reading them takes memory, disk and processor from the
 * writer. What was left out so is read when it is quiet.
 */
#ifndef KV_ENGINE_WARM_H
#define KV_ENGINE_WARM_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct table;

enum { WARM_BUSY_BYTES_PER_S = 16 << 20 }; /* of keys and values */

struct warm {
	uint64_t seen_us, seen_bytes; /* when it was last looked, and how much had been written by then */
};

/* Has less been written a second since the last call? Pure; one thread at a time. */
bool warm_is_time(struct warm *warm, uint64_t now_us, uint64_t written_bytes);

/* Of a flush or compaction, once the table is in force. */
void warm_new_table(struct engine *engine, struct table *table);

/* A compaction thread that has nothing else to do, while nobody writes. */
void warm_left_out(struct engine *engine);

#endif
