/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/changes over sockets: pages, pages that wait, events; over changes that the test makes. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/fake_changes.h"
#include "support/fake_server.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static const struct rawhttp_reply *reply;

static void setup(void)
{
	fake_changes_begin();
	fake_server_prepare();
	fake.options.connection_limit = 16;
	fake.options.heartbeat_ms = 60000;
	fake_server_start();
}

static void teardown(void)
{
	fake_server_teardown();
	fake_changes_end(); /* nothing may be left open */
}

static void add(const char *key, const char *value)
{
	fake_changes_add(STORE_CHANGE_PUT, key, value);
}

static unsigned get(const char *target, const char *headers)
{
	reply = fake_server_call("GET", target, headers, NULL);
	return reply->status;
}

static void expect_page(const char *target, const char *body)
{
	ck_assert_uint_eq(get(target, NULL), 200);
	ck_assert_str_eq(fake_server_text(reply), body);
}

/* The keys of the page in a row, each with a space, then `next`. */
static void expect_keys(const char *target, const char *headers, const char *keys)
{
	char found[4096] = "", next[40] = "";
	const char *at;

	ck_assert_uint_eq(get(target, headers), 200);
	at = fake_server_text(reply);
	while ((at = strstr(at, "\"key\":\"")) != NULL) {
		at += 7;
		strncat(found, at, strcspn(at, "\""));
		strcat(found, " ");
	}
	at = strstr(fake_server_text(reply), "\"next\":\"");
	ck_assert_ptr_nonnull(at);
	strncat(next, at + 8, strcspn(at + 8, "\""));
	strcat(found, next);
	ck_assert_str_eq(found, keys);
}

/* ---- pages ---- */

START_TEST(a_page_tells_each_kind_of_change)
{
	add("a", "1");
	fake_changes_add(STORE_CHANGE_DELETE, "a", "");
	fake_changes_add(STORE_CHANGE_DELETE_RANGE, "b", "d");
	fake_changes_add(STORE_CHANGE_DELETE_RANGE, "x", "");
	add("\xff", "");
	expect_page("/v1/changes?since=0",
		"{\"changes\":["
		"{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\",\"etag\":\"\\\"1\\\"\","
		"\"committed\":1790000000000,\"position\":\"1\"},"
		"{\"op\":\"delete\",\"key\":\"a\",\"committed\":1790000000001,\"position\":\"2\"},"
		"{\"op\":\"delete_range\",\"start\":\"b\",\"end\":\"d\",\"committed\":1790000000002,\"position\":\"3\"},"
		"{\"op\":\"delete_range\",\"start\":\"x\",\"committed\":1790000000003,\"position\":\"4\"},"
		"{\"op\":\"put\",\"key_b64\":\"/w==\",\"value\":\"\",\"etag\":\"\\\"5\\\"\","
		"\"committed\":1790000000004,\"position\":\"5\"}"
		"],\"next\":\"5\"}\n");
	ck_assert_str_eq(rawhttp_header(reply, "Content-Type"), "application/json");
	expect_page("/v1/changes?since=5", "{\"changes\":[],\"next\":\"5\"}\n");
}
END_TEST

START_TEST(a_page_has_at_most_its_limit_and_the_next_goes_on)
{
	add("a", "");
	add("b", "");
	add("c", "");
	expect_keys("/v1/changes?since=0&limit=2", NULL, "a b 2");
	expect_keys("/v1/changes?since=2&limit=2", NULL, "c 3");
	expect_keys("/v1/changes?since=1&limit=1", NULL, "b 2");
}
END_TEST

START_TEST(other_keys_than_those_of_the_prefix_are_passed_over)
{
	add("user/1", "");
	add("users", "");
	add("usf", "");
	expect_keys("/v1/changes?since=0&prefix=user/", NULL, "user/1 3");
	expect_keys("/v1/changes?since=0&prefix=user", NULL, "user/1 users 3");
	expect_keys("/v1/changes?since=0&prefix=z", NULL, "3");
	expect_keys("/v1/changes?since=0&prefix=", NULL, "user/1 users usf 3");
}
END_TEST

