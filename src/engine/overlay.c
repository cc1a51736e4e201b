/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chained hash table over an array that only grows at its end: rollback takes entries off the end and the heads of their chains. Range
 * deletes are in the array, but in no chain: each has made a new picture of the runs beside, which rollback takes off, too.
 */
#include "engine/overlay.h"

#include "base/checksum.h"
#include "engine/range_runs.h"

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
	struct range_runs *ranges;
	struct entry covering;  /* lent by find */
};

struct overlay *overlay_new(void)
{
	return calloc(1, sizeof(struct overlay));
}

struct overlay *overlay_free(struct overlay *overlay)
{
	if (overlay) {
		range_runs_free(overlay->ranges);
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

	if (overlay->nodes[index].entry.kind == ENTRY_RANGE_DELETE)
		return;
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

static kv_status add_range(struct overlay *overlay, const struct entry *entry)
{
	struct range range = range_of_entry(entry);
	struct range_runs *ranges = range_runs_add(overlay->ranges, &range, 1);

	if (!ranges)
		return KV_NO_MEMORY;
	overlay->ranges = ranges;
	return KV_OK;
}

kv_status overlay_add(struct overlay *overlay, const struct entry *entry)
{
	if (overlay->count == overlay->capacity && grow(overlay) != KV_OK)
		return KV_NO_MEMORY;
	if (entry->kind == ENTRY_RANGE_DELETE && add_range(overlay, entry) != KV_OK)
		return KV_NO_MEMORY;
	overlay->nodes[overlay->count] = (struct node){ *entry, key_hash(entry->key), 0 };
	link_node(overlay, overlay->count++);
	return KV_OK;
}

static const struct entry *find_entry(const struct overlay *overlay, struct slice key)
{
	uint64_t hash = key_hash(key);

	for (size_t i = *head_of(overlay, hash); i != 0; i = overlay->nodes[i - 1].older) {
		const struct node *node = &overlay->nodes[i - 1];

		if (node->hash == hash && slice_equal(node->entry.key, key))
			return &node->entry;
	}
	return NULL;
}

const struct entry *overlay_find(struct overlay *overlay, struct slice key)
{
	const struct entry *entry = overlay->count > 0 ? find_entry(overlay, key) : NULL;
	uint64_t sequence = range_runs_cover(overlay->ranges, key, UINT64_MAX);

	if (sequence == 0 || (entry && entry->sequence > sequence))
		return entry;
	overlay->covering = (struct entry){ .key = key, .sequence = sequence, .kind = ENTRY_DELETE };
	return &overlay->covering;
}

size_t overlay_mark(const struct overlay *overlay)
{
	return overlay->count;
}

void overlay_rollback(struct overlay *overlay, size_t mark)
{
	while (overlay->count > mark) {
		const struct node *node = &overlay->nodes[--overlay->count];

		if (node->entry.kind == ENTRY_RANGE_DELETE)
			overlay->ranges = range_runs_pop(overlay->ranges);
		else
			*head_of(overlay, node->hash) = node->older;
	}
}
