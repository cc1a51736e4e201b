/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/changes: what was committed after a position, as a stream of events for who accepts text/event-stream, else as a page. A
 * position is the version of a change; it is given out in each answer and means the same for as long as the store lives.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/clock.h"
#include "http/changes_stream.h"
#include "http/duration.h"
#include "http/reply.h"

#include <inttypes.h>

enum {
	LIMIT_DEFAULT = 1000,
	LIMIT_MAX = 10000,
	WAIT_MAX_MS = 60 * 1000,
};

enum { PREFIX, SINCE, LIMIT, WAIT, PARAM_COUNT };

struct question {
	bool events;
	bool has_since;
	uint64_t since;
	struct slice prefix;
	uint64_t limit, wait_ms;
};

static bool parse_position(struct slice text, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)text.data[i] - '0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*ret = n;
	return text.len > 0;
}

/* What the client saw last counts more than where it once began. */
static bool parse_since(struct request *request, const struct urlkey_param *since,
	struct question *question)
{
	const struct head *head = &request->head;
	struct slice seen = head_has(head, HEAD_LAST_EVENT_ID) ? head->value[HEAD_LAST_EVENT_ID] :
		slice_of(NULL, 0);

	question->has_since = since->present || seen.len > 0;
	if (!question->has_since ||
		parse_position(seen.len > 0 ? seen : since->value, &question->since))
		return true;
	reply_error(request, 400, "'%s' is no position of this server", seen.len > 0 ? "Last-Event-ID" : "since");
	return false;
}

static bool parse_wait(struct request *request, const struct urlkey_param *wait, uint64_t *ret_ms)
{
	*ret_ms = 0;
	if (!wait->present || slice_equal(wait->value, slice_of_string("0")))
		return true;
	if (!duration_parse(wait->value, ret_ms))
		reply_error(request, 400, "parameter 'wait' is a number with a unit: ms, s, m, h or d");
	else if (*ret_ms > WAIT_MAX_MS)
		reply_error(request, 400, "a page of changes waits %d seconds at most", WAIT_MAX_MS / 1000);
	else
		return true;
	return false;
}

/* What a page takes and a stream, which has no end, does not. False has answered. */
static bool is_absent(struct request *request, const struct urlkey_param *param)
{
	if (!param->present)
		return true;
	reply_error(request, 400, "parameter '%s' is of a page of changes, and this is a stream (Accept)", param->name);
	return false;
}

/* False has answered. */
static bool parse(struct request *request, struct question *question)
{
	struct urlkey_param params[PARAM_COUNT] = {
		[PREFIX] = { .name = "prefix" },
		[SINCE] = { .name = "since" },
		[LIMIT] = { .name = "limit" },
		[WAIT] = { .name = "wait" },
	};

	question->events = head_has(&request->head, HEAD_ACCEPT) &&
		head_list_has(request->head.value[HEAD_ACCEPT], "text/event-stream");
	if (!request_query(request, params, PARAM_COUNT) ||
		!parse_since(request, &params[SINCE], question) ||
		!scan_range_limit(request, &params[LIMIT], LIMIT_MAX, LIMIT_DEFAULT, &question->limit) ||
		!parse_wait(request, &params[WAIT], &question->wait_ms))
		return false;
	if (question->events && (!is_absent(request, &params[LIMIT]) || !is_absent(request, &params[WAIT])))
		return false;
	question->prefix = params[PREFIX].value;
	if (question->prefix.len > STORE_KEY_MAX) {
		reply_error(request, 400, "parameter 'prefix' is longer than a key may be");
		return false;
	}
	return request_may_touch_range(request, question->prefix, slice_of(NULL, 0),
		slice_of(NULL, 0));
}

/* From now on. */
static kv_status newest(struct store *store, uint64_t *ret)
{
	struct store_snapshot *snapshot = store_snapshot_new(store);

	if (!snapshot)
		return KV_NO_MEMORY;
	*ret = store_snapshot_version(snapshot);
	store_snapshot_free(snapshot);
	return KV_OK;
}

/* What fails is answered with its own status as long as nothing has been sent. */
static void answer_events(struct request *request, struct changes_walk *walk)
{
	struct kv_error err = { 0 };
	kv_status status = changes_walk_peek(walk, clock_monotonic_us() + CHANGES_PAGE_US, &err);

	if (status == KV_OK || status == KV_NOT_FOUND || status == KV_BUSY)
		changes_stream_events(request, walk);
	else
		reply_store_error(request, status, &err);
}

static void answer_page(struct request *request, struct changes_walk *walk,
	const struct question *question)
{
	uint64_t now_us = clock_monotonic_us();
	struct changes_page page = { .limit = question->limit };
	struct kv_error err = { 0 };
	kv_status status = changes_page_fill(&page, walk, now_us + CHANGES_PAGE_US, &err);
	bool good = status == KV_OK || status == KV_NOT_FOUND || status == KV_BUSY;

	if (page.count == 0 && good && question->wait_ms > 0) {
		changes_stream_page(request, walk, question->limit,
			now_us + question->wait_ms * 1000);
		goto out;
	}
	if (good || (page.count > 0 && status != KV_NO_MEMORY))
		status = changes_page_end(&page, walk); /* what is wrong comes with the next page */
	if (status == KV_OK)
		reply_buf(request, 200, "application/json", &page.body);
	else
		reply_store_error(request, status, &err);
out:
	buf_free(&page.body);
}

void api_changes(struct request *request)
{
	struct store *store = request->service->store;
	struct question question = { 0 };
	struct changes_walk walk = { 0 };
	struct kv_error err = { 0 };
	kv_status status = KV_OK;

	if (!parse(request, &question))
		return;
	if (!question.has_since)
		status = newest(store, &question.since);
	if (status == KV_OK)
		status = changes_walk_open(&walk, store, question.prefix, question.since, &err);
	if (status != KV_OK)
		reply_store_error(request, status, &err);
	else if (question.events)
		answer_events(request, &walk);
	else
		answer_page(request, &walk, &question);
	changes_walk_close(&walk);
}
