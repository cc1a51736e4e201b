/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A large value is read a piece at a time, each verified before a byte of it is sent. Its first piece is read before the answer
 * begins, so that most damage still gets a status; later, all that can be done is to cut the connection.
 */
#define _GNU_SOURCE
#include "http/value_reply.h"

#include "base/log.h"
#include "http/condition.h"
#include "http/jsontext.h"
#include "http/reply.h"
#include "http/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LARGE_PIECE_BYTES = 64 * 1024 };

/* What of the value is asked for. */
struct span {
	uint64_t first, len;
	bool is_part;
};

struct large_reply {
	struct stream stream; /* first: stream.h hands out its address */
	struct store_large *large;
	uint64_t next, end;   /* of the bytes to be sent */
};

static kv_status read_piece(struct large_reply *reply, struct buf *to, size_t room, struct kv_error *err)
{
	uint64_t left = reply->end - reply->next;
	size_t len = left < room ? (size_t)left : room;
	kv_status status = buf_reserve(to, len);

	if (status == KV_OK)
		status = store_large_read(reply->large, reply->next, to->data + to->len, len, err);
	if (status != KV_OK)
		return status;
	to->len += len;
	reply->next += len;
	return KV_OK;
}

static enum stream_state fill(struct stream *stream, struct buf *to, size_t room)
{
	struct large_reply *reply = (struct large_reply *)stream;
	struct kv_error err = { .status = KV_OK };
	kv_status status = KV_OK;
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];

	if (reply->next < reply->end)
		status = read_piece(reply, to, room, &err);
	if (status != KV_OK) {
		log_error("%s: a large value is cut while it is sent: %s", stream->request->route->path,
			err.status == status ? kv_error_format(&err, line, sizeof line) : kv_status_text(status));
		return STREAM_BROKEN;
	}
	return reply->next < reply->end ? STREAM_MORE : STREAM_END;
}

static void close_reply(struct stream *stream)
{
	struct large_reply *reply = (struct large_reply *)stream;

	store_large_free(reply->large);
	free(reply);
}

static void send_large(struct request *request, struct large_reply *reply, const struct span *span,
	const char *etag)
{
	struct stream_head head = {
		.status = span->is_part ? 206 : 200,
		.content_type = "application/octet-stream",
		.size = span->len,
	};
	unsigned headers = 0;
	char range[96];

	if (etag) {
		head.headers[headers].name = "ETag";
		head.headers[headers++].value = etag;
		head.headers[headers].name = "Accept-Ranges";
		head.headers[headers++].value = "bytes";
	}
	if (span->is_part) {
		snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, span->first,
			span->first + span->len - 1, store_large_size(reply->large));
		head.headers[headers].name = "Content-Range";
		head.headers[headers++].value = range;
	}
	reply_stream(request, &head, &reply->stream);
}

static void reply_large(struct request *request, struct store_large *large, const struct span *span,
	const char *etag)
{
	static const struct stream_ops ops = { fill, close_reply };
	struct large_reply *reply = calloc(1, sizeof *reply);
	struct kv_error err = { .status = KV_OK };
	kv_status status = KV_OK;

	if (!reply) {
		store_large_free(large);
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return;
	}
	reply->stream.ops = &ops;
	reply->large = large;
	reply->next = span->first;
	reply->end = span->first + span->len;
	if (request->method != HTTP_HEAD)
		status = read_piece(reply, &reply->stream.made, LARGE_PIECE_BYTES, &err);
	if (status == KV_OK) {
		send_large(request, reply, span, etag);
	} else {
		buf_free(&reply->stream.made);
		close_reply(&reply->stream);
		reply_store_error(request, status, &err);
	}
}

/* A Range counts unless an If-Range says that it was meant for another version. */
static bool wants_range(const struct request *request, uint64_t version)
{
	const struct head *head = &request->head;
	uint64_t wanted;

	if (!head_has(head, HEAD_RANGE) || request->method != HTTP_GET)
		return false;
	return !head_has(head, HEAD_IF_RANGE) ||
		(condition_parse_etag(head->value[HEAD_IF_RANGE], &wanted) && wanted == version);
}

static uint64_t size_of(const struct store_value *value)
{
	return value->large ? store_large_size(value->large) : value->value.bytes.len;
}

/* False: there is nothing to send of it. */
static bool find_span(const struct request *request, const struct store_value *value, struct span *ret)
{
	*ret = (struct span){ .len = size_of(value) };
	if (!wants_range(request, value->version))
		return true;
	switch (condition_range(request->head.value[HEAD_RANGE], ret->len, &ret->first, &ret->len)) {
	case CONDITION_RANGE_UNSATISFIABLE:
		return false;
	case CONDITION_RANGE_PART:
		ret->is_part = true;
		return true;
	case CONDITION_RANGE_WHOLE:
		break;
	}
	*ret = (struct span){ .len = size_of(value) };
	return true;
}

void value_reply(struct request *request, struct store_value *value, const char *etag)
{
	struct span span = { .len = 0 };

	if (etag && !find_span(request, value, &span)) {
		reply_bad_range(request, size_of(value));
		store_value_release(value);
		return;
	}
	if (value->large) {
		if (!etag)
			span.len = size_of(value);
		reply_large(request, value->large, &span, etag);
		value->large = NULL;
		return;
	}
	reply_value(request, &(struct reply_value){
		.value = value->value,
		.etag = etag,
		.ranges = etag != NULL,
		.is_part = span.is_part,
		.first = span.first,
		.len = span.len,
	});
}

void value_reply_json(struct request *request, struct slice key, struct store_value *value,
	const char *etag)
{
	struct buf body = { 0 };
	kv_status status = buf_append(&body, "{", 1);

	if (status == KV_OK)
		status = jsontext_bytes(&body, "key", key);
	if (status == KV_OK)
		status = buf_append(&body, ",", 1);
	if (status == KV_OK && value->large)
		status = buf_printf(&body, "\"large\":%" PRIu64, store_large_size(value->large));
	else if (status == KV_OK)
		status = jsontext_bytes(&body, "value", value->value.bytes);
	if (status == KV_OK)
		status = buf_append(&body, ",\"etag\":", 8);
	if (status == KV_OK)
		status = jsontext_string(&body, slice_of_string(etag));
	if (status == KV_OK)
		status = buf_append(&body, "}\n", 2);
	store_value_release(value);
	if (status == KV_OK)
		reply_buf_etag(request, 200, "application/json", &body, etag);
	else
		reply_store_error(request, status, NULL);
	buf_free(&body);
}
