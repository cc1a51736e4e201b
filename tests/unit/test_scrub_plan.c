/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read next and how fast, without a store. */
#include "engine/scrub_plan.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

static struct scrub_list list, before;

static void add(struct scrub_list *to, uint64_t number, uint64_t checked_unix_s)
{
	struct scrub_item item = {
		.number = number, .owner = number, .checked_unix_s = checked_unix_s
	};

	ck_assert_int_eq(scrub_list_add(to, &item), KV_OK);
}

static void tear_down(void)
{
	scrub_list_free(&list);
	scrub_list_free(&before);
}

START_TEST(what_was_read_longest_ago_comes_first)
{
	uint64_t due;

	add(&list, 3, 100);
	add(&list, 5, 50);
	add(&list, 7, 200);
	ck_assert_uint_eq(scrub_plan_next(&list, 1000, &due), 1);
	ck_assert_uint_eq(due, 1050);
	ck_assert_uint_eq(scrub_plan_due(&list, 1000, 1049), 0);
	ck_assert_uint_eq(scrub_plan_due(&list, 1000, 1100), 2);
}
END_TEST

START_TEST(without_files_nothing_is_due)
{
	uint64_t due;

	scrub_list_sort(&list);
	ck_assert_uint_eq(scrub_plan_next(&list, 1000, &due), 0);
	ck_assert_uint_eq(due, UINT64_MAX);
	ck_assert_uint_eq(scrub_plan_due(&list, 1000, 5000), 0);
}
END_TEST

START_TEST(a_file_of_an_earlier_process_is_read_soon_and_one_of_this_process_late)
{
	add(&before, 2, 70);
	add(&before, 4, 90);
	add(&list, 2, 0);
	add(&list, 3, 0);
	add(&list, 9, 0);
	ck_assert_uint_eq(scrub_plan_carry(&list, &before, 9, 100), 2);
	ck_assert_uint_eq(list.items[0].checked_unix_s, 70);
	ck_assert_uint_eq(list.items[1].checked_unix_s, 0);
	ck_assert_uint_eq(list.items[2].checked_unix_s, 100);
}
END_TEST

START_TEST(a_clock_that_was_ahead_does_not_put_a_file_off)
{
	add(&before, 2, 1000000);
	add(&list, 2, 0);
	ck_assert_uint_eq(scrub_plan_carry(&list, &before, 1, 100), 0);
	ck_assert_uint_eq(list.items[0].checked_unix_s, 100);
}
END_TEST

START_TEST(a_sorted_list_names_each_file_once)
{
	for (uint64_t i = 0; i < 500; i++)
		add(&list, 1 + i * 7 % 100, i);
	scrub_list_sort(&list);
	ck_assert_uint_eq(list.count, 100);
	for (size_t i = 0; i < list.count; i++)
		ck_assert_uint_eq(list.items[i].number, i + 1);
}
END_TEST

/* Virtual time: every file is read once an interval and not much more often, whatever the process
 * does. */
START_TEST(over_ten_intervals_with_daily_restarts_every_file_is_read_ten_times)
{
	enum { FILES = 200, DAY = 86400, INTERVAL = 7 * DAY };
	uint64_t reads[FILES + 1] = { 0 }, now = 1700000000, end = now + 10 * (uint64_t)INTERVAL,
			       next_start = now;

	while (now < end) {
		uint64_t due;
		size_t i;

		if (now >= next_start) { /* what is known comes from the file */
			scrub_list_free(&before);
			before = list;
			list = (struct scrub_list){ 0 };
			for (uint64_t n = 1; n <= FILES; n++)
				add(&list, n, 0);
			scrub_plan_carry(&list, &before, FILES + 1, now);
			next_start = now + DAY;
		}
		i = scrub_plan_next(&list, INTERVAL, &due);
		if (due > now) {
			now = due < next_start ? due : next_start;
			continue;
		}
		now += INTERVAL / 2 / FILES; /* at the planned rate */
		list.items[i].checked_unix_s = now;
		reads[list.items[i].number]++;
	}
	for (size_t n = 1; n <= FILES; n++)
		ck_assert_msg(reads[n] >= 9 && reads[n] <= 10, "file %zu was read %u times", n,
			(unsigned)reads[n]);
}
END_TEST

START_TEST(the_rate_reads_all_in_half_of_the_interval_and_small_stores_soon)
{
	ck_assert_uint_eq(scrub_plan_rate(0, 1), SCRUB_RATE_MIN);
	ck_assert_uint_eq(scrub_plan_rate(UINT64_C(1) << 30, 604800), SCRUB_RATE_MIN);
	ck_assert_uint_ge(
		scrub_plan_rate(UINT64_C(1) << 40, 604800) * 302401, (UINT64_C(1) << 40) - 302401);
	ck_assert_uint_gt(scrub_plan_rate(UINT64_C(1) << 40, 1), UINT64_C(1) << 39);
}
END_TEST

START_TEST(without_memory_the_list_stays_as_it_was)
{
	struct scrub_item item = { .number = 1 };
	kv_status status;

	fault_alloc_fail(1, false);
	status = scrub_list_add(&list, &item);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	ck_assert_uint_eq(list.count, 0);
	add(&list, 1, 1);
	ck_assert_uint_eq(list.count, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scrub_plan");
	TCase *tests = tcase_create("scrub_plan");

	tcase_add_checked_fixture(tests, NULL, tear_down);
	tcase_add_test(tests, what_was_read_longest_ago_comes_first);
	tcase_add_test(tests, without_files_nothing_is_due);
	tcase_add_test(
		tests, a_file_of_an_earlier_process_is_read_soon_and_one_of_this_process_late);
	tcase_add_test(tests, a_clock_that_was_ahead_does_not_put_a_file_off);
	tcase_add_test(tests, a_sorted_list_names_each_file_once);
	tcase_add_test(tests, over_ten_intervals_with_daily_restarts_every_file_is_read_ten_times);
	tcase_add_test(tests, the_rate_reads_all_in_half_of_the_interval_and_small_stores_soon);
	tcase_add_test(tests, without_memory_the_list_stays_as_it_was);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
