/* SPDX-License-Identifier: BSD-2-Clause */
/* Small grammars, read by hand: etag = [ "W/" ] DQUOTE *char DQUOTE; range = "bytes=" ( first "-" [ last ] | "-" suffix ). */
#define _GNU_SOURCE
#include "http/condition.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

void condition_etag(uint64_t version, char *ret)
{
	snprintf(ret, CONDITION_ETAG_SIZE, "\"%" PRIx64 "\"", version);
}

static struct slice skip(struct slice s, size_t n)
{
	return slice_of(s.data + n, s.len - n);
}

static struct slice skip_blanks(struct slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t' || s.data[0] == ','))
		s = skip(s, 1);
	return s;
}

bool condition_is_etag(struct slice text)
{
	if (slice_starts_with(text, slice_of_string("W/")))
		text = skip(text, 2);
	return text.len >= 2 && text.data[0] == '"' && memchr(text.data + 1, '"', text.len - 1) == text.data + text.len - 1;
}

bool condition_parse_etag(struct slice text, uint64_t *ret_version)
{
	uint64_t version = 0;

	if (text.len < 3 || text.len > 18 || text.data[0] != '"' || text.data[text.len - 1] != '"' ||
		text.data[1] == '0')
		return false;
	for (size_t i = 1; i < text.len - 1; i++) {
		uint8_t c = text.data[i];

		if (c >= '0' && c <= '9')
			version = version << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			version = version << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret_version = version;
	return true;
}

bool condition_matches(struct slice list, uint64_t version, bool weak)
{
	char own[CONDITION_ETAG_SIZE];

	condition_etag(version, own);
	list = skip_blanks(list);
	if (list.len > 0 && list.data[0] == '*')
		return skip_blanks(skip(list, 1)).len == 0;
	while (list.len > 0) {
		bool is_weak = slice_starts_with(list, slice_of_string("W/"));
		const uint8_t *end;
		size_t len;

		if (is_weak)
			list = skip(list, 2);
		end = list.len > 1 && list.data[0] == '"' ? memchr(list.data + 1, '"', list.len - 1) : NULL;
		if (!end)
			return false;
		len = (size_t)(end - list.data) + 1;
		if ((weak || !is_weak) && slice_equal(slice_of(list.data, len), slice_of_string(own)))
			return true;
		list = skip_blanks(skip(list, len));
	}
	return false;
}

/* Digits at the start of *s; larger numbers than fit become the largest. */
static bool take_number(struct slice *s, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < s->len && s->data[i] >= '0' && s->data[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(s->data[i] - '0');

		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
	}
	*s = skip(*s, i);
	*ret = n;
	return i > 0;
}

static enum condition_range suffix_range(struct slice text, uint64_t size, uint64_t *ret_first,
	uint64_t *ret_len)
{
	uint64_t suffix;

	if (!take_number(&text, &suffix) || text.len > 0)
		return CONDITION_RANGE_WHOLE;
	if (suffix == 0 || size == 0)
		return CONDITION_RANGE_UNSATISFIABLE;
	*ret_len = suffix < size ? suffix : size;
	*ret_first = size - *ret_len;
	return CONDITION_RANGE_PART;
}

enum condition_range condition_range(struct slice text, uint64_t size, uint64_t *ret_first,
	uint64_t *ret_len)
{
	uint64_t first;
	uint64_t last = UINT64_MAX;

	if (text.len < 6 || strncasecmp((const char *)text.data, "bytes=", 6) != 0)
		return CONDITION_RANGE_WHOLE;
	text = skip(text, 6);
	if (text.len > 0 && text.data[0] == '-')
		return suffix_range(skip(text, 1), size, ret_first, ret_len);
	if (!take_number(&text, &first) || text.len == 0 || text.data[0] != '-')
		return CONDITION_RANGE_WHOLE;
	text = skip(text, 1);
	if (text.len > 0 && (!take_number(&text, &last) || text.len > 0 || last < first))
		return CONDITION_RANGE_WHOLE;
	if (first >= size)
		return CONDITION_RANGE_UNSATISFIABLE;
	*ret_first = first;
	*ret_len = (last < size ? last + 1 : size) - first;
	return CONDITION_RANGE_PART;
}
