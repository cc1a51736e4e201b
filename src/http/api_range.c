/* SPDX-License-Identifier: BSD-2-Clause */
/* DELETE /v1/kv: deletes a range of keys by one entry in the log, however many there are. Everything is only deleted when all=1 says so. */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/jsontext.h"
#include "http/reply.h"
#include "http/scan_range.h"
#include "http/write.h"

#include <inttypes.h>

enum { PREFIX, START, END, ALL, DURABILITY, PARAM_COUNT };

static void answer(struct request *request, kv_status status)
{
	struct buf body = { 0 };

	if (status != KV_OK)
		reply_store_error(request, status, NULL);
	else if (buf_printf(&body, "{\"version\":%" PRIu64 "}\n", store_batch_outcome(request->batch, 0).version) == KV_OK)
		reply_buf(request, 200, "application/json", &body);
	else
		reply_lost(request);
	buf_free(&body);
}

static bool is_explicit(struct request *request, const struct scan_range *range, bool all)
{
	if (all && !scan_range_is_all(range))
		reply_error(request, 400, "all=1 goes with no other bound");
	else if (!all && scan_range_is_all(range))
		reply_error(request, 400, "there is no 'prefix', 'start' or 'end'; to delete everything say all=1");
	else
		return true;
	return false;
}

/* There is no key in it to delete. */
static void answer_empty(struct request *request)
{
	struct buf body = { 0 };
	kv_status status = buf_printf(&body, "{\"version\":null}\n");

	if (status == KV_OK)
		reply_buf(request, 200, "application/json", &body);
	else
		reply_store_error(request, status, NULL);
	buf_free(&body);
}

static void delete_range(struct request *request, const struct scan_range *range,
	enum store_durability durability)
{
	if (range->empty)
		answer_empty(request);
	else if (write_new_batch(request, durability))
		write_commit(request, store_batch_delete_range(request->batch, range->low, buf_slice(&range->high)),
			answer);
}

void api_range_delete(struct request *request)
{
	struct urlkey_param params[PARAM_COUNT] = {
		[PREFIX] = { .name = "prefix" }, [START] = { .name = "start" }, [END] = { .name = "end" },
		[ALL] = { .name = "all" },       [DURABILITY] = WRITE_DURABILITY_PARAM,
	};
	struct scan_range range = { .reverse = false };
	enum store_durability durability;
	bool all;

	if (request_query(request, params, PARAM_COUNT) && scan_range_flag(request, &params[ALL], &all) &&
		write_durability_read(request, &params[DURABILITY], &durability) &&
		scan_range_take(request, &params[PREFIX], &params[START], &params[END], &range) &&
		is_explicit(request, &range, all))
		delete_range(request, &range, durability);
	scan_range_free(&range);
}
