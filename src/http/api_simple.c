/* SPDX-License-Identifier: BSD-2-Clause */
/* The four endpoints that every user knows, but for /shutdown: /set, /get, /del. The key is in the query. */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/reply.h"
#include "http/value_body.h"
#include "http/value_reply.h"
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
		write_reply_error(request, status);
}

bool api_simple_set_begin(struct request *request)
{
	struct urlkey_param params[] = { { .name = "key" }, { .name = "value" }, WRITE_PARAMS };
	struct write_plan *plan = &request->plan;

	*plan = (struct write_plan){ .has_value = false };
	if (!request_query(request, params, 2 + WRITE_PARAM_COUNT) || !checked_key(request, &params[0]) ||
		!write_options_read(request, params + 2, &plan->options))
		return false;
	plan->key = params[0].value;
	plan->has_value = params[1].present;
	plan->value = params[1].value;
	if (plan->has_value && request->head.body_bytes > 0) {
		reply_error(request, 400, "there is both a parameter 'value' and a body");
		return false;
	}
	return true;
}

void api_simple_set(struct request *request)
{
	const struct write_plan *plan = &request->plan;
	bool has_body = value_body_is_large(request, 0) || request->body.len > 0;

	if (plan->has_value && has_body)
		reply_error(request, 400, "there is both a parameter 'value' and a body");
	else if (!plan->has_value && !has_body)
		reply_error(request, 400, "there is neither a parameter 'value' nor a body");
	else if (plan->has_value && plan->value.len > request->body_max)
		reply_error(request, 413, "the value is larger than max_value_size, which is %llu bytes",
			(unsigned long long)request->body_max);
	else
		value_body_put(request, answer_write);
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
	if (status == KV_OK) {
		request->expires_unix_ms = value.expires_unix_ms;
		value_reply(request, &value, NULL);
	} else {
		reply_store_error(request, status, &err);
	}
}

static void answer_delete(struct request *request, kv_status status)
{
	answer_write(request, status == KV_CONDITION ? KV_NOT_FOUND : status);
}

void api_simple_delete(struct request *request)
{
	struct urlkey_param params[] = { { .name = "key" }, WRITE_DURABILITY_PARAM };
	static const struct store_condition exists = { .expect = STORE_EXPECT_NOT_ABSENT };
	enum store_durability durability;

	if (request_query(request, params, 2) && checked_key(request, &params[0]) &&
		write_durability_read(request, &params[1], &durability))
		write_delete(request, params[0].value, &exists, durability, answer_delete);
}
