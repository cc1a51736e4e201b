/* SPDX-License-Identifier: BSD-2-Clause */
/* /set, /get and /del over sockets, on a store that is none. */
#include "support/fake_server.h"
#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>

static const struct rawhttp_reply *call(const char *method, const char *target)
{
	return fake_server_call(method, target, NULL, NULL);
}

#define ASSERT_REPLY(reply, want_status, want_text) do { \
	const struct rawhttp_reply *got_reply = (reply); \
	ck_assert_uint_eq(got_reply->status, want_status); \
	ck_assert_str_eq(fake_server_text(got_reply), want_text); \
} while (0)

START_TEST(set_get_del_do_what_they_say)
{
	ASSERT_REPLY(call("POST", "/set?key=key1&value=value1"), 200, "OK\n");
	ASSERT_REPLY(call("PUT", "/set?key=hi&value=val%20smile"), 200, "OK\n");
	ASSERT_REPLY(call("GET", "/get?key=key1"), 200, "value1");
	ASSERT_REPLY(call("GET", "/get?key=hi"), 200, "val smile");
	ASSERT_REPLY(call("DELETE", "/del?key=key1"), 200, "OK\n");
	ASSERT_REPLY(call("GET", "/get?key=key1"), 404, "no such key\n");
	ASSERT_REPLY(call("DELETE", "/del?key=key1"), 404, "no such key\n");
}
END_TEST

START_TEST(the_body_is_the_value)
{
	ASSERT_REPLY(fake_server_call("POST", "/set?key=k", NULL, "a+b%20c"), 200, "OK\n");
	ASSERT_REPLY(call("GET", "/get?key=k"), 200, "a+b%20c");
}
END_TEST

START_TEST(a_chunked_body_is_the_value)
{
	static const char request[] = "POST /set?key=k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n";

	ASSERT_REPLY(fake_server_send(request, sizeof request - 1), 200, "OK\n");
	ASSERT_REPLY(call("GET", "/get?key=k"), 200, "hello, world");
}
END_TEST

START_TEST(an_empty_value_is_a_value)
{
	ASSERT_REPLY(call("POST", "/set?key=k&value="), 200, "OK\n");
	ASSERT_REPLY(call("GET", "/get?key=k"), 200, "");
}
END_TEST

