/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/decimal.h"
#include "support/runner.h"

#include <inttypes.h>
#include <stdio.h>

static void check_int64(const char *text, bool good, int64_t number)
{
	int64_t got = 77;

	ck_assert_msg(decimal_int64(slice_of_string(text), &got) == good, "%s", text);
	ck_assert_int_eq(got, good ? number : 77);
}

START_TEST(numbers_of_the_whole_range_are_read_and_nothing_beyond)
{
	check_int64("0", true, 0);
	check_int64("-0", true, 0);
	check_int64("007", true, 7);
	check_int64("-1", true, -1);
	check_int64("9223372036854775807", true, INT64_MAX);
	check_int64("-9223372036854775808", true, INT64_MIN);
	check_int64("9223372036854775808", false, 0);
	check_int64("-9223372036854775809", false, 0);
	check_int64("9999999999999999999", false, 0);
	check_int64("00000000000000000000", false, 0);
}
END_TEST

START_TEST(what_is_not_digits_alone_is_no_number)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1\n", "1.0", "1e3", "0x1", "--1", "1-", "/", ":",
		"\xd9\xa1" };
	uint64_t got;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		check_int64(bad[i], false, 0);
		ck_assert(!decimal_uint64(slice_of_string(bad[i]), &got));
	}
	ck_assert(!decimal_uint64(slice_of_string("-1"), &got));
	ck_assert(!decimal_uint64(slice_of("1\0", 2), &got));
	ck_assert(!decimal_int64(slice_of(NULL, 0), &(int64_t){ 0 }));
	ck_assert(decimal_uint64(slice_of_string("9999999999999999999"), &got));
	ck_assert_uint_eq(got, UINT64_C(9999999999999999999));
}
END_TEST

START_TEST(what_is_printed_is_read_again)
{
	uint64_t rnd = runner_seed();

	for (unsigned i = 0; i < 10000; i++) {
		int64_t number = (int64_t)runner_random(&rnd) >> runner_random(&rnd) % 64;
		char text[DECIMAL_INT64_MAX_BYTES + 1];

		snprintf(text, sizeof text, "%" PRId64, number);
		check_int64(text, true, number);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decimal");
	TCase *tcase = tcase_create("decimal");

	tcase_add_test(tcase, numbers_of_the_whole_range_are_read_and_nothing_beyond);
	tcase_add_test(tcase, what_is_not_digits_alone_is_no_number);
	tcase_add_test(tcase, what_is_printed_is_read_again);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
