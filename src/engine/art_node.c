/* SPDX-License-Identifier: BSD-2-Clause */
/* Making, filling, growing and ordered scanning of nodes; see art_node.h for their shape. */
#include "engine/art_node.h"

#include <assert.h>

enum { NODE_ALIGN = ART_CACHE_LINE }; /* a lookup touches the first line and the one with the child */

static const struct {
	uint16_t size;
	uint16_t capacity;
} types[ART_NODE_TYPES] = {
	[ART_NODE4] = { sizeof(struct art_node4), 4 },
	[ART_NODE16] = { sizeof(struct art_node16), 16 },
	[ART_NODE48] = { sizeof(struct art_node48), 48 },
	[ART_NODE256] = { sizeof(struct art_node256), 256 },
};

size_t art_node_bytes(enum art_node_type type)
{
	return types[type].size + (size_t)NODE_ALIGN - 1;
}

static struct art_node *new_node(struct arena *arena, enum art_node_type type, uint16_t depth,
	const struct art_leaf *sample, struct art_leaf *terminal)
{
	struct art_node *node = arena_alloc(arena, types[type].size, NODE_ALIGN);

	if (!node)
		return NULL;
	memset((void *)node, 0, types[type].size);
	node->type = (uint8_t)type;
	node->depth = depth;
	node->sample = sample;
	atomic_init(&node->terminal, terminal);
	return node;
}

struct art_node *art_node_new(struct arena *arena, uint16_t depth, const struct art_leaf *sample)
{
	return new_node(arena, ART_NODE4, depth, sample, NULL);
}

bool art_node_is_full(const struct art_node *node)
{
	return node->type != ART_NODE256 &&
		atomic_load_explicit(&node->count, memory_order_relaxed) == types[node->type].capacity;
}

static void publish(_Atomic(art_ref) *slot, art_ref child)
{
	atomic_store_explicit(slot, child, memory_order_release);
}

void art_node_add(struct art_node *node, uint8_t byte, art_ref child)
{
	unsigned count = atomic_load_explicit(&node->count, memory_order_relaxed);
	_Atomic(uint64_t) *word;

	assert(!art_node_is_full(node));
	switch (node->type) {
	case ART_NODE4:
		publish(&((struct art_node4 *)node)->child[count], child);
		atomic_store_explicit(&node->keys, atomic_load_explicit(&node->keys, memory_order_relaxed) |
			(uint32_t)byte << count * 8, memory_order_relaxed);
		break;
	case ART_NODE16:
		publish(&((struct art_node16 *)node)->child[count], child);
		word = &((struct art_node16 *)node)->keys[count / 8];
		atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) |
			(uint64_t)byte << count % 8 * 8, memory_order_relaxed);
		break;
	case ART_NODE48:
		publish(&((struct art_node48 *)node)->child[count], child);
		atomic_store_explicit(&((struct art_node48 *)node)->index[byte], (uint8_t)(count + 1),
			memory_order_release);
		break;
	default:
		publish(&((struct art_node256 *)node)->child[byte], child);
		return;
	}
	atomic_store_explicit(&node->count, (uint8_t)(count + 1), memory_order_release);
}

struct art_node *art_node_grow(struct arena *arena, const struct art_node *node)
{
	uint8_t places[ART_NODE_SMALL_MAX];
	struct art_node *ret;
	art_ref child;
	unsigned count;
	int byte;

	assert(node->type < ART_NODE256);
	ret = new_node(arena, (enum art_node_type)(node->type + 1), node->depth, node->sample,
		art_node_terminal(node));
	if (!ret)
		return NULL;
	if (art_node_is_small(node)) {
		count = art_node_order(node, places);
		for (unsigned i = 0; i < count; i++)
			art_node_add(ret, art_node_small_byte(node, places[i]),
				art_node_small_child(node, places[i]));
	} else {
		for (int from = 0; (child = art_node_large_from(node, from, true, &byte)) != 0; from = byte + 1)
			art_node_add(ret, (uint8_t)byte, child);
	}
	return ret;
}

/* Each child's rank is how many have a smaller byte: nobody foretells the order of random bytes, so without branching by it. */
static unsigned order_few(uint32_t bytes, unsigned count, uint8_t ret_places[ART_NODE_SMALL_MAX])
{
	for (unsigned i = 0; i < count; i++) {
		uint8_t byte = (uint8_t)(bytes >> i * 8);
		unsigned rank = 0;

		for (unsigned j = 0; j < count; j++)
			rank += (uint8_t)(bytes >> j * 8) < byte;
		ret_places[rank] = (uint8_t)i;
	}
	return count;
}

/* The same for more of them: through a set of bytes. */
static unsigned order_many(const struct art_node *node, unsigned count, uint8_t ret_places[ART_NODE_SMALL_MAX])
{
	uint8_t place_of[256]; /* set for the bytes that are there */
	uint64_t there[4] = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		uint8_t byte = art_node_small_byte(node, i);

		place_of[byte] = (uint8_t)i;
		there[byte / 64] |= UINT64_C(1) << byte % 64;
	}
	for (unsigned word = 0; word < 4; word++)
		for (uint64_t left = there[word]; left != 0; left &= left - 1)
			/* cppcheck-suppress uninitvar ; it is set for the bytes of `there` */
			ret_places[n++] = place_of[word * 64 + (unsigned)__builtin_ctzll(left)];
	return n;
}

unsigned art_node_order(const struct art_node *node, uint8_t ret_places[ART_NODE_SMALL_MAX])
{
	unsigned count = art_node_count(node); /* before the bytes */

	if (node->type == ART_NODE4)
		return order_few(atomic_load_explicit(&node->keys, memory_order_relaxed), count, ret_places);
	return order_many(node, count, ret_places);
}

art_ref art_node_large_child(const struct art_node *node, int byte)
{
	const struct art_node48 *node48 = (const struct art_node48 *)node;
	unsigned place;

	if (node->type == ART_NODE256)
		return art_ref_load(&((const struct art_node256 *)node)->child[byte]);
	place = atomic_load_explicit(&node48->index[byte], memory_order_acquire);
	return place > 0 ? art_ref_load(&node48->child[place - 1]) : 0;
}

art_ref art_node_large_from(const struct art_node *node, int from, bool upwards, int *ret_byte)
{
	art_ref child;

	for (int byte = from; byte >= 0 && byte <= 255; byte += upwards ? 1 : -1) {
		child = art_node_large_child(node, byte);
		if (child != 0) {
			*ret_byte = byte;
			return child;
		}
	}
	return 0;
}
