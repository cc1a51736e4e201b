/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/document.h"

#include "http/jsontext.h"
#include "http/reply.h"

#include <stdlib.h>

static void free_document(void *own)
{
	struct document *document = own;

	document->free_rest(document);
	buf_free(&document->text);
	buf_free(&document->prefix);
	free(document);
}

/* Of the request, nothing may be used by a job. */
static kv_status take_over(struct request *request, struct document *document)
{
	kv_status status;

	document->text = request->body;
	request->body = (struct buf){ 0 };
	document->access = *request->access;
	status = buf_append_slice(&document->prefix, request->access->prefix);
	document->access.prefix = buf_slice(&document->prefix);
	return status;
}

void document_begin(struct request *request, struct document *document, size_t few,
	kv_status (*work)(struct request *), void (*go_on)(struct request *, kv_status))
{
	kv_status status = KV_NO_MEMORY;

	if (document) {
		request->own = document;
		request->own_free = free_document;
		status = take_over(request, document);
	}
	if (status != KV_OK)
		reply_store_error(request, status, NULL);
	else if (!request_hold_bytes(request, document->text.len)) /* what is made of it is as large again */
		reply_error(request, 503, "too many bytes of request bodies in memory");
	else if (document->text.len <= few)
		go_on(request, work(request));
	else
		request_job(request, work, go_on);
}

void document_refuse(struct request *request, const struct problem *problem, size_t index)
{
	struct buf body = { 0 };
	kv_status status = buf_printf(&body, "{\"error\":\"%s\",\"message\":", reply_error_code(problem->status));

	if (status == KV_OK)
		status = jsontext_string(&body, slice_of_string(problem->text));
	if (status == KV_OK)
		status = index == SIZE_MAX ? buf_printf(&body, "}\n") : buf_printf(&body, ",\"index\":%zu}\n", index);
	if (status == KV_OK)
		reply_buf(request, problem->status, "application/json", &body);
	else
		reply_store_error(request, status, NULL);
	buf_free(&body);
}
