/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An answer whose bytes are made as they are sent: large values, pages without end, the change feed. It holds one bounded buffer
 * of bytes that were made and not yet sent; a slow reader costs no more than that, and a stream that waits for something costs the
 * other connections of its worker nothing.
 *
 * A handler embeds `struct stream` in a struct of its own (of zeros) and hands it over with reply_stream(). From then on it is called by
 * the worker's thread only, and closed exactly once: when all was sent, or the connection was lost. At the end of the server, when no
 * worker runs any more, it is the main thread that closes it.
 *
 * Deadlines: bytes that were made must be taken by the client at a floor on the rate, else its connection is cut. A stream that waits
 * has none, but it is closed when its client goes, and ended when the server stops.
 */
#ifndef KV_HTTP_STREAM_H
#define KV_HTTP_STREAM_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stddef.h>

struct request;
struct stream;

enum stream_state {
	STREAM_MORE,   /* there is more, perhaps nothing of it yet: fill again at once */
	STREAM_WAIT,   /* nothing now: fill again after stream_wake(), or at the alarm; perhaps sooner */
	STREAM_END,    /* that was all (perhaps together with bytes) */
	STREAM_BROKEN, /* it cannot go on: the connection is cut, so that the client does not take the part for the whole */
};

struct stream_ops {
	/* Appends about `room` bytes to `to`, more only when a single item needs it; returns within some 10 ms, so that the worker's
	 * other connections are served. Is not called again after END or BROKEN. */
	enum stream_state (*fill)(struct stream *stream, struct buf *to, size_t room);
	void (*close)(struct stream *stream); /* frees it; its request is still there */
};

struct stream {
	const struct stream_ops *ops;
	struct request *request; /* set by reply_stream() */
	uint64_t alarm_us;       /* clock_monotonic_us() at which a waiting stream is filled again; 0: none */
	bool ending;             /* the server stops: a stream that would wait may END now, and is cut when it does not */

	/* stream.c's */
	enum stream_state state; /* after the last fill */
	bool is_paused;          /* the last call gave no bytes: no deadline runs */
	uint64_t left;           /* bytes that may still come; of an answer of known size */
	struct buf made;         /* what is in it before reply_stream() is sent first */
	size_t sent;             /* bytes of `made` */
};

enum { STREAM_HEADERS_MAX = 8 };

struct stream_head {
	unsigned status;
	const char *content_type;
	uint64_t size; /* Content-Length; STREAM_SIZE_UNKNOWN: chunked, or for HTTP/1.0 until the end of the connection */
	struct {
		const char *name, *value; /* copied */
	} headers[STREAM_HEADERS_MAX];    /* up to the first without a name */
};
#define STREAM_SIZE_UNKNOWN UINT64_MAX

/* Answers with the stream, which it takes over (also on failure: then it is closed). For HEAD nothing is filled. More bytes
 * than `size` are dropped; an END before is treated as BROKEN. Worker's thread. */
void reply_stream(struct request *request, const struct stream_head *head, struct stream *stream);

/* There is something for a waiting stream; called at any other time, its next wait ends at once. Any thread, from reply_stream() on (or
 * sooner, if the handler has set `request`) until it is closed; never blocks. */
void stream_wake(struct stream *stream);

#endif
