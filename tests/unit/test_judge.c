/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile and broken requests, byte by byte: whatever they get, the store stays as it was, and the server goes on. */
#define _GNU_SOURCE
#include "support/fake_server.h"
#include "support/hostile.h"
#include "support/runner.h"

#include <stdio.h>
#include <sys/socket.h>

#define HOST "Host: localhost\r\n"

static void assert_alive_and_untouched(void)
{
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
	ck_assert_uint_eq(fake_server_call("GET", "/healthz", NULL, NULL)->status, 200);
}

START_TEST(hostile_requests_change_nothing)
{
	const struct hostile *hostile = hostile_at((size_t)_i);
	const struct rawhttp_reply *reply = fake_server_send(hostile->bytes, hostile->len);

	ck_assert_msg(hostile_is_expected(hostile, reply->status), "%s: %u instead of %u", hostile->what,
		reply->status, hostile->status);
	assert_alive_and_untouched();
}
END_TEST

START_TEST(malformed_requests_close_the_connection)
{
	struct rawhttp http = rawhttp_connect(fake.port);

	hostile_must_end_the_connection(hostile_at((size_t)_i), &http);
	rawhttp_close(&http);
	assert_alive_and_untouched();
}
END_TEST

static void cut_everywhere(const char *request, size_t whole)
{
	struct rawhttp http[128];

	ck_assert_uint_le(whole, 128);
	for (size_t len = 0; len < whole; len++) {
		http[len] = rawhttp_connect(fake.port);
		ck_assert(rawhttp_send(&http[len], request, len));
		rawhttp_end_sending(&http[len]);
	}
	for (size_t len = 0; len < whole; len++) {
		ck_assert_msg(rawhttp_is_closed(&http[len]), "still open after %zu bytes", len);
		rawhttp_close(&http[len]);
	}
	assert_alive_and_untouched();
}

START_TEST(a_request_cut_anywhere_stores_nothing)
{
	static const char request[] = "PUT /v1/kv/key HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789";

	cut_everywhere(request, sizeof request - 1);
}
END_TEST

START_TEST(a_chunked_request_cut_anywhere_stores_nothing)
{
	static const char request[] = "PUT /v1/kv/key HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
		"5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n";

	cut_everywhere(request, sizeof request - 1);
}
END_TEST

START_TEST(too_large_a_body_is_refused_before_it_is_sent)
{
	static const char request[] = "PUT /v1/kv/key HTTP/1.1\r\n" HOST
		"Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n";
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;
	bool continued;

	ck_assert(rawhttp_send_text(&http, request));
	rawhttp_read(&http, false, &reply, &continued);
	ck_assert_uint_eq(reply.status, 413);
	ck_assert(!continued);
	ck_assert_str_eq(fake_server_text(&reply),
		"the body is larger than max_value_size, which is 1048576 bytes\n");
	ck_assert(rawhttp_is_closed(&http));
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	assert_alive_and_untouched();
}
END_TEST

START_TEST(a_body_that_fits_is_asked_for)
{
	static const char request[] = "PUT /v1/kv/key HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n";
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;
	bool continued;

	ck_assert(rawhttp_send_text(&http, request));
	while (http.input.len == 0) /* the interim answer comes before the body is sent */
		ck_assert(recv(http.fd, (char[1]){ 0 }, 1, MSG_PEEK) == 1 && buf_reserve(&http.input, 1) == KV_OK &&
			(http.input.len += (size_t)recv(http.fd, http.input.data, 1, 0)) == 1);
	ck_assert(rawhttp_send_text(&http, "v"));
	rawhttp_read(&http, false, &reply, &continued);
	ck_assert(continued);
	ck_assert_uint_eq(reply.status, 201);
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
}
END_TEST

START_TEST(a_chunked_body_that_grows_too_large_is_cut_off)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;
	char chunk[4096 + 8];
	int head = snprintf(chunk, sizeof chunk, "1000\r\n");

	memset(chunk + head, 'v', 4096);
	memcpy(chunk + head + 4096, "\r\n", 2);
	ck_assert(rawhttp_send_text(&http, "PUT /v1/kv/key HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 257; i++)
		if (!rawhttp_send(&http, chunk, sizeof chunk))
			break;
	rawhttp_read(&http, false, &reply, NULL);
	ck_assert(reply.status == 413 || reply.status == 0); /* 0: reset before it could be read */
	rawhttp_reply_free(&reply);
	rawhttp_close(&http);
	assert_alive_and_untouched();
}
END_TEST

START_TEST(too_long_a_header_is_refused)
{
	struct buf request = { 0 };
	unsigned status;

	ck_assert_int_eq(buf_printf(&request, "GET /get?key="), KV_OK);
	ck_assert_int_eq(buf_append_zeros(&request, 70000), KV_OK);
	memset(request.data + request.len - 70000, 'k', 70000);
	status = fake_server_send(request.data, request.len)->status;
	ck_assert_msg(status == 414 || status == 0, "%u", status); /* 0: reset before it could be read */
	buf_clear(&request);
	ck_assert_int_eq(buf_printf(&request, "GET /get?key=a HTTP/1.1\r\n" HOST), KV_OK);
	for (int i = 0; i < 7000; i++)
		ck_assert_int_eq(buf_printf(&request, "X-%04d: v\r\n", i), KV_OK);
	status = fake_server_send(request.data, request.len)->status;
	ck_assert_msg(status == 431 || status == 0, "%u", status);
	buf_free(&request);
	assert_alive_and_untouched();
}
END_TEST

START_TEST(a_refused_request_without_body_leaves_the_connection_open)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;

	for (int i = 0; i < 3; i++) {
		ck_assert(rawhttp_send_text(&http, "GET /nowhere HTTP/1.1\r\n" HOST "\r\n"));
		rawhttp_read(&http, false, &reply, NULL);
		ck_assert_uint_eq(reply.status, 404);
		rawhttp_reply_free(&reply);
	}
	rawhttp_close(&http);
}
END_TEST

START_TEST(http_1_0_without_host_is_served)
{
	static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";

	ck_assert_uint_eq(fake_server_send(request, sizeof request - 1)->status, 200);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("judge");
	TCase *tc = tcase_create("judge");
	int count = (int)hostile_count();

	tcase_add_checked_fixture(tc, fake_server_setup, fake_server_teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, hostile_requests_change_nothing, 0, count);
	tcase_add_loop_test(tc, malformed_requests_close_the_connection, 0, count);
	tcase_add_test(tc, a_request_cut_anywhere_stores_nothing);
	tcase_add_test(tc, a_chunked_request_cut_anywhere_stores_nothing);
	tcase_add_test(tc, too_large_a_body_is_refused_before_it_is_sent);
	tcase_add_test(tc, a_body_that_fits_is_asked_for);
	tcase_add_test(tc, a_chunked_body_that_grows_too_large_is_cut_off);
	tcase_add_test(tc, too_long_a_header_is_refused);
	tcase_add_test(tc, a_refused_request_without_body_leaves_the_connection_open);
	tcase_add_test(tc, http_1_0_without_host_is_served);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
