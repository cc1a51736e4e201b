/* SPDX-License-Identifier: BSD-2-Clause */
/* What is left of a table under range deletes: everything, or whole spans of keys less; never an entry that could be seen. */
#include "engine/iter_uncovered.h"

#include "support/array_iter.h"
#include "support/fault_alloc.h"
#include "support/iter_check.h"
#include "support/runner.h"

#include <stdlib.h>

enum { ENTRIES_MAX = 150, RANGES_MAX = 12 };

static struct {
	struct entry *entries; /* of the table */
	size_t count;
	struct entry left[ENTRIES_MAX];
	size_t left_count;
	uint64_t last_sequence;
	struct range_cover *cover;
	struct range_set *set;
} p;

static void make_cover(uint64_t *rnd)
{
	struct range ranges[RANGES_MAX];
	uint8_t bytes[2 * RANGES_MAX][ITER_CHECK_KEY_MAX];
	size_t count = 1 + runner_random(rnd) % RANGES_MAX;

	for (size_t i = 0; i < count; i++) {
		struct slice a = iter_check_key(rnd, bytes[2 * i]), b = iter_check_key(rnd, bytes[2 * i + 1]);

		if (slice_compare(a, b) > 0 && b.len > 0) {
			struct slice swap = a;

			a = b;
			b = swap;
		}
		ranges[i] = (struct range){ .sequence = 10 * (i + 1), .start = a.len > 0 ? a : slice_of("", 1) };
		if (slice_compare(ranges[i].start, b) < 0)
			ranges[i].end = b;
	}
	p.set = range_set_new(ranges, count);
	p.cover = malloc(sizeof *p.cover + sizeof p.cover->sets[0]);
	ck_assert(p.set && p.cover);
	*p.cover = (struct range_cover){ .max_sequence = runner_random(rnd) % (10 * count + 20), .count = 1 };
	p.cover->sets[0] = p.set;
}

static void make_picture(uint64_t *rnd)
{
	p.count = runner_random(rnd) % ENTRIES_MAX;
	p.entries = iter_check_entries(rnd, p.count);
	array_iter_sort(p.entries, p.count);
	make_cover(rnd);
	p.last_sequence = runner_random(rnd) % 60;
	p.left_count = 0;
	for (size_t i = 0; i < p.count; i++)
		if (range_set_cover(p.set, p.entries[i].key, p.cover->max_sequence) <= p.last_sequence)
			p.left[p.left_count++] = p.entries[i];
}

static void free_picture(void)
{
	iter_check_free(p.entries, p.count);
	range_set_unref(p.set);
	free(p.cover);
}

START_TEST(walks_in_any_direction_leave_out_what_is_hidden_whole)
{
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 500; round++) {
		struct iter *iter, *input;

		make_picture(&rnd);
		input = array_iter_new(p.entries, p.count);
		array_iter_set_runs(input, 1 + (size_t)round % 4);
		iter = iter_uncovered_new(input, p.cover, p.last_sequence);
		ck_assert_ptr_nonnull(iter);
		iter_check_walk(iter, p.left, p.left_count, &rnd, 150);
		iter_close(iter);
		free_picture();
	}
	ck_assert_uint_eq(array_iter_open(), 0);
}
END_TEST

/* A hundred thousand keys cost a few moves, not one each. */
START_TEST(a_range_is_jumped_over)
{
	enum { COUNT = 100000 };
	struct entry *entries = calloc(COUNT, sizeof *entries);
	uint8_t (*keys)[4] = calloc(COUNT, sizeof *keys);
	struct range ranges[] = { { .sequence = COUNT + 1, .start = slice_of("\0\0\0\x05", 4),
		.end = slice_of("\0\0\xff\xff", 4) }, { .sequence = COUNT + 2, .start = slice_of("\0\0\xff\xff", 4),
		.end = slice_of("\0\x01\x86\x9f", 4) } };
	struct range_cover *cover = malloc(sizeof *cover + sizeof cover->sets[0]);
	struct range_set *set = range_set_new(ranges, 2);
	struct iter *input, *iter;
	size_t seen = 0;

	for (uint32_t i = 0; i < COUNT; i++) {
		for (unsigned k = 0; k < 4; k++)
			keys[i][k] = (uint8_t)(i >> (24 - 8 * k));
		entries[i] = (struct entry){ .key = slice_of(keys[i], 4), .sequence = i + 1, .kind = ENTRY_PUT };
	}
	*cover = (struct range_cover){ .max_sequence = UINT64_MAX, .count = 1 };
	cover->sets[0] = set;
	input = array_iter_new(entries, COUNT);
	iter = iter_uncovered_new(input, cover, COUNT);
	for (iter_seek_first(iter); iter->valid; iter_next(iter))
		seen++;
	for (iter_seek_last(iter); iter->valid; iter_prev(iter))
		seen++;
	ck_assert_uint_eq(seen, 2 * 6);
	ck_assert_uint_lt(array_iter_moves(input), 20);
	iter_close(iter);
	range_set_unref(set);
	free(cover);
	free(keys);
	free(entries);
}
END_TEST

