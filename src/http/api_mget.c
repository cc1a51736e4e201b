/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /v1/mget: the values of several keys, all of one snapshot. */
#define _GNU_SOURCE
#include "http/api.h"

#include "http/document.h"
#include "http/jsonlist.h"
#include "http/jsonread.h"
#include "http/reply.h"
#include "http/scan_item.h"

#include <stdlib.h>

enum {
	KEYS_MAX = 10000,
	FEW_BYTES = 512, /* of a list so short that its reads need no job */
};

struct mget {
	struct document base;
	struct store *store;
	uint64_t answer_max;     /* bytes */
	struct buf answer;
	struct buf decoded;      /* a key that came as base64 */
	struct problem problem;
	size_t index;            /* of the key that is at fault; SIZE_MAX: none */
	struct kv_error err;     /* of the store */
};

static void free_rest(struct document *document)
{
	struct mget *mget = (struct mget *)document;

	buf_free(&mget->answer);
	buf_free(&mget->decoded);
}

#define REFUSE(mget, status, ...) (problem_set(&(mget)->problem, status, __VA_ARGS__), KV_INVALID)

/* "key", {"key":...} or {"key_b64":...}. */
static kv_status read_key(struct mget *mget, const json_t *item, struct slice *ret)
{
	static const char *const names[] = { "key", "key_b64", NULL };
	kv_status status;

	if (json_is_string(item)) {
		*ret = slice_of(json_string_value(item), json_string_length(item));
		status = KV_OK;
	} else {
		status = jsonread_check(item, names, &mget->problem);
		if (status == KV_OK)
			status = jsonread_bytes(item, "key", &mget->decoded, ret, &mget->problem);
	}
	if (status == KV_NOT_FOUND)
		return REFUSE(mget, 400, "there is neither 'key' nor 'key_b64'");
	if (status == KV_OK && ret->len == 0)
		return REFUSE(mget, 400, "the key is empty");
	if (status == KV_OK && ret->len > STORE_KEY_MAX)
		return REFUSE(mget, 414, "the key is longer than %d bytes", STORE_KEY_MAX);
	if (status == KV_OK && !access_covers_key(&mget->base.access, *ret))
		return REFUSE(mget, 403, "this token is not for that key");
	return status;
}

static kv_status append_value(struct mget *mget, const struct store_snapshot *snapshot, struct slice key)
{
	struct store_value value;
	kv_status status = store_get(mget->store, snapshot, key, &value, &mget->err);

	if (status == KV_NOT_FOUND)
		return buf_append(&mget->answer, "null", 4);
	if (status != KV_OK)
		return status;
	status = scan_item_append_value(&mget->answer, key, &value);
	store_value_release(&value);
	if (status == KV_OK && mget->answer.len > mget->answer_max)
		return REFUSE(mget, 413, "the answer is larger than max_batch_size, which is %llu bytes: ask for fewer keys",
			(unsigned long long)mget->answer_max);
	return status;
}

static kv_status append_item(struct mget *mget, const struct store_snapshot *snapshot, struct slice item)
{
	json_t *json = NULL;
	struct slice key;
	kv_status status = jsonread_parse(item, &json, &mget->problem);

	if (status == KV_OK)
		status = read_key(mget, json, &key);
	if (status == KV_OK && mget->index > 0)
		status = buf_append(&mget->answer, ",\n", 2);
	if (status == KV_OK)
		status = append_value(mget, snapshot, key);
	json_decref(json); /* the key may lie in it */
	return status;
}

static kv_status append_items(struct mget *mget, const struct store_snapshot *snapshot)
{
	struct jsonlist list;
	struct slice item;
	kv_status status;

	jsonlist_init(&list, buf_slice(&mget->base.text), JSONLIST_ARRAY);
	while ((status = jsonlist_next(&list, &item)) == KV_OK) {
		if (mget->index == KEYS_MAX)
			return REFUSE(mget, 413, "at most %d keys are read at once", KEYS_MAX);
		status = append_item(mget, snapshot, item);
		if (status != KV_OK)
			return status;
		mget->index++;
	}
	if (status == KV_NOT_FOUND)
		return KV_OK;
	mget->index = list.fault;
	return REFUSE(mget, 400, "not a JSON array of strings and flat objects");
}

/* Nothing of the store's is mistaken for a problem of the list: that has KV_INVALID, which store_get() does not return. */
static kv_status read_all(struct request *request)
{
	struct mget *mget = document_of(request);
	struct store_snapshot *snapshot = store_snapshot_new(mget->store);
	kv_status status = snapshot ? buf_printf(&mget->answer, "{\"items\":[") : KV_NO_MEMORY;

	if (status == KV_OK)
		status = append_items(mget, snapshot);
	if (status == KV_OK)
		status = buf_printf(&mget->answer, "]}\n");
	store_snapshot_free(snapshot);
	return status;
}

static void answer(struct request *request, kv_status status)
{
	struct mget *mget = document_of(request);

	if (status == KV_INVALID)
		document_refuse(request, &mget->problem, mget->index);
	else if (status != KV_OK)
		reply_store_error(request, status, &mget->err);
	else
		reply_buf(request, 200, "application/json", &mget->answer);
}

void api_mget(struct request *request)
{
	struct mget *mget;

	if (!request_query(request, NULL, 0))
		return;
	mget = calloc(1, sizeof *mget);
	if (mget) {
		mget->base.free_rest = free_rest;
		mget->store = request->service->store;
		mget->answer_max = request->service->options->max_batch_bytes;
	}
	document_begin(request, mget ? &mget->base : NULL, FEW_BYTES, read_all, answer);
}
