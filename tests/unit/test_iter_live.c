/* SPDX-License-Identifier: BSD-2-Clause */
/* What a user sees of entries with many versions, at any sequence and time, walked in any way. */
#include "engine/iter_live.h"
#include "base/clock.h"
#include "engine/iter_merge.h"
#include "engine/iter_uncovered.h"
#include "engine/memtable.h"
#include "support/array_iter.h"
#include "support/fault_alloc.h"
#include "support/iter_check.h"
#include "support/runner.h"

#include <stdlib.h>

enum { ENTRIES_MAX = 150, NOW = 1500 };

struct picture {
	struct entry *entries; /* all versions */
	size_t count;
	struct entry live[ENTRIES_MAX];
	size_t live_count;
	uint64_t max_sequence;
	struct range_set *ranges; /* NULL: none */
};

/* What must be seen: by definition, key by key. */
static void find_live(struct picture *p)
{
	p->live_count = 0;
	for (size_t i = 0, next; i < p->count; i = next) {
		const struct entry *newest = NULL;

		for (next = i; next < p->count && slice_equal(p->entries[next].key, p->entries[i].key); next++) {
			if (!newest && p->entries[next].sequence <= p->max_sequence)
				newest = &p->entries[next];
		}
		if (newest && entry_is_live(newest, NOW) &&
			range_set_cover(p->ranges, newest->key, p->max_sequence) <= newest->sequence)
			p->live[p->live_count++] = *newest;
	}
}

/* Some range deletes among the entries and behind them. */
static void make_ranges(struct picture *p, uint64_t *rnd)
{
	struct range ranges[8];
	uint8_t bytes[16][ITER_CHECK_KEY_MAX];
	size_t count = runner_random(rnd) % 8;

	for (size_t i = 0; i < count; i++) {
		struct slice a = iter_check_key(rnd, bytes[2 * i]), b = iter_check_key(rnd, bytes[2 * i + 1]);

		ranges[i] = (struct range){ .sequence = 1 + i * (p->count + 20) / 8, .start = a };
		if (slice_compare(a, b) < 0)
			ranges[i].end = b;
		else if (runner_random(rnd) % 4 != 0)
			ranges[i] = (struct range){ .sequence = ranges[i].sequence, .start = b, .end = a };
		if (slice_equal(ranges[i].start, ranges[i].end))
			ranges[i].end.len = 0;
	}
	p->ranges = count > 0 ? range_set_new(ranges, count) : NULL;
}

/* Newer than all entries, one for each of nearly all keys, and nothing beside it. */
static void make_narrow_ranges(struct picture *p, uint64_t *rnd)
{
	struct range ranges[ENTRIES_MAX];
	uint8_t ends[ENTRIES_MAX][ITER_CHECK_KEY_MAX + 1];
	size_t count = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct slice key = p->entries[i].key;

		if ((i > 0 && slice_equal(key, p->entries[i - 1].key)) || runner_random(rnd) % 16 == 0)
			continue;
		memcpy(ends[count], key.data, key.len);
		ends[count][key.len] = 0;
		ranges[count] = (struct range){ .sequence = p->count + 1 + count, .start = key, .end = slice_of(ends[count], key.len + 1) };
		count++;
	}
	p->ranges = count > 0 ? range_set_new(ranges, count) : NULL;
	p->max_sequence = runner_random(rnd) % 2 == 0 ? ENTRY_SEQUENCE_MAX : p->count + runner_random(rnd) % (count + 1);
}

static void free_picture(struct picture *p)
{
	iter_check_free(p->entries, p->count);
	range_set_unref(p->ranges);
}

static struct range_cover *cover_of(const struct picture *p)
{
	struct range_cover *cover;

	if (!p->ranges)
		return NULL;
	cover = malloc(sizeof *cover + sizeof cover->sets[0]);
	*cover = (struct range_cover){ .max_sequence = p->max_sequence, .count = 1 };
	cover->sets[0] = p->ranges;
	return cover;
}

/* As an engine puts it together. */
static struct iter_live *open_live(const struct picture *p, struct iter *input)
{
	struct range_cover *cover = cover_of(p);
	struct iter_live *iter;

	iter = iter_live_new(iter_uncovered_new(input, cover, p->count), p->max_sequence, NOW);
	iter_live_set_cover(iter, cover);
	return iter;
}

