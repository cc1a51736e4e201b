/* SPDX-License-Identifier: BSD-2-Clause */
/* Sorted and merged as they are added: there are few of them, and each key of a table asks. */
#include "engine/key_ranges.h"

#include <stdlib.h>

static void free_range(struct key_range *range)
{
	buf_free(&range->first);
	buf_free(&range->last);
}

void key_ranges_free(struct key_ranges *set)
{
	for (size_t i = 0; i < set->count; i++)
		free_range(&set->ranges[i]);
	free(set->ranges);
	*set = (struct key_ranges){ 0 };
}

/* The first range that does not end before the key. */
static size_t find(const struct key_ranges *set, struct slice key)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slice_compare(buf_slice(&set->ranges[middle].last), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static kv_status make_room(struct key_ranges *set)
{
	size_t capacity = set->capacity ? 2 * set->capacity : 16;
	struct key_range *grown;

	if (set->ranges && set->count < set->capacity)
		return KV_OK;
	grown = reallocarray(set->ranges, capacity, sizeof *grown);
	if (!grown)
		return KV_NO_MEMORY;
	set->ranges = grown;
	set->capacity = capacity;
	return KV_OK;
}

static kv_status insert(struct key_ranges *set, size_t at, struct slice first, struct slice last)
{
	struct key_range range = { 0 };
	kv_status status = make_room(set);

	if (status == KV_OK)
		status = buf_set(&range.first, first);
	if (status == KV_OK)
		status = buf_set(&range.last, last);
	if (status != KV_OK) {
		free_range(&range);
		return status;
	}
	memmove(&set->ranges[at + 1], &set->ranges[at], (set->count - at) * sizeof range);
	set->ranges[at] = range;
	set->count++;
	return KV_OK;
}

/* Range `at` takes in those behind it that it has come to touch. */
static void swallow(struct key_ranges *set, size_t at)
{
	struct key_range *into = &set->ranges[at];

	while (at + 1 < set->count &&
		slice_compare(buf_slice(&set->ranges[at + 1].first), buf_slice(&into->last)) <= 0) {
		struct key_range *next = &set->ranges[at + 1];

		if (slice_compare(buf_slice(&next->last), buf_slice(&into->last)) > 0) {
			struct buf swap = into->last;

			into->last = next->last;
			next->last = swap;
		}
		free_range(next);
		memmove(next, next + 1, (set->count - at - 2) * sizeof *next);
		set->count--;
	}
}

kv_status key_ranges_add(struct key_ranges *set, struct slice first, struct slice last)
{
	size_t at = find(set, first);
	struct key_range *there = at < set->count ? &set->ranges[at] : NULL;
	kv_status status = KV_OK;

	if (!there || slice_compare(last, buf_slice(&there->first)) < 0)
		return insert(set, at, first, last);
	if (slice_compare(first, buf_slice(&there->first)) < 0)
		status = buf_set(&there->first, first);
	if (status == KV_OK && slice_compare(last, buf_slice(&there->last)) > 0)
		status = buf_set(&there->last, last);
	if (status == KV_OK)
		swallow(set, at);
	return status;
}

kv_status key_ranges_add_all(struct key_ranges *set, const struct key_ranges *from)
{
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < from->count; i++)
		status = key_ranges_add(set, buf_slice(&from->ranges[i].first), buf_slice(&from->ranges[i].last));
	return status;
}

bool key_ranges_have(const struct key_ranges *set, struct slice key)
{
	return key_ranges_touch(set, key, key);
}

bool key_ranges_touch(const struct key_ranges *set, struct slice first, struct slice last)
{
	size_t at = find(set, first);

	return at < set->count && slice_compare(buf_slice(&set->ranges[at].first), last) <= 0;
}
