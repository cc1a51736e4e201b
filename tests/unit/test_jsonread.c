/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/jsonread.h"

#include "http/base64.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

static struct problem problem;
static struct buf decoded;

static void teardown(void)
{
	buf_free(&decoded);
}

static json_t *parse(const char *text)
{
	json_t *value = NULL;

	ck_assert_msg(jsonread_parse(slice_of_string(text), &value, &problem) == KV_OK, "%s", text);
	return value;
}

START_TEST(only_whole_json_is_parsed)
{
	static const char *const bad[] = { "", "{", "{}x", "{\"a\":1,\"a\":2}", "{a:1}", "{'a':1}", "{\"a\":01}", "{\"a\":1,}", "\"\x01\"",
		"\"\xff\"", "\"\\ud800\"", "\"\xed\xa0\x80\"", "nul", "{\"a\":1e999}", "{\"a\":9223372036854775808}", "{\"a\\u0000b\":1}" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		json_t *value = NULL;

		ck_assert_msg(jsonread_parse(slice_of_string(bad[i]), &value, &problem) == KV_INVALID, "%s", bad[i]);
		ck_assert_ptr_null(value);
		ck_assert_uint_eq(problem.status, 400);
	}
	json_decref(parse("{\"a\":\"\\u0000\",\"b\":true}"));
	json_decref(parse("\"text\""));
}
END_TEST

START_TEST(unknown_members_are_named_as_plain_text)
{
	static const char *const names[] = { "key", "value", NULL };
	json_t *good = parse("{\"value\":1,\"key\":2}"), *bad = parse("{\"key\":1,\"sch\xc3\xb6n\":2}"), *text = parse("\"key\"");

	ck_assert_int_eq(jsonread_check(good, names, &problem), KV_OK);
	ck_assert_int_eq(jsonread_check(bad, names, &problem), KV_INVALID);
	ck_assert_str_eq(problem.text, "unknown member 'sch..n'");
	ck_assert_int_eq(jsonread_check(text, names, &problem), KV_INVALID);
	json_decref(good);
	json_decref(bad);
	json_decref(text);
}
END_TEST

static kv_status bytes_of(const char *object, struct slice *ret)
{
	static json_t *value;

	json_decref(value);
	value = parse(object);
	return jsonread_bytes(value, "key", &decoded, ret, &problem);
}

START_TEST(bytes_are_text_or_base64_and_not_both)
{
	static const char *const bad[] = { "{\"key\":1}", "{\"key\":null}", "{\"key_b64\":1}", "{\"key\":\"a\",\"key_b64\":\"YQ==\"}",
		"{\"key\":\"a\",\"key_b64\":\"!\"}", "{\"key_b64\":\"YQ\"}", "{\"key_b64\":\"YQ=\"}", "{\"key_b64\":\"YQ===\"}",
		"{\"key_b64\":\"Y===\"}", "{\"key_b64\":\"====\"}", "{\"key_b64\":\"YR==\"}", "{\"key_b64\":\"YQ==YQ==\"}",
		"{\"key_b64\":\" YQ==\"}", "{\"key_b64\":\"_-==\"}", "{\"key_b64\":\"YQ==\\n\"}", "{\"key_b64\":\"YQ\\u0000=\"}" };
	struct slice got = slice_of("old", 3);

	ck_assert_int_eq(bytes_of("{}", &got), KV_NOT_FOUND);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(bytes_of(bad[i], &got) == KV_INVALID, "%s", bad[i]);
	ck_assert(slice_equal(got, slice_of("old", 3)));
	ck_assert_int_eq(bytes_of("{\"key\":\"a\\u0000\\u00e9\"}", &got), KV_OK);
	ck_assert(slice_equal(got, slice_of("a\0\xc3\xa9", 4)));
	ck_assert_int_eq(bytes_of("{\"key_b64\":\"AP9B\"}", &got), KV_OK);
	ck_assert(slice_equal(got, slice_of("\0\xff" "A", 3)));
	ck_assert_int_eq(bytes_of("{\"key_b64\":\"+/8=\"}", &got), KV_OK);
	ck_assert(slice_equal(got, slice_of("\xfb\xff", 2)));
	ck_assert_int_eq(bytes_of("{\"key_b64\":\"\"}", &got), KV_OK);
	ck_assert_uint_eq(got.len, 0);
}
END_TEST

