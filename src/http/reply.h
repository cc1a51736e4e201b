/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers. Each of these queues exactly one for the request and fills in its status; its worker's thread only.
 * Answers that are always the same are made once. Those of 2xx and 304 tell request->expires_unix_ms.
 *
 * In the middle of a body only reply_text, reply_buf and what refuses can be used, and the answer must be of a few KiB: the connection is
 * closed after it.
 */
#ifndef KV_HTTP_REPLY_H
#define KV_HTTP_REPLY_H

#include "base/pinned.h"
#include "http/request.h"

struct replies;

struct replies *replies_new(void); /* NULL: no memory */
struct replies *replies_free(struct replies *replies);

/* 200 "OK" and a newline. */
void reply_ok(struct request *request);

/* Text of a person's size, copied. */
void reply_text(struct request *request, unsigned status, struct slice text);

/* 200 and bytes that stay as long as the process; headers (copied) up to the first without a name. */
struct reply_header {
	const char *name, *value;
};
void reply_constant(struct request *request, struct slice body, const struct reply_header *headers);

/* 308 to a path of ours. */
void reply_redirect(struct request *request, const char *path);

/* The bytes of `body` become the answer's: it is empty afterwards. */
void reply_buf(struct request *request, unsigned status, const char *content_type, struct buf *body);
void reply_buf_etag(struct request *request, unsigned status, const char *content_type, struct buf *body,
	const char *etag); /* with its quotes */

/* A value, or a part of it, released when it was sent. `etag` with its quotes or NULL. */
struct reply_value {
	struct pinned value;
	const char *etag;
	bool ranges;               /* say that ranges are possible */
	bool is_part;
	uint64_t first, len;       /* of the part */
};
void reply_value(struct request *request, const struct reply_value *value);

/* What was asked for is done, and there is no memory to tell it: the connection is closed without an answer, since every answer that
 * could be given would say that nothing was done. */
void reply_lost(struct request *request);

/* A response of one's own, which is given up; NULL: there was no memory for it. The bytes of its body are counted by the caller
 * (connection_progress). */
void reply_response(struct request *request, unsigned status, struct MHD_Response *response);
/* Does nothing without a response, and takes it away when it cannot get the header. */
void reply_add_header(struct MHD_Response **response, const char *name, const char *value);
/* 201 with JSON about what was made, and where it is. The bytes of `body` become the answer's. */
void reply_created(struct request *request, const char *location, struct buf *body);

/* No body: 201, 204, 304. `etag` may be NULL. */
void reply_empty(struct request *request, unsigned status, const char *etag);

/* 416 with the size that the ranges missed. */
void reply_bad_range(struct request *request, uint64_t size);

/* A refusal or failure: a line of text, or {"error","message"} for those who accept JSON. */
void reply_problem(struct request *request, const struct problem *problem);
void reply_error(struct request *request, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* 413 for a body that has grown beyond request->body_max. */
void reply_too_large(struct request *request);

/* What reply_store_error() would answer with. */
unsigned reply_store_status(kv_status status);

/* A status of the store that is not KV_OK; `err` may be NULL. What nobody expects goes to the log, too. */
void reply_store_error(struct request *request, kv_status status, const struct kv_error *err);

/* "not_found" for 404 and so on: the code in a JSON error. */
const char *reply_error_code(unsigned status);

#endif
