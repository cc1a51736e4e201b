/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a request means by prefix=, start= and end=: one interval of keys, [low, high). Every endpoint over ranges takes it from here,
 * so that all of them mean the same.
 */
#ifndef KV_HTTP_SCAN_RANGE_H
#define KV_HTTP_SCAN_RANGE_H

#include "base/buf.h"
#include "http/urlkey.h"

struct request;

struct scan_range {
	struct slice prefix, start, end; /* as asked for; borrowed */
	bool reverse;
	struct slice low;                /* the first key that may be in it; borrowed: prefix or start */
	struct buf high;                 /* the first behind it; empty: there is none */
	bool empty;                      /* no key can be in it */
};

/* From three parameters, each of which may be missing. `range` is zeroed but for `reverse`. KV_NO_MEMORY. */
kv_status scan_range_set(struct scan_range *range, struct slice prefix, struct slice start,
	struct slice end);
void scan_range_free(struct scan_range *range); /* safe on a zeroed one and twice */

/* The same from the request's parameters, and checks that its client may touch the range: false has answered. */
bool scan_range_take(struct request *request, const struct urlkey_param *prefix,
	const struct urlkey_param *start, const struct urlkey_param *end, struct scan_range *range);

/* Whether it is everything. */
static inline bool scan_range_is_all(const struct scan_range *range)
{
	return range->low.len == 0 && range->high.len == 0;
}

/* Is the key still in it, for one who walks in its direction from within? */
static inline bool scan_range_has(const struct scan_range *range, struct slice key)
{
	if (range->reverse)
		return slice_compare(key, range->low) >= 0;
	return range->high.len == 0 || slice_compare(key, buf_slice(&range->high)) < 0;
}

/* Is it in it, wherever one comes from? */
static inline bool scan_range_contains(const struct scan_range *range, struct slice key)
{
	return slice_compare(key, range->low) >= 0 &&
		(range->high.len == 0 || slice_compare(key, buf_slice(&range->high)) < 0);
}

/* Whether a scan that is begun at the key stays in the range: what a cursor says is not believed. */
bool scan_range_may_begin(const struct scan_range *range, struct slice key, bool included);

/* ---- parameters that several endpoints share: false has answered ---- */

/* 0 or 1; missing: 0. */
bool scan_range_flag(struct request *request, const struct urlkey_param *param, bool *ret);
/* A number above 0; what is above `max` becomes it; missing: `otherwise`. */
bool scan_range_limit(struct request *request, const struct urlkey_param *param, uint64_t max,
	uint64_t otherwise, uint64_t *ret);

#endif
