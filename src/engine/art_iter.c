/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ordered walk: a stack of the nodes from the root to the leaf it stands on, each with the child that was taken.
 *
 * The writer may add to a node on the stack, or replace it. A small node's children are put in order once, when
 * the walk enters it (after a seek, when it first makes a step there), and later ones are not seen; a node that was
 * replaced stays as it was and still leads to everything that was in the tree then. So the walk goes on as if nothing
 * had happened, only without the newer keys.
 *
 * Nodes and leaves that follow one another in order lie anywhere in memory. So they are fetched ahead: the children of
 * a small node when the walk enters it, those of a large one two steps before; and of the next child what is needed to
 * enter it.
 */
#include "engine/art.h"

#include "engine/art_node.h"
#include "engine/iter_spare.h"

#include <assert.h>
#include <stdlib.h>

enum {
	FRAMES_INSIDE = 32,
	AT_TERMINAL = -1, /* in place of a child: the node's own key, before those of all children */
	UNORDERED = 255,
};

struct frame {
	const struct art_node *node;
	int at;        /* of a small node: index in places; of a large one, and while UNORDERED: byte; or AT_TERMINAL */
	uint8_t count; /* of a small node: children when they were put in order, or UNORDERED */
	uint8_t places[ART_NODE_SMALL_MAX]; /* of them, in the order of their bytes */
};

struct art_iter {
	const _Atomic(art_ref) *root; /* constant */
	struct frame *frames;         /* `inside`, or malloc'ed */
	size_t depth;                 /* frames in use */
	size_t capacity;
	bool failed;
	struct frame inside[FRAMES_INSIDE];
};

static struct iter_spare spare;

struct art_iter *art_iter_new(const struct art *art)
{
	struct art_iter *iter = iter_spare_take(&spare, sizeof *iter);

	if (!iter)
		return NULL;
	iter->root = art_root(art);
	iter->frames = iter->inside;
	iter->depth = 0;
	iter->capacity = FRAMES_INSIDE;
	iter->failed = false;
	return iter;
}

struct art_iter *art_iter_free(struct art_iter *iter)
{
	if (iter && iter->frames != iter->inside)
		free(iter->frames);
	iter_spare_give(&spare, iter);
	return NULL;
}

bool art_iter_failed(const struct art_iter *iter)
{
	return iter->failed;
}

static bool grow(struct art_iter *iter)
{
	size_t bytes = iter->capacity * sizeof iter->frames[0];
	struct frame *frames;

	assert(iter->capacity > 0);
	frames = malloc(bytes * 2);
	if (!frames) {
		iter->failed = true;
		return false;
	}
	memcpy(frames, iter->frames, bytes);
	if (iter->frames != iter->inside)
		free(iter->frames);
	iter->frames = frames;
	iter->capacity *= 2;
	return true;
}

/* ---- fetching ahead ---- */

static ART_INLINE void fetch_children(const struct art_node *node)
{
	unsigned count = art_node_count(node);

	for (unsigned i = 0; i < count; i++)
		art_ref_fetch(art_node_small_child(node, i));
}

/* The walk comes to it next, and its head is there. */
static ART_INLINE void fetch_next(art_ref ref)
{
	const struct art_node *node = art_ref_node(ref);

	if (art_ref_is_leaf(ref))
		return;
	if (node->type == ART_NODE4)
		fetch_children(node);
	else if (node->type == ART_NODE16)
		art_node16_fetch(node);
}

static ART_INLINE void fetch_ahead(const struct frame *frame, bool forward)
{
	int step = forward ? 1 : -1;
	int at = frame->at + step;
	art_ref child;

	if (art_node_is_small(frame->node)) {
		if (at >= 0 && at < frame->count)
			fetch_next(art_node_small_child(frame->node, frame->places[at]));
		return;
	}
	child = art_node_large_from(frame->node, at, forward, &at);
	if (child == 0)
		return;
	fetch_next(child);
	child = art_node_large_from(frame->node, at + step, forward, &at);
	if (child != 0)
		art_ref_fetch(child);
}

/* ---- moving within a node ---- */

/* Puts the children of a small node in order that was entered at a byte. Where it has no child for that, the walk stands so that
 * the next step in the direction goes to the first beyond. */
static void put_in_order(struct frame *frame, bool forward)
{
	const struct art_node *node = frame->node;
	const uint8_t byte = (uint8_t)frame->at;
	int less = 0;

	fetch_children(node);
	frame->count = (uint8_t)art_node_order(node, frame->places);
	while (less < frame->count && art_node_small_byte(node, frame->places[less]) < byte)
		less++;
	frame->at = less;
	if (less == frame->count || art_node_small_byte(node, frame->places[less]) != byte)
		frame->at -= forward;
}

/* The next child in the direction; 0, and nothing changes, when there is none. */
static art_ref step(struct frame *frame, bool forward)
{
	const bool small = art_node_is_small(frame->node);
	art_ref ret = 0;
	int at;

	if (small && frame->count == UNORDERED)
		put_in_order(frame, forward);
	at = frame->at + (forward ? 1 : -1);
	if (!small)
		ret = art_node_large_from(frame->node, at, forward, &frame->at);
	else if (at >= 0 && at < frame->count) {
		ret = art_node_small_child(frame->node, frame->places[at]);
		frame->at = at;
	}
	if (ret != 0)
		fetch_ahead(frame, forward);
	return ret;
}

static struct frame *push(struct art_iter *iter, const struct art_node *node)
{
	assert(node);
	if (iter->depth == iter->capacity && !grow(iter))
		return NULL;
	iter->frames[iter->depth].node = node;
	return &iter->frames[iter->depth++];
}

