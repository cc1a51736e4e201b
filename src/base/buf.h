/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owned bytes: a growable buffer. `{0}` is a valid empty one. Every growth can fail with
 * KV_NO_MEMORY and then leaves the content as it was.
 */
#ifndef KV_BASE_BUF_H
#define KV_BASE_BUF_H

#include "base/slice.h"
#include "base/status.h"

struct buf {
	uint8_t *data; /* malloc'ed, owned; NULL while capacity is 0 */
	size_t len;
	size_t capacity;
};

/* Frees the bytes and makes it an empty buffer again; safe to call twice. */
void buf_free(struct buf *buf);

/* Length to 0, memory is kept. */
static inline void buf_clear(struct buf *buf)
{
	buf->len = 0;
}

/* Room for `extra` more bytes after len. KV_NO_MEMORY also when the sum would overflow. */
kv_status buf_reserve(struct buf *buf, size_t extra);

/* Appends; `data` may not point into `buf`. */
kv_status buf_append(struct buf *buf, const void *data, size_t len);
kv_status buf_append_slice(struct buf *buf, struct slice s);
kv_status buf_append_byte(struct buf *buf, uint8_t byte);
kv_status buf_append_zeros(struct buf *buf, size_t len);

/* Replaces the content. `s` may not point into `buf`. */
kv_status buf_set(struct buf *buf, struct slice s);

/* Appends formatted text (no NUL is counted into len). */
kv_status buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct slice buf_slice(const struct buf *buf)
{
	return slice_of(buf->data, buf->len);
}

#endif
