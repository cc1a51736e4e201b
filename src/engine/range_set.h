/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Range deletes, so arranged that the one that counts for a key is found by a binary search, however many there are and however they
 * overlap. Immutable and counted; keys are its own copies.
 *
 * A range delete with sequence s hides the versions below s of the keys from `start` up to and without `end`.
 */
#ifndef KV_ENGINE_RANGE_SET_H
#define KV_ENGINE_RANGE_SET_H

#include "engine/entry.h"

#include <stddef.h>

struct range {
	uint64_t sequence;
	struct slice start; /* at least one byte */
	struct slice end;   /* empty: no bound */
};

static inline bool range_has(const struct range *range, struct slice key)
{
	return slice_compare(range->start, key) <= 0 &&
		(range->end.len == 0 || slice_compare(key, range->end) < 0);
}

/* The range that an entry of kind ENTRY_RANGE_DELETE stands for; borrows its key and value. */
static inline struct range range_of_entry(const struct entry *entry)
{
	return (struct range){ .sequence = entry->sequence, .start = entry->key, .end = entry->value };
}

/* Neighbouring keys of which all are covered alike. */
struct range_span {
	uint64_t sequence;  /* the largest that covers them; 0: none does */
	struct slice start; /* empty: from the first key on */
	struct slice end;   /* not in it; empty: no bound */
};

static inline bool range_span_has(const struct range_span *span, struct slice key)
{
	return slice_compare(span->start, key) <= 0 &&
		(span->end.len == 0 || slice_compare(key, span->end) < 0);
}

struct range_set;

/* A set with one reference of at least one range, in any order, no two with the same sequence. NULL when out of memory. */
struct range_set *range_set_new(const struct range *ranges, size_t count);
struct range_set *range_set_ref(struct range_set *set); /* NULL is allowed, as in all below but at and above */
void range_set_unref(struct range_set *set);

size_t range_set_count(const struct range_set *set);
size_t range_set_fragments(const struct range_set *set);           /* of a walk: below; not NULL */
size_t range_set_bytes(const struct range_set *set);               /* of memory, about */
const struct range *range_set_list(const struct range_set *set);   /* ascending by sequence */

/* The largest sequence up to `max_sequence` of those that cover the key; 0: none does. */
uint64_t range_set_cover(const struct range_set *set, struct slice key, uint64_t max_sequence);
/* The same with neighbours that are covered alike; the slices are those of the set. */
struct range_span range_set_span(const struct range_set *set, struct slice key, uint64_t max_sequence);
/* Of the keys right before `key`, which has at least one byte. */
struct range_span range_set_span_before(const struct range_set *set, struct slice key, uint64_t max_sequence);

/* For a walk over rising keys: the fragment of a key (each fragment is covered alike throughout), at or behind fragment `from`; 0 at first. */
size_t range_set_find(const struct range_set *set, size_t from, struct slice key);
/* Of that fragment: the largest sequence up to max_sequence, and the smallest above `sequence`; 0: there is none. */
uint64_t range_set_at(const struct range_set *set, size_t fragment, uint64_t max_sequence);
uint64_t range_set_above(const struct range_set *set, size_t fragment, uint64_t sequence);

#endif
