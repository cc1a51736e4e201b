/* SPDX-License-Identifier: BSD-2-Clause */
/* /v1/incr/{key} and /v1/touch/{key}: writes that depend on the value before, which the commit knows. */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/decimal.h"
#include "http/condition.h"
#include "http/reply.h"
#include "http/write.h"

#include <inttypes.h>

static void reply_number(struct request *request, const struct store_outcome *outcome)
{
	bool json = head_accepts_json(&request->head);
	char etag[CONDITION_ETAG_SIZE];
	struct buf body = { 0 };

	condition_etag(outcome->version, etag);
	request->expires_unix_ms = outcome->expires_unix_ms;
	if (buf_printf(&body, json ? "{\"value\":%" PRId64 "}\n" : "%" PRId64 "\n", outcome->number) == KV_OK)
		reply_buf_etag(request, 200, json ? "application/json" : "text/plain; charset=utf-8", &body, etag);
	else
		reply_lost(request);
	buf_free(&body);
}

static void answer_increment(struct request *request, kv_status status)
{
	struct store_outcome outcome;

	if (status != KV_OK) {
		write_reply_error(request, status);
		return;
	}
	outcome = store_batch_outcome(request->batch, 0);
	reply_number(request, &outcome);
}

void api_increment(struct request *request)
{
	struct urlkey_param params[] = { { .name = "by" }, WRITE_DURABILITY_PARAM };
	enum store_durability durability;
	struct slice key;
	int64_t by = 1;

	if (!request_path_key(request, &key) || !request_query(request, params, 2) ||
		!write_durability_read(request, &params[1], &durability))
		return;
	if (params[0].present && !decimal_int64(params[0].value, &by))
		reply_error(request, 400, "parameter 'by' is not a decimal number of 64 bits");
	else if (write_new_batch(request, durability))
		write_commit(request, store_batch_increment(request->batch, key, by), answer_increment);
}

static void answer_touch(struct request *request, kv_status status)
{
	char etag[CONDITION_ETAG_SIZE];

	if (status != KV_OK) {
		write_reply_error(request, status == KV_CONDITION ? KV_NOT_FOUND : status);
		return;
	}
	condition_etag(store_batch_outcome(request->batch, 0).version, etag);
	reply_empty(request, 204, etag);
}

/* "ttl=none" takes the expiry away; to say nothing is no way to say that. False has answered. */
static bool read_expiry(struct request *request, const struct urlkey_param *ttl,
	const struct urlkey_param *expires)
{
	struct lifetime lifetime;

	request->expires_unix_ms = 0;
	if (ttl->present && !expires->present && slice_equal(ttl->value, slice_of_string("none")))
		return true;
	if (!ttl->present && !expires->present) {
		reply_error(request, 400, "there is neither a parameter 'ttl' nor a parameter 'expires'");
		return false;
	}
	if (!write_lifetime_read(request, ttl, expires, &lifetime))
		return false;
	request->expires_unix_ms = write_expiry_now(&lifetime);
	return true;
}

void api_touch(struct request *request)
{
	struct urlkey_param params[] = { WRITE_PARAMS };
	enum store_durability durability;
	struct slice key;

	if (!request_path_key(request, &key) || !request_query(request, params, WRITE_PARAM_COUNT) ||
		!write_durability_read(request, &params[WRITE_PARAM_DURABILITY], &durability) ||
		!read_expiry(request, &params[WRITE_PARAM_TTL], &params[WRITE_PARAM_EXPIRES]))
		return;
	if (write_new_batch(request, durability))
		write_commit(request, store_batch_touch(request->batch, key, request->expires_unix_ms),
			answer_touch);
}
