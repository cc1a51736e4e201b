/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/fsck.h"

kv_status fsck_quote(struct slice bytes, struct buf *to)
{
	static const char digits[] = "0123456789abcdef";
	kv_status status = buf_append_byte(to, '"');

	for (size_t i = 0; status == KV_OK && i < bytes.len; i++) {
		uint8_t byte = bytes.data[i];
		const char escape[] = { '\\', 'x', digits[byte >> 4], digits[byte & 15] };

		if (byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\')
			status = buf_append_byte(to, byte);
		else
			status = buf_append(to, escape, sizeof escape);
	}
	return status == KV_OK ? buf_append_byte(to, '"') : status;
}
