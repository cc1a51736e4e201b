/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes gather in request->body; a full piece changes places with an empty one and is written by a job, and reading goes on when that is
 * done. So a large value takes two pieces of memory, and the client is not read faster than the disk takes it.
 */
#define _GNU_SOURCE
#include "http/value_body.h"

#include "http/authorize.h"
#include "http/reply.h"
#include "http/write.h"

#include <stdlib.h>

enum {
	PIECE_BYTES = 256 * 1024,
	UPLOADS_MAX = 128, /* at a time: each has a file open */
};

/* request->own of a large one. */
struct value_body {
	struct service *service;
	struct store_upload *upload; /* NULL before the first piece was written */
	struct buf writing;          /* the job's while there is one */
	uint64_t received;
	struct kv_error err;         /* of the job */
	void (*go_on)(struct request *request, kv_status status); /* after the commit */
};

static void free_value_body(void *own)
{
	struct value_body *body = own;

	store_upload_free(body->upload);
	buf_free(&body->writing);
	atomic_fetch_sub(&body->service->uploads, 1);
	free(body);
}

bool value_body_is_large(const struct request *request, uint64_t more)
{
	return request->own || request->body.len + more >= request->service->large_value_bytes;
}

/* Counted until free_value_body(); false: there are too many. */
static bool take_place(struct service *service)
{
	if (atomic_fetch_add(&service->uploads, 1) < UPLOADS_MAX)
		return true;
	atomic_fetch_sub(&service->uploads, 1);
	return false;
}

static bool begin_route(struct request *request)
{
	if (request->begun || !request->route->begin)
		return true;
	request->begun = true;
	return request->route->begin(request);
}

bool value_body_begin(struct request *request)
{
	struct value_body *body;

	if (!begin_route(request))
		return false;
	if (!take_place(request->service)) {
		reply_error(request, 503, "too many large values are on their way, try again");
		return false;
	}
	body = calloc(1, sizeof *body);
	if (!body) {
		atomic_fetch_sub(&request->service->uploads, 1);
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return false;
	}
	body->service = request->service;
	body->received = request->body.len;
	request->own = body;
	request->own_free = free_value_body;
	request->job.has_place = true; /* UPLOADS_MAX of them: none is refused in the middle of its body */
	request_release_bytes(request, request->counted_bytes);
	if (!request_hold_bytes(request, 2 * PIECE_BYTES)) {
		reply_error(request, 503, "too many bytes of request bodies in memory");
		return false;
	}
	return true;
}

/* ---- writing pieces ---- */

static kv_status write_piece(struct request *request)
{
	struct value_body *body = request->own;
	kv_status status = KV_OK;

	if (!body->upload)
		status = store_upload_new(body->service->store, &body->upload, &body->err);
	if (status == KV_OK)
		status = store_upload_append(body->upload, buf_slice(&body->writing), &body->err);
	return status;
}

static void start_writing(struct request *request, void (*go_on)(struct request *, kv_status))
{
	struct value_body *body = request->own;
	struct buf empty = body->writing;

	body->writing = request->body;
	request->body = empty;
	buf_clear(&request->body);
	body->err = (struct kv_error){ .status = KV_OK };
	request_job(request, write_piece, go_on);
}

/* In the middle of the body. */
static void written(struct request *request, kv_status status)
{
	struct value_body *body = request->own;

	if (status != KV_OK)
		reply_store_error(request, status, &body->err);
}

bool value_body_take(struct request *request, const char *data, size_t *size)
{
	struct value_body *body;
	size_t room, taken;

	if (!request->own && !value_body_begin(request))
		return false;
	body = request->own;
	if (*size > request->body_max - body->received) {
		reply_too_large(request);
		return false;
	}
	room = request->body.len < PIECE_BYTES ? PIECE_BYTES - request->body.len : 0;
	taken = *size < room ? *size : room;
	if (buf_reserve(&request->body, room) != KV_OK || buf_append(&request->body, data, taken) != KV_OK) {
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return false;
	}
	body->received += taken;
	*size -= taken;
	if (taken == room)
		start_writing(request, written);
	return true;
}

/* ---- the end ---- */

static void put_upload(struct request *request, kv_status status)
{
	const struct write_plan *plan = &request->plan;
	struct value_body *body = request->own;

	if (status != KV_OK) {
		reply_store_error(request, status, &body->err);
		return;
	}
	if (!authorize_still(request)) { /* its last piece was written meanwhile */
		reply_error(request, 401, AUTHORIZE_NOT_ANY_MORE);
		return;
	}
	request->expires_unix_ms = write_expiry_now(&plan->options.lifetime);
	if (!write_new_batch(request, plan->options.durability))
		return;
	status = store_batch_put_upload(request->batch, plan->key, body->upload, request->expires_unix_ms, &plan->condition);
	if (status == KV_OK)
		body->upload = NULL; /* it is the batch's */
	write_commit(request, status, body->go_on);
}

void value_body_put(struct request *request, void (*go_on)(struct request *, kv_status))
{
	const struct write_plan *plan = &request->plan;
	struct value_body *body = request->own;

	if (!body) {
		write_put(request, plan->key, plan->has_value ? plan->value : buf_slice(&request->body),
			&plan->condition, &plan->options, go_on);
		return;
	}
	body->go_on = go_on;
	if (request->body.len > 0)
		start_writing(request, put_upload);
	else
		put_upload(request, KV_OK);
}
