/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/jsontext.h"

#include "support/runner.h"

#include <jansson.h>

static struct buf out;

static const char *string(const void *data, size_t len)
{
	buf_clear(&out);
	ck_assert_int_eq(jsontext_string(&out, slice_of(data, len)), KV_OK);
	ck_assert_int_eq(buf_append_byte(&out, 0), KV_OK);
	return (const char *)out.data;
}

static const char *member(const void *data, size_t len)
{
	buf_clear(&out);
	ck_assert_int_eq(jsontext_bytes(&out, "key", slice_of(data, len)), KV_OK);
	ck_assert_int_eq(buf_append_byte(&out, 0), KV_OK);
	return (const char *)out.data;
}

START_TEST(strings_are_escaped)
{
	ck_assert_str_eq(string("plain", 5), "\"plain\"");
	ck_assert_str_eq(string("", 0), "\"\"");
	ck_assert_str_eq(string("a\"b\\c\n\r\t\0\x1f\x7f", 11), "\"a\\\"b\\\\c\\n\\r\\t\\u0000\\u001f\\u007f\"");
	ck_assert_str_eq(string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	buf_free(&out);
}
END_TEST

START_TEST(bytes_that_are_no_text_become_base64)
{
	ck_assert_str_eq(member("a", 1), "\"key\":\"a\"");
	ck_assert_str_eq(member("\xff", 1), "\"key_b64\":\"/w==\"");
	ck_assert_str_eq(member("\xff\x00", 2), "\"key_b64\":\"/wA=\"");
	ck_assert_str_eq(member("\xff\x00\x01", 3), "\"key_b64\":\"/wAB\"");
	buf_free(&out);
}
END_TEST

START_TEST(only_well_formed_utf8_is_text)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool good;
	} cases[] = {
		{ "\x7f", 1, true }, { "\x80", 1, false }, { "\xc0\x80", 2, false }, { "\xc1\xbf", 2, false },
		{ "\xc2\x80", 2, true }, { "\xdf\xbf", 2, true }, { "\xc2", 1, false }, { "\xe0\x9f\xbf", 3, false },
		{ "\xe0\xa0\x80", 3, true }, { "\xed\x9f\xbf", 3, true }, { "\xed\xa0\x80", 3, false },
		{ "\xee\x80\x80", 3, true }, { "\xe2\x82", 2, false }, { "\xf0\x8f\xbf\xbf", 4, false },
		{ "\xf0\x90\x80\x80", 4, true }, { "\xf4\x8f\xbf\xbf", 4, true }, { "\xf4\x90\x80\x80", 4, false },
		{ "\xf5\x80\x80\x80", 4, false }, { "a\xc3\xa9z", 4, true }, { "a\xc3z", 3, false },
		{ "\xe0\x80\xaf", 3, false }, { "\xf0\x80\x80\xaf", 4, false }, /* overlong */
		{ "\xed\xbf\xbf", 3, false }, { "\xed\xa0\x80\xed\xb0\x80", 6, false }, /* surrogates, a pair too */
		{ "\xef\xb7\x90", 3, true }, { "\xef\xbf\xbe", 3, true }, { "\xef\xbf\xbf", 3, true }, /* noncharacters */
		{ "\xf0\x9f\xbf\xbf", 4, true }, { "\xf0\x90\x80", 3, false }, { "\xff", 1, false }, { "\x00", 1, true },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_msg(jsontext_is_utf8(slice_of(cases[i].bytes, cases[i].len)) == cases[i].good, "case %zu", i);
}
END_TEST

START_TEST(a_parser_reads_back_what_was_text)
{
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 3000; round++) {
		uint8_t bytes[12];
		size_t len = runner_random(&rnd) % 12;
		json_t *parsed;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(runner_random(&rnd) >> (round % 2 ? 56 : 57));
		if (!jsontext_is_utf8(slice_of(bytes, len)))
			continue;
		buf_clear(&out);
		ck_assert_int_eq(jsontext_string(&out, slice_of(bytes, len)), KV_OK);
		parsed = json_loadb((const char *)out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		ck_assert_ptr_nonnull(parsed);
		ck_assert(slice_equal(slice_of(json_string_value(parsed), json_string_length(parsed)),
			slice_of(bytes, len)));
		json_decref(parsed);
	}
	buf_free(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("jsontext");
	TCase *tc = tcase_create("jsontext");

	tcase_add_test(tc, strings_are_escaped);
	tcase_add_test(tc, bytes_that_are_no_text_become_base64);
	tcase_add_test(tc, only_well_formed_utf8_is_text);
	tcase_add_test(tc, a_parser_reads_back_what_was_text);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
