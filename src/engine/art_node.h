/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes of the radix tree; private to art*.c.
 *
 * All keys below a node agree in their first `depth` bytes, and the node branches by the byte at offset `depth`;
 * the key of exactly `depth` bytes, if there is one, is its `terminal`. So depth is absolute and the bytes
 * between a node and its parent (the compressed path) are stored nowhere but in the leaves: a node never
 * has to change when a path above it is split, and prefixes may be as long as keys. `sample` is some leaf
 * below the node, to read those bytes from.
 *
 * What readers may see change: `count` and what it covers, in nodes of 4 and 16, which are appended to,
 * unsorted; the index bytes of a node of 48; any child pointer; `terminal`. The order of stores is always
 * child, key, count.
 */
#ifndef KV_ENGINE_ART_NODE_H
#define KV_ENGINE_ART_NODE_H

#include "engine/art.h"

/* A child: 0 is none, else a pointer to a leaf (lowest bit set) or to a node. */
typedef uintptr_t art_ref;

enum { ART_CACHE_LINE = 64 };

enum art_node_type { ART_NODE4, ART_NODE16, ART_NODE48, ART_NODE256, ART_NODE_TYPES };

struct art_node {
	uint8_t type;           /* constant */
	_Atomic(uint8_t) count; /* children; not kept in a node of 256 */
	uint16_t depth;         /* constant */
	_Atomic(uint32_t) keys; /* of a node of 4: key i in the byte i * 8 */
	_Atomic(struct art_leaf *) terminal;
	const struct art_leaf *sample; /* constant */
};

struct art_node4 {
	struct art_node head;
	_Atomic(art_ref) child[4];
};

struct art_node16 {
	struct art_node head;
	_Atomic(uint64_t) keys[2]; /* key i in the word i / 8, byte i % 8 */
	_Atomic(art_ref) child[16];
};

struct art_node48 {
	struct art_node head;
	_Atomic(uint8_t) index[256]; /* 0: none, else 1 + the place in child[] */
	_Atomic(art_ref) child[48];
};

struct art_node256 {
	struct art_node head;
	_Atomic(art_ref) child[256];
};

static inline bool art_ref_is_leaf(art_ref ref)
{
	return ref & 1;
}

static inline struct art_leaf *art_ref_leaf(art_ref ref)
{
	return (struct art_leaf *)(ref - 1);
}

static inline struct art_node *art_ref_node(art_ref ref)
{
	return (struct art_node *)ref;
}

static inline art_ref art_ref_of_leaf(const struct art_leaf *leaf)
{
	return (art_ref)leaf + 1;
}

static inline art_ref art_ref_of_node(const struct art_node *node)
{
	return (art_ref)node;
}

/* gcc takes a function that only prefetches for one without effect, and drops its calls */
#define ART_INLINE inline __attribute__((always_inline))

/* Starts to fetch the head of a node, or a leaf with what was allocated right before it (which begins with the end of what its
 * head points to as long as it was not replaced), into the cache. No more: the processor waits when too many fetches
 * are under way. */
static ART_INLINE void art_ref_fetch(art_ref ref)
{
	if (art_ref_is_leaf(ref)) {
		__builtin_prefetch((const uint8_t *)art_ref_leaf(ref) - ART_CACHE_LINE / 2);
		__builtin_prefetch((const uint8_t *)art_ref_leaf(ref) + ART_CACHE_LINE / 2 - 1);
	} else {
		__builtin_prefetch(art_ref_node(ref));
	}
}

/* The lines of a node of 16 behind its head. */
static ART_INLINE void art_node16_fetch(const struct art_node *node)
{
	__builtin_prefetch((const uint8_t *)node + ART_CACHE_LINE);
	__builtin_prefetch((const uint8_t *)node + 2 * ART_CACHE_LINE);
}

static inline art_ref art_ref_load(const _Atomic(art_ref) *slot)
{
	return atomic_load_explicit(slot, memory_order_acquire);
}

static inline struct art_leaf *art_node_terminal(const struct art_node *node)
{
	return atomic_load_explicit(&node->terminal, memory_order_acquire);
}

static inline unsigned art_node_count(const struct art_node *node)
{
	return atomic_load_explicit(&node->count, memory_order_acquire);
}

/* The place of the first byte of `word` that equals `byte`, 8 when there is none. (The lowest bit of the
 * well-known expression for "has a zero byte" is exact.) */
