/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tree of losers (Knuth, TAOCP vol. 3, 5.4.1) over the children: each inner node holds the one that lost there, the winner is
 * shown. A child that has moved plays its way up again, one match a level. Nobody can foretell which of two random keys is the
 * smaller, and a wrong guess costs the processor more than the rest of a step; so a match is played without a branch: by
 * the first 16 bytes of the keys, as two numbers. Only when these are equal, the keys themselves are compared. Backward,
 * the numbers are complemented: the smallest always wins.
 *
 * Some entries ahead are laid out as a run of our own: who is above us pays for a call only now and then, and nowhere does the processor guess
 * whose turn it is. What follows in the winner's run is compared with the best of the others alone, and the tree rests meanwhile. The run ends
 * where a child would have to give up the slices that it lent.
 *
 * Forward, the winner stands on the last entry of the run, and every other child on its first entry after that; backward, the winner on the first
 * entry of the run, and the others on their last entry before it. A child beyond its end has the largest numbers there are: a winner there says that
 * the run is the last.
 *
 * A child may be an active memtable, in which entries appear while we stand: those that slip in between the run and a
 * child's position are newer than any reader of this iterator, and may be missed; turn() takes care that they do not break
 * the order.
 */
#include "engine/iter_merge.h"

#include "engine/iter_spare.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

enum {
	PREFIX_BYTES = 16,
	RUN_ENTRIES = 16,
	RUN_AFTER_SEEK = 8, /* who seeks may want but a few */
	CHILDREN_INSIDE = 12, /* more take memory of their own */
};

/* One who plays: a child, and where it stands. */
struct player {
	uint64_t high, low; /* the key's first bytes, big-endian, filled up with zeros; all ones beyond the end */
	size_t place;       /* which child */
};

struct iter_merge {
	struct iter base;
	size_t count;
	const struct iter *failed; /* the child whose error ended it all; NULL: none */
	bool backward;

	struct player winner;
	struct entry run[RUN_ENTRIES + 1]; /* forward from its start on, backward up to its end; one place stays empty */
	struct player *losers;  /* [count], from 1 on: below node i are 2i and 2i + 1; from `count` on these are the children */
	struct player *matches; /* [2 * count]: who won where, for rebuild() */
	struct iter **children; /* [count] */
	void *outside;          /* where the three lie, when not here */
	struct player players[3 * CHILDREN_INSIDE];
	struct iter *few[CHILDREN_INSIDE];
};

static struct iter_spare spare;

static inline uint64_t big_endian(const uint8_t *bytes)
{
	uint64_t v;

	memcpy(&v, bytes, sizeof v);
	return be64toh(v);
}

static inline __attribute__((always_inline)) void set_prefix(struct player *player, struct slice key, bool backward)
{
	uint64_t turned = backward ? UINT64_MAX : 0;
	uint8_t bytes[PREFIX_BYTES] = { 0 };
	const uint8_t *from = key.data;

	if (key.len < PREFIX_BYTES) {
		memcpy(bytes, key.data, key.len);
		from = bytes;
	}
	player->high = big_endian(from) ^ turned;
	player->low = big_endian(from + 8) ^ turned;
}

/* The players' numbers are equal: so are the keys, or they are long. */
static __attribute__((noinline)) bool wins_tie(const struct iter_merge *merge, const struct player *a,
	const struct player *b)
{
	const struct iter *iter_a = merge->children[a->place], *iter_b = merge->children[b->place];
	int order;

	if (!iter_a->valid || !iter_b->valid)
		return iter_a->valid;
	order = entry_compare(iter_a->entry, iter_b->entry);
	return merge->backward ? order > 0 : order < 0;
}

/* Must `a` be shown before `b`? */
static inline bool wins(const struct iter_merge *merge, const struct player *a, const struct player *b)
{
	bool equal = a->high == b->high;

	if (__builtin_expect(equal & (a->low == b->low), 0))
		return wins_tie(merge, a, b);
	return (a->high < b->high) | (equal & (a->low < b->low));
}

/* Without a branch: see above. */
static inline void swap_if(bool condition, struct player *a, struct player *b)
{
	uint64_t mask = -(uint64_t)condition;
	uint64_t high = (a->high ^ b->high) & mask, low = (a->low ^ b->low) & mask;
	size_t place = (a->place ^ b->place) & (size_t)mask;

	a->high ^= high;
	b->high ^= high;
	a->low ^= low;
	b->low ^= low;
	a->place ^= place;
	b->place ^= place;
}