/* `same`: of so many keys, to give some of them many versions. */
static void make_picture(struct picture *p, uint64_t *rnd, bool many_versions)
{
	p->count = runner_random(rnd) % ENTRIES_MAX;
	p->entries = iter_check_entries(rnd, p->count);
	for (size_t i = 1; many_versions && i < p->count; i++) {
		if (runner_random(rnd) % 12 == 0)
			continue;
		/* the memory stays owned by its first byte */
		memcpy((uint8_t *)(uintptr_t)p->entries[i].key.data, p->entries[i - 1].key.data,
			p->entries[i - 1].key.len);
		p->entries[i].key.len = p->entries[i - 1].key.len;
	}
	array_iter_sort(p->entries, p->count);
	p->max_sequence = runner_random(rnd) % 4 == 0 ? ENTRY_SEQUENCE_MAX
						      : runner_random(rnd) % (p->count + 1);
	if (runner_random(rnd) % 4 == 0)
		make_narrow_ranges(p, rnd);
	else
		make_ranges(p, rnd);
	find_live(p);
}

static void check_at(const struct iter_live *iter, const struct picture *p, size_t at)
{
	/* ck_assert reports every call to the parent process, which is slow */
	if (iter_live_status(iter, NULL) != KV_OK || iter_live_valid(iter) != (at < p->live_count) ||
		(at < p->live_count && !iter_check_same(iter_live_entry(iter), &p->live[at])))
		ck_abort_msg("the iterator is not at live entry %zu of %zu", at, p->live_count);
}

/* Index of the first live entry with a key >= key. */
static size_t live_from(const struct picture *p, struct slice key)
{
	size_t at = 0;

	while (at < p->live_count && slice_compare(p->live[at].key, key) < 0)
		at++;
	return at;
}

static size_t seek_somewhere(struct iter_live *iter, const struct picture *p, uint64_t *rnd)
{
	uint8_t bytes[ITER_CHECK_KEY_MAX];
	struct slice key = iter_check_key(rnd, bytes);

	switch (runner_random(rnd) % 4) {
	case 0:
		iter_live_seek_first(iter);
		return 0;
	case 1:
		iter_live_seek_last(iter);
		return p->live_count - 1;
	case 2:
		iter_live_seek_before(iter, key);
		return live_from(p, key) - 1;
	default:
		iter_live_seek(iter, key);
		return live_from(p, key);
	}
}

static void walk_about(struct iter_live *iter, const struct picture *p, uint64_t *rnd)
{
	size_t at = SIZE_MAX;

	ck_assert(!iter_live_valid(iter));
	for (int move = 0; move < 150; move++) {
		if (at >= p->live_count || runner_random(rnd) % 8 == 0) {
			at = seek_somewhere(iter, p, rnd);
		} else if (runner_random(rnd) % 2) {
			iter_live_next(iter);
			at++;
		} else {
			iter_live_prev(iter);
			at--;
		}
		check_at(iter, p, at);
	}
}

START_TEST(walks_in_any_direction_show_what_is_live)
{
	static struct picture p;
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 2000 / RUNNER_STEP; round++) {
		struct iter_live *iter;
		struct iter *input;

		make_picture(&p, &rnd, round % 2);
		input = array_iter_new(p.entries, p.count);
		array_iter_set_runs(input, 1 + (size_t)round / 2 % 4);
		iter = open_live(&p, input);
		walk_about(iter, &p, &rnd);
		iter_live_close(iter);
		free_picture(&p);
	}
	ck_assert_uint_eq(array_iter_open(), 0);
}
END_TEST

/* ---- over a merge of the places of an engine ---- */

enum { PLACES_MAX = 5 };

