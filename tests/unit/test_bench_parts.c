/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of bench_engine whose mistakes would make wrong figures: histogram, keys and orders, values, zipfian. */
#include "bench/histogram.h"
#include "bench/keys.h"
#include "bench/values.h"
#include "bench/zipfian.h"
#include "support/runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct histogram histogram, other;

START_TEST(a_percentile_is_never_below_the_truth_and_at_most_a_64th_above)
{
	static const double shares[] = { 0, 0.1, 0.5, 0.9, 0.99, 0.999 };
	enum { COUNT = 100000 };
	uint64_t truth, got;

	for (uint64_t i = 0; i < COUNT; i++)
		histogram_add(&histogram, i * 37);
	for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
		truth = (uint64_t)(shares[i] * COUNT) * 37;
		got = histogram_percentile(&histogram, shares[i]);
		ck_assert_uint_ge(got, truth);
		ck_assert_uint_le(got, truth + truth / 64);
	}
	ck_assert_uint_eq(histogram_percentile(&histogram, 1), (COUNT - 1) * 37);
}
END_TEST

START_TEST(every_latency_has_a_bucket_and_larger_ones_no_lower_bucket)
{
	unsigned last = 0, bucket;

	for (unsigned bit = 0; bit < 64; bit++) {
		for (uint64_t step = 0; step < 8; step++) {
			uint64_t value = (UINT64_C(1) << bit) + (UINT64_C(1) << bit) / 8 * step;

			bucket = histogram_bucket(value);
			ck_assert_uint_lt(bucket, HISTOGRAM_BUCKETS);
			ck_assert_uint_ge(bucket, last);
			last = bucket;
		}
	}
	ck_assert_uint_lt(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS);
	ck_assert_uint_eq(histogram_percentile(&other, 0.5), 0);
}
END_TEST

START_TEST(merged_histograms_are_as_one_of_all)
{
	memset(&histogram, 0, sizeof histogram);
	for (uint64_t i = 0; i < 1000; i++)
		histogram_add(i % 2 ? &histogram : &other, i);
	histogram_merge(&histogram, &other);
	ck_assert_uint_eq(histogram.count, 1000);
	ck_assert_uint_eq(histogram.max_ns, 999);
	ck_assert_uint_ge(histogram_percentile(&histogram, 0.5), 500);
	ck_assert_uint_le(histogram_percentile(&histogram, 0.5), 508);
}
END_TEST

START_TEST(an_order_has_each_place_once_and_another_seed_is_another_order)
{
	static const uint64_t counts[] = { 1, 2, 3, 5, 100, 1023, 1024, 1025, 70000 };

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct permutation one = permutation_new(counts[i], 1), two = permutation_new(counts[i], 2);
		uint8_t *seen = calloc(counts[i], 1);
		uint64_t same = 0, fixed = 0;

		for (uint64_t at = 0; at < counts[i]; at++) {
			uint64_t to = permutation_at(&one, at);

			ck_assert_uint_lt(to, counts[i]);
			ck_assert(!seen[to]);
			seen[to] = 1;
			same += to == permutation_at(&two, at);
			fixed += to == at;
		}
		if (counts[i] >= 100) {
			ck_assert_uint_lt(same, 10);
			ck_assert_uint_lt(fixed, 10);
		}
		free(seen);
	}
}
END_TEST

START_TEST(keys_of_digits_are_in_the_order_of_their_index_with_the_missing_ones_between)
{
	uint8_t key[KEY_BYTES], missing[KEY_BYTES], next[KEY_BYTES];

	for (uint64_t i = 0; i < 20000; i += 7) {
		keys_make(KEYS_DIGITS, i, key);
		keys_make_missing(KEYS_DIGITS, i, missing);
		keys_make(KEYS_DIGITS, i + 1, next);
		ck_assert_int_lt(memcmp(key, missing, KEY_BYTES), 0);
		ck_assert_int_lt(memcmp(missing, next, KEY_BYTES), 0);
	}
	keys_make(KEYS_DIGITS, 61, key);
	ck_assert_mem_eq(key, "0000000000000122", KEY_BYTES);
	keys_make(KEYS_HEX, 61, key);
	keys_make(KEYS_HEX, 62, next);
	ck_assert_mem_ne(key, next, KEY_BYTES);
}
END_TEST

START_TEST(a_value_is_taken_for_no_other)
{
	static const uint64_t sizes[] = { 8, 13, 16, 100, 5000 };
	uint8_t value[5000];
	uint64_t size;

	values_init(1, sizeof value);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size = sizes[i];
		values_make(value, size, 77, 3);
		ck_assert(values_check(slice_of(value, size), size, 77, size < 12 ? VALUES_ANY_GENERATION : 3));
		ck_assert(values_check(slice_of(value, size), size, 77, VALUES_ANY_GENERATION));
		ck_assert(!values_check(slice_of(value, size), size, 78, VALUES_ANY_GENERATION));
		ck_assert(!values_check(slice_of(value, size - 1), size, 77, VALUES_ANY_GENERATION));
		ck_assert(size < 12 || !values_check(slice_of(value, size), size, 77, 4));
		ck_assert_uint_eq(values_index(slice_of(value, size)), 77);
		value[size - 1] ^= 1;
		ck_assert(!values_check(slice_of(value, size), size, 77, VALUES_ANY_GENERATION));
	}
}
END_TEST

/* Against the distribution itself: the share of a rank is 1 / (rank + 1)^theta / zeta. */
START_TEST(zipfian_draws_have_the_shares_of_the_distribution)
{
	enum { COUNT = 1000, DRAWS = 1000000 };
	struct zipfian zipfian = zipfian_new(COUNT, 0.99);
	struct draw draw = draw_new(runner_seed());
	static unsigned seen[COUNT];
	double zeta = 0, head = 0, expected = 0;

	for (unsigned i = 0; i < COUNT; i++)
		zeta += 1 / pow(i + 1, 0.99);
	for (unsigned i = 0; i < DRAWS; i++) {
		uint64_t rank = zipfian_next(&zipfian, &draw);

		ck_assert_uint_lt(rank, COUNT);
		seen[rank]++;
		ck_assert_uint_lt(zipfian_next_scrambled(&zipfian, &draw), COUNT);
	}
	ck_assert_double_eq_tol(seen[0] / (double)DRAWS, 1 / zeta, 0.005);
	ck_assert_double_eq_tol(seen[1] / (double)DRAWS, 1 / pow(2, 0.99) / zeta, 0.005);
	for (unsigned i = 0; i < 100; i++) {
		head += seen[i] / (double)DRAWS;
		expected += 1 / pow(i + 1, 0.99) / zeta;
	}
	ck_assert_double_eq_tol(head, expected, 0.03);
	ck_assert_uint_gt(seen[0], seen[10]);
	ck_assert_uint_gt(seen[10], seen[500]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bench_parts");
	TCase *tcase = tcase_create("bench_parts");

	tcase_add_test(tcase, a_percentile_is_never_below_the_truth_and_at_most_a_64th_above);
	tcase_add_test(tcase, every_latency_has_a_bucket_and_larger_ones_no_lower_bucket);
	tcase_add_test(tcase, merged_histograms_are_as_one_of_all);
	tcase_add_test(tcase, an_order_has_each_place_once_and_another_seed_is_another_order);
	tcase_add_test(tcase, keys_of_digits_are_in_the_order_of_their_index_with_the_missing_ones_between);
	tcase_add_test(tcase, a_value_is_taken_for_no_other);
	tcase_add_test(tcase, zipfian_draws_have_the_shares_of_the_distribution);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
