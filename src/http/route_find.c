/* SPDX-License-Identifier: BSD-2-Clause */
/* What searches the table of route.c, which is a file of its own so that tests can bring another. */
#define _GNU_SOURCE
#include "http/route.h"

#include <stdio.h>

static const struct {
	const char *name;
	unsigned bit;
} methods[] = {
	{ "GET", HTTP_GET },         { "HEAD", HTTP_HEAD },   { "POST", HTTP_POST },
	{ "PUT", HTTP_PUT },         { "DELETE", HTTP_DELETE }, { "OPTIONS", HTTP_OPTIONS },
	{ "PATCH", HTTP_PATCH },     { "TRACE", HTTP_TRACE }, { "CONNECT", HTTP_CONNECT },
};

const char *route_body_option(enum route_body body)
{
	switch (body) {
	case ROUTE_BODY_VALUE:
		return "max_value_size";
	case ROUTE_BODY_DOCUMENT:
		return "max_batch_size";
	default:
		return NULL;
	}
}

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
	size_t len;

	if (path.len < 2 || path.data[1] != (uint8_t)route->path[1]) /* most others differ there */
		return false;
	len = strlen(route->path);
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
	const struct route *route;
	struct slice raw_key;

	for (size_t i = 0; (route = route_at(i)); i++) {
		if (!path_matches(route, path, &raw_key))
			continue;
		if ((route->methods & method) != 0) {
			*ret_raw_key = raw_key;
			return route;
		}
		allowed |= route->methods;
	}
	if (allowed == 0) {
		problem_set(problem, 404, "there is nothing at this path");
	} else {
		problem_set(problem, 405, "this path does not take that method");
		problem->allow = allowed;
	}
	return NULL;
}
