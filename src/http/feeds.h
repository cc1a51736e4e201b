/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The streams that wait for changes, counted and limited. The commit tells of its groups here, once for all streams, and does no more for
 * it than to raise a flag; a thread wakes the streams. The more of them there are the longer it pauses in between, so that many that have nothing to
 * say (each looks at every change) take a bounded part of a processor.
 */
#ifndef KV_HTTP_FEEDS_H
#define KV_HTTP_FEEDS_H

#include "http/stream.h"
#include "store/store.h"

#include <stdatomic.h>

struct feeds;

/* Begins a stream that is one. */
struct feed {
	struct stream stream;
	struct feeds *feeds;           /* while it has joined */
	atomic_bool idle;              /* to be woken by the next change; the worker sets it before it looks for changes */
	struct feed *previous, *next;  /* guarded by the mutex of feeds */
};

/* At most `max` at a time. No thread and no watch on the store before the first. NULL: no memory. */
struct feeds *feeds_new(struct store *store, unsigned max);
struct feeds *feeds_free(struct feeds *feeds); /* all have left; NULL is allowed; returns NULL */

/* `feed->stream.request` is set. KV_BUSY: there are too many. KV_NO_MEMORY: no thread. Worker's thread, as the next. */
kv_status feeds_join(struct feeds *feeds, struct feed *feed);
/* Afterwards it is not woken any more. Does nothing when it has not joined. */
void feeds_leave(struct feed *feed);


#endif
