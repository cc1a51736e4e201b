/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ETags and ranges (RFC 9110, sections 13 and 14). An ETag is the version of the value, in hexadecimal, in quotes: to the client
 * an opaque string.
 */
#ifndef KV_HTTP_CONDITION_H
#define KV_HTTP_CONDITION_H

#include "base/slice.h"

enum { CONDITION_ETAG_SIZE = 20 }; /* two quotes, 16 digits, NUL */

void condition_etag(uint64_t version, char *ret);

/* Whether a list of ETags, or "*", has that of `version`. A weak one (W/"...") counts when `weak`. */
bool condition_matches(struct slice list, uint64_t version, bool weak);

/* A single ETag, strong or weak, whoever's it is. */
bool condition_is_etag(struct slice text);

/* A single ETag that we may have given out. */
bool condition_parse_etag(struct slice text, uint64_t *ret_version);

enum condition_range {
	CONDITION_RANGE_WHOLE,         /* no range that we serve: the whole value */
	CONDITION_RANGE_PART,
	CONDITION_RANGE_UNSATISFIABLE, /* 416 */
};

/* `text` as in a Range header. Several ranges, other units and nonsense mean the whole value, as the RFC allows. */
enum condition_range condition_range(struct slice text, uint64_t size, uint64_t *ret_first,
	uint64_t *ret_len);

#endif
