/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A binary heap of children, the one to show at the root. Most moves stay within one child: a moved root is
 * compared with the runner-up (the better of its two heap children, remembered) first, and the heap is touched only when it
 * lost. Keys are compared by their first eight bytes before anything else.
 *
 * Forward, every child stands on its first entry after the shown one; backward, on its last entry before it. A child
 * beyond its end is not in the heap.
 *
 * A child may be an active memtable, in which entries appear while we stand: those that slip in between the shown entry and a
 * child's position are newer than any reader of this iterator, and may be missed; turn() takes care that they do not break
 * the order.
 */
#include "engine/iter_merge.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

struct merge_child {
	struct iter *iter;
	uint64_t prefix; /* of its key: eight bytes, big-endian, filled up with zeros */
};

struct iter_merge {
	struct iter base;
	size_t count;
	const struct iter *failed; /* the child whose error ended it all; NULL: none */
	bool backward;

	struct merge_child **heap; /* the root is the child shown */
	size_t heap_count;
	size_t runner_up;          /* place in the heap; 0: the root has no rival */

	struct merge_child children[];
};

static uint64_t key_prefix(struct slice key)
{
	uint8_t bytes[8] = { 0 };
	uint64_t ret;

	memcpy(bytes, key.data, key.len < sizeof bytes ? key.len : sizeof bytes);
	memcpy(&ret, bytes, sizeof ret);
	return be64toh(ret);
}

/* Order of two valid children, by key and sequence. */
static int child_compare(const struct merge_child *a, const struct merge_child *b)
{
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	return entry_compare(&a->iter->entry, &b->iter->entry);
}

/* Must `a` be shown before `b`, in the direction we walk? */
static bool comes_first(const struct iter_merge *merge, const struct merge_child *a,
	const struct merge_child *b)
{
	int order = child_compare(a, b);

	return merge->backward ? order > 0 : order < 0;
}

/* After a move of the child: false when it is at its end, or failed (then the merge has failed). */
static bool child_landed(struct iter_merge *merge, struct merge_child *child)
{
	if (child->iter->valid) {
		child->prefix = key_prefix(child->iter->entry.key);
		return true;
	}
	if (iter_status(child->iter, NULL) != KV_OK)
		merge->failed = child->iter;
	return false;
}

static void find_runner_up(struct iter_merge *merge)
{
	merge->runner_up = merge->heap_count > 1 ? 1 : 0;
	if (merge->heap_count > 2 && comes_first(merge, merge->heap[2], merge->heap[1]))
		merge->runner_up = 2;
}

static void sift_down(struct iter_merge *merge, size_t at)
{
	struct merge_child **heap = merge->heap;
	struct merge_child *moving = heap[at];
	size_t best;

	while ((best = at * 2 + 1) < merge->heap_count) {
		if (best + 1 < merge->heap_count && comes_first(merge, heap[best + 1], heap[best]))
			best++;
		if (!comes_first(merge, heap[best], moving))
			break;
		heap[at] = heap[best];
		at = best;
	}
	heap[at] = moving;
}

static void show_root(struct iter_merge *merge)
{
	merge->base.valid = merge->heap_count > 0 && !merge->failed;
	if (merge->base.valid)
		merge->base.entry = merge->heap[0]->iter->entry;
}

/* Makes the heap anew from the children that are valid. */
static void rebuild(struct iter_merge *merge)
{
	merge->heap_count = 0;
	for (size_t i = 0; i < merge->count && !merge->failed; i++) {
		if (child_landed(merge, &merge->children[i]))
			merge->heap[merge->heap_count++] = &merge->children[i];
	}
	for (size_t i = merge->heap_count / 2; i-- > 0;)
		sift_down(merge, i);
	find_runner_up(merge);
	show_root(merge);
}

/* The root has moved one step on: puts it in its place. */
static void settle_root(struct iter_merge *merge)
{
	if (!child_landed(merge, merge->heap[0])) {
		merge->heap[0] = merge->heap[--merge->heap_count];
		sift_down(merge, 0);
		find_runner_up(merge);
	} else if (merge->runner_up != 0 &&
		comes_first(merge, merge->heap[merge->runner_up], merge->heap[0])) {
		sift_down(merge, 0);
		find_runner_up(merge);
	}
	show_root(merge);
}

static void child_step(struct iter_merge *merge, struct iter *child)
{
	if (merge->backward)
		iter_prev(child);
	else
		iter_next(child);
}

/* Moves a child that stands on the other side of `shown` (or beyond an end) to its nearest entry in the new direction. */
static void turn_child(struct iter_merge *merge, struct iter *child, const struct entry *shown)
{
	if (child->valid)
		child_step(merge, child);
	else if (merge->backward)
		iter_seek_last(child);
	else
		iter_seek_first(child);
	while (child->valid && (entry_compare(&child->entry, shown) > 0) == merge->backward)
		child_step(merge, child);
}

/* Changes the direction and makes one step. The shown child moves last, because the others are compared with its entry. */
static void turn(struct iter_merge *merge)
{
	struct iter *root = merge->heap[0]->iter;

	merge->backward = !merge->backward;
	for (size_t i = 0; i < merge->count; i++) {
		if (merge->children[i].iter != root)
			turn_child(merge, merge->children[i].iter, &root->entry);
	}
	child_step(merge, root);
	rebuild(merge);
}

static void merge_seek_first(struct iter *iter)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (size_t i = 0; i < merge->count && !merge->failed; i++)
		iter_seek_first(merge->children[i].iter);
	merge->backward = false;
	rebuild(merge);
}

static void merge_seek_last(struct iter *iter)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (size_t i = 0; i < merge->count && !merge->failed; i++)
		iter_seek_last(merge->children[i].iter);
	merge->backward = true;
	rebuild(merge);
}

static void merge_seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (size_t i = 0; i < merge->count && !merge->failed; i++)
		iter_seek(merge->children[i].iter, key, sequence);
	merge->backward = false;
	rebuild(merge);
}

static void merge_seek_before(struct iter *iter, struct slice key)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	for (size_t i = 0; i < merge->count && !merge->failed; i++)
		iter_seek_before(merge->children[i].iter, key);
	merge->backward = true;
	rebuild(merge);
}

static void merge_next(struct iter *iter)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	assert(iter->valid);
	if (merge->backward) {
		turn(merge);
	} else {
		iter_next(merge->heap[0]->iter);
		settle_root(merge);
	}
}

static void merge_prev(struct iter *iter)
{
	struct iter_merge *merge = (struct iter_merge *)iter;

	assert(iter->valid);
	if (!merge->backward) {
		turn(merge);
	} else {
		iter_prev(merge->heap[0]->iter);
		settle_root(merge);
	}
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
		iter_close(merge->children[i].iter);
	free(merge->heap);
	free(merge);
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

struct iter *iter_merge_new(struct iter *const *children, size_t count)
{
	struct iter_merge *merge;
	struct merge_child **heap;

	assert(count > 0);
	if (count == 1)
		return children[0];
	merge = calloc(1, sizeof *merge + count * sizeof merge->children[0]);
	heap = calloc(count, sizeof(struct merge_child *));
	if (!merge || !heap)
		goto fail;
	merge->base.ops = &merge_ops;
	merge->heap = heap;
	merge->count = count;
	for (size_t i = 0; i < count; i++)
		merge->children[i].iter = children[i];
	return &merge->base;
fail:
	free(merge);
	free(heap);
	for (size_t i = 0; i < count; i++)
		iter_close(children[i]);
	return NULL;
}
