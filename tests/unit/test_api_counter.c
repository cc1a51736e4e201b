/* SPDX-License-Identifier: BSD-2-Clause */
/* Increments, touches, and what writes may say: ttl, expires, durability. Over sockets and a real store. */
#include "base/clock.h"
#include "support/fake_server.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static const struct rawhttp_reply *reply;

static unsigned call(const char *method, const char *target, const char *headers, const char *body)
{
	reply = fake_server_call(method, target, headers, body);
	return reply->status;
}

static const char *header(const char *name)
{
	const char *value = rawhttp_header(reply, name);

	return value ? value : "(none)";
}

static const char *text(void)
{
	return fake_server_text(reply);
}

static void expect_value(const char *key, const char *value)
{
	char target[100];

	snprintf(target, sizeof target, "/v1/kv/%s", key);
	ck_assert_uint_eq(call("GET", target, NULL, NULL), value ? 200 : 404);
	if (value)
		ck_assert_str_eq(text(), value);
}

START_TEST(an_increment_answers_the_sum_as_text_or_json_and_its_etag)
{
	char etag[64];

	ck_assert_uint_eq(call("POST", "/v1/incr/n", NULL, NULL), 200);
	ck_assert_str_eq(text(), "1\n");
	ck_assert_str_eq(header("Content-Type"), "text/plain; charset=utf-8");
	ck_assert_uint_eq(call("POST", "/v1/incr/n?by=41", "Accept: application/json\r\n", NULL), 200);
	ck_assert_str_eq(text(), "{\"value\":42}\n");
	ck_assert_str_eq(header("Content-Type"), "application/json");
	snprintf(etag, sizeof etag, "%s", header("ETag"));
	expect_value("n", "42");
	ck_assert_str_eq(header("ETag"), etag);
	ck_assert_uint_eq(call("POST", "/v1/incr/n?by=-50&durability=commit", NULL, NULL), 200);
	ck_assert_str_eq(text(), "-8\n");
}
END_TEST

START_TEST(an_increment_refuses_what_it_cannot_add)
{
	static const char *const bad[] = { "by=", "by=x", "by=%2B1", "by=1.5", "by=9223372036854775808", "by=1&by=2", "ttl=5s",
		"durability=", "durability=disk" };
	char target[100];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(target, sizeof target, "/v1/incr/n?%s", bad[i]);
		ck_assert_msg(call("POST", target, NULL, NULL) == 400, "%s", bad[i]);
	}
	ck_assert_uint_eq(call("POST", "/v1/incr/", NULL, NULL), 400);
	ck_assert_uint_eq(call("GET", "/v1/incr/n", NULL, NULL), 405);
	ck_assert_str_eq(header("Allow"), "POST");
	expect_value("n", NULL);
	ck_assert_uint_eq(call("PUT", "/v1/kv/n", NULL, "many"), 201);
	ck_assert_uint_eq(call("POST", "/v1/incr/n", "Accept: application/json\r\n", NULL), 409);
	ck_assert_ptr_nonnull(strstr(text(), "\"conflict\""));
	expect_value("n", "many");
	ck_assert_uint_eq(call("PUT", "/v1/kv/n", NULL, "9223372036854775807"), 204);
	ck_assert_uint_eq(call("POST", "/v1/incr/n", "Accept: application/json\r\n", NULL), 422);
	ck_assert_ptr_nonnull(strstr(text(), "\"out_of_range\""));
	expect_value("n", "9223372036854775807");
}
END_TEST

/* Expires and X-Kv-TTL of the last reply say about so many seconds. */
static void expect_seconds(uint64_t seconds)
{
	uint64_t left = strtoull(header("X-Kv-TTL"), NULL, 10);

	ck_assert_msg(left <= seconds && left + 10 >= seconds, "X-Kv-TTL: %s", header("X-Kv-TTL"));
	ck_assert_ptr_nonnull(strstr(header("Expires"), " GMT"));
}

static void expect_for_ever(void)
{
	ck_assert_str_eq(header("X-Kv-TTL"), "(none)");
	ck_assert_str_eq(header("Expires"), "(none)");
}

