/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/kv, as NDJSON for those who ask for it, else one page of an ordered range. A page ends after `limit` items, enough bytes, or enough time, whichever is
 * first; the cursor then tells where the next one begins. So a page may be short, even empty, and yet have a
 * cursor; only "complete" says that the range is at its end. All pages of one scan read from one snapshot.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/clock.h"
#include "http/reply.h"
#include "http/scan_item.h"
#include "http/scan_stream.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	LIMIT_DEFAULT = 1000,
	LIMIT_MAX = 10000,
	PAGE_BYTES = 4 * 1024 * 1024, /* an item more than that still fits, alone */
	PAGE_US = 100 * 1000,
	WORKER_US = 5 * 1000,         /* of that on the worker; the rest is a job's */
};

enum { LIMIT = SCAN_PARAMS, CURSOR, REVERSE, KEYS, PARAM_COUNT };

/* False has answered. */
static bool take(struct request *request, bool is_page, struct scan *scan)
{
	struct urlkey_param params[PARAM_COUNT] = {
		SCAN_PARAM_NAMES,
		[LIMIT] = { .name = "limit" },
		[CURSOR] = { .name = "cursor" },
		[REVERSE] = { .name = "reverse" },
		[KEYS] = { .name = "keys" },
	};

	return request_query(request, params, PARAM_COUNT) &&
		scan_range_flag(request, &params[REVERSE], &scan->range.reverse) &&
		scan_range_flag(request, &params[KEYS], &scan->keys_only) &&
		scan_range_limit(request, &params[LIMIT], is_page ? LIMIT_MAX : UINT64_MAX,
			is_page ? LIMIT_DEFAULT : UINT64_MAX, &scan->limit) &&
		scan_take(request, params, &params[CURSOR], scan);
}

/* ---- pages ---- */

struct page {
	struct scan scan;
	uint64_t until_us; /* of the whole page */
	struct buf text;
	struct kv_error err;
};

static void page_free(void *own)
{
	struct page *page = own;

	scan_free(&page->scan);
	buf_free(&page->text);
	free(page);
}

static kv_status add_item(struct page *page)
{
	struct scan *scan = &page->scan;
	kv_status status = buf_append(&page->text, scan->count > 0 ? ",\n" : "\n", scan->count > 0 ? 2 : 1);

	scan->count++;
	return status == KV_OK ? scan_item_append(&page->text, scan_walk_item(&scan->walk), scan->keys_only) : status;
}

static bool has_room(const struct page *page)
{
	return page->scan.count == 0 || (page->scan.count < page->scan.limit && page->text.len < PAGE_BYTES);
}

static kv_status add_items(struct page *page, uint64_t deadline_us)
{
	struct scan_walk *walk = &page->scan.walk;
	enum scan_walk_state state = scan_walk_begin(walk, deadline_us, &page->err);
	kv_status status = KV_OK;

	while (status == KV_OK && state == SCAN_WALK_ITEM && has_room(page)) {
		status = add_item(page);
		if (status == KV_OK)
			state = scan_walk_next(walk, &page->err);
	}
	if (status == KV_OK && state == SCAN_WALK_FAILED)
		status = walk->status;
	return status == KV_OK ? scan_walk_pause(walk) : status;
}

static kv_status finish(struct page *page)
{
	struct scan *scan = &page->scan;
	bool complete = scan->walk.state == SCAN_WALK_END;
	kv_status status = buf_printf(&page->text, "\n],\"version\":%" PRIu64 ",\"cursor\":%s", scan_version(scan),
		complete ? "null" : "\"");

	if (status == KV_OK && !complete)
		status = scan_append_cursor(scan, &page->text);
	if (status == KV_OK)
		status = buf_printf(&page->text, "%s,\"complete\":%s}\n", complete ? "" : "\"",
			complete ? "true" : "false");
	return status;
}

static void reply_page(struct request *request, kv_status status)
{
	struct page *page = request->own;

	if (status == KV_OK)
		status = finish(page);
	scan_free(&page->scan); /* the client may be slow */
	if (status == KV_OK)
		reply_buf(request, 200, "application/json", &page->text);
	else
		reply_store_error(request, status, &page->err);
}

/* What the worker has begun takes longer than it has time for. */
static kv_status add_more(struct request *request)
{
	struct page *page = request->own;

	return add_items(page, page->until_us);
}

static void scan_page(struct request *request)
{
	struct page *page = calloc(1, sizeof *page);
	uint64_t now_us = clock_monotonic_us();
	kv_status status;

	if (!page) {
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return;
	}
	request->own = page;
	request->own_free = page_free;
	page->until_us = now_us + PAGE_US;
	if (!take(request, true, &page->scan))
		return;
	status = buf_printf(&page->text, "{\"items\":[");
	if (status == KV_OK)
		status = add_items(page, now_us + WORKER_US);
	if (status == KV_OK && page->scan.walk.state == SCAN_WALK_LATE && has_room(page))
		request_job(request, add_more, reply_page);
	else
		reply_page(request, status);
}

/* ---- NDJSON ---- */

static kv_status write_line(struct scan_stream *stream, struct buf *to, struct kv_error *err)
{
	kv_status status = scan_item_append(to, scan_walk_item(&stream->scan.walk), stream->scan.keys_only);

	(void)err;
	return status == KV_OK ? buf_append_byte(to, '\n') : status;
}

static kv_status write_last_line(struct scan_stream *stream, struct buf *to, bool complete)
{
	struct scan *scan = &stream->scan;
	kv_status status = buf_printf(to, "{\"complete\":%s,\"count\":%" PRIu64 ",\"version\":%" PRIu64,
		complete ? "true" : "false", scan->count, scan_version(scan));

	if (status == KV_OK && !complete)
		status = buf_printf(to, ",\"cursor\":\"");
	if (status == KV_OK && !complete)
		status = scan_append_cursor(scan, to);
	return status == KV_OK ? buf_printf(to, complete ? "}\n" : "\"}\n") : status;
}

static const struct scan_writer ndjson = { .item = write_line, .end = write_last_line };

static void scan_lines(struct request *request)
{
	struct scan_stream *stream = calloc(1, sizeof *stream);

	if (!stream) {
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return;
	}
	stream->writer = &ndjson;
	if (take(request, false, &stream->scan))
		scan_stream_reply(request, stream);
	else
		scan_stream_free(stream);
}

void api_scan(struct request *request)
{
	if (head_accepts_ndjson(&request->head))
		scan_lines(request);
	else
		scan_page(request);
}
