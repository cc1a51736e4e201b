/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Form first (anything malformed closes the connection: we may not agree with the client where the next request
 * begins), then who may, then what.
 */
#define _GNU_SOURCE
#include "http/judge.h"

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

static bool judge_method(struct request *request, const char *method)
{
	struct problem *problem = &request->problem;

	request->method = route_method(method);
	if (request->method == 0)
		return problem_set(problem, 501, "unknown method");
	if ((request->method & (HTTP_TRACE | HTTP_CONNECT)) != 0) {
		problem_set(problem, 405, "this server does not do that");
		problem->allow = HTTP_GET | HTTP_HEAD | HTTP_POST | HTTP_PUT | HTTP_DELETE;
		return false;
	}
	return true;
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
	question = memchr(target.data, '?', target.len);
	path_len = question ? (size_t)(question - target.data) : target.len;
	request->has_query = question != NULL;
	request->raw_query = question ? slice_of(question + 1, target.len - path_len - 1) :
		slice_of(target.data + target.len, 0);
	request->route = route_find(slice_of(target.data, path_len), request->method,
		&request->raw_key, &request->problem);
	return request->route != NULL;
}

static bool judge_body(struct request *request)
{
	request->body_max = request->route->body == ROUTE_BODY_VALUE ?
		request->service->options->max_value_bytes : 64 * 1024;
	if (request->head.body_bytes <= request->body_max)
		return true;
	if (request->route->body == ROUTE_BODY_NONE)
		return problem_set_close(&request->problem, 413, "this request takes no body");
	return problem_set_close(&request->problem, 413,
		"the body is larger than max_value_size, which is %llu bytes",
		(unsigned long long)request->body_max);
}

static bool judge_time(struct request *request)
{
	if (!atomic_load_explicit(&request->service->draining, memory_order_relaxed) ||
		strcmp(request->route->path, "/shutdown") == 0)
		return true;
	return problem_set_close(&request->problem, 503, "kvstored is stopping");
}

bool judge_request(struct request *request, const char *method, const char *version)
{
	if (!line_is_whole(request, method, version))
		return problem_set_close(&request->problem, 400, "malformed request line");
	return head_check(&request->head, strcmp(version, "HTTP/1.0") == 0, &request->problem) &&
		judge_method(request, method) &&
		guard_request(&request->service->rules, request->connection.peer, &request->head,
			&request->problem) &&
		judge_target(request) && judge_time(request) && judge_body(request);
}
