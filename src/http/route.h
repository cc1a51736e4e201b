/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of routes: which handler answers which method on which path. */
#ifndef KV_HTTP_ROUTE_H
#define KV_HTTP_ROUTE_H

#include "base/slice.h"
#include "http/access.h"
#include "http/metrics.h"
#include "http/problem.h"

/* Bits, so that sets of methods are possible. */
enum http_method {
	HTTP_GET = 1 << 0,
	HTTP_HEAD = 1 << 1,
	HTTP_POST = 1 << 2,
	HTTP_PUT = 1 << 3,
	HTTP_DELETE = 1 << 4,
	HTTP_OPTIONS = 1 << 5,
	HTTP_PATCH = 1 << 6,
	HTTP_TRACE = 1 << 7,
	HTTP_CONNECT = 1 << 8,
};

enum { ROUTE_ALLOW_MAX = 64 }; /* bytes of a list of methods, with its NUL */

struct request;

enum route_body {
	ROUTE_BODY_NONE,  /* a short one is read and dropped */
	ROUTE_BODY_VALUE, /* up to max_value_bytes */
	ROUTE_BODY_DOCUMENT, /* up to max_batch_bytes, in request->body */
	ROUTE_BODY_STREAM, /* handed on as it comes */
};

struct route {
	const char *path; /* ends in '/': the rest of the path is a key */
	unsigned methods;
	enum metrics_op op;
	enum route_body body;
	/* The whole request is there: answers it, or starts what will. */
	void (*handle)(struct request *request);
	enum access_role role; /* that the client must have at least; ACCESS_NONE: anybody may */
	/* Looks at the header, before handle() and before take(): refuses what can be refused without the body. Before the body is read when that
	 * is large or its sender waits for a word (Expect), or it is handed on; otherwise at the end, where an answer leaves the connection open. NULL: there is
	 * nothing to look at. False has answered. */
	bool (*begin)(struct request *request);
	/* Of ROUTE_BODY_STREAM: takes what it can of the *size bytes, and lowers *size to what is left. It leaves some, or starts taking none, only when
	 * it has called request_commit() or request_job(); then it is not called before that has ended. False has answered. */
	bool (*take)(struct request *request, const char *data, size_t *size);
	/* Looks at If-Match and If-None-Match. A write that does not is refused when it has them: it would be done against its sender's word. */
	bool conditional;
};

/* The rows of the table in turn; NULL: after the last one. */
const struct route *route_at(size_t i);

/* The option that limits this kind of body; NULL: none does. */
const char *route_body_option(enum route_body body);

/* A method's name to its bit; 0: unknown. */
unsigned route_method(const char *name);

/* The methods of the set, "GET, HEAD". Returns `buf`. */
const char *route_allow_text(unsigned methods, char *buf, size_t size);

/* The route of a raw path (not decoded, without query) and a method, and the raw key after it. NULL: `problem`
 * says 404 or 405. */
const struct route *route_find(struct slice path, unsigned method, struct slice *ret_raw_key,
	struct problem *problem);

#endif
