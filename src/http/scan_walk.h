/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk over a range in pieces. Within a piece it stands on items; between two pieces it holds nothing but the key to go on from:
 * an iterator keeps whole tables and memtables alive, and the time between two pieces may be that of a slow client. All pieces read
 * from one snapshot, so what is put together from them is one consistent picture.
 *
 *	state = scan_walk_begin(walk, deadline, err);
 *	while (state == SCAN_WALK_ITEM && there is room) {
 *		... scan_walk_item(walk) ...
 *		state = scan_walk_next(walk, err);
 *	}
 *	scan_walk_pause(walk);
 */
#ifndef KV_HTTP_SCAN_WALK_H
#define KV_HTTP_SCAN_WALK_H

#include "http/scan_range.h"
#include "store/store.h"

enum scan_walk_state {
	SCAN_WALK_ITEM,   /* stands on one */
	SCAN_WALK_LATE,   /* the deadline has passed: pause, and begin again */
	SCAN_WALK_END,    /* there is no more */
	SCAN_WALK_FAILED, /* see `status` */
};

struct scan_walk {
	struct store *store;                   /* constant, borrowed, as the next two */
	const struct store_snapshot *picture;
	const struct scan_range *range;

	struct store_iter *iter; /* NULL between two pieces */
	enum scan_walk_state state;
	kv_status status;        /* after SCAN_WALK_FAILED */
	uint64_t deadline_us;
	unsigned moves;
	bool has_from;           /* began before: then where it goes on, else at the end of the range that it comes from */
	bool from_included;      /* it was not handed out yet; else everything up to it was */
	struct buf from;
};

/* A piece; clock_monotonic_us() after which it is over, 0: never. Some progress is made in any case. One that would go on outside of the range is at
 * its end. */
enum scan_walk_state scan_walk_begin(struct scan_walk *walk, uint64_t deadline_us, struct kv_error *err);
enum scan_walk_state scan_walk_next(struct scan_walk *walk, struct kv_error *err);

/* The item it stands on: key, value and so on of the iterator. */
static inline const struct store_iter *scan_walk_item(const struct scan_walk *walk)
{
	return walk->iter;
}

/* Ends a piece. The item that it stands on has not been handed out. KV_NO_MEMORY: it cannot go on. */
kv_status scan_walk_pause(struct scan_walk *walk);

/* Where the next piece begins, as a cursor had it. */
kv_status scan_walk_set_from(struct scan_walk *walk, struct slice key, bool included);

void scan_walk_free(struct scan_walk *walk); /* safe on a zeroed one and twice */

#endif
