/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All answers end in queue(), which hands the response to libmicrohttpd. Without memory for an answer the connection
 * is closed: the client then does not know the outcome, which is the truth.
 */
#define _GNU_SOURCE
#include "http/reply.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/log.h"
#include "http/farewell.h"
#include "http/jsontext.h"
#include "http/lifetime.h"
#include "http/tls.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	COPY_MAX = 4096, /* values up to this are copied: cheaper than to keep them pinned */
	ANSWER_COUNTED = 64 * 1024, /* larger ones count in service->answer_bytes */
};

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

static void add_lifetime(struct MHD_Response **response, uint64_t expires_unix_ms)
{
	char date[LIFETIME_DATE_SIZE], left[DECIMAL_INT64_MAX_BYTES + 1];

	snprintf(left, sizeof left, "%" PRIu64, lifetime_seconds_left(expires_unix_ms, clock_wall_ms()));
	reply_add_header(response, "Expires", lifetime_date(expires_unix_ms, date));
	reply_add_header(response, "X-Kv-TTL", left);
	reply_add_header(response, "Cache-Control", "no-cache"); /* to a cache, Expires alone would mean that nothing changes before */
}

/* The same, with what request->expires_unix_ms says, and gives the response up. */
static void queue_once(struct request *request, unsigned status, struct MHD_Response *response,
	uint64_t bytes)
{
	if (request->expires_unix_ms != 0 && (status < 300 || status == 304))
		add_lifetime(&response, request->expires_unix_ms);
	queue(request, status, response, bytes);
	if (response)
		MHD_destroy_response(response);
}

void reply_response(struct request *request, unsigned status, struct MHD_Response *response)
{
	queue_once(request, status, response, 0);
}

void reply_lost(struct request *request)
{
	reply_response(request, 500, NULL);
}

void reply_add_header(struct MHD_Response **response, const char *name, const char *value)
{
	if (!*response || MHD_add_response_header(*response, name, value) == MHD_YES)
		return;
	MHD_destroy_response(*response);
	*response = NULL;
}

void reply_ok(struct request *request)
{
	if (request->expires_unix_ms != 0) /* each tells its own */
		reply_text(request, 200, slice_of_string(ok_text));
	else
		queue(request, 200, request->service->replies->ok, sizeof ok_text);
}

static struct MHD_Response *copied(struct slice text, const char *content_type)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(text.len,
		(void *)(uintptr_t)text.data, MHD_RESPMEM_MUST_COPY);

	reply_add_header(&response, "Content-Type", content_type);
	return response;
}

static void send_parts(int fd, struct slice head, struct slice body)
{
	struct iovec parts[] = {
		{ .iov_base = (void *)(uintptr_t)head.data, .iov_len = head.len },
		{ .iov_base = (void *)(uintptr_t)body.data, .iov_len = body.len },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	(void)sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); /* short: it fits */
}

/* What a status must be told with; NULL: nothing. */
static const struct reply_header *header_of_status(unsigned status)
{
	static const struct reply_header challenge = { "WWW-Authenticate", "Bearer realm=\"kvstored\"" };
	static const struct reply_header later = { "Retry-After", "1" }; /* a bucket has one request more within a second */

	if (status == 401)
		return &challenge;
	return status == 503 || status == 429 ? &later : NULL;
}

static void add_header_of_status(struct MHD_Response **response, unsigned status)
{
	const struct reply_header *header = header_of_status(status);

	if (header)
		reply_add_header(response, header->name, header->value);
}

/* In the middle of a body, where libmicrohttpd takes no answer. */
static void send_raw(struct request *request, unsigned status, const char *content_type, struct slice body)
{
	const struct reply_header *header = header_of_status(status);
	char head[512];
	int len = snprintf(head, sizeof head,
		"HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: %s\r\n%s%s%s%sContent-Length: %zu\r\n\r\n",
		status, MHD_get_reason_phrase_for(status), content_type, header ? header->name : "",
		header ? ": " : "", header ? header->value : "", header ? "\r\n" : "", body.len);

	request->step = REQUEST_ANSWERED;
	request->status = status;
	if (request->connection.tls)
		(void)(tls_send(request->mhd, slice_of(head, (size_t)len)) && tls_send(request->mhd, body));
	else
		send_parts(request->connection.fd, slice_of(head, (size_t)len), body);
	farewell_add_copy(request->service->farewell, request->connection.fd);
}

