/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All answers end in queue(), which hands the response to libmicrohttpd. Without memory for an answer the connection
 * is closed: the client then does not know the outcome, which is the truth.
 */
#define _GNU_SOURCE
#include "http/reply.h"

#include "base/log.h"
#include "http/farewell.h"
#include "http/jsontext.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { COPY_MAX = 4096 }; /* values up to this are copied: cheaper than to keep them pinned */

static const char type_text[] = "text/plain; charset=utf-8";
static const char type_json[] = "application/json";
static const char type_value[] = "application/octet-stream";
static const char ok_text[] = "OK\n";
static const char no_key_text[] = "no such key\n";

struct replies {
	struct MHD_Response *ok;
	struct MHD_Response *no_key;
};

static struct MHD_Response *constant(const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text),
		(void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

	if (response && MHD_add_response_header(response, "Content-Type", type_text) != MHD_YES) {
		MHD_destroy_response(response);
		response = NULL;
	}
	return response;
}

struct replies *replies_new(void)
{
	struct replies *replies = calloc(1, sizeof *replies);

	if (!replies)
		return NULL;
	replies->ok = constant(ok_text);
	replies->no_key = constant(no_key_text);
	if (!replies->ok || !replies->no_key)
		return replies_free(replies);
	return replies;
}

struct replies *replies_free(struct replies *replies)
{
	if (!replies)
		return NULL;
	if (replies->ok)
		MHD_destroy_response(replies->ok);
	if (replies->no_key)
		MHD_destroy_response(replies->no_key);
	free(replies);
	return NULL;
}

/* Borrows the response. NULL: no memory for it. */
static void queue(struct request *request, unsigned status, struct MHD_Response *response, uint64_t bytes)
{
	request->step = REQUEST_ANSWERED;
	request->status = status;
	atomic_store_explicit(&request->connection.bytes, bytes, memory_order_relaxed);
	if (!response || !connection_enter(&request->connection, CONNECTION_SENDING) ||
		MHD_queue_response(request->mhd, status, response) != MHD_YES)
		request->answer_failed = true;
}

/* The same, and gives the response up. */
static void queue_once(struct request *request, unsigned status, struct MHD_Response *response,
	uint64_t bytes)
{
	queue(request, status, response, bytes);
	if (response)
		MHD_destroy_response(response);
}

/* Does nothing without a response, and takes it away when it cannot get the header. */
static void add(struct MHD_Response **response, const char *name, const char *value)
{
	if (!*response || MHD_add_response_header(*response, name, value) == MHD_YES)
		return;
	MHD_destroy_response(*response);
	*response = NULL;
}

void reply_ok(struct request *request)
{
	queue(request, 200, request->service->replies->ok, sizeof ok_text);
}

static struct MHD_Response *copied(struct slice text, const char *content_type)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(text.len,
		(void *)(uintptr_t)text.data, MHD_RESPMEM_MUST_COPY);

	add(&response, "Content-Type", content_type);
	return response;
}

void reply_text(struct request *request, unsigned status, struct slice text)
{
	queue_once(request, status, copied(text, type_text), text.len);
}

void reply_buf(struct request *request, unsigned status, const char *content_type, struct buf *body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(body->len, body->data,
		MHD_RESPMEM_MUST_FREE);
	uint64_t bytes = body->len;

	if (response)
		*body = (struct buf){ 0 };
	else
		buf_free(body);
	add(&response, "Content-Type", content_type);
	queue_once(request, status, response, bytes);
}

static void release(void *arg)
{
	struct pinned *pinned = arg;

	pinned_release(pinned);
	free(pinned);
}

/* Consumes the pinned bytes also when there is no memory. */
static struct MHD_Response *of_pinned(struct pinned *value, struct slice part)
{
	struct MHD_Response *response = NULL;
	struct pinned *held = part.len > COPY_MAX ? malloc(sizeof *held) : NULL;

	if (held) {
		*held = *value;
		response = MHD_create_response_from_buffer_with_free_callback_cls(part.len,
			(void *)(uintptr_t)part.data, release, held);
		if (!response)
			release(held);
	} else {
		if (part.len <= COPY_MAX)
			response = MHD_create_response_from_buffer(part.len, (void *)(uintptr_t)part.data,
				MHD_RESPMEM_MUST_COPY);
		pinned_release(value);
	}
	return response;
}

void reply_value(struct request *request, const struct reply_value *answer)
{
	struct pinned value = answer->value;
	uint64_t size = value.bytes.len;
	struct slice part = answer->is_part ?
		slice_of(value.bytes.data + answer->first, answer->len) : value.bytes;
	struct MHD_Response *response = of_pinned(&value, part);
	char range[96];

	add(&response, "Content-Type", type_value);
	if (answer->etag)
		add(&response, "ETag", answer->etag);
	if (answer->ranges)
		add(&response, "Accept-Ranges", "bytes");
	if (answer->is_part) {
		snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, answer->first,
			answer->first + answer->len - 1, size);
		add(&response, "Content-Range", range);
	}
	queue_once(request, answer->is_part ? 206 : 200, response, part.len);
}