/* ... but so many ranges are left to who looks at the clock. */
START_TEST(one_move_does_not_jump_over_very_many_ranges)
{
	enum { COUNT = 20000 };
	struct entry *entries = calloc(COUNT, sizeof *entries);
	struct range *ranges = calloc(COUNT, sizeof *ranges);
	uint8_t (*keys)[5] = calloc(COUNT, sizeof *keys); /* the last byte, 0, makes the key behind it */
	struct range_cover *cover = malloc(sizeof *cover + sizeof cover->sets[0]);
	struct range_set *set;
	struct iter *input, *iter;
	size_t seen = 0, moves;

	for (uint32_t i = 0; i < COUNT; i++) {
		for (unsigned k = 0; k < 4; k++)
			keys[i][k] = (uint8_t)(i >> (24 - 8 * k));
		entries[i] = (struct entry){ .key = slice_of(keys[i], 4), .sequence = i + 1, .kind = ENTRY_PUT };
		ranges[i] = (struct range){ .sequence = COUNT + 1 + i, .start = slice_of(keys[i], 4), .end = slice_of(keys[i], 5) };
	}
	set = range_set_new(ranges, COUNT);
	ck_assert(set && cover);
	*cover = (struct range_cover){ .max_sequence = UINT64_MAX, .count = 1 };
	cover->sets[0] = set;
	input = array_iter_new(entries, COUNT);
	iter = iter_uncovered_new(input, cover, COUNT);
	iter_seek_first(iter);
	ck_assert(iter->valid);
	iter_seek_last(iter);
	ck_assert(iter->valid);
	iter_seek(iter, slice_of(keys[COUNT / 2], 4), ENTRY_SEQUENCE_MAX);
	ck_assert(iter->valid);
	iter_seek_before(iter, slice_of(keys[COUNT / 2], 4));
	ck_assert(iter->valid);
	ck_assert_uint_lt(array_iter_moves(input), 4 * 20);
	moves = array_iter_moves(input);
	for (iter_seek_first(iter); iter->valid; iter_next(iter))
		seen++;
	for (iter_seek_last(iter); iter->valid; iter_prev(iter))
		seen++;
	ck_assert_uint_lt(seen, 2 * COUNT / 10);
	ck_assert_uint_le(array_iter_moves(input) - moves, 2 * COUNT + 2);
	iter_close(iter);
	range_set_unref(set);
	free(cover);
	free(keys);
	free(ranges);
	free(entries);
}
END_TEST

START_TEST(without_range_deletes_it_is_the_input_itself)
{
	struct iter *input = array_iter_new(NULL, 0);

	ck_assert_ptr_eq(iter_uncovered_new(input, NULL, 9), input);
	iter_close(input);
	ck_assert_ptr_null(iter_uncovered_new(NULL, NULL, 9));
}
END_TEST

START_TEST(a_failure_of_the_input_or_of_memory_is_told)
{
	uint64_t rnd = runner_seed();
	struct iter *input, *iter;

	do {
		if (p.entries)
			free_picture();
		make_picture(&rnd);
	} while (p.left_count < 3);
	input = array_iter_new(p.entries, p.count);
	fault_alloc_fail(1, false);
	iter = iter_uncovered_new(input, p.cover, p.last_sequence);
	fault_alloc_fail(0, false);
	ck_assert_ptr_null(iter);
	ck_assert_uint_eq(array_iter_open(), 0);
	input = array_iter_new(p.entries, p.count);
	iter = iter_uncovered_new(input, p.cover, p.last_sequence);
	array_iter_fail(input, 0, KV_CORRUPT);
	iter_seek_first(iter);
	ck_assert(!iter->valid);
	ck_assert_int_eq(iter_status(iter, NULL), KV_CORRUPT);
	iter_close(iter);
	free_picture();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("iter_uncovered");
	TCase *tc = tcase_create("iter_uncovered");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, walks_in_any_direction_leave_out_what_is_hidden_whole);
	tcase_add_test(tc, a_range_is_jumped_over);
	tcase_add_test(tc, one_move_does_not_jump_over_very_many_ranges);
	tcase_add_test(tc, without_range_deletes_it_is_the_input_itself);
	tcase_add_test(tc, a_failure_of_the_input_or_of_memory_is_told);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
