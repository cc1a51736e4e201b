/* SPDX-License-Identifier: BSD-2-Clause */
#include "http/jsonlist.h"
#include "base/buf.h"
#include "support/runner.h"

/* All items, each followed by a '~'; then "." for a whole text, "!" for a malformed one. Every read stays inside: the text is a
 * heap copy of its exact size. */
static const char *items_of(const char *text, size_t len, enum jsonlist_form form)
{
	static struct buf out;
	struct buf copy = { 0 };
	struct jsonlist list;
	struct slice item;
	kv_status status;

	buf_clear(&out);
	ck_assert_int_eq(buf_append(&copy, text, len), KV_OK);
	jsonlist_init(&list, buf_slice(&copy), form);
	while ((status = jsonlist_next(&list, &item)) == KV_OK) {
		ck_assert_int_eq(buf_append_slice(&out, item), KV_OK);
		ck_assert_int_eq(buf_append_byte(&out, '~'), KV_OK);
	}
	ck_assert(status == KV_NOT_FOUND || status == KV_INVALID);
	if (status == KV_NOT_FOUND) /* and stays so */
		ck_assert_int_eq(jsonlist_next(&list, &item), KV_NOT_FOUND);
	ck_assert_int_eq(buf_append(&out, status == KV_NOT_FOUND ? "." : "!", 2), KV_OK);
	buf_free(&copy);
	return (const char *)out.data;
}

static void check(enum jsonlist_form form, const char *text, const char *items)
{
	ck_assert_str_eq(items_of(text, strlen(text), form), items);
}

START_TEST(an_array_is_taken_apart)
{
	check(JSONLIST_ARRAY, "[]", ".");
	check(JSONLIST_ARRAY, " \r\n\t[ ] \n", ".");
	check(JSONLIST_ARRAY, "[\"a\"]", "\"a\"~.");
	check(JSONLIST_ARRAY, "[ \"a\" ,\n \"b\\\"]\" , {} ]", "\"a\"~\"b\\\"]\"~{}~.");
	check(JSONLIST_ARRAY, "[{\"a\":1,\"}\":\"[{\\\\\"},{\"b\":null}]", "{\"a\":1,\"}\":\"[{\\\\\"}~{\"b\":null}~.");
}
END_TEST

START_TEST(what_is_no_array_is_told_after_the_items_before)
{
	static const char *const bad[] = { "", " ", "{}", "\"a\"", "[", "[,]", "[\"a\"", "[\"a\",", "[\"a\",]", "[\"a\" \"b\"]", "[\"a\"]]",
		"[\"a\"],", "[\"a\"]x", "[1]", "[null]", "[[]]", "[[\"a\"]]", "[{]", "[{\"a\":{}}]", "[{\"a\":[]}]", "[{\"a\":1]", "[\"a]",
		"[\"a\\\"]", "[\"\\", "[{\"a", "[{\"a\\", "]", "[]]", "[][]", "\xef\xbb\xbf[]", "[\"a\",,\"b\"]" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *items = items_of(bad[i], strlen(bad[i]), JSONLIST_ARRAY);

		ck_assert_msg(items[strlen(items) - 1] == '!', "%s: %s", bad[i], items);
	}
	check(JSONLIST_ARRAY, "[\"a\",{\"b\":1},x]", "\"a\"~{\"b\":1}~!");
}
END_TEST

/* The index that is told of a text that is no list. */
static size_t fault_of(const char *text, enum jsonlist_form form)
{
	struct jsonlist list;
	struct slice item;
	kv_status status;

	jsonlist_init(&list, slice_of_string(text), form);
	do
		status = jsonlist_next(&list, &item);
	while (status == KV_OK);
	ck_assert_int_eq(status, KV_INVALID);
	return list.fault;
}

