/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls and ends are the entries of a list in the order of time. The search goes along it: an
 * operation whose call comes before the first end may be next; it is tried, taken out of the list,
 * and the search begins at the front again. At an end whose operation was not taken out, the last
 * one that was taken is put back, and the search goes on behind its call.
 *
 * An optional operation that comes to its end has not happened. Since that changes no state, it
 * need not be tried earlier.
 *
 * Many optional writes would make many configurations. So one is tried only just before an
 * operation that needs it: where the next comes to the same before it, that order is tried anyhow,
 * and where the next comes to the same without it, it may as well not have happened.
 *
 * A configuration is remembered by a sum (xor) of random numbers of 128 bits, one for each
 * operation that is done, and the state. Two that differ have the same sum with a probability that
 * is of no interest.
 */
#include "linear/lincheck.h"

#include "support/die.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config {
	uint64_t done[2]; /* never both 0 but at the start, which is not remembered */
	uint64_t state[LINCHECK_KEYS];
	uint64_t waits; /* 1 and more: the last operation was this optional one (less 1), which the
			   next must need */
};

struct step {
	size_t op;
	struct config before;
};

struct search {
	const struct lincheck_op *ops;
	size_t count;
	size_t *next,
		*prev; /* of entries: 2i is the call of i, 2i + 1 its end, 2 * count the head */
	uint64_t (*random)[2];
	struct config now;
	struct step *steps;
	size_t depth, deepest, stuck;

	struct config *seen; /* open addressing; all zero: free */
	size_t seen_size, seen_count;
};

/* ---- what operations do ---- */

static bool apply_part(const struct lincheck_part *part, uint64_t *state)
{
	int64_t number = *state == LINCHECK_ABSENT ? 0 : (int64_t)(*state - LINCHECK_NUMBER_BIAS);

	if ((part->saw == LINCHECK_EQUAL && *state != part->value) ||
		(part->saw == LINCHECK_DIFFERENT && *state == part->value) ||
		(part->saw == LINCHECK_EXISTS && *state == LINCHECK_ABSENT))
		return false;
	if (part->did == LINCHECK_SET)
		*state = part->to;
	if (part->did == LINCHECK_ADD) {
		if (part->sum_is_known && number + part->by != part->sum)
			return false;
		*state = (uint64_t)(number + part->by) + LINCHECK_NUMBER_BIAS;
	}
	return true;
}

static bool apply(const struct lincheck_op *op, uint64_t state[LINCHECK_KEYS])
{
	for (unsigned i = 0; i < LINCHECK_KEYS; i++)
		if (!apply_part(&op->parts[i], &state[i]))
			return false;
	return true;
}

/* ---- what was tried ---- */

