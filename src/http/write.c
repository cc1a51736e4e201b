/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/write.h"

#include "http/reply.h"

static bool new_batch(struct request *request)
{
	request->batch = store_batch_new(request->service->store);
	if (!request->batch)
		reply_store_error(request, KV_NO_MEMORY, NULL);
	return request->batch != NULL;
}

void write_put(struct request *request, struct slice key, struct slice value,
	const struct store_condition *condition, void (*go_on)(struct request *, kv_status))
{
	kv_status status;

	if (!new_batch(request))
		return;
	status = store_batch_put(request->batch, key, value, 0, condition);
	if (status == KV_OK)
		request_commit(request, go_on);
	else
		reply_store_error(request, status, NULL);
}

void write_delete(struct request *request, struct slice key, const struct store_condition *condition,
	void (*go_on)(struct request *, kv_status))
{
	kv_status status;

	if (!new_batch(request))
		return;
	status = store_batch_delete(request->batch, key, condition);
	if (status == KV_OK)
		request_commit(request, go_on);
	else
		reply_store_error(request, status, NULL);
}
