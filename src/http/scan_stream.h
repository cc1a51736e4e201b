/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scan as a stream of lines: made as they are sent, in pieces of some milliseconds, from one snapshot; between two pieces
 * nothing is held but the snapshot and a key. What the lines are is its writer's matter.
 */
#ifndef KV_HTTP_SCAN_STREAM_H
#define KV_HTTP_SCAN_STREAM_H

#include "http/scan.h"
#include "http/stream.h"

struct scan_stream;

struct scan_writer {
	kv_status (*begin)(struct scan_stream *stream, struct buf *to); /* NULL: nothing to write */
	/* The item that the scan stands on. */
	kv_status (*item)(struct scan_stream *stream, struct buf *to, struct kv_error *err);
	/* A piece of what item() has left to write, while scan_stream.unfinished. NULL: it leaves nothing. */
	kv_status (*rest)(struct scan_stream *stream, struct buf *to, struct kv_error *err);
	/* The last line: `complete`, or scan.limit was reached and a cursor can be given. */
	kv_status (*end)(struct scan_stream *stream, struct buf *to, bool complete);
	void (*close)(struct scan_stream *stream); /* what is the writer's own; NULL: nothing */
};

struct scan_stream {
	struct stream stream;
	struct scan scan;
	const struct scan_writer *writer;
	bool begun, ended;
	bool unfinished; /* the writer's: rest() is to be called */
};

/* Answers with the scan, which scan_take() has filled in, as NDJSON; takes `stream` over, malloc'ed. */
void scan_stream_reply(struct request *request, struct scan_stream *stream);
struct scan_stream *scan_stream_free(struct scan_stream *stream); /* one that was not handed over; NULL is allowed; returns NULL */

#endif
