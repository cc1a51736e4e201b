/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The starts and ends of all ranges, sorted, cut the keys into fragments: fragment 0 is below the first bound, fragment i begins at
 * bound i - 1. A segment tree over the fragments (Bentley 1977; bottom-up, leaf i is node i + leaves) holds each range at the few
 * nodes that make it up, so n ranges take n log n sequences, also when all of them contain each other; the sequences that
 * cover a fragment are those at the nodes from its leaf to the root, at each of them ascending.
 *
 * Most readers want the newest state, for which the largest sequence of each fragment is enough: it is kept beside.
 */
#include "engine/range_set.h"

#include "base/status.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct range_set {
	_Atomic unsigned refs; /* all below is constant */
	size_t count;
	size_t fragments;
	struct range *ranges;  /* ascending by sequence */
	struct slice *bounds;  /* ascending, each once; fragments - 1 of them */
	uint64_t *newest;      /* of each fragment; 0: none covers it */
	size_t *begins;        /* of each node, and of the end: where its sequences begin in `sequences` */
	uint64_t *sequences;
	uint8_t *keys;
	size_t bytes;
};

static int by_sequence(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static int by_key(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	return slice_compare(*x, *y);
}

/* ---- making one ---- */

static struct slice copy_key(uint8_t **to, struct slice key)
{
	struct slice ret = slice_of(*to, key.len);

	if (key.len > 0)
		memcpy(*to, key.data, key.len);
	*to += key.len;
	return ret;
}

static kv_status copy_ranges(struct range_set *set, const struct range *ranges)
{
	size_t bytes = 0;
	uint8_t *key;

	for (size_t i = 0; i < set->count; i++)
		bytes += ranges[i].start.len + ranges[i].end.len;
	set->bytes += bytes;
	set->ranges = calloc(set->count, sizeof *set->ranges);
	set->keys = key = malloc(bytes);
	if (!set->ranges || !key)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < set->count; i++)
		set->ranges[i] = (struct range){ .sequence = ranges[i].sequence,
			.start = copy_key(&key, ranges[i].start), .end = copy_key(&key, ranges[i].end) };
	qsort(set->ranges, set->count, sizeof *set->ranges, by_sequence);
	return KV_OK;
}

static kv_status sort_bounds(struct range_set *set)
{
	size_t found = 0, kept = 0;

	set->bounds = calloc(2 * set->count, sizeof *set->bounds);
	if (!set->bounds)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < set->count; i++) {
		set->bounds[found++] = set->ranges[i].start;
		if (set->ranges[i].end.len > 0)
			set->bounds[found++] = set->ranges[i].end;
	}
	qsort(set->bounds, found, sizeof *set->bounds, by_key);
	for (size_t i = 0; i < found; i++)
		if (kept == 0 || slice_compare(set->bounds[kept - 1], set->bounds[i]) != 0)
			set->bounds[kept++] = set->bounds[i];
	set->fragments = kept + 1;
	return KV_OK;
}

/* Counts the sequences of each node in `places` (first round), or puts this one to its place in each (second). */
static void visit_nodes(struct range_set *set, const struct range *range, size_t *places, bool put)
{
	size_t left = range_set_find(set, 0, range->start) + set->fragments;
	size_t right = set->fragments * 2;

	if (range->end.len > 0)
		right = range_set_find(set, 0, range->end) + set->fragments;
	for (; left < right; left /= 2, right /= 2) {
		size_t nodes[2] = { left % 2 ? left++ : 0, right % 2 ? --right : 0 };

		for (unsigned i = 0; i < 2; i++)
			if (nodes[i] != 0) {
				if (put)
					set->sequences[places[nodes[i]]] = range->sequence;
				places[nodes[i]]++;
			}
	}
}

static kv_status fill_tree(struct range_set *set)
{
	size_t nodes = 2 * set->fragments, sum = 0;
	size_t *places = calloc(nodes, sizeof *places);

	set->begins = calloc(nodes + 1, sizeof *set->begins);
	if (!places || !set->begins) {
		free(places);
		return KV_NO_MEMORY;
	}
	for (size_t i = 0; i < set->count; i++)
		visit_nodes(set, &set->ranges[i], places, false);
	for (size_t i = 0; i < nodes; i++) {
		set->begins[i] = sum;
		sum += places[i];
		places[i] = set->begins[i];
	}
	set->begins[nodes] = sum;
	set->sequences = calloc(sum, sizeof *set->sequences);
	if (set->sequences)
		for (size_t i = 0; i < set->count; i++)
			visit_nodes(set, &set->ranges[i], places, true);
	free(places);
	set->bytes += sizeof *set + set->count * sizeof *set->ranges + 2 * set->count * sizeof *set->bounds +
		nodes * (sizeof *set->begins + sizeof *set->newest / 2) + sum * sizeof *set->sequences;
	return set->sequences ? KV_OK : KV_NO_MEMORY;
}

