/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP by bytes: a test sends exactly what it wants, hostile or cut, and reads answers one by one. Everything that goes wrong on
 * our side fails the test.
 */
#ifndef KV_SUPPORT_RAWHTTP_H
#define KV_SUPPORT_RAWHTTP_H

#include "base/buf.h"

struct rawhttp {
	int fd;
	struct buf input; /* received */
	size_t taken;     /* bytes of it that rawhttp_read() has given out */
};

struct rawhttp_reply {
	unsigned status; /* 0: the connection ended before an answer */
	char head[2048]; /* status line and header lines */
	struct buf body;
	bool cut;        /* the body has an end that its head did not promise */
};

struct rawhttp rawhttp_connect(uint16_t port);
struct rawhttp rawhttp_connect_unix(const char *path);
void rawhttp_close(struct rawhttp *http);

/* False: the other side does not take it any more. */
bool rawhttp_send(struct rawhttp *http, const void *data, size_t len);
bool rawhttp_send_text(struct rawhttp *http, const char *text);
void rawhttp_end_sending(struct rawhttp *http); /* a half-close */

/* The head of the next answer; its body is to be read then. Answers of 1xx are skipped and set *ret_continued (may be NULL). */
void rawhttp_read_head(struct rawhttp *http, struct rawhttp_reply *ret, bool *ret_continued);
/* Appends the next chunk of a chunked body; false: that was the last one, or the connection ended (*ret_cut). */
bool rawhttp_read_chunk(struct rawhttp *http, struct buf *to, bool *ret_cut);
/* The next answer; `no_body` after a HEAD. A body of known length must come whole, a chunked one may be cut. */
void rawhttp_read(struct rawhttp *http, bool no_body, struct rawhttp_reply *ret, bool *ret_continued);
void rawhttp_reply_free(struct rawhttp_reply *reply);

/* Bytes received and not given out. */
size_t rawhttp_left(const struct rawhttp *http);

/* Waits until the other side closes, and takes in what comes before; false: it is still open after a minute. */
bool rawhttp_is_closed(struct rawhttp *http);

/* The value of a header line or NULL; valid until the next call. */
const char *rawhttp_header(const struct rawhttp_reply *reply, const char *name);

#endif
