/* SPDX-License-Identifier: BSD-2-Clause */
/* The merge of sorted arrays is the sorted array of all, walked in any way; errors of children end it for good. */
#include "engine/iter_merge.h"
#include "support/array_iter.h"
#include "support/fault_alloc.h"
#include "support/iter_check.h"
#include "support/runner.h"

#include <stdlib.h>

enum { CHILDREN_MAX = 12, ENTRIES_MAX = 120 };

/* Random entries, dealt out to children. */
struct deal {
	struct entry *entries;
	size_t count;
	struct entry hands[CHILDREN_MAX][ENTRIES_MAX];
	size_t hand_counts[CHILDREN_MAX];
	size_t child_count;
	struct iter *children[CHILDREN_MAX];
};

/* `run`: how many entries in a row a child gets at most. */
static void deal_entries(struct deal *deal, uint64_t *rnd, size_t run)
{
	size_t to = 0, left = 0;

	deal->count = runner_random(rnd) % ENTRIES_MAX;
	deal->entries = iter_check_entries(rnd, deal->count);
	memset(deal->hand_counts, 0, sizeof deal->hand_counts);
	for (size_t i = 0; i < deal->count; i++, left--) {
		if (left == 0) {
			to = runner_random(rnd) % deal->child_count;
			left = 1 + runner_random(rnd) % run;
		}
		deal->hands[to][deal->hand_counts[to]++] = deal->entries[i];
	}
}

static struct iter *deal_merge(struct deal *deal)
{
	for (size_t i = 0; i < deal->child_count; i++) {
		deal->children[i] = array_iter_new(deal->hands[i], deal->hand_counts[i]);
		ck_assert_ptr_nonnull(deal->children[i]);
		array_iter_set_runs(deal->children[i], 1 + (deal->count + i) % ARRAY_ITER_RUN_MAX);
		if ((deal->count + i) % 3 == 0)
			array_iter_keep_slices(deal->children[i]);
	}
	return iter_merge_new(deal->children, deal->child_count);
}

START_TEST(walks_in_any_direction_show_all_entries_in_order)
{
	static struct deal deal;
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 1500; round++) {
		struct iter *merge;

		deal.child_count = 2 + runner_random(&rnd) % (CHILDREN_MAX - 1);
		deal_entries(&deal, &rnd, round % 3 == 0 ? 20 : 2);
		merge = deal_merge(&deal);
		ck_assert_ptr_nonnull(merge);
		ck_assert(!merge->valid);
		iter_check_walk(merge, deal.entries, deal.count, &rnd, 200);
		iter_close(merge);
		iter_check_free(deal.entries, deal.count);
	}
	ck_assert_uint_eq(array_iter_open(), 0);
}
END_TEST

START_TEST(one_child_is_the_merge_itself)
{
	struct iter *child = array_iter_new(NULL, 0);

	ck_assert_ptr_eq(iter_merge_new(&child, 1), child);
	iter_close(child);
}
END_TEST

START_TEST(children_without_entries_make_an_empty_merge)
{
	struct iter *children[2] = { array_iter_new(NULL, 0), array_iter_new(NULL, 0) };
	struct iter *merge = iter_merge_new(children, 2);

	iter_seek_first(merge);
	ck_assert(!merge->valid);
	iter_seek_last(merge);
	ck_assert(!merge->valid);
	iter_seek_before(merge, slice_of("a", 1));
	ck_assert(!merge->valid);
	ck_assert_int_eq(iter_status(merge, NULL), KV_OK);
	iter_close(merge);
}
END_TEST

/* Walks until the injected error shows, and checks that it ends everything. */
static bool walk_into_error(struct iter *merge, const struct iter *bad, uint64_t *rnd)
{
	struct kv_error err;

	for (int move = 0; move < 60; move++) {
		if (!merge->valid)
			iter_seek_first(merge);
		else if (runner_random(rnd) % 3 == 0)
			iter_prev(merge);
		else
			iter_next(merge);
		if (iter_status(bad, NULL) == KV_OK)
			continue;
		ck_assert(!merge->valid);
		ck_assert_int_eq(iter_status(merge, &err), KV_CORRUPT);
		ck_assert_str_eq(err.text, "injected");
		iter_seek_first(merge);
		ck_assert(!merge->valid);
		iter_seek_before(merge, slice_of("p", 1));
		ck_assert(!merge->valid);
		ck_assert_int_eq(iter_status(merge, NULL), KV_CORRUPT);
		return true;
	}
	return false;
}

START_TEST(an_error_of_any_child_at_any_move_ends_the_merge_for_good)
{
	static struct deal deal;
	uint64_t rnd = runner_seed();
	size_t seen = 0;

	for (size_t round = 0; round < 3000; round++) {
		struct iter *merge, *bad;

		deal.child_count = 2 + round % 4;
		deal_entries(&deal, &rnd, 3);
		merge = deal_merge(&deal);
		bad = deal.children[runner_random(&rnd) % deal.child_count];
		array_iter_fail(bad, round % 30, KV_CORRUPT);
		seen += walk_into_error(merge, bad, &rnd);
		iter_close(merge);
		iter_check_free(deal.entries, deal.count);
	}
	ck_assert_uint_gt(seen, 1000);
}
END_TEST

