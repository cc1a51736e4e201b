/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request at a time of one connection: what was parsed of it, its bounded body, and how far it is. A struct request lives as
 * long as its connection and is reused, so that a request allocates nothing but its answer.
 *
 * Life of a request (pool thread of the connection, all calls come from libmicrohttpd):
 *   request_target    the request line is there: its raw target is copied
 *   request_access    1st call: header complete: judged; refusals that close the connection are answered here
 *                     then, for each piece of a body: kept or dropped
 *                     last call: the route's handler; it replies or commits
 *                     after a commit: the continuation; it replies
 *   request_completed the answer was sent or the connection is lost
 */
#ifndef KV_HTTP_REQUEST_H
#define KV_HTTP_REQUEST_H

#include "base/buf.h"
#include "http/head.h"
#include "http/route.h"
#include "http/service.h"
#include "http/urlkey.h"

#include <microhttpd.h>

enum request_step {
	REQUEST_NEW,
	REQUEST_BODY,      /* judged; reading what follows the header */
	REQUEST_WAITING,   /* suspended: a commit or the end of the daemon */
	REQUEST_ANSWERED,
};

struct request {
	struct connection connection;
	struct service *service;   /* constant */

	/* all below: pool thread of the connection */
	struct MHD_Connection *mhd;
	enum request_step step;
	uint64_t begun_us;
	struct buf target;         /* raw, then decoded in place; a NUL follows it */
	uintptr_t target_address;  /* where libmicrohttpd had it: to find hidden NULs */
	struct slice raw_key;      /* in the path, not decoded; lies in target */
	struct slice raw_query;    /* lies in target */
	bool has_query;
	struct head head;
	unsigned method;           /* enum http_method */
	const struct route *route; /* NULL: none was found */
	struct problem problem;    /* status 0: none so far */
	struct buf body;
	uint64_t body_max;
	uint64_t body_dropped;
	uint64_t counted_bytes;    /* of service->inflight_bytes */
	unsigned status;           /* of the answer */
	bool answer_failed;        /* nothing could be queued: the connection is to be closed */

	/* of a commit; handed to the store by request_commit and back by the resumption */
	struct store_batch *batch;
	void (*go_on)(struct request *request, kv_status status);
	_Atomic(kv_status) result;
	struct request *next_stopping; /* guarded by the mutex of stopping */
};

/* The struct of a new connection, registered; NULL: no memory. */
struct request *request_new(struct service *service, int fd, enum guard_peer peer);
/* The connection is gone. NULL is allowed; returns NULL. */
struct request *request_free(struct request *request);

void request_target(struct request *request, struct MHD_Connection *mhd, const char *raw_target);
enum MHD_Result request_access(struct request *request, const char *method, const char *version,
	const char *data, size_t *size);
void request_completed(struct request *request);

/* ---- for handlers ---- */

/* The key of the path, decoded and checked: false has answered. */
bool request_path_key(struct request *request, struct slice *ret);
/* Length limits of a decoded key: false has answered. */
bool request_check_key(struct request *request, struct slice key);
/* The query by urlkey_query(): false has answered. */
bool request_query(struct request *request, struct urlkey_param *params, size_t count);

/* Commits request->batch; `go_on` runs on the pool thread when the outcome is known, must reply, and finds the batch
 * still there. The handler must return at once after this call. */
void request_commit(struct request *request, void (*go_on)(struct request *, kv_status));

/* Suspends the request until stopping_answer(); then `go_on` runs with KV_OK. */
void request_wait_for_end(struct request *request, void (*go_on)(struct request *, kv_status));

/* Any thread, once for each suspension. */
void request_resume(struct request *request, kv_status status);

#endif
