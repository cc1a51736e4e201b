/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/urlkey.h"

#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>

static bool decodes(const char *raw, bool plus, const void *want, size_t want_len)
{
	uint8_t bytes[64];
	size_t len = strlen(raw);

	memcpy(bytes, raw, len);
	return urlkey_decode(bytes, len, plus, &len) && len == want_len && memcmp(bytes, want, len) == 0;
}

START_TEST(every_byte_round_trips)
{
	for (unsigned c = 0; c < 256; c++) {
		uint8_t upper[3], lower[3], byte = (uint8_t)c;
		char text[4];

		snprintf(text, sizeof text, "%%%02X", c);
		memcpy(upper, text, 3);
		snprintf(text, sizeof text, "%%%02x", c);
		memcpy(lower, text, 3);
		ck_assert(decodes((char[]){ (char)upper[0], (char)upper[1], (char)upper[2], 0 }, false, &byte, 1));
		ck_assert(decodes((char[]){ (char)lower[0], (char)lower[1], (char)lower[2], 0 }, true, &byte, 1));
	}
}
END_TEST

START_TEST(decoding_happens_once)
{
	ck_assert(decodes("%2541", false, "%41", 3));
	ck_assert(decodes("%25%34%31", false, "%41", 3));
	ck_assert(decodes("%252525", false, "%2525", 5));
}
END_TEST

START_TEST(nothing_is_normalised)
{
	ck_assert(decodes("a//b/../c%2F%2e", false, "a//b/../c/.", 11));
}
END_TEST

START_TEST(plus_is_a_space_only_in_a_query)
{
	ck_assert(decodes("a+b%2B", true, "a b+", 4));
	ck_assert(decodes("a+b%2B", false, "a+b+", 4));
}
END_TEST

START_TEST(cut_and_wrong_escapes_are_refused)
{
	static const char *const wrong[] = { "%", "a%", "%4", "a%4", "%zz", "%4g", "%g4", "%%41", "% 41", "%+1" };

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_msg(!decodes(wrong[i], false, "", 0), "%s", wrong[i]);
}
END_TEST

static struct problem problem;
static uint8_t query[128];

static bool parse(const char *text, struct urlkey_param *params, size_t count)
{
	size_t len = strlen(text);

	memcpy(query, text, len);
	problem.status = 0;
	return urlkey_query(query, len, params, count, &problem);
}

static bool is(struct urlkey_param param, const char *want)
{
	return param.present && slice_equal(param.value, slice_of_string(want));
}

START_TEST(a_query_is_taken_apart)
{
	struct urlkey_param params[] = { { .name = "key" }, { .name = "value" } };

	ck_assert(parse("value=a=b%26c+d&&key=%6bey&", params, 2));
	ck_assert(is(params[0], "key"));
	ck_assert(is(params[1], "a=b&c d"));
}
END_TEST

START_TEST(names_are_decoded_too)
{
	struct urlkey_param params[] = { { .name = "key" } };

	ck_assert(parse("%6b%65y=1", params, 1));
	ck_assert(is(params[0], "1"));
}
END_TEST

START_TEST(empty_and_absent_are_different)
{
	struct urlkey_param params[] = { { .name = "key" }, { .name = "value" }, { .name = "flag" } };

	ck_assert(parse("value=&flag", params, 3));
	ck_assert(!params[0].present);
	ck_assert(is(params[1], ""));
	ck_assert(is(params[2], ""));
}
END_TEST

START_TEST(unknown_and_repeated_parameters_are_named)
{
	struct urlkey_param once[] = { { .name = "key" } };
	struct urlkey_param twice[] = { { .name = "key" } };

	ck_assert(!parse("key=1&vaule=2", once, 1));
	ck_assert_uint_eq(problem.status, 400);
	ck_assert_str_eq(problem.text, "unknown parameter 'vaule'");
	ck_assert(!parse("key=1&key=1", twice, 1));
	ck_assert_str_eq(problem.text, "parameter 'key' is given twice");
}
END_TEST

START_TEST(a_wrong_escape_in_a_query_closes_the_connection)
{
	struct urlkey_param params[] = { { .name = "key" } };

	ck_assert(!parse("key=%zz", params, 1));
	ck_assert_uint_eq(problem.status, 400);
	ck_assert(problem.close);
	ck_assert(!parse("%zz=1", params, 1));
	ck_assert(!parse("key=1&%", params, 1));
}
END_TEST

