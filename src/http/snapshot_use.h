/* SPDX-License-Identifier: BSD-2-Clause */
/* The parameter `snapshot` of requests that read. */
#ifndef KV_HTTP_SNAPSHOT_USE_H
#define KV_HTTP_SNAPSHOT_USE_H

#include "http/request.h"
#include "http/snapshots.h"

/* The snapshot that the parameter names, held, or NULL when it is not there; snapshot_release() after use takes both. False has answered: 400
 * for what is no id, 410 for one that is not kept (any more). */
bool snapshot_use(struct request *request, const struct urlkey_param *param, struct snapshot **ret);

/* What store_get() and store_iter_open() take: NULL stays NULL. */
static inline const struct store_snapshot *snapshot_use_picture(const struct snapshot *snapshot)
{
	return snapshot ? snapshot_picture(snapshot) : NULL;
}

#endif
