/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of bytes that need no escape are appended at once: long values cost little more than a copy. */
#define _GNU_SOURCE
#include "http/jsontext.h"

#include "http/base64.h"

/* Length of the well-formed sequence at the start of `s`, 0 for none (Unicode 15, table 3-7). */
static size_t utf8_sequence(struct slice s)
{
	uint8_t lead = s.data[0];
	size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

	if (len == 0 || len > s.len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s.data[i] & 0xc0) != 0x80)
			return 0;
	if ((lead == 0xe0 && s.data[1] < 0xa0) || (lead == 0xed && s.data[1] > 0x9f) ||
		(lead == 0xf0 && s.data[1] < 0x90) || (lead == 0xf4 && s.data[1] > 0x8f))
		return 0;
	return len;
}

bool jsontext_is_utf8(struct slice s)
{
	while (s.len > 0) {
		size_t n = utf8_sequence(s);

		if (n == 0)
			return false;
		s = slice_of(s.data + n, s.len - n);
	}
	return true;
}

static bool needs_escape(uint8_t c)
{
	return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

static kv_status append_escape(struct buf *to, uint8_t c)
{
	switch (c) {
	case '"':
		return buf_append(to, "\\\"", 2);
	case '\\':
		return buf_append(to, "\\\\", 2);
	case '\n':
		return buf_append(to, "\\n", 2);
	case '\r':
		return buf_append(to, "\\r", 2);
	case '\t':
		return buf_append(to, "\\t", 2);
	default:
		return buf_printf(to, "\\u%04x", c);
	}
}

kv_status jsontext_string(struct buf *to, struct slice s)
{
	size_t done = 0;
	kv_status status = buf_append_byte(to, '"');

	for (size_t i = 0; i < s.len && status == KV_OK; i++) {
		if (!needs_escape(s.data[i]))
			continue;
		status = buf_append(to, s.data + done, i - done);
		if (status == KV_OK)
			status = append_escape(to, s.data[i]);
		done = i + 1;
	}
	if (status == KV_OK && s.len > done)
		status = buf_append(to, s.data + done, s.len - done);
	if (status == KV_OK)
		status = buf_append_byte(to, '"');
	return status;
}

static kv_status append_base64(struct buf *to, struct slice s)
{
	size_t size = base64_encoded_size(s.len);
	kv_status status = buf_reserve(to, size + 2);

	if (status != KV_OK)
		return status;
	to->data[to->len++] = '"';
	to->len += base64_encode(to->data + to->len, s, BASE64_STANDARD);
	to->data[to->len++] = '"';
	return KV_OK;
}

kv_status jsontext_bytes(struct buf *to, const char *name, struct slice s)
{
	bool text = jsontext_is_utf8(s);
	kv_status status = buf_printf(to, text ? "\"%s\":" : "\"%s_b64\":", name);

	if (status != KV_OK)
		return status;
	return text ? jsontext_string(to, s) : append_base64(to, s);
}

kv_status jsontext_base64(struct buf *to, const char *name, struct slice s)
{
	kv_status status = buf_printf(to, "\"%s_b64\":", name);

	return status == KV_OK ? append_base64(to, s) : status;
}
