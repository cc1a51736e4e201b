/* SPDX-License-Identifier: BSD-2-Clause */
/* The four endpoints that every user knows, but for /shutdown: /set, /get, /del. The key is in the query. */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/reply.h"
#include "http/write.h"

/* The parameter "key": false has answered. */
static bool checked_key(struct request *request, const struct urlkey_param *param)
{
	if (!param->present) {
		reply_error(request, 400, "parameter 'key' is missing");
		return false;
	}
	return request_check_key(request, param->value);
}

static void answer_write(struct request *request, kv_status status)
{
	if (status == KV_OK)
		reply_ok(request);
	else
		reply_store_error(request, status, NULL);
}

void api_simple_set(struct request *request)
{
	struct urlkey_param params[] = { { .name = "key" }, { .name = "value" } };
	struct slice value;

	if (!request_query(request, params, 2) || !checked_key(request, &params[0]))
		return;
	value = params[1].present ? params[1].value : buf_slice(&request->body);
	if (params[1].present && request->body.len > 0)
		reply_error(request, 400, "there is both a parameter 'value' and a body");
	else if (!params[1].present && request->body.len == 0)
		reply_error(request, 400, "there is neither a parameter 'value' nor a body");
	else if (value.len > request->body_max)
		reply_error(request, 413, "the value is larger than max_value_size");
	else
		write_put(request, params[0].value, value, NULL, answer_write);
}

void api_simple_get(struct request *request)
{
	struct urlkey_param params[] = { { .name = "key" } };
	struct store_value value;
	struct kv_error err;
	kv_status status;

	if (!request_query(request, params, 1) || !checked_key(request, &params[0]))
		return;
	err.status = KV_OK;
	status = store_get(request->service->store, NULL, params[0].value, &value, &err);
	if (status == KV_OK)
		reply_value(request, &(struct reply_value){ .value = value.value });
	else
		reply_store_error(request, status, &err);
}

static void answer_delete(struct request *request, kv_status status)
{
	answer_write(request, status == KV_CONDITION ? KV_NOT_FOUND : status);
}

void api_simple_delete(struct request *request)
{
	struct urlkey_param params[] = { { .name = "key" } };
	static const struct store_condition exists = { .expect = STORE_EXPECT_EXISTS };

	if (request_query(request, params, 1) && checked_key(request, &params[0]))
		write_delete(request, params[0].value, &exists, answer_delete);
}
