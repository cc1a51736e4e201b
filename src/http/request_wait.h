/* SPDX-License-Identifier: BSD-2-Clause */
/* What request.c knows of waiting; the rest is in request.h. The worker's thread. */
#ifndef KV_HTTP_REQUEST_WAIT_H
#define KV_HTTP_REQUEST_WAIT_H

#include "http/request.h"

static inline bool request_is_waiting(const struct request *request)
{
	return request->step == REQUEST_WAITING || request->step == REQUEST_STOPPING;
}

/* Runs the continuation when what it waited for is there. True: it waits no more (also when it did not wait); the continuation has
 * answered, or there is more to do. */
bool request_wait_is_over(struct request *request);

/* The connection is gone. False: somebody has the request, who will free it. */
bool request_leave(struct request *request);

/* request.c's: frees it. Any thread. */
void request_destroy(struct request *request);

#endif
