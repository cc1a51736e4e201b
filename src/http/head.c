/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names are looked up by length first, then without regard to case. A field that decides where a request ends or who may send it
 * must not come twice; for the others the last one counts.
 */
#define _GNU_SOURCE
#include "http/head.h"

#include <strings.h>

#define NAME(text) text, sizeof(text) - 1

static const struct {
	const char *name;
	size_t len;
	bool once;
} fields[HEAD_FIELD_COUNT] = {
	[HEAD_HOST] = { NAME("host"), true },
	[HEAD_ORIGIN] = { NAME("origin"), true },
	[HEAD_CONTENT_LENGTH] = { NAME("content-length"), true },
	[HEAD_CONTENT_TYPE] = { NAME("content-type"), true },
	[HEAD_TRANSFER_ENCODING] = { NAME("transfer-encoding"), true },
	[HEAD_AUTHORIZATION] = { NAME("authorization"), true },
	[HEAD_EXPECT] = { NAME("expect"), true },
	[HEAD_ACCEPT] = { NAME("accept"), false },
	[HEAD_RANGE] = { NAME("range"), true },
	[HEAD_IF_RANGE] = { NAME("if-range"), true },
	[HEAD_IF_MATCH] = { NAME("if-match"), true },
	[HEAD_IF_NONE_MATCH] = { NAME("if-none-match"), true },
	[HEAD_USER_AGENT] = { NAME("user-agent"), false },
	[HEAD_REFERER] = { NAME("referer"), false },
	[HEAD_COOKIE] = { NAME("cookie"), false },
	[HEAD_SEC_FETCH_SITE] = { NAME("sec-fetch-site"), true },
	[HEAD_LAST_EVENT_ID] = { NAME("last-event-id"), true },
	[HEAD_CONTENT_RANGE] = { NAME("content-range"), false },
};

/* Which of them have a name of that length: most lines are none of them, or need one comparison. */
#define BIT(field) (1u << (field))
static const unsigned fields_of_length[] = {
	[4] = BIT(HEAD_HOST),
	[5] = BIT(HEAD_RANGE),
	[6] = BIT(HEAD_ORIGIN) | BIT(HEAD_EXPECT) | BIT(HEAD_ACCEPT) | BIT(HEAD_COOKIE),
	[7] = BIT(HEAD_REFERER),
	[8] = BIT(HEAD_IF_RANGE) | BIT(HEAD_IF_MATCH),
	[10] = BIT(HEAD_USER_AGENT),
	[12] = BIT(HEAD_CONTENT_TYPE),
	[13] = BIT(HEAD_AUTHORIZATION) | BIT(HEAD_IF_NONE_MATCH) | BIT(HEAD_LAST_EVENT_ID) | BIT(HEAD_CONTENT_RANGE),
	[14] = BIT(HEAD_CONTENT_LENGTH) | BIT(HEAD_SEC_FETCH_SITE),
	[17] = BIT(HEAD_TRANSFER_ENCODING),
};

static const char sec_fetch[] = "sec-fetch-";

void head_clear(struct head *head)
{
	head->seen = 0;
	head->repeated = 0;
	head->malformed = false;
	head->body_bytes = 0;
	head->has_length = false;
	head->chunked = false;
}

static bool is_token(struct slice name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		uint8_t lower = c | 0x20;

		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') &&
			(c == '\0' || !strchr(others, c)))
			return false;
	}
	return name.len > 0;
}

static bool is_value(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if ((uint8_t)(c - 0x20) >= 0x7f - 0x20 && c < 0x80 && c != '\t')
			return false;
	}
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_blank(s.data[0])) {
		s.data++;
		s.len--;
	}
	return s;
}

static bool equal_nocase(struct slice s, const char *text, size_t len)
{
	return s.len == len && strncasecmp((const char *)s.data, text, len) == 0;
}

static int find_field(struct slice name)
{
	unsigned left = name.len < sizeof fields_of_length / sizeof fields_of_length[0] ? fields_of_length[name.len] : 0;

	for (; left != 0; left &= left - 1) {
		int i = __builtin_ctz(left);

		if (equal_nocase(name, fields[i].name, fields[i].len))
			return i;
	}
	if (name.len > sizeof sec_fetch - 1 &&
		strncasecmp((const char *)name.data, sec_fetch, sizeof sec_fetch - 1) == 0)
		return HEAD_SEC_FETCH_OTHER;
	return -1;
}

void head_add(struct head *head, struct slice name, struct slice value)
{
	int field;

	if (!is_token(name) || !is_value(value))
		head->malformed = true;
	field = find_field(name);
	if (field < 0)
		return;
	/* libmicrohttpd 0.9 does not see "chunked" in "chunked " and would read until the end of the connection */
	if (field == HEAD_TRANSFER_ENCODING && trim(value).len != value.len)
		head->malformed = true;
	head->repeated |= head->seen & 1u << field;
	head->seen |= 1u << field;
	head->value[field] = trim(value);
}

