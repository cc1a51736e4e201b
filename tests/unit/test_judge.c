/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile and broken requests, byte by byte: whatever they get, the store stays as it was, and the server goes on. */
#define _GNU_SOURCE
#include "support/fake_server.h"
#include "support/runner.h"

#include <microhttpd.h>
#include <stdio.h>
#include <sys/socket.h>

#define HOST "Host: localhost\r\n"
#define TEXT(bytes) bytes, sizeof(bytes) - 1

static const struct {
	const char *what;
	const char *bytes;
	size_t len;
	unsigned status;
} hostile[] = {
	{ "two Hosts", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST HOST "\r\n"), 400 },
	{ "an empty Host", TEXT("POST /set?key=k&value=v HTTP/1.1\r\nHost:\r\n\r\n"), 400 },
	{ "no Host", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n\r\n"), 400 },
	{ "equal Content-Lengths",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nv"), 400 },
	{ "differing Content-Lengths",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nvv"), 400 },
	{ "a list of Content-Lengths",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\nv"), 400 },
	{ "Content-Length with Transfer-Encoding",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
		"1\r\nv\r\n0\r\n\r\n"), 400 },
	{ "Transfer-Encoding in 1.0",
		TEXT("POST /set?key=k HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nv\r\n0\r\n\r\n"), 400 },
	{ "another transfer coding",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\nv"), 501 },
	{ "chunked twice",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), 501 },
	{ "a negative Content-Length",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\nv"), 400 },
	{ "a Content-Length in hexadecimal",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\nv"), 400 },
	{ "the largest Content-Length",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\nv"), 413 },
	{ "a larger Content-Length",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\nv"), 413 },
	{ "a name of a header with a blank",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length : 1\r\n\r\nv"), 400 },
	{ "a header without a colon", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "nothing\r\n\r\n"), 400 },
	{ "a control byte in a header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n"), 400 },
	{ "a bare CR in a header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"), 400 },
	{ "a folded header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"), 400 },
	{ "a folded Transfer-Encoding",
		TEXT("PUT /set?key=k&value=v HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), 400 },
	{ "a folded Origin", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\tx\r\n\r\n"), 400 },
	{ "a fold after an empty header", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Content-:\r\n Length\r\n\r\n"), 400 },
	{ "many folds", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n a\r\n b\r\nY: 1\r\n\r\n"), 400 },
	{ "a blank after chunked",
		TEXT("PUT /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked \r\n\r\n1\r\nv\r\n0\r\n\r\n"), 400 },
	{ "a wrong escape", TEXT("POST /set?key=%zz&value=v HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a cut escape", TEXT("POST /set?value=v&key=%4 HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a cut escape in a path",
		TEXT("PUT /v1/kv/a% HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nv"), 400 },
	{ "an absolute target", TEXT("POST http://localhost/set?key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a target without slash", TEXT("POST set?key=k&value=v HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "two Authorizations",
		TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Authorization: a\r\nAuthorization: a\r\n\r\n"), 400 },
	{ "a NUL in the target", TEXT("POST /set?value=v&key=k\0x HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a NUL in the method", TEXT("POST\0 /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a control byte in the target", TEXT("POST /set?value=v&key=k\x01 HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a bare CR in the target", TEXT("POST /set?value=v&key=k\r HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a DEL in the target", TEXT("POST /set?value=v&key=k\x7f HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a tab in the target", TEXT("POST /set?value=v&key=k\tx HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "a space in the target", TEXT("POST /set?value=v&key=k x HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "two spaces before the target", TEXT("POST  /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "two spaces after the target", TEXT("POST /set?value=v&key=k  HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ "no version", TEXT("POST /set?value=v&key=k\r\n" HOST "\r\n"), 400 },
	{ "a version that is none", TEXT("POST /set?value=v&key=k HTTP/x.1\r\n" HOST "\r\n"), 400 },
	{ "HTTP/2", TEXT("POST /set?value=v&key=k HTTP/2.0\r\n" HOST "\r\n"), 505 },
	{ "HTTP/0.9", TEXT("POST /set?value=v&key=k HTTP/0.9\r\n" HOST "\r\n"), 505 },
	{ "an unknown method", TEXT("SET /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), 501 },
	{ "a method in small letters", TEXT("post /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), 501 },
	{ "TRACE", TEXT("TRACE /set?value=v&key=k HTTP/1.1\r\n" HOST "\r\n"), 405 },
	{ "CONNECT", TEXT("CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n"), 405 },
	{ "another expectation",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: everything\r\n\r\nv"), 417 },
	{ "a foreign Host", TEXT("POST /set?key=k&value=v HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 403 },
	{ "a foreign Origin",
		TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n"), 403 },
	{ "the Origin null", TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n"), 403 },
	{ "a cross-site fetch",
		TEXT("POST /set?key=k&value=v HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n\r\n"), 403 },
	{ "a chunk size that is none",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\nv\r\n0\r\n\r\n"), 400 },
	{ "a chunk longer than its size",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nvvv\r\n0\r\n\r\n"), 400 },
	{ "an enormous chunk",
		TEXT("POST /set?key=k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nv\r\n"), 413 },
	{ "garbage", TEXT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 0 },
};

static void assert_alive_and_untouched(void)
{
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
	ck_assert_uint_eq(fake_server_call("GET", "/healthz", NULL, NULL)->status, 200);
}

/* libmicrohttpd 1.0 refuses some of them itself: with 400, or without an answer. */
static bool is_expected(unsigned status, unsigned wanted)
{
	return status == wanted || (MHD_VERSION >= 0x01000000 && (status == 400 || status == 0));
}

START_TEST(hostile_requests_change_nothing)
{
	const struct rawhttp_reply *reply = fake_server_send(hostile[_i].bytes, hostile[_i].len);

	ck_assert_msg(is_expected(reply->status, hostile[_i].status), "%s: %u instead of %u", hostile[_i].what,
		reply->status, hostile[_i].status);
	assert_alive_and_untouched();
}
END_TEST

/* libmicrohttpd 0.9.75 writes the header of its own 400 to a malformed Content-Length twice. */
static bool answers_with_200(const struct rawhttp *http)
{
	return rawhttp_left(http) > 0 &&
		memmem(http->input.data + http->taken, rawhttp_left(http), "HTTP/1.1 2", 10);
}

START_TEST(malformed_requests_close_the_connection)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;

	if (hostile[_i].status == 400 || hostile[_i].status == 413 || hostile[_i].status == 417) {
		/* a request behind it must not be taken for one */
		ck_assert(rawhttp_send(&http, hostile[_i].bytes, hostile[_i].len));
		(void)rawhttp_send_text(&http, "POST /set?key=smuggled&value=v HTTP/1.1\r\n" HOST "\r\n");
		rawhttp_read(&http, false, &reply, NULL);
		ck_assert_msg(rawhttp_is_closed(&http), "%s: the connection stays open", hostile[_i].what);
		ck_assert_msg(!answers_with_200(&http), "%s: a second answer", hostile[_i].what);
		rawhttp_reply_free(&reply);
	}
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
	int count = sizeof hostile / sizeof hostile[0];

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
