/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the scrub reads next, and how fast: policy, without I/O, lock or clock. Every file is to be
 * read once an interval. What was read longest ago comes first; what was never read counts as read
 * in 1970. A file that this process has written counts as read when it is first seen, because its
 * checksums were made from memory a moment before.
 */
#ifndef KV_ENGINE_SCRUB_PLAN_H
#define KV_ENGINE_SCRUB_PLAN_H

#include "base/status.h"

#include <stddef.h>

enum {
	SCRUB_RATE_MIN =
		1 << 20,  /* bytes a second: a small store is read soon and then left alone */
	SCRUB_BASICS = 0, /* the number of an item that stands for FORMAT and MANIFEST */
};

struct scrub_item {
	uint64_t number; /* of the file, which no other one has; or SCRUB_BASICS */
	uint64_t owner;  /* the table whose entries point to it, when it is a blob file; else
			    `number` */
	uint64_t checked_unix_s;
};

struct scrub_list { /* {0}: empty */
	struct scrub_item *items;
	size_t count, capacity;
};

void scrub_list_free(struct scrub_list *list);
/* KV_NO_MEMORY leaves it as it was. */
kv_status scrub_list_add(struct scrub_list *list, const struct scrub_item *item);
/* By number; of several with the same number one is kept. The functions below want that. */
void scrub_list_sort(struct scrub_list *list);

/* Sets checked_unix_s of all in `list`: from `before` when it is there, though not later than now;
 * else to now when its number is `first_new` or higher, and to 0 otherwise. Returns how many were
 * not there. */
size_t scrub_plan_carry(struct scrub_list *list, const struct scrub_list *before,
	uint64_t first_new, uint64_t now_unix_s);

/* The item that was read longest ago; list->count when there is none. *ret_due_unix_s: when it
 * should be read again. */
size_t scrub_plan_next(
	const struct scrub_list *list, uint64_t interval_s, uint64_t *ret_due_unix_s);
/* How many should be read by now. */
size_t scrub_plan_due(const struct scrub_list *list, uint64_t interval_s, uint64_t now_unix_s);

/* Bytes a second at which all is read in half of the interval, so that some time lost does not
 * matter. */
uint64_t scrub_plan_rate(uint64_t bytes, uint64_t interval_s);

#endif
