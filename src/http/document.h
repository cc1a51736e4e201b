/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request whose body is a JSON document: its bytes become the handler's own, and what is made of them is made at once when they are
 * few, or by a job, because parsing many takes longer than the other connections of a worker should wait.
 */
#ifndef KV_HTTP_DOCUMENT_H
#define KV_HTTP_DOCUMENT_H

#include "http/request.h"

/* What document_begin() is given; the handler's struct begins with it. */
struct document {
	struct buf text;
	struct buf prefix;    /* that the client may not leave; see `access` */
	struct access access; /* of the client; good as long as this is */
	void (*free_rest)(struct document *document); /* the handler's own fields */
};

/* Takes over `document` (malloc'ed; NULL: there was no memory), as request->own, and request->body. `work` and `go_on` are as those of request_job(), but
 * `work` may run at once for a text of at most `few` bytes. */
void document_begin(struct request *request, struct document *document, size_t few,
	kv_status (*work)(struct request *), void (*go_on)(struct request *, kv_status));

static inline void *document_of(const struct request *request)
{
	return request->own;
}

/* 400 and so on for `problem`, always as JSON: {"error":..., "message":..., "index":...}. SIZE_MAX: without an index. */
void document_refuse(struct request *request, const struct problem *problem, size_t index);

#endif
