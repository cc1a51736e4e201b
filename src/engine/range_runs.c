/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The logarithmic method (Bentley and Saxe 1980): sets of falling size; a new one swallows those before it that are less than twice as
 * large, so that there are at most log2(n) + 1 of them. The set that a range is copied to has at least half as many again as the one it
 * was in: it is copied log1.5(n) times at most.
 */
#include "engine/range_runs.h"

#include <stdlib.h>

/* How many sets of `before` stay; *ret_ranges: what is in the others. */
static size_t kept_sets(const struct range_runs *before, size_t count, size_t *ret_ranges)
{
	size_t kept = before ? before->count : 0;

	*ret_ranges = 0;
	while (kept > 0 && range_set_count(before->sets[kept - 1]) < 2 * (count + *ret_ranges))
		*ret_ranges += range_set_count(before->sets[--kept]);
	return kept;
}

static struct range_set *merged(const struct range_runs *before, size_t kept, size_t swallowed,
	const struct range *ranges, size_t count)
{
	struct range *all = calloc(swallowed + count, sizeof *all);
	struct range_set *set = NULL;
	size_t at = 0;

	if (!all)
		return NULL;
	for (size_t i = kept; before && i < before->count; i++) {
		memcpy(all + at, range_set_list(before->sets[i]),
			range_set_count(before->sets[i]) * sizeof *all);
		at += range_set_count(before->sets[i]);
	}
	memcpy(all + at, ranges, count * sizeof *all);
	set = range_set_new(all, at + count);
	free(all);
	return set;
}

struct range_runs *range_runs_add(struct range_runs *before, const struct range *ranges, size_t count)
{
	size_t swallowed, kept = kept_sets(before, count, &swallowed);
	struct range_runs *runs = malloc(sizeof *runs + (kept + 1) * sizeof runs->sets[0]);
	struct range_set *set = runs ? merged(before, kept, swallowed, ranges, count) : NULL;

	if (!set) {
		free(runs);
		return NULL;
	}
	runs->previous = before;
	runs->count = kept + 1;
	runs->last_sequence = before ? before->last_sequence : 0;
	for (size_t i = 0; i < count; i++)
		if (ranges[i].sequence > runs->last_sequence)
			runs->last_sequence = ranges[i].sequence;
	runs->ranges = (before ? before->ranges : 0) + count;
	runs->bytes = (before ? before->bytes : 0) + range_set_bytes(set) + sizeof *runs +
		(kept + 1) * sizeof runs->sets[0];
	for (size_t i = 0; before && i < kept; i++)
		runs->sets[i] = range_set_ref(before->sets[i]);
	runs->sets[kept] = set;
	return runs;
}

struct range_runs *range_runs_pop(struct range_runs *runs)
{
	struct range_runs *previous = runs->previous;

	for (size_t i = 0; i < runs->count; i++)
		range_set_unref(runs->sets[i]);
	free(runs);
	return previous;
}

void range_runs_free(struct range_runs *runs)
{
	while (runs)
		runs = range_runs_pop(runs);
}

uint64_t range_runs_cover(const struct range_runs *runs, struct slice key, uint64_t max_sequence)
{
	uint64_t ret = 0;

	for (size_t i = 0; runs && i < runs->count; i++) {
		uint64_t sequence = range_set_cover(runs->sets[i], key, max_sequence);

		ret = sequence > ret ? sequence : ret;
	}
	return ret;
}

void range_runs_list(const struct range_runs *runs, struct range *to)
{
	for (size_t i = 0; runs && i < runs->count; i++) {
		size_t count = range_set_count(runs->sets[i]);

		memcpy(to, range_set_list(runs->sets[i]), count * sizeof *to);
		to += count;
	}
}
