/* SPDX-License-Identifier: BSD-2-Clause */
/* A chained hash table over an array that only grows at its end: rollback takes entries off the end and the heads of their chains. */
#include "engine/overlay.h"

#include "base/checksum.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

struct node {
	struct entry entry;
	uint64_t hash;
	size_t older; /* index + 1 of the next in the chain, 0: end */
};

struct overlay {
	struct node *nodes;
	size_t count, capacity; /* capacity is a power of two */
	size_t *heads;          /* `capacity` chains: index + 1 of the newest */
};

struct overlay *overlay_new(void)
{
	return calloc(1, sizeof(struct overlay));
}

struct overlay *overlay_free(struct overlay *overlay)
{
	if (overlay) {
		free(overlay->nodes);
		free(overlay->heads);
		free(overlay);
	}
	return NULL;
}

void overlay_clear(struct overlay *overlay)
{
	overlay_rollback(overlay, 0);
}

static size_t *head_of(const struct overlay *overlay, uint64_t hash)
{
	return &overlay->heads[hash & (overlay->capacity - 1)];
}

static void link_node(struct overlay *overlay, size_t index)
{
	size_t *head = head_of(overlay, overlay->nodes[index].hash);

	overlay->nodes[index].older = *head;
	*head = index + 1;
}

static kv_status grow(struct overlay *overlay)
{
	size_t capacity = overlay->capacity ? overlay->capacity * 2 : FIRST_CAPACITY;
	size_t *heads = calloc(capacity, sizeof *heads);
	struct node *nodes;

	if (!heads)
		return KV_NO_MEMORY;
	nodes = reallocarray(overlay->nodes, capacity, sizeof *nodes);
	if (!nodes) {
		free(heads);
		return KV_NO_MEMORY;
	}
	free(overlay->heads);
	overlay->heads = heads;
	overlay->nodes = nodes;
	overlay->capacity = capacity;
	for (size_t i = 0; i < overlay->count; i++)
		link_node(overlay, i);
	return KV_OK;
}

kv_status overlay_add(struct overlay *overlay, const struct entry *entry)
{
	if (overlay->count == overlay->capacity && grow(overlay) != KV_OK)
		return KV_NO_MEMORY;
	overlay->nodes[overlay->count] = (struct node){ *entry, key_hash(entry->key), 0 };
	link_node(overlay, overlay->count++);
	return KV_OK;
}

const struct entry *overlay_find(const struct overlay *overlay, struct slice key)
{
	uint64_t hash;

	if (overlay->count == 0)
		return NULL;
	hash = key_hash(key);
	for (size_t i = *head_of(overlay, hash); i != 0; i = overlay->nodes[i - 1].older) {
		const struct node *node = &overlay->nodes[i - 1];

		if (node->hash == hash && slice_equal(node->entry.key, key))
			return &node->entry;
	}
	return NULL;
}

size_t overlay_mark(const struct overlay *overlay)
{
	return overlay->count;
}

void overlay_rollback(struct overlay *overlay, size_t mark)
{
	while (overlay->count > mark) {
		const struct node *node = &overlay->nodes[--overlay->count];

		*head_of(overlay, node->hash) = node->older;
	}
}
