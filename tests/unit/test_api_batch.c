/* SPDX-License-Identifier: BSD-2-Clause */
/* /v1/batch and /v1/mget over sockets and a real store. */
#include "support/fake_server.h"
#include "support/runner.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const struct rawhttp_reply *reply;

static unsigned call(const char *method, const char *target, const char *headers, const char *body)
{
	reply = fake_server_call(method, target, headers, body);
	return reply->status;
}

static unsigned post(const char *target, const char *body)
{
	return call("POST", target, NULL, body);
}

static const char *text(void)
{
	return fake_server_text(reply);
}

static void put(const char *key, const char *value)
{
	char target[100];

	snprintf(target, sizeof target, "/v1/kv/%s", key);
	ck_assert_uint_le(call("PUT", target, NULL, value), 204);
}

static const char *etag_of(const char *key)
{
	static char etag[64];
	char target[100];

	snprintf(target, sizeof target, "/v1/kv/%s", key);
	ck_assert_uint_eq(call("HEAD", target, NULL, NULL), 200);
	snprintf(etag, sizeof etag, "%s", rawhttp_header(reply, "ETag"));
	return etag;
}

/* The reply as JSON; the caller gives it up. */
static json_t *json(void)
{
	json_error_t error;
	json_t *value = json_loadb((const char *)reply->body.data, reply->body.len, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(value != NULL, "%s: %s", error.text, text());
	ck_assert_str_eq(rawhttp_header(reply, "Content-Type"), "application/json");
	return value;
}

START_TEST(a_batch_answers_each_operation)
{
	json_t *value, *results;
	char etag[64];

	put("old", "1");
	ck_assert_uint_eq(post("/v1/batch", "[{\"op\":\"check\",\"key\":\"old\",\"if_match\":\"*\"},"
		"{\"op\":\"put\",\"key\":\"new\",\"value\":\"2\"},"
		"{\"op\":\"delete\",\"key\":\"old\"},"
		"{\"op\":\"delete\",\"key\":\"never\"},"
		"{\"op\":\"check\",\"key\":\"never\",\"if_absent\":true}]"), 200);
	value = json();
	results = json_object_get(value, "results");
	ck_assert_uint_eq(json_array_size(results), 5);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(results, 0), "status")), 200);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(results, 1), "status")), 200);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(results, 2), "status")), 204);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(results, 3), "status")), 404);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(results, 4), "status")), 404);
	snprintf(etag, sizeof etag, "%s", json_string_value(json_object_get(json_array_get(results, 1), "etag")));
	json_decref(value);
	ck_assert_str_eq(etag_of("new"), etag);
	ck_assert_uint_eq(call("GET", "/v1/kv/old", NULL, NULL), 404);
}
END_TEST

START_TEST(a_condition_that_fails_is_named_and_nothing_is_written)
{
	char body[300];
	uint64_t before;

	put("k", "1");
	before = fake_store_changes(fake.store);
	snprintf(body, sizeof body, "[{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"},"
		"{\"op\":\"put\",\"key\":\"k\",\"value\":\"2\",\"if_match\":\"\\%.*s\\\"\"},"
		"{\"op\":\"check\",\"key\":\"a\",\"if_absent\":true}]", (int)strlen(etag_of("k")) - 1, etag_of("k"));
	ck_assert_uint_eq(post("/v1/batch", body), 412);
	ck_assert_str_eq(text(), "{\"error\":\"condition_failed\",\"message\":\"the condition of an operation does not hold\",\"index\":2}\n");
	ck_assert_uint_eq(fake_store_changes(fake.store), before);
	ck_assert_uint_eq(call("GET", "/v1/kv/a", NULL, NULL), 404);
	snprintf(body, sizeof body, "[{\"op\":\"put\",\"key\":\"k\",\"value\":\"2\",\"if_match\":\"\\%.*s\\\"\"}]",
		(int)strlen(etag_of("k")) - 1, etag_of("k"));
	ck_assert_uint_eq(post("/v1/batch", body), 200);
	ck_assert_uint_eq(post("/v1/batch", body), 412); /* the ETag is another one now */
}
END_TEST

/* Weak ones never match here, as in the header. */
START_TEST(an_etag_of_somebody_else_matches_nothing)
{
	static const char *const etags[] = { "\\\"xyz\\\"", "W/\\\"1\\\"", "\\\"0\\\"", "\\\"\\\"" };

	put("k", "1");
	for (size_t i = 0; i < sizeof etags / sizeof etags[0]; i++) {
		char body[200];

		for (const char *key = "k"; key; key = *key == 'k' ? "none" : NULL) {
			snprintf(body, sizeof body, "[{\"op\":\"put\",\"key\":\"%s\",\"value\":\"2\",\"if_match\":\"%s\"}]", key,
				etags[i]);
			ck_assert_msg(post("/v1/batch", body) == 412, "%s: %s", body, text());
		}
	}
	ck_assert_uint_eq(call("GET", "/v1/kv/k", NULL, NULL), 200);
	ck_assert_str_eq(text(), "1");
}
END_TEST

