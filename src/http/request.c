/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state machine of request.h. libmicrohttpd closes the connection when an answer is queued in the first call of the
 * handler, so only refusals that end the connection anyway are answered there; all others wait for the last call.
 */
#define _GNU_SOURCE
#include "http/request.h"

#include "base/clock.h"
#include "http/authorize.h"
#include "http/farewell.h"
#include "http/judge.h"
#include "http/reply.h"
#include "http/request_body.h"
#include "http/request_wait.h"
#include "http/worker.h"

#include <stdlib.h>

enum { BODY_KEEP = 64 * 1024 }; /* memory for bodies above this is given back after the request */

struct request *request_new(struct service *service, struct worker *worker, int fd,
	enum guard_peer peer, bool tls)
{
	struct request *request = calloc(1, sizeof *request);

	if (!request)
		return NULL;
	request->service = service;
	request->worker = worker;
	atomic_init(&request->custody, CUSTODY_OURS);
	request->peer_access = authorize_peer(service, peer, fd);
	request->access = &request->peer_access;
	request->connection.tls = tls;
	connections_add(service->connections, &request->connection, fd, peer);
	return request;
}

/* What a commit or job may be at work with; its memory counts as long as it is there. */
static void free_work(struct request *request)
{
	if (request->own)
		request->own_free(request->own);
	request->own = NULL;
	request->batch = store_batch_free(request->batch);
	if (request->counted_bytes > 0)
		request_release_bytes(request, request->counted_bytes);
	if (request->counted_answer > 0)
		atomic_fetch_sub(&request->service->answer_bytes, request->counted_answer);
	request->counted_answer = 0;
}

void request_destroy(struct request *request)
{
	free_work(request);
	buf_free(&request->target);
	buf_free(&request->body);
	token_memory_free(&request->token);
	kept_free(&request->value);
	free(request);
}

struct request *request_free(struct request *request)
{
	if (!request)
		return NULL;
	connections_remove(request->service->connections, &request->connection);
	if (request_leave(request))
		request_destroy(request);
	return NULL;
}

void request_target(struct request *request, struct MHD_Connection *mhd, const char *raw_target)
{
	size_t len = strlen(raw_target);

	request->mhd = mhd;
	request->step = REQUEST_NEW;
	request->place = REQUEST_AT_HEAD;
	request->begun = false;
	request->target_address = (uintptr_t)raw_target;
	request->route = NULL;
	request->problem.status = 0;
	request->status = 0;
	request->expires_unix_ms = 0;
	request->job.has_place = false;
	request->answer_failed = false;
	request->body_dropped = 0;
	request->begun_us = clock_monotonic_us();
	worker_begins_request(request->worker, request->begun_us);
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
	request->fields_end = value ? (uintptr_t)value + strlen(value) : 0;
	head_add(&request->head, slice_of_string(name), slice_of_string(value ? value : ""));
	return MHD_YES;
}

/*
 * libmicrohttpd 0.9 takes a line that begins with a colon for the empty line at the end of the header, and what follows for a body or
 * the next request: that is how requests are smuggled past a proxy. Between the last value and the end of the header there
 * are two ends of lines, four bytes at most, unless it was such a line.
 */
static bool ends_with_empty_line(const struct request *request, const char *method)
{
	const union MHD_ConnectionInfo *info;
	uintptr_t end;

	if (MHD_VERSION >= MHD_STRICT_VERSION || request->fields_end == 0)
		return true;
	info = MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	end = (uintptr_t)method + (info ? info->header_size : 0);
	return end - request->fields_end <= strlen("\r\n\r\n");
}

/* In the first call: the connection is closed, whoever still sends the body is told first. */
static enum MHD_Result refused(struct request *request)
{
	farewell_add_copy(request->service->farewell, request->connection.fd);
	return request->answer_failed ? MHD_NO : MHD_YES;
}

static enum MHD_Result first_call(struct request *request, const char *method, const char *version)
{
	bool has_body, good;

