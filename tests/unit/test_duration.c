/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/duration.h"
#include "support/runner.h"


START_TEST(a_number_with_a_unit_is_a_duration)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = { { "1ms", 1 }, { "1500ms", 1500 }, { "60s", 60000 }, { "2m", 120000 }, { "1h", 3600000 },
		{ "7d", 604800000 }, { "007s", 7000 }, { "3660000d", UINT64_C(316224000000000) } };

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		uint64_t ms = 0;

		ck_assert_msg(duration_parse(slice_of_string(good[i].text), &ms), "%s", good[i].text);
		ck_assert_uint_eq(ms, good[i].ms);
	}
}
END_TEST

START_TEST(anything_else_is_none)
{
	static const char *const bad[] = { "", "s", "60", "0s", "0", "-1s", "+1s", " 1s", "1s ", "1 s", "1S", "1sec", "1.5s",
		"1w", "3660001d", "18446744073709551617s", "99999999999999999999999ms", "1ms1s", "1e3s" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t ms = 77;

		ck_assert_msg(!duration_parse(slice_of_string(bad[i]), &ms), "%s", bad[i]);
		ck_assert_uint_eq(ms, 77);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("duration");
	TCase *tc = tcase_create("duration");

	tcase_add_test(tc, a_number_with_a_unit_is_a_duration);
	tcase_add_test(tc, anything_else_is_none);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
