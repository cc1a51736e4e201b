/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/scan_walk.h"

#include "base/clock.h"

enum { CLOCK_EVERY = 32 }; /* items between two looks at the clock */

static void seek_forward(struct scan_walk *walk)
{
	struct slice from = walk->has_from ? buf_slice(&walk->from) : walk->range->low;

	if (from.len > 0)
		store_iter_seek(walk->iter, from);
	else
		store_iter_seek_first(walk->iter);
}

static void seek_backward(struct scan_walk *walk)
{
	struct slice from = buf_slice(walk->has_from ? &walk->from : &walk->range->high);

	if (walk->has_from && walk->from_included) {
		store_iter_seek(walk->iter, from);
		if (store_iter_valid(walk->iter) && slice_equal(store_iter_key(walk->iter), from))
			return;
	}
	if (from.len > 0)
		store_iter_seek_before(walk->iter, from);
	else
		store_iter_seek_last(walk->iter);
}

/* What the iterator's last move has led to. */
static enum scan_walk_state judge(struct scan_walk *walk, struct kv_error *err)
{
	if (store_iter_valid(walk->iter))
		return scan_range_has(walk->range, store_iter_key(walk->iter)) ? SCAN_WALK_ITEM : SCAN_WALK_END;
	walk->status = store_iter_status(walk->iter, NULL);
	if (walk->status == KV_OK)
		return SCAN_WALK_END;
	if (walk->status != KV_BUSY) {
		(void)store_iter_status(walk->iter, err);
		return SCAN_WALK_FAILED;
	}
	/* time was over among deleted keys, which may go on beyond the range */
	return scan_range_has(walk->range, store_iter_key(walk->iter)) ? SCAN_WALK_LATE : SCAN_WALK_END;
}

enum scan_walk_state scan_walk_begin(struct scan_walk *walk, uint64_t deadline_us, struct kv_error *err)
{
	walk->state = SCAN_WALK_END;
	if (walk->range->empty)
		return walk->state;
	walk->status = store_iter_open(walk->store, walk->picture, &walk->iter, err);
	if (walk->status != KV_OK) {
		walk->iter = NULL;
		walk->state = SCAN_WALK_FAILED;
		return walk->state;
	}
	walk->deadline_us = deadline_us;
	walk->moves = 0;
	store_iter_set_deadline(walk->iter, deadline_us);
	if (walk->range->reverse)
		seek_backward(walk);
	else
		seek_forward(walk);
	walk->state = judge(walk, err);
	/* from here on only the end that it walks to is looked at */
	if ((walk->state == SCAN_WALK_ITEM || walk->state == SCAN_WALK_LATE) &&
		!scan_range_contains(walk->range, store_iter_key(walk->iter)))
		walk->state = SCAN_WALK_END;
	return walk->state;
}

enum scan_walk_state scan_walk_next(struct scan_walk *walk, struct kv_error *err)
{
	if (walk->range->reverse)
		store_iter_prev(walk->iter);
	else
		store_iter_next(walk->iter);
	walk->state = judge(walk, err);
	if (walk->state == SCAN_WALK_ITEM && ++walk->moves % CLOCK_EVERY == 0 && walk->deadline_us != 0 &&
		clock_monotonic_us() > walk->deadline_us)
		walk->state = SCAN_WALK_LATE;
	return walk->state;
}

kv_status scan_walk_set_from(struct scan_walk *walk, struct slice key, bool included)
{
	walk->has_from = true;
	walk->from_included = included;
	return buf_set(&walk->from, key);
}

kv_status scan_walk_pause(struct scan_walk *walk)
{
	kv_status status = KV_OK;

	if (!walk->iter)
		return KV_OK;
	if (walk->state == SCAN_WALK_ITEM || walk->state == SCAN_WALK_LATE)
		status = scan_walk_set_from(walk, store_iter_key(walk->iter), store_iter_valid(walk->iter));
	walk->iter = store_iter_close(walk->iter);
	return status;
}

void scan_walk_free(struct scan_walk *walk)
{
	walk->iter = store_iter_close(walk->iter);
	buf_free(&walk->from);
}
