/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request at a time of one connection: what was parsed of it, its bounded body, and how far it is. A struct request lives as
 * long as its connection and is reused, so that a request allocates nothing but its answer.
 *
 * Life of a request (its worker's thread, all calls come from libmicrohttpd):
 *   request_target    the request line is there: its raw target is copied
 *   request_access    1st call: header complete: judged; refusals that close the connection are answered here
 *                     then, for each piece of a body: kept, handed to the route, or dropped
 *                     last call: the route's handler; it replies, or starts a commit or job
 *                     while that is under way: nothing happens, as often as it is called
 *                     after it: the continuation; it replies
 *   request_completed the answer was sent or the connection is lost
 */
#ifndef KV_HTTP_REQUEST_H
#define KV_HTTP_REQUEST_H

#include "base/buf.h"
#include "http/access.h"
#include "http/head.h"
#include "http/jobs.h"
#include "http/kept.h"
#include "http/parking.h"
#include "http/route.h"
#include "http/service.h"
#include "http/tokens.h"
#include "http/urlkey.h"
#include "http/write_plan.h"

#include <microhttpd.h>

/* From this libmicrohttpd on, it looks itself for what request lines and headers may hide. */
enum { MHD_STRICT_VERSION = 0x01000000 };

enum request_step {
	REQUEST_NEW,
	REQUEST_BODY,      /* judged; reading what follows the header */
	REQUEST_WAITING,    /* a commit or job is under way */
	REQUEST_STOPPING,   /* /shutdown: waits for the end of the daemon */
	REQUEST_ANSWERED,
};

/* What an answer can be now. */
enum request_place {
	REQUEST_AT_HEAD, /* the body has not been read: it closes the connection, if there is a body */
	REQUEST_IN_BODY, /* it is written to the socket, short, and closes the connection */
	REQUEST_AT_END,
};

struct request {
	struct connection connection;
	struct service *service;   /* constant */
	struct worker *worker;     /* constant */

	/* all below: worker's thread */
	struct access peer_access;   /* of the connection, whatever its requests carry */
	uint64_t client;             /* rate_client() of its address, when there is a limit */
	bool is_counted;             /* in service->requests */
	struct token_memory token;   /* that its last requests carried */
	bool greeting;               /* over TLS: no request has begun yet; see front.h */
	bool asking;                 /* a request has begun and not ended; see front.h */
	struct kept value;           /* the answer with the last small value */
	struct guard_memory host;    /* that its last requests carried */
	struct MHD_Connection *mhd;
	enum request_step step;
	enum request_place place;
	bool begun;                /* the route's begin() has been called */
	struct parked parked;      /* see parking.h */
	uint64_t begun_us;
	struct buf target;         /* raw, then decoded in place; a NUL follows it */
	uintptr_t target_address;  /* where libmicrohttpd had it: to find hidden NULs */
	uintptr_t fields_end;      /* where it had the end of the last header: to find hidden lines */
	struct slice raw_key;      /* in the path, not decoded; lies in target */
	struct slice raw_query;    /* lies in target */
	bool has_query;
	struct head head;
	unsigned method;           /* enum http_method */
	const struct access *access; /* of who asks; after judge_request() */
	const struct route *route; /* NULL: none was found */
	struct problem problem;    /* status 0: none so far */
	struct buf body;
	uint64_t body_max;
	uint64_t body_dropped;
	uint64_t counted_bytes;    /* of service->inflight_bytes */
	uint64_t counted_answer;   /* of service->answer_bytes */
	uint64_t expires_unix_ms;  /* of the value that a good answer is about: its headers tell; 0: never */
	unsigned status;           /* of the answer */
	bool answer_failed;        /* nothing could be queued: the connection is to be closed */

	struct write_plan plan;            /* made by the begin() of routes that put one key */
	void *own;                         /* the handler's state of this request; NULL: none */
	void (*own_free)(void *own);       /* at the end of the request; by any thread when its connection was lost */

	void (*go_on)(struct request *request, kv_status status);
	bool waits_in_body;             /* constant while somebody has the request */
	struct store_batch *batch;      /* with the store while custody says so */
	kv_status (*work)(struct request *request); /* of a job */
	struct job job;
	kv_status result;               /* of the commit or job; published by custody */
	_Atomic(int) custody;           /* enum request_custody; worker's thread, and whoever has it */
};

/* Who has the batch, or what a job works with, and who frees the request when its connection is lost meanwhile. */
enum request_custody {
	CUSTODY_OURS,
	CUSTODY_AWAY,     /* the store or a job has it */
	CUSTODY_DONE,     /* the result is there */
	CUSTODY_ORPHANED, /* the connection is gone: who has the request frees it */
};

/* The struct of a new connection, registered; NULL: no memory. */
struct request *request_new(struct service *service, struct worker *worker, int fd,
	enum guard_peer peer, bool tls);
/* The connection is gone. NULL is allowed; returns NULL. */
struct request *request_free(struct request *request);

void request_target(struct request *request, struct MHD_Connection *mhd, const char *raw_target);
enum MHD_Result request_access(struct request *request, const char *method, const char *version,
	const char *data, size_t *size);
void request_completed(struct request *request);

/* ---- for handlers ---- */

/* The key of the path, decoded and checked (also whether the client may touch it): false has answered. */
bool request_path_key(struct request *request, struct slice *ret);
/* Length limits of a decoded key, and whether the client may touch it: false has answered. */
bool request_check_key(struct request *request, struct slice key);
/* The query by urlkey_query(): false has answered. */
bool request_query(struct request *request, struct urlkey_param *params, size_t count);

/* May this client touch the key, the range? What is out of its tokens' prefix is refused: false has answered with 403. A handler asks
 * for every key and range that does not come through request_path_key() or request_check_key(). Empty: no bound. */
bool request_may_touch_range(struct request *request, struct slice prefix, struct slice start,
	struct slice end);
/* The same for what is about the whole store. */
bool request_may_touch_all(struct request *request);
/* The same for one key of many, without an answer. */
bool request_may_touch_key(const struct request *request, struct slice key);

/* Commits request->batch; `go_on` runs on the worker's thread when the outcome is known, must reply, and finds the
 * batch still there. The handler must return at once after this call.
 * In the middle of a body, begun by the route's take(): `go_on` replies only when it has failed; otherwise it returns, and reading goes on. */
void request_commit(struct request *request, void (*go_on)(struct request *, kv_status));

/* The same with `work`, which may wait for disks: it runs on another thread and touches nothing but request->own, request->batch and the store. Its
 * status is handed to `go_on`; KV_BUSY also when it was not begun: the server stops, or too many jobs wait (then `go_on` is called at once), which
 * is not looked at when request->job.has_place was set before. */
void request_job(struct request *request, kv_status (*work)(struct request *),
	void (*go_on)(struct request *, kv_status));

/* Counts memory that a body takes in `own` or `batch`; it is given back at the end of the request. False: there is too much of it in
 * all (503); it is counted nevertheless. */
bool request_hold_bytes(struct request *request, uint64_t bytes);
void request_release_bytes(struct request *request, uint64_t bytes); /* sooner */

/* Waits for stopping_answer(); then `go_on` runs with KV_OK. */
void request_wait_for_end(struct request *request, void (*go_on)(struct request *, kv_status));

#endif
