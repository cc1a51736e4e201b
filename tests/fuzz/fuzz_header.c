/* SPDX-License-Identifier: BSD-2-Clause */
/* The small grammars of headers and parameters: every line of the input is given to each of them, and to a second opinion where there is a simple
 * one. */
#define _GNU_SOURCE
#include "base/decimal.h"
#include "fuzz/fuzz.h"
#include "http/access.h"
#include "http/condition.h"
#include "http/duration.h"
#include "http/head.h"
#include "http/lifetime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 256 };

static void check_range(struct slice text, uint64_t size)
{
	uint64_t first = 0, len = 0;

	switch (condition_range(text, size, &first, &len)) {
	case CONDITION_RANGE_PART:
		FUZZ_REQUIRE(len >= 1 && first < size && len <= size - first);
		break;
	case CONDITION_RANGE_UNSATISFIABLE:
	case CONDITION_RANGE_WHOLE:
		break;
	}
}

static void check_etag(struct slice text)
{
	char again[CONDITION_ETAG_SIZE];
	uint64_t version = 0;

	(void)condition_matches(text, 0x1f, true);
	(void)condition_matches(text, 0x1f, false);
	if (!condition_parse_etag(text, &version))
		return;
	condition_etag(version, again);
	FUZZ_REQUIRE(slice_equal(text, slice_of_string(again)));
	FUZZ_REQUIRE(condition_matches(text, version, false) && !condition_matches(text, version + 1, true));
}

/* `text` is the content of `string`, up to a NUL. */
static bool only_digits(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return text.len > 0;
}

static void check_decimal(struct slice text, const char *string)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	struct slice digits = slice_of(text.data + negative, text.len - negative);
	bool good = only_digits(digits) && digits.len <= 19;
	uint64_t number = 0;
	int64_t integer = 0;

	FUZZ_REQUIRE(decimal_uint64(text, &number) == (good && !negative));
	if (good && !negative)
		FUZZ_REQUIRE(number == strtoull(string, NULL, 10));
	errno = 0;
	good = good && (strtoll(string, NULL, 10), errno == 0);
	FUZZ_REQUIRE(decimal_int64(text, &integer) == good);
	if (good)
		FUZZ_REQUIRE(integer == strtoll(string, NULL, 10));
}

static void check_times(struct slice text)
{
	uint64_t ms = 0, end = 0;
	char date[LIFETIME_DATE_SIZE];
	bool good = duration_parse(text, &ms);

	if (good)
		FUZZ_REQUIRE(ms >= 1 && text.len >= 2 && text.data[0] >= '0' && text.data[0] <= '9');
	if (lifetime_of_ttl(text, 1000, &end)) {
		FUZZ_REQUIRE(good && end == 1000 + ms && end <= LIFETIME_LAST_MS);
		FUZZ_REQUIRE(strlen(lifetime_date(end, date)) == 29);
	}
	if (lifetime_of_expires(text, &end))
		FUZZ_REQUIRE(end >= 1 && end <= LIFETIME_LAST_MS);
}

static void check_words(struct slice text)
{
	enum access_role role;

	(void)head_list_has(text, "application/json");
	if (access_role_of(text, &role))
		FUZZ_REQUIRE(slice_equal(text, slice_of_string(access_role_name(role))));
}

static void add_to_head(struct head *head, struct slice line)
{
	const uint8_t *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
	size_t len = colon ? (size_t)(colon - line.data) : line.len;

	head_add(head, slice_of(line.data, len), slice_of(line.data + len + (colon != NULL), line.len - len - (colon != NULL)));
}

static void check_head(struct head *head, bool http_1_0)
{
	struct problem problem = { 0 };

	if (!head_check(head, http_1_0, &problem)) {
		FUZZ_REQUIRE(problem.status >= 400 && problem.status < 600);
		return;
	}
	FUZZ_REQUIRE(!head->malformed && !(head->chunked && head->has_length));
	(void)head_accepts_json(head);
	(void)head_sends_ndjson(head);
	(void)head_accepts_ndjson(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size);
	struct head head;

	head_clear(&head);
	while (input.len > 0) {
		char string[LINE_MAX_BYTES] = "";
		struct slice line = fuzz_line(&input);

		add_to_head(&head, line);
		check_range(line, size);
		check_range(line, 0);
		check_range(line, UINT64_MAX);
		check_etag(line);
		check_times(line);
		check_words(line);
		if (line.len >= sizeof string)
			continue;
		memcpy(string, line.data, line.len);
		check_decimal(line, string);
	}
	check_head(&head, size % 2 != 0);
	return 0;
}