static int by_sequence(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static struct iter *open_memtable(const struct entry *entries, size_t count)
{
	struct memtable *memtable = memtable_new(1);
	struct entry ordered[ENTRIES_MAX];
	struct iter *ret;

	memcpy(ordered, entries, count * sizeof *entries);
	if (count > 0)
		qsort(ordered, count, sizeof *ordered, by_sequence);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(memtable_add(memtable, &ordered[i]), KV_OK);
	ret = memtable_iter(memtable);
	memtable_unref(memtable);
	return ret;
}

/* The entries dealt out to a memtable and arrays, with runs of all lengths; some of them pass over what range deletes hide. */
static struct iter *open_places(const struct picture *p, const struct range_cover *cover, uint64_t *rnd)
{
	static struct entry hands[PLACES_MAX][ENTRIES_MAX];
	size_t counts[PLACES_MAX] = { 0 };
	size_t places = 2 + runner_random(rnd) % (PLACES_MAX - 1), to = 0;
	uint64_t run = runner_random(rnd) % 2 ? 2 : 20;
	struct iter *children[PLACES_MAX];

	for (size_t i = 0; i < p->count; i++) {
		if (runner_random(rnd) % run == 0)
			to = runner_random(rnd) % places;
		hands[to][counts[to]++] = p->entries[i];
	}
	children[0] = open_memtable(hands[0], counts[0]);
	for (size_t i = 1; i < places; i++) {
		children[i] = array_iter_new(hands[i], counts[i]);
		array_iter_set_runs(children[i], 1 + runner_random(rnd) % ARRAY_ITER_RUN_MAX);
		if (runner_random(rnd) % 2)
			children[i] = iter_uncovered_new(children[i], cover, p->count);
	}
	return iter_merge_new(children, places);
}

START_TEST(walks_over_a_merge_show_what_is_live)
{
	static struct picture p;
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 1500 / RUNNER_STEP; round++) {
		struct range_cover *cover;
		struct iter_live *iter;

		make_picture(&p, &rnd, round % 2);
		cover = cover_of(&p);
		iter = iter_live_new(open_places(&p, cover, &rnd), p.max_sequence, NOW);
		iter_live_set_cover(iter, cover);
		walk_about(iter, &p, &rnd);
		iter_live_close(iter);
		free_picture(&p);
	}
	ck_assert_uint_eq(array_iter_open(), 0);
}
END_TEST

/* Whatever the moves, an error of the input shows before anything wrong does. */
START_TEST(an_error_at_any_move_of_the_input_is_reported)
{
	static struct picture p;
	uint64_t rnd = runner_seed();
	size_t seen = 0;

	for (size_t round = 0; round < 4000; round++) {
		struct iter *input;
		struct iter_live *iter;
		struct kv_error err;
		size_t at = SIZE_MAX;

		make_picture(&p, &rnd, round % 2);
		input = array_iter_new(p.entries, p.count);
		array_iter_fail(input, round % 60, KV_CORRUPT);
		iter = open_live(&p, input);
		for (int move = 0; move < 80; move++) {
			if (at >= p.live_count || runner_random(&rnd) % 8 == 0) {
				at = seek_somewhere(iter, &p, &rnd);
			} else if (runner_random(&rnd) % 2) {
				iter_live_next(iter);
				at++;
			} else {
				iter_live_prev(iter);
				at--;
			}
			if (iter_live_status(iter, &err) != KV_OK)
				break;
			check_at(iter, &p, at);
		}
		if (array_iter_moves(input) > round % 60) {
			seen++;
			/* a key that was complete before may still be shown; the next move tells */
			if (iter_live_valid(iter))
				iter_live_next(iter);
			ck_assert(!iter_live_valid(iter));
			ck_assert_int_eq(iter_live_status(iter, &err), KV_CORRUPT);
			ck_assert_str_eq(err.text, "injected");
		}
		iter_live_close(iter);
		free_picture(&p);
	}
	ck_assert_uint_gt(seen, 1000);
}
END_TEST

START_TEST(running_out_of_memory_is_reported_and_can_be_tried_again)
{
	static struct picture p;
	uint64_t rnd = runner_seed();
	uint64_t failures = 0;

	for (uint64_t n = 1; n < 40; n++) {
		struct iter_live *iter = NULL;
		struct iter *input;
		kv_status status = KV_OK;
		bool failed;

		make_picture(&p, &rnd, false);
		input = array_iter_new(p.entries, p.count);
		range_set_unref(p.ranges);
		p.ranges = NULL;
		find_live(&p);
		fault_alloc_fail(n % 6 + 1, false);
		iter = iter_live_new(input, p.max_sequence, NOW);
		if (iter)
			for (iter_live_seek_last(iter); iter_live_valid(iter);)
				iter_live_prev(iter);
		failed = fault_alloc_failed() > 0;
		fault_alloc_fail(0, false);
		failures += failed;
		if (iter)
			status = iter_live_status(iter, NULL);
		if (!iter || status != KV_OK)
			ck_assert(failed);
		if (iter && failed)
			ck_assert_int_eq(status, KV_NO_MEMORY);
		if (iter) {
			iter_live_seek_last(iter);
			check_at(iter, &p, p.live_count - 1);
		}
		iter_live_close(iter);
		ck_assert_uint_eq(array_iter_open(), 0);
		free_picture(&p);
	}
	ck_assert_uint_gt(failures, 0);
}
END_TEST

