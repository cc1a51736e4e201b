/* SPDX-License-Identifier: BSD-2-Clause */
/* The handlers that the table of routes names, by the file they live in. */
#ifndef KV_HTTP_API_H
#define KV_HTTP_API_H

struct request;

void api_simple_set(struct request *request);
void api_simple_get(struct request *request);
void api_simple_delete(struct request *request);

void api_kv_put(struct request *request);
void api_kv_get(struct request *request);
void api_kv_delete(struct request *request);

void api_scan(struct request *request);

void api_health_live(struct request *request);
void api_health_ready(struct request *request);

void api_stats(struct request *request);
void api_metrics(struct request *request);

void api_shutdown(struct request *request);

#endif