START_TEST(controls_and_spaces_make_a_target_unclean)
{
	for (unsigned c = 0; c < 256; c++) {
		uint8_t target[] = { '/', 'a', (uint8_t)c };

		ck_assert_int_eq(urlkey_target_is_clean(slice_of(target, 3)), c > 0x20 && c != 0x7f);
	}
}
END_TEST

START_TEST(an_escape_that_is_not_whole_is_seen_anywhere)
{
	static const char *const whole[] = { "", "/", "/%00", "/%fF%41x?%20=%25", "/a%2f" };
	static const char *const broken[] = { "/%", "/%4", "/%4g", "/%g4", "/%00%", "/a?b=%zz", "/%%41", "/%41%4" };

	for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
		ck_assert_msg(urlkey_escapes_are_whole(slice_of_string(whole[i])), "%s", whole[i]);
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
		ck_assert_msg(!urlkey_escapes_are_whole(slice_of_string(broken[i])), "%s", broken[i]);
}
END_TEST

/* Wherever it is: whole words are looked at in another way than what is left of them. */
START_TEST(every_byte_is_seen_at_every_place)
{
	for (unsigned c = 0; c < 256; c++) {
		for (size_t at = 0; at < 27; at++) {
			uint8_t target[27], text[27];
			size_t len = 0;

			memset(target, '~', sizeof target);
			target[at] = (uint8_t)c;
			ck_assert_int_eq(urlkey_target_is_clean(slice_of(target, sizeof target)), c > 0x20 && c != 0x7f);
			memcpy(text, target, sizeof text);
			ck_assert_int_eq(urlkey_decode(text, sizeof text, true, &len), c != '%');
			if (c == '%')
				continue;
			if (c == '+')
				target[at] = ' ';
			ck_assert(slice_equal(slice_of(text, len), slice_of(target, sizeof target)));
			memset(text, 0xa1, sizeof text); /* an escape among bytes above 0x7f */
			memset(target, 0xa1, sizeof target);
			target[at] = 'A';
			if (at <= sizeof text - 3) {
				memcpy(text + at, "%41", 3);
				ck_assert(urlkey_decode(text, sizeof text, false, &len));
				ck_assert(slice_equal(slice_of(text, len), slice_of(target, sizeof target - 2)));
			}
		}
	}
}
END_TEST

START_TEST(random_bytes_survive_encoding_and_decoding)
{
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 5000; round++) {
		uint8_t want[20], text[61];
		size_t len = runner_random(&rnd) % 20, at = 0;

		for (size_t i = 0; i < len; i++) {
			char hex[4];

			want[i] = (uint8_t)(runner_random(&rnd) >> 56);
			snprintf(hex, sizeof hex, "%%%02x", want[i]);
			memcpy(text + at, hex, 3);
			at += 3;
		}
		ck_assert(urlkey_decode(text, at, round % 2, &at));
		ck_assert(slice_equal(slice_of(text, at), slice_of(want, len)));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("urlkey");
	TCase *tc = tcase_create("urlkey");

	tcase_add_test(tc, every_byte_round_trips);
	tcase_add_test(tc, decoding_happens_once);
	tcase_add_test(tc, nothing_is_normalised);
	tcase_add_test(tc, plus_is_a_space_only_in_a_query);
	tcase_add_test(tc, cut_and_wrong_escapes_are_refused);
	tcase_add_test(tc, a_query_is_taken_apart);
	tcase_add_test(tc, names_are_decoded_too);
	tcase_add_test(tc, empty_and_absent_are_different);
	tcase_add_test(tc, unknown_and_repeated_parameters_are_named);
	tcase_add_test(tc, a_wrong_escape_in_a_query_closes_the_connection);
	tcase_add_test(tc, controls_and_spaces_make_a_target_unclean);
	tcase_add_test(tc, an_escape_that_is_not_whole_is_seen_anywhere);
	tcase_add_test(tc, every_byte_is_seen_at_every_place);
	tcase_add_test(tc, random_bytes_survive_encoding_and_decoding);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
