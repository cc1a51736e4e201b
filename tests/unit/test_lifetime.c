/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/lifetime.h"
#include "support/runner.h"

enum { NOW = 1000000 };

static void check_ttl(const char *text, bool good, uint64_t ms)
{
	uint64_t got = 7;

	ck_assert_msg(lifetime_of_ttl(slice_of_string(text), NOW, &got) == good, "%s", text);
	ck_assert_uint_eq(got, good ? NOW + ms : 7);
}

START_TEST(a_ttl_is_a_number_with_a_unit)
{
	check_ttl("1ms", true, 1);
	check_ttl("60s", true, 60000);
	check_ttl("2m", true, 120000);
	check_ttl("3h", true, 3 * 3600000);
	check_ttl("007d", true, 7 * 86400000);
	check_ttl("253402300799999ms", false, 0);
	check_ttl("253402299799999ms", true, UINT64_C(253402299799999));
	check_ttl("9999999999999999999d", false, 0);
	check_ttl("213503982335d", false, 0); /* in milliseconds, just over 64 bits */
}
END_TEST

START_TEST(what_is_no_ttl_is_refused)
{
	static const char *const bad[] = { "", "s", "60", "0s", "0ms", "-1s", "+1s", "1 s", " 1s", "1s ", "1S", "1.5s", "1sec",
		"1e3s", "1h30m", "none", "18446744073709551616ms", "99999999999999999999s" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		check_ttl(bad[i], false, 0);
}
END_TEST

START_TEST(an_expiry_is_a_time_up_to_the_year_9999)
{
	uint64_t got = 7;

	ck_assert(lifetime_of_expires(slice_of_string("1"), &got));
	ck_assert_uint_eq(got, 1);
	ck_assert(lifetime_of_expires(slice_of_string("253402300799999"), &got));
	ck_assert_uint_eq(got, LIFETIME_LAST_MS);
	ck_assert(!lifetime_of_expires(slice_of_string("253402300800000"), &got));
	ck_assert(!lifetime_of_expires(slice_of_string("0"), &got));
	ck_assert(!lifetime_of_expires(slice_of_string(""), &got));
	ck_assert(!lifetime_of_expires(slice_of_string("-1"), &got));
	ck_assert(!lifetime_of_expires(slice_of_string("1s"), &got));
	ck_assert(lifetime_is_expires(1) && lifetime_is_expires(LIFETIME_LAST_MS));
	ck_assert(!lifetime_is_expires(0) && !lifetime_is_expires(LIFETIME_LAST_MS + 1) && !lifetime_is_expires(UINT64_MAX));
}
END_TEST

START_TEST(a_ttl_counts_from_when_the_end_is_asked_for)
{
	struct lifetime lifetime = { 0 };

	ck_assert_uint_eq(lifetime_end(&lifetime, 5000), 0);
	lifetime.expires_unix_ms = 4000;
	ck_assert_uint_eq(lifetime_end(&lifetime, 5000), 4000);
	lifetime = (struct lifetime){ .ttl_ms = 1000 };
	ck_assert_uint_eq(lifetime_end(&lifetime, 5000), 6000);
	ck_assert_uint_eq(lifetime_end(&lifetime, LIFETIME_LAST_MS - 1000), LIFETIME_LAST_MS);
	ck_assert_uint_eq(lifetime_end(&lifetime, LIFETIME_LAST_MS - 999), LIFETIME_LAST_MS);
	ck_assert_uint_eq(lifetime_end(&lifetime, UINT64_MAX), LIFETIME_LAST_MS);
}
END_TEST

START_TEST(dates_are_those_of_the_rfc)
{
	char buf[LIFETIME_DATE_SIZE];

	ck_assert_str_eq(lifetime_date(UINT64_C(784111777999), buf), "Sun, 06 Nov 1994 08:49:37 GMT");
	ck_assert_str_eq(lifetime_date(0, buf), "Thu, 01 Jan 1970 00:00:00 GMT");
	ck_assert_str_eq(lifetime_date(LIFETIME_LAST_MS, buf), "Fri, 31 Dec 9999 23:59:59 GMT");
	ck_assert_str_eq(lifetime_date(UINT64_MAX, buf), "Fri, 31 Dec 9999 23:59:59 GMT");
}
END_TEST

START_TEST(seconds_left_are_rounded_up)
{
	ck_assert_uint_eq(lifetime_seconds_left(NOW, NOW), 0);
	ck_assert_uint_eq(lifetime_seconds_left(NOW - 1, NOW), 0);
	ck_assert_uint_eq(lifetime_seconds_left(NOW + 1, NOW), 1);
	ck_assert_uint_eq(lifetime_seconds_left(NOW + 1000, NOW), 1);
	ck_assert_uint_eq(lifetime_seconds_left(NOW + 1001, NOW), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lifetime");
	TCase *tcase = tcase_create("lifetime");

	tcase_add_test(tcase, a_ttl_is_a_number_with_a_unit);
	tcase_add_test(tcase, what_is_no_ttl_is_refused);
	tcase_add_test(tcase, an_expiry_is_a_time_up_to_the_year_9999);
	tcase_add_test(tcase, a_ttl_counts_from_when_the_end_is_asked_for);
	tcase_add_test(tcase, dates_are_those_of_the_rfc);
	tcase_add_test(tcase, seconds_left_are_rounded_up);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
