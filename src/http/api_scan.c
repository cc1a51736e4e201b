/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/kv: one page of an ordered range. A page ends after `limit` items, enough bytes, or enough time, whichever is
 * first; the cursor then names the first key that was not delivered. So a page may be short, even empty, and yet have a
 * cursor; only "complete" says that the range is at its end.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/clock.h"
#include "http/cursor.h"
#include "http/jsontext.h"
#include "http/reply.h"

enum {
	LIMIT_DEFAULT = 1000,
	LIMIT_MAX = 10000,
	PAGE_BYTES = 4 * 1024 * 1024, /* an item more than that still fits, alone */
	PAGE_US = 100 * 1000,         /* a worker is busy for that long */
	CLOCK_EVERY = 32,             /* items between two looks at the clock */
};

enum { PREFIX, START, END, LIMIT, CURSOR, REVERSE, KEYS, PARAM_COUNT };

struct scan {
	struct cursor_range range;
	uint64_t limit;
	bool keys_only;
	bool has_from;
	struct slice from;   /* of the cursor: the first key of this page */
	struct buf storage;  /* holds `from` */
	uint64_t until_us;
	struct buf page;     /* the answer so far */
	uint64_t count;
	bool complete;
	struct buf next;     /* the key for the next cursor */
};

/* ---- what is asked for ---- */

static bool parse_flag(struct request *request, const struct urlkey_param *param, bool *ret)
{
	*ret = param->present && slice_equal(param->value, slice_of_string("1"));
	if (!param->present || *ret || slice_equal(param->value, slice_of_string("0")))
		return true;
	reply_error(request, 400, "parameter '%s' is 0 or 1", param->name);
	return false;
}

static bool parse_limit(struct request *request, const struct urlkey_param *param, uint64_t *ret)
{
	uint64_t n = 0;

	*ret = LIMIT_DEFAULT;
	if (!param->present)
		return true;
	for (size_t i = 0; i < param->value.len; i++) {
		unsigned digit = (unsigned)param->value.data[i] - '0';

		if (digit > 9) {
			n = 0;
			break;
		}
		n = n > LIMIT_MAX ? n : n * 10 + digit;
	}
	*ret = n > LIMIT_MAX ? LIMIT_MAX : n;
	if (n > 0)
		return true;
	reply_error(request, 400, "parameter 'limit' is a number above 0");
	return false;
}

/* False has answered. */
static bool parse(struct request *request, struct scan *scan)
{
	struct urlkey_param params[PARAM_COUNT] = {
		[PREFIX] = { .name = "prefix" },   [START] = { .name = "start" },
		[END] = { .name = "end" },         [LIMIT] = { .name = "limit" },
		[CURSOR] = { .name = "cursor" },   [REVERSE] = { .name = "reverse" },
		[KEYS] = { .name = "keys" },
	};
	kv_status status;

	if (!request_query(request, params, PARAM_COUNT) ||
		!parse_flag(request, &params[REVERSE], &scan->range.reverse) ||
		!parse_flag(request, &params[KEYS], &scan->keys_only) ||
		!parse_limit(request, &params[LIMIT], &scan->limit))
		return false;
	scan->range.prefix = params[PREFIX].value;
	scan->range.start = params[START].value;
	scan->range.end = params[END].value;
	scan->has_from = params[CURSOR].present;
	if (!scan->has_from)
		return true;
	status = cursor_decode(params[CURSOR].value, &scan->range, &scan->storage, &scan->from);
	if (status == KV_INVALID)
		reply_error(request, 400, "this is no cursor of this range");
	else if (status != KV_OK)
		reply_store_error(request, status, NULL);
	return status == KV_OK;
}

/* ---- the walk ---- */

static bool in_range(const struct cursor_range *range, struct slice key)
{
	return slice_starts_with(key, range->prefix) && slice_compare(key, range->start) >= 0 &&
		(range->end.len == 0 || slice_compare(key, range->end) < 0);
}

/* The first key after all that begin with `prefix`; empty when there is none. */
static kv_status after_prefix(struct slice prefix, struct buf *ret)
{
	kv_status status;

	while (prefix.len > 0 && prefix.data[prefix.len - 1] == 0xff)
		prefix.len--;
	status = buf_set(ret, prefix);
	if (status == KV_OK && ret->len > 0)
		ret->data[ret->len - 1]++;
	return status;
}

