/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "http/import_line.h"

#include "http/jsonlist.h"
#include "http/lifetime.h"

enum { EXPORT_VERSION = 1 };

static const char *const item_names[] = { "key", "key_b64", "value", "value_b64", "expires", "op", "etag", "size", "offset", "large", NULL };
static const char *const head_names[] = { "kvstored_export", "version", NULL };
static const char *const end_names[] = { "complete", "count", "version", "cursor", NULL };

static kv_status refuse(struct problem *problem, const char *text)
{
	problem_set(problem, 400, "%s", text);
	return KV_INVALID;
}

/* A member that may be missing. */
static kv_status optional(kv_status status)
{
	return status == KV_NOT_FOUND ? KV_OK : status;
}

static kv_status read_head(struct import_line *line, struct problem *problem)
{
	uint64_t version = 0;
	kv_status status = jsonread_check(line->json, head_names, problem);

	if (status == KV_OK)
		status = jsonread_uint64(line->json, "kvstored_export", &version, problem);
	line->kind = IMPORT_LINE_HEAD;
	if (status == KV_OK && version != EXPORT_VERSION)
		return refuse(problem, "an export of a version that is not known here");
	return status;
}

static kv_status read_end(struct import_line *line, struct problem *problem)
{
	kv_status status = jsonread_check(line->json, end_names, problem);

	if (status == KV_OK)
		status = jsonread_uint64(line->json, "count", &line->count, problem);
	line->kind = IMPORT_LINE_END;
	return status == KV_NOT_FOUND ? refuse(problem, "the last line has no 'count'") : status;
}

static kv_status read_op(struct import_line *line, struct problem *problem)
{
	struct slice op = slice_of_string("put");
	kv_status status = optional(jsonread_string(line->json, "op", &op, problem));

	line->kind = slice_equal(op, slice_of_string("delete")) ? IMPORT_LINE_DELETE : IMPORT_LINE_PUT;
	if (status == KV_OK && line->kind == IMPORT_LINE_PUT && !slice_equal(op, slice_of_string("put")))
		return refuse(problem, "'op' is neither put nor delete");
	return status;
}

static kv_status read_part(struct import_line *line, struct problem *problem)
{
	kv_status status = jsonread_uint64(line->json, "size", &line->size, problem);

	if (status == KV_OK)
		status = jsonread_uint64(line->json, "offset", &line->offset, problem);
	if (status == KV_NOT_FOUND)
		return refuse(problem, "a part of a value needs both 'size' and 'offset'");
	if (status == KV_OK && line->kind != IMPORT_LINE_PUT)
		return refuse(problem, "a part of a value can only be put");
	line->kind = IMPORT_LINE_PART;
	if (status == KV_OK && (line->value.len == 0 || line->offset > line->size ||
				       line->value.len > line->size - line->offset))
		return refuse(problem, "the part does not lie in its value");
	return status;
}

static kv_status read_expiry(struct import_line *line, struct problem *problem)
{
	kv_status status = jsonread_uint64(line->json, "expires", &line->expires_unix_ms, problem);

	if (status == KV_OK && !lifetime_is_expires(line->expires_unix_ms))
		return refuse(problem, "'expires' is not a time in unix milliseconds, up to the year 9999");
	return optional(status);
}

static kv_status read_item(struct import_line *line, struct problem *problem)
{
	kv_status status = jsonread_check(line->json, item_names, problem);

	if (status == KV_OK)
		status = jsonread_bytes(line->json, "key", &line->key_bytes, &line->key, problem);
	if (status == KV_NOT_FOUND)
		return refuse(problem, "there is no key");
	if (status == KV_OK)
		status = read_op(line, problem);
	if (status != KV_OK)
		return status;
	if (json_object_get(line->json, "large"))
		return refuse(problem, "the value was not included, only its size: use /v1/export");
	status = jsonread_bytes(line->json, "value", &line->value_bytes, &line->value, problem);
	if (status == KV_NOT_FOUND && line->kind == IMPORT_LINE_PUT)
		return refuse(problem, "there is no value");
	if (status == KV_OK && line->kind == IMPORT_LINE_DELETE)
		return refuse(problem, "a deletion takes no value");
	status = optional(status);
	if (status == KV_OK)
		status = read_expiry(line, problem);
	if (status == KV_OK && (json_object_get(line->json, "size") || json_object_get(line->json, "offset")))
		status = read_part(line, problem);
	return status;
}

/* Parsed numbers and arrays take thirty times the memory of their text: only what has few members is parsed. */
static kv_status parse(struct import_line *line, struct slice text, struct problem *problem)
{
	struct jsonlist list;
	struct slice item;

	jsonlist_init(&list, text, JSONLIST_LINES);
	if (jsonlist_next(&list, &item) != KV_OK)
		return refuse(problem, "not a flat JSON object");
	return jsonread_parse(item, &line->json, problem);
}

kv_status import_line_read(struct import_line *line, struct slice text, struct problem *problem)
{
	kv_status status;

	json_decref(line->json);
	*line = (struct import_line){ .key_bytes = line->key_bytes, .value_bytes = line->value_bytes };
	status = parse(line, text, problem);
	if (status != KV_OK)
		return status;
	if (json_object_get(line->json, "kvstored_export"))
		return read_head(line, problem);
	if (json_object_get(line->json, "complete"))
		return read_end(line, problem);
	return read_item(line, problem);
}

void import_line_free(struct import_line *line)
{
	json_decref(line->json);
	line->json = NULL;
	buf_free(&line->key_bytes);
	buf_free(&line->value_bytes);
}
