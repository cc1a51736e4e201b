/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of routes: which handler answers which method on which path. */
#ifndef KV_HTTP_ROUTE_H
#define KV_HTTP_ROUTE_H

#include "base/slice.h"
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
};

struct route {
	const char *path; /* ends in '/': the rest of the path is a key */
	unsigned methods;
	enum metrics_op op;
	enum route_body body;
	/* The whole request is there: answers it, or starts what will. */
	void (*handle)(struct request *request);
};

/* A method's name to its bit; 0: unknown. */
unsigned route_method(const char *name);

/* The methods of the set, "GET, HEAD". Returns `buf`. */
const char *route_allow_text(unsigned methods, char *buf, size_t size);

/* The route of a raw path (not decoded, without query) and a method, and the raw key after it. NULL: `problem`
 * says 404 or 405. */
const struct route *route_find(struct slice path, unsigned method, struct slice *ret_raw_key,
	struct problem *problem);

#endif