static kv_status seek_reverse(const struct scan *scan, struct store_iter *iter)
{
	const struct cursor_range *range = &scan->range;
	struct slice upper = range->end;
	struct buf after = { 0 };
	kv_status status = KV_OK;

	if (scan->has_from) {
		store_iter_seek(iter, scan->from);
		if (!store_iter_valid(iter) || !slice_equal(store_iter_key(iter), scan->from))
			store_iter_seek_before(iter, scan->from);
		return KV_OK;
	}
	if (range->prefix.len > 0)
		status = after_prefix(range->prefix, &after);
	if (status == KV_OK) {
		if (after.len > 0 && (upper.len == 0 || slice_compare(buf_slice(&after), upper) < 0))
			upper = buf_slice(&after);
		if (upper.len > 0)
			store_iter_seek_before(iter, upper);
		else
			store_iter_seek_last(iter);
	}
	buf_free(&after);
	return status;
}

static kv_status seek(const struct scan *scan, struct store_iter *iter)
{
	struct slice from = scan->has_from ? scan->from : scan->range.start;

	if (scan->range.reverse)
		return seek_reverse(scan, iter);
	if (slice_compare(from, scan->range.prefix) < 0)
		from = scan->range.prefix;
	if (from.len > 0)
		store_iter_seek(iter, from);
	else
		store_iter_seek_first(iter);
	return KV_OK;
}

static kv_status add_item(struct scan *scan, const struct store_iter *iter)
{
	struct buf *page = &scan->page;
	kv_status status = buf_append(page, scan->count > 0 ? ",\n{" : "\n{", scan->count > 0 ? 3 : 2);

	if (status == KV_OK)
		status = jsontext_bytes(page, "key", store_iter_key(iter));
	if (status == KV_OK && !scan->keys_only)
		status = buf_append(page, ",", 1);
	if (status == KV_OK && !scan->keys_only)
		status = jsontext_bytes(page, "value", store_iter_value(iter));
	scan->count++;
	return status == KV_OK ? buf_append(page, "}", 1) : status;
}

static bool is_full(const struct scan *scan)
{
	if (scan->count == 0)
		return false;
	return scan->count == scan->limit || scan->page.len >= PAGE_BYTES ||
		(scan->count % CLOCK_EVERY == 0 && clock_monotonic_us() > scan->until_us);
}

static kv_status walk(struct scan *scan, struct store_iter *iter, struct kv_error *err)
{
	kv_status status = seek(scan, iter);

	while (status == KV_OK && store_iter_valid(iter) && in_range(&scan->range, store_iter_key(iter))) {
		if (is_full(scan))
			return buf_set(&scan->next, store_iter_key(iter));
		status = add_item(scan, iter);
		if (status != KV_OK)
			return status;
		if (scan->range.reverse)
			store_iter_prev(iter);
		else
			store_iter_next(iter);
	}
	if (status == KV_OK)
		status = store_iter_status(iter, err);
	if (status == KV_BUSY && store_iter_key(iter).len > 0) /* time was over while skipping deleted keys */
		return buf_set(&scan->next, store_iter_key(iter));
	scan->complete = status == KV_OK;
	return status;
}

static kv_status finish(struct scan *scan)
{
	kv_status status = buf_append(&scan->page, "\n],", 3);

	if (status != KV_OK)
		return status;
	if (scan->complete)
		return buf_printf(&scan->page, "\"cursor\":null,\"complete\":true}\n");
	status = buf_printf(&scan->page, "\"cursor\":\"");
	if (status == KV_OK)
		status = cursor_encode(buf_slice(&scan->next), &scan->range, &scan->page);
	if (status == KV_OK)
		status = buf_printf(&scan->page, "\",\"complete\":false}\n");
	return status;
}

static kv_status run(struct scan *scan, struct store *store, struct kv_error *err)
{
	struct store_iter *iter;
	kv_status status = store_iter_open(store, NULL, &iter, err);

	if (status != KV_OK)
		return status;
	scan->until_us = clock_monotonic_us() + PAGE_US;
	store_iter_set_deadline(iter, scan->until_us);
	status = buf_printf(&scan->page, "{\"items\":[");
	if (status == KV_OK)
		status = walk(scan, iter, err);
	if (status == KV_OK)
		status = finish(scan);
	store_iter_close(iter);
	return status;
}

void api_scan(struct request *request)
{
	struct kv_error err = { .status = KV_OK };
	struct scan scan = { .count = 0 };
	kv_status status;

	if (parse(request, &scan)) {
		status = run(&scan, request->service->store, &err);
		if (status == KV_OK)
			reply_buf(request, 200, "application/json", &scan.page);
		else
			reply_store_error(request, status, &err);
	}
	buf_free(&scan.storage);
	buf_free(&scan.page);
	buf_free(&scan.next);
}
