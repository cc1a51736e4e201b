/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state machine of request.h. libmicrohttpd closes the connection when an answer is queued in the first call of the
 * handler, so only refusals that end the connection anyway are answered there; all others wait for the last call.
 *
 * Handing over to the store and back: `custody` says who has the batch. The store's callback may come at any time, even
 * before store_submit() returns; it leaves the result and wakes the worker, whose next calls of the handler find it. When
 * the connection is lost first, the callback inherits the request and frees it.
 */
#define _GNU_SOURCE
#include "http/request.h"

#include "base/clock.h"
#include "http/farewell.h"
#include "http/judge.h"
#include "http/reply.h"
#include "http/worker.h"

#include <stdlib.h>

enum {
	BODY_KEEP = 64 * 1024,     /* memory for bodies above this is given back after the request */
	BODY_DROP_MAX = 64 * 1024, /* bytes of a body nobody asked for that are read before we give up */
	BODY_RESERVE_MAX = 1024 * 1024, /* reserved on the word of a Content-Length */
};

struct request *request_new(struct service *service, struct worker *worker, int fd,
	enum guard_peer peer)
{
	struct request *request = calloc(1, sizeof *request);

	if (!request)
		return NULL;
	request->service = service;
	request->worker = worker;
	atomic_init(&request->custody, CUSTODY_OURS);
	connections_add(service->connections, &request->connection, fd, peer);
	return request;
}

static void destroy(struct request *request)
{
	store_batch_free(request->batch);
	buf_free(&request->target);
	buf_free(&request->body);
	free(request);
}

struct request *request_free(struct request *request)
{
	if (!request)
		return NULL;
	connections_remove(request->service->connections, &request->connection);
	if (request->step != REQUEST_COMMITTING ||
		atomic_exchange(&request->custody, CUSTODY_ORPHANED) == CUSTODY_DONE)
		destroy(request);
	return NULL;
}

void request_target(struct request *request, struct MHD_Connection *mhd, const char *raw_target)
{
	size_t len = strlen(raw_target);

	request->mhd = mhd;
	request->step = REQUEST_NEW;
	request->target_address = (uintptr_t)raw_target;
	request->route = NULL;
	request->problem.status = 0;
	request->status = 0;
	request->answer_failed = false;
	request->body_dropped = 0;
	request->begun_us = clock_monotonic_us();
	buf_clear(&request->target);
	buf_clear(&request->body);
	head_clear(&request->head);
	/* what the last answer was allowed is not for this body */
	atomic_store_explicit(&request->connection.bytes, 0, memory_order_relaxed);
	if (buf_reserve(&request->target, len + 1) != KV_OK)
		problem_set_close(&request->problem, 503, "out of memory");
	else
		(void)buf_append(&request->target, raw_target, len); /* cannot fail: reserved */
	(void)connection_enter(&request->connection, CONNECTION_HEADER); /* a reaped one fails later */
}

/*
 * libmicrohttpd 0.9 joins a line that begins with a blank to the name of the header before it, which then is another header:
 * it would be hidden from us. Only blanks are between name and value of a header that was one line; their addresses tell.
 */
static bool is_one_line(const char *name, const char *value)
{
	const char *end = name + strlen(name) + 1;

	if (MHD_VERSION >= MHD_STRICT_VERSION || !value)
		return true;
	if ((uintptr_t)value < (uintptr_t)end)
		return false;
	while ((uintptr_t)end < (uintptr_t)value && (*end == ' ' || *end == '\t'))
		end++;
	return (uintptr_t)end == (uintptr_t)value;
}

static enum MHD_Result add_header(void *arg, enum MHD_ValueKind kind, const char *name,
	const char *value)
{
	struct request *request = arg;

	(void)kind;
	request->head.malformed |= !is_one_line(name, value);
	head_add(&request->head, slice_of_string(name), slice_of_string(value ? value : ""));
	return MHD_YES;
}

static bool expects_body(const struct request *request)
{
	return request->head.chunked || request->head.body_bytes > 0;
}

static enum MHD_Result first_call(struct request *request, const char *method, const char *version)
{
	bool good;

	request->step = REQUEST_BODY;
	MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, add_header, request);
	good = request->problem.status == 0 && judge_request(request, method, version);
	if (!connection_enter(&request->connection,
			expects_body(request) ? CONNECTION_BODY : CONNECTION_WORKING))
		return MHD_NO;
	if (!good && (request->problem.close || expects_body(request))) {
		request->problem.close = true;
		reply_problem(request, &request->problem);
		farewell_add_copy(request->service->farewell, request->connection.fd);
		return request->answer_failed ? MHD_NO : MHD_YES;
	}
	if (good && request->head.body_bytes > 0)
		(void)buf_reserve(&request->body, request->head.body_bytes < BODY_RESERVE_MAX ?
			(size_t)request->head.body_bytes : BODY_RESERVE_MAX); /* appending will tell */
	return MHD_YES;
}

/* Drops what nobody asked for, as long as it is little. */
static enum MHD_Result drop_body(struct request *request, size_t *size)
{
	request->body_dropped += *size;
	*size = 0;
	if (request->body_dropped <= BODY_DROP_MAX)
		return MHD_YES;
	reply_raw(request, 413, "this request takes no body");
	return MHD_NO;
}

static enum MHD_Result keep_body(struct request *request, const char *data, size_t *size)
{
	struct service *service = request->service;
	uint64_t inflight = atomic_fetch_add(&service->inflight_bytes, *size) + *size;

	request->counted_bytes += *size;
	if (*size > request->body_max - request->body.len) {
		reply_raw(request, 413, "the body is larger than max_value_size");
		return MHD_NO;
	}
	if (inflight > service->options->inflight_bytes_max ||
		buf_append(&request->body, data, *size) != KV_OK) {
		reply_raw(request, 503, "too many bytes of request bodies in memory");
		return MHD_NO;
	}
	*size = 0;
	atomic_store_explicit(&request->connection.bytes, request->body.len, memory_order_relaxed);
	return MHD_YES;
}

