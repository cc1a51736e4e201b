/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A body that is a value: gathered in memory while it is small, and from the size on that the store calls large, written to its file as it
 * comes, by jobs. The worker's thread.
 */
#ifndef KV_HTTP_VALUE_BODY_H
#define KV_HTTP_VALUE_BODY_H

#include "http/request.h"

/* Whether the body has, or has after `more` bytes, the size of a large value. */
bool value_body_is_large(const struct request *request, uint64_t more);

/* It will be large: false has answered. Called by the next one when it was not before. */
bool value_body_begin(struct request *request);
/* As a route's take(). */
bool value_body_take(struct request *request, const char *data, size_t *size);

/* At the end of the body: puts the value of request->plan, large or not, and goes on with `go_on`; on failure it has answered. */
void value_body_put(struct request *request, void (*go_on)(struct request *, kv_status));

#endif
