/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lookup goes down by the branching bytes alone and compares the whole key once, with the leaf it arrives at: a
 * compressed path costs nothing. An insert goes down the same way; if it passed over compressed bytes, it
 * compares with one leaf below the place where it stopped, and when the key differs further up, the split
 * belongs there: a second way down, over nodes that are in the cache now, finds it.
 *
 * A split puts a new node of 4 between a pointer and what it pointed to, which stays as it is. So every change
 * that a reader can see is one store: a child appended, a terminal set, a pointer replaced by one to a
 * node that leads to all that the old one led to.
 */
#include "engine/art.h"

#include "engine/art_node.h"

#include <assert.h>

struct art {
	_Atomic(art_ref) root;

	/* writer only */
	struct arena *nodes;
	struct arena *leaves;
	size_t counts[ART_NODE_TYPES]; /* nodes in the tree (not those that were replaced) */
};

enum { LEAF_ALIGN = 8 };

struct art *art_new(struct arena *nodes, struct arena *leaves)
{
	struct art *art = arena_alloc(nodes, sizeof *art, _Alignof(struct art));

	if (!art)
		return NULL;
	*art = (struct art){ .nodes = nodes, .leaves = leaves };
	return art;
}

const _Atomic(art_ref) *art_root(const struct art *art)
{
	return &art->root;
}

size_t art_leaf_bytes(size_t key_len)
{
	return sizeof(struct art_leaf) + key_len + LEAF_ALIGN - 1;
}

static struct art_leaf *new_leaf(struct art *art, struct slice key, void *head)
{
	struct art_leaf *leaf = arena_alloc(art->leaves, sizeof *leaf + key.len, LEAF_ALIGN);

	if (!leaf)
		return NULL;
	atomic_init(&leaf->head, head);
	leaf->key_len = (uint32_t)key.len;
	if (key.len > 0)
		memcpy(leaf->key, key.data, key.len);
	return leaf;
}

static size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* An insert makes at most one node. It is a larger one only where a node is full: of those that are there each may be
 * full, but a node made on the way needs inserts of its own to fill up (one of 4 is born with two keys, one of 16 with
 * 5, one of 48 with 17). */
kv_status art_reserve_nodes(struct art *art, size_t count)
{
	size_t bytes[ART_NODE_TYPES];
	size_t sum = 0;

	bytes[ART_NODE4] = count;
	bytes[ART_NODE16] = at_most(count, art->counts[ART_NODE4] + count / 3);
	bytes[ART_NODE48] = at_most(count, art->counts[ART_NODE16] + count / 12);
	bytes[ART_NODE256] = at_most(count, art->counts[ART_NODE48] + count / 32);
	for (int type = 0; type < ART_NODE_TYPES; type++) {
		if (__builtin_mul_overflow(bytes[type], art_node_bytes((enum art_node_type)type), &bytes[type]) ||
			__builtin_add_overflow(sum, bytes[type], &sum))
			return KV_NO_MEMORY;
	}
	return arena_reserve(art->nodes, sum);
}

struct art_leaf *art_find(const struct art *art, struct slice key)
{
	art_ref ref = art_ref_load(&art->root);
	struct art_leaf *leaf = NULL;

	while (ref != 0 && !art_ref_is_leaf(ref)) {
		struct art_node *node = art_ref_node(ref);
		_Atomic(art_ref) *slot;

		if (node->depth >= key.len) {
			leaf = node->depth == key.len ? art_node_terminal(node) : NULL;
			ref = 0;
		} else {
			slot = art_node_slot(node, key.data[node->depth]);
			ref = slot ? art_ref_load(slot) : 0;
		}
	}
	if (ref != 0)
		leaf = art_ref_leaf(ref);
	return leaf && slice_equal(art_leaf_key(leaf), key) ? leaf : NULL;
}

/* Where a way down by `key` ended. */
struct place {
	_Atomic(art_ref) *slot; /* what points to the last thing that was reached */
	struct art_node *node;  /* the last node on the way; NULL: none */
	struct art_leaf *found; /* the leaf that was reached, or the terminal for a key that ends there */
	bool at_leaf;           /* `slot` points to `found` */

	/* the lowest node on the way with a compressed path above it: the way below it needs no proof */
	const struct art_node *unproven;
};

static struct place go_down(struct art *art, struct slice key)
{
	struct place at = { .slot = &art->root };
	art_ref ref = atomic_load_explicit(&art->root, memory_order_relaxed);
	_Atomic(art_ref) *next;
	size_t proven = 0; /* bytes */

