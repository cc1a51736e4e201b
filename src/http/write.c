/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/write.h"

#include "base/clock.h"
#include "http/lifetime.h"
#include "http/reply.h"

bool write_durability_read(struct request *request, const struct urlkey_param *param,
	enum store_durability *ret)
{
	*ret = STORE_DURABLE_DEFAULT;
	if (!param->present)
		return true;
	if (slice_equal(param->value, slice_of_string("commit")))
		*ret = STORE_DURABLE_COMMIT;
	else if (slice_equal(param->value, slice_of_string("os")))
		*ret = STORE_DURABLE_OS;
	else
		reply_error(request, 400, "parameter 'durability' is not commit or os");
	return *ret != STORE_DURABLE_DEFAULT;
}

bool write_expiry_read(struct request *request, const struct urlkey_param *ttl,
	const struct urlkey_param *expires, uint64_t *ret_unix_ms)
{
	*ret_unix_ms = 0;
	if (!ttl->present && !expires->present)
		return true;
	if (ttl->present && expires->present)
		reply_error(request, 400, "there is both a parameter 'ttl' and a parameter 'expires'");
	else if (ttl->present && !lifetime_of_ttl(ttl->value, clock_wall_ms(), ret_unix_ms))
		reply_error(request, 400, "parameter 'ttl' is not a number of at least 1 with one of ms, s, m, h, d, or is too long");
	else if (expires->present && !lifetime_of_expires(expires->value, ret_unix_ms))
		reply_error(request, 400, "parameter 'expires' is not a time in unix milliseconds, up to the year 9999");
	else
		return true;
	return false;
}

bool write_options_read(struct request *request, const struct urlkey_param *params,
	struct write_options *ret)
{
	return write_durability_read(request, &params[WRITE_PARAM_DURABILITY], &ret->durability) &&
		write_expiry_read(request, &params[WRITE_PARAM_TTL], &params[WRITE_PARAM_EXPIRES],
			&ret->expires_unix_ms);
}

bool write_new_batch(struct request *request, enum store_durability durability)
{
	request->batch = store_batch_new(request->service->store);
	if (!request->batch)
		reply_store_error(request, KV_NO_MEMORY, NULL);
	else if (durability != STORE_DURABLE_DEFAULT)
		store_batch_set_durability(request->batch, durability);
	return request->batch != NULL;
}

void write_commit(struct request *request, kv_status made,
	void (*go_on)(struct request *, kv_status))
{
	if (made == KV_OK)
		request_commit(request, go_on);
	else
		reply_store_error(request, made, NULL);
}

void write_put(struct request *request, struct slice key, struct slice value,
	const struct store_condition *condition, const struct write_options *options,
	void (*go_on)(struct request *, kv_status))
{
	request->expires_unix_ms = options->expires_unix_ms;
	if (write_new_batch(request, options->durability))
		write_commit(request, store_batch_put(request->batch, key, value,
			options->expires_unix_ms, condition), go_on);
}

void write_delete(struct request *request, struct slice key, const struct store_condition *condition,
	enum store_durability durability, void (*go_on)(struct request *, kv_status))
{
	if (write_new_batch(request, durability))
		write_commit(request, store_batch_delete(request->batch, key, condition), go_on);
}

void write_reply_error(struct request *request, kv_status status)
{
	reply_store_error(request, status, request->batch ? store_batch_error(request->batch) : NULL);
}
