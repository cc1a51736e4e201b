/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ordered walk: a stack of the nodes from the root to the leaf it stands on, each with the byte that was taken.
 *
 * The writer may replace a node that is on the stack. The old one stays as it was and still leads to
 * everything that was in the tree then, so the walk goes on in it, only without the newer keys.
 *
 * Moves in the order of keys come upon leaves that lie anywhere in memory: those of a small node are fetched ahead,
 * together, when the walk enters it.
 */
#include "engine/art.h"

#include "engine/art_node.h"

#include <assert.h>
#include <stdlib.h>

enum {
	FRAMES_INSIDE = 32,
	AT_TERMINAL = -1, /* in place of a byte: the node's own key, before those of all children */
};

struct frame {
	const struct art_node *node;
	int byte; /* AT_TERMINAL, or the child's */
};

struct art_iter {
	const _Atomic(art_ref) *root; /* constant */
	struct frame *frames; /* `inside`, or malloc'ed */
	size_t depth;         /* frames in use */
	size_t capacity;
	bool failed;
	struct frame inside[FRAMES_INSIDE];
};

struct art_iter *art_iter_new(const struct art *art)
{
	struct art_iter *iter = malloc(sizeof *iter);

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
	free(iter);
	return NULL;
}

bool art_iter_failed(const struct art_iter *iter)
{
	return iter->failed;
}

static bool grow(struct art_iter *iter)
{
	size_t bytes = iter->capacity * sizeof iter->frames[0];
	struct frame *frames = malloc(bytes * 2);

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

static bool push(struct art_iter *iter, const struct art_node *node, int byte)
{
	if (iter->depth == iter->capacity && !grow(iter))
		return false;
	iter->frames[iter->depth++] = (struct frame){ .node = node, .byte = byte };
	return true;
}

/* Goes down to the first leaf at or below `ref`. */
static struct art_leaf *down_first(struct art_iter *iter, art_ref ref)
{
	while (!art_ref_is_leaf(ref)) {
		const struct art_node *node = art_ref_node(ref);
		struct art_leaf *terminal = art_node_terminal(node);
		int byte = AT_TERMINAL;

		art_node_prefetch(node);
		if (!terminal)
			ref = art_node_at_or_after(node, 0, &byte);
		if (!push(iter, node, byte))
			return NULL;
		if (terminal)
			return terminal;
	}
	return art_ref_leaf(ref);
}

static struct art_leaf *down_last(struct art_iter *iter, art_ref ref)
{
	while (!art_ref_is_leaf(ref)) {
		const struct art_node *node = art_ref_node(ref);
		int byte;

		art_node_prefetch(node);
		/* a node always has a child: two keys led to it, and only one of them can be its terminal */
		ref = art_node_at_or_before(node, 255, &byte);
		if (!push(iter, node, byte))
			return NULL;
	}
	return art_ref_leaf(ref);
}

/* From where the stack stands to the next leaf outside of what is below its top. */
static struct art_leaf *climb_next(struct art_iter *iter)
{
	while (iter->depth > 0) {
		struct frame *top = &iter->frames[iter->depth - 1];
		art_ref child = art_node_at_or_after(top->node, top->byte + 1, &top->byte);

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
		art_ref child = top->byte > 0 ?
			art_node_at_or_before(top->node, top->byte - 1, &top->byte) : 0;

		if (child != 0)
			return down_last(iter, child);
		if (top->byte != AT_TERMINAL && art_node_terminal(top->node)) {
			top->byte = AT_TERMINAL;
			return art_node_terminal(top->node);
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
		struct art_node *node = art_ref_node(ref);
		_Atomic(art_ref) *slot;

		if (node->depth > proven)
			order = compare_path(node, proven, key);
		/* also when the key ends here: its leaf is the first of what is below */
		if (order != 0 || node->depth == key.len)
			return beside(iter, ref, order, at_or_after);
		slot = art_node_slot(node, key.data[node->depth]);
		if (!push(iter, node, key.data[node->depth]))
			return NULL;
		if (!slot)
			return at_or_after ? climb_next(iter) : climb_prev(iter);
		proven = (size_t)node->depth + 1;
		ref = art_ref_load(slot);
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
