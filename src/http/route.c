/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paths are compared as raw bytes: an escaped letter in a path's fixed part is another path. The table is short, most used
 * first, and searched from the top. Beside its role, a handler looks whether the client may touch the keys that it names (request.h);
 * /shutdown has more rules of its own (guard.h).
 */
#define _GNU_SOURCE
#include "http/route.h"

#include "http/api.h"

/* Most rows have no begin and take; what is not written there is NULL. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static const struct route routes[] = {
	{ "/get", HTTP_GET | HTTP_HEAD, METRICS_GET, ROUTE_BODY_NONE, api_simple_get, ACCESS_READ },
	{ "/set", HTTP_POST | HTTP_PUT, METRICS_SET, ROUTE_BODY_VALUE, api_simple_set, ACCESS_WRITE, api_simple_set_begin },
	{ "/del", HTTP_DELETE, METRICS_DELETE, ROUTE_BODY_NONE, api_simple_delete, ACCESS_WRITE },
	{ "/v1/kv/", HTTP_GET | HTTP_HEAD, METRICS_GET, ROUTE_BODY_NONE, api_kv_get, ACCESS_READ },
	{ "/v1/kv/", HTTP_PUT, METRICS_SET, ROUTE_BODY_VALUE, api_kv_put, ACCESS_WRITE, api_kv_put_begin,
		.conditional = true },
	{ "/v1/kv/", HTTP_DELETE, METRICS_DELETE, ROUTE_BODY_NONE, api_kv_delete, ACCESS_WRITE, .conditional = true },
	{ "/v1/batch", HTTP_POST, METRICS_SET, ROUTE_BODY_DOCUMENT, api_batch, ACCESS_WRITE },
	{ "/v1/mget", HTTP_POST, METRICS_GET, ROUTE_BODY_DOCUMENT, api_mget, ACCESS_READ },
	{ "/v1/incr/", HTTP_POST, METRICS_SET, ROUTE_BODY_NONE, api_increment, ACCESS_WRITE },
	{ "/v1/touch/", HTTP_POST, METRICS_SET, ROUTE_BODY_NONE, api_touch, ACCESS_WRITE },
	{ "/v1/changes", HTTP_GET | HTTP_HEAD, METRICS_CHANGES, ROUTE_BODY_NONE, api_changes, ACCESS_READ },
	{ "/v1/kv", HTTP_GET | HTTP_HEAD, METRICS_SCAN, ROUTE_BODY_NONE, api_scan, ACCESS_READ },
	{ "/v1/kv", HTTP_DELETE, METRICS_DELETE, ROUTE_BODY_NONE, api_range_delete, ACCESS_WRITE },
	{ "/v1/count", HTTP_GET | HTTP_HEAD, METRICS_SCAN, ROUTE_BODY_NONE, api_count, ACCESS_READ },
	{ "/v1/export", HTTP_GET | HTTP_HEAD, METRICS_SCAN, ROUTE_BODY_NONE, api_export, ACCESS_READ },
	{ "/v1/import", HTTP_POST, METRICS_SET, ROUTE_BODY_STREAM, api_import, ACCESS_WRITE, api_import_begin,
		api_import_take },
	{ "/v1/snapshots", HTTP_POST, METRICS_ADMIN, ROUTE_BODY_NONE, api_snapshots_create, ACCESS_READ },
	{ "/v1/snapshots/", HTTP_DELETE, METRICS_ADMIN, ROUTE_BODY_NONE, api_snapshots_delete, ACCESS_READ },
	{ "/healthz", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_health_live, ACCESS_NONE },
	{ "/readyz", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_health_ready, ACCESS_NONE },
	{ "/metrics", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_metrics, ACCESS_READ },
	{ "/v1/stats", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_stats, ACCESS_READ },
	{ "/openapi.json", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_openapi, ACCESS_NONE },
	{ "/ui/", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_ui, ACCESS_NONE },
	{ "/ui", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_ui_redirect, ACCESS_NONE },
	{ "/v1/capabilities", HTTP_GET | HTTP_HEAD, METRICS_ADMIN, ROUTE_BODY_NONE, api_capabilities, ACCESS_READ },
	{ "/v1/admin/flush", HTTP_POST, METRICS_ADMIN, ROUTE_BODY_NONE, api_admin_flush, ACCESS_ADMIN },
	{ "/v1/admin/compact", HTTP_POST, METRICS_ADMIN, ROUTE_BODY_NONE, api_admin_compact, ACCESS_ADMIN },
	{ "/v1/admin/checkpoint", HTTP_POST, METRICS_ADMIN, ROUTE_BODY_NONE, api_admin_checkpoint, ACCESS_ADMIN },
	{ "/shutdown", HTTP_GET | HTTP_POST, METRICS_ADMIN, ROUTE_BODY_NONE, api_shutdown, ACCESS_ADMIN },
};

const struct route *route_at(size_t i)
{
	return i < sizeof routes / sizeof routes[0] ? &routes[i] : NULL;
}
