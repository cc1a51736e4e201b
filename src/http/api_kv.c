/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /v1/kv/{key}: one key with all that HTTP has for it. A conditional write is decided inside the commit; when its header asks for
 * one of several ETags, it is decided here which of them can hold, and the commit checks that one.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/condition.h"
#include "http/reply.h"
#include "http/snapshot_use.h"
#include "http/value_body.h"
#include "http/value_reply.h"
#include "http/write.h"

/* ---- reading ---- */

static void reply_found(struct request *request, struct slice key, struct store_value *value)
{
	const struct head *head = &request->head;
	char etag[CONDITION_ETAG_SIZE];

	condition_etag(value->version, etag);
	request->expires_unix_ms = value->expires_unix_ms;
	if (head_has(head, HEAD_IF_MATCH) &&
		!condition_matches(head->value[HEAD_IF_MATCH], value->version, false)) {
		store_value_release(value);
		reply_error(request, 412, "the value has another ETag");
	} else if (head_has(head, HEAD_IF_NONE_MATCH) &&
		condition_matches(head->value[HEAD_IF_NONE_MATCH], value->version, true)) {
		store_value_release(value);
		reply_empty(request, 304, etag);
	} else if (head_accepts_json(head)) {
		value_reply_json(request, key, value, etag);
	} else {
		value_reply(request, value, etag);
	}
}

void api_kv_get(struct request *request)
{
	struct urlkey_param params[] = { { .name = "snapshot" } };
	struct store_value value;
	struct kv_error err = { .status = KV_OK };
	struct snapshot *snapshot;
	struct slice key;
	kv_status status;

	if (!request_path_key(request, &key) || !request_query(request, params, 1) ||
		!snapshot_use(request, &params[0], &snapshot))
		return;
	status = store_get(request->service->store, snapshot_use_picture(snapshot), key, &value, &err);
	snapshot_release(snapshot);
	if (status == KV_OK)
		reply_found(request, key, &value);
	else
		reply_store_error(request, status, &err);
}

/* ---- writing ---- */

/* If-Match to the condition of the commit: "*", one ETag of ours, or a list of which the value's present one is
 * looked up. False has answered. */
static bool match_condition(struct request *request, struct slice key, struct store_condition *ret)
{
	struct slice list = request->head.value[HEAD_IF_MATCH];
	struct store_value value;
	struct kv_error err = { .status = KV_OK };
	kv_status status;
	bool matches;

	if (slice_equal(list, slice_of_string("*"))) {
		ret->expect = STORE_EXPECT_EXISTS;
		return true;
	}
	ret->expect = STORE_EXPECT_VERSION;
	if (condition_parse_etag(list, &ret->version))
		return true;
	status = store_get(request->service->store, NULL, key, &value, &err);
	if (status != KV_OK) {
		reply_store_error(request, status == KV_NOT_FOUND ? KV_CONDITION : status, &err);
		return false;
	}
	matches = condition_matches(list, value.version, false);
	ret->version = value.version;
	store_value_release(&value);
	if (!matches)
		reply_store_error(request, KV_CONDITION, NULL);
	return matches;
}

/* The condition that the headers ask for. False has answered. */
static bool write_condition(struct request *request, struct slice key, struct store_condition *ret)
{
	const struct head *head = &request->head;

	*ret = (struct store_condition){ .expect = STORE_EXPECT_NOTHING };
	if (head_has(head, HEAD_IF_NONE_MATCH)) {
		if (!slice_equal(head->value[HEAD_IF_NONE_MATCH], slice_of_string("*")) ||
			head_has(head, HEAD_IF_MATCH)) {
			reply_error(request, 400, "a write takes If-Match, or If-None-Match: *");
			return false;
		}
		ret->expect = STORE_EXPECT_ABSENT;
		return true;
	}
	return !head_has(head, HEAD_IF_MATCH) || match_condition(request, key, ret);
}

static void answer_put(struct request *request, kv_status status)
{
	struct store_outcome outcome;
	char etag[CONDITION_ETAG_SIZE];

	if (status != KV_OK) {
		write_reply_error(request, status);
		return;
	}
	outcome = store_batch_outcome(request->batch, 0);
	condition_etag(outcome.version, etag);
	reply_empty(request, outcome.existed ? 204 : 201, etag);
}

/* Whether the condition holds now: a large value that would be refused at its commit is refused before it comes. */
static bool holds_now(struct request *request, const struct write_plan *plan)
{
	struct store_value value;
	struct kv_error err = { .status = KV_OK };
	kv_status status = store_get(request->service->store, NULL, plan->key, &value, &err);
	bool holds;

	if (status != KV_OK && status != KV_NOT_FOUND) {
		reply_store_error(request, status, &err);
		return false;
	}
	holds = (status == KV_OK) == (plan->condition.expect != STORE_EXPECT_ABSENT) &&
		(plan->condition.expect != STORE_EXPECT_VERSION || value.version == plan->condition.version);
	if (status == KV_OK)
		store_value_release(&value);
	if (!holds)
		reply_store_error(request, KV_CONDITION, NULL);
	return holds;
}

bool api_kv_put_begin(struct request *request)
{
	struct urlkey_param params[] = { WRITE_PARAMS };
	struct write_plan *plan = &request->plan;

	*plan = (struct write_plan){ .has_value = false };
	if (!request_path_key(request, &plan->key) || !request_query(request, params, WRITE_PARAM_COUNT) ||
		!write_options_read(request, params, &plan->options))
		return false;
	if (!request->head.has_length && !request->head.chunked) {
		reply_error(request, 411, "a Content-Length is needed (0 for an empty value)");
		return false;
	}
	if (!write_condition(request, plan->key, &plan->condition))
		return false;
	plan->condition.want_existed = true;
	return plan->condition.expect == STORE_EXPECT_NOTHING || request->place == REQUEST_AT_END ||
		holds_now(request, plan);
}

void api_kv_put(struct request *request)
{
	value_body_put(request, answer_put);
}

/* With If-None-Match: * there is nothing to delete when the condition holds. */
static void answer_check(struct request *request, kv_status status)
{
	write_reply_error(request, status == KV_OK ? KV_NOT_FOUND : status);
}

/* Without headers the condition is that the key exists, and its failure means 404. */
static void answer_delete(struct request *request, kv_status status)
{
	if (status == KV_OK)
		reply_empty(request, 204, NULL);
	else if (status == KV_CONDITION && !head_has(&request->head, HEAD_IF_MATCH))
		reply_store_error(request, KV_NOT_FOUND, NULL);
	else
		write_reply_error(request, status);
}

void api_kv_delete(struct request *request)
{
	struct urlkey_param params[] = { WRITE_DURABILITY_PARAM };
	enum store_durability durability;
	struct store_condition condition;
	struct slice key;

	if (!request_path_key(request, &key) || !request_query(request, params, 1) ||
		!write_durability_read(request, &params[0], &durability))
		return;
	if (!write_condition(request, key, &condition))
		return;
	if (condition.expect == STORE_EXPECT_ABSENT) {
		if (write_new_batch(request, durability))
			write_commit(request, store_batch_check(request->batch, key, &condition), answer_check);
		return;
	}
	if (condition.expect == STORE_EXPECT_NOTHING)
		condition.expect = STORE_EXPECT_NOT_ABSENT;
	write_delete(request, key, &condition, durability, answer_delete);
}