START_TEST(base64_of_any_bytes_comes_back)
{
	uint64_t rnd = runner_seed();
	uint8_t from[64], text[96], back[80];

	for (unsigned i = 0; i < 20000; i++) {
		enum base64_form form = i % 2 ? BASE64_STANDARD : BASE64_URL;
		size_t len = runner_random(&rnd) % (sizeof from + 1), text_len, back_len;

		for (size_t k = 0; k < len; k++)
			from[k] = (uint8_t)runner_random(&rnd);
		text_len = base64_encode(text, slice_of(from, len), form);
		ck_assert(base64_decode(back, slice_of(text, text_len), form, &back_len));
		ck_assert(slice_equal(slice_of(back, back_len), slice_of(from, len)));
	}
}
END_TEST

START_TEST(each_member_has_its_type)
{
	json_t *object = parse("{\"s\":\"text\",\"t\":true,\"f\":false,\"n\":9223372036854775807,\"m\":-1,\"r\":1.0,\"z\":null}");
	struct slice text;
	uint64_t number = 7;
	bool flag = false;

	ck_assert_int_eq(jsonread_string(object, "s", &text, &problem), KV_OK);
	ck_assert(slice_equal(text, slice_of_string("text")));
	ck_assert_int_eq(jsonread_string(object, "none", &text, &problem), KV_NOT_FOUND);
	ck_assert_int_eq(jsonread_string(object, "t", &text, &problem), KV_INVALID);
	ck_assert_str_eq(problem.text, "member 't' is not a string");
	ck_assert_int_eq(jsonread_bool(object, "t", &flag, &problem), KV_OK);
	ck_assert(flag);
	ck_assert_int_eq(jsonread_bool(object, "f", &flag, &problem), KV_OK);
	ck_assert(!flag);
	ck_assert_int_eq(jsonread_bool(object, "n", &flag, &problem), KV_INVALID);
	ck_assert_int_eq(jsonread_bool(object, "z", &flag, &problem), KV_INVALID);
	ck_assert_int_eq(jsonread_uint64(object, "m", &number, &problem), KV_INVALID);
	ck_assert_int_eq(jsonread_uint64(object, "r", &number, &problem), KV_INVALID);
	ck_assert_int_eq(jsonread_uint64(object, "s", &number, &problem), KV_INVALID);
	ck_assert_uint_eq(number, 7);
	ck_assert_int_eq(jsonread_uint64(object, "n", &number, &problem), KV_OK);
	ck_assert_uint_eq(number, INT64_MAX);
	json_decref(object);
}
END_TEST

START_TEST(without_memory_nothing_is_read_and_nothing_lost)
{
	static const char text[] = "{\"op\":\"put\",\"key_b64\":\"AAECAwQFBgcICQ==\",\"value\":\"some text\\u0000\"}";
	kv_status status;
	uint64_t nth = 0;

	do {
		json_t *value = NULL;
		struct slice key;

		buf_free(&decoded);
		fault_alloc_fail(++nth, false);
		status = jsonread_parse(slice_of_string(text), &value, &problem);
		if (status == KV_OK)
			status = jsonread_bytes(value, "key", &decoded, &key, &problem);
		json_decref(value);
		fault_alloc_fail(0, false);
		ck_assert_msg(status == KV_OK || status == KV_NO_MEMORY, "allocation %u: %s", (unsigned)nth, problem.text);
	} while (status != KV_OK);
	ck_assert_uint_gt(nth, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("jsonread");
	TCase *tcase = tcase_create("jsonread");

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, only_whole_json_is_parsed);
	tcase_add_test(tcase, unknown_members_are_named_as_plain_text);
	tcase_add_test(tcase, bytes_are_text_or_base64_and_not_both);
	tcase_add_test(tcase, base64_of_any_bytes_comes_back);
	tcase_add_test(tcase, each_member_has_its_type);
	tcase_add_test(tcase, without_memory_nothing_is_read_and_nothing_lost);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