void reply_text(struct request *request, unsigned status, struct slice text)
{
	if (request->place == REQUEST_IN_BODY) {
		send_raw(request, status, type_text, text);
		return;
	}
	queue_once(request, status, copied(text, type_text), text.len);
}

void reply_constant(struct request *request, struct slice body, const struct reply_header *headers)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(body.len,
		(void *)(uintptr_t)body.data, MHD_RESPMEM_PERSISTENT);

	for (; headers->name; headers++)
		reply_add_header(&response, headers->name, headers->value);
	queue_once(request, 200, response, body.len);
}

void reply_redirect(struct request *request, const char *path)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

	reply_add_header(&response, "Location", path);
	queue_once(request, 308, response, 0);
}

/* The bytes of `body` go over to the response; it is empty afterwards. */
static struct MHD_Response *of_buf(const char *content_type, struct buf *body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(body->len, body->data,
		MHD_RESPMEM_MUST_FREE);

	if (response)
		*body = (struct buf){ 0 };
	else
		buf_free(body);
	reply_add_header(&response, "Content-Type", content_type);
	return response;
}

/* Until the end of the request. False: there are too many of them in memory, waiting for clients that read slowly. */
static bool hold_answer(struct request *request, uint64_t bytes)
{
	struct service *service = request->service;

	if (bytes <= ANSWER_COUNTED)
		return true;
	if (atomic_fetch_add(&service->answer_bytes, bytes) + bytes > service->options->inflight_bytes_max) {
		atomic_fetch_sub(&service->answer_bytes, bytes);
		return false;
	}
	request->counted_answer += bytes;
	return true;
}

void reply_buf(struct request *request, unsigned status, const char *content_type, struct buf *body)
{
	uint64_t bytes = body->len;
	struct MHD_Response *response;

	if (request->place == REQUEST_IN_BODY) {
		send_raw(request, status, content_type, buf_slice(body));
		buf_free(body);
		return;
	}
	if (!hold_answer(request, bytes)) {
		buf_free(body);
		reply_error(request, 503, "too many bytes of answers in memory");
		return;
	}
	response = of_buf(content_type, body);
	add_header_of_status(&response, status);
	queue_once(request, status, response, bytes);
}

void reply_buf_etag(struct request *request, unsigned status, const char *content_type, struct buf *body,
	const char *etag)
{
	uint64_t bytes = body->len;
	struct MHD_Response *response = of_buf(content_type, body);

	reply_add_header(&response, "ETag", etag);
	queue_once(request, status, response, bytes);
}

void reply_created(struct request *request, const char *location, struct buf *body)
{
	uint64_t bytes = body->len;
	struct MHD_Response *response = of_buf(type_json, body);

	reply_add_header(&response, "Location", location);
	queue_once(request, 201, response, bytes);
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

/* Nothing in its header is about this value only. */
static bool is_plain(const struct request *request, const struct reply_value *answer)
{
	return !answer->etag && !answer->ranges && !answer->is_part && request->expires_unix_ms == 0 &&
		answer->value.bytes.len <= COPY_MAX;
}

static void reply_plain(struct request *request, struct pinned value)
{
	uint64_t bytes = value.bytes.len;
	struct MHD_Response *response = kept_response(&request->value, value.bytes, type_value);

	pinned_release(&value);
	queue(request, 200, response, bytes);
}

static void reply_with_headers(struct request *request, const struct reply_value *answer)
{
	struct pinned value = answer->value;
	uint64_t size = value.bytes.len;
	struct slice part = answer->is_part ?
		slice_of(value.bytes.data + answer->first, answer->len) : value.bytes;
	struct MHD_Response *response = of_pinned(&value, part);
	char range[96];

	reply_add_header(&response, "Content-Type", type_value);
	if (answer->etag)
		reply_add_header(&response, "ETag", answer->etag);
	if (answer->ranges)
		reply_add_header(&response, "Accept-Ranges", "bytes");
	if (answer->is_part) {
		snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, answer->first,
			answer->first + answer->len - 1, size);
		reply_add_header(&response, "Content-Range", range);
	}
	queue_once(request, answer->is_part ? 206 : 200, response, part.len);
}

