/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/head.h"

#include "support/runner.h"

static struct head head;
static struct problem problem;

static void add(const char *name, const char *value)
{
	head_add(&head, slice_of_string(name), slice_of_string(value));
}

static void begin(void)
{
	head_clear(&head);
	problem.status = 0;
}

/* A request with a Host and one or two further lines; the status that it is refused with, 0 for none. */
static unsigned judged(const char *name1, const char *value1, const char *name2, const char *value2)
{
	begin();
	add("Host", "localhost");
	if (name1)
		add(name1, value1);
	if (name2)
		add(name2, value2);
	return head_check(&head, false, &problem) ? 0 : problem.status;
}

START_TEST(a_plain_header_passes)
{
	ck_assert_uint_eq(judged("Accept", "*/*", "X-Anything", "at all"), 0);
	ck_assert_uint_eq(judged("content-LENGTH", " 5\t", NULL, NULL), 0);
	ck_assert(head.has_length);
	ck_assert_uint_eq(head.body_bytes, 5);
	ck_assert_uint_eq(judged("Transfer-Encoding", "Chunked", NULL, NULL), 0);
	ck_assert(head.chunked);
}
END_TEST

START_TEST(host_is_needed_once_and_not_empty)
{
	ck_assert_uint_eq(judged("Host", "localhost", NULL, NULL), 400);
	ck_assert(problem.close);
	begin();
	ck_assert(!head_check(&head, false, &problem));
	ck_assert_uint_eq(problem.status, 400);
	begin();
	add("Host", " ");
	ck_assert(!head_check(&head, false, &problem));
	begin();
	ck_assert(head_check(&head, true, &problem)); /* HTTP/1.0 knew no Host */
}
END_TEST

START_TEST(what_decides_the_length_is_unambiguous)
{
	ck_assert_uint_eq(judged("Content-Length", "5", "Content-Length", "5"), 400);
	ck_assert_uint_eq(judged("Content-Length", "5", "Content-Length", "6"), 400);
	ck_assert_uint_eq(judged("Content-Length", "5", "Transfer-Encoding", "chunked"), 400);
	ck_assert_uint_eq(judged("Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"), 400);
	ck_assert_uint_eq(judged("Transfer-Encoding", "gzip", NULL, NULL), 501);
	ck_assert_uint_eq(judged("Transfer-Encoding", "chunked, chunked", NULL, NULL), 501);
	ck_assert_uint_eq(judged("Content-Length", "5, 5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("Content-Length", "+5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("Content-Length", "-5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("Content-Length", "0x5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("Content-Length", "", NULL, NULL), 400);
}
END_TEST

START_TEST(huge_lengths_do_not_wrap)
{
	static const char *const huge[] = { "18446744073709551615", "18446744073709551616", "18446744073709551621",
		"99999999999999999999999999" };

	for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
		ck_assert_uint_eq(judged("Content-Length", huge[i], NULL, NULL), 0);
		ck_assert_uint_eq(head.body_bytes, UINT64_MAX);
	}
	ck_assert_uint_eq(judged("Content-Length", "18446744073709551614", NULL, NULL), 0);
	ck_assert_uint_eq(head.body_bytes, UINT64_MAX - 1);
}
END_TEST

START_TEST(transfer_encoding_is_no_part_of_http_1_0)
{
	begin();
	add("Host", "localhost");
	add("Transfer-Encoding", "chunked");
	ck_assert(!head_check(&head, true, &problem));
	ck_assert_uint_eq(problem.status, 400);
}
END_TEST

START_TEST(two_authorizations_or_origins_are_refused)
{
	ck_assert_uint_eq(judged("Authorization", "Bearer a", "authorization", "Bearer a"), 400);
	ck_assert_uint_eq(judged("Origin", "http://a", "Origin", "http://b"), 400);
	ck_assert_uint_eq(judged("Accept", "a/b", "Accept", "c/d"), 0);
}
END_TEST

START_TEST(bytes_that_do_not_belong_are_refused)
{
	ck_assert_uint_eq(judged("Content-Length ", "5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("X Y", "5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("", "5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("X-\x01", "5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("X-\xc3\xa9", "5", NULL, NULL), 400);
	ck_assert_uint_eq(judged("X", "a\rb", NULL, NULL), 400);
	ck_assert_uint_eq(judged("X", "a\x7f", NULL, NULL), 400);
	ck_assert_uint_eq(judged("X", "a\tb \xc3\xa9", NULL, NULL), 0);
}
END_TEST

START_TEST(only_100_continue_may_be_expected)
{
	ck_assert_uint_eq(judged("Expect", "100-Continue", NULL, NULL), 0);
	ck_assert_uint_eq(judged("Expect", "200-ok", NULL, NULL), 417);
}
END_TEST

START_TEST(browser_marks_are_seen)
{
	judged("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors");
	ck_assert(head_has(&head, HEAD_SEC_FETCH_SITE));
	ck_assert(head_has(&head, HEAD_SEC_FETCH_OTHER));
	judged("SEC-FETCH-DEST", "x", "Cookie", "a=b");
	ck_assert(head_has(&head, HEAD_SEC_FETCH_OTHER));
	ck_assert(head_has(&head, HEAD_COOKIE));
	ck_assert(!head_has(&head, HEAD_REFERER));
}
END_TEST

START_TEST(json_is_for_those_who_accept_it)
{
	judged("Accept", "text/html, Application/JSON;q=0.9", NULL, NULL);
	ck_assert(head_accepts_json(&head));
	judged("Accept", "*/*", NULL, NULL);
	ck_assert(!head_accepts_json(&head));
	judged("Accept", "application/jsonx,xapplication/json", NULL, NULL);
	ck_assert(!head_accepts_json(&head));
	judged(NULL, NULL, NULL, NULL);
	ck_assert(!head_accepts_json(&head));
}
END_TEST

START_TEST(what_has_no_weight_is_not_accepted)
{
	static const char *const refused[] = { "application/json;q=0", "text/html, application/json ; Q=0.0",
		"application/json;charset=utf-8;q=0.000, */*" };
	static const char *const accepted[] = { "application/json;q=0.001", "application/json;q=1", "application/json;qq=0",
		"application/json;q=", "text/html;q=0, application/json", "application/json, text/html;q=0" };

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		judged("Accept", refused[i], NULL, NULL);
		ck_assert_msg(!head_accepts_json(&head), "%s", refused[i]);
	}
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
		judged("Accept", accepted[i], NULL, NULL);
		ck_assert_msg(head_accepts_json(&head), "%s", accepted[i]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("head");
	TCase *tc = tcase_create("head");

	tcase_add_test(tc, a_plain_header_passes);
	tcase_add_test(tc, host_is_needed_once_and_not_empty);
	tcase_add_test(tc, what_decides_the_length_is_unambiguous);
	tcase_add_test(tc, huge_lengths_do_not_wrap);
	tcase_add_test(tc, transfer_encoding_is_no_part_of_http_1_0);
	tcase_add_test(tc, two_authorizations_or_origins_are_refused);
	tcase_add_test(tc, bytes_that_do_not_belong_are_refused);
	tcase_add_test(tc, only_100_continue_may_be_expected);
	tcase_add_test(tc, browser_marks_are_seen);
	tcase_add_test(tc, json_is_for_those_who_accept_it);
	tcase_add_test(tc, what_has_no_weight_is_not_accepted);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
