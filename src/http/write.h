/* SPDX-License-Identifier: BSD-2-Clause */
/* The common part of requests that write one key: what their parameters say, make the batch and commit it. */
#ifndef KV_HTTP_WRITE_H
#define KV_HTTP_WRITE_H

#include "http/request.h"

/* The parameters of the query that write_options_read() takes, in this order. */
#define WRITE_DURABILITY_PARAM { .name = "durability" }
#define WRITE_PARAMS WRITE_DURABILITY_PARAM, { .name = "ttl" }, { .name = "expires" }
enum { WRITE_PARAM_DURABILITY, WRITE_PARAM_TTL, WRITE_PARAM_EXPIRES, WRITE_PARAM_COUNT };

/* Of `params`, WRITE_PARAM_COUNT of them. False has answered with 400. */
bool write_options_read(struct request *request, const struct urlkey_param *params,
	struct write_options *ret);
/* The two halves of it, for writes that take only one. */
bool write_durability_read(struct request *request, const struct urlkey_param *param,
	enum store_durability *ret);
bool write_lifetime_read(struct request *request, const struct urlkey_param *ttl,
	const struct urlkey_param *expires, struct lifetime *ret);

/* The expiry of what is committed now. Most has none, and nobody looks at the clock. */
uint64_t write_expiry_now(const struct lifetime *lifetime);

/* Makes request->batch with the durability; false has answered. */
bool write_new_batch(struct request *request, enum store_durability durability);
/* Commits request->batch, or answers with what the making of it ended with. */
void write_commit(struct request *request, kv_status made,
	void (*go_on)(struct request *, kv_status));

/* Answers a write that was not done; of damage it says which file, and where. */
void write_reply_error(struct request *request, kv_status status);

/* Puts (deletes) one key under `condition` and goes on with `go_on`; on failure it has answered. */
void write_put(struct request *request, struct slice key, struct slice value,
	const struct store_condition *condition, const struct write_options *options,
	void (*go_on)(struct request *, kv_status));
void write_delete(struct request *request, struct slice key, const struct store_condition *condition,
	enum store_durability durability, void (*go_on)(struct request *, kv_status));

#endif