START_TEST(a_fault_is_that_of_an_item_or_of_none)
{
	static const struct {
		const char *text;
		size_t array, lines;
	} faults[] = {
		{ "{}x", SIZE_MAX, 0 }, { "1", SIZE_MAX, 0 }, { "[]x", SIZE_MAX, 0 }, { "[]]", SIZE_MAX, 0 }, { "[\"a\"", SIZE_MAX, 0 },
		{ "[\"a\" \"b\"]", SIZE_MAX, 0 }, { "[\"a\"]]", SIZE_MAX, 0 }, { "[1]", 0, 0 }, { "[{\"a\":{}}]", 0, 0 }, { "[", 0, 0 },
		{ "[,\"a\"]", 0, 0 }, { "[{\"a\"", 0, 0 }, { "[\"a\",1]", 1, 0 }, { "[\"a\",]", 1, 0 }, { "[\"a\",", 1, 0 },
		{ "\"a\"\n\n1", SIZE_MAX, 1 }, { "\"a\"\n\"b\" x\n", SIZE_MAX, 1 },
	};

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		ck_assert_msg(fault_of(faults[i].text, JSONLIST_ARRAY) == faults[i].array, "%s", faults[i].text);
		ck_assert_msg(fault_of(faults[i].text, JSONLIST_LINES) == faults[i].lines, "%s", faults[i].text);
	}
	ck_assert_uint_eq(fault_of("", JSONLIST_ARRAY), SIZE_MAX);
}
END_TEST

START_TEST(an_object_may_have_so_many_members)
{
	struct buf text = { 0 };

	ck_assert_int_eq(buf_append(&text, "{\"0\":0", 6), KV_OK);
	for (unsigned i = 1; i < JSONLIST_MEMBERS_MAX; i++)
		ck_assert_int_eq(buf_printf(&text, ",\"%u\":0", i), KV_OK);
	ck_assert_int_eq(buf_append(&text, "}", 1), KV_OK);
	ck_assert_ptr_nonnull(strstr(items_of((char *)text.data, text.len, JSONLIST_LINES), "~."));
	text.len--;
	ck_assert_int_eq(buf_append(&text, ",\"x\":0}", 7), KV_OK);
	ck_assert_str_eq(items_of((char *)text.data, text.len, JSONLIST_LINES), "!");
	buf_free(&text);
}
END_TEST

START_TEST(lines_are_items)
{
	check(JSONLIST_LINES, "", ".");
	check(JSONLIST_LINES, "\n\r\n \n", ".");
	check(JSONLIST_LINES, "{\"a\":1}\r\n\n  {\"b\":2} \n", "{\"a\":1}~{\"b\":2}~.");
	check(JSONLIST_LINES, "{\"a\":1}\n{\"b\":2}", "{\"a\":1}~{\"b\":2}~.");
	check(JSONLIST_LINES, "{\"a\":\n1}", "!");
	check(JSONLIST_LINES, "{\"a\":1}{\"b\":2}", "!");
	check(JSONLIST_LINES, "{\"a\":1},\n{\"b\":2}", "!");
	check(JSONLIST_LINES, "[{\"a\":1}]", "!");
	check(JSONLIST_LINES, "{\"a\":1}\n{\"b\"", "{\"a\":1}~!");
}
END_TEST

START_TEST(no_text_leads_out_of_it)
{
	static const char alphabet[] = "[]{},:\"\\ \na1";
	uint64_t rnd = runner_seed();
	char text[12];

	for (unsigned i = 0; i < 200000; i++) {
		size_t len = runner_random(&rnd) % (sizeof text + 1);

		for (size_t k = 0; k < len; k++)
			text[k] = alphabet[runner_random(&rnd) % (sizeof alphabet - 1)];
		items_of(text, len, i % 2 ? JSONLIST_ARRAY : JSONLIST_LINES);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("jsonlist");
	TCase *tcase = tcase_create("jsonlist");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, an_array_is_taken_apart);
	tcase_add_test(tcase, what_is_no_array_is_told_after_the_items_before);
	tcase_add_test(tcase, a_fault_is_that_of_an_item_or_of_none);
	tcase_add_test(tcase, an_object_may_have_so_many_members);
	tcase_add_test(tcase, lines_are_items);
	tcase_add_test(tcase, no_text_leads_out_of_it);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
