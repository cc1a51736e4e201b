/* SPDX-License-Identifier: BSD-2-Clause */
/* /v1/kv/{key} over sockets: versions, conditions, ranges. */
#include "support/fake_server.h"
#include "support/runner.h"

#include <stdio.h>

static char etag[64];

static const struct rawhttp_reply *call(const char *method, const char *headers, const char *body)
{
	const struct rawhttp_reply *reply = fake_server_call(method, "/v1/kv/key", headers, body);
	const char *value = rawhttp_header(reply, "ETag");

	if (value)
		snprintf(etag, sizeof etag, "%s", value);
	return reply;
}

static unsigned status_of(const char *method, const char *headers, const char *body)
{
	return call(method, headers, body)->status;
}

static const char *with_etag(const char *name, const char *value)
{
	static char line[128];

	snprintf(line, sizeof line, "%s: %s\r\n", name, value);
	return line;
}

START_TEST(put_tells_new_from_replaced_and_gives_the_etag)
{
	char first[64];

	ck_assert_uint_eq(status_of("PUT", NULL, "one"), 201);
	snprintf(first, sizeof first, "%s", etag);
	ck_assert_uint_eq(status_of("GET", NULL, NULL), 200);
	ck_assert_str_eq(etag, first);
	ck_assert_uint_eq(status_of("PUT", NULL, "one"), 204);
	ck_assert_str_ne(etag, first); /* equal bytes, but a new version */
	ck_assert_uint_eq(status_of("HEAD", NULL, NULL), 200);
	ck_assert_uint_eq(status_of("DELETE", NULL, NULL), 204);
	ck_assert_uint_eq(status_of("DELETE", NULL, NULL), 404);
	ck_assert_uint_eq(status_of("GET", NULL, NULL), 404);
	ck_assert_uint_eq(status_of("PUT", NULL, ""), 201);
	ck_assert_str_eq(rawhttp_header(call("GET", NULL, NULL), "Content-Length"), "0");
}
END_TEST

START_TEST(the_key_is_the_rest_of_the_path)
{
	static const char *const paths[] = { "/v1/kv/a%2Fb", "/v1/kv//", "/v1/kv/a/../b", "/v1/kv/+", "/v1/kv/%00",
		"/v1/kv/%ff%FE", "/v1/kv/a%252F" };
	static const char *const queries[] = { "/get?key=a/b", "/get?key=/", "/get?key=a/../b", "/get?key=%2b",
		"/get?key=%00", "/get?key=%FF%fe", "/get?key=a%252F" };

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		char value[8];

		snprintf(value, sizeof value, "%zu", i);
		ck_assert_uint_eq(fake_server_call("PUT", paths[i], NULL, value)->status, 201);
		ck_assert_str_eq(fake_server_text(fake_server_call("GET", queries[i], NULL, NULL)), value);
	}
	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/", NULL, "v")->status, 400);
	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/key?ttl=5", NULL, "v")->status, 400);
}
END_TEST