START_TEST(a_range_delete_is_told_with_the_part_that_the_prefix_has)
{
	static const struct {
		const char *start, *end, *told; /* NULL: it does not concern the prefix "m/" */
	} cases[] = {
		{ "a", "z", "\"start\":\"m/\",\"end\":\"m0\"" },
		{ "a", "", "\"start\":\"m/\",\"end\":\"m0\"" },
		{ "m/1", "m/5", "\"start\":\"m/1\",\"end\":\"m/5\"" },
		{ "m/1", "m1", "\"start\":\"m/1\",\"end\":\"m0\"" },
		{ "a", "m/5", "\"start\":\"m/\",\"end\":\"m/5\"" },
		{ "m/", "m0", "\"start\":\"m/\",\"end\":\"m0\"" },
		{ "a", "m/", NULL },
		{ "a", "m", NULL },
		{ "m0", "z", NULL },
		{ "m0", "", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char target[64];
		bool told;

		fake_changes_add(STORE_CHANGE_DELETE_RANGE, cases[i].start, cases[i].end);
		snprintf(target, sizeof target, "/v1/changes?prefix=m/&since=%zu", i);
		ck_assert_uint_eq(get(target, NULL), 200);
		told = strstr(fake_server_text(reply), "delete_range") != NULL;
		ck_assert_msg(told == (cases[i].told != NULL), "%s", cases[i].start);
		ck_assert_msg(!told || strstr(fake_server_text(reply), cases[i].told), "%s",
			fake_server_text(reply));
	}
}
END_TEST

START_TEST(what_the_client_saw_last_counts_more_than_where_it_began)
{
	add("a", "");
	add("b", "");
	add("c", "");
	expect_keys("/v1/changes?since=0", "Last-Event-ID: 2\r\n", "c 3");
	expect_keys("/v1/changes", "last-event-id: 1\r\n", "b c 3");
	expect_keys("/v1/changes?since=1", "Last-Event-ID:\r\n", "b c 3");
}
END_TEST

START_TEST(nonsense_is_refused)
{
	static const char *const bad[] = { "since=", "since=x", "since=-1", "since=+1", "since=1x",
		"since=18446744073709551616", "since=7", "limit=0", "limit=x", "wait=61s", "wait=5", "wait=",
		"wait=-1s", "sinse=1", "since=0&since=0" };
	char target[64];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(target, sizeof target, "/v1/changes?%s", bad[i]);
		ck_assert_msg(get(target, NULL) == 400, "%s: %u", bad[i], reply->status);
		ck_assert_msg(get(target, "Accept: text/event-stream\r\n") == 400, "%s", bad[i]);
	}
	ck_assert_uint_eq(get("/v1/changes?since=0", "Last-Event-ID: x\r\n"), 400);
	ck_assert_uint_eq(fake_server_call("POST", "/v1/changes", NULL, "")->status, 405);
	ck_assert_uint_eq(fake_changes_open(), 0);
}
END_TEST

START_TEST(what_is_of_a_page_is_refused_to_a_stream)
{
	static const char *const of_page[] = { "limit=1", "limit=20000", "wait=0", "wait=1s" };
	char target[64];

	add("a", "1");
	for (size_t i = 0; i < sizeof of_page / sizeof of_page[0]; i++) {
		snprintf(target, sizeof target, "/v1/changes?since=0&%s", of_page[i]);
		ck_assert_msg(get(target, NULL) == 200, "%s: %u", of_page[i], reply->status);
		ck_assert_msg(get(target, "Accept: text/event-stream\r\n") == 400, "%s", of_page[i]);
	}
	ck_assert_uint_eq(fake_changes_open(), 0);
}
END_TEST

