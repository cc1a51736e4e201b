/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding never makes text longer, so the result overwrites what it came from:
 *   query  = [ pair *( "&" pair ) ]
 *   pair   = name [ "=" value ]          empty pairs are skipped
 */
#define _GNU_SOURCE
#include "http/urlkey.h"

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte of the escape at data[at]; -1 when it is none. */
static int escaped_byte(const uint8_t *data, size_t len, size_t at)
{
	int high;
	int low;

	if (len - at < 3)
		return -1;
	high = hex_digit(data[at + 1]);
	low = hex_digit(data[at + 2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/*
 * Eight bytes at a time, by arithmetic on a word (Mycroft 1987): not 0 when one of them is zero (below `limit`, at most 128). Which one, and
 * how the machine orders them, does not matter here.
 */
#define EACH_BYTE UINT64_C(0x0101010101010101)

static uint64_t has_byte_below(uint64_t word, uint8_t limit)
{
	return (word - EACH_BYTE * limit) & ~word & EACH_BYTE * 0x80;
}

static uint64_t has_byte(uint64_t word, uint8_t byte)
{
	return has_byte_below(word ^ EACH_BYTE * byte, 1);
}

static uint64_t word_at(const uint8_t *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof word);
	return word;
}

/* Bytes at the beginning, in words, that decoding leaves as they are. */
static size_t skip_plain(const uint8_t *data, size_t len, bool plus_is_space)
{
	size_t at = 0;

	while (len - at >= sizeof(uint64_t)) {
		uint64_t word = word_at(data + at);

		if ((has_byte(word, '%') | (plus_is_space ? has_byte(word, '+') : 0)) != 0)
			break;
		at += sizeof word;
	}
	return at;
}

bool urlkey_decode(uint8_t *data, size_t len, bool plus_is_space, size_t *ret_len)
{
	size_t out = skip_plain(data, len, plus_is_space);

	for (size_t in = out; in < len; in++) {
		uint8_t c = data[in];

		if (c == '%') {
			int byte = escaped_byte(data, len, in);

			if (byte < 0)
				return false;
			c = (uint8_t)byte;
			in += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		data[out++] = c;
	}
	*ret_len = out;
	return true;
}

static struct urlkey_param *find_param(struct urlkey_param *params, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal(slice_of_string(params[i].name), name))
			return &params[i];
	return NULL;
}

/* A name as it may be shown: cut, and anything but plain ASCII as a dot. */
static const char *printable(struct slice name, char *to, size_t size)
{
	size_t n = name.len < size - 1 ? name.len : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = name.data[i] >= 0x20 && name.data[i] < 0x7f ? (char)name.data[i] : '.';
	to[n] = '\0';
	return to;
}

static bool take_pair(uint8_t *pair, size_t len, struct urlkey_param *params, size_t count,
	struct problem *problem)
{
	uint8_t *equals = memchr(pair, '=', len);
	size_t name_len = equals ? (size_t)(equals - pair) : len;
	uint8_t *value = equals ? equals + 1 : pair + len;
	size_t value_len = len - (size_t)(value - pair);
	struct urlkey_param *param;
	char shown[64];

	if (!urlkey_decode(pair, name_len, true, &name_len) ||
		!urlkey_decode(value, value_len, true, &value_len))
		return problem_set_close(problem, 400, "'%%' in the query is not followed by two hex digits");
	param = find_param(params, count, slice_of(pair, name_len));
	if (!param)
		return problem_set(problem, 400, "unknown parameter '%s'",
			printable(slice_of(pair, name_len), shown, sizeof shown));
	if (param->present)
		return problem_set(problem, 400, "parameter '%s' is given twice", param->name);
	param->present = true;
	param->value = slice_of(value, value_len);
	return true;
}

bool urlkey_query(uint8_t *query, size_t len, struct urlkey_param *params, size_t count,
	struct problem *problem)
{
	uint8_t *pos = query;
	uint8_t *end = query + len;

	while (pos < end) {
		uint8_t *amp = memchr(pos, '&', (size_t)(end - pos));
		uint8_t *pair_end = amp ? amp : end;

		if (pair_end > pos &&
			!take_pair(pos, (size_t)(pair_end - pos), params, count, problem))
			return false;
		pos = amp ? amp + 1 : end;
	}
	return true;
}

bool urlkey_target_is_clean(struct slice target)
{
	size_t i = 0;

	for (; target.len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t word = word_at(target.data + i);

		if ((has_byte_below(word, 0x21) | has_byte(word, 0x7f)) != 0)
			return false;
	}
	for (; i < target.len; i++)
		if (target.data[i] <= 0x20 || target.data[i] == 0x7f)
			return false;
	return true;
}

bool urlkey_escapes_are_whole(struct slice target)
{
	const uint8_t *at = target.data, *end = target.data + target.len;

	while (at < end && (at = memchr(at, '%', (size_t)(end - at))) != NULL) {
		if (escaped_byte(at, (size_t)(end - at), 0) < 0)
			return false;
		at += 3;
	}
	return true;
}