/* Pushes the node; stands before all of its children, or after them. NULL when out of memory. */
static struct frame *enter(struct art_iter *iter, const struct art_node *node, bool forward)
{
	struct frame *frame = push(iter, node);

	if (!frame)
		return NULL;
	frame->at = forward ? -1 : 256;
	if (art_node_is_small(node)) {
		fetch_children(node);
		frame->count = (uint8_t)art_node_order(node, frame->places);
		frame->at = forward ? -1 : frame->count;
	}
	return frame;
}

/* Pushes the node; stands at its child for a byte, whether there is one or not. */
static struct frame *enter_at(struct art_iter *iter, const struct art_node *node, uint8_t byte)
{
	struct frame *frame = push(iter, node);

	if (frame) {
		frame->at = byte;
		frame->count = UNORDERED;
	}
	return frame;
}

/* ---- moving in the tree ---- */

/* Goes down to the first leaf at or below `ref`. */
static struct art_leaf *down_first(struct art_iter *iter, art_ref ref)
{
	while (!art_ref_is_leaf(ref)) {
		struct frame *frame = enter(iter, art_ref_node(ref), true);
		struct art_leaf *terminal = art_node_terminal(art_ref_node(ref));

		if (!frame)
			return NULL;
		/* `at` is AT_TERMINAL already */
		if (terminal)
			return terminal;
		ref = step(frame, true);
	}
	return art_ref_leaf(ref);
}

static struct art_leaf *down_last(struct art_iter *iter, art_ref ref)
{
	while (!art_ref_is_leaf(ref)) {
		struct frame *frame = enter(iter, art_ref_node(ref), false);

		if (!frame)
			return NULL;
		/* a node always has a child: two keys led to it, and only one of them can be its terminal */
		ref = step(frame, false);
	}
	return art_ref_leaf(ref);
}

/* From where the stack stands to the next leaf outside of what is below its top. */
static struct art_leaf *climb_next(struct art_iter *iter)
{
	while (iter->depth > 0) {
		art_ref child = step(&iter->frames[iter->depth - 1], true);

		if (child != 0)
			return down_first(iter, child);
		iter->depth--;
	}
	return NULL;
}

static struct art_leaf *climb_prev(struct art_iter *iter)
{
	while (iter->depth > 0) {
		struct frame *top = &iter->frames[iter->depth - 1];
		art_ref child = step(top, false);
		struct art_leaf *terminal;

		if (child != 0)
			return down_last(iter, child);
		terminal = top->at != AT_TERMINAL ? art_node_terminal(top->node) : NULL;
		if (terminal) {
			top->at = AT_TERMINAL;
			return terminal;
		}
		iter->depth--;
	}
	return NULL;
}

struct art_leaf *art_iter_next(struct art_iter *iter)
{
	return climb_next(iter);
}

struct art_leaf *art_iter_prev(struct art_iter *iter)
{
	return climb_prev(iter);
}

static art_ref restart(struct art_iter *iter)
{
	iter->depth = 0;
	iter->failed = false;
	return art_ref_load(iter->root);
}

struct art_leaf *art_iter_first(struct art_iter *iter)
{
	art_ref root = restart(iter);

	return root != 0 ? down_first(iter, root) : NULL;
}

struct art_leaf *art_iter_last(struct art_iter *iter)
{
	art_ref root = restart(iter);

	return root != 0 ? down_last(iter, root) : NULL;
}

/* How the keys below `node` compare with `key` in the compressed path, which begins at `from`: <0, 0, >0. The path is
 * read from a leaf; it never changes, whatever is inserted meanwhile. */
static int compare_path(const struct art_node *node, size_t from, struct slice key)
{
	size_t end = key.len < node->depth ? key.len : node->depth;

	return slice_compare(slice_of(node->sample->key + from, node->depth - from),
		slice_of(key.data + from, end - from));
}

/* Everything at and below `ref` is on the side `order` of the key: the nearest leaf on the wanted side. */
static struct art_leaf *beside(struct art_iter *iter, art_ref ref, int order, bool at_or_after)
{
	if (at_or_after)
		return order >= 0 ? down_first(iter, ref) : climb_next(iter);
	return order < 0 ? down_last(iter, ref) : climb_prev(iter);
}

static struct art_leaf *seek(struct art_iter *iter, struct slice key, bool at_or_after)
{
	art_ref ref = restart(iter);
	size_t proven = 0; /* bytes of `key` that all below `ref` share */
	int order = 0;

	if (ref == 0)
		return NULL;
	while (!art_ref_is_leaf(ref)) {
		const struct art_node *node = art_ref_node(ref);
		const _Atomic(art_ref) *slot;

		if (node->depth > proven)
			order = compare_path(node, proven, key);
		/* also when the key ends here: its leaf is the first of what is below */
		if (order != 0 || node->depth == key.len)
			return beside(iter, ref, order, at_or_after);
		if (!enter_at(iter, node, key.data[node->depth]))
			return NULL;
		slot = art_node_slot(art_ref_node(ref), key.data[node->depth]);
		ref = slot ? art_ref_load(slot) : 0;
		if (ref == 0)
			return at_or_after ? climb_next(iter) : climb_prev(iter);
		proven = (size_t)node->depth + 1;
	}
	return beside(iter, ref, slice_compare(art_leaf_key(art_ref_leaf(ref)), key), at_or_after);
}

struct art_leaf *art_iter_seek(struct art_iter *iter, struct slice key)
{
	return seek(iter, key, true);
}

struct art_leaf *art_iter_seek_before(struct art_iter *iter, struct slice key)
{
	return seek(iter, key, false);
}
