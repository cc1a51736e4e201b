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

/* Bytes that base64_decode() writes at most. */
static inline size_t base64_decoded_size(size_t len)
{
	return len / 4 * 3 + 2;
}

/* False for anything that base64_encode() of this form cannot have written. */
bool base64_decode(uint8_t *to, struct slice from, enum base64_form form, size_t *ret_len);

static inline bool base64_decode_url(uint8_t *to, struct slice from, size_t *ret_len)
{
	return base64_decode(to, from, BASE64_URL, ret_len);
}

#endif
