/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between libmicrohttpd, which asks for bytes when it has handed the last ones to the kernel, and a stream, which makes them in pieces
 * of its own size. Every piece that is handed out moves the deadline, so that the rate counts and not the size.
 */
#define _GNU_SOURCE
#include "http/stream.h"

#include "http/authorize.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/worker.h"

enum {
	PIECE_BYTES = 64 * 1024,
	SMALL_PIECE_BYTES = 4 * 1024,  /* of unknown size: libmicrohttpd uses its buffer for HTTP/1.0 only */
	MADE_KEEP = 4 * PIECE_BYTES,   /* memory above this, for one large item, is given back */
};

/* Nothing for now; what is not parked is asked again at the next turn. */
static ssize_t pause_in(struct stream *stream, enum connection_phase phase)
{
	struct request *request = stream->request;

	if (!connection_enter(&request->connection, phase))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	stream->is_paused = true;
	if (phase == CONNECTION_WAITING)
		(void)parking_enter(worker_parking(request->worker), request, stream->alarm_us);
	return 0;
}

static ssize_t without_bytes(struct stream *stream)
{
	switch (stream->state) {
	case STREAM_MORE:
		return pause_in(stream, CONNECTION_WORKING);
	case STREAM_WAIT:
		buf_free(&stream->made);
		if (!stream->ending)
			return pause_in(stream, CONNECTION_WAITING);
		break;
	case STREAM_END:
		if (stream->left == 0 || stream->left == STREAM_SIZE_UNKNOWN)
			return MHD_CONTENT_READER_END_OF_STREAM;
		break;
	case STREAM_BROKEN:
		break;
	}
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void fill(struct stream *stream)
{
	struct request *request = stream->request;

	if (stream->made.capacity > MADE_KEEP)
		buf_free(&stream->made);
	buf_clear(&stream->made);
	stream->sent = 0;
	stream->ending |= atomic_load_explicit(&request->service->draining, memory_order_relaxed);
	parking_forget_wake(request);
	stream->state = authorize_still(request) ? stream->ops->fill(stream, &stream->made, PIECE_BYTES) : STREAM_BROKEN;
	if (stream->state == STREAM_BROKEN)
		buf_clear(&stream->made);
}

/* False: the connection was reaped. */
static bool account(struct stream *stream, size_t bytes)
{
	struct connection *connection = &stream->request->connection;

	if (stream->left != STREAM_SIZE_UNKNOWN)
		stream->left -= bytes;
	if (!stream->is_paused)
		return connection_progress(connection, bytes);
	stream->is_paused = false;
	atomic_store_explicit(&connection->bytes, bytes, memory_order_relaxed);
	return connection_enter(connection, CONNECTION_SENDING);
}

static ssize_t read_stream(void *arg, uint64_t position, char *to, size_t max)
{
	struct stream *stream = arg;
	size_t left;

	(void)position;
	worker_progress(stream->request->worker);
	if (connection_phase(&stream->request->connection) == CONNECTION_REAPED)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	left = stream->made.len - stream->sent;
	if (left == 0 && stream->state != STREAM_END) {
		fill(stream);
		left = stream->made.len;
	}
	if (left == 0)
		return without_bytes(stream);
	if (left > max)
		left = max;
	if (!account(stream, left))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	memcpy(to, stream->made.data + stream->sent, left);
	stream->sent += left;
	return (ssize_t)left;
}

static void close_stream(void *arg)
{
	struct stream *stream = arg;

	buf_free(&stream->made);
	stream->ops->close(stream);
}

static size_t piece_size(uint64_t size)
{
	if (size == STREAM_SIZE_UNKNOWN)
		return SMALL_PIECE_BYTES;
	return size < PIECE_BYTES ? (size_t)size + 1 : PIECE_BYTES; /* libmicrohttpd takes no 0 */
}

void reply_stream(struct request *request, const struct stream_head *head, struct stream *stream)
{
	struct MHD_Response *response;

	if (!stream->request) /* who set it may be waking it already */
		stream->request = request;
	stream->state = STREAM_MORE;
	stream->left = head->size;
	response = MHD_create_response_from_callback(head->size, piece_size(head->size), read_stream, stream,
		close_stream);
	if (!response)
		close_stream(stream);
	/* libmicrohttpd 0.9 ends the body that HEAD does not have with a last chunk: only the end of the connection keeps that from
	 * being taken for the next answer */
	else if (request->method == HTTP_HEAD && head->size == STREAM_SIZE_UNKNOWN)
		MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	reply_add_header(&response, "Content-Type", head->content_type);
	for (size_t i = 0; i < STREAM_HEADERS_MAX && head->headers[i].name; i++)
		reply_add_header(&response, head->headers[i].name, head->headers[i].value);
	reply_response(request, head->status, response);
}

void stream_wake(struct stream *stream)
{
	struct worker *worker = stream->request->worker;

	parking_wake(worker_parking(worker), stream->request);
	worker_wake(worker);
}