/* Where the child stands after a move. One that failed ends it all. */
static inline void enter_child(struct iter_merge *merge, struct player *player)
{
	const struct iter *child = merge->children[player->place];

	if (child->valid) {
		set_prefix(player, child->entry->key, merge->backward);
		return;
	}
	player->high = player->low = UINT64_MAX;
	if (iter_status(child, NULL) != KV_OK)
		merge->failed = child;
}

/* Where the winner stood, `player` plays its way up. */
static inline void climb(struct iter_merge *merge, struct player player)
{
	for (size_t i = (player.place + merge->count) / 2; i > 0; i /= 2)
		swap_if(wins(merge, &merge->losers[i], &player), &merge->losers[i], &player);
	merge->winner = player;
}

/* The best of those who lost to the winner: they all met it on its way up. */
static inline const struct player *second(const struct iter_merge *merge)
{
	size_t i = (merge->winner.place + merge->count) / 2;
	const struct player *best = &merge->losers[i];

	while ((i /= 2) > 0)
		if (wins(merge, &merge->losers[i], best))
			best = &merge->losers[i];
	return best;
}

static void child_step(struct iter_merge *merge, struct iter *child)
{
	if (merge->backward)
		iter_prev(child);
	else
		iter_next(child);
}

/* The winner steps on, and plays its way up. */
static void replay(struct iter_merge *merge)
{
	struct player player = merge->winner;

	child_step(merge, merge->children[player.place]);
	enter_child(merge, &player);
	climb(merge, player);
}

/*
 * Adds to the run, which ends at `to`, what the winner stands on, and what follows in the winner's own run, up to where another child becomes the
 * winner. Returns where the run ends then. *ret_more: false when this is not to go on: the winner stands on what was added last.
 */
static inline __attribute__((always_inline)) struct entry *put_stretch(struct iter_merge *merge, struct entry *to,
	const struct entry *room_end, bool backward, bool *ret_more)
{
	struct player player = merge->winner;
	struct iter *child = merge->children[player.place];
	const struct entry *from = child->entry, *end = backward ? child->first : child->last;
	const struct player *other = second(merge);
	const ptrdiff_t step = backward ? -1 : 1;
	bool lost = false;

	for (;;) {
		*to = *from;
		to += step;
		if (to == room_end || from == end)
			break;
		from += step;
		set_prefix(&player, from->key, backward);
		child->entry = from; /* a tie is decided by where it stands */
		lost = !wins(merge, &player, other);
		if (lost)
			break;
	}
	*ret_more = lost || (to != room_end && child->keeps_slices); /* to move another would spoil what is in the run */
	if (lost)
		climb(merge, player);
	else if (*ret_more)
		replay(merge);
	return to;
}

static inline __attribute__((always_inline)) struct entry *lay_towards(struct iter_merge *merge, struct entry *to,
	const struct entry *room_end, bool backward)
{
	bool more = true;

	while (more && !merge->failed && merge->children[merge->winner.place]->valid)
		to = put_stretch(merge, to, room_end, backward, &more);
	return to;
}

/* Lays out a run of up to `most` entries, the first of which is what the winner stands on. */
static void lay(struct iter_merge *merge, unsigned most)
{
	struct iter *iter = &merge->base;
	struct entry *start, *end;

	if (merge->backward) {
		end = merge->run + RUN_ENTRIES + 1;
		start = lay_towards(merge, end - 1, end - 1 - most, true) + 1;
	} else {
		start = merge->run;
		end = lay_towards(merge, start, start + most, false);
	}
	iter->valid = start != end && !merge->failed;
	if (!iter->valid)
		return;
	iter->first = start;
	iter->last = end - 1;
	iter->entry = merge->backward ? iter->last : iter->first;
}

/* All play anew. */
static void rebuild(struct iter_merge *merge, unsigned most)
{
	struct player *matches = merge->matches;

	merge->base.valid = false;
	for (size_t i = 0; i < merge->count && !merge->failed; i++) {
		matches[merge->count + i].place = i;
		enter_child(merge, &matches[merge->count + i]);
	}
	if (merge->failed)
		return;
	for (size_t i = merge->count - 1; i > 0; i--) {
		bool left = wins(merge, &matches[2 * i], &matches[2 * i + 1]);

		matches[i] = matches[2 * i + !left];
		merge->losers[i] = matches[2 * i + left];
	}
	merge->winner = matches[1];
	lay(merge, most);
}

