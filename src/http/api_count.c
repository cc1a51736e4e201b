/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/count: how many keys a range has, exactly, from one snapshot; with estimate=1 roughly, from the statistics of the tables. Both
 * may wait for the disk, so they are jobs; an exact count is one of short slices in turn, so that it leaves the threads to others between
 * them, and ends when its connection breaks. The end of what the client sends is no reason: it may wait for the number.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/clock.h"
#include "http/reply.h"
#include "http/scan.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SLICE_US = 50 * 1000 };

struct count {
	struct scan scan;
	struct store_estimate estimate;
	struct kv_error err;
};

static void count_free(void *own)
{
	struct count *count = own;

	scan_free(&count->scan);
	free(count);
}

static void reply_count(struct request *request, const struct count *count, bool is_estimate)
{
	bool json = head_accepts_json(&request->head);
	struct buf body = { 0 };
	kv_status status;

	if (is_estimate)
		status = buf_printf(&body, json ? "{\"count\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"estimate\":true}\n" :
			"%" PRIu64 "\n", count->estimate.entries, count->estimate.bytes);
	else
		status = buf_printf(&body, json ? "{\"count\":%" PRIu64 ",\"version\":%" PRIu64 "}\n" : "%" PRIu64 "\n",
			count->scan.count, scan_version(&count->scan));
	if (status == KV_OK)
		reply_buf(request, 200, json ? "application/json" : "text/plain; charset=utf-8", &body);
	else
		reply_store_error(request, status, NULL);
	buf_free(&body);
}

/* ---- exactly ---- */

static kv_status count_some(struct request *request)
{
	struct count *count = request->own;
	struct scan_walk *walk = &count->scan.walk;
	enum scan_walk_state state = scan_walk_begin(walk, clock_monotonic_us() + SLICE_US, &count->err);

	while (state == SCAN_WALK_ITEM) {
		count->scan.count++;
		state = scan_walk_next(walk, &count->err);
	}
	return state == SCAN_WALK_FAILED ? walk->status : scan_walk_pause(walk);
}

static void go_on(struct request *request, kv_status status)
{
	struct count *count = request->own;

	if (status != KV_OK)
		reply_store_error(request, status, &count->err);
	else if (count->scan.walk.state == SCAN_WALK_END)
		reply_count(request, count, false);
	else if (atomic_load(&request->service->draining))
		reply_error(request, 503, "the server is stopping");
	else
		request_job(request, count_some, go_on);
}

/* ---- roughly ---- */

static kv_status estimate(struct request *request)
{
	struct count *count = request->own;
	const struct scan_range *range = &count->scan.range;

	if (range->empty)
		return KV_OK;
	return store_estimate_range(count->scan.service->store, range->low, buf_slice(&range->high),
		&count->estimate, &count->err);
}

static void estimated(struct request *request, kv_status status)
{
	struct count *count = request->own;

	if (status == KV_OK)
		reply_count(request, count, true);
	else
		reply_store_error(request, status, &count->err);
}

/* ---- both ---- */

void api_count(struct request *request)
{
	struct urlkey_param params[] = { SCAN_PARAM_NAMES, [SCAN_PARAMS] = { .name = "estimate" } };
	struct count *count = calloc(1, sizeof *count);
	bool roughly;

	if (!count) {
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return;
	}
	request->own = count;
	request->own_free = count_free;
	if (!request_query(request, params, SCAN_PARAMS + 1) ||
		!scan_range_flag(request, &params[SCAN_PARAMS], &roughly) ||
		!scan_take(request, params, NULL, &count->scan))
		return;
	if (roughly && params[SCAN_SNAPSHOT].present)
		reply_error(request, 400, "an estimate is of now, not of a snapshot");
	else if (roughly)
		request_job(request, estimate, estimated);
	else
		request_job(request, count_some, go_on);
}