/* Entries that hide much: `keys` keys, big-endian numbers, each `versions` deletes; every key divisible by `live_every` has a
 * newer value. */
static struct entry *make_desert(uint32_t keys, uint32_t versions, uint32_t live_every, size_t *ret_count)
{
	size_t count = 0;
	struct entry *entries = calloc((size_t)keys * (versions + 1), sizeof *entries);
	uint8_t *bytes = malloc((size_t)keys * 4);

	ck_assert(entries && bytes);
	for (uint32_t k = 0; k < keys; k++) {
		uint8_t key[4] = { (uint8_t)(k >> 24), (uint8_t)(k >> 16), (uint8_t)(k >> 8), (uint8_t)k };

		memcpy(bytes + (size_t)k * 4, key, 4);
		for (uint32_t v = versions; v-- > 0;)
			entries[count++] = (struct entry){ .key = slice_of(bytes + (size_t)k * 4, 4),
				.sequence = v + 1 };
		if (k % live_every == 0)
			entries[count - versions].kind = ENTRY_PUT;
	}
	*ret_count = count;
	return entries;
}

/* Goes on from KV_BUSY to the next live entry; returns how often it was necessary. */
static unsigned go_on(struct iter_live *iter, bool forward)
{
	uint8_t before[8], after[8];
	unsigned times = 0;

	for (; iter_live_status(iter, NULL) == KV_BUSY; times++) {
		struct slice position = iter_live_position(iter);

		ck_assert(!iter_live_valid(iter));
		ck_assert_uint_eq(position.len, 4);
		memcpy(after, position.data, 4);
		if (times > 0 && forward)
			ck_assert_int_gt(memcmp(after, before, 4), 0);
		else if (times > 0)
			ck_assert_int_lt(memcmp(after, before, 4), 0);
		memcpy(before, after, 4);
		if (forward)
			iter_live_seek(iter, position);
		else
			iter_live_seek_before(iter, position);
	}
	return times;
}

START_TEST(a_deadline_stops_on_the_way_and_nothing_is_missed_by_going_on)
{
	static const uint32_t version_counts[] = { 1, 3, 200 };

	for (unsigned v = 0; v < 3; v++) {
		size_t count;
		struct entry *entries = make_desert(1000, version_counts[v], 400, &count);
		struct iter_live *iter =
			iter_live_new(array_iter_new(entries, count), ENTRY_SEQUENCE_MAX, NOW);
		unsigned stops = 0, live = 0;

		iter_live_set_deadline(iter, 1); /* long ago */
		iter_live_seek_first(iter);
		for (stops += go_on(iter, true); iter_live_valid(iter); stops += go_on(iter, true)) {
			live++;
			iter_live_next(iter);
		}
		ck_assert_uint_eq(live, 3);
		ck_assert_uint_gt(stops, 5);
		iter_live_seek_last(iter);
		for (stops = go_on(iter, false); iter_live_valid(iter); stops += go_on(iter, false)) {
			live++;
			iter_live_prev(iter);
		}
		ck_assert_uint_eq(live, 6);
		ck_assert_uint_gt(stops, 5);
		iter_live_close(iter);
		free((void *)(uintptr_t)entries[0].key.data);
		free(entries);
	}
}
END_TEST

