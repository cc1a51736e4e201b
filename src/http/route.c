/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paths are compared as raw bytes: an escaped letter in a path's fixed part is another path. The table is short, most used
 * first, and searched from the top.
 */
#define _GNU_SOURCE
#include "http/route.h"

#include "http/api.h"

#include <stdio.h>

static const struct route routes[] = {
	{ "/get", HTTP_GET | HTTP_HEAD, METRICS_GET, ROUTE_BODY_NONE, api_simple_get },
	{ "/set", HTTP_POST | HTTP_PUT, METRICS_SET, ROUTE_BODY_VALUE, api_simple_set },
	{ "/del", HTTP_DELETE, METRICS_DELETE, ROUTE_BODY_NONE, api_simple_delete },
	{ "/v1/kv/", HTTP_GET | HTTP_HEAD, METRICS_GET, ROUTE_BODY_NONE, api_kv_get },
	{ "/v1/kv/", HTTP_PUT, METRICS_SET, ROUTE_BODY_VALUE, api_kv_put },
	{ "/v1/kv/", HTTP_DELETE, METRICS_DELETE, ROUTE_BODY_NONE, api_kv_delete },
	{ "/v1/kv", HTTP_GET | HTTP_HEAD, METRICS_SCAN, ROUTE_BODY_NONE, api_scan },
	{ "/healthz", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_health_live },
	{ "/readyz", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_health_ready },
	{ "/metrics", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_metrics },
	{ "/v1/stats", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_stats },
	{ "/shutdown", HTTP_GET | HTTP_POST, METRICS_ADMIN, ROUTE_BODY_NONE, api_shutdown },
};

static const struct {
	const char *name;
	unsigned bit;
} methods[] = {
	{ "GET", HTTP_GET },         { "HEAD", HTTP_HEAD },   { "POST", HTTP_POST },
	{ "PUT", HTTP_PUT },         { "DELETE", HTTP_DELETE }, { "OPTIONS", HTTP_OPTIONS },
	{ "PATCH", HTTP_PATCH },     { "TRACE", HTTP_TRACE }, { "CONNECT", HTTP_CONNECT },
};

unsigned route_method(const char *name)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(name, methods[i].name) == 0)
			return methods[i].bit;
	return 0;
}

const char *route_allow_text(unsigned set, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof methods / sizeof methods[0] && len < size; i++)
		if ((set & methods[i].bit) != 0)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len > 0 ? ", " : "",
				methods[i].name);
	return buf;
}

static bool path_matches(const struct route *route, struct slice path, struct slice *ret_raw_key)
{
	size_t len = strlen(route->path);

	if (route->path[len - 1] == '/' ? path.len < len : path.len != len)
		return false;
	if (memcmp(path.data, route->path, len) != 0)
		return false;
	*ret_raw_key = slice_of(path.data + len, path.len - len);
	return true;
}

const struct route *route_find(struct slice path, unsigned method, struct slice *ret_raw_key,
	struct problem *problem)
{
	unsigned allowed = 0;
	struct slice raw_key;

	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (!path_matches(&routes[i], path, &raw_key))
			continue;
		if ((routes[i].methods & method) != 0) {
			*ret_raw_key = raw_key;
			return &routes[i];
		}
		allowed |= routes[i].methods;
	}
	if (allowed == 0) {
		problem_set(problem, 404, "there is nothing at this path");
	} else {
		problem_set(problem, 405, "this path does not take that method");
		problem->allow = allowed;
	}
	return NULL;
}
