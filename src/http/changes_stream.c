/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both are streams that are filled with what the log has beyond their position, and then wait for the next commit. All that a client costs
 * is a piece of the stream's buffer and the window of its reader: what it has not taken yet is in the log.
 *
 * A failure in mid-stream ends events with one of their own that says why; a page is ended where it stands, and its next one fails.
 */
#define _GNU_SOURCE
#include "http/changes_stream.h"

#include "base/clock.h"
#include "http/feeds.h"
#include "http/jsontext.h"
#include "http/reply.h"

#include <inttypes.h>
#include <stdlib.h>

struct changes_stream {
	struct feed feed; /* first */
	struct changes_walk walk;
	bool begun;
	uint64_t heartbeat_us;    /* of events: when the next is due */
	struct changes_page page; /* of a page, as the next */
	uint64_t deadline_us;
};

static void close_changes(struct stream *stream)
{
	struct changes_stream *changes = (struct changes_stream *)stream;

	feeds_leave(&changes->feed);
	changes_walk_close(&changes->walk);
	buf_free(&changes->page.body);
	free(changes);
}

/* ---- events ---- */

static kv_status append_event(struct buf *to, const struct store_change *change)
{
	kv_status status = buf_printf(to, "id: %" PRIu64 "\nevent: %s\ndata: ", change->version,
		changes_walk_name(change->kind));

	if (status == KV_OK)
		status = changes_walk_append(to, change);
	return status == KV_OK ? buf_append(to, "\n\n", 2) : status;
}

/* An id without data is no event, but the client's next Last-Event-ID: what was passed over is not looked at again. */
static kv_status heartbeat(struct changes_stream *changes, struct buf *to, uint64_t now_us)
{
	if (changes->begun && now_us < changes->heartbeat_us)
		return KV_OK;
	changes->heartbeat_us = now_us +
		UINT64_C(1000) * changes->feed.stream.request->service->options->heartbeat_ms;
	if (!changes->begun) {
		changes->begun = true;
		return buf_printf(to, ": changes\nretry: %d\nid: %" PRIu64 "\n\n", CHANGES_RETRY_MS,
			changes->walk.position);
	}
	return buf_printf(to, ": heartbeat\nid: %" PRIu64 "\n\n", changes->walk.position);
}

static enum stream_state end_with_error(struct buf *to, kv_status status, const struct kv_error *err)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	kv_status made = buf_printf(to, "event: error\ndata: {\"error\":\"%s\",\"message\":",
		status == KV_GONE ? "gone" : status == KV_CORRUPT ? "damaged" : "failed");

	if (made == KV_OK)
		made = jsontext_string(to, slice_of_string(kv_error_format(err, line, sizeof line)));
	if (made == KV_OK)
		made = buf_append(to, "}\n\n", 3);
	return made == KV_OK ? STREAM_END : STREAM_BROKEN;
}

static enum stream_state fill_events(struct stream *stream, struct buf *to, size_t room)
{
	struct changes_stream *changes = (struct changes_stream *)stream;
	uint64_t now_us = clock_monotonic_us();
	struct store_change change;
	struct kv_error err = { 0 };
	kv_status made = heartbeat(changes, to, now_us), status = KV_OK;

	atomic_store(&changes->feed.idle, true);
	while (made == KV_OK && status == KV_OK && to->len < room) {
		status = changes_walk_next(&changes->walk, now_us + CHANGES_FILL_US, &change, &err);
		if (status == KV_OK)
			made = append_event(to, &change);
	}
	if (made != KV_OK)
		return STREAM_BROKEN;
	switch (status) {
	case KV_OK:
	case KV_BUSY:
		return STREAM_MORE;
	case KV_NOT_FOUND:
		stream->alarm_us = changes->heartbeat_us;
		return stream->ending ? STREAM_END : STREAM_WAIT;
	default:
		return end_with_error(to, status, &err);
	}
}

/* ---- pages ---- */

kv_status changes_page_fill(struct changes_page *page, struct changes_walk *walk, uint64_t until_us,
	struct kv_error *err)
{
	kv_status status = KV_OK;