/* Each key but the first and the last is deleted by a range of its own, which its table's iterator jumps over. */
START_TEST(a_deadline_stops_among_very_many_ranges_and_nothing_is_missed_by_going_on)
{
	enum { KEYS = 20000 };
	size_t count;
	struct entry *entries = make_desert(KEYS, 1, 1, &count);
	struct range *ranges = calloc(KEYS, sizeof *ranges);
	uint8_t (*ends)[5] = calloc(KEYS, sizeof *ends);
	struct picture p = { .entries = entries, .count = count, .max_sequence = ENTRY_SEQUENCE_MAX };
	struct iter *input = array_iter_new(entries, count);
	struct iter_live *iter;

	for (uint32_t k = 1; k < KEYS - 1; k++) {
		if (_i == 1) { /* what is shown on the way is no value either */
			entries[k].kind = ENTRY_DELETE;
			entries[k].value = (struct slice){ 0 };
		}
		memcpy(ends[k], entries[k].key.data, 4);
		ranges[k - 1] = (struct range){ .sequence = KEYS + k, .start = entries[k].key, .end = slice_of(ends[k], 5) };
	}
	p.ranges = range_set_new(ranges, KEYS - 2);
	iter = open_live(&p, input);
	iter_live_set_deadline(iter, 1); /* long ago */
	iter_live_seek(iter, entries[1].key);
	ck_assert_int_eq(iter_live_status(iter, NULL), KV_BUSY);
	ck_assert_uint_lt(array_iter_moves(input), 200);
	iter_live_seek_before(iter, entries[KEYS - 1].key);
	ck_assert_int_eq(iter_live_status(iter, NULL), KV_BUSY);
	ck_assert_uint_lt(array_iter_moves(input), 400);
	iter_live_seek_first(iter);
	ck_assert(iter_live_valid(iter) && slice_equal(iter_live_entry(iter)->key, entries[0].key));
	iter_live_next(iter);
	ck_assert_uint_gt(go_on(iter, true), 3);
	ck_assert(iter_live_valid(iter) && slice_equal(iter_live_entry(iter)->key, entries[KEYS - 1].key));
	iter_live_prev(iter);
	ck_assert_uint_gt(go_on(iter, false), 3);
	ck_assert(iter_live_valid(iter) && slice_equal(iter_live_entry(iter)->key, entries[0].key));
	iter_live_close(iter);
	range_set_unref(p.ranges);
	free(ends);
	free(ranges);
	free((void *)(uintptr_t)entries[0].key.data);
	free(entries);
}
END_TEST

START_TEST(without_a_deadline_or_before_it_no_move_stops)
{
	size_t count;
	struct entry *entries = make_desert(5000, 1, 4999, &count);
	struct iter_live *iter = iter_live_new(array_iter_new(entries, count), ENTRY_SEQUENCE_MAX, NOW);

	iter_live_seek_first(iter);
	iter_live_next(iter);
	ck_assert(iter_live_valid(iter));
	iter_live_set_deadline(iter, clock_monotonic_us() + UINT64_C(3600000000));
	iter_live_prev(iter);
	ck_assert(iter_live_valid(iter));
	iter_live_prev(iter);
	ck_assert(!iter_live_valid(iter));
	ck_assert_int_eq(iter_live_status(iter, NULL), KV_OK);
	iter_live_close(iter);
	free((void *)(uintptr_t)entries[0].key.data);
	free(entries);
}
END_TEST

/* A key with very many versions is not walked through, whether they are old or too new. */
START_TEST(a_key_of_many_versions_costs_few_moves)
{
	size_t count;
	struct entry *entries = make_desert(3, 50000, 1, &count);
	struct iter *input = array_iter_new(entries, count);
	struct iter_live *iter = iter_live_new(input, ENTRY_SEQUENCE_MAX, NOW);

	for (int i = 0; i < 2; i++) {
		iter_live_seek_first(iter);
		ck_assert(iter_live_valid(iter));
		iter_live_next(iter);
		ck_assert(iter_live_valid(iter));
		iter_live_next(iter);
		ck_assert(iter_live_valid(iter));
		iter_live_prev(iter);
		iter_live_prev(iter);
		ck_assert(iter_live_valid(iter));
		iter_live_prev(iter);
		ck_assert(!iter_live_valid(iter));
		ck_assert_uint_lt(array_iter_moves(input), 300);
		iter_live_close(iter);
		/* again with a value in the middle, and a reader who sees no newer one */
		for (size_t k = 0; k < 3; k++)
			entries[k * 50000 + 25000].kind = ENTRY_PUT;
		input = array_iter_new(entries, count);
		iter = iter_live_new(input, entries[25000].sequence, NOW);
	}
	iter_live_close(iter);
	free((void *)(uintptr_t)entries[0].key.data);
	free(entries);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("iter_live");
	TCase *tc = tcase_create("iter_live");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, walks_in_any_direction_show_what_is_live);
	tcase_add_test(tc, walks_over_a_merge_show_what_is_live);
	tcase_add_test(tc, an_error_at_any_move_of_the_input_is_reported);
	tcase_add_test(tc, running_out_of_memory_is_reported_and_can_be_tried_again);
	tcase_add_test(tc, a_deadline_stops_on_the_way_and_nothing_is_missed_by_going_on);
	tcase_add_loop_test(tc, a_deadline_stops_among_very_many_ranges_and_nothing_is_missed_by_going_on, 0, 2);
	tcase_add_test(tc, without_a_deadline_or_before_it_no_move_stops);
	tcase_add_test(tc, a_key_of_many_versions_costs_few_moves);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
