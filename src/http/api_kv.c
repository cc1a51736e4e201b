/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /v1/kv/{key}: one key with all that HTTP has for it. A conditional write is decided inside the commit; when its header asks for
 * one of several ETags, it is decided here which of them can hold, and the commit checks that one.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/condition.h"
#include "http/jsontext.h"
#include "http/reply.h"
#include "http/write.h"

/* ---- reading ---- */

static void release(struct store_value *value)
{
	pinned_release(&value->value);
}

static void reply_json_value(struct request *request, struct slice key, struct store_value *value,
	const char *etag)
{
	struct buf body = { 0 };
	kv_status status = buf_append(&body, "{", 1);

	if (status == KV_OK)
		status = jsontext_bytes(&body, "key", key);
	if (status == KV_OK)
		status = buf_append(&body, ",", 1);
	if (status == KV_OK)
		status = jsontext_bytes(&body, "value", value->value.bytes);
	if (status == KV_OK)
		status = buf_append(&body, ",\"etag\":", 8);
	if (status == KV_OK)
		status = jsontext_string(&body, slice_of_string(etag));
	if (status == KV_OK)
		status = buf_append(&body, "}\n", 2);
	release(value);
	if (status == KV_OK)
		reply_buf(request, 200, "application/json", &body);
	else
		reply_store_error(request, status, NULL);
	buf_free(&body);
}

/* A Range counts unless an If-Range says that it was meant for another version. */
static bool wants_range(const struct request *request, uint64_t version)
{
	const struct head *head = &request->head;
	uint64_t wanted;

	if (!head_has(head, HEAD_RANGE) || request->method != HTTP_GET)
		return false;
	return !head_has(head, HEAD_IF_RANGE) ||
		(condition_parse_etag(head->value[HEAD_IF_RANGE], &wanted) && wanted == version);
}

static void reply_bytes(struct request *request, struct store_value *value, const char *etag)
{
	struct reply_value answer = { .value = value->value, .etag = etag, .ranges = true };
	uint64_t size = value->value.bytes.len;
	enum condition_range range = CONDITION_RANGE_WHOLE;

	if (wants_range(request, value->version))
		range = condition_range(request->head.value[HEAD_RANGE], size, &answer.first, &answer.len);
	if (range == CONDITION_RANGE_UNSATISFIABLE) {
		release(value);
		reply_bad_range(request, size);
		return;
	}
	answer.is_part = range == CONDITION_RANGE_PART;
	reply_value(request, &answer);
}

static void reply_found(struct request *request, struct slice key, struct store_value *value)
{
	const struct head *head = &request->head;
	char etag[CONDITION_ETAG_SIZE];

	condition_etag(value->version, etag);
	if (head_has(head, HEAD_IF_MATCH) &&
		!condition_matches(head->value[HEAD_IF_MATCH], value->version, false)) {
		release(value);
		reply_error(request, 412, "the value has another ETag");
	} else if (head_has(head, HEAD_IF_NONE_MATCH) &&
		condition_matches(head->value[HEAD_IF_NONE_MATCH], value->version, true)) {
		release(value);
		reply_empty(request, 304, etag);
	} else if (head_accepts_json(head)) {
		reply_json_value(request, key, value, etag);
	} else {
		reply_bytes(request, value, etag);
	}
}

void api_kv_get(struct request *request)
{
	struct store_value value;
	struct kv_error err = { .status = KV_OK };
	struct slice key;
	kv_status status;

	if (!request_path_key(request, &key) || !request_query(request, NULL, 0))
		return;
	status = store_get(request->service->store, NULL, key, &value, &err);
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
	release(&value);
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
		reply_store_error(request, status, NULL);
		return;
	}
	outcome = store_batch_outcome(request->batch, 0);
	condition_etag(outcome.version, etag);
	reply_empty(request, outcome.existed ? 204 : 201, etag);
}

void api_kv_put(struct request *request)
{
	struct store_condition condition;
	struct slice key;

	if (!request_path_key(request, &key) || !request_query(request, NULL, 0))
		return;
	if (!request->head.has_length && !request->head.chunked) {
		reply_error(request, 411, "a Content-Length is needed (0 for an empty value)");
		return;
	}
	if (!write_condition(request, key, &condition))
		return;
	condition.want_existed = true;
	write_put(request, key, buf_slice(&request->body), &condition, answer_put);
}

/* Without headers the condition is that the key exists, and its failure means 404. */
static void answer_delete(struct request *request, kv_status status)
{
	if (status == KV_OK)
		reply_empty(request, 204, NULL);
	else if (status == KV_CONDITION && !head_has(&request->head, HEAD_IF_MATCH))
		reply_store_error(request, KV_NOT_FOUND, NULL);
	else
		reply_store_error(request, status, NULL);
}

void api_kv_delete(struct request *request)
{
	struct store_condition condition;
	struct slice key;

	if (!request_path_key(request, &key) || !request_query(request, NULL, 0))
		return;
	if (head_has(&request->head, HEAD_IF_NONE_MATCH)) {
		reply_error(request, 400, "a DELETE takes no If-None-Match");
		return;
	}
	if (!write_condition(request, key, &condition))
		return;
	if (condition.expect == STORE_EXPECT_NOTHING)
		condition.expect = STORE_EXPECT_EXISTS;
	write_delete(request, key, &condition, answer_delete);
}