START_TEST(a_failure_before_the_first_change_is_an_answer_of_its_own)
{
	static const struct {
		kv_status status;
		unsigned http;
	} cases[] = { { KV_GONE, 410 }, { KV_CORRUPT, 500 }, { KV_IO, 503 }, { KV_NO_MEMORY, 503 } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fake_changes_fail(cases[i].status);
		ck_assert_uint_eq(get("/v1/changes?since=0", NULL), cases[i].http);
		ck_assert_uint_eq(get("/v1/changes?since=0&wait=30s", NULL), cases[i].http);
		ck_assert_uint_eq(get("/v1/changes?since=0", "Accept: text/event-stream\r\n"), cases[i].http);
		ck_assert_uint_eq(get("/v1/changes?since=0",
			"Accept: application/json, text/event-stream\r\n"), cases[i].http);
	}
	/* a page that has something is given out first */
	add("a", "");
	fake_changes_fail(KV_CORRUPT);
	expect_keys("/v1/changes?since=0", NULL, "a 1");
	ck_assert_uint_eq(get("/v1/changes?since=1", NULL), 500);
}
END_TEST

/* ---- pages that wait ---- */

static struct rawhttp ask(const char *target, const char *headers)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	char request[512];

	snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, headers);
	ck_assert(rawhttp_send_text(&http, request));
	return http;
}

static struct rawhttp wait_for_page(const char *target)
{
	return ask(target, "");
}

static void expect_awaited(struct rawhttp *http, const char *body)
{
	struct rawhttp_reply got = { 0 };

	rawhttp_read(http, false, &got, NULL);
	ck_assert_uint_eq(got.status, 200);
	ck_assert(!got.cut);
	ck_assert(buf_append_byte(&got.body, 0) == KV_OK);
	if (!strstr((char *)got.body.data, body))
		ck_abort_msg("%s", (char *)got.body.data);
	rawhttp_reply_free(&got);
	rawhttp_close(http);
}

/* Until so many readers and watches are there: a limit is only there so that a failure ends. */
static void wait_open(unsigned count)
{
	uint64_t until_us = clock_monotonic_us() + 120000000;

	while (fake_changes_open() != count) {
		ck_assert_uint_lt(clock_monotonic_us(), until_us);
		ck_assert_uint_eq(get("/healthz", NULL), 200);
	}
}

START_TEST(a_page_waits_for_the_first_change_of_its_prefix)
{
	struct rawhttp http = wait_for_page("/v1/changes?since=0&wait=60s&prefix=b");

	wait_open(2); /* the page, and the watch of all of them */
	add("a", "");
	ck_assert_uint_eq(get("/healthz", NULL), 200);
	add("b", "1");
	expect_awaited(&http, "\"key\":\"b\"");
	wait_open(0);
}
END_TEST

START_TEST(a_page_that_has_waited_long_enough_is_empty_and_moves_on)
{
	struct rawhttp http;

	add("a", "");
	add("b", "");
	http = wait_for_page("/v1/changes?since=0&wait=50ms&prefix=c");
	expect_awaited(&http, "{\"changes\":[],\"next\":\"2\"}\n");
}
END_TEST

START_TEST(a_page_that_fails_while_it_waits_ends_where_it_stands)
{
	struct rawhttp http = wait_for_page("/v1/changes?since=0&wait=60s");

	wait_open(2);
	fake_changes_fail(KV_GONE);
	expect_awaited(&http, "{\"changes\":[],\"next\":\"0\"}\n");
	ck_assert_uint_eq(get("/v1/changes?since=0&wait=60s", NULL), 410);
}
END_TEST

/* ---- events ---- */

struct follower {
	struct rawhttp http;
	struct buf body;
	bool ended, cut;
};

static struct follower follow(const char *target, const char *headers)
{
	struct follower follower = { 0 };
	struct rawhttp_reply head = { 0 };
	char all[256];

	snprintf(all, sizeof all, "Accept: text/event-stream\r\n%s", headers);
	follower.http = ask(target, all);
	rawhttp_read_head(&follower.http, &head, NULL);
	ck_assert_uint_eq(head.status, 200);
	ck_assert_str_eq(rawhttp_header(&head, "Content-Type"), "text/event-stream");
	ck_assert_str_eq(rawhttp_header(&head, "Cache-Control"), "no-store");
	rawhttp_reply_free(&head);
	return follower;
}

