/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /v1/batch: operations on several keys that commit together or not at all. */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/clock.h"
#include "http/batchread.h"
#include "http/condition.h"
#include "http/document.h"
#include "http/reply.h"
#include "http/write.h"

#include <stdlib.h>

enum { FEW_BYTES = 64 * 1024 }; /* parsed within half a millisecond */

/* So much text is read at once; what may hold a large value, which goes to a file of its own, is left to a job. */
static size_t few_bytes(const struct request *request)
{
	uint64_t large = store_large_value_bytes(request->service->store);

	return large <= FEW_BYTES ? (size_t)large - 1 : FEW_BYTES;
}

struct batch_document {
	struct document base;
	struct batchread read;
};

static void free_rest(struct document *document)
{
	batchread_free(&((struct batch_document *)document)->read);
}

/* ---- the answer ---- */

/* A put tells its ETag; a delete whether the key was there; a check what it found. */
static kv_status append_result(struct buf *to, enum batchread_kind kind, const struct store_outcome *outcome)
{
	char etag[CONDITION_ETAG_SIZE];
	size_t len;

	if (kind == BATCHREAD_DELETE)
		return buf_printf(to, "{\"status\":%d}", outcome->existed ? 204 : 404);
	if (kind == BATCHREAD_CHECK && !outcome->existed)
		return buf_printf(to, "{\"status\":404}");
	condition_etag(outcome->version, etag);
	len = strlen(etag);
	return buf_printf(to, "{\"status\":200,\"etag\":\"\\%.*s\\\"\"}", (int)(len - 1), etag);
}

static kv_status append_results(struct buf *to, const struct batchread *read,
	const struct store_batch *batch)
{
	kv_status status = buf_printf(to, "{\"results\":[");

	for (size_t i = 0; i < read->kinds.len && status == KV_OK; i++) {
		struct store_outcome outcome = store_batch_outcome(batch, i);

		status = buf_append(to, ",\n", i > 0 ? 2 : 0);
		if (status == KV_OK)
			status = append_result(to, (enum batchread_kind)read->kinds.data[i], &outcome);
	}
	return status == KV_OK ? buf_printf(to, "]}\n") : status;
}

static void reply_results(struct request *request)
{
	struct batch_document *document = document_of(request);
	struct buf body = { 0 };

	if (append_results(&body, &document->read, request->batch) == KV_OK)
		reply_buf(request, 200, "application/json", &body);
	else
		reply_lost(request);
	buf_free(&body);
}

static void answer(struct request *request, kv_status status)
{
	struct problem problem = { 0 };

	if (status == KV_OK) {
		reply_results(request);
	} else if (status == KV_CONDITION) {
		problem_set(&problem, 412, "the condition of an operation does not hold");
		document_refuse(request, &problem, store_batch_failed_index(request->batch));
	} else {
		write_reply_error(request, status);
	}
}

/* ---- the way there ---- */

static kv_status read_batch(struct request *request)
{
	struct batch_document *document = document_of(request);

	document->read.text = buf_slice(&document->base.text);
	document->read.access = document->base.access;
	return batchread_run(&document->read, request->batch);
}

static void commit(struct request *request, kv_status status)
{
	struct batch_document *document = document_of(request);

	buf_free(&document->base.text);
	if (status == KV_INVALID)
		document_refuse(request, &document->read.problem, document->read.index);
	else
		write_commit(request, status, answer);
}

void api_batch(struct request *request)
{
	struct urlkey_param params[] = { WRITE_DURABILITY_PARAM };
	struct batch_document *document;
	enum store_durability durability;

	if (!request_query(request, params, 1) || !write_durability_read(request, &params[0], &durability) ||
		!write_new_batch(request, durability))
		return;
	document = calloc(1, sizeof *document);
	if (document) {
		document->base.free_rest = free_rest;
		document->read.form = head_sends_ndjson(&request->head) ? JSONLIST_LINES : JSONLIST_ARRAY;
		document->read.value_max = request->service->options->max_value_bytes;
		document->read.now_unix_ms = clock_wall_ms();
	}
	document_begin(request, document ? &document->base : NULL, few_bytes(request), read_batch, commit);
}