/* Where the sequences of a node that are larger than `sequence` begin. */
static size_t node_above(const struct range_set *set, size_t node, uint64_t sequence)
{
	size_t low = set->begins[node], high = set->begins[node + 1];

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (set->sequences[mid] <= sequence)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint64_t tree_at_most(const struct range_set *set, size_t fragment, uint64_t max_sequence)
{
	uint64_t ret = 0;

	for (size_t node = fragment + set->fragments; node > 0; node /= 2) {
		size_t above = node_above(set, node, max_sequence);

		if (above > set->begins[node] && set->sequences[above - 1] > ret)
			ret = set->sequences[above - 1];
	}
	return ret;
}

static kv_status fill(struct range_set *set, const struct range *ranges)
{
	kv_status status = copy_ranges(set, ranges);

	if (status == KV_OK)
		status = sort_bounds(set);
	if (status == KV_OK)
		status = fill_tree(set);
	if (status != KV_OK)
		return status;
	set->newest = calloc(set->fragments, sizeof *set->newest);
	if (!set->newest)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < set->fragments; i++)
		set->newest[i] = tree_at_most(set, i, UINT64_MAX);
	return KV_OK;
}

struct range_set *range_set_new(const struct range *ranges, size_t count)
{
	struct range_set *set = calloc(1, sizeof *set);

	assert(count > 0);
	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	set->count = count;
	if (fill(set, ranges) == KV_OK)
		return set;
	range_set_unref(set);
	return NULL;
}

struct range_set *range_set_ref(struct range_set *set)
{
	if (set)
		atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void range_set_unref(struct range_set *set)
{
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(set->ranges);
	free(set->bounds);
	free(set->newest);
	free(set->begins);
	free(set->sequences);
	free(set->keys);
	free(set);
}

/* ---- asking ---- */

size_t range_set_count(const struct range_set *set)
{
	return set ? set->count : 0;
}

size_t range_set_fragments(const struct range_set *set)
{
	return set->fragments;
}

size_t range_set_bytes(const struct range_set *set)
{
	return set ? set->bytes : 0;
}

const struct range *range_set_list(const struct range_set *set)
{
	return set ? set->ranges : NULL;
}

size_t range_set_find(const struct range_set *set, size_t from, struct slice key)
{
	size_t low = from, high = set->fragments - 1, step = 1;

	/* a walk is usually still in the same fragment, or in one of the next */
	while (from > 0 && low < high) {
		size_t ahead = high - low < step ? high : low + step;

		if (slice_compare(set->bounds[ahead - 1], key) > 0) {
			high = ahead - 1;
			break;
		}
		low = ahead;
		step *= 2;
	}
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_compare(set->bounds[mid], key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint64_t range_set_at(const struct range_set *set, size_t fragment, uint64_t max_sequence)
{
	uint64_t newest = set->newest[fragment];

	return newest <= max_sequence ? newest : tree_at_most(set, fragment, max_sequence);
}

uint64_t range_set_above(const struct range_set *set, size_t fragment, uint64_t sequence)
{
	uint64_t ret = set->newest[fragment];

	if (ret <= sequence)
		return 0;
	for (size_t node = fragment + set->fragments; node > 0; node /= 2) {
		size_t above = node_above(set, node, sequence);

		if (above < set->begins[node + 1] && set->sequences[above] < ret)
			ret = set->sequences[above];
	}
	return ret;
}

uint64_t range_set_cover(const struct range_set *set, struct slice key, uint64_t max_sequence)
{
	return set ? range_set_at(set, range_set_find(set, 0, key), max_sequence) : 0;
}

static struct range_span span_of(const struct range_set *set, size_t fragment, uint64_t max_sequence)
{
	struct range_span span = { .sequence = range_set_at(set, fragment, max_sequence),
		.start = slice_of(NULL, 0), .end = slice_of(NULL, 0) };

	if (fragment > 0)
		span.start = set->bounds[fragment - 1];
	if (fragment < set->fragments - 1)
		span.end = set->bounds[fragment];
	return span;
}

struct range_span range_set_span(const struct range_set *set, struct slice key, uint64_t max_sequence)
{
	if (!set)
		return (struct range_span){ 0 };
	return span_of(set, range_set_find(set, 0, key), max_sequence);
}

struct range_span range_set_span_before(const struct range_set *set, struct slice key, uint64_t max_sequence)
{
	size_t at;

	if (!set)
		return (struct range_span){ 0 };
	at = range_set_find(set, 0, key);
	/* a fragment that begins with the key holds none before it */
	if (at > 0 && slice_compare(set->bounds[at - 1], key) == 0)
		at--;
	return span_of(set, at, max_sequence);
}