/* The whole request is there. */
static void run(struct request *request)
{
	if (request->problem.status != 0)
		reply_problem(request, &request->problem);
	else
		request->route->handle(request);
}

/* The wait is over. */
static void resume(struct request *request, kv_status status)
{
	worker_wait_ends(request->worker);
	request->step = REQUEST_BODY;
	request->go_on(request, status);
}

/* Without an answer so far: what there is to do. */
static enum MHD_Result proceed(struct request *request, const char *method, const char *version,
	const char *data, size_t *size)
{
	switch (request->step) {
	case REQUEST_NEW:
		return first_call(request, method, version);
	case REQUEST_BODY:
		if (*size > 0)
			return request->problem.status != 0 || request->route->body == ROUTE_BODY_NONE ?
				drop_body(request, size) : keep_body(request, data, size);
		if (expects_body(request) &&
			!connection_enter(&request->connection, CONNECTION_WORKING))
			return MHD_NO;
		run(request);
		break;
	case REQUEST_COMMITTING:
		if (atomic_load(&request->custody) != CUSTODY_DONE)
			return MHD_YES;
		atomic_store_explicit(&request->custody, CUSTODY_OURS, memory_order_relaxed);
		resume(request, request->result);
		break;
	case REQUEST_STOPPING:
		if (!stopping_is_answered(request->service->stopping))
			return MHD_YES;
		resume(request, KV_OK);
		break;
	case REQUEST_ANSWERED:
		break;
	}
	return MHD_YES;
}

static bool is_waiting(const struct request *request)
{
	return request->step == REQUEST_COMMITTING || request->step == REQUEST_STOPPING;
}

enum MHD_Result request_access(struct request *request, const char *method, const char *version,
	const char *data, size_t *size)
{
	bool was_waiting = is_waiting(request);
	enum MHD_Result result = proceed(request, method, version, data, size);

	if (!was_waiting || !is_waiting(request))
		worker_progress(request->worker);
	return request->answer_failed ? MHD_NO : result;
}

void request_completed(struct request *request)
{
	struct service *service = request->service;

	if (request->status != 0)
		metrics_record(service->metrics, request->route ? request->route->op : METRICS_OTHER,
			request->status, clock_monotonic_us() - request->begun_us);
	if (request->counted_bytes > 0)
		atomic_fetch_sub(&service->inflight_bytes, request->counted_bytes);
	request->counted_bytes = 0;
	if (request->body.capacity > BODY_KEEP)
		buf_free(&request->body);
	if (is_waiting(request))
		worker_wait_ends(request->worker); /* the connection was lost: request_free() comes next */
	if (request->step != REQUEST_COMMITTING) {
		request->batch = store_batch_free(request->batch);
		request->step = REQUEST_NEW;
	}
	(void)connection_enter(&request->connection, CONNECTION_IDLE); /* a reaped one is closed soon */
	connections_left(service->connections);
}

bool request_check_key(struct request *request, struct slice key)
{
	if (key.len == 0) {
		reply_error(request, 400, "the key is empty");
		return false;
	}
	if (key.len > STORE_KEY_MAX) {
		reply_error(request, 414, "the key is longer than %d bytes", STORE_KEY_MAX);
		return false;
	}
	return true;
}

bool request_path_key(struct request *request, struct slice *ret)
{
	uint8_t *raw = request->target.data + (request->raw_key.data - request->target.data);
	size_t len;

	if (!urlkey_decode(raw, request->raw_key.len, false, &len)) {
		problem_set_close(&request->problem, 400, "'%%' in the path is not followed by two hex digits");
		reply_problem(request, &request->problem);
		return false;
	}
	if (!request_check_key(request, slice_of(raw, len)))
		return false;
	*ret = slice_of(raw, len);
	return true;
}

bool request_query(struct request *request, struct urlkey_param *params, size_t count)
{
	uint8_t *raw = request->target.data + (request->raw_query.data - request->target.data);

	if (urlkey_query(raw, request->raw_query.len, params, count, &request->problem))
		return true;
	reply_problem(request, &request->problem);
	return false;
}

static void begin_wait(struct request *request, enum request_step step,
	void (*go_on)(struct request *, kv_status))
{
	request->step = step;
	request->go_on = go_on;
	worker_wait_begins(request->worker);
}

/* The store's threads, or ours within store_submit(). */
static void committed(struct store_batch *batch, kv_status status, void *arg)
{
	struct request *request = arg;
	struct service *service = request->service;
	struct worker *worker = request->worker;

	(void)batch; /* still in request->batch */
	request->result = status;
	if (atomic_exchange(&request->custody, CUSTODY_DONE) == CUSTODY_ORPHANED)
		destroy(request);
	/* from here on the request may be gone; server_stop() keeps the worker until `commits` is 0 */
	worker_wake(worker);
	atomic_fetch_sub(&service->commits, 1);
}

void request_commit(struct request *request, void (*go_on)(struct request *, kv_status))
{
	begin_wait(request, REQUEST_COMMITTING, go_on);
	atomic_store(&request->custody, CUSTODY_STORE);
	atomic_fetch_add(&request->service->commits, 1);
	store_submit(request->service->store, request->batch, committed, request);
}

void request_wait_for_end(struct request *request, void (*go_on)(struct request *, kv_status))
{
	begin_wait(request, REQUEST_STOPPING, go_on);
	(void)connection_enter(&request->connection, CONNECTION_STOPPING); /* there is no deadline in work */
	stopping_join(request->service->stopping);
}
