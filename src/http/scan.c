/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/scan.h"

#include "http/cursor.h"
#include "http/reply.h"
#include "http/snapshot_use.h"

static struct cursor_range cursor_range_of(const struct scan *scan)
{
	return (struct cursor_range){
		.prefix = scan->range.prefix,
		.start = scan->range.start,
		.end = scan->range.end,
		.snapshot = scan->snapshot_text,
		.reverse = scan->range.reverse,
	};
}

/* False has answered. */
static bool take_cursor(struct request *request, struct slice text, struct scan *scan)
{
	struct cursor_range range = cursor_range_of(scan);
	struct buf storage = { 0 };
	struct cursor cursor;
	kv_status status = cursor_decode(text, &range, &storage, &cursor);

	/* a forged one must not lead where start= may not, past a token's prefix */
	if (status == KV_OK && !scan_range_may_begin(&scan->range, cursor.key, cursor.included))
		status = KV_INVALID;
	if (status == KV_OK)
		status = scan_walk_set_from(&scan->walk, cursor.key, cursor.included);
	if (status == KV_OK && cursor.snapshot && !scan->snapshot)
		status = snapshots_find(scan->service->snapshots, cursor.snapshot, &scan->snapshot);
	buf_free(&storage);
	if (status == KV_INVALID)
		reply_error(request, 400, "this is no cursor of this range");
	else if (status == KV_GONE)
		reply_error(request, 410, "the time of this cursor is over: begin again without it");
	else if (status != KV_OK)
		reply_store_error(request, status, NULL);
	return status == KV_OK;
}

/* False has answered. */
static bool take_picture(struct request *request, struct scan *scan)
{
	if (!scan->snapshot)
		scan->own = store_snapshot_new(scan->service->store);
	scan->walk.picture = scan->snapshot ? snapshot_picture(scan->snapshot) : scan->own;
	if (!scan->walk.picture)
		reply_store_error(request, KV_NO_MEMORY, NULL);
	return scan->walk.picture != NULL;
}

bool scan_take(struct request *request, const struct urlkey_param *params,
	const struct urlkey_param *cursor, struct scan *scan)
{
	scan->service = request->service;
	scan->snapshot_text = params[SCAN_SNAPSHOT].value;
	scan->walk.store = request->service->store;
	scan->walk.range = &scan->range;
	return scan_range_take(request, &params[SCAN_PREFIX], &params[SCAN_START], &params[SCAN_END], &scan->range) &&
		snapshot_use(request, &params[SCAN_SNAPSHOT], &scan->snapshot) &&
		(!cursor || !cursor->present || take_cursor(request, cursor->value, scan)) &&
		take_picture(request, scan);
}

kv_status scan_append_cursor(struct scan *scan, struct buf *to)
{
	struct cursor_range range = cursor_range_of(scan);
	struct cursor cursor = { .key = buf_slice(&scan->walk.from), .included = scan->walk.from_included };
	kv_status status = KV_OK;

	if (scan->own) {
		status = snapshots_keep(scan->service->snapshots, scan->own, &scan->snapshot);
		scan->own = NULL;
	}
	if (status == KV_OK && scan->snapshot_text.len == 0)
		cursor.snapshot = snapshot_id(scan->snapshot);
	return status == KV_OK ? cursor_encode(&cursor, &range, to) : status;
}

uint64_t scan_version(const struct scan *scan)
{
	return store_snapshot_version(scan->snapshot ? snapshot_picture(scan->snapshot) : scan->own);
}

void scan_free(struct scan *scan)
{
	scan_walk_free(&scan->walk);
	scan->snapshot = snapshot_release(scan->snapshot);
	scan->own = store_snapshot_free(scan->own);
	scan_range_free(&scan->range);
}
