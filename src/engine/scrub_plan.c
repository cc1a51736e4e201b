/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/scrub_plan.h"

#include <stdlib.h>

void scrub_list_free(struct scrub_list *list)
{
	free(list->items);
	*list = (struct scrub_list){ 0 };
}

kv_status scrub_list_add(struct scrub_list *list, const struct scrub_item *item)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		struct scrub_item *items = reallocarray(list->items, capacity, sizeof *items);

		if (!items)
			return KV_NO_MEMORY;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = *item;
	return KV_OK;
}

static int by_number(const void *a, const void *b)
{
	const struct scrub_item *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

void scrub_list_sort(struct scrub_list *list)
{
	size_t kept = 0;

	if (list->count == 0)
		return;
	qsort(list->items, list->count, sizeof *list->items, by_number);
	for (size_t i = 1; i < list->count; i++)
		if (list->items[i].number != list->items[kept].number)
			list->items[++kept] = list->items[i];
	list->count = kept + 1;
}

size_t scrub_plan_carry(struct scrub_list *list, const struct scrub_list *before,
	uint64_t first_new, uint64_t now_unix_s)
{
	size_t at = 0, added = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct scrub_item *item = &list->items[i];

		while (at < before->count && before->items[at].number < item->number)
			at++;
		if (at < before->count && before->items[at].number == item->number) {
			item->checked_unix_s = before->items[at].checked_unix_s;
		} else {
			item->checked_unix_s = item->number >= first_new ? now_unix_s : 0;
			added++;
		}
		if (item->checked_unix_s > now_unix_s) /* by a clock that was wrong then */
			item->checked_unix_s = now_unix_s;
	}
	return added;
}

static uint64_t due(const struct scrub_item *item, uint64_t interval_s)
{
	return item->checked_unix_s + interval_s;
}

size_t scrub_plan_next(const struct scrub_list *list, uint64_t interval_s, uint64_t *ret_due_unix_s)
{
	size_t best = list->count;

	for (size_t i = 0; i < list->count; i++)
		if (best == list->count ||
			list->items[i].checked_unix_s < list->items[best].checked_unix_s)
			best = i;
	*ret_due_unix_s = best < list->count ? due(&list->items[best], interval_s) : UINT64_MAX;
	return best;
}

size_t scrub_plan_due(const struct scrub_list *list, uint64_t interval_s, uint64_t now_unix_s)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += due(&list->items[i], interval_s) <= now_unix_s;
	return count;
}

uint64_t scrub_plan_rate(uint64_t bytes, uint64_t interval_s)
{
	uint64_t rate = bytes / (interval_s / 2 + 1);

	return rate < SCRUB_RATE_MIN ? SCRUB_RATE_MIN : rate;
}