START_TEST(answers_tell_how_long_a_value_lives)
{
	ck_assert_uint_eq(call("PUT", "/v1/kv/k?ttl=60s", NULL, "v"), 201);
	expect_seconds(60);
	ck_assert_uint_eq(call("GET", "/v1/kv/k", NULL, NULL), 200);
	expect_seconds(60);
	ck_assert_uint_eq(call("HEAD", "/v1/kv/k", NULL, NULL), 200);
	expect_seconds(60);
	ck_assert_uint_eq(call("GET", "/v1/kv/k", "Accept: application/json\r\n", NULL), 200);
	expect_seconds(60);
	ck_assert_uint_eq(call("GET", "/v1/kv/k", "Range: bytes=0-0\r\n", NULL), 206);
	expect_seconds(60);
	ck_assert_uint_eq(call("GET", "/v1/kv/k", "If-None-Match: *\r\n", NULL), 304);
	expect_seconds(60);
	ck_assert_uint_eq(call("GET", "/get?key=k", NULL, NULL), 200);
	expect_seconds(60);
	ck_assert_uint_eq(call("HEAD", "/get?key=k", NULL, NULL), 200);
	expect_seconds(60);
	ck_assert_uint_eq(call("PUT", "/v1/kv/k", "If-None-Match: *\r\n", "v"), 412);
	expect_for_ever(); /* a refusal is not about the value */
	ck_assert_uint_eq(call("PUT", "/v1/kv/k", NULL, "v"), 204);
	expect_for_ever();
	ck_assert_uint_eq(call("GET", "/v1/kv/k", NULL, NULL), 200);
	expect_for_ever();
	ck_assert_uint_eq(call("POST", "/set?key=k&value=7&ttl=2h&durability=os", NULL, NULL), 200);
	ck_assert_str_eq(text(), "OK\n");
	expect_seconds(7200);
	ck_assert_uint_eq(call("POST", "/v1/incr/k", NULL, NULL), 200);
	ck_assert_str_eq(text(), "8\n");
	expect_seconds(7200);
	ck_assert_uint_eq(call("DELETE", "/del?key=k&durability=os", NULL, NULL), 200);
	ck_assert_uint_eq(call("PUT", "/v1/kv/k?expires=253402300799999&durability=commit", NULL, "v"), 201);
	ck_assert_str_eq(header("Expires"), "Fri, 31 Dec 9999 23:59:59 GMT");
	ck_assert_uint_eq(call("DELETE", "/v1/kv/k?durability=commit", NULL, NULL), 204);
}
END_TEST

START_TEST(a_value_whose_time_is_over_is_gone_at_once_everywhere)
{
	char target[100];
	uint64_t soon = clock_wall_ms() + 50;

	ck_assert_uint_eq(call("PUT", "/v1/kv/past?expires=1", NULL, "v"), 201);
	ck_assert_str_eq(header("X-Kv-TTL"), "0");
	expect_value("past", NULL);
	snprintf(target, sizeof target, "/v1/kv/soon?expires=%" PRIu64, soon);
	ck_assert_uint_eq(call("PUT", target, NULL, "41"), 201);
	while (clock_wall_ms() < soon)
		; /* at most 50 ms */
	expect_value("soon", NULL);
	ck_assert_uint_eq(call("GET", "/v1/kv", NULL, NULL), 200);
	ck_assert_ptr_null(strstr(text(), "soon"));
	ck_assert_uint_eq(call("DELETE", "/v1/kv/soon", NULL, NULL), 404);
	ck_assert_uint_eq(call("PUT", "/v1/kv/soon", "If-Match: *\r\n", "v"), 412);
	ck_assert_uint_eq(call("POST", "/v1/touch/soon?ttl=1h", NULL, NULL), 404);
	ck_assert_uint_eq(call("POST", "/v1/incr/soon", NULL, NULL), 200);
	ck_assert_str_eq(text(), "1\n");
	expect_for_ever();
	ck_assert_uint_eq(call("PUT", "/v1/kv/past", "If-None-Match: *\r\n", "v"), 201);
}
END_TEST

START_TEST(what_is_no_lifetime_is_refused_and_stores_nothing)
{
	static const char *const bad[] = { "ttl=", "ttl=0s", "ttl=60", "ttl=-1s", "ttl=1w", "ttl=none", "ttl=9999999999999999999d",
		"expires=", "expires=0", "expires=-1", "expires=253402300800000", "expires=1h", "ttl=1s&expires=5", "ttl=1s&ttl=1s",
		"durability=none", "durability=commit&durability=os" };
	uint64_t before = fake_store_changes(fake.store);
	char target[200];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(target, sizeof target, "/v1/kv/k?%s", bad[i]);
		ck_assert_msg(call("PUT", target, NULL, "v") == 400, "%s", bad[i]);
		snprintf(target, sizeof target, "/set?key=k&value=v&%s", bad[i]);
		ck_assert_msg(call("POST", target, NULL, NULL) == 400, "%s", bad[i]);
	}
	ck_assert_uint_eq(call("DELETE", "/v1/kv/k?ttl=1s", NULL, NULL), 400);
	ck_assert_uint_eq(call("DELETE", "/del?key=k&expires=1", NULL, NULL), 400);
	ck_assert_uint_eq(fake_store_changes(fake.store), before);
}
END_TEST

