/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adaptive radix tree (Leis, Kemper, Neumann: "The Adaptive Radix Tree", ICDE 2013) in arenas: an ordered map from
 * byte strings to leaves. One writer, any number of readers that never wait and never see a half-made node: the
 * writer publishes with release stores; nodes grow by copy and one pointer store; what is replaced stays in
 * its arena until all of it goes. Nothing is ever removed.
 */
#ifndef KV_ENGINE_ART_H
#define KV_ENGINE_ART_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdatomic.h>

enum { ART_KEY_MAX = 65535 }; /* bytes */

struct art;

struct art_leaf {
	_Atomic(void *) head; /* the user's; never NULL in a published leaf; written by the writer only */
	uint32_t key_len;
	uint8_t key[];
};

static inline struct slice art_leaf_key(const struct art_leaf *leaf)
{
	return slice_of(leaf->key, leaf->key_len);
}

/* An empty tree, freed with its arenas; NULL when out of memory. Nodes and leaves may come from the same arena; apart,
 * the nodes lie closer together, which saves cache misses. */
struct art *art_new(struct arena *nodes, struct arena *leaves);

/* Takes the memory for the nodes of the next `count` inserts ahead. The arena of nodes must be the tree's alone
 * for that. The writer only. */
kv_status art_reserve_nodes(struct art *art, size_t count);

/* Upper bound of what the leaf of a key of this length takes of a reservation of the arena of leaves. */
size_t art_leaf_bytes(size_t key_len);

/* Finds the leaf of `key`, or inserts one whose head is `head` and sets *ret_inserted. The key is copied. The writer only.
 * KV_NO_MEMORY leaves the tree as it was. */
kv_status art_insert(struct art *art, struct slice key, void *head, struct art_leaf **ret_leaf,
	bool *ret_inserted);

/* NULL when there is none. Any thread. */
struct art_leaf *art_find(const struct art *art, struct slice key);

/* Ordered walk; any thread, while the writer inserts: sees every key that was there when it was positioned, and
 * perhaps newer ones. Each function returns the leaf it stands on then, or NULL at the end (or when out of memory: see
 * art_iter_failed), after which it has to be positioned anew; beyond the end, a further step in the same direction is NULL, too. */
struct art_iter;
struct art_iter *art_iter_new(const struct art *art); /* NULL when out of memory */
struct art_iter *art_iter_free(struct art_iter *iter); /* NULL is allowed; returns NULL */
struct art_leaf *art_iter_first(struct art_iter *iter);
struct art_leaf *art_iter_last(struct art_iter *iter);
struct art_leaf *art_iter_seek(struct art_iter *iter, struct slice key);        /* first >= key */
struct art_leaf *art_iter_seek_before(struct art_iter *iter, struct slice key); /* last < key */
struct art_leaf *art_iter_next(struct art_iter *iter);
struct art_leaf *art_iter_prev(struct art_iter *iter);
/* Whether the last move ended for want of memory. */
bool art_iter_failed(const struct art_iter *iter);

#endif
