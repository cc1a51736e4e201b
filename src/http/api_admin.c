/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POST /v1/admin/flush, compact, checkpoint: jobs, one at a time, that say what they have done. What a compaction did is the
 * difference of the store's figures, so what the store does by itself meanwhile is in it.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "base/clock.h"
#include "http/jsontext.h"
#include "http/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 128 };

/* request->own of these. */
struct admin {
	struct service *service;
	kv_status (*run)(struct admin *admin);
	struct store_stats before, after;
	uint64_t elapsed_us;
	struct kv_error err;
	char *path; /* of a checkpoint */
	bool is_alone; /* it has set service->admin_busy: the thread that has the request, or its job while there is one */
};

static void let_others(struct admin *admin)
{
	if (admin->is_alone)
		atomic_store(&admin->service->admin_busy, false);
	admin->is_alone = false;
}

static void free_admin(void *own)
{
	struct admin *admin = own;

	let_others(admin);
	free(admin->path);
	free(admin);
}

static bool refuse(struct request *request, unsigned status, const char *text)
{
	reply_error(request, status, "%s", text);
	return false;
}

/* Makes request->own; false has answered. */
static bool begin(struct request *request, kv_status (*run)(struct admin *))
{
	struct service *service = request->service;
	struct admin *admin;

	if (!request_may_touch_all(request))
		return false;
	if (atomic_exchange(&service->admin_busy, true))
		return refuse(request, 503, "another flush, compaction or checkpoint is under way");
	admin = calloc(1, sizeof *admin);
	if (!admin) {
		atomic_store(&service->admin_busy, false);
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return false;
	}
	admin->service = service;
	admin->run = run;
	admin->is_alone = true;
	request->own = admin;
	request->own_free = free_admin;
	return true;
}

/* A thread for jobs. */
static kv_status work(struct request *request)
{
	struct admin *admin = request->own;
	struct store *store = admin->service->store;
	uint64_t begun_us = clock_monotonic_us();
	kv_status status;

	store_get_stats(store, &admin->before);
	status = admin->run(admin);
	store_get_stats(store, &admin->after);
	admin->elapsed_us = clock_monotonic_us() - begun_us;
	let_others(admin); /* before the answer: who has got that may ask for the next */
	return status;
}

/* The members that all answers have at their end. */
static kv_status add_tail(struct buf *to, const struct admin *admin)
{
	const struct store_stats *stats = &admin->after;
	uint64_t tables = 0, bytes = stats->large_bytes;

	for (unsigned i = 0; i < stats->level_count; i++) {
		tables += stats->levels[i].tables;
		bytes += stats->levels[i].bytes;
	}
	return buf_printf(to, "\"tables\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"elapsed_us\":%" PRIu64 "}\n", tables, bytes,
		admin->elapsed_us);
}

/* `made` is of what `body` has so far. */
static void finish(struct request *request, unsigned status, kv_status made, struct buf *body)
{
	if (made == KV_OK)
		made = add_tail(body, request->own);
	if (made == KV_OK)
		reply_buf(request, status, "application/json", body);
	else
		reply_lost(request);
	buf_free(body);
}

/* ---- flush ---- */

static kv_status run_flush(struct admin *admin)
{
	return store_flush(admin->service->store, &admin->err);
}

static void answer_flush(struct request *request, kv_status status)
{
	struct admin *admin = request->own;
	struct buf body = { 0 };

	if (status != KV_OK) {
		reply_store_error(request, status, &admin->err);
		return;
	}
	finish(request, 200, buf_printf(&body, "{\"flushes\":%" PRIu64 ",\"bytes_written\":%" PRIu64 ",",
		admin->after.flushes - admin->before.flushes,
		admin->after.flush_bytes_written - admin->before.flush_bytes_written), &body);
}

void api_admin_flush(struct request *request)
{
	if (request_query(request, NULL, 0) && begin(request, run_flush))
		request_job(request, work, answer_flush);
}

/* ---- compaction ---- */

static kv_status run_compact(struct admin *admin)
{
	return store_compact(admin->service->store, &admin->err);
}

static void answer_compact(struct request *request, kv_status status)
{
	struct admin *admin = request->own;
	struct buf body = { 0 };

	if (status != KV_OK) {
		reply_store_error(request, status, &admin->err);
		return;
	}
	finish(request, 200, buf_printf(&body,
		"{\"compactions\":%" PRIu64 ",\"bytes_read\":%" PRIu64 ",\"bytes_written\":%" PRIu64 ",",
		admin->after.compactions - admin->before.compactions,
		admin->after.compaction_bytes_read - admin->before.compaction_bytes_read,
		admin->after.compaction_bytes_written - admin->before.compaction_bytes_written), &body);
}

void api_admin_compact(struct request *request)
{
	if (request_query(request, NULL, 0) && begin(request, run_compact))
		request_job(request, work, answer_compact);
}

/* ---- checkpoint ---- */

/* One component of a path, without surprises. */
static bool is_name(struct slice name)
{
	static const char others[] = "._-";

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i], lower = c | 0x20;

		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && (c == '\0' || !strchr(others, c)))
			return false;
	}
	return name.len > 0 && name.len <= NAME_MAX_BYTES && name.data[0] != '.';
}

static kv_status run_checkpoint(struct admin *admin)
{
	return store_checkpoint(admin->service->store, admin->path, &admin->err);
}

static void refuse_checkpoint(struct request *request, kv_status status, const struct kv_error *err)
{
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];

	if (status == KV_INVALID) /* the name was looked at before */
		reply_error(request, 409, "there is a checkpoint of this name already");
	else if (status == KV_NOT_FOUND)
		reply_error(request, 503, "backup_dir: %s", kv_error_format(err, line, sizeof line));
	else
		reply_store_error(request, status, err);
}

static void answer_checkpoint(struct request *request, kv_status status)
{
	struct admin *admin = request->own;
	struct buf body = { 0 };

	if (status != KV_OK) {
		refuse_checkpoint(request, status, &admin->err);
		return;
	}
	status = buf_append(&body, "{", 1);
	if (status == KV_OK)
		status = jsontext_bytes(&body, "path", slice_of_string(admin->path));
	if (status == KV_OK)
		status = buf_append(&body, ",", 1);
	finish(request, 201, status, &body);
}

void api_admin_checkpoint(struct request *request)
{
	struct urlkey_param params[] = { { .name = "name" } };
	const char *backup_dir = request->service->options->backup_dir;
	struct slice name;
	struct admin *admin;

	if (!request_query(request, params, 1))
		return;
	name = params[0].value;
	if (!backup_dir || backup_dir[0] == '\0') {
		reply_error(request, 501, "there is no place for checkpoints: set the option backup_dir");
		return;
	}
	if (!params[0].present || !is_name(name)) {
		reply_error(request, 400, "parameter 'name' must be 1 to %d of A-Z a-z 0-9 . _ - and not begin with a dot",
			NAME_MAX_BYTES);
		return;
	}
	if (!begin(request, run_checkpoint))
		return;
	admin = request->own;
	if (asprintf(&admin->path, "%s/%.*s", backup_dir, (int)name.len, (const char *)name.data) < 0) {
		admin->path = NULL;
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return;
	}
	request_job(request, work, answer_checkpoint);
}