START_TEST(lines_need_their_content_type)
{
	static const char lines[] = "{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"}\n{\"op\":\"put\",\"key\":\"b\",\"value\":\"2\"}\n";

	ck_assert_uint_eq(post("/v1/batch", lines), 400);
	ck_assert_uint_eq(call("POST", "/v1/batch?durability=os", "Content-Type: application/x-ndjson; charset=utf-8\r\n", lines), 200);
	ck_assert_uint_eq(call("GET", "/v1/kv/b", NULL, NULL), 200);
	ck_assert_uint_eq(call("POST", "/v1/batch", "Content-Type: application/x-ndjson\r\n", "[]"), 400);
}
END_TEST

START_TEST(malformed_batches_tell_where_and_change_nothing)
{
	ck_assert_uint_eq(post("/v1/batch", "[{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"},{\"op\":\"put\",\"key\":\"b\"}]"), 400);
	ck_assert_str_eq(text(), "{\"error\":\"bad_request\",\"message\":\"there is neither 'value' nor 'value_b64'\",\"index\":1}\n");
	ck_assert_uint_eq(post("/v1/batch", ""), 400);
	ck_assert_ptr_null(strstr(text(), "index"));
	ck_assert_uint_eq(post("/v1/batch", "[null]"), 400);
	ck_assert_ptr_nonnull(strstr(text(), ",\"index\":0}"));
	ck_assert_uint_eq(call("POST", "/v1/batch", NULL, NULL), 400);
	ck_assert_uint_eq(post("/v1/batch?ttl=5s", "[]"), 400);
	ck_assert_uint_eq(post("/v1/batch?durability=x", "[]"), 400);
	ck_assert_uint_eq(call("PUT", "/v1/batch", NULL, "[]"), 405);
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
}
END_TEST

/* A batch of `count` puts of values of `size` bytes. */
static char *large_batch(unsigned count, int size)
{
	struct buf body = { 0 };

	ck_assert_int_eq(buf_append_byte(&body, '['), KV_OK);
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(buf_printf(&body, "%s{\"op\":\"put\",\"key\":\"k%u\",\"value\":\"%0*u\"}", i > 0 ? "," : "", i, size, i), KV_OK);
	ck_assert_int_eq(buf_append(&body, "]", 2), KV_OK);
	return (char *)body.data;
}

START_TEST(a_large_batch_goes_through_a_job)
{
	char *body = large_batch(20000, 20);

	ck_assert_uint_eq(post("/v1/batch", body), 200);
	json_decref(json());
	ck_assert_uint_eq(call("GET", "/v1/kv/k19999", NULL, NULL), 200);
	ck_assert_str_eq(text(), "00000000000000019999");
	body[strlen(body) - 1] = ',';
	ck_assert_uint_eq(post("/v1/batch", body), 400);
	ck_assert_ptr_nonnull(strstr(text(), "\"index\":20000"));
	free(body);
}
END_TEST

START_TEST(too_large_a_body_is_refused_with_the_option_that_says_so)
{
	char *body;

	fake_server_prepare();
	fake.options.max_batch_bytes = 10000;
	fake_server_start();
	body = large_batch(1000, 20);
	ck_assert_uint_eq(post("/v1/batch", body), 413);
	ck_assert_ptr_nonnull(strstr(text(), "max_batch_size, which is 10000 bytes"));
	ck_assert_uint_eq(fake_store_changes(fake.store), 0);
	free(body);
	for (unsigned i = 0; i < 3; i++) {
		body = large_batch(1, 5000);
		ck_assert_uint_eq(post("/v1/batch", body), 200);
		free(body);
	}
	ck_assert_uint_eq(post("/v1/mget", "[\"k0\"]"), 200);
	ck_assert_uint_eq(post("/v1/mget", "[\"k0\",\"k0\"]"), 413);
	ck_assert_ptr_nonnull(strstr(text(), "max_batch_size"));
	ck_assert_ptr_nonnull(strstr(text(), "\"index\":1"));
	fake_server_teardown();
}
END_TEST

/* ---- mget ---- */

START_TEST(mget_answers_in_order_with_null_for_what_is_not_there)
{
	char want[400], etag[64];

	put("a", "1");
	put("%ff", "%00");
	snprintf(etag, sizeof etag, "%s", etag_of("a"));
	ck_assert_uint_eq(post("/v1/mget", "[\"a\", \"none\", {\"key_b64\":\"/w==\"}, {\"key\":\"a\"}, \"a\"]"), 200);
	etag[strlen(etag) - 1] = '\0';
	snprintf(want, sizeof want, "{\"key\":\"a\",\"value\":\"1\",\"etag\":\"\\%s\\\"\"}", etag);
	ck_assert_msg(strncmp(text(), "{\"items\":[", 10) == 0, "%s", text());
	ck_assert_ptr_nonnull(strstr(text(), want));
	ck_assert_ptr_nonnull(strstr(text(), "},\nnull,\n{\"key_b64\":\"/w==\",\"value\":\"%00\""));
	json_decref(json());
	ck_assert_uint_eq(post("/v1/mget", " [ ] "), 200);
	ck_assert_str_eq(text(), "{\"items\":[]}\n");
}
END_TEST

