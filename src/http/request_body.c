/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A body is dropped, gathered in memory or handed on to its route as it comes. In the middle of it, libmicrohttpd takes no answer, so
 * whoever ends it there writes one to the socket (reply.c) and the connection is closed.
 *
 * Bytes that a route cannot take yet stay with libmicrohttpd. It would not offer them again before more come, which may never be, so
 * the connection is parked until the commit or job is done. Meanwhile it has no deadline: it is not the client that is slow.
 */
#define _GNU_SOURCE
#include "http/request_body.h"

#include "base/log.h"
#include "http/reply.h"
#include "http/request_wait.h"
#include "http/value_body.h"
#include "http/worker.h"

enum {
	BODY_DROP_MAX = 64 * 1024, /* bytes of a body nobody asked for that are read before we give up */
	BODY_RESERVE_MAX = 1024 * 1024, /* reserved on the word of a Content-Length */
};

bool request_expects_body(const struct request *request)
{
	return request->head.chunked || request->head.body_bytes > 0;
}

/* An answer before the body closes the connection, so only a body that is worth it, or whose sender waits for a word, is judged there. */
static bool begins_early(const struct request *request)
{
	return request->route->body == ROUTE_BODY_STREAM || head_has(&request->head, HEAD_EXPECT) ||
		request->head.body_bytes > BODY_DROP_MAX;
}

bool request_body_begin(struct request *request)
{
	uint64_t announced = request->head.body_bytes;

	if (request->route->begin && begins_early(request)) {
		request->begun = true;
		if (!request->route->begin(request))
			return false;
	}
	if (request->route->body == ROUTE_BODY_STREAM)
		return true;
	if (request->route->body == ROUTE_BODY_VALUE && value_body_is_large(request, announced))
		return value_body_begin(request);
	if (announced > 0)
		(void)buf_reserve(&request->body, announced < BODY_RESERVE_MAX ?
			(size_t)announced : BODY_RESERVE_MAX); /* appending will tell */
	return true;
}

/* Drops what nobody asked for, as long as it is little. */
static enum MHD_Result drop(struct request *request, size_t *size)
{
	request->body_dropped += *size;
	*size = 0;
	if (request->body_dropped <= BODY_DROP_MAX)
		return MHD_YES;
	reply_error(request, 413, "this request takes no body");
	return MHD_NO;
}

bool request_hold_bytes(struct request *request, uint64_t bytes)
{
	struct service *service = request->service;
	uint64_t inflight = atomic_fetch_add(&service->inflight_bytes, bytes) + bytes;

	request->counted_bytes += bytes;
	return inflight <= service->options->inflight_bytes_max;
}

void request_release_bytes(struct request *request, uint64_t bytes)
{
	atomic_fetch_sub(&request->service->inflight_bytes, bytes);
	request->counted_bytes -= bytes;
}

static enum MHD_Result keep(struct request *request, const char *data, size_t *size)
{
	bool held = request_hold_bytes(request, *size);
	size_t taken;

	if (*size > request->body_max - request->body.len) {
		reply_too_large(request);
		return MHD_NO;
	}
	if (!held || buf_append(&request->body, data, *size) != KV_OK) {
		reply_error(request, 503, "too many bytes of request bodies in memory");
		return MHD_NO;
	}
	taken = *size;
	*size = 0;
	return connection_progress(&request->connection, taken) ? MHD_YES : MHD_NO;
}

enum MHD_Result request_body_park(struct request *request)
{
	if (!connection_enter(&request->connection, CONNECTION_WORKING))
		return MHD_NO;
	parking_forget_wake(request);
	(void)parking_enter(worker_parking(request->worker), request, 0);
	return MHD_YES;
}

/* Reading goes on after a wait, with a deadline of its own. */
static bool read_on(struct request *request)
{
	if (connection_phase(&request->connection) == CONNECTION_BODY)
		return true;
	atomic_store_explicit(&request->connection.bytes, 0, memory_order_relaxed);
	return connection_enter(&request->connection, CONNECTION_BODY);
}

static enum MHD_Result hand_on(struct request *request, const char *data, size_t *size,
	bool (*take)(struct request *, const char *, size_t *))
{
	if (!read_on(request))
		return MHD_NO;
	while (*size > 0 && !request_is_waiting(request)) {
		size_t left = *size;

		if (!take(request, data, &left) || request->step == REQUEST_ANSWERED)
			return MHD_NO;
		if (left == *size && !request_is_waiting(request)) {
			log_error("%s takes nothing and waits for nothing", request->route->path);
			return MHD_NO;
		}
		if (left < *size && !connection_progress(&request->connection, *size - left))
			return MHD_NO;
		data += *size - left;
		*size = left;
	}
	return *size > 0 ? request_body_park(request) : MHD_YES;
}

enum MHD_Result request_body_take(struct request *request, const char *data, size_t *size)
{
	request->place = REQUEST_IN_BODY;
	if (request->problem.status != 0 || request->route->body == ROUTE_BODY_NONE)
		return drop(request, size);
	if (request->route->body == ROUTE_BODY_STREAM)
		return hand_on(request, data, size, request->route->take);
	if (request->route->body == ROUTE_BODY_VALUE && value_body_is_large(request, *size))
		return hand_on(request, data, size, value_body_take);
	return keep(request, data, size);
}