static inline unsigned art_match(uint64_t word, uint8_t byte)
{
	uint64_t x = word ^ byte * UINT64_C(0x0101010101010101);
	uint64_t hit = (x - UINT64_C(0x0101010101010101)) & ~x & UINT64_C(0x8080808080808080);

	return hit == 0 ? 8 : (unsigned)__builtin_ctzll(hit) / 8;
}

static inline _Atomic(art_ref) *art_node4_slot(struct art_node4 *node, uint8_t byte)
{
	unsigned count = art_node_count(&node->head);
	unsigned at = art_match(atomic_load_explicit(&node->head.keys, memory_order_relaxed), byte);

	return at < count ? &node->child[at] : NULL;
}

static inline _Atomic(art_ref) *art_node16_slot(struct art_node16 *node, uint8_t byte)
{
	unsigned count = art_node_count(&node->head);
	unsigned at = art_match(atomic_load_explicit(&node->keys[0], memory_order_relaxed), byte);

	if (at == 8)
		at += art_match(atomic_load_explicit(&node->keys[1], memory_order_relaxed), byte);
	return at < count ? &node->child[at] : NULL;
}

static inline _Atomic(art_ref) *art_node48_slot(struct art_node48 *node, uint8_t byte)
{
	unsigned place = atomic_load_explicit(&node->index[byte], memory_order_acquire);

	return place > 0 ? &node->child[place - 1] : NULL;
}

static inline _Atomic(art_ref) *art_node256_slot(struct art_node256 *node, uint8_t byte)
{
	return art_ref_load(&node->child[byte]) != 0 ? &node->child[byte] : NULL;
}

/* Where the child for `byte` hangs; NULL when there is none. Any thread. */
static inline _Atomic(art_ref) *art_node_slot(struct art_node *node, uint8_t byte)
{
	switch (node->type) {
	case ART_NODE4:
		return art_node4_slot((struct art_node4 *)node, byte);
	case ART_NODE16:
		return art_node16_slot((struct art_node16 *)node, byte);
	case ART_NODE48:
		return art_node48_slot((struct art_node48 *)node, byte);
	default:
		return art_node256_slot((struct art_node256 *)node, byte);
	}
}

/* The pointer at the top of the tree, 0 while it is empty. */
const _Atomic(art_ref) *art_root(const struct art *art);

/* ---- in the order of bytes; any thread ---- */

enum { ART_NODE_SMALL_MAX = 16 };

/* Nodes of 4 and 16, whose children are unsorted. */
static inline bool art_node_is_small(const struct art_node *node)
{
	return node->type <= ART_NODE16;
}

/* The places of a small node's children in the order of their bytes; returns how many. */
unsigned art_node_order(const struct art_node *node, uint8_t ret_places[ART_NODE_SMALL_MAX]);

/* The byte and the child at a place that was there. */
static inline uint8_t art_node_small_byte(const struct art_node *node, unsigned place)
{
	const struct art_node16 *node16 = (const struct art_node16 *)node;

	if (node->type == ART_NODE4)
		return (uint8_t)(atomic_load_explicit(&node->keys, memory_order_relaxed) >> place * 8);
	return (uint8_t)(atomic_load_explicit(&node16->keys[place / 8], memory_order_relaxed) >> place % 8 * 8);
}

static inline art_ref art_node_small_child(const struct art_node *node, unsigned place)
{
	if (node->type == ART_NODE4)
		return art_ref_load(&((const struct art_node4 *)node)->child[place]);
	return art_ref_load(&((const struct art_node16 *)node)->child[place]);
}

/* In a large node: the child for a byte (0..255), 0 when there is none. */
art_ref art_node_large_child(const struct art_node *node, int byte);

/* In a large node: the nearest child from the byte `from` (-1..256) on, upwards or downwards; 0 when there is none, else
 * *ret_byte is set. */
art_ref art_node_large_from(const struct art_node *node, int from, bool upwards, int *ret_byte);

/* ---- the writer only ---- */

/* What a node of this type takes of a reservation. */
size_t art_node_bytes(enum art_node_type type);

/* A node of 4 without children, not published; NULL when out of memory. */
struct art_node *art_node_new(struct arena *arena, uint16_t depth, const struct art_leaf *sample);

/* Whether art_node_add has room. */
bool art_node_is_full(const struct art_node *node);

/* Adds a child for a byte that has none yet; not full. */
void art_node_add(struct art_node *node, uint8_t byte, art_ref child);

/* A copy of the next larger type, not published; NULL when out of memory. */
struct art_node *art_node_grow(struct arena *arena, const struct art_node *node);

#endif