static bool has(struct follower *follower, const char *text)
{
	return follower->body.len > 0 &&
		memmem(follower->body.data, follower->body.len, text, strlen(text)) != NULL;
}

static void read_until(struct follower *follower, const char *text)
{
	while (!has(follower, text)) {
		if (!rawhttp_read_chunk(&follower->http, &follower->body, &follower->cut))
			ck_abort_msg("no '%s' in: %.*s", text, (int)follower->body.len,
				(char *)follower->body.data);
	}
}

static void read_to_end(struct follower *follower)
{
	while (rawhttp_read_chunk(&follower->http, &follower->body, &follower->cut))
		;
	ck_assert(!follower->cut);
}

static void leave(struct follower *follower)
{
	rawhttp_close(&follower->http);
	buf_free(&follower->body);
}

START_TEST(a_stream_says_at_once_that_it_is_open_and_where)
{
	struct follower follower;

	add("a", "");
	follower = follow("/v1/changes?since=1", "");
	read_until(&follower, "\n\n");
	ck_assert(slice_equal(buf_slice(&follower.body), slice_of_string(": changes\nretry: 2000\nid: 1\n\n")));
	leave(&follower);
}
END_TEST

START_TEST(an_event_has_its_position_name_and_data_in_one_line)
{
	struct follower follower;

	add("a", "line 1\nline 2");
	follower = follow("/v1/changes?since=0", "");
	read_until(&follower, "\"position\":\"1\"}\n\n");
	ck_assert(has(&follower, "id: 1\nevent: put\ndata: {\"op\":\"put\",\"key\":\"a\",\"value\":\"line 1\\nline 2\","));
	fake_changes_add(STORE_CHANGE_DELETE, "a", "");
	read_until(&follower, "id: 2\nevent: delete\ndata: {\"op\":\"delete\",\"key\":\"a\"");
	fake_changes_add(STORE_CHANGE_DELETE_RANGE, "a", "b");
	read_until(&follower, "id: 3\nevent: delete_range\ndata: {");
	leave(&follower);
}
END_TEST

START_TEST(a_stream_goes_on_after_the_last_event_that_was_seen)
{
	struct follower follower;

	add("a", "");
	add("b", "");
	follower = follow("/v1/changes?since=0", "Last-Event-ID: 1\r\n");
	read_until(&follower, "id: 2\nevent: put\n");
	ck_assert(!has(&follower, "\"key\":\"a\""));
	leave(&follower);
}
END_TEST

/* In order, whatever the pieces are in which they are made. */
static void expect_all(struct follower *follower, unsigned count)
{
	char last[64];
	unsigned next = 1;
	const char *at, *end;

	snprintf(last, sizeof last, "\"position\":\"%u\"}\n\n", count);
	read_until(follower, last);
	end = (const char *)follower->body.data + follower->body.len;
	for (at = (const char *)follower->body.data;
		(at = memmem(at, (size_t)(end - at), "\nevent: put\ndata: {\"op\":\"put\",\"key\":\"k", 38)) != NULL;) {
		at += 38;
		ck_assert_uint_eq(strtoul(at, NULL, 10), next++);
	}
	ck_assert_uint_eq(next, count + 1);
}

START_TEST(every_change_comes_once_in_order_to_each_of_several_clients)
{
	enum { CLIENTS = 4, CHANGES = 3000 };
	struct follower followers[CLIENTS];

	for (unsigned i = 0; i < CLIENTS; i++)
		followers[i] = follow("/v1/changes?since=0", "");
	for (unsigned i = 1; i <= CHANGES; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%u", i);
		add(key, "some value that takes a little space");
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		expect_all(&followers[i], CHANGES);
		leave(&followers[i]);
	}
}
END_TEST

