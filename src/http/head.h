/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of one request: the fields that we look at, gathered in one pass, and the judgement whether the
 * request is well formed. libmicrohttpd passes on two Hosts, two Content-Lengths, a Content-Length beside a
 * Transfer-Encoding and much more; here is where that ends.
 */
#ifndef KV_HTTP_HEAD_H
#define KV_HTTP_HEAD_H

#include "base/slice.h"
#include "http/problem.h"

/* Which fields have come; bits of head.seen and head.repeated. */
enum head_field {
	HEAD_HOST,
	HEAD_ORIGIN,
	HEAD_CONTENT_LENGTH,
	HEAD_CONTENT_TYPE,
	HEAD_TRANSFER_ENCODING,
	HEAD_AUTHORIZATION,
	HEAD_EXPECT,
	HEAD_ACCEPT,
	HEAD_RANGE,
	HEAD_IF_RANGE,
	HEAD_IF_MATCH,
	HEAD_IF_NONE_MATCH,
	HEAD_USER_AGENT,
	HEAD_REFERER,
	HEAD_COOKIE,
	HEAD_SEC_FETCH_SITE,
	HEAD_LAST_EVENT_ID,
	HEAD_CONTENT_RANGE,
	HEAD_SEC_FETCH_OTHER, /* any other Sec-Fetch-... */
	HEAD_FIELD_COUNT
};

struct head {
	unsigned seen;     /* bits 1 << head_field */
	unsigned repeated;
	bool malformed;    /* a name or a value with bytes that do not belong there */
	struct slice value[HEAD_FIELD_COUNT]; /* borrowed, without surrounding blanks; the last one when repeated */
	uint64_t body_bytes; /* announced by Content-Length; after head_check() */
	bool has_length;
	bool chunked;
};

static inline bool head_has(const struct head *head, enum head_field field)
{
	return (head->seen >> field & 1) != 0;
}

void head_clear(struct head *head);

/* One header line; the bytes stay borrowed. */
void head_add(struct head *head, struct slice name, struct slice value);

/* The rules that hold for every request; false fills in `problem` (always one that closes the connection). */
bool head_check(struct head *head, bool http_1_0, struct problem *problem);

/* Whether the client asks for JSON. */
bool head_accepts_json(const struct head *head);
/* Whether its body is lines of JSON. */
bool head_sends_ndjson(const struct head *head);
/* Whether it asks for lines of JSON. */
bool head_accepts_ndjson(const struct head *head);

/* Whether a comma-separated list has `word`, whatever the case. */
bool head_list_has(struct slice list, const char *word);

#endif
