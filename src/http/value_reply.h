/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that are a value: small ones at once, large ones as a stream from their file. */
#ifndef KV_HTTP_VALUE_REPLY_H
#define KV_HTTP_VALUE_REPLY_H

#include "http/request.h"

/* 200 with the bytes; takes the value over. With `etag` (with its quotes, or NULL) Range and If-Range count: 206, 416. */
void value_reply(struct request *request, struct store_value *value, const char *etag);

/* 200 with a JSON object; a large value is told by its size only. Takes the value over. */
void value_reply_json(struct request *request, struct slice key, struct store_value *value,
	const char *etag);

#endif
