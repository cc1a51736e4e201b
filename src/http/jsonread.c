/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Without memory jansson (2.14) may call good text malformed, or even return a string that is cut. So its allocations are ours, and
 * note for their thread that one failed: then nothing that it made counts.
 */
#define _GNU_SOURCE
#include "http/jsonread.h"

#include "http/base64.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_SHOWN = 40 };

/* `format` is a literal; formatted text of 400. */
#define REFUSE(problem, ...) (problem_set(problem, 400, __VA_ARGS__), KV_INVALID)

static _Thread_local bool memory_failed;

static void *noted_malloc(size_t size)
{
	void *ret = malloc(size);

	memory_failed |= !ret;
	return ret;
}

static void plain_free(void *p)
{
	free(p);
}

static void take_allocations(void)
{
	json_set_alloc_funcs(noted_malloc, plain_free);
}

kv_status jsonread_parse(struct slice text, json_t **ret, struct problem *problem)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	json_error_t error;
	json_t *value;

	(void)pthread_once(&once, take_allocations);
	memory_failed = false;
	value = json_loadb((const char *)text.data, text.len,
		JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (memory_failed) {
		json_decref(value);
		return KV_NO_MEMORY;
	}
	if (value) {
		*ret = value;
		return KV_OK;
	}
	if (json_error_code(&error) == json_error_duplicate_key)
		return REFUSE(problem, "a member is given twice");
	return REFUSE(problem, "not JSON at byte %d of the item", error.position);
}

/* A name as it may be shown: cut, and anything but plain ASCII as a dot. */
static const char *printable(const char *name, char to[NAME_MAX_SHOWN + 1])
{
	size_t n = 0;

	for (; n < NAME_MAX_SHOWN && name[n]; n++)
		to[n] = name[n] >= 0x20 && name[n] < 0x7f ? name[n] : '.';
	to[n] = '\0';
	return to;
}

kv_status jsonread_check(const json_t *value, const char *const *names, struct problem *problem)
{
	char shown[NAME_MAX_SHOWN + 1];
	const char *name;
	json_t *member;

	if (!json_is_object(value))
		return REFUSE(problem, "not a JSON object");
	json_object_foreach((json_t *)(uintptr_t)value, name, member) {
		size_t i = 0;

		while (names[i] && strcmp(names[i], name) != 0)
			i++;
		if (!names[i])
			return REFUSE(problem, "unknown member '%s'", printable(name, shown));
	}
	return KV_OK;
}

kv_status jsonread_string(const json_t *object, const char *name, struct slice *ret,
	struct problem *problem)
{
	const json_t *member = json_object_get(object, name);

	if (!member)
		return KV_NOT_FOUND;
	if (!json_is_string(member))
		return REFUSE(problem, "member '%s' is not a string", name);
	*ret = slice_of(json_string_value(member), json_string_length(member));
	return KV_OK;
}

static kv_status read_base64(struct slice text, const char *name, struct buf *decoded,
	struct slice *ret, struct problem *problem)
{
	buf_clear(decoded);
	if (buf_reserve(decoded, base64_decoded_size(text.len)) != KV_OK)
		return KV_NO_MEMORY;
	if (!base64_decode(decoded->data, text, BASE64_STANDARD, &decoded->len))
		return REFUSE(problem, "member '%s' is not base64 with padding", name);
	*ret = buf_slice(decoded);
	return KV_OK;
}

kv_status jsonread_bytes(const json_t *object, const char *name, struct buf *decoded,
	struct slice *ret, struct problem *problem)
{
	char name_b64[32];
	struct slice encoded;
	kv_status status;

	snprintf(name_b64, sizeof name_b64, "%s_b64", name);
	status = jsonread_string(object, name_b64, &encoded, problem);
	if (status == KV_NOT_FOUND)
		return jsonread_string(object, name, ret, problem);
	if (status == KV_OK && json_object_get(object, name))
		return REFUSE(problem, "there are both '%s' and the same in base64", name);
	return status == KV_OK ? read_base64(encoded, name_b64, decoded, ret, problem) : status;
}

kv_status jsonread_bool(const json_t *object, const char *name, bool *ret, struct problem *problem)
{
	const json_t *member = json_object_get(object, name);

	if (!member)
		return KV_NOT_FOUND;
	if (!json_is_boolean(member))
		return REFUSE(problem, "member '%s' is neither true nor false", name);
	*ret = json_is_true(member);
	return KV_OK;
}

kv_status jsonread_uint64(const json_t *object, const char *name, uint64_t *ret,
	struct problem *problem)
{
	const json_t *member = json_object_get(object, name);

	if (!member)
		return KV_NOT_FOUND;
	if (!json_is_integer(member) || json_integer_value(member) < 0)
		return REFUSE(problem, "member '%s' is not an integer from 0 on", name);
	*ret = (uint64_t)json_integer_value(member);
	return KV_OK;
}
