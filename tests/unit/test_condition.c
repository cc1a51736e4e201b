/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/condition.h"

#include "support/runner.h"

#include <stdio.h>

static bool matches(const char *list, bool weak)
{
	return condition_matches(slice_of_string(list), 0x1a2, weak);
}

START_TEST(etags_are_quoted_and_come_back)
{
	static const uint64_t versions[] = { 1, 0x1a2, UINT64_MAX };

	for (size_t i = 0; i < 3; i++) {
		char etag[CONDITION_ETAG_SIZE];
		uint64_t version;

		condition_etag(versions[i], etag);
		ck_assert(condition_parse_etag(slice_of_string(etag), &version));
		ck_assert_uint_eq(version, versions[i]);
	}
}
END_TEST

START_TEST(foreign_etags_are_none_of_ours)
{
	static const char *const bad[] = { "", "\"", "\"\"", "1a2", "\"1a2", "1a2\"", "W/\"1a2\"", "\"1A2\"", "\"01\"",
		"\"1a2\", \"1a3\"", "\"12345678901234567\"", "\"xyz\"" };
	uint64_t version;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!condition_parse_etag(slice_of_string(bad[i]), &version), "%s", bad[i]);
}
END_TEST

START_TEST(an_etag_is_one_whoever_gave_it)
{
	static const char *const good[] = { "\"1a2\"", "W/\"1a2\"", "\"\"", "\"x, y\"" };
	static const char *const bad[] = { "", "\"", "1a2", "\"1a2", "1a2\"", "w/\"1a2\"", "W/", "W/\"", "\"1\", \"2\"", "\"1\" ", "*" };

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(condition_is_etag(slice_of_string(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!condition_is_etag(slice_of_string(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(lists_are_searched)
{
	ck_assert(matches("\"1a2\"", false));
	ck_assert(matches("*", false));
	ck_assert(matches(" * ", false));
	ck_assert(matches("\"x\" , \"a,b\",\"1a2\"", false));
	ck_assert(matches("W/\"1a2\"", true));
	ck_assert(!matches("W/\"1a2\"", false));
	ck_assert(!matches("\"1a3\"", false));
	ck_assert(!matches("", false));
	ck_assert(!matches("1a2", false));
	ck_assert(!matches("\"1a2", false));
	ck_assert(!matches("*, \"1a2\"", false));
	ck_assert(!matches("\"", false));
}
END_TEST

static char shown[64];

static const char *range(const char *text, uint64_t size)
{
	uint64_t first = 0, len = 0;
	enum condition_range kind = condition_range(slice_of_string(text), size, &first, &len);

	snprintf(shown, sizeof shown, kind == CONDITION_RANGE_PART ? "%llu+%llu" :
		kind == CONDITION_RANGE_WHOLE ? "whole" : "none", (unsigned long long)first, (unsigned long long)len);
	return shown;
}

START_TEST(ranges_are_cut_to_the_value)
{
	ck_assert_str_eq(range("bytes=0-9", 100), "0+10");
	ck_assert_str_eq(range("BYTES=0-0", 100), "0+1");
	ck_assert_str_eq(range("bytes=90-", 100), "90+10");
	ck_assert_str_eq(range("bytes=90-99", 100), "90+10");
	ck_assert_str_eq(range("bytes=90-100", 100), "90+10"); /* one too many */
	ck_assert_str_eq(range("bytes=90-1000", 100), "90+10");
	ck_assert_str_eq(range("bytes=99-18446744073709551615", 100), "99+1");
	ck_assert_str_eq(range("bytes=0-99999999999999999999999", 100), "0+100");
	ck_assert_str_eq(range("bytes=-10", 100), "90+10");
	ck_assert_str_eq(range("bytes=-1000", 100), "0+100");
}
END_TEST

START_TEST(ranges_outside_are_unsatisfiable)
{
	ck_assert_str_eq(range("bytes=100-", 100), "none");
	ck_assert_str_eq(range("bytes=100-200", 100), "none");
	ck_assert_str_eq(range("bytes=18446744073709551615-", 100), "none");
	ck_assert_str_eq(range("bytes=-0", 100), "none");
	ck_assert_str_eq(range("bytes=0-", 0), "none");
	ck_assert_str_eq(range("bytes=-5", 0), "none");
}
END_TEST

START_TEST(what_is_no_single_range_means_the_whole)
{
	static const char *const other[] = { "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5", "bytes=5-3",
		"bytes=0-1,3-4", "bytes=0-1x", "bytes=-5x", "bytes= 0-1", "lines=0-1", "bytes=--5" };

	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		ck_assert_msg(strcmp(range(other[i], 100), "whole") == 0, "%s", other[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("condition");
	TCase *tc = tcase_create("condition");

	tcase_add_test(tc, etags_are_quoted_and_come_back);
	tcase_add_test(tc, foreign_etags_are_none_of_ours);
	tcase_add_test(tc, an_etag_is_one_whoever_gave_it);
	tcase_add_test(tc, lists_are_searched);
	tcase_add_test(tc, ranges_are_cut_to_the_value);
	tcase_add_test(tc, ranges_outside_are_unsatisfiable);
	tcase_add_test(tc, what_is_no_single_range_means_the_whole);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
