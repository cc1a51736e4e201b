/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /v1/snapshots makes a picture of the store that stays as it is; DELETE /v1/snapshots/{id} gives it up before its time. */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/duration.h"
#include "http/reply.h"
#include "http/snapshots.h"

#include <inttypes.h>
#include <stdio.h>

enum { TTL_DEFAULT_MS = 60 * 1000 };

static void reply_made(struct request *request, const struct snapshot *snapshot)
{
	char id[SNAPSHOT_ID_TEXT + 1];
	char location[64];
	struct buf body = { 0 };

	snapshot_id_text(snapshot_id(snapshot), id);
	snprintf(location, sizeof location, "/v1/snapshots/%s", id);
	if (buf_printf(&body, "{\"id\":\"%s\",\"version\":%" PRIu64 ",\"expires\":%" PRIu64 "}\n", id,
			store_snapshot_version(snapshot_picture(snapshot)), snapshot_expires_unix_ms(snapshot)) == KV_OK)
		reply_created(request, location, &body);
	else
		reply_lost(request);
	buf_free(&body);
}

/* False has answered. */
static bool parse_ttl(struct request *request, uint64_t *ret_ms)
{
	struct urlkey_param ttl = { .name = "ttl" };
	uint64_t max_ms = request->service->options->snapshot_max_age_ms;

	if (!request_query(request, &ttl, 1))
		return false;
	*ret_ms = TTL_DEFAULT_MS < max_ms ? TTL_DEFAULT_MS : max_ms;
	if (!ttl.present)
		return true;
	if (!duration_parse(ttl.value, ret_ms))
		reply_error(request, 400, "parameter 'ttl' is a number with a unit: ms, s, m, h or d");
	else if (*ret_ms > max_ms)
		reply_error(request, 400, "a snapshot is kept for %" PRIu64 " seconds at most (snapshot_max_age)",
			max_ms / 1000);
	else
		return true;
	return false;
}

void api_snapshots_create(struct request *request)
{
	struct snapshot *snapshot;
	uint64_t ttl_ms;
	kv_status status;

	if (!parse_ttl(request, &ttl_ms))
		return;
	status = snapshots_create(request->service->snapshots, ttl_ms, &snapshot);
	if (status == KV_OK) {
		reply_made(request, snapshot);
		snapshot_release(snapshot);
	} else if (status == KV_BUSY) {
		reply_error(request, 503, "there are %u snapshots already (snapshot_limit)",
			request->service->options->snapshot_limit);
	} else {
		reply_store_error(request, status, NULL);
	}
}

/* The id is what a key is in other routes: the rest of the path. */
void api_snapshots_delete(struct request *request)
{
	uint8_t id[SNAPSHOT_ID_BYTES];

	if (!request_query(request, NULL, 0))
		return;
	if (!snapshot_id_parse(request->raw_key, id))
		reply_error(request, 404, "this is no id of a snapshot");
	else if (snapshots_drop(request->service->snapshots, id) != KV_OK)
		reply_error(request, 410, "there is no such snapshot, or its time is over");
	else
		reply_empty(request, 204, NULL);
}
