/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growth doubles, so that n appended bytes cost O(n) in all. Memory is only ever replaced by realloc
 * of the whole, after which nothing can fail: content survives every error.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 32 };

void buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ 0 };
}

kv_status buf_reserve(struct buf *buf, size_t extra)
{
	size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
	uint8_t *data;

	if (extra <= buf->capacity - buf->len)
		return KV_OK;
	if (extra > PTRDIFF_MAX - buf->len)
		return KV_NO_MEMORY;
	while (capacity - buf->len < extra)
		capacity = capacity > PTRDIFF_MAX / 2 ? PTRDIFF_MAX : capacity * 2;
	data = realloc(buf->data, capacity);
	if (!data)
		return KV_NO_MEMORY;
	buf->data = data;
	buf->capacity = capacity;
	return KV_OK;
}

kv_status buf_append(struct buf *buf, const void *data, size_t len)
{
	kv_status status;

	if (len == 0)
		return KV_OK;
	status = buf_reserve(buf, len);
	if (status != KV_OK)
		return status;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	return KV_OK;
}

kv_status buf_append_slice(struct buf *buf, struct slice s)
{
	return buf_append(buf, s.data, s.len);
}

kv_status buf_append_byte(struct buf *buf, uint8_t byte)
{
	return buf_append(buf, &byte, 1);
}

kv_status buf_append_zeros(struct buf *buf, size_t len)
{
	kv_status status = buf_reserve(buf, len);

	if (status != KV_OK || len == 0)
		return status;
	memset(buf->data + buf->len, 0, len);
	buf->len += len;
	return KV_OK;
}

kv_status buf_set(struct buf *buf, struct slice s)
{
	kv_status status = KV_OK;

	/* the room is made before the old content goes, so that a failure leaves it */
	if (s.len > buf->len)
		status = buf_reserve(buf, s.len - buf->len);
	if (status != KV_OK)
		return status;
	if (s.len > 0)
		memcpy(buf->data, s.data, s.len);
	buf->len = s.len;
	return KV_OK;
}

kv_status buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int len;
	kv_status status;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return KV_INVALID;
	status = buf_reserve(buf, (size_t)len + 1);
	if (status != KV_OK)
		return status;
	va_start(args, format);
	vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
	return KV_OK;
}