START_TEST(a_touch_gives_takes_and_changes_the_expiry)
{
	ck_assert_uint_eq(call("POST", "/v1/touch/k?ttl=1h", NULL, NULL), 404);
	ck_assert_uint_eq(call("PUT", "/v1/kv/k", NULL, "value"), 201);
	ck_assert_uint_eq(call("POST", "/v1/touch/k?ttl=1h", NULL, NULL), 204);
	expect_seconds(3600);
	expect_value("k", "value");
	expect_seconds(3600);
	ck_assert_uint_eq(call("POST", "/v1/touch/k?ttl=none&durability=os", NULL, NULL), 204);
	expect_for_ever();
	expect_value("k", "value");
	expect_for_ever();
	ck_assert_uint_eq(call("POST", "/v1/touch/k", NULL, NULL), 400);
	ck_assert_uint_eq(call("POST", "/v1/touch/k?ttl=0s", NULL, NULL), 400);
	ck_assert_uint_eq(call("POST", "/v1/touch/k?ttl=none&expires=5", NULL, NULL), 400);
	expect_value("k", "value");
	ck_assert_uint_eq(call("POST", "/v1/touch/k?expires=1", NULL, NULL), 204);
	expect_value("k", NULL);
	ck_assert_uint_eq(call("POST", "/v1/touch/k?ttl=none", NULL, NULL), 404);
}
END_TEST

/* While an allocation fails; 0: the connection was closed without an answer. */
static unsigned call_with_failure(const char *request, uint64_t nth, uint64_t *ret_failed)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	static char answer[4096];
	ssize_t len;

	fault_alloc_fail(nth, false);
	(void)rawhttp_send_text(&http, request);
	len = recv(http.fd, answer, sizeof answer, 0);
	*ret_failed = fault_alloc_failed();
	fault_alloc_fail(0, false);
	rawhttp_close(&http);
	return len > 12 ? (unsigned)atoi(answer + 9) : 0;
}

static long value_of_counter(void)
{
	return call("GET", "/v1/kv/n", NULL, NULL) == 200 ? atol(text()) : 0;
}

/* 503 says that nothing was written: whoever tries again then must not count twice. Without an answer nobody knows. Other threads' allocations
 * count, too, so one walk may step over one of ours. */
START_TEST(an_increment_that_was_done_is_never_told_as_not_done)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1, walks = 0; walks < 5; nth = failed > 0 ? nth + 1 : 1, walks += failed == 0) {
		long before = value_of_counter();
		unsigned status = call_with_failure("POST /v1/incr/n HTTP/1.1\r\nHost: localhost\r\n\r\n", nth, &failed);
		long added = value_of_counter() - before;

		ck_assert_msg(status == 0 || status == 200 || status == 503, "%u when allocation %u failed", status, (unsigned)nth);
		ck_assert_msg(status == 0 ? added == 0 || added == 1 : added == (status == 200), "%u and %ld more when allocation %u failed",
			status, added, (unsigned)nth);
		ck_assert_uint_lt(nth, 1000);
	}
}
END_TEST

START_TEST(a_range_delete_that_was_done_is_never_told_as_not_done)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		unsigned status;

		ck_assert_uint_eq(call("PUT", "/v1/kv/range", NULL, "value") / 100, 2);
		status = call_with_failure("DELETE /v1/kv?prefix=r HTTP/1.1\r\nHost: localhost\r\n\r\n", nth, &failed);
		ck_assert_msg(status == 0 || status == 200 || status == 503, "%u when allocation %u failed", status, (unsigned)nth);
		if (status != 0)
			ck_assert_uint_eq(call("GET", "/v1/kv/range", NULL, NULL), status == 200 ? 404 : 200);
		ck_assert_uint_lt(nth, 1000);
	}
}
END_TEST

START_TEST(an_empty_range_without_memory_for_the_answer_is_no_mistake_of_the_client)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1, walks = 0; walks < 5; nth = failed > 0 ? nth + 1 : 1, walks += failed == 0) {
		unsigned status = call_with_failure("DELETE /v1/kv?start=b&end=a HTTP/1.1\r\nHost: localhost\r\n\r\n", nth, &failed);

		ck_assert_msg(status == 0 || status == 200 || status == 503, "%u when allocation %u failed", status, (unsigned)nth);
		ck_assert_uint_lt(nth, 1000);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_counter");
	TCase *tcase = tcase_create("api_counter");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, fake_server_setup, fake_server_teardown);
	tcase_add_test(tcase, an_increment_answers_the_sum_as_text_or_json_and_its_etag);
	tcase_add_test(tcase, an_increment_refuses_what_it_cannot_add);
	tcase_add_test(tcase, answers_tell_how_long_a_value_lives);
	tcase_add_test(tcase, a_value_whose_time_is_over_is_gone_at_once_everywhere);
	tcase_add_test(tcase, what_is_no_lifetime_is_refused_and_stores_nothing);
	tcase_add_test(tcase, a_touch_gives_takes_and_changes_the_expiry);
	tcase_add_test(tcase, an_increment_that_was_done_is_never_told_as_not_done);
	tcase_add_test(tcase, a_range_delete_that_was_done_is_never_told_as_not_done);
	tcase_add_test(tcase, an_empty_range_without_memory_for_the_answer_is_no_mistake_of_the_client);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
