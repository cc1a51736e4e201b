/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POST /v1/import: lines of JSON as they come, in batches. Bytes are gathered until there are some; then a job takes lines from them up to
 * a full batch, the batch is committed, and so on; only when nothing of that is left, more is read: so what is in memory is bounded, and
 * a client that sends faster than the store takes it waits. When a line is at fault, those before it are committed and none behind it.
 */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/authorize.h"
#include "http/import.h"
#include "http/jsontext.h"
#include "http/reply.h"
#include "http/write.h"

#include <inttypes.h>
#include <stdlib.h>

enum { GATHER_BYTES = 512 * 1024 };

struct run {
	struct import import;
	uint64_t held_bytes; /* told to request_hold_bytes() */
	uint64_t safe_lines; /* those up to it are committed */
};

/* Ends it behind what is committed, through no fault of a line. */
static void stop(struct run *run, unsigned status, const char *what, const char *why)
{
	run->import.lines = run->safe_lines + 1; /* from here on */
	problem_set(&run->import.problem, status, "%s%s", what, why);
}

static void run_free(void *own)
{
	struct run *run = own;

	import_free(&run->import);
	free(run);
}

static bool may_touch(void *arg, struct slice key)
{
	return request_may_touch_key(arg, key);
}

static struct import_limits limits_of(const struct server_options *options)
{
	return (struct import_limits){
		.line_bytes = options->max_batch_bytes > IMPORT_LINE_BYTES ? options->max_batch_bytes : IMPORT_LINE_BYTES,
		.value_bytes = options->max_value_bytes,
	};
}

bool api_import_begin(struct request *request)
{
	struct urlkey_param durability = WRITE_DURABILITY_PARAM;
	const struct server_options *options = request->service->options;
	struct run *run = calloc(1, sizeof *run);

	if (!run) {
		reply_store_error(request, KV_NO_MEMORY, NULL);
		return false;
	}
	request->own = run;
	request->own_free = run_free;
	run->import.store = request->service->store;
	run->import.limits = limits_of(options);
	run->import.may_touch = may_touch;
	run->import.may_touch_arg = request;
	return request_query(request, &durability, 1) &&
		write_durability_read(request, &durability, &run->import.durability);
}

/* ---- answers ---- */

static void reply_failure(struct request *request, const struct import *import)
{
	struct buf body = { 0 };
	kv_status status = buf_printf(&body, "{\"error\":\"%s\",", reply_error_code(import->problem.status));

	if (status == KV_OK)
		status = jsontext_bytes(&body, "message", slice_of_string(import->problem.text));
	if (status == KV_OK)
		status = buf_printf(&body, ",\"line\":%" PRIu64 ",\"imported\":%" PRIu64 "}\n", import->lines,
			import->imported);
	if (status == KV_OK)
		reply_buf(request, import->problem.status, "application/json", &body);
	else if (import->imported == 0)
		reply_store_error(request, status, NULL); /* without a line: nothing was taken */
	else
		reply_lost(request);
	buf_free(&body);
}

static void reply_success(struct request *request, const struct import *import)
{
	struct buf body = { 0 };

	if (buf_printf(&body, "{\"imported\":%" PRIu64 ",\"lines\":%" PRIu64 "}\n", import->imported,
			import->lines) == KV_OK)
		reply_buf(request, 200, "application/json", &body);
	else
		reply_lost(request);
	buf_free(&body);
}

/* ---- the steps ---- */

static void advance(struct request *request);

static void committed(struct request *request, kv_status status)
{
	const struct kv_error *err = store_batch_error(request->batch);
	char line[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];
	struct run *run = request->own;

	if (status == KV_OK)
		run->import.imported += store_batch_count(request->batch);
	else
		stop(run, reply_store_status(status), "a batch was not committed: ",
			err && err->status == status ? kv_error_format(err, line, sizeof line) : kv_status_text(status));
	request->batch = store_batch_free(request->batch);
	advance(request);
}

static kv_status take_lines(struct request *request)
{
	struct run *run = request->own;

	import_take_lines(&run->import);
	return KV_OK;
}

/* Other than KV_OK when the job was never begun. */
static void taken(struct request *request, kv_status status)
{
	if (status != KV_OK)
		stop(request->own, reply_store_status(status), "too much to do: ", kv_status_text(status));
	advance(request);
}

static void advance(struct request *request)
{
	struct run *run = request->own;
	struct import *import = &run->import;

	request->batch = import_give_batch(import);
	if (request->batch && !authorize_still(request)) {
		request->batch = store_batch_free(request->batch);
		stop(run, 401, AUTHORIZE_NOT_ANY_MORE, "");
	}
	if (request->batch) {
		request_commit(request, committed);
		return;
	}
	run->safe_lines = import->in_value ? import->value_line - 1 : import->lines;
	if (import->problem.status == 0 && import_has_line(import)) {
		request_job(request, take_lines, taken);
		return;
	}
	if (import->problem.status == 0 && import->at_end)
		import_check_end(import);
	request_release_bytes(request, run->held_bytes);
	run->held_bytes = 0;
	if (import->problem.status != 0)
		reply_failure(request, import);
	else if (import->at_end)
		reply_success(request, import);
}

bool api_import_take(struct request *request, const char *data, size_t *size)
{
	struct run *run = request->own;
	struct import *import = &run->import;
	bool held = request_hold_bytes(request, *size);

	run->held_bytes += *size;
	if (!held || buf_append(&import->input, data, *size) != KV_OK)
		stop(run, 503, "too many bytes of request bodies in memory", "");
	*size = 0;
	if (import->problem.status != 0) {
		reply_failure(request, import);
		return false;
	}
	if (import->input.len < GATHER_BYTES)
		return true;
	if (import_has_line(import)) {
		advance(request);
	} else if (import->input.len > import->limits.line_bytes) {
		import->lines++;
		import_refuse_long_line(import);
		reply_failure(request, import);
		return false;
	}
	return true;
}

void api_import(struct request *request)
{
	struct run *run = request->own;

	run->import.at_end = true;
	advance(request);
}
