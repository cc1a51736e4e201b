/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A response that a connection uses again: making one costs half a dozen allocations, and most values of a store have one size. Its
 * worker's thread.
 */
#ifndef KV_HTTP_KEPT_H
#define KV_HTTP_KEPT_H

#include "base/buf.h"

struct MHD_Response;

/* Zeros: nothing kept. */
struct kept {
	struct MHD_Response *response;
	struct buf body; /* what the response sends: its bytes change, their number does not */
};

/* A response with a copy of `body`, whose header is `content_type` (the same at every call), still owned by `kept`. It may not be asked for
 * before the last one was sent, or its connection lost. NULL: no memory. */
struct MHD_Response *kept_response(struct kept *kept, struct slice body, const char *content_type);

/* Any thread, once the connection is gone. */
void kept_free(struct kept *kept);

#endif
