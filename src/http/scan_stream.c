/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Failures before the first byte have their status; later ones cut the connection, which every client of chunked encoding notices, and
 * are logged. Beside that the last line tells that nothing is missing.
 */
#define _GNU_SOURCE
#include "http/scan_stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/reply.h"

#include <stdlib.h>

enum { PIECE_US = 8 * 1000 };

static enum stream_state broken(const struct scan_stream *stream, kv_status status, const struct kv_error *err)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	const char *text = kv_status_text(status);

	if (err->status == status)
		text = kv_error_format(err, line, sizeof line);
	log_error("%s: a stream is cut: %s", stream->stream.request->route->path, text);
	return STREAM_BROKEN;
}

/* May another item be begun? */
static bool may_write(const struct scan_stream *stream, const struct buf *to, size_t room)
{
	return !stream->unfinished && to->len < room && stream->scan.count < stream->scan.limit;
}

static kv_status write_rest(struct scan_stream *stream, struct buf *to, size_t room, struct kv_error *err)
{
	kv_status status = KV_OK;

	while (status == KV_OK && stream->unfinished && to->len < room)
		status = stream->writer->rest(stream, to, err);
	return status;
}

static kv_status write_items(struct scan_stream *stream, struct buf *to, size_t room, struct kv_error *err)
{
	struct scan_walk *walk = &stream->scan.walk;
	enum scan_walk_state state = scan_walk_begin(walk, clock_monotonic_us() + PIECE_US, err);
	kv_status status = KV_OK;

	while (status == KV_OK && state == SCAN_WALK_ITEM && may_write(stream, to, room)) {
		stream->scan.count++;
		status = stream->writer->item(stream, to, err);
		if (status == KV_OK)
			state = scan_walk_next(walk, err);
	}
	if (status == KV_OK && state == SCAN_WALK_FAILED)
		status = walk->status;
	return status == KV_OK ? scan_walk_pause(walk) : status;
}

static kv_status write_some(struct scan_stream *stream, struct buf *to, size_t room, struct kv_error *err)
{
	kv_status status = KV_OK;

	if (!stream->begun && stream->writer->begin)
		status = stream->writer->begin(stream, to);
	stream->begun = true;
	if (status == KV_OK)
		status = write_rest(stream, to, room, err);
	if (status == KV_OK && !stream->ended && may_write(stream, to, room)) {
		status = write_items(stream, to, room, err);
		stream->ended = stream->scan.walk.state == SCAN_WALK_END;
	}
	return status;
}

static enum stream_state fill(struct stream *base, struct buf *to, size_t room)
{
	struct scan_stream *stream = (struct scan_stream *)base;
	struct kv_error err = { .status = KV_OK };
	kv_status status = write_some(stream, to, room, &err);
	bool over = !stream->unfinished && (stream->ended || stream->scan.count == stream->scan.limit);

	if (status == KV_OK && over)
		status = stream->writer->end(stream, to, stream->ended);
	if (status != KV_OK)
		return broken(stream, status, &err);
	return over ? STREAM_END : STREAM_MORE;
}

struct scan_stream *scan_stream_free(struct scan_stream *stream)
{
	if (!stream)
		return NULL;
	if (stream->writer->close)
		stream->writer->close(stream);
	scan_free(&stream->scan);
	free(stream);
	return NULL;
}

static void close_stream(struct stream *stream)
{
	scan_stream_free((struct scan_stream *)stream);
}

static const struct stream_ops ops = { .fill = fill, .close = close_stream };

void scan_stream_reply(struct request *request, struct scan_stream *stream)
{
	static const struct stream_head head = {
		.status = 200, .content_type = "application/x-ndjson", .size = STREAM_SIZE_UNKNOWN,
	};
	struct scan_walk *walk = &stream->scan.walk;
	struct kv_error err = { .status = KV_OK };
	kv_status status = KV_OK;

	if (scan_walk_begin(walk, clock_monotonic_us() + PIECE_US, &err) == SCAN_WALK_FAILED)
		status = walk->status;
	if (status == KV_OK)
		status = scan_walk_pause(walk);
	if (status != KV_OK) {
		reply_store_error(request, status, &err);
		scan_stream_free(stream);
		return;
	}
	stream->stream.ops = &ops;
	reply_stream(request, &head, &stream->stream);
}
