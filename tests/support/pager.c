/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/pager.h"

#include "support/die.h"
#include "support/jsonitem.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void build_target(struct buf *out, const struct pager_options *options, const char *cursor)
{
	buf_clear(out);
	must(buf_append_slice(out, slice_of_string("/v1/kv?")));
	if (options->prefix.len > 0) {
		must(buf_append_slice(out, slice_of_string("prefix=")));
		httpclient_encode(out, options->prefix);
	}
	if (options->limit > 0)
		must(buf_printf(out, "&limit=%u", options->limit));
	if (options->keys_only)
		must(buf_append_slice(out, slice_of_string("&keys=1")));
	if (options->reverse)
		must(buf_append_slice(out, slice_of_string("&reverse=1")));
	if (cursor) {
		must(buf_append_slice(out, slice_of_string("&cursor=")));
		httpclient_encode(out, slice_of_string(cursor));
	}
}

static json_t *fetch(struct httpclient *client, struct slice target, char *error, size_t error_size)
{
	struct httpclient_request request = { .method = "GET", .target = target };
	const struct httpclient_reply *reply = httpclient_call(client, &request);
	json_error_t json_error;
	json_t *page;

	if (reply->outcome != HTTPCLIENT_ANSWERED || reply->status != 200) {
		snprintf(error, error_size, "GET %.*s: %s, status %u: %.*s", (int)target.len,
			(const char *)target.data, httpclient_outcome_name(reply->outcome),
			reply->status, (int)reply->body.len, (const char *)reply->body.data);
		return NULL;
	}
	page = json_loadb((const char *)reply->body.data, reply->body.len, JSON_ALLOW_NUL, &json_error);
	if (!page)
		snprintf(error, error_size, "GET %.*s: not JSON: %s", (int)target.len,
			(const char *)target.data, json_error.text);
	return page;
}

/* A page leaves a large value out, and says how large it is. */
static bool read_value(const json_t *one, struct buf *to)
{
	buf_clear(to);
	return json_is_integer(json_object_get(one, "large")) || jsonitem_bytes(one, "value", to);
}

static bool hand_out(const json_t *page, const struct pager_options *options, pager_item item,
	void *arg, char *error, size_t error_size)
{
	const json_t *items = json_object_get(page, "items");
	struct buf key = { 0 }, value = { 0 };
	bool good = json_is_array(items);
	size_t i;

	if (!good)
		snprintf(error, error_size, "a page without an array of items");
	for (i = 0; good && i < json_array_size(items); i++) {
		const json_t *one = json_array_get(items, i);

		good = jsonitem_bytes(one, "key", &key) &&
			(options->keys_only || read_value(one, &value));
		if (!good)
			snprintf(error, error_size, "item %zu of a page has no proper key or value", i);
		else
			good = item(arg, buf_slice(&key), buf_slice(&value));
	}
	buf_free(&key);
	buf_free(&value);
	return good;
}

bool pager_walk(struct httpclient *client, const struct pager_options *options, pager_item item,
	void *arg, char *error, size_t error_size)
{
	struct buf target = { 0 };
	bool good = true, complete = false;
	json_t *page = NULL;

	error[0] = '\0';
	build_target(&target, options, NULL);
	while (good && !complete) {
		page = fetch(client, buf_slice(&target), error, error_size);
		good = page && hand_out(page, options, item, arg, error, error_size);
		complete = page && json_is_true(json_object_get(page, "complete"));
		if (good && !complete) {
			const char *cursor = json_string_value(json_object_get(page, "cursor"));

			good = cursor != NULL;
			if (!good)
				snprintf(error, error_size, "an incomplete page without a cursor");
			else
				build_target(&target, options, cursor);
		}
		json_decref(page);
	}
	buf_free(&target);
	return good;
}
