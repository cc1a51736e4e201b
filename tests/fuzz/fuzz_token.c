/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of tokens. A list that was read, written and read again is the same. */
#include "fuzz/fuzz.h"
#include "http/token.h"

static void check_same(const struct token_list *list)
{
	struct token_list again = { 0 };
	struct buf text = { 0 };

	for (size_t i = 0; i < list->count; i++)
		FUZZ_REQUIRE(token_format(&list->items[i], &text) == KV_OK);
	FUZZ_REQUIRE(token_list_parse(buf_slice(&text), "again", &again, NULL) == KV_OK);
	FUZZ_REQUIRE(again.count == list->count);
	for (size_t i = 0; i < list->count; i++) {
		const struct token *a = &list->items[i], *b = &again.items[i];

		FUZZ_REQUIRE(strcmp(a->name, b->name) == 0 && a->role == b->role);
		FUZZ_REQUIRE(slice_equal(buf_slice(&a->prefix), buf_slice(&b->prefix)));
		FUZZ_REQUIRE(memcmp(a->digest, b->digest, sizeof a->digest) == 0);
		FUZZ_REQUIRE(token_list_find(list, a->digest) == a);
		FUZZ_REQUIRE(token_list_named(list, slice_of_string(a->name)) == a);
	}
	token_list_free(&again);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size), rest = text;
	struct token_list list = { 0 };
	size_t bytes = 0;

	if (token_list_parse(text, "tokens", &list, NULL) == KV_OK) {
		check_same(&list);
		token_list_free(&list);
	}
	while (rest.len > 0) {
		struct slice line = token_next_line(&rest);

		FUZZ_REQUIRE(token_line_name(line).len <= line.len);
		bytes += line.len + 1;
	}
	FUZZ_REQUIRE(bytes == size || bytes == size + 1); /* the last newline may be missing */
	return 0;
}
