/* SPDX-License-Identifier: BSD-2-Clause */
/* The common part of requests that write one key: make the batch and commit it. */
#ifndef KV_HTTP_WRITE_H
#define KV_HTTP_WRITE_H

#include "http/request.h"

/* Puts (deletes) one key under `condition` and goes on with `go_on`; on failure it has answered. */
void write_put(struct request *request, struct slice key, struct slice value,
	const struct store_condition *condition, void (*go_on)(struct request *, kv_status));
void write_delete(struct request *request, struct slice key, const struct store_condition *condition,
	void (*go_on)(struct request *, kv_status));

#endif
