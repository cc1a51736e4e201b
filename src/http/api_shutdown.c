/* SPDX-License-Identifier: BSD-2-Clause */
/* /shutdown: waits for the end of the daemon and answers with what it did. */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/reply.h"

static void answer(struct request *request, kv_status status)
{
	(void)status;
	reply_text(request, 200, stopping_text(request->service->stopping));
}

void api_shutdown(struct request *request)
{
	struct service *service = request->service;

	if (!request_query(request, NULL, 0))
		return;
	if (guard_shutdown(&service->rules, request->connection.peer, request->access,
			&request->head, &request->problem))
		request_wait_for_end(request, answer);
	else
		reply_problem(request, &request->problem);
}