START_TEST(head_has_the_length_and_no_body)
{
	const struct rawhttp_reply *reply;

	call("POST", "/set?key=k&value=12345");
	reply = call("HEAD", "/get?key=k");
	ck_assert_uint_eq(reply->status, 200);
	ck_assert_str_eq(rawhttp_header(reply, "Content-Length"), "5");
	ck_assert_uint_eq(call("HEAD", "/get?key=none")->status, 404);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
	ASSERT_REPLY(call("POST", "/set?value=v"), 400, "parameter 'key' is missing\n");
	ASSERT_REPLY(call("POST", "/set"), 400, "parameter 'key' is missing\n");
	ASSERT_REPLY(call("POST", "/set?key=&value=v"), 400, "the key is empty\n");
	ASSERT_REPLY(call("POST", "/set?key=k"), 400, "there is neither a parameter 'value' nor a body\n");
	ASSERT_REPLY(fake_server_call("POST", "/set?key=k&value=v", NULL, "w"), 400,
		"there is both a parameter 'value' and a body\n");
	ASSERT_REPLY(call("GET", "/get"), 400, "parameter 'key' is missing\n");
	ASSERT_REPLY(call("GET", "/get?key="), 400, "the key is empty\n");
	ASSERT_REPLY(call("DELETE", "/del?"), 400, "parameter 'key' is missing\n");
	ASSERT_REPLY(call("POST", "/set?key=k&value=v&colour=5"), 400, "unknown parameter 'colour'\n");
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

START_TEST(a_wrong_method_gets_405_with_allow)
{
	const struct rawhttp_reply *reply = call("GET", "/set?key=k&value=v");

	ck_assert_uint_eq(reply->status, 405);
	ck_assert_str_eq(rawhttp_header(reply, "Allow"), "POST, PUT");
	ck_assert_uint_eq(call("GET", "/del?key=k")->status, 405);
	ck_assert_uint_eq(call("POST", "/get?key=k")->status, 405);
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

START_TEST(a_method_that_no_path_takes_gets_405_with_what_the_path_takes)
{
	static const char *const methods[] = { "TRACE", "CONNECT", "PATCH", "OPTIONS" };

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		const struct rawhttp_reply *reply = call(methods[i], "/set?key=k&value=v");

		ck_assert_msg(reply->status == 405, "%s: %u", methods[i], reply->status);
		ck_assert_str_eq(rawhttp_header(reply, "Allow"), "POST, PUT");
		ck_assert_str_eq(rawhttp_header(call(methods[i], "/get?key=k"), "Allow"), "GET, HEAD");
		ck_assert_uint_eq(call(methods[i], "/nothing")->status, 404);
	}
	ck_assert_uint_eq(call("CONNECT", "localhost:80")->status, 400);
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

START_TEST(json_errors_are_for_those_who_accept_json)
{
	const struct rawhttp_reply *reply = fake_server_call("GET", "/get?key=none", "Accept: application/json\r\n", NULL);

	ck_assert_str_eq(rawhttp_header(reply, "Content-Type"), "application/json");
	ASSERT_REPLY(reply, 404, "{\"error\":\"not_found\",\"message\":\"no such key\"}\n");
}
END_TEST

START_TEST(keys_have_at_most_4096_bytes)
{
	char target[STORE_KEY_MAX + 100];
	int at = snprintf(target, sizeof target, "/set?value=v&key=");

	memset(target + at, 'k', STORE_KEY_MAX + 1);
	target[at + STORE_KEY_MAX] = '\0';
	ck_assert_uint_eq(call("POST", target)->status, 200);
	target[at + STORE_KEY_MAX] = 'k';
	target[at + STORE_KEY_MAX + 1] = '\0';
	ASSERT_REPLY(call("POST", target), 414, "the key is longer than 4096 bytes\n");
	ck_assert_uint_eq(fake_store_changes(fake.store), 1);
}
END_TEST

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLOW true
#elif defined(__has_feature)
#define SLOW (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define SLOW false
#endif

/* One connection, pipelined in runs of 256. Under the sanitizers and valgrind one first byte in 15, 0 and 255 among them. */
START_TEST(all_two_byte_keys_round_trip)
{
	struct rawhttp http = rawhttp_connect(fake.port);
	struct rawhttp_reply reply;
	unsigned step = SLOW || getenv("KV_VALGRIND") ? 15 : 1;

	fake_store_set_commits(fake.store, FAKE_STORE_INLINE);
	for (unsigned a = 0; a < 256; a += step) {
		struct buf requests = { 0 };

		for (unsigned b = 0; b < 256; b++)
			ck_assert_int_eq(buf_printf(&requests,
				"POST /set?key=%%%02x%%%02X&value=%%%02X%%%02x HTTP/1.1\r\nHost: localhost\r\n\r\n"
				"GET /get?key=%%%02X%%%02x HTTP/1.1\r\nHost: localhost\r\n\r\n", a, b, b, a, a, b), KV_OK);
		ck_assert(rawhttp_send(&http, requests.data, requests.len));
		for (unsigned b = 0; b < 256; b++) {
			uint8_t want[2] = { (uint8_t)b, (uint8_t)a };

			rawhttp_read(&http, false, &reply, NULL);
			ck_assert_uint_eq(reply.status, 200);
			rawhttp_reply_free(&reply);
			rawhttp_read(&http, false, &reply, NULL);
			ck_assert_uint_eq(reply.status, 200);
			ck_assert(slice_equal(buf_slice(&reply.body), slice_of(want, 2)));
			rawhttp_reply_free(&reply);
		}
		buf_free(&requests);
	}
	ck_assert_uint_eq(fake_store_changes(fake.store), (255 / step + 1) * 256);
	rawhttp_close(&http);
}
END_TEST

static const struct {
	kv_status status;
	unsigned http;
} failures[] = {
	{ KV_NO_SPACE, 507 }, { KV_BUSY, 503 }, { KV_NO_MEMORY, 503 }, { KV_IO, 503 }, { KV_CORRUPT, 500 },
	{ KV_UNCERTAIN, 500 }, { KV_UNSUPPORTED, 501 },
};

START_TEST(failures_of_the_store_have_their_status)
{
	const struct rawhttp_reply *reply;

	fake_store_fail_writes(fake.store, failures[_i].status);
	reply = call("POST", "/set?key=k&value=v");
	ck_assert_uint_eq(reply->status, failures[_i].http);
	ck_assert_int_eq(rawhttp_header(reply, "Retry-After") != NULL, failures[_i].http == 503);
	ck_assert_uint_eq(call("DELETE", "/del?key=k")->status, failures[_i].http);
	fake_store_fail_reads(fake.store, failures[_i].status);
	ck_assert_uint_eq(call("GET", "/get?key=k")->status, failures[_i].http);
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

START_TEST(damage_is_told_with_file_and_offset)
{
	fake_store_fail_reads(fake.store, KV_CORRUPT);
	ASSERT_REPLY(call("GET", "/get?key=k"), 500,
		"000012.sst at offset 4096: block checksum does not match (damaged data)\n");
}
END_TEST

START_TEST(a_value_of_the_largest_size_comes_back)
{
	struct buf request = { 0 };
	const struct rawhttp_reply *reply;
	size_t size = 1 << 20;

	ck_assert_int_eq(buf_printf(&request, "POST /set?key=k HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
		size), KV_OK);
	ck_assert_int_eq(buf_append_zeros(&request, size), KV_OK);
	for (size_t i = 0; i < size; i++)
		request.data[request.len - size + i] = (uint8_t)(i * 7 >> 3);
	ck_assert_uint_eq(fake_server_send(request.data, request.len)->status, 200);
	reply = call("GET", "/get?key=k");
	ck_assert(slice_equal(buf_slice(&reply->body), slice_of(request.data + request.len - size, size)));
	buf_free(&request);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_simple");
	TCase *tc = tcase_create("api_simple");

	tcase_add_checked_fixture(tc, fake_server_setup, fake_server_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, set_get_del_do_what_they_say);
	tcase_add_test(tc, the_body_is_the_value);
	tcase_add_test(tc, a_chunked_body_is_the_value);
	tcase_add_test(tc, an_empty_value_is_a_value);
	tcase_add_test(tc, head_has_the_length_and_no_body);
	tcase_add_test(tc, what_is_missing_is_named);
	tcase_add_test(tc, a_wrong_method_gets_405_with_allow);
	tcase_add_test(tc, a_method_that_no_path_takes_gets_405_with_what_the_path_takes);
	tcase_add_test(tc, json_errors_are_for_those_who_accept_json);
	tcase_add_test(tc, keys_have_at_most_4096_bytes);
	tcase_add_test(tc, all_two_byte_keys_round_trip);
	tcase_add_loop_test(tc, failures_of_the_store_have_their_status, 0, sizeof failures / sizeof failures[0]);
	tcase_add_test(tc, damage_is_told_with_file_and_offset);
	tcase_add_test(tc, a_value_of_the_largest_size_comes_back);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
