/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine_internal.h"

#include "support/runner.h"

enum { GROUP = 64 * 1024 };

START_TEST(a_short_level_0_delays_nobody)
{
	for (size_t tables = 0; tables <= 16; tables++)
		ck_assert_uint_eq(throttle_delay_us(tables, 4, GROUP), 0);
}
END_TEST

START_TEST(the_delay_rises_with_every_table_and_has_no_cliff)
{
	uint64_t before = 0;

	for (size_t tables = 17; tables < 36; tables++) {
		uint64_t delay = throttle_delay_us(tables, 4, GROUP);

		ck_assert_uint_gt(delay, before);
		ck_assert_uint_le(delay - before, GROUP / 8); /* steps are small */
		before = delay;
	}
	ck_assert_uint_lt(before, GROUP / 8 + 1); /* never slower than 8 MB/s */
	ck_assert_uint_eq(throttle_delay_us(36, 4, GROUP), UINT64_MAX);
	ck_assert_uint_eq(throttle_delay_us(1000, 4, GROUP), UINT64_MAX);
}
END_TEST

START_TEST(the_delay_is_in_proportion_to_what_is_written)
{
	ck_assert_uint_eq(throttle_delay_us(26, 4, 3 * GROUP),
		3 * throttle_delay_us(26, 4, GROUP));
	ck_assert_uint_eq(throttle_delay_us(28, 4, 0), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("throttle");
	TCase *tcase = tcase_create("throttle");

	tcase_add_test(tcase, a_short_level_0_delays_nobody);
	tcase_add_test(tcase, the_delay_rises_with_every_table_and_has_no_cliff);
	tcase_add_test(tcase, the_delay_is_in_proportion_to_what_is_written);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
