/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/token.h"
#include "http/tokens.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdio.h>

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct kv_error err;

static kv_status parse(const char *text, struct token_list *ret)
{
	return token_list_parse(slice_of_string(text), "tokens", ret, &err);
}

START_TEST(a_file_is_read_line_by_line)
{
	struct token_list list;

	ck_assert_int_eq(parse("# who may\n\n \t\na.b_c-d@e read - " DIGEST_A "\n  two\twrite  dXNlci8 " DIGEST_B " ", &list),
		KV_OK);
	ck_assert_uint_eq(list.count, 2);
	ck_assert_str_eq(list.items[0].name, "a.b_c-d@e");
	ck_assert_int_eq(list.items[0].role, ACCESS_READ);
	ck_assert_uint_eq(list.items[0].prefix.len, 0);
	ck_assert_uint_eq(list.items[0].digest[31], 0xaa);
	ck_assert_int_eq(list.items[1].role, ACCESS_WRITE);
	ck_assert(slice_equal(buf_slice(&list.items[1].prefix), slice_of_string("user/")));
	ck_assert_uint_eq(list.items[1].digest[1], 0x11);
	ck_assert_ptr_eq(token_list_named(&list, slice_of_string("two")), &list.items[1]);
	ck_assert_ptr_eq(token_list_find(&list, list.items[0].digest), &list.items[0]);
	token_list_free(&list);
	token_list_free(&list);
	ck_assert_int_eq(parse("", &list), KV_OK);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

static const struct {
	const char *text, *error;
} bad[] = {
	{ "a read -\n", "tokens:1: the digest must have 64" },
	{ "\n#\na\n", "tokens:3: the role must be" },
	{ "a! read - " DIGEST_A, "tokens:1: a name is" },
	{ "12345678901234567890123456789012345678901234567890123456789012345 read - " DIGEST_A, "tokens:1: a name is" },
	{ "a none - " DIGEST_A, "tokens:1: the role must be" },
	{ "a Read - " DIGEST_A, "tokens:1: the role must be" },
	{ "a read = " DIGEST_A, "tokens:1: the prefix must be" },
	{ "a read dXNlci8= " DIGEST_A, "tokens:1: the prefix must be" },
	{ "a read - " DIGEST_A "a", "tokens:1: the digest must have" },
	{ "a read - AAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "tokens:1: the digest must have" },
	{ "a read - " DIGEST_A "\r\n", "tokens:1: the digest must have" },
	{ "a read - " DIGEST_A " b", "tokens:1: there is something after" },
	{ "a admin dXNlci8 " DIGEST_A, "tokens:1: the role admin is for the whole" },
	{ "a read - " DIGEST_A "\na read - " DIGEST_B "\n", "tokens:2: there is another token of this name" },
	{ "a read - " DIGEST_A "\nb read - " DIGEST_A "\n", "tokens:2: there is another token with this digest" },
};

START_TEST(a_bad_line_is_told_with_its_number)
{
	struct token_list list = { 0 };

	ck_assert_int_eq(parse(bad[_i].text, &list), KV_INVALID);
	ck_assert_msg(strncmp(err.text, bad[_i].error, strlen(bad[_i].error)) == 0, "%s", err.text);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(a_cut_file_is_read_up_to_the_cut_or_refused)
{
	static const char text[] = "one read - " DIGEST_A "\ntwo write dXNlci8 " DIGEST_B "\n";

	for (size_t len = 0; len < sizeof text; len++) {
		struct token_list list = { 0 };

		if (token_list_parse(slice_of(text, len), "tokens", &list, &err) == KV_OK)
			ck_assert_uint_eq(list.count, (len >= 75) + (len >= sizeof text - 2));
		token_list_free(&list);
	}
}
END_TEST

START_TEST(a_prefix_and_their_number_have_a_limit)
{
	struct buf text = { 0 };
	struct token_list list;

	ck_assert_int_eq(buf_printf(&text, "a read "), KV_OK);
	for (int i = 0; i < 1368; i++)
		ck_assert_int_eq(buf_append_byte(&text, 'A'), KV_OK);
	ck_assert_int_eq(buf_printf(&text, " " DIGEST_A), KV_OK);
	ck_assert_int_eq(token_list_parse(buf_slice(&text), "tokens", &list, &err), KV_INVALID);
	ck_assert_str_eq(err.text, "tokens:1: the prefix is too long");
	buf_clear(&text);
	for (int i = 0; i <= TOKEN_COUNT_MAX; i++)
		ck_assert_int_eq(buf_printf(&text, "t%d read - %064d\n", i, i), KV_OK);
	ck_assert_int_eq(token_list_parse(buf_slice(&text), "tokens", &list, &err), KV_INVALID);
	ck_assert_str_eq(err.text, "tokens:4097: there are more than 4096 tokens");
	buf_free(&text);
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
	struct token token = { .name = "x", .role = ACCESS_WRITE };
	struct token_list list;
	struct buf text = { 0 };

	for (unsigned i = 0; i < 256; i++) {
		ck_assert_int_eq(buf_append_byte(&token.prefix, (uint8_t)i), KV_OK);
		token.digest[i % TOKEN_DIGEST_BYTES] = (uint8_t)(i * 7);
		buf_clear(&text);
		ck_assert_int_eq(token_format(&token, &text), KV_OK);
		ck_assert_int_eq(token_list_parse(buf_slice(&text), "tokens", &list, &err), KV_OK);
		ck_assert_uint_eq(list.count, 1);
		ck_assert(slice_equal(buf_slice(&list.items[0].prefix), buf_slice(&token.prefix)));
		ck_assert_mem_eq(list.items[0].digest, token.digest, TOKEN_DIGEST_BYTES);
		token_list_free(&list);
	}
	buf_free(&token.prefix);
	buf_free(&text);
}
END_TEST

START_TEST(a_token_has_its_mark_and_all_of_its_random_bytes)
{
	uint8_t random[TOKEN_RANDOM_BYTES] = { 0 };
	char text[TOKEN_TEXT_SIZE], other[TOKEN_TEXT_SIZE];
	uint8_t digest[TOKEN_DIGEST_BYTES];

	token_text(random, text);
	ck_assert_str_eq(text, "kv_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	for (unsigned i = 0; i < TOKEN_RANDOM_BYTES; i++) {
		random[i] = 1;
		token_text(random, other);
		ck_assert_str_ne(text, other);
		random[i] = 0;
	}
	ck_assert_int_eq(token_digest(slice_of_string("abc"), digest), KV_OK); /* FIPS 180-2, appendix B.1 */
	ck_assert_mem_eq(digest, "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c"
		"\xb4\x10\xff\x61\xf2\x00\x15\xad", TOKEN_DIGEST_BYTES);
}
END_TEST

START_TEST(every_failed_allocation_is_told_and_leaves_nothing)
{
	static const char text[] = "one read - " DIGEST_A "\ntwo write dXNlci8 " DIGEST_B "\n";
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		struct token_list list = { 0 };
		kv_status status;

		fault_alloc_fail(nth, false);
		status = token_list_parse(slice_of_string(text), "tokens", &list, &err);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, failed > 0 ? KV_NO_MEMORY : KV_OK);
		ck_assert_uint_eq(list.count, failed > 0 ? 0 : 2);
		token_list_free(&list);
	}
}
END_TEST

/* ---- the tokens in force ---- */

static struct tokens *tokens;
static struct token_memory memory;

/* One token of the text "kv_NAME". */
static void put_in_force(const char *name, const char *role_and_prefix)
{
	struct buf line = { 0 };
	struct token_list list;
	uint8_t digest[TOKEN_DIGEST_BYTES];
	char text[64];

	snprintf(text, sizeof text, "kv_%s", name);
	ck_assert_int_eq(token_digest(slice_of_string(text), digest), KV_OK);
	ck_assert_int_eq(buf_printf(&line, "%s %s ", name, role_and_prefix), KV_OK);
	for (int i = 0; i < TOKEN_DIGEST_BYTES; i++)
		ck_assert_int_eq(buf_printf(&line, "%02x", digest[i]), KV_OK);
	ck_assert_int_eq(token_list_parse(buf_slice(&line), "tokens", &list, &err), KV_OK);
	tokens_replace(tokens, &list);
	buf_free(&line);
}

static kv_status find(const char *header)
{
	return tokens_find(tokens, slice_of_string(header), &memory);
}

static void setup(void)
{
	tokens = tokens_new();
	ck_assert_ptr_nonnull(tokens);
	memset(&memory, 0, sizeof memory);
}

static void teardown(void)
{
	tokens = tokens_free(tokens);
	token_memory_free(&memory);
}

START_TEST(a_good_token_is_found_and_remembered)
{
	put_in_force("one", "write dXNlci8");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(find("Bearer kv_one"), KV_OK);
		ck_assert_int_eq(memory.access.role, ACCESS_WRITE);
		ck_assert(memory.access.by_token);
		ck_assert(slice_equal(memory.access.prefix, slice_of_string("user/")));
	}
	ck_assert_int_eq(find("bearer  kv_one"), KV_OK);
}
END_TEST