START_TEST(a_store_that_is_busy_with_it_only_takes_longer)
{
	struct follower follower;

	fake_changes_be_busy();
	for (unsigned i = 1; i <= 100; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%u", i);
		add(key, "");
	}
	follower = follow("/v1/changes?since=0", "");
	expect_all(&follower, 100);
	leave(&follower);
	expect_keys("/v1/changes?since=98&wait=60s", NULL, "k99 99");
}
END_TEST

START_TEST(a_heartbeat_tells_how_far_all_was_looked_at)
{
	struct follower follower;

	fake_server_teardown();
	fake_server_prepare();
	fake.options.heartbeat_ms = 50;
	fake_server_start();
	follower = follow("/v1/changes?since=0&prefix=nobody", "");
	read_until(&follower, ": heartbeat\nid: 0\n\n");
	for (unsigned i = 0; i < 3; i++)
		add("somebody", "");
	read_until(&follower, ": heartbeat\nid: 3\n\n");
	ck_assert(!has(&follower, "event:"));
	leave(&follower);
}
END_TEST

START_TEST(a_failure_in_the_middle_is_the_last_event)
{
	static const struct {
		kv_status status;
		const char *name;
	} cases[] = { { KV_GONE, "gone" }, { KV_CORRUPT, "damaged" }, { KV_IO, "failed" } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct follower follower;
		char event[100];

		fake_changes_fail(KV_NOT_FOUND);
		follower = follow("/v1/changes", "Last-Event-ID: 0\r\n");
		read_until(&follower, "\n\n");
		fake_changes_fail(cases[i].status);
		read_to_end(&follower);
		snprintf(event, sizeof event, "event: error\ndata: {\"error\":\"%s\",\"message\":\"as the test "
			"\\\"wanted\\\" it", cases[i].name);
		ck_assert_msg(has(&follower, event), "%.*s", (int)follower.body.len,
			(char *)follower.body.data);
		leave(&follower);
	}
}
END_TEST

/* ---- together ---- */

START_TEST(a_quarter_of_the_connections_may_wait_and_no_more)
{
	struct follower followers[4];
	struct rawhttp page;

	for (unsigned i = 0; i < 4; i++) {
		followers[i] = follow("/v1/changes?since=0", "");
		read_until(&followers[i], "\n\n");
	}
	ck_assert_uint_eq(get("/v1/changes?since=0", "Accept: text/event-stream\r\n"), 503);
	ck_assert_ptr_nonnull(rawhttp_header(reply, "Retry-After"));
	ck_assert_uint_eq(get("/v1/changes?since=0&wait=1s", NULL), 503);
	ck_assert_uint_eq(get("/v1/changes?since=0", NULL), 200);
	for (unsigned i = 0; i < 4; i++)
		leave(&followers[i]);
	wait_open(0); /* it is noticed that they are gone */
	page = wait_for_page("/v1/changes?since=0&wait=10ms");
	expect_awaited(&page, "{\"changes\":[]");
}
END_TEST

START_TEST(the_end_of_the_server_is_one_for_those_who_wait)
{
	struct follower follower = follow("/v1/changes?since=0", "");
	struct rawhttp http = wait_for_page("/v1/changes?since=0&wait=60s");
	unsigned left;

	wait_open(3);
	server_drain(fake.server, 50000, &left); /* less than the wait */
	ck_assert_uint_eq(left, 0);
	read_to_end(&follower);
	expect_awaited(&http, "{\"changes\":[],\"next\":\"0\"}\n");
	leave(&follower);
}
END_TEST

START_TEST(a_head_is_answered_without_a_body)
{
	static const char events[] = "HEAD /v1/changes?since=0 HTTP/1.1\r\nHost: localhost\r\n"
		"Accept: text/event-stream\r\n\r\n";
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply got = { 0 };

	ck_assert(rawhttp_send_text(&http, events));
	rawhttp_read(&http, true, &got, NULL);
	ck_assert_uint_eq(got.status, 200);
	ck_assert_str_eq(rawhttp_header(&got, "Content-Type"), "text/event-stream");
	rawhttp_reply_free(&got);
	ck_assert(rawhttp_is_closed(&http));
	ck_assert_uint_eq(rawhttp_left(&http), 0);
	rawhttp_close(&http);
}
END_TEST

