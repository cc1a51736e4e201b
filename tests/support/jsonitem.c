/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/jsonitem.h"

#include "support/die.h"

#include <stdio.h>
#include <string.h>

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at ? (int)(at - digits) : -1;
}

static bool decode_base64(const char *text, size_t len, struct buf *out)
{
	uint32_t bits = 0;
	int bit_count = 0;
	size_t i;

	buf_clear(out);
	while (len > 0 && text[len - 1] == '=')
		len--;
	for (i = 0; i < len; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			must(buf_append_byte(out, (uint8_t)(bits >> bit_count)));
		}
	}
	return true;
}

bool jsonitem_bytes(const json_t *item, const char *name, struct buf *out)
{
	char b64_name[16];
	const json_t *text = json_object_get(item, name);
	const json_t *b64;

	snprintf(b64_name, sizeof(b64_name), "%s_b64", name);
	b64 = json_object_get(item, b64_name);
	if (json_is_string(text) && !b64) {
		must(buf_set(out, slice_of(json_string_value(text), json_string_length(text))));
		return true;
	}
	return json_is_string(b64) && !text &&
		decode_base64(json_string_value(b64), json_string_length(b64), out);
}
