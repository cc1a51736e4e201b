/* SPDX-License-Identifier: BSD-2-Clause */
/* The handlers that the table of routes names, by the file they live in. */
#ifndef KV_HTTP_API_H
#define KV_HTTP_API_H

#include <stdbool.h>
#include <stddef.h>

struct request;

bool api_simple_set_begin(struct request *request);
void api_simple_set(struct request *request);
void api_simple_get(struct request *request);
void api_simple_delete(struct request *request);

bool api_kv_put_begin(struct request *request);
void api_kv_put(struct request *request);
void api_kv_get(struct request *request);
void api_kv_delete(struct request *request);

void api_touch(struct request *request);
void api_increment(struct request *request);

void api_batch(struct request *request);
void api_mget(struct request *request);

void api_scan(struct request *request);

void api_export(struct request *request);
void api_count(struct request *request);
bool api_import_begin(struct request *request);
bool api_import_take(struct request *request, const char *data, size_t *size);
void api_import(struct request *request);
void api_range_delete(struct request *request);
void api_changes(struct request *request);

void api_snapshots_create(struct request *request);
void api_snapshots_delete(struct request *request);

void api_health_live(struct request *request);
void api_health_ready(struct request *request);

void api_stats(struct request *request);
void api_metrics(struct request *request);

void api_openapi(struct request *request);
void api_ui(struct request *request);
void api_ui_redirect(struct request *request);

void api_capabilities(struct request *request);
void api_admin_flush(struct request *request);
void api_admin_compact(struct request *request);
void api_admin_checkpoint(struct request *request);

void api_shutdown(struct request *request);

#endif
