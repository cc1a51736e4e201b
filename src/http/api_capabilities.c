/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/capabilities: what this server and the storage behind it can do, and their limits. */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/reply.h"

#include <inttypes.h>
#include <stddef.h>

static const struct {
	const char *name;
	size_t offset; /* of a bool in struct store_capabilities */
} features[] = {
#define FEATURE(field) { #field, offsetof(struct store_capabilities, field) }
	FEATURE(atomic_batches), FEATURE(snapshots), FEATURE(ordered_iteration), FEATURE(reverse_iteration),
	FEATURE(expiry), FEATURE(range_deletes), FEATURE(large_values), FEATURE(changes),
#undef FEATURE
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static kv_status add_features(struct buf *to, const struct service *service, const struct store_capabilities *can)
{
	const char *backup_dir = service->options->backup_dir;
	kv_status status = KV_OK;

	for (size_t i = 0; i < sizeof features / sizeof features[0] && status == KV_OK; i++)
		status = buf_printf(to, "\"%s\":%s,", features[i].name,
			*(const bool *)((const char *)can + features[i].offset) ? "true" : "false");
	if (status == KV_OK)
		status = buf_printf(to, "\"checkpoint\":%s", can->checkpoint && backup_dir && backup_dir[0] ? "true" : "false");
	return status;
}

static kv_status add_limits(struct buf *to, const struct service *service, const struct store_capabilities *can)
{
	const struct server_options *options = service->options;

	return buf_printf(to,
		"\"key_bytes\":%" PRIu64 ",\"value_bytes\":%" PRIu64 ",\"batch_bytes\":%" PRIu64
		",\"snapshots\":%u,\"snapshot_age_s\":%u,\"connections\":%u",
		can->key_bytes_max, smaller(can->value_bytes_max, options->max_value_bytes),
		smaller(can->batch_bytes_max, options->max_batch_bytes), options->snapshot_limit,
		(unsigned)(options->snapshot_max_age_ms / 1000), options->connection_limit);
}

void api_capabilities(struct request *request)
{
	struct store_capabilities can = { 0 };
	struct buf body = { 0 };
	kv_status status;

	if (!request_query(request, NULL, 0))
		return;
	store_get_capabilities(request->service->store, &can);
	status = buf_printf(&body, "{\"backend\":\"%s\",\n\"features\":{", can.backend);
	if (status == KV_OK)
		status = add_features(&body, request->service, &can);
	if (status == KV_OK)
		status = buf_printf(&body, "},\n\"limits\":{");
	if (status == KV_OK)
		status = add_limits(&body, request->service, &can);
	if (status == KV_OK)
		status = buf_printf(&body, "}}\n");
	if (status == KV_OK)
		reply_buf(request, 200, "application/json", &body);
	else
		reply_store_error(request, status, NULL);
	buf_free(&body);
}
