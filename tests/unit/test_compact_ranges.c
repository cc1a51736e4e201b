/* SPDX-License-Identifier: BSD-2-Clause */
/* What range deletes would take from a table: all of it, a share of it, or nothing that anybody may miss. */
#include "engine/compact_ranges.h"

#include "support/runner.h"

#include <stdio.h>

static struct sst_meta meta;

static void set_up(void)
{
	meta = (struct sst_meta){ .first_sequence = 10, .last_sequence = 20 };
	ck_assert_int_eq(buf_append(&meta.smallest, "key100", 6), KV_OK);
	ck_assert_int_eq(buf_append(&meta.largest, "key900", 6), KV_OK);
}

static void tear_down(void)
{
	sst_meta_free(&meta);
}

static struct range range_of(uint64_t sequence, const char *start, const char *end)
{
	return (struct range){ .sequence = sequence, .start = slice_of_string(start), .end = slice_of_string(end) };
}

static struct compact_ranges judge(const struct range *ranges, size_t count, uint64_t max_sequence)
{
	struct range_set *set = range_set_new(ranges, count);
	struct compact_ranges ret = compact_ranges_judge(set, &meta, max_sequence);

	range_set_unref(set);
	return ret;
}

static void expect_share(struct compact_ranges got, double low, double high)
{
	ck_assert(!got.covered);
	ck_assert_msg(got.share >= low && got.share <= high, "%f", got.share);
}

START_TEST(a_table_is_covered_by_newer_ranges_without_a_gap)
{
	struct range ranges[] = { range_of(21, "a", "key500"), range_of(30, "key500", "") };

	ck_assert(judge(ranges, 2, UINT64_MAX).covered);
	ck_assert(judge(ranges, 2, 30).covered);
	ck_assert(!judge(ranges, 2, 29).covered); /* a snapshot may still see what 30 hides */
	ranges[0].sequence = 20;
	ck_assert(!judge(ranges, 2, UINT64_MAX).covered); /* not newer than all of it */
	ranges[0] = range_of(21, "a", "key499");
	ck_assert(!judge(ranges, 2, UINT64_MAX).covered);
	ranges[0] = range_of(21, "a", "key900"); /* the largest key is not in it */
	ck_assert(!judge(ranges, 1, UINT64_MAX).covered);
	ranges[0] = range_of(21, "key100", "key9000");
	ck_assert(judge(ranges, 1, UINT64_MAX).covered);
	ck_assert(!compact_ranges_judge(NULL, &meta, UINT64_MAX).covered);
}
END_TEST

START_TEST(the_share_is_about_that_of_the_keys)
{
	struct range ranges[] = { range_of(30, "key200", "key400"), range_of(31, "key600", "key700") };

	expect_share(judge(ranges, 1, UINT64_MAX), 0.2, 0.3);
	expect_share(judge(ranges, 2, UINT64_MAX), 0.32, 0.43);
	expect_share(judge(ranges, 2, 30), 0.2, 0.3);
	expect_share(judge(ranges, 2, 29), 0, 0);
	ranges[0] = range_of(15, "", "key899"); /* between its sequences */
	ranges[0].start = slice_of("a", 1);
	expect_share(judge(ranges, 1, UINT64_MAX), 0.85, 1);
	ranges[0].sequence = 10; /* as old as the oldest of it */
	expect_share(judge(ranges, 1, UINT64_MAX), 0, 0);
	ranges[0] = range_of(30, "key5", "key50"); /* hardly anything, but not nothing */
	expect_share(judge(ranges, 1, UINT64_MAX), 0.0001, 0.03);
	ranges[0] = range_of(30, "kez", "");
	expect_share(judge(ranges, 1, UINT64_MAX), 0, 0);
}
END_TEST

START_TEST(what_was_applied_already_is_no_share)
{
	struct range ranges[] = { range_of(30, "key200", "key800") };

	meta.range_applied = 29;
	expect_share(judge(ranges, 1, UINT64_MAX), 0.6, 0.8);
	meta.range_applied = 30;
	expect_share(judge(ranges, 1, UINT64_MAX), 0, 0);
}
END_TEST

START_TEST(a_table_of_one_key_is_all_or_nothing)
{
	struct range ranges[] = { range_of(15, "key2", "key3") };

	ck_assert_int_eq(buf_set(&meta.smallest, slice_of("key25", 5)), KV_OK);
	ck_assert_int_eq(buf_set(&meta.largest, slice_of("key25", 5)), KV_OK);
	expect_share(judge(ranges, 1, UINT64_MAX), 1, 1);
	ranges[0] = range_of(15, "key26", "key3");
	expect_share(judge(ranges, 1, UINT64_MAX), 0, 0);
}
END_TEST

START_TEST(where_there_are_many_every_share_counts_as_all)
{
	static struct range ranges[1024];
	static char keys[1024][16];

	for (unsigned i = 0; i < 1024; i++) {
		snprintf(keys[i], sizeof keys[i], "z%04u", i);
		ranges[i] = range_of(100 + i, keys[i], "");
	}
	ranges[0].start = slice_of_string("key899");
	ranges[0].end = slice_of_string("key8990");
	expect_share(judge(ranges, 1024, UINT64_MAX), 1, 1);
	expect_share(judge(ranges, 1023, UINT64_MAX), 0.0001, 0.03);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compact_ranges");
	TCase *tc = tcase_create("compact_ranges");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_table_is_covered_by_newer_ranges_without_a_gap);
	tcase_add_test(tc, the_share_is_about_that_of_the_keys);
	tcase_add_test(tc, what_was_applied_already_is_no_share);
	tcase_add_test(tc, a_table_of_one_key_is_all_or_nothing);
	tcase_add_test(tc, where_there_are_many_every_share_counts_as_all);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