	if (page->body.len == 0)
		status = buf_append_slice(&page->body, slice_of_string("{\"changes\":["));
	while (status == KV_OK && page->count < page->limit && page->body.len < CHANGES_PAGE_BYTES) {
		struct store_change change;

		status = changes_walk_next(walk, until_us, &change, err);
		if (status != KV_OK)
			return status;
		if (page->count++ > 0)
			status = buf_append_byte(&page->body, ',');
		if (status == KV_OK)
			status = changes_walk_append(&page->body, &change);
		if (status == KV_OK && page->count % 64 == 0 && clock_monotonic_us() >= until_us)
			return KV_BUSY;
	}
	if (status != KV_OK)
		kv_error_set(err, status, "out of memory for a page of changes");
	return status;
}

kv_status changes_page_end(struct changes_page *page, const struct changes_walk *walk)
{
	return buf_printf(&page->body, "],\"next\":\"%" PRIu64 "\"}\n", walk->position);
}

static enum stream_state fill_page(struct stream *stream, struct buf *to, size_t room)
{
	struct changes_stream *changes = (struct changes_stream *)stream;
	struct changes_page *page = &changes->page;
	uint64_t now_us = clock_monotonic_us();
	kv_status status;

	(void)room;
	atomic_store(&changes->feed.idle, true);
	status = changes_page_fill(page, &changes->walk, now_us + CHANGES_FILL_US, NULL);
	if (status == KV_NO_MEMORY)
		return STREAM_BROKEN;
	if (page->count == 0 && now_us < changes->deadline_us && !stream->ending &&
		(status == KV_NOT_FOUND || status == KV_BUSY)) {
		stream->alarm_us = changes->deadline_us;
		return status == KV_BUSY ? STREAM_MORE : STREAM_WAIT;
	}
	if (changes_page_end(page, &changes->walk) != KV_OK ||
		buf_append_slice(to, buf_slice(&page->body)) != KV_OK)
		return STREAM_BROKEN;
	return STREAM_END;
}

/* ---- beginning ---- */

static const struct stream_ops event_ops = { .fill = fill_events, .close = close_changes };
static const struct stream_ops page_ops = { .fill = fill_page, .close = close_changes };

/* Takes the walk over; NULL has answered. */
static struct changes_stream *begin(struct request *request, struct changes_walk *walk,
	const struct stream_ops *ops)
{
	struct changes_stream *changes = calloc(1, sizeof *changes);
	kv_status status = changes ? KV_OK : KV_NO_MEMORY;

	if (changes) {
		changes->feed.stream.ops = ops;
		changes->feed.stream.request = request;
		changes->walk = *walk;
		*walk = (struct changes_walk){ 0 };
		status = feeds_join(request->service->feeds, &changes->feed);
	}
	if (status == KV_OK) {
		if (request->is_counted) /* it only waits, and those who do have a limit of their own */
			atomic_fetch_sub(&request->service->requests, 1);
		request->is_counted = false;
		return changes;
	}
	if (status == KV_BUSY)
		reply_error(request, 503, "too many clients wait for changes (connection_limit)");
	else
		reply_store_error(request, status, NULL);
	if (changes)
		close_changes(&changes->feed.stream);
	return NULL;
}

void changes_stream_events(struct request *request, struct changes_walk *walk)
{
	struct changes_stream *changes = begin(request, walk, &event_ops);
	struct stream_head head = {
		.status = 200,
		.content_type = "text/event-stream",
		.size = STREAM_SIZE_UNKNOWN,
		.headers = { { "Cache-Control", "no-store" }, { "X-Accel-Buffering", "no" } },
	};

	if (changes)
		reply_stream(request, &head, &changes->feed.stream);
}

void changes_stream_page(struct request *request, struct changes_walk *walk, uint64_t limit,
	uint64_t deadline_us)
{
	struct changes_stream *changes = begin(request, walk, &page_ops);
	struct stream_head head = {
		.status = 200,
		.content_type = "application/json",
		.size = STREAM_SIZE_UNKNOWN,
		.headers = { { "Cache-Control", "no-store" } },
	};

	if (!changes)
		return;
	changes->page.limit = limit;
	changes->deadline_us = deadline_us;
	reply_stream(request, &head, &changes->feed.stream);
}
