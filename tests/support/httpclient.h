/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small HTTP/1.1 client for tests: N keep-alive connections to 127.0.0.1, one thread, nothing blocks but
 * httpclient_poll(). It tells of every request whether it was answered or what can be said when it was not, which is
 * what a test of durability has to know.
 *
 * A request goes to a connection by its number; several on one connection are pipelined and answered in order. A
 * connection that ended is opened again by the next request for it. Running out of memory or descriptors ends the program.
 */
#ifndef KV_SUPPORT_HTTPCLIENT_H
#define KV_SUPPORT_HTTPCLIENT_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct httpclient;

enum httpclient_outcome {
	HTTPCLIENT_ANSWERED,
	HTTPCLIENT_REFUSED,   /* no connection: nothing of the request was sent */
	HTTPCLIENT_CUT,       /* ended before the request was sent whole: the server cannot have acted on it */
	HTTPCLIENT_LOST,      /* sent whole, but no whole answer came: outcome unknown */
	HTTPCLIENT_TIMEOUT,   /* no answer in time; the connection was closed; outcome unknown */
	HTTPCLIENT_MALFORMED, /* the answer is not HTTP/1.1; the connection was closed */
};

const char *httpclient_outcome_name(enum httpclient_outcome outcome);

struct httpclient_request {
	const char *method;
	struct slice target;  /* as it goes over the wire, percent-encoded */
	const char *headers;  /* further header lines, each with its CRLF; NULL: none */
	bool has_body;        /* sends Content-Length and `body` */
	struct slice body;
};

struct httpclient_reply {
	enum httpclient_outcome outcome;
	unsigned status;      /* the rest only when answered */
	struct slice head;    /* status line and header lines */
	struct slice body;
	uint64_t elapsed_us;  /* since httpclient_send() */
};

/* Called from within httpclient_poll(), once for each request; what `reply` points to ends with the call. May send. */
typedef void (*httpclient_done)(void *arg, const struct httpclient_reply *reply);

struct httpclient *httpclient_new(uint16_t port, unsigned connections, unsigned timeout_ms);

/* Closes the connections; requests that are still open get no call. NULL allowed; returns NULL. */
struct httpclient *httpclient_free(struct httpclient *client);

/* Queues a request (it is copied); the answer, or why there is none, comes by `done` out of a later poll. */
void httpclient_send(struct httpclient *client, unsigned connection,
	const struct httpclient_request *request, httpclient_done done, void *arg);

/* Waits up to `wait_ms` (-1: until something happens) and handles what has arrived. */
void httpclient_poll(struct httpclient *client, int wait_ms);

/* Closes all connections at once, unread: what was sent whole is HTTPCLIENT_LOST. */
void httpclient_abandon(struct httpclient *client);

/* Requests sent on all connections (on one) whose `done` was not called yet. */
unsigned httpclient_open_requests(const struct httpclient *client);
unsigned httpclient_open_on(const struct httpclient *client, unsigned connection);

/* Sends on connection 0, with which nothing else may be under way, and waits. Valid until the next call. */
const struct httpclient_reply *httpclient_call(struct httpclient *client,
	const struct httpclient_request *request);

/* The same for the common case; `body` NULL: none. */
const struct httpclient_reply *httpclient_simple(struct httpclient *client, const char *method,
	const char *target, const char *body);

/* The value of a header (name without regard to case), or a slice whose data is NULL. */
struct slice httpclient_header(const struct httpclient_reply *reply, const char *name);

/* Appends `bytes` percent-encoded: all but letters, digits, "-._~" and "/". */
void httpclient_encode(struct buf *out, struct slice bytes);

#endif
