/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/scan_range.h"

#include "http/reply.h"

/* The first key after all that begin with `prefix`; empty when there is none. */
static kv_status after_prefix(struct slice prefix, struct buf *ret)
{
	kv_status status;

	while (prefix.len > 0 && prefix.data[prefix.len - 1] == 0xff)
		prefix.len--;
	status = buf_set(ret, prefix);
	if (status == KV_OK && ret->len > 0)
		ret->data[ret->len - 1]++;
	return status;
}

/* Keys have at least one byte: none is below a single 0. */
static bool is_empty(struct slice low, struct slice high)
{
	if (high.len == 0)
		return false;
	return slice_compare(low, high) >= 0 || (high.len == 1 && high.data[0] == 0);
}

kv_status scan_range_set(struct scan_range *range, struct slice prefix, struct slice start,
	struct slice end)
{
	kv_status status = after_prefix(prefix, &range->high);

	if (status == KV_OK && end.len > 0 &&
		(range->high.len == 0 || slice_compare(end, buf_slice(&range->high)) < 0))
		status = buf_set(&range->high, end);
	if (status != KV_OK)
		return status;
	range->prefix = prefix;
	range->start = start;
	range->end = end;
	range->low = slice_compare(start, prefix) > 0 ? start : prefix;
	range->empty = is_empty(range->low, buf_slice(&range->high));
	return KV_OK;
}

bool scan_range_may_begin(const struct scan_range *range, struct slice key, bool included)
{
	struct slice high = buf_slice(&range->high);
	int order;

	if (!range->reverse)
		return slice_compare(key, range->low) >= 0;
	if (key.len == 0) /* to an iterator: from the last key of all on */
		return false;
	if (high.len == 0)
		return true;
	order = slice_compare(key, high);
	return order < 0 || (order == 0 && !included);
}

void scan_range_free(struct scan_range *range)
{
	buf_free(&range->high);
}

bool scan_range_take(struct request *request, const struct urlkey_param *prefix,
	const struct urlkey_param *start, const struct urlkey_param *end, struct scan_range *range)
{
	kv_status status;

	if (!request_may_touch_range(request, prefix->value, start->value, end->value))
		return false;
	status = scan_range_set(range, prefix->value, start->value, end->value);
	if (status != KV_OK)
		reply_store_error(request, status, NULL);
	return status == KV_OK;
}

bool scan_range_flag(struct request *request, const struct urlkey_param *param, bool *ret)
{
	*ret = param->present && slice_equal(param->value, slice_of_string("1"));
	if (!param->present || *ret || slice_equal(param->value, slice_of_string("0")))
		return true;
	reply_error(request, 400, "parameter '%s' is 0 or 1", param->name);
	return false;
}

bool scan_range_limit(struct request *request, const struct urlkey_param *param, uint64_t max,
	uint64_t otherwise, uint64_t *ret)
{
	uint64_t n = 0;

	*ret = otherwise;
	if (!param->present)
		return true;
	for (size_t i = 0; i < param->value.len; i++) {
		unsigned digit = (unsigned)param->value.data[i] - '0';

		if (digit > 9) {
			n = 0;
			break;
		}
		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
	}
	*ret = n > max ? max : n;
	if (n > 0)
		return true;
	reply_error(request, 400, "parameter '%s' is a number above 0", param->name);
	return false;
}
