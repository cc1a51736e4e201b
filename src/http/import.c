/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/import.h"

#include "http/reply.h"

enum {
	BATCH_BYTES = 1024 * 1024,
	BATCH_OPERATIONS = 4096,
};

/* ---- one value ---- */

static void forget_value(struct import *import)
{
	import->upload = store_upload_free(import->upload);
	buf_free(&import->value);
	buf_clear(&import->value_key);
	import->in_value = false;
}

static kv_status upload(struct import *import, struct slice bytes, struct kv_error *err)
{
	kv_status status = KV_OK;

	if (!import->upload)
		status = store_upload_new(import->store, &import->upload, err);
	return status == KV_OK ? store_upload_append(import->upload, bytes, err) : status;
}

static kv_status put_upload(struct import *import, struct slice key, uint64_t expires_unix_ms, struct kv_error *err)
{
	kv_status status = store_batch_put_upload(import->batch, key, import->upload, expires_unix_ms, NULL);
	const struct kv_error *known = store_batch_error(import->batch);

	if (status == KV_OK)
		import->upload = NULL;
	else if (known)
		*err = *known;
	return status;
}

static kv_status put(struct import *import, const struct import_line *line, struct kv_error *err)
{
	kv_status status;

	if (line->value.len < store_large_value_bytes(import->store))
		return store_batch_put(import->batch, line->key, line->value, line->expires_unix_ms, NULL);
	status = upload(import, line->value, err);
	if (status == KV_OK)
		status = put_upload(import, line->key, line->expires_unix_ms, err);
	if (status != KV_OK)
		import->upload = store_upload_free(import->upload);
	return status;
}

/* A value that is split begins. */
static kv_status begin_value(struct import *import, const struct import_line *line)
{
	import->in_value = true;
	import->value_line = import->lines;
	import->value_size = line->size;
	import->value_done = 0;
	import->value_expires_unix_ms = line->expires_unix_ms;
	return buf_set(&import->value_key, line->key);
}

static kv_status add_part(struct import *import, const struct import_line *line, struct kv_error *err)
{
	bool is_large = line->size >= store_large_value_bytes(import->store);
	kv_status status = import->in_value ? KV_OK : begin_value(import, line);

	if (status == KV_OK)
		status = is_large ? upload(import, line->value, err) : buf_append_slice(&import->value, line->value);
	import->value_done += line->value.len;
	if (status != KV_OK || import->value_done < import->value_size)
		return status;
	status = is_large ? put_upload(import, buf_slice(&import->value_key), import->value_expires_unix_ms, err) :
		store_batch_put(import->batch, buf_slice(&import->value_key), buf_slice(&import->value),
			import->value_expires_unix_ms, NULL);
	forget_value(import);
	return status;
}

/* ---- one line ---- */

static bool refuse(struct import *import, unsigned status, const char *text)
{
	problem_set(&import->problem, status, "%s", text);
	return false;
}

/* Does the line fit to those before? */
static bool is_in_order(struct import *import)
{
	const struct import_line *line = &import->line;

	if (line->kind == IMPORT_LINE_PART) {
		if (line->offset != (import->in_value ? import->value_done : 0))
			return refuse(import, 400, "a part of a value is missing before this one");
		if (import->in_value && (line->size != import->value_size ||
						!slice_equal(line->key, buf_slice(&import->value_key))))
			return refuse(import, 400, "this is no part of the value that was begun");
		if (import->in_value && line->expires_unix_ms != import->value_expires_unix_ms)
			return refuse(import, 400, "'expires' differs from that of the value's first part");
	} else if (import->in_value) {
		return refuse(import, 400, "the value before this line is not complete");
	}
	if (line->kind == IMPORT_LINE_HEAD && import->in_export)
		return refuse(import, 400, "an export begins before the last line of the one before");
	if (line->kind == IMPORT_LINE_END && line->count != import->export_count)
		return refuse(import, 400, "the count of the last line differs: lines are missing");
	return true;
}

static bool is_allowed(struct import *import)
{
	const struct import_line *line = &import->line;
	uint64_t size = line->kind == IMPORT_LINE_PART ? line->size : line->value.len;

	if (line->key.len == 0)
		return refuse(import, 400, "the key is empty");
	if (line->key.len > STORE_KEY_MAX)
		return refuse(import, 414, "the key is longer than 4096 bytes");
	if (!import->may_touch(import->may_touch_arg, line->key))
		return refuse(import, 403, "this token is not for that key");
	if (size > import->limits.value_bytes)
		return refuse(import, 413, "the value is larger than max_value_size");
	return true;
}