START_TEST(running_out_of_memory_closes_the_children)
{
	static struct deal deal = { .child_count = 3 };
	uint64_t rnd = runner_seed();

	deal_entries(&deal, &rnd, 3);
	for (uint64_t n = 1;; n++) {
		struct iter *merge;
		bool failed;

		for (size_t i = 0; i < deal.child_count; i++)
			deal.children[i] = array_iter_new(deal.hands[i], deal.hand_counts[i]);
		fault_alloc_fail(n, false);
		merge = iter_merge_new(deal.children, deal.child_count);
		failed = fault_alloc_failed() > 0;
		fault_alloc_fail(0, false);
		ck_assert_int_eq(merge == NULL, failed);
		iter_close(merge);
		ck_assert_uint_eq(array_iter_open(), 0);
		if (!failed)
			break;
	}
	iter_check_free(deal.entries, deal.count);
}
END_TEST

/* Only the child that is shown moves while it stays ahead of the others. */
START_TEST(a_run_of_one_child_leaves_the_others_alone)
{
	struct entry low[50], high[1];
	uint8_t keys[50];
	struct iter *children[2], *merge;

	for (unsigned i = 0; i < 50; i++) {
		keys[i] = (uint8_t)i;
		low[i] = (struct entry){ .key = slice_of(&keys[i], 1), .sequence = i + 1, .kind = ENTRY_PUT };
	}
	high[0] = (struct entry){ .key = slice_of("z", 1), .sequence = 99, .kind = ENTRY_PUT };
	children[0] = array_iter_new(high, 1);
	children[1] = array_iter_new(low, 50);
	merge = iter_merge_new(children, 2);
	iter_seek_first(merge);
	for (unsigned i = 0; i < 49; i++)
		iter_next(merge);
	ck_assert(iter_check_same(merge->entry, &low[49]));
	ck_assert_uint_eq(array_iter_moves(children[0]), 1);
	iter_next(merge);
	ck_assert(iter_check_same(merge->entry, &high[0]));
	iter_close(merge);
}
END_TEST

START_TEST(a_run_that_comes_before_everything_else_is_handed_on)
{
	static uint8_t keys[60];
	struct entry low[40], high[20];
	struct iter *children[2], *merge;
	unsigned steps = 0;

	for (unsigned i = 0; i < 60; i++) {
		struct entry *entry = i < 40 ? &low[i] : &high[i - 40];

		keys[i] = (uint8_t)i;
		*entry = (struct entry){ .key = slice_of(&keys[i], 1), .sequence = i + 1, .kind = ENTRY_PUT };
	}
	children[0] = array_iter_new(high, 20);
	children[1] = array_iter_new(low, 40);
	array_iter_set_runs(children[1], 8);
	merge = iter_merge_new(children, 2);
	iter_seek_first(merge);
	for (; merge->entry->key.data[0] < 30; steps++) /* as an iter_next() inside of runs */
		if (merge->entry != merge->last)
			merge->entry = merge->last;
		else
			iter_next(merge);
	ck_assert_uint_lt(steps, 16);
	ck_assert_uint_eq(array_iter_moves(children[0]), 1);
	while (merge->entry->key.data[0] > 10)
		iter_prev(merge);
	for (unsigned i = 10; i < 59; i++) {
		ck_assert_uint_eq(merge->entry->key.data[0], i);
		iter_next(merge);
	}
	iter_next(merge);
	ck_assert(!merge->valid);
	iter_close(merge);
}
END_TEST

/* Children that take turns, and what lies in a run of the merge then. */
static struct iter *open_turns(struct entry entries[2][20], uint8_t keys[40], bool keep)
{
	struct iter *children[2];

	for (unsigned i = 0; i < 40; i++) {
		keys[i] = (uint8_t)i;
		entries[i % 2][i / 2] = (struct entry){ .key = slice_of(&keys[i], 1), .sequence = i + 1, .kind = ENTRY_PUT };
	}
	for (unsigned i = 0; i < 2; i++) {
		children[i] = array_iter_new(entries[i], 20);
		array_iter_set_runs(children[i], 2);
		if (keep)
			array_iter_keep_slices(children[i]);
	}
	return iter_merge_new(children, 2);
}

static void check_run(const struct iter *merge, uint8_t from, size_t count)
{
	ck_assert(merge->valid);
	ck_assert_uint_eq((size_t)(merge->last - merge->first) + 1, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(merge->first[i].key.data[0], from + i);
}

START_TEST(a_run_has_the_entries_of_several_children_and_ends_where_one_gives_up_its_slices)
{
	static struct entry entries[2][20];
	static uint8_t keys[40];
	struct iter *merge = open_turns(entries, keys, true);

	iter_seek_first(merge);
	check_run(merge, 0, 8);
	merge->entry = merge->last;
	iter_next(merge);
	check_run(merge, 8, 16);
	iter_prev(merge); /* from the first of it */
	check_run(merge, 0, 8);
	ck_assert_ptr_eq(merge->entry, merge->last);
	iter_close(merge);
	merge = open_turns(entries, keys, false);
	iter_seek_first(merge);
	check_run(merge, 0, 3); /* the next one is in another run of the first child */
	merge->entry = merge->last;
	iter_next(merge);
	check_run(merge, 3, 1);
	iter_close(merge);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("iter_merge");
	TCase *tc = tcase_create("iter_merge");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, walks_in_any_direction_show_all_entries_in_order);
	tcase_add_test(tc, one_child_is_the_merge_itself);
	tcase_add_test(tc, children_without_entries_make_an_empty_merge);
	tcase_add_test(tc, an_error_of_any_child_at_any_move_ends_the_merge_for_good);
	tcase_add_test(tc, running_out_of_memory_closes_the_children);
	tcase_add_test(tc, a_run_of_one_child_leaves_the_others_alone);
	tcase_add_test(tc, a_run_that_comes_before_everything_else_is_handed_on);
	tcase_add_test(tc, a_run_has_the_entries_of_several_children_and_ends_where_one_gives_up_its_slices);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
