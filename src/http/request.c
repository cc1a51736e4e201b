/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state machine of request.h. libmicrohttpd closes the connection when an answer is queued in the first call of the
 * handler, so only refusals that end the connection anyway are answered there; all others wait for the last call.
 *
 * Handing over to the store and back: the connection is suspended before the batch is submitted, so the callback may come at
 * any time, even before store_submit() returns. It leaves the status in `result` and resumes; the pool thread then
 * calls the handler again. Between the two the request belongs to the store's callback alone.
 */
#define _GNU_SOURCE
#include "http/request.h"

#include "base/clock.h"
#include "http/farewell.h"
#include "http/judge.h"
#include "http/reply.h"

#include <stdlib.h>

enum {
	BODY_KEEP = 64 * 1024,     /* memory for bodies above this is given back after the request */
	BODY_DROP_MAX = 64 * 1024, /* bytes of a body nobody asked for that are read before we give up */
	BODY_RESERVE_MAX = 1024 * 1024, /* reserved on the word of a Content-Length */
};

struct request *request_new(struct service *service, int fd, enum guard_peer peer)
{
	struct request *request = calloc(1, sizeof *request);

	if (!request)
		return NULL;
	request->service = service;
	atomic_init(&request->result, KV_OK);
	connections_add(service->connections, &request->connection, fd, peer);
	return request;
}

struct request *request_free(struct request *request)
{
	if (!request)
		return NULL;
	connections_remove(request->service->connections, &request->connection);
	buf_free(&request->target);
	buf_free(&request->body);
	free(request);
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

static enum MHD_Result add_header(void *arg, enum MHD_ValueKind kind, const char *name,
	const char *value)
{
	struct request *request = arg;

	(void)kind;
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

enum MHD_Result request_access(struct request *request, const char *method, const char *version,
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
	case REQUEST_WAITING:
		request->go_on(request, atomic_load(&request->result));
		break;
	case REQUEST_ANSWERED:
		break;
	}
	return request->answer_failed ? MHD_NO : MHD_YES;
}

void request_completed(struct request *request)
{
	struct service *service = request->service;

	if (request->status != 0)
		metrics_record(service->metrics, request->route ? request->route->op : METRICS_OTHER,
			request->status, clock_monotonic_us() - request->begun_us);
	request->batch = store_batch_free(request->batch);
	if (request->counted_bytes > 0)
		atomic_fetch_sub(&service->inflight_bytes, request->counted_bytes);
	request->counted_bytes = 0;
	if (request->body.capacity > BODY_KEEP)
		buf_free(&request->body);
	request->step = REQUEST_NEW;
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

static void suspend(struct request *request, enum connection_phase phase,
	void (*go_on)(struct request *, kv_status))
{
	request->step = REQUEST_WAITING;
	request->go_on = go_on;
	(void)connection_enter(&request->connection, phase); /* there is no deadline in work */
	MHD_suspend_connection(request->mhd);
}

void request_resume(struct request *request, kv_status status)
{
	atomic_store(&request->result, status);
	MHD_resume_connection(request->mhd);
}

static void committed(struct store_batch *batch, kv_status status, void *arg)
{
	struct request *request = arg;
	struct service *service = request->service;

	(void)batch; /* still in request->batch */
	request_resume(request, status);
	atomic_fetch_sub(&service->commits, 1); /* the request may be gone already */
}

void request_commit(struct request *request, void (*go_on)(struct request *, kv_status))
{
	atomic_fetch_add(&request->service->commits, 1);
	suspend(request, CONNECTION_WORKING, go_on);
	store_submit(request->service->store, request->batch, committed, request);
}

void request_wait_for_end(struct request *request, void (*go_on)(struct request *, kv_status))
{
	suspend(request, CONNECTION_STOPPING, go_on);
	stopping_join(request->service->stopping, request);
}
