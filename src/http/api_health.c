/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /healthz: the process serves. /readyz: it can do what it is for; a stalled store still takes writes, only more slowly, and is
 * ready. Queries are ignored here: probes like to add some.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/reply.h"

#include <stdio.h>

void api_health_live(struct request *request)
{
	reply_ok(request);
}

void api_health_ready(struct request *request)
{
	char reason[200];
	char line[256];
	enum store_state state = store_get_state(request->service->store, reason, sizeof reason);

	if (state != STORE_HEALTHY && state != STORE_STALLED) {
		reply_error(request, 503, "%s%s%s", store_state_name(state), reason[0] ? ": " : "", reason);
		return;
	}
	snprintf(line, sizeof line, "%s%s%s\n", store_state_name(state), reason[0] ? ": " : "", reason);
	reply_text(request, 200, slice_of_string(line));
}