	while (ref != 0 && !art_ref_is_leaf(ref)) {
		at.node = art_ref_node(ref);
		if (at.node->depth > proven)
			at.unproven = at.node;
		if (at.node->depth >= key.len) {
			at.found = at.node->depth == key.len ? art_node_terminal(at.node) : NULL;
			return at;
		}
		next = art_node_slot(at.node, key.data[at.node->depth]);
		if (!next)
			return at;
		proven = (size_t)at.node->depth + 1;
		at.slot = next;
		ref = atomic_load_explicit(next, memory_order_relaxed);
	}
	if (ref != 0) {
		at.found = art_ref_leaf(ref);
		at.at_leaf = true;
	}
	return at;
}

/* How many bytes `key` shares with all that is below the place; sets *ret_other to a leaf that shares no more with it,
 * when that is fewer than the place is deep. */
static size_t common_bytes(const struct place *at, struct slice key, const struct art_leaf **ret_other)
{
	size_t ret = at->node ? at->node->depth : 0;
	size_t common;

	if (at->found)
		*ret_other = at->found;
	else if (at->unproven)
		*ret_other = at->unproven->sample;
	else
		return ret;
	common = slice_common_prefix(key, art_leaf_key(*ret_other));
	return at->found || common < at->unproven->depth ? common : ret;
}

/* The highest pointer below which all keys share more than `common` bytes with the way of `key`. */
static _Atomic(art_ref) *split_place(struct art *art, struct slice key, size_t common)
{
	_Atomic(art_ref) *slot = &art->root;
	art_ref ref = atomic_load_explicit(slot, memory_order_relaxed);

	while (!art_ref_is_leaf(ref) && art_ref_node(ref)->depth < common) {
		slot = art_node_slot(art_ref_node(ref), key.data[art_ref_node(ref)->depth]);
		ref = atomic_load_explicit(slot, memory_order_relaxed);
	}
	return slot;
}

/* Hangs `leaf` into a node that is not published yet or has room. */
static void add_leaf(struct art_node *node, struct art_leaf *leaf)
{
	if (leaf->key_len == node->depth)
		atomic_store_explicit(&node->terminal, leaf, memory_order_release);
	else
		art_node_add(node, leaf->key[node->depth], art_ref_of_leaf(leaf));
}

/* `leaf` shares `common` bytes with `other` and all else below `slot`. */
static bool split(struct art *art, _Atomic(art_ref) *slot, size_t common, struct art_leaf *leaf,
	const struct art_leaf *other)
{
	art_ref below = atomic_load_explicit(slot, memory_order_relaxed);
	struct art_node *node = art_node_new(art->nodes, (uint16_t)common, other);

	assert(other);
	if (!node)
		return false;
	if (other->key_len == common)
		add_leaf(node, art_ref_leaf(below)); /* only a leaf ends where a path is split */
	else
		art_node_add(node, other->key[common], below);
	add_leaf(node, leaf);
	atomic_store_explicit(slot, art_ref_of_node(node), memory_order_release);
	art->counts[ART_NODE4]++;
	return true;
}

/* `leaf` belongs into `node`, to which `slot` points. */
static bool extend(struct art *art, _Atomic(art_ref) *slot, struct art_node *node, struct art_leaf *leaf)
{
	struct art_node *grown;

	if (leaf->key_len == node->depth || !art_node_is_full(node)) {
		add_leaf(node, leaf);
		return true;
	}
	grown = art_node_grow(art->nodes, node);
	if (!grown)
		return false;
	add_leaf(grown, leaf);
	atomic_store_explicit(slot, art_ref_of_node(grown), memory_order_release);
	art->counts[node->type]--;
	art->counts[grown->type]++;
	return true;
}

/* `common` and `other` are what common_bytes() said. */
static bool insert_at(struct art *art, const struct place *at, size_t common, struct art_leaf *leaf,
	const struct art_leaf *other)
{
	_Atomic(art_ref) *slot = at->slot;

	if (!at->node && !at->at_leaf) { /* the first key */
		atomic_store_explicit(slot, art_ref_of_leaf(leaf), memory_order_release);
		return true;
	}
	if (!at->at_leaf && common == at->node->depth)
		return extend(art, slot, at->node, leaf);
	if (at->node && common <= at->node->depth)
		slot = split_place(art, art_leaf_key(leaf), common);
	return split(art, slot, common, leaf, other);
}

kv_status art_insert(struct art *art, struct slice key, void *head, struct art_leaf **ret_leaf,
	bool *ret_inserted)
{
	struct place at = go_down(art, key);
	const struct art_leaf *other = NULL;
	size_t common = common_bytes(&at, key, &other);
	struct art_leaf *leaf = at.found;
	bool insert = !leaf || common < key.len || common < leaf->key_len;

	assert(key.len <= ART_KEY_MAX && head);
	if (insert) {
		leaf = new_leaf(art, key, head);
		if (!leaf || !insert_at(art, &at, common, leaf, other))
			return KV_NO_MEMORY;
	}
	*ret_leaf = leaf;
	*ret_inserted = insert;
	return KV_OK;
}