/* Digits only. What does not fit into 64 bits is as good as the largest number: far above every limit. */
static bool parse_length(struct slice text, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)text.data[i] - '0';

		if (digit > 9)
			return false;
		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
	}
	*ret = n;
	return text.len > 0;
}

static bool check_length(struct head *head, bool http_1_0, struct problem *problem)
{
	bool has_coding = head_has(head, HEAD_TRANSFER_ENCODING);

	head->has_length = head_has(head, HEAD_CONTENT_LENGTH);
	if (head->has_length && has_coding)
		return problem_set_close(problem, 400, "Content-Length together with Transfer-Encoding");
	if (head->has_length &&
		!parse_length(head->value[HEAD_CONTENT_LENGTH], &head->body_bytes))
		return problem_set_close(problem, 400, "Content-Length is not a number");
	if (!has_coding)
		return true;
	if (http_1_0)
		return problem_set_close(problem, 400, "Transfer-Encoding in HTTP/1.0");
	head->chunked = equal_nocase(head->value[HEAD_TRANSFER_ENCODING], NAME("chunked"));
	if (!head->chunked)
		return problem_set_close(problem, 501, "the only transfer coding here is 'chunked'");
	return true;
}

static bool check_host(const struct head *head, bool http_1_0, struct problem *problem)
{
	if (!head_has(head, HEAD_HOST))
		return http_1_0 || problem_set_close(problem, 400, "no Host");
	if (head->value[HEAD_HOST].len == 0)
		return problem_set_close(problem, 400, "Host is empty");
	return true;
}

bool head_check(struct head *head, bool http_1_0, struct problem *problem)
{
	if (head->malformed)
		return problem_set_close(problem, 400, "a header line has bytes that are not allowed there");
	for (int i = 0; i < HEAD_SEC_FETCH_OTHER && head->repeated != 0; i++)
		if (fields[i].once && (head->repeated >> i & 1) != 0)
			return problem_set_close(problem, 400, "header '%s' is given twice", fields[i].name);
	if (!check_host(head, http_1_0, problem) || !check_length(head, http_1_0, problem))
		return false;
	if (head_has(head, HEAD_EXPECT) &&
		!equal_nocase(head->value[HEAD_EXPECT], NAME("100-continue")))
		return problem_set_close(problem, 417, "the only expectation here is '100-continue'");
	return true;
}

/* ";q=0" among the parameters of an item: it is the one thing that is not wanted (RFC 9110, section 12.4.2). */
static bool is_refused(struct slice params)
{
	while (params.len > 0) {
		const uint8_t *end = memchr(params.data + 1, ';', params.len - 1);
		size_t len = end ? (size_t)(end - params.data) : params.len, at = 2;
		struct slice param = trim(slice_of(params.data + 1, len - 1));

		if (param.len > at && equal_nocase(slice_of(param.data, at), NAME("q="))) {
			while (at < param.len && (param.data[at] == '0' || (at == 3 && param.data[at] == '.')))
				at++;
			return at == param.len;
		}
		params = slice_of(params.data + len, params.len - len);
	}
	return false;
}

bool head_list_has(struct slice list, const char *word)
{
	size_t len = strlen(word);

	while (list.len > 0) {
		const uint8_t *comma = memchr(list.data, ',', list.len);
		size_t item_len = comma ? (size_t)(comma - list.data) : list.len;
		const uint8_t *params = memchr(list.data, ';', item_len);
		size_t word_len = params ? (size_t)(params - list.data) : item_len;

		if (equal_nocase(trim(slice_of(list.data, word_len)), word, len))
			return !is_refused(slice_of(list.data + word_len, (comma ? (size_t)(comma - list.data) : list.len) - word_len));
		item_len += comma != NULL;
		list = slice_of(list.data + item_len, list.len - item_len);
	}
	return false;
}

bool head_accepts_json(const struct head *head)
{
	return head_has(head, HEAD_ACCEPT) &&
		head_list_has(head->value[HEAD_ACCEPT], "application/json");
}

bool head_sends_ndjson(const struct head *head)
{
	return head_has(head, HEAD_CONTENT_TYPE) &&
		head_list_has(head->value[HEAD_CONTENT_TYPE], "application/x-ndjson");
}

bool head_accepts_ndjson(const struct head *head)
{
	return head_has(head, HEAD_ACCEPT) &&
		head_list_has(head->value[HEAD_ACCEPT], "application/x-ndjson");
}
