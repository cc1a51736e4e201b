/* SPDX-License-Identifier: BSD-2-Clause */
/* Three bytes are four digits of six bits; one or two left over are two or three digits, the spare bits 0. */
#include "http/base64.h"

static const char standard_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_encode(uint8_t *to, struct slice from, enum base64_form form)
{
	const char *digits = form == BASE64_STANDARD ? standard_digits : url_digits;
	uint8_t *out = to;

	for (size_t i = 0; i < from.len; i += 3) {
		size_t n = from.len - i < 3 ? from.len - i : 3;
		uint32_t bits = (uint32_t)from.data[i] << 16;

		if (n > 1)
			bits |= (uint32_t)from.data[i + 1] << 8;
		if (n > 2)
			bits |= from.data[i + 2];
		for (size_t k = 0; k <= n; k++)
			*out++ = (uint8_t)digits[bits >> (18 - 6 * k) & 63];
		for (size_t k = n; k < 3 && form == BASE64_STANDARD; k++)
			*out++ = '=';
	}
	return (size_t)(out - to);
}

static int digit_of(uint8_t c, enum base64_form form)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (form == BASE64_STANDARD)
		return c == '+' ? 62 : c == '/' ? 63 : -1;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Without the padding. */
static bool decode_digits(uint8_t *to, struct slice from, enum base64_form form, size_t *ret_len)
{
	uint32_t bits = 0;
	unsigned have = 0; /* bits not yet written, below 8 */
	size_t out = 0;

	if (from.len % 4 == 1)
		return false;
	for (size_t i = 0; i < from.len; i++) {
		int digit = digit_of(from.data[i], form);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[out++] = (uint8_t)(bits >> have);
			bits &= (1u << have) - 1;
		}
	}
	if (bits != 0)
		return false;
	*ret_len = out;
	return true;
}

bool base64_decode(uint8_t *to, struct slice from, enum base64_form form, size_t *ret_len)
{
	size_t digits = from.len;

	if (form == BASE64_STANDARD) {
		if (from.len % 4 != 0)
			return false;
		while (digits > 0 && from.len - digits < 2 && from.data[digits - 1] == '=')
			digits--;
	}
	return decode_digits(to, slice_of(from.data, digits), form, ret_len);
}
