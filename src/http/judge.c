/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Form first (anything malformed closes the connection: we may not agree with the client where the next request
 * begins), then who may, then what.
 */
#define _GNU_SOURCE
#include "http/judge.h"

#include "http/authorize.h"
#include "http/rate.h"

/*
 * libmicrohttpd 0.9 cuts the request line at spaces and passes C strings: a NUL inside, or more than one space, would
 * go unseen. The three parts lie one after the other in its buffer, so their addresses tell. Version 1 looks itself.
 */
static bool line_is_whole(const struct request *request, const char *method, const char *version)
{
	uintptr_t target = request->target_address;

	if (MHD_VERSION >= MHD_STRICT_VERSION)
		return true;
	return target - (uintptr_t)method == strlen(method) + 1 &&
		(uintptr_t)version - target == request->target.len + 1;
}

static bool judge_rate(struct request *request)
{
	struct rate *rate = request->service->rate;

	if (!rate || request->connection.peer == GUARD_PEER_UNIX || rate_take(rate, request->client, request->begun_us))
		return true;
	return problem_set(&request->problem, 429, "too many requests from this address (option 'rate_limit')");
}

static bool is_shutdown(const struct request *request)
{
	return strcmp(request->route->path, "/shutdown") == 0;
}

/* What is free is answered also when there is too much to do: health, above all. And the end can be asked for. */
static bool judge_load(struct request *request)
{
	struct service *service = request->service;
	unsigned limit = service->options->request_limit;

	if (limit == 0 || request->route->role == ACCESS_NONE || is_shutdown(request))
		return true;
	request->is_counted = atomic_fetch_add(&service->requests, 1) < limit;
	if (request->is_counted)
		return true;
	atomic_fetch_sub(&service->requests, 1);
	return problem_set(&request->problem, 503, "too many requests in work (option 'request_limit')");
}

/* Those that we know but no path takes, like TRACE, are for judge_target(), which knows what the path takes. */
static bool judge_method(struct request *request, const char *method)
{
	request->method = route_method(method);
	return request->method != 0 || problem_set(&request->problem, 501, "unknown method");
}

static bool judge_target(struct request *request)
{
	struct slice target = buf_slice(&request->target);
	const uint8_t *question;
	size_t path_len;

	if (target.len == 0 || target.data[0] != '/')
		return problem_set_close(&request->problem, 400, "the request target does not begin with '/'");
	if (!urlkey_target_is_clean(target))
		return problem_set_close(&request->problem, 400, "raw control byte or space in the request target");
	if (!urlkey_escapes_are_whole(target))
		return problem_set_close(&request->problem, 400, "'%%' without two hexadecimal digits in the request target");
	question = memchr(target.data, '?', target.len);
	path_len = question ? (size_t)(question - target.data) : target.len;
	request->has_query = question != NULL;
	request->raw_query = question ? slice_of(question + 1, target.len - path_len - 1) :
		slice_of(target.data + target.len, 0);
	request->route = route_find(slice_of(target.data, path_len), request->method,
		&request->raw_key, &request->problem);
	return request->route != NULL;
}

static uint64_t body_max(const struct request *request)
{
	const struct server_options *options = request->service->options;

	switch (request->route->body) {
	case ROUTE_BODY_VALUE:
		return options->max_value_bytes;
	case ROUTE_BODY_DOCUMENT:
		return options->max_batch_bytes;
	case ROUTE_BODY_STREAM:
		return UINT64_MAX;
	default:
		return 64 * 1024;
	}
}

static bool judge_body(struct request *request)
{
	request->body_max = body_max(request);
	if (request->head.body_bytes <= request->body_max)
		return true;
	if (request->route->body == ROUTE_BODY_NONE)
		return problem_set_close(&request->problem, 413, "this request takes no body");
	return problem_set_close(&request->problem, 413,
		"the body is larger than %s, which is %llu bytes",
		route_body_option(request->route->body), (unsigned long long)request->body_max);
}

static bool judge_conditions(struct request *request)
{
	const struct head *head = &request->head;

	if ((request->method & (HTTP_POST | HTTP_PUT | HTTP_DELETE)) == 0 || request->route->conditional ||
		(!head_has(head, HEAD_IF_MATCH) && !head_has(head, HEAD_IF_NONE_MATCH)))
		return true;
	return problem_set(&request->problem, 400, "this request takes no condition (If-Match, If-None-Match)");
}

/* What goes on with an upload that was cut (curl -C) means a part of the value, and would replace all of it. */
static bool judge_part(struct request *request)
{
	if ((request->method & (HTTP_POST | HTTP_PUT | HTTP_DELETE)) == 0 || !head_has(&request->head, HEAD_CONTENT_RANGE))
		return true;
	return problem_set_close(&request->problem, 400, "a value is written as a whole, not in parts (Content-Range)");
}

static bool judge_time(struct request *request)
{
	if (!atomic_load_explicit(&request->service->draining, memory_order_relaxed) ||
		is_shutdown(request))
		return true;
	return problem_set_close(&request->problem, 503, "kvstored is stopping");
}

bool judge_request(struct request *request, const char *method, const char *version)
{
	if (!line_is_whole(request, method, version))
		return problem_set_close(&request->problem, 400, "malformed request line");
	return head_check(&request->head, strcmp(version, "HTTP/1.0") == 0, &request->problem) &&
		judge_rate(request) && judge_method(request, method) &&
		guard_request(&request->service->rules, request->connection.peer, &request->host, &request->head,
			&request->problem) &&
		judge_target(request) && authorize_request(request) && judge_time(request) && judge_load(request) &&
		judge_conditions(request) && judge_part(request) && judge_body(request);
}
