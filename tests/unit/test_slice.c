/* SPDX-License-Identifier: BSD-2-Clause */
/* Order and comparison of borrowed bytes: the order of keys everywhere above. */
#include "base/slice.h"
#include "support/runner.h"

static const struct slice empty;

START_TEST(bytes_compare_unsigned)
{
	ck_assert_int_lt(slice_compare(slice_of("\x7f", 1), slice_of("\x80", 1)), 0);
	ck_assert_int_lt(slice_compare(slice_of("\x00", 1), slice_of("\xff", 1)), 0);
	ck_assert_int_gt(slice_compare(slice_of("\xff\x00", 2), slice_of("\xfe\xff", 2)), 0);
}
END_TEST

START_TEST(a_prefix_comes_first)
{
	ck_assert_int_lt(slice_compare(slice_of("ab", 2), slice_of("ab\0", 3)), 0);
	ck_assert_int_gt(slice_compare(slice_of("ab\0", 3), slice_of("ab", 2)), 0);
	ck_assert_int_eq(slice_compare(slice_of("ab\0c", 4), slice_of("ab\0c", 4)), 0);
}
END_TEST

START_TEST(empty_slices_with_null_are_fine)
{
	ck_assert_int_eq(slice_compare(empty, empty), 0);
	ck_assert_int_eq(slice_compare(empty, slice_of("", 0)), 0);
	ck_assert_int_lt(slice_compare(empty, slice_of("a", 1)), 0);
	ck_assert(slice_equal(empty, slice_of("", 0)));
	ck_assert(!slice_equal(empty, slice_of("a", 1)));
	ck_assert(slice_starts_with(empty, empty));
	ck_assert(slice_starts_with(slice_of("a", 1), empty));
	ck_assert(!slice_starts_with(empty, slice_of("a", 1)));
	ck_assert_uint_eq(slice_common_prefix(empty, slice_of("a", 1)), 0);
}
END_TEST

START_TEST(equal_means_length_and_bytes)
{
	ck_assert(slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 3)));
	ck_assert(!slice_equal(slice_of("a\0b", 3), slice_of("a\0c", 3)));
	ck_assert(!slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 2)));
	ck_assert(slice_equal(slice_of_string("abc"), slice_of("abc", 3)));
}
END_TEST

START_TEST(prefixes_are_found_by_bytes)
{
	ck_assert(slice_starts_with(slice_of("a\0b", 3), slice_of("a\0", 2)));
	ck_assert(slice_starts_with(slice_of("ab", 2), slice_of("ab", 2)));
	ck_assert(!slice_starts_with(slice_of("ab", 2), slice_of("abc", 3)));
	ck_assert(!slice_starts_with(slice_of("abc", 3), slice_of("ac", 2)));
	ck_assert_uint_eq(slice_common_prefix(slice_of("abc", 3), slice_of("abd", 3)), 2);
	ck_assert_uint_eq(slice_common_prefix(slice_of("abc", 3), slice_of("ab", 2)), 2);
	ck_assert_uint_eq(slice_common_prefix(slice_of("xbc", 3), slice_of("abc", 3)), 0);
	for (size_t len = 0; len < 40; len++)
		for (size_t at = 0; at < len; at++) {
			uint8_t a[40] = { 0 }, b[40] = { 0 };

			b[at] = 0x80;
			ck_assert_uint_eq(slice_common_prefix(slice_of(a, len), slice_of(b, len)), at);
			ck_assert_uint_eq(slice_common_prefix(slice_of(a, at), slice_of(b, len)), at);
		}
}
END_TEST

/* The order is total: antisymmetric, and in step with the prefix length, on random short slices over few bytes. */
START_TEST(order_agrees_with_the_first_difference)
{
	static const uint8_t alphabet[4] = { 0x00, 0x7f, 0x80, 0xff };
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 20000; round++) {
		uint8_t bytes[2][6];
		struct slice s[2];
		size_t common;
		int order;

		for (int i = 0; i < 2; i++) {
			s[i] = slice_of(bytes[i], runner_random(&rnd) >> 61 > 5 ? 6 : runner_random(&rnd) >> 62);
			for (size_t k = 0; k < sizeof bytes[i]; k++)
				bytes[i][k] = alphabet[runner_random(&rnd) >> 62];
		}
		order = slice_compare(s[0], s[1]);
		common = slice_common_prefix(s[0], s[1]);
		ck_assert_int_eq(order < 0, slice_compare(s[1], s[0]) > 0);
		ck_assert_int_eq(order == 0, slice_equal(s[0], s[1]));
		if (common == s[0].len || common == s[1].len)
			ck_assert_int_eq(order < 0, s[0].len < s[1].len);
		else
			ck_assert_int_eq(order < 0, bytes[0][common] < bytes[1][common]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slice");
	TCase *tc = tcase_create("slice");

	tcase_add_test(tc, bytes_compare_unsigned);
	tcase_add_test(tc, a_prefix_comes_first);
	tcase_add_test(tc, empty_slices_with_null_are_fine);
	tcase_add_test(tc, equal_means_length_and_bytes);
	tcase_add_test(tc, prefixes_are_found_by_bytes);
	tcase_add_test(tc, order_agrees_with_the_first_difference);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