/* ---- without memory ---- */

/* The status; 0: the connection was closed, in the middle of an answer or before. `text`: what was answered with all that there is. */
static unsigned ask_without_memory(const char *headers, uint64_t nth, char *text, size_t size, uint64_t *ret_failed)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	char request[160];
	size_t len = 0;
	ssize_t n;

	snprintf(request, sizeof request, "GET /v1/changes?since=0 HTTP/1.1\r\nHost: localhost\r\n%sConnection: close\r\n\r\n", headers);
	fault_alloc_fail(nth, false);
	(void)rawhttp_send_text(&http, request);
	do { /* of events there is no end */
		n = recv(http.fd, text + len, size - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
		text[len] = '\0';
	} while (n > 0 && !strstr(text, "\"last\"") && !strstr(text, "out of memory"));
	*ret_failed = fault_alloc_failed();
	fault_alloc_fail(0, false);
	rawhttp_close(&http);
	return len > 12 ? (unsigned)atoi(text + 9) : 0;
}

/* What was told before is true; nothing is told twice, or left out in front of what is told. */
START_TEST(a_feed_without_memory_is_refused_or_cut)
{
	const char *headers = _i == 0 ? "" : "Accept: text/event-stream\r\n";
	uint64_t failed = 1;

	add("first", "1");
	add("last", "2");
	for (uint64_t nth = 1; failed > 0; nth++) {
		static char text[65536];
		unsigned status = ask_without_memory(headers, nth, text, sizeof text, &failed);
		bool told = strstr(text, "\"last\"") != NULL;

		ck_assert_msg(status == 0 || status == 503 || status == 200, "%u when allocation %u failed", status, (unsigned)nth);
		ck_assert_msg(!told || (status == 200 && strstr(text, "\"first\"")), "%s", text);
		ck_assert_msg(failed > 0 || told, "%s", text);
		ck_assert_uint_lt(nth, 1000);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_changes");
	TCase *tc = tcase_create("api_changes");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_page_tells_each_kind_of_change);
	tcase_add_test(tc, a_page_has_at_most_its_limit_and_the_next_goes_on);
	tcase_add_test(tc, other_keys_than_those_of_the_prefix_are_passed_over);
	tcase_add_test(tc, a_range_delete_is_told_with_the_part_that_the_prefix_has);
	tcase_add_test(tc, what_the_client_saw_last_counts_more_than_where_it_began);
	tcase_add_test(tc, nonsense_is_refused);
	tcase_add_test(tc, what_is_of_a_page_is_refused_to_a_stream);
	tcase_add_test(tc, a_failure_before_the_first_change_is_an_answer_of_its_own);
	tcase_add_test(tc, a_page_waits_for_the_first_change_of_its_prefix);
	tcase_add_test(tc, a_page_that_has_waited_long_enough_is_empty_and_moves_on);
	tcase_add_test(tc, a_page_that_fails_while_it_waits_ends_where_it_stands);
	tcase_add_test(tc, a_stream_says_at_once_that_it_is_open_and_where);
	tcase_add_test(tc, an_event_has_its_position_name_and_data_in_one_line);
	tcase_add_test(tc, a_stream_goes_on_after_the_last_event_that_was_seen);
	tcase_add_test(tc, every_change_comes_once_in_order_to_each_of_several_clients);
	tcase_add_test(tc, a_store_that_is_busy_with_it_only_takes_longer);
	tcase_add_test(tc, a_heartbeat_tells_how_far_all_was_looked_at);
	tcase_add_test(tc, a_failure_in_the_middle_is_the_last_event);
	tcase_add_test(tc, a_quarter_of_the_connections_may_wait_and_no_more);
	tcase_add_test(tc, the_end_of_the_server_is_one_for_those_who_wait);
	tcase_add_test(tc, a_head_is_answered_without_a_body);
	tcase_add_loop_test(tc, a_feed_without_memory_is_refused_or_cut, 0, 2);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
