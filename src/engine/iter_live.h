/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a user sees: over an iterator of all versions, only the newest version of each key with a sequence
 * <= max_sequence, and only when it is a live value (no delete, not expired at `now_unix_ms`, not covered by a newer range delete).
 */
#ifndef KV_ENGINE_ITER_LIVE_H
#define KV_ENGINE_ITER_LIVE_H

#include "engine/iter.h"
#include "engine/range_cover.h"

struct iter_live;

/* Takes `input` over (also on failure: then it is closed). NULL when out of memory. */
struct iter_live *iter_live_new(struct iter *input, uint64_t max_sequence, uint64_t now_unix_ms);
struct iter_live *iter_live_close(struct iter_live *iter); /* NULL is allowed; returns NULL */

/* Range deletes to honour, malloc'ed, up to the same max_sequence; taken over; NULL: none. Before the first seek. The input may make use of
 * it, too. */
void iter_live_set_cover(struct iter_live *iter, struct range_cover *cover);

/* Moves return the entry that is shown then, its slices good until the next move; NULL: not valid. The key of a seek may not be a slice
 * lent by this iterator, but for iter_live_position(). */
const struct entry *iter_live_seek_first(struct iter_live *iter);
const struct entry *iter_live_seek_last(struct iter_live *iter);
const struct entry *iter_live_seek(struct iter_live *iter, struct slice key);        /* first live key >= key */
const struct entry *iter_live_seek_before(struct iter_live *iter, struct slice key); /* last live key < key */
const struct entry *iter_live_next(struct iter_live *iter); /* only while valid */
const struct entry *iter_live_prev(struct iter_live *iter); /* only while valid */

/* What the last move returned. */
const struct entry *iter_live_entry(const struct iter_live *iter);

static inline bool iter_live_valid(const struct iter_live *iter)
{
	return iter_live_entry(iter) != NULL;
}

/* KV_OK also at the end. KV_BUSY: the deadline passed on the way over hidden entries (looked at about every 64 of them, and
 * every few that range deletes hide): everything between the start of the move and iter_live_position() has been seen not to be live, and seeking
 * to it (on the way backward: before it) goes on from there. Every seek makes some progress, even when its deadline has passed already. */
kv_status iter_live_status(const struct iter_live *iter, struct kv_error *err);
/* After KV_BUSY; good until the next move but for the seek that goes on. */
struct slice iter_live_position(const struct iter_live *iter);

/* clock_monotonic_us() after which a move gives up; 0: never. */
void iter_live_set_deadline(struct iter_live *iter, uint64_t deadline_us);

#endif