START_TEST(a_put_without_length_is_refused)
{
	ck_assert_uint_eq(status_of("PUT", NULL, NULL), 411);
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

START_TEST(if_none_match_saves_the_body)
{
	const struct rawhttp_reply *reply;

	status_of("PUT", NULL, "value");
	reply = call("GET", with_etag("If-None-Match", etag), NULL);
	ck_assert_uint_eq(reply->status, 304);
	ck_assert_uint_eq(reply->body.len, 0);
	ck_assert_uint_eq(status_of("GET", with_etag("If-None-Match", "\"fff\""), NULL), 200);
	ck_assert_uint_eq(status_of("HEAD", "If-None-Match: *\r\n", NULL), 304);
}
END_TEST

START_TEST(conditional_writes_happen_only_when_they_may)
{
	char first[64];

	ck_assert_uint_eq(status_of("PUT", "If-Match: *\r\n", "no"), 412);
	ck_assert_uint_eq(status_of("PUT", "If-Match: \"1\", \"2\"\r\n", "no"), 412);
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
	ck_assert_uint_eq(status_of("PUT", "If-None-Match: *\r\n", "one"), 201);
	snprintf(first, sizeof first, "%s", etag);
	ck_assert_uint_eq(status_of("PUT", "If-None-Match: *\r\n", "no"), 412);
	ck_assert_uint_eq(status_of("PUT", with_etag("If-Match", first), "two"), 204);
	ck_assert_uint_eq(status_of("PUT", with_etag("If-Match", first), "no"), 412);
	ck_assert_uint_eq(status_of("DELETE", with_etag("If-Match", first), NULL), 412);
	ck_assert_str_eq(fake_server_text(call("GET", NULL, NULL)), "two");
	ck_assert_uint_eq(status_of("PUT", "If-Match: *\r\n", "three"), 204);
	ck_assert_uint_eq(status_of("DELETE", with_etag("If-Match", etag), NULL), 204);
	ck_assert_uint_eq(status_of("GET", NULL, NULL), 404);
	ck_assert_uint_eq(fake_store_changes(fake.store), 4);
}
END_TEST

START_TEST(a_list_of_etags_holds_when_one_does)
{
	char list[160];

	status_of("PUT", NULL, "one");
	snprintf(list, sizeof list, "If-Match: \"abc\", W/%s, %s\r\n", etag, etag);
	ck_assert_uint_eq(status_of("PUT", list, "two"), 204);
	ck_assert_uint_eq(status_of("PUT", list, "no"), 412);
	snprintf(list, sizeof list, "If-Match: W/%s\r\n", etag);
	ck_assert_uint_eq(status_of("PUT", list, "no"), 412); /* weak ones never match here */
}
END_TEST

START_TEST(conditions_that_make_no_sense_are_refused)
{
	ck_assert_uint_eq(status_of("PUT", "If-None-Match: \"1\"\r\n", "v"), 400);
	ck_assert_uint_eq(status_of("PUT", "If-None-Match: *\r\nIf-Match: *\r\n", "v"), 400);
	ck_assert_uint_eq(status_of("DELETE", "If-None-Match: \"1\"\r\n", NULL), 400);
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

START_TEST(a_delete_of_what_must_not_be_there_deletes_nothing)
{
	ck_assert_uint_eq(status_of("DELETE", "If-None-Match: *\r\n", NULL), 404);
	ck_assert_uint_eq(status_of("PUT", NULL, "v"), 201);
	ck_assert_uint_eq(status_of("DELETE", "If-None-Match: *\r\n", NULL), 412);
	ck_assert_str_eq(fake_server_text(call("GET", NULL, NULL)), "v");
	ck_assert_uint_eq(fake_store_changes(fake.store), 1);
}
END_TEST

/* A write that would be done against its sender's word. */
START_TEST(a_condition_where_none_is_looked_at_is_refused)
{
	static const struct {
		const char *method, *target;
	} writes[] = {
		{ "POST", "/set?key=k&value=v" }, { "DELETE", "/del?key=k" }, { "POST", "/v1/batch" },
		{ "POST", "/v1/incr/k" }, { "POST", "/v1/touch/k?ttl=1h" }, { "DELETE", "/v1/kv?prefix=k" },
		{ "POST", "/v1/import" },
	};

	for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
		ck_assert_uint_eq(fake_server_call(writes[i].method, writes[i].target, "If-Match: \"1\"\r\n", NULL)->status, 400);
		ck_assert_str_eq(fake_server_text(fake_server_call(writes[i].method, writes[i].target,
			"If-None-Match: *\r\n", NULL)), "this request takes no condition (If-Match, If-None-Match)\n");
	}
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

/* What goes on with an upload that was cut would replace the whole by its end. */
START_TEST(a_part_of_a_value_is_no_value)
{
	static const char *const targets[] = { "/v1/kv/k", "/set?key=k", "/v1/import" };

	ck_assert_uint_eq(fake_server_call("PUT", "/v1/kv/k", NULL, "0123456789")->status, 201);
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		const struct rawhttp_reply *reply = fake_server_call(i == 0 ? "PUT" : "POST", targets[i],
			"content-range: bytes 6-9/10\r\n", "6789");

		ck_assert_uint_eq(reply->status, 400);
		ck_assert_str_eq(fake_server_text(reply), "a value is written as a whole, not in parts (Content-Range)\n");
	}
	ck_assert_uint_eq(fake_store_changes(fake.store), 1);
	ck_assert_str_eq(fake_server_text(fake_server_call("GET", "/v1/kv/k", "Content-Range: bytes 6-9/10\r\n", NULL)),
		"0123456789");
}
END_TEST

START_TEST(ranges_give_a_part)
{
	const struct rawhttp_reply *reply;

	status_of("PUT", NULL, "0123456789");
	reply = call("GET", "Range: bytes=2-4\r\n", NULL);
	ck_assert_uint_eq(reply->status, 206);
	ck_assert_str_eq(fake_server_text(reply), "234");
	ck_assert_str_eq(rawhttp_header(reply, "Content-Range"), "bytes 2-4/10");
	ck_assert_str_eq(fake_server_text(call("GET", "Range: bytes=-3\r\n", NULL)), "789");
	reply = call("GET", "Range: bytes=10-\r\n", NULL);
	ck_assert_uint_eq(reply->status, 416);
	ck_assert_str_eq(rawhttp_header(reply, "Content-Range"), "bytes */10");
	ck_assert_uint_eq(status_of("GET", "Range: bytes=0-1,3-4\r\n", NULL), 200);
	ck_assert_uint_eq(status_of("HEAD", "Range: bytes=0-1\r\n", NULL), 200);
}
END_TEST

START_TEST(if_range_wants_the_version_it_knows)
{
	char headers[160];

	status_of("PUT", NULL, "0123456789");
	snprintf(headers, sizeof headers, "Range: bytes=0-0\r\nIf-Range: %s\r\n", etag);
	ck_assert_uint_eq(status_of("GET", headers, NULL), 206);
	status_of("PUT", NULL, "9876543210");
	ck_assert_uint_eq(status_of("GET", headers, NULL), 200);
}
END_TEST

START_TEST(large_values_and_their_parts_are_exact)
{
	struct buf value = { 0 };
	const struct rawhttp_reply *reply;

	ck_assert_int_eq(buf_append_zeros(&value, 100001), KV_OK);
	for (int i = 0; i < 100000; i++)
		value.data[i] = (uint8_t)('a' + i % 26);
	ck_assert_uint_eq(status_of("PUT", NULL, (const char *)value.data), 201);
	reply = call("GET", "Range: bytes=50000-99999\r\n", NULL);
	ck_assert(slice_equal(buf_slice(&reply->body), slice_of(value.data + 50000, 50000)));
	reply = call("GET", NULL, NULL);
	ck_assert(slice_equal(buf_slice(&reply->body), slice_of(value.data, 100000)));
	buf_free(&value);
}
END_TEST

START_TEST(json_is_given_to_those_who_ask)
{
	char want[200];
	const struct rawhttp_reply *reply;

	status_of("PUT", NULL, "a\"b");
	snprintf(want, sizeof want, "{\"key\":\"key\",\"value\":\"a\\\"b\",\"etag\":\"\\\"1\\\"\"}\n");
	reply = call("GET", "Accept: application/json\r\n", NULL);
	ck_assert_str_eq(rawhttp_header(reply, "Content-Type"), "application/json");
	ck_assert_str_eq(rawhttp_header(reply, "ETag"), "\"1\"");
	ck_assert_str_eq(fake_server_text(reply), want);
}
END_TEST

static const struct {
	kv_status status;
	unsigned http;
} failures[] = { { KV_NO_SPACE, 507 }, { KV_BUSY, 503 }, { KV_IO, 503 }, { KV_CORRUPT, 500 }, { KV_UNCERTAIN, 500 } };

START_TEST(failures_of_the_store_have_their_status)
{
	fake_store_fail_writes(fake.store, failures[_i].status);
	ck_assert_uint_eq(status_of("PUT", NULL, "v"), failures[_i].http);
	ck_assert_uint_eq(status_of("DELETE", NULL, NULL), failures[_i].http);
	fake_store_fail_reads(fake.store, failures[_i].status);
	ck_assert_uint_eq(status_of("GET", NULL, NULL), failures[_i].http);
	ck_assert_uint_eq(status_of("PUT", "If-Match: \"1\", \"2\"\r\n", "v"), failures[_i].http);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_kv");
	TCase *tc = tcase_create("api_kv");

	tcase_add_checked_fixture(tc, fake_server_setup, fake_server_teardown);
	tcase_add_test(tc, put_tells_new_from_replaced_and_gives_the_etag);
	tcase_add_test(tc, the_key_is_the_rest_of_the_path);
	tcase_add_test(tc, a_put_without_length_is_refused);
	tcase_add_test(tc, if_none_match_saves_the_body);
	tcase_add_test(tc, conditional_writes_happen_only_when_they_may);
	tcase_add_test(tc, a_list_of_etags_holds_when_one_does);
	tcase_add_test(tc, conditions_that_make_no_sense_are_refused);
	tcase_add_test(tc, a_delete_of_what_must_not_be_there_deletes_nothing);
	tcase_add_test(tc, a_condition_where_none_is_looked_at_is_refused);
	tcase_add_test(tc, a_part_of_a_value_is_no_value);
	tcase_add_test(tc, ranges_give_a_part);
	tcase_add_test(tc, if_range_wants_the_version_it_knows);
	tcase_add_test(tc, large_values_and_their_parts_are_exact);
	tcase_add_test(tc, json_is_given_to_those_who_ask);
	tcase_add_loop_test(tc, failures_of_the_store_have_their_status, 0, sizeof failures / sizeof failures[0]);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