void reply_value(struct request *request, const struct reply_value *answer)
{
	if (is_plain(request, answer))
		reply_plain(request, answer->value);
	else
		reply_with_headers(request, answer);
}

void reply_empty(struct request *request, unsigned status, const char *etag)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

	if (etag)
		reply_add_header(&response, "ETag", etag);
	queue_once(request, status, response, 0);
}

void reply_bad_range(struct request *request, uint64_t size)
{
	struct MHD_Response *response = copied(slice_of_string("the range lies outside of the value\n"),
		type_text);
	char text[40];

	snprintf(text, sizeof text, "bytes */%" PRIu64, size);
	reply_add_header(&response, "Content-Range", text);
	queue_once(request, 416, response, 0);
}

const char *reply_error_code(unsigned status)
{
	static const struct {
		unsigned status;
		const char *code;
	} codes[] = {
		{ 400, "bad_request" }, { 401, "unauthorized" }, { 403, "forbidden" }, { 404, "not_found" },
		{ 405, "method_not_allowed" }, { 408, "timeout" }, { 409, "conflict" }, { 410, "gone" }, { 411, "length_required" },
		{ 412, "condition_failed" }, { 413, "too_large" }, { 414, "key_too_long" },
		{ 416, "bad_range" }, { 417, "expectation_failed" }, { 422, "out_of_range" },
		{ 429, "too_many_requests" }, { 500, "internal" },
		{ 501, "not_implemented" }, { 503, "unavailable" }, { 507, "disk_full" },
	};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].status == status)
			return codes[i].code;
	return "error";
}

/* Empty without memory: the status says most of it. */
static void problem_body(bool json, unsigned status, const char *text, struct buf *ret)
{
	kv_status made;

	if (json) {
		made = buf_printf(ret, "{\"error\":\"%s\",", reply_error_code(status));
		if (made == KV_OK)
			made = jsontext_bytes(ret, "message", slice_of_string(text));
		if (made == KV_OK)
			made = buf_append(ret, "}\n", 2);
	} else {
		made = buf_printf(ret, "%s\n", text);
	}
	if (made != KV_OK)
		buf_free(ret);
}

static void queue_problem(struct request *request, const struct problem *problem, struct slice body,
	const char *content_type)
{
	char allow[ROUTE_ALLOW_MAX];
	struct MHD_Response *response = body.len > 0 ? copied(body, content_type) : NULL;

	if (problem->allow != 0)
		reply_add_header(&response, "Allow", route_allow_text(problem->allow, allow, sizeof allow));
	add_header_of_status(&response, problem->status);
	if (problem->close || request->place == REQUEST_AT_HEAD)
		reply_add_header(&response, "Connection", "close");
	queue_once(request, problem->status, response, body.len);
}

void reply_problem(struct request *request, const struct problem *problem)
{
	bool json = head_accepts_json(&request->head);
	struct buf body = { 0 };

	problem_body(json, problem->status, problem->text, &body);
	if (request->place == REQUEST_IN_BODY)
		send_raw(request, problem->status, json ? type_json : type_text, buf_slice(&body));
	else
		queue_problem(request, problem, buf_slice(&body), json ? type_json : type_text);
	buf_free(&body);
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
	[KV_NOT_NUMBER] = { 409, false, "the value is not a decimal number of 64 bits" },
	[KV_OVERFLOW] = { 422, false, "the sum does not fit into 64 bits" },
	[KV_GONE] = { 410, false, "no longer kept" },
};

unsigned reply_store_status(kv_status status)
{
	bool known = (unsigned)status < KV_STATUS_COUNT && store_statuses[status].http != 0;

	return store_statuses[known ? status : KV_IO].http;
}

void reply_too_large(struct request *request)
{
	reply_error(request, 413, "the body is larger than %s, which is %llu bytes", route_body_option(request->route->body),
		(unsigned long long)request->body_max);
}

void reply_store_error(struct request *request, kv_status status, const struct kv_error *err)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	const char *text;

	if (status == KV_NOT_FOUND && request->place == REQUEST_AT_END && !head_accepts_json(&request->head)) {
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