START_TEST(mget_tells_expiry_and_leaves_out_what_is_large)
{
	char *large = large_batch(1, (1 << 20) + 1);

	fake_server_prepare();
	fake.options.max_value_bytes = 4 << 20;
	fake_server_start();
	ck_assert_uint_eq(call("PUT", "/v1/kv/e?expires=253402300799999", NULL, "v"), 201);
	ck_assert_uint_eq(call("PUT", "/v1/kv/gone?expires=1", NULL, "v"), 201);
	ck_assert_uint_eq(post("/v1/batch", large), 200);
	free(large);
	ck_assert_uint_eq(post("/v1/mget", "[\"e\",\"gone\",\"k0\"]"), 200);
	ck_assert_ptr_nonnull(strstr(text(), "\"expires\":253402300799999},\nnull,\n{\"key\":\"k0\",\"large\":1048577,\"etag\":"));
	fake_server_teardown();
}
END_TEST

START_TEST(malformed_lists_of_keys_are_refused)
{
	static const struct {
		const char *body, *says;
	} bad[] = {
		{ "", "not a JSON array" }, { "{}", "not a JSON array" }, { "[1]", "\"index\":0" }, { "[\"a\",]", "\"index\":1" },
		{ "[\"a\",\"\"]", "the key is empty" }, { "[{}]", "neither 'key' nor 'key_b64'" }, { "[{\"key\":\"a\",\"value\":1}]", "unknown member" },
		{ "[{\"key\":\"a\",\"key_b64\":\"YQ==\"}]", "both 'key'" }, { "[\"\xff\"]", "not JSON" }, { "[\"a\",1]", "\"index\":1" },
		{ "[\"a\"]]", "not a JSON array of strings and flat objects\"}" }, { "{}", "not a JSON array of strings and flat objects\"}" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ck_assert_msg(post("/v1/mget", bad[i].body) == 400, "%s", bad[i].body);
		ck_assert_msg(strstr(text(), bad[i].says) != NULL, "%s: %s", bad[i].body, text());
	}
	ck_assert_uint_eq(call("GET", "/v1/mget", NULL, NULL), 405);
}
END_TEST

START_TEST(mget_reads_many_keys_in_a_job_and_has_a_limit)
{
	char *body = large_batch(10000, 5);
	struct buf keys = { 0 };
	json_t *value;

	ck_assert_uint_eq(post("/v1/batch", body), 200);
	free(body);
	ck_assert_int_eq(buf_append_byte(&keys, '['), KV_OK);
	for (unsigned i = 0; i < 10000; i++)
		ck_assert_int_eq(buf_printf(&keys, "%s\"k%u\"", i > 0 ? "," : "", i), KV_OK);
	ck_assert_int_eq(buf_append(&keys, "]", 2), KV_OK);
	ck_assert_uint_eq(post("/v1/mget", (char *)keys.data), 200);
	value = json();
	ck_assert_uint_eq(json_array_size(json_object_get(value, "items")), 10000);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(value, "items"), 9999), "value")), "09999");
	json_decref(value);
	keys.len -= 2;
	ck_assert_int_eq(buf_append(&keys, ",\"k\"]", 6), KV_OK);
	ck_assert_uint_eq(post("/v1/mget", (char *)keys.data), 413);
	buf_free(&keys);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_batch");
	TCase *tcase = tcase_create("api_batch"), *alone = tcase_create("own options");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, fake_server_setup, fake_server_teardown);
	tcase_add_test(tcase, a_batch_answers_each_operation);
	tcase_add_test(tcase, a_condition_that_fails_is_named_and_nothing_is_written);
	tcase_add_test(tcase, an_etag_of_somebody_else_matches_nothing);
	tcase_add_test(tcase, lines_need_their_content_type);
	tcase_add_test(tcase, malformed_batches_tell_where_and_change_nothing);
	tcase_add_test(tcase, a_large_batch_goes_through_a_job);
	tcase_add_test(tcase, mget_answers_in_order_with_null_for_what_is_not_there);
	tcase_add_test(tcase, malformed_lists_of_keys_are_refused);
	tcase_add_test(tcase, mget_reads_many_keys_in_a_job_and_has_a_limit);
	tcase_add_test(alone, too_large_a_body_is_refused_with_the_option_that_says_so);
	tcase_add_test(alone, mget_tells_expiry_and_leaves_out_what_is_large);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, alone);
	return runner_run(suite);
}
