/* SPDX-License-Identifier: BSD-2-Clause */
/* store_estimate_range() over keys "000000" to N, in memory, in tables and in both. */
#include "support/runner.h"
#include "support/small_store.h"

#include <stdio.h>
#include <stdlib.h>

static struct small_store small;
static uint64_t rnd;

static void setup(void)
{
	small_store_init(&small);
	small.options.memtable_bytes = 4 << 20;
	small.options.durability = STORE_DURABLE_OS;
	small_store_open(&small);
	rnd = runner_seed();
}

static void teardown(void)
{
	small_store_done(&small);
}

static struct slice key_of(char *buf, unsigned n)
{
	snprintf(buf, 8, "%06u", n);
	return slice_of(buf, 6);
}

/* Keys from `first` to before `end`. */
static void fill(unsigned first, unsigned end)
{
	struct store_batch *batch = store_batch_new(small.store);

	for (unsigned n = first; n < end; n++) {
		char key[8];

		ck_assert_int_eq(store_batch_put(batch, key_of(key, n), slice_of_string("a value of some bytes"), 0, NULL), KV_OK);
	}
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
}

static struct store_estimate estimate_slices(struct slice start, struct slice end)
{
	struct store_estimate estimate;

	ck_assert_int_eq(store_estimate_range(small.store, start, end, &estimate, NULL), KV_OK);
	return estimate;
}

static struct store_estimate estimate(unsigned first, unsigned end)
{
	char a[8], b[8];

	return estimate_slices(key_of(a, first), key_of(b, end));
}

static uint64_t all(void)
{
	return estimate_slices(slice_of(NULL, 0), slice_of(NULL, 0)).entries;
}

START_TEST(an_empty_store_holds_nothing)
{
	struct store_estimate none = estimate_slices(slice_of(NULL, 0), slice_of(NULL, 0));

	ck_assert_uint_eq(none.entries, 0);
	ck_assert_uint_eq(none.bytes, 0);
}
END_TEST

START_TEST(everything_is_counted_in_memory_and_in_tables)
{
	fill(0, 5000);
	ck_assert_uint_eq(all(), 5000);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_uint_eq(all(), 5000);
	fill(5000, 5100);
	ck_assert_uint_eq(all(), 5100);
	ck_assert_uint_gt(estimate_slices(slice_of(NULL, 0), slice_of(NULL, 0)).bytes, 5000 * 10);
}
END_TEST

START_TEST(large_values_count_in_memory_as_in_tables)
{
	enum { SIZE = 100000 };
	uint8_t *value = calloc(1, SIZE);
	struct store_batch *batch = store_batch_new(small.store);

	ck_assert_int_eq(store_batch_put(batch, slice_of_string("000001"), slice_of(value, SIZE), 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	free(value);
	ck_assert_uint_ge(estimate(0, 2).bytes, SIZE);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_uint_ge(estimate(0, 2).bytes, SIZE);
}
END_TEST

START_TEST(small_ranges_and_nearly_whole_ones_are_exact_in_memory)
{
	fill(0, 20000);
	ck_assert_uint_eq(estimate(7000, 7500).entries, 500);
	ck_assert_uint_eq(estimate(7000, 7000).entries, 0);
	ck_assert_uint_eq(estimate(7500, 7000).entries, 0);
	ck_assert_uint_eq(estimate(500, 19500).entries, 19000);
	ck_assert_uint_eq(estimate_slices(slice_of_string("019000"), slice_of(NULL, 0)).entries, 1000);
	ck_assert_uint_eq(estimate_slices(slice_of(NULL, 0), slice_of_string("000100")).entries, 100);
	ck_assert_uint_eq(estimate_slices(slice_of_string("1"), slice_of(NULL, 0)).entries, 0);
}
END_TEST

START_TEST(other_ranges_in_memory_are_off_by_less_than_it_holds)
{
	fill(0, 20000);
	for (int i = 0; i < 100; i++) {
		unsigned first = (unsigned)(runner_random(&rnd) >> 33) % 20000, end = (unsigned)(runner_random(&rnd) >> 33) % 20000;

		ck_assert_uint_le(estimate(first, end).entries, 20000);
		if (end > first + 1024)
			ck_assert_uint_ge(estimate(first, end).entries, 1024);
	}
}
END_TEST

START_TEST(ranges_of_tables_are_off_by_a_block_or_so_at_each_end)
{
	fill(0, 40000);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	for (int i = 0; i < 300; i++) {
		unsigned first = (unsigned)(runner_random(&rnd) >> 33) % 40000, end = (unsigned)(runner_random(&rnd) >> 33) % 40000;
		uint64_t expected = end > first ? end - first : 0;
		struct store_estimate got = estimate(first, end);

		/* a block of 4 KiB has some 150 of them */
		ck_assert_msg(got.entries <= expected + 500 && got.entries + 500 >= expected, "%u to %u: %lu", first, end,
			(unsigned long)got.entries);
		if (expected > 10000)
			ck_assert_uint_gt(got.bytes, 10 * expected);
	}
}
END_TEST

START_TEST(overwritten_and_deleted_ones_count_until_they_are_compacted)
{
	fill(0, 1000);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	fill(0, 1000);
	ck_assert_uint_eq(all(), 2000);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert_uint_eq(all(), 1000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_estimate");
	TCase *tc = tcase_create("engine_estimate");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_empty_store_holds_nothing);
	tcase_add_test(tc, everything_is_counted_in_memory_and_in_tables);
	tcase_add_test(tc, large_values_count_in_memory_as_in_tables);
	tcase_add_test(tc, small_ranges_and_nearly_whole_ones_are_exact_in_memory);
	tcase_add_test(tc, other_ranges_in_memory_are_off_by_less_than_it_holds);
	tcase_add_test(tc, ranges_of_tables_are_off_by_a_block_or_so_at_each_end);
	tcase_add_test(tc, overwritten_and_deleted_ones_count_until_they_are_compacted);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
