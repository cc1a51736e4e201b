/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ways in which changes are told: as events without end, and as a page. */
#ifndef KV_HTTP_CHANGES_STREAM_H
#define KV_HTTP_CHANGES_STREAM_H

#include "http/changes_walk.h"
#include "http/request.h"

enum {
	CHANGES_FILL_US = 5 * 1000,          /* a worker is busy for so long at a time */
	CHANGES_PAGE_US = 10 * 1000,
	CHANGES_PAGE_BYTES = 4 * 1024 * 1024, /* a change more than that still fits, alone */
	CHANGES_RETRY_MS = 2000,             /* that a browser waits before it connects again */
};

/* Answers with a stream of events (text/event-stream) from where the walk stands, or with 503. The walk is taken over: it is zeroed. */
void changes_stream_events(struct request *request, struct changes_walk *walk);

struct changes_page {
	struct buf body;
	uint64_t count, limit;
};

/* Adds changes until there are enough, the time is over (KV_BUSY), or as changes_walk_next(). KV_OK: it is full. */
kv_status changes_page_fill(struct changes_page *page, struct changes_walk *walk, uint64_t until_us,
	struct kv_error *err);
/* Completes the body. */
kv_status changes_page_end(struct changes_page *page, const struct changes_walk *walk);

/* Answers with a page of at most `limit` changes as soon as there is one, or with an empty one at `deadline_us`, or with 503. The walk is
 * taken over: it is zeroed. */
void changes_stream_page(struct request *request, struct changes_walk *walk, uint64_t limit,
	uint64_t deadline_us);

#endif
