/* SPDX-License-Identifier: BSD-2-Clause */
/* Base64 of RFC 4648: the standard alphabet with padding (JSON), and the URL alphabet without (cursors). */
#ifndef KV_HTTP_BASE64_H
#define KV_HTTP_BASE64_H

#include "base/slice.h"

enum base64_form { BASE64_STANDARD, BASE64_URL };

/* Bytes that base64_encode() writes at most. */
static inline size_t base64_encoded_size(size_t len)
{
	return (len / 3 + (len % 3 != 0)) * 4;
}

/* Writes no NUL; returns the number of bytes. */
size_t base64_encode(uint8_t *to, struct slice from, enum base64_form form);

/* The URL form; `to` has room for from.len / 4 * 3 + 2 bytes. False for anything that base64_encode() cannot have
 * written. */
bool base64_decode_url(uint8_t *to, struct slice from, size_t *ret_len);

#endif