/* Moves a child that stands beyond the place of `shown`, or at it, to its nearest entry in the new direction. */
static void turn_child(struct iter_merge *merge, struct iter *child, const struct entry *shown)
{
	if (!child->valid && merge->backward)
		iter_seek_last(child);
	else if (!child->valid)
		iter_seek_first(child);
	while (child->valid &&
		(merge->backward ? entry_compare(child->entry, shown) >= 0 : entry_compare(child->entry, shown) <= 0))
		child_step(merge, child);
}

/* Changes the direction and makes one step. What is shown would go with the moves of the child that it is from: a copy of its place. */
static void turn(struct iter_merge *merge)
{
	uint8_t key[ENTRY_KEY_MAX];
	struct entry shown = *merge->base.entry;

	assert(shown.key.len <= sizeof key);
	memcpy(key, shown.key.data, shown.key.len);
	shown.key.data = key;
	merge->backward = !merge->backward;
	for (size_t i = 0; i < merge->count; i++)
		turn_child(merge, merge->children[i], &shown);
	rebuild(merge, RUN_ENTRIES);
}

static void merge_seek_first(struct iter *iter)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (size_t i = 0; i < merge->count && !merge->failed; i++)
		iter_seek_first(merge->children[i]);
	merge->backward = false;
	rebuild(merge, RUN_AFTER_SEEK);
}

static void merge_seek_last(struct iter *iter)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (size_t i = 0; i < merge->count && !merge->failed; i++)
		iter_seek_last(merge->children[i]);
	merge->backward = true;
	rebuild(merge, RUN_AFTER_SEEK);
}

static void merge_seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (unsigned step = 0; step < 2; step++)
		for (size_t i = 0; i < merge->count && !merge->failed; i++)
			iter_fetch(merge->children[i], key, sequence, step);
	for (size_t i = 0; i < merge->count && !merge->failed; i++)
		iter_seek(merge->children[i], key, sequence);
	merge->backward = false;
	rebuild(merge, RUN_AFTER_SEEK);
}

static void merge_seek_before(struct iter *iter, struct slice key)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (size_t i = 0; i < merge->count && !merge->failed; i++)
		iter_seek_before(merge->children[i], key);
	merge->backward = true;
	rebuild(merge, RUN_AFTER_SEEK);
}

static void go(struct iter_merge *merge, bool backward)
{
	assert(merge->base.valid);
	if (merge->backward != backward) {
		turn(merge);
		return;
	}
	if (merge->children[merge->winner.place]->valid) /* else the run was all that there is */
		replay(merge);
	lay(merge, RUN_ENTRIES);
}

static void merge_next(struct iter *iter)
{
	go((struct iter_merge *)iter, false);
}

static void merge_prev(struct iter *iter)
{
	go((struct iter_merge *)iter, true);
}

static kv_status merge_status(const struct iter *iter, struct kv_error *err)
{
	const struct iter_merge *merge = (const struct iter_merge *)iter;

	return merge->failed ? iter_status(merge->failed, err) : KV_OK;
}

static void merge_close(struct iter *iter)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (size_t i = 0; i < merge->count; i++)
		iter_close(merge->children[i]);
	free(merge->outside);
	iter_spare_give(&spare, merge);
}

static const struct iter_ops merge_ops = {
	.seek_first = merge_seek_first,
	.seek_last = merge_seek_last,
	.seek = merge_seek,
	.seek_before = merge_seek_before,
	.next = merge_next,
	.prev = merge_prev,
	.status = merge_status,
	.close = merge_close,
};

/* Room for the children and who plays for them. */
static bool make_room(struct iter_merge *merge, size_t count)
{
	merge->losers = merge->players;
	merge->children = merge->few;
	if (count > CHILDREN_INSIDE) {
		merge->outside = calloc(count, 3 * sizeof(struct player) + sizeof(struct iter *));
		if (!merge->outside)
			return false;
		merge->losers = merge->outside;
		merge->children = (struct iter **)(merge->losers + 3 * count);
	}
	merge->matches = merge->losers + count;
	return true;
}

struct iter *iter_merge_new(struct iter *const *children, size_t count)
{
	struct iter_merge *merge;

	assert(count > 0);
	if (count == 1)
		return children[0];
	merge = iter_spare_take(&spare, sizeof *merge);
	if (!merge)
		goto fail;
	memset(merge, 0, offsetof(struct iter_merge, run));
	merge->outside = NULL;
	merge->base.ops = &merge_ops;
	merge->count = count;
	if (!make_room(merge, count))
		goto fail;
	memcpy(merge->children, children, count * sizeof(struct iter *));
	return &merge->base;
fail:
	iter_spare_give(&spare, merge);
	for (size_t i = 0; i < count; i++)
		iter_close(children[i]);
	return NULL;
}
