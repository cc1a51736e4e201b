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

bool write_lifetime_read(struct request *request, const struct urlkey_param *ttl,
	const struct urlkey_param *expires, struct lifetime *ret)
{
	uint64_t now = ttl->present ? clock_wall_ms() : 0, end = now;
	const char *wrong = NULL;

	*ret = (struct lifetime){ 0 };
	if (ttl->present && expires->present)
		wrong = "there is both a parameter 'ttl' and a parameter 'expires'";
	else if (ttl->present && !lifetime_of_ttl(ttl->value, now, &end))
		wrong = "parameter 'ttl' is not a number of at least 1 with one of ms, s, m, h, d, or is too long";
	else if (expires->present && !lifetime_of_expires(expires->value, &ret->expires_unix_ms))
		wrong = "parameter 'expires' is not a time in unix milliseconds, up to the year 9999";
	if (wrong)
		reply_error(request, 400, "%s", wrong);
	ret->ttl_ms = end - now;
	return !wrong;
}

uint64_t write_expiry_now(const struct lifetime *lifetime)
{
	return lifetime_end(lifetime, lifetime->ttl_ms > 0 ? clock_wall_ms() : 0);
}

bool write_options_read(struct request *request, const struct urlkey_param *params,
	struct write_options *ret)
{
	return write_durability_read(request, &params[WRITE_PARAM_DURABILITY], &ret->durability) &&
		write_lifetime_read(request, &params[WRITE_PARAM_TTL], &params[WRITE_PARAM_EXPIRES], &ret->lifetime);
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
		write_reply_error(request, made);
}

void write_put(struct request *request, struct slice key, struct slice value,
	const struct store_condition *condition, const struct write_options *options,
	void (*go_on)(struct request *, kv_status))
{
	request->expires_unix_ms = write_expiry_now(&options->lifetime);
	if (write_new_batch(request, options->durability))
		write_commit(request, store_batch_put(request->batch, key, value, request->expires_unix_ms, condition), go_on);
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
