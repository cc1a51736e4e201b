/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request at a time of one connection: what was parsed of it, its bounded body, and how far it is. A struct request lives as
 * long as its connection and is reused, so that a request allocates nothing but its answer.
 *
 * Life of a request (its worker's thread, all calls come from libmicrohttpd):
 *   request_target    the request line is there: its raw target is copied
 *   request_access    1st call: header complete: judged; refusals that close the connection are answered here
 *                     then, for each piece of a body: kept or dropped
 *                     last call: the route's handler; it replies or commits
 *                     while a commit is under way: nothing happens, as often as it is called
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

/* From this libmicrohttpd on, it looks itself for what request lines and headers may hide. */
enum { MHD_STRICT_VERSION = 0x01000000 };

enum request_step {
	REQUEST_NEW,
	REQUEST_BODY,      /* judged; reading what follows the header */
	REQUEST_COMMITTING, /* the batch is with the store */
	REQUEST_STOPPING,   /* /shutdown: waits for the end of the daemon */
	REQUEST_ANSWERED,
};

struct request {
	struct connection connection;
	struct service *service;   /* constant */
	struct worker *worker;     /* constant */

	/* all below: worker's thread */
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

	void (*go_on)(struct request *request, kv_status status);
	struct store_batch *batch;      /* with the store while custody says so */
	kv_status result;               /* of the commit; published by custody */
	_Atomic(int) custody;           /* enum request_custody; worker's thread, store's callback */
};

/* Who has the batch, and who frees the request when its connection is lost during a commit. */
enum request_custody {
	CUSTODY_OURS,
	CUSTODY_STORE,
	CUSTODY_DONE,     /* the result is there */
	CUSTODY_ORPHANED, /* the connection is gone: the callback frees the request */
};

/* The struct of a new connection, registered; NULL: no memory. */
struct request *request_new(struct service *service, struct worker *worker, int fd,
	enum guard_peer peer);
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

/* Commits request->batch; `go_on` runs on the worker's thread when the outcome is known, must reply, and finds the
 * batch still there. The handler must return at once after this call. */
void request_commit(struct request *request, void (*go_on)(struct request *, kv_status));

/* Waits for stopping_answer(); then `go_on` runs with KV_OK. */
void request_wait_for_end(struct request *request, void (*go_on)(struct request *, kv_status));

#endif
