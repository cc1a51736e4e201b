/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/snapshot_use.h"

#include "http/reply.h"

bool snapshot_use(struct request *request, const struct urlkey_param *param, struct snapshot **ret)
{
	uint8_t id[SNAPSHOT_ID_BYTES];

	if (!param->present) {
		*ret = NULL;
		return true;
	}
	if (!snapshot_id_parse(param->value, id))
		reply_error(request, 400, "parameter 'snapshot' is no id of a snapshot");
	else if (snapshots_find(request->service->snapshots, id, ret) != KV_OK)
		reply_error(request, 410, "there is no such snapshot, or its time is over");
	else
		return true;
	return false;
}