static bool need_batch(struct import *import)
{
	if (import->batch)
		return true;
	import->batch = store_batch_new(import->store);
	import->batch_bytes = 0;
	if (import->batch)
		store_batch_set_durability(import->batch, import->durability);
	return import->batch != NULL;
}

static kv_status add(struct import *import, struct kv_error *err)
{
	const struct import_line *line = &import->line;
	kv_status status;

	if (!need_batch(import))
		return KV_NO_MEMORY;
	if (line->kind == IMPORT_LINE_DELETE)
		status = store_batch_delete(import->batch, line->key, NULL);
	else if (line->kind == IMPORT_LINE_PUT)
		status = put(import, line, err);
	else
		status = add_part(import, line, err);
	import->batch_bytes += line->key.len + line->value.len;
	import->export_count += !import->in_value;
	return status;
}

static void fail(struct import *import, kv_status status, const struct kv_error *err)
{
	char text[KV_ERROR_FILE_MAX + KV_ERROR_TEXT_MAX];

	if (err->status == status)
		kv_error_format(err, text, sizeof text);
	problem_set(&import->problem, reply_store_status(status), "%s",
		err->status == status ? text : kv_status_text(status));
}

static void take_line(struct import *import, struct slice text)
{
	struct kv_error err = { .status = KV_OK };
	uint64_t first_line = import->in_value ? import->value_line : import->lines;
	kv_status status = import_line_read(&import->line, text, &import->problem);

	if (status == KV_INVALID || (status == KV_OK && !is_in_order(import)))
		return;
	if (status == KV_OK && import->line.kind == IMPORT_LINE_HEAD) {
		import->in_export = true;
		import->export_count = 0;
	} else if (status == KV_OK && import->line.kind == IMPORT_LINE_END) {
		import->in_export = false;
		import->export_count = 0;
	} else if (status == KV_OK && is_allowed(import)) {
		status = add(import, &err);
	}
	if (status == KV_OK)
		return;
	fail(import, status, &err);
	import->lines = first_line; /* no fault of the line: the value that it is a part of is to be sent again */
}

/* ---- many lines ---- */

static bool next_line(const struct import *import, struct slice *ret)
{
	size_t known = import->searched > import->taken ? import->searched - import->taken : 0;
	const uint8_t *newline;
	struct slice rest;

	if (import->input.len == import->taken) /* there may be no memory yet */
		return false;
	rest = slice_of(import->input.data + import->taken, import->input.len - import->taken);
	newline = rest.len > known ? memchr(rest.data + known, '\n', rest.len - known) : NULL;
	if (!newline && !import->at_end)
		return false;
	*ret = slice_of(rest.data, newline ? (size_t)(newline - rest.data) : rest.len);
	return true;
}

bool import_has_line(struct import *import)
{
	struct slice ignored;
	bool has = next_line(import, &ignored);

	if (!has)
		import->searched = import->input.len;
	return has;
}

static bool is_blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
			return false;
	return true;
}

static bool is_full(const struct import *import)
{
	return import->batch &&
		(import->batch_bytes >= BATCH_BYTES || store_batch_count(import->batch) >= BATCH_OPERATIONS);
}

void import_refuse_long_line(struct import *import)
{
	problem_set(&import->problem, 413, "a line is longer than %llu bytes, the larger of 2 MiB and max_batch_size",
		(unsigned long long)import->limits.line_bytes);
}

void import_take_lines(struct import *import)
{
	struct slice line;

	while (import->problem.status == 0 && !is_full(import) && next_line(import, &line)) {
		import->lines++;
		if (line.len > import->limits.line_bytes)
			import_refuse_long_line(import);
		else if (!is_blank(line))
			take_line(import, line);
		import->taken += line.len + 1;
		if (import->taken > import->input.len)
			import->taken = import->input.len;
	}
	if (import->taken > 0)
		memmove(import->input.data, import->input.data + import->taken, import->input.len - import->taken);
	import->input.len -= import->taken;
	import->taken = 0;
	import->searched = 0;
}

struct store_batch *import_give_batch(struct import *import)
{
	struct store_batch *batch = import->batch;

	import->batch = NULL;
	if (batch && store_batch_count(batch) == 0) /* only the beginning of a value */
		batch = store_batch_free(batch);
	return batch;
}

void import_check_end(struct import *import)
{
	if (import->in_value)
		refuse(import, 400, "the import ends in the middle of a value");
	else if (import->in_export)
		refuse(import, 400, "the import ends before the last line of its export");
	import->lines += import->problem.status != 0; /* the one that is missing */
}

void import_free(struct import *import)
{
	forget_value(import);
	buf_free(&import->value_key);
	buf_free(&import->input);
	import_line_free(&import->line);
	import->batch = store_batch_free(import->batch);
}