START_TEST(other_headers_are_not_good)
{
	static const char *const headers[] = { "", "Bearer", "Bearer ", "Bearer kv_on", "Bearer kv_onee", "kv_one",
		"Basic a3ZfOm9uZQ==", "Bearer kv_one x", "Bearer\tkv_one" };

	put_in_force("one", "read -");
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		ck_assert_msg(find(headers[i]) == KV_NOT_FOUND, "%s", headers[i]);
	ck_assert_int_eq(find("Bearer kv_one"), KV_OK);
	ck_assert_int_eq(find("Bearer kv_two"), KV_NOT_FOUND);
	ck_assert_int_eq(find("Bearer kv_two"), KV_NOT_FOUND);
}
END_TEST

START_TEST(a_reload_makes_every_memory_worthless)
{
	put_in_force("one", "write -");
	ck_assert_int_eq(find("Bearer kv_one"), KV_OK);
	put_in_force("one", "read -");
	ck_assert_int_eq(find("Bearer kv_one"), KV_OK);
	ck_assert_int_eq(memory.access.role, ACCESS_READ);
	put_in_force("two", "read -");
	ck_assert_int_eq(find("Bearer kv_one"), KV_NOT_FOUND);
	ck_assert_int_eq(find("Bearer kv_one"), KV_NOT_FOUND);
}
END_TEST