static size_t slot_of(const struct search *search, const struct config *config)
{
	uint64_t hash = config->done[0];

	for (unsigned i = 0; i < LINCHECK_KEYS; i++)
		hash = (hash ^ config->state[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(hash >> 20) & (search->seen_size - 1);
}

static bool is_free(const struct config *config)
{
	return config->done[0] == 0 && config->done[1] == 0;
}

static struct config *place_of(struct search *search, const struct config *config)
{
	size_t i = slot_of(search, config);

	while (!is_free(&search->seen[i]) && memcmp(&search->seen[i], config, sizeof *config) != 0)
		i = (i + 1) & (search->seen_size - 1);
	return &search->seen[i];
}

static void grow(struct search *search)
{
	struct config *old = search->seen;
	size_t size = search->seen_size;

	search->seen_size = size ? 2 * size : 1024;
	search->seen = calloc(search->seen_size, sizeof *search->seen);
	if (!search->seen)
		die("out of memory");
	for (size_t i = 0; i < size; i++)
		if (!is_free(&old[i]))
			*place_of(search, &old[i]) = old[i];
	free(old);
}

/* True when it is new. */
static bool remember(struct search *search, const struct config *config)
{
	struct config *place;

	if (2 * search->seen_count >= search->seen_size)
		grow(search);
	place = place_of(search, config);
	if (!is_free(place))
		return false;
	*place = *config;
	search->seen_count++;
	return true;
}

/* ---- the list ---- */

struct moment {
	uint64_t at;
	size_t entry;
};

static int by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static void make_list(struct search *search)
{
	size_t entries = 2 * search->count, last = entries;
	struct moment *moments = calloc(entries + 1, sizeof *moments);

	if (!moments)
		die("out of memory");
	for (size_t i = 0; i < search->count; i++) {
		moments[2 * i] = (struct moment){ search->ops[i].call, 2 * i };
		moments[2 * i + 1] = (struct moment){ search->ops[i].end, 2 * i + 1 };
	}
	qsort(moments, entries, sizeof *moments, by_time);
	for (size_t i = 0; i < entries; i++) {
		search->next[last] = moments[i].entry;
		search->prev[moments[i].entry] = last;
		last = moments[i].entry;
	}
	search->next[last] = entries;
	search->prev[entries] = last;
	free(moments);
}

static void unlink_entry(struct search *search, size_t entry)
{
	search->next[search->prev[entry]] = search->next[entry];
	search->prev[search->next[entry]] = search->prev[entry];
}

static void relink_entry(struct search *search, size_t entry)
{
	search->next[search->prev[entry]] = entry;
	search->prev[search->next[entry]] = entry;
}

/* ---- the search ---- */

/* Whether `op`, which makes `after` of the state now, could not be without the optional one just before it, or makes something else
 * without it and before it. Of two optional ones that change places freely, one order is tried. */
static bool needs_last(const struct search *search, size_t op, const uint64_t after[LINCHECK_KEYS])
{
	const size_t last = search->now.waits - 1;
	const struct step *step = &search->steps[search->depth - 1];
	uint64_t state[LINCHECK_KEYS];

	while (step->op != last) /* those after it have not happened */
		step--;
	memcpy(state, step->before.state, sizeof state);
	if (!apply(&search->ops[op], state))
		return true;
	if (memcmp(state, after, sizeof state) == 0)
		return false; /* it may as well not have happened */
	if (search->ops[op].call > search->ops[last].end || (search->ops[op].optional && op > last))
		return true;
	return !apply(&search->ops[last], state) || memcmp(state, after, sizeof state) != 0;
}

/* Does the operation next, or (`happens` false) lets it not happen. False: it cannot, or that was
 * tried. */
static bool try_op(struct search *search, size_t op, bool happens)
{
	struct config after = search->now;

	if (happens && (!apply(&search->ops[op], after.state) ||
			       (search->now.waits > 0 && !needs_last(search, op, after.state))))
		return false;
	after.waits = happens && search->ops[op].optional ? op + 1
		      : happens                           ? 0
							  : search->now.waits;
	after.done[0] ^= search->random[op][0];
	after.done[1] ^= search->random[op][1];
	if (!remember(search, &after))
		return false;
	search->steps[search->depth++] = (struct step){ op, search->now };
	search->now = after;
	unlink_entry(search, 2 * op);
	unlink_entry(search, 2 * op + 1);
	return true;
}

/* Takes the last one back; returns its number. */
static size_t take_back(struct search *search)
{
	const struct step *step = &search->steps[--search->depth];

	relink_entry(search, 2 * step->op + 1);
	relink_entry(search, 2 * step->op);
	search->now = step->before;
	return step->op;
}

static enum lincheck_verdict run(struct search *search, size_t memory_max)
{
	size_t head = 2 * search->count, entry = search->next[head];

	while (search->next[head] != head) {
		size_t op = entry / 2;
		bool is_end = entry % 2 != 0;

		if (search->seen_count > memory_max)
			return LINCHECK_GAVE_UP;
		if ((!is_end || search->ops[op].optional) && try_op(search, op, !is_end)) {
			entry = search->next[head];
			continue;
		}
		if (!is_end) {
			entry = search->next[entry];
			continue;
		}
		if (search->depth >= search->deepest) {
			search->deepest = search->depth;
			search->stuck = op;
		}
		if (search->depth == 0)
			return LINCHECK_NO;
		entry = search->next[2 * take_back(search)];
	}
	return LINCHECK_YES;
}

static void *array(size_t count, size_t size)
{
	void *ret = calloc(count + 1, size);

	if (!ret)
		die("out of memory");
	return ret;
}

/* splitmix64 (Vigna, 2015); no run depends on the clock. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

enum lincheck_verdict lincheck_run(const struct lincheck_op *ops, size_t count,
	const uint64_t first[LINCHECK_KEYS], size_t memory_max, size_t *ret_stuck)
{
	struct search search = { .ops = ops, .count = count };
	uint64_t random = 1;
	enum lincheck_verdict verdict;

	search.next = array(2 * count + 1, sizeof *search.next);
	search.prev = array(2 * count + 1, sizeof *search.prev);
	search.random = array(count, sizeof *search.random);
	search.steps = array(count, sizeof *search.steps);
	for (size_t i = 0; i < count; i++) {
		search.random[i][0] = next_random(&random);
		search.random[i][1] = next_random(&random);
	}
	memcpy(search.now.state, first, sizeof search.now.state);
	make_list(&search);
	verdict = run(&search, memory_max);
	if (verdict == LINCHECK_NO)
		*ret_stuck = search.stuck;
	free(search.next);
	free(search.prev);
	free(search.random);
	free(search.steps);
	free(search.seen);
	return verdict;
}

/* ---- for people ---- */

static int describe_part(const struct lincheck_part *part, char *text, size_t size)
{
	char seen[64], done[64] = "";

	if (part->saw == LINCHECK_EQUAL)
		snprintf(seen, sizeof seen, " saw =%" PRIu64, part->value);
	else if (part->saw == LINCHECK_DIFFERENT)
		snprintf(seen, sizeof seen, " saw !=%" PRIu64, part->value);
	else
		snprintf(seen, sizeof seen, "%s",
			part->saw == LINCHECK_EXISTS ? " saw something" : "");
	if (part->did == LINCHECK_SET)
		snprintf(done, sizeof done, " set %" PRIu64, part->to);
	if (part->did == LINCHECK_ADD)
		snprintf(done, sizeof done, " added %" PRId64 " to get %" PRId64, part->by,
			part->sum);
	return snprintf(text, size, " [%s%s ]", seen, done);
}

const char *lincheck_describe(const struct lincheck_op *op, char *text, size_t size)
{
	size_t len = (size_t)snprintf(text, size, "%8" PRIu64 " to %8" PRIu64 " client %u%s",
		op->call, op->end, op->client, op->optional ? " (outcome unknown)" : "");

	for (unsigned i = 0; i < LINCHECK_KEYS && len < size; i++)
		len += (size_t)describe_part(&op->parts[i], text + len, size - len);
	return text;
}