	request->step = REQUEST_BODY;
	request->fields_end = 0;
	MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, add_header, request);
	request->head.malformed |= !ends_with_empty_line(request, method);
	good = request->problem.status == 0 && judge_request(request, method, version);
	has_body = request_expects_body(request);
	if (!connection_enter(&request->connection, has_body ? CONNECTION_BODY : CONNECTION_WORKING))
		return MHD_NO;
	if (!good && (request->problem.close || has_body)) {
		request->problem.close = true;
		reply_problem(request, &request->problem);
		return refused(request);
	}
	if (!good || !has_body)
		return MHD_YES;
	return request_body_begin(request) ? MHD_YES : refused(request);
}

/* The whole request is there. Its body may have taken hours; who takes it as it comes asks by himself what the token is worth by now. */
static enum MHD_Result last_call(struct request *request)
{
	request->place = REQUEST_AT_END;
	if (request_expects_body(request) && !connection_enter(&request->connection, CONNECTION_WORKING))
		return MHD_NO;
	if (request->problem.status != 0)
		reply_problem(request, &request->problem);
	else if (request_expects_body(request) && request->route->body != ROUTE_BODY_STREAM && !authorize_still(request))
		reply_error(request, 401, AUTHORIZE_NOT_ANY_MORE);
	else if (request->begun || !request->route->begin || request->route->begin(request))
		request->route->handle(request);
	return MHD_YES;
}

/* The body may wait for its last commit or job after all of it has come: it is not the client that is slow. */
static enum MHD_Result wait_at_end(struct request *request)
{
	if (connection_phase(&request->connection) == CONNECTION_BODY &&
		!connection_enter(&request->connection, CONNECTION_WORKING))
		return MHD_NO;
	return MHD_YES;
}

/* Without an answer so far: what there is to do. */
static enum MHD_Result proceed(struct request *request, const char *method, const char *version,
	const char *data, size_t *size)
{
	if (request->step == REQUEST_NEW)
		return first_call(request, method, version);
	if (*size == 0)
		request->place = REQUEST_AT_END;
	if (request_is_waiting(request) && !request_wait_is_over(request))
		return *size > 0 ? request_body_park(request) : wait_at_end(request);
	if (request->step == REQUEST_BODY)
		return *size > 0 ? request_body_take(request, data, size) : last_call(request);
	return request->place == REQUEST_IN_BODY ? MHD_NO : MHD_YES; /* the body's rest is not wanted */
}

enum MHD_Result request_access(struct request *request, const char *method, const char *version,
	const char *data, size_t *size)
{
	bool was_waiting = request_is_waiting(request);
	enum MHD_Result result = proceed(request, method, version, data, size);

	if (!was_waiting || !request_is_waiting(request))
		worker_progress(request->worker);
	return request->answer_failed ? MHD_NO : result;
}

void request_completed(struct request *request)
{
	struct service *service = request->service;

	if (request->status != 0)
		metrics_record(service->metrics, request->route ? request->route->op : METRICS_OTHER,
			request->status, clock_monotonic_us() - request->begun_us);
	if (request->is_counted)
		atomic_fetch_sub(&service->requests, 1);
	request->is_counted = false;
	if (request->body.capacity > BODY_KEEP)
		buf_free(&request->body);
	if (request_is_waiting(request))
		worker_wait_ends(request->worker); /* the connection was lost: request_free() comes next */
	if (request->step != REQUEST_WAITING) {
		free_work(request);
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
	if (!request_may_touch_key(request, key)) {
		reply_error(request, 403, "this token is not for that key");
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

bool request_may_touch_key(const struct request *request, struct slice key)
{
	return access_covers_key(request->access, key);
}

bool request_may_touch_range(struct request *request, struct slice prefix, struct slice start,
	struct slice end)
{
	if (access_covers_range(request->access, prefix, start, end))
		return true;
	reply_error(request, 403, "this token is for the keys of its own prefix only");
	return false;
}

bool request_may_touch_all(struct request *request)
{
	struct slice none = slice_of(NULL, 0);

	return request_may_touch_range(request, none, none, none);
}