START_TEST(what_a_stream_goes_on_with_is_looked_at_again)
{
	put_in_force("one", "write dXNlci8");
	ck_assert_int_eq(find("Bearer kv_one"), KV_OK);
	ck_assert(tokens_still_good(tokens, &memory));
	put_in_force("one", "write dXNlci8");
	ck_assert(tokens_still_good(tokens, &memory));
	put_in_force("one", "read dXNlci8");
	ck_assert(!tokens_still_good(tokens, &memory));
	put_in_force("one", "write -");
	ck_assert(!tokens_still_good(tokens, &memory));
	put_in_force("two", "write dXNlci8");
	ck_assert(!tokens_still_good(tokens, &memory));
	ck_assert(slice_equal(memory.access.prefix, slice_of_string("user/")));
}
END_TEST

START_TEST(a_lookup_without_memory_is_told)
{
	uint64_t failed = 1;

	put_in_force("one", "write dXNlci8");
	for (uint64_t nth = 1; failed > 0; nth++) {
		kv_status status;

		token_memory_free(&memory);
		fault_alloc_fail(nth, false);
		status = find("Bearer kv_one");
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, failed > 0 ? KV_NO_MEMORY : KV_OK);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("token");
	TCase *tc = tcase_create("token");
	TCase *in_force = tcase_create("in force");

	tcase_add_test(tc, a_file_is_read_line_by_line);
	tcase_add_loop_test(tc, a_bad_line_is_told_with_its_number, 0, (int)(sizeof bad / sizeof bad[0]));
	tcase_add_test(tc, a_cut_file_is_read_up_to_the_cut_or_refused);
	tcase_add_test(tc, a_prefix_and_their_number_have_a_limit);
	tcase_add_test(tc, what_is_written_is_read_again);
	tcase_add_test(tc, a_token_has_its_mark_and_all_of_its_random_bytes);
	tcase_add_test(tc, every_failed_allocation_is_told_and_leaves_nothing);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(in_force, setup, teardown);
	tcase_add_test(in_force, a_good_token_is_found_and_remembered);
	tcase_add_test(in_force, other_headers_are_not_good);
	tcase_add_test(in_force, a_reload_makes_every_memory_worthless);
	tcase_add_test(in_force, what_a_stream_goes_on_with_is_looked_at_again);
	tcase_add_test(in_force, a_lookup_without_memory_is_told);
	suite_add_tcase(suite, in_force);
	return runner_run(suite);
}