void reply_empty(struct request *request, unsigned status, const char *etag)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

	if (etag)
		add(&response, "ETag", etag);
	queue_once(request, status, response, 0);
}

void reply_bad_range(struct request *request, uint64_t size)
{
	struct MHD_Response *response = copied(slice_of_string("the range lies outside of the value\n"),
		type_text);
	char text[40];

	snprintf(text, sizeof text, "bytes */%" PRIu64, size);
	add(&response, "Content-Range", text);
	queue_once(request, 416, response, 0);
}

const char *reply_error_code(unsigned status)
{
	static const struct {
		unsigned status;
		const char *code;
	} codes[] = {
		{ 400, "bad_request" }, { 403, "forbidden" }, { 404, "not_found" },
		{ 405, "method_not_allowed" }, { 408, "timeout" }, { 411, "length_required" },
		{ 412, "condition_failed" }, { 413, "too_large" }, { 414, "key_too_long" },
		{ 416, "bad_range" }, { 417, "expectation_failed" }, { 500, "internal" },
		{ 501, "not_implemented" }, { 503, "unavailable" }, { 507, "disk_full" },
	};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].status == status)
			return codes[i].code;
	return "error";
}

static struct MHD_Response *problem_response(bool json, unsigned status, const char *text, size_t *ret_len)
{
	struct MHD_Response *response = NULL;
	struct buf body = { 0 };
	kv_status made;

	if (json) {
		made = buf_printf(&body, "{\"error\":\"%s\",", reply_error_code(status));
		if (made == KV_OK)
			made = jsontext_bytes(&body, "message", slice_of_string(text));
		if (made == KV_OK)
			made = buf_append(&body, "}\n", 2);
	} else {
		made = buf_printf(&body, "%s\n", text);
	}
	if (made == KV_OK)
		response = copied(buf_slice(&body), json ? type_json : type_text);
	*ret_len = body.len;
	buf_free(&body);
	return response;
}

void reply_problem(struct request *request, const struct problem *problem)
{
	char allow[ROUTE_ALLOW_MAX];
	size_t len;
	struct MHD_Response *response = problem_response(head_accepts_json(&request->head),
		problem->status, problem->text, &len);

	if (problem->allow != 0)
		add(&response, "Allow", route_allow_text(problem->allow, allow, sizeof allow));
	if (problem->status == 503)
		add(&response, "Retry-After", "1");
	if (problem->close)
		add(&response, "Connection", "close");
	queue_once(request, problem->status, response, len);
}

void reply_error(struct request *request, unsigned status, const char *format, ...)
{
	struct problem problem = { .status = status };
	va_list args;

	va_start(args, format);
	vsnprintf(problem.text, sizeof problem.text, format, args);
	va_end(args);
	reply_problem(request, &problem);
}

static const struct {
	unsigned http;
	bool log; /* somebody should look; KV_IO is not: the store has told its change of state once */
	const char *text;
} store_statuses[KV_STATUS_COUNT] = {
	[KV_NOT_FOUND] = { 404, false, "no such key" },
	[KV_INVALID] = { 400, false, "not acceptable" },
	[KV_CONDITION] = { 412, false, "the condition does not hold" },
	[KV_NO_MEMORY] = { 503, false, "out of memory" },
	[KV_NO_SPACE] = { 507, false, "no space left for the data" },
	[KV_BUSY] = { 503, false, "busy, try again" },
	[KV_IO] = { 503, false, "the store has failed; it takes no writes until a restart" },
	[KV_CORRUPT] = { 500, true, "damaged data" },
	[KV_UNSUPPORTED] = { 501, false, "not supported" },
	[KV_UNCERTAIN] = { 500, true, "the write failed; its outcome is known after the next start" },
};

void reply_store_error(struct request *request, kv_status status, const struct kv_error *err)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	const char *text;

	if (status == KV_NOT_FOUND && !head_accepts_json(&request->head)) {
		queue(request, 404, request->service->replies->no_key, sizeof no_key_text);
		return;
	}
	if ((unsigned)status >= KV_STATUS_COUNT || store_statuses[status].http == 0)
		status = KV_IO;
	text = store_statuses[status].text;
	if (err && err->status == status && status != KV_NOT_FOUND)
		text = kv_error_format(err, line, sizeof line);
	if (store_statuses[status].log)
		log_error("%s %s: %s", request->route->path, metrics_op_name(request->route->op), text);
	reply_error(request, store_statuses[status].http, "%s", text);
}

void reply_raw(struct request *request, unsigned status, const char *text)
{
	char answer[512];
	int len = snprintf(answer, sizeof answer,
		"HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: %s\r\n%sContent-Length: %zu\r\n\r\n%s\n",
		status, MHD_get_reason_phrase_for(status), type_text,
		status == 503 ? "Retry-After: 1\r\n" : "", strlen(text) + 1, text);

	request->step = REQUEST_ANSWERED;
	request->status = status;
	(void)send(request->connection.fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	farewell_add_copy(request->service->farewell, request->connection.fd);
}
