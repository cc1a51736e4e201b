/* SPDX-License-Identifier: BSD-2-Clause */
/* One operation after the other: its JSON is parsed, read into a struct operation, judged, and copied into the batch. */
#define _GNU_SOURCE
#include "http/batchread.h"

#include "http/condition.h"
#include "http/jsonread.h"
#include "http/lifetime.h"

struct operation {
	enum batchread_kind kind;
	struct slice key, value;
	struct buf decoded_key, decoded_value; /* memory for those that came as base64; reused */
	uint64_t expires_unix_ms;
	struct store_condition condition;
};

/* Fills in the problem of the operation at hand. */
#define REFUSE(read, status, ...) (problem_set(&(read)->problem, status, __VA_ARGS__), KV_INVALID)

/* A member that need not be there. */
static kv_status optional(kv_status status)
{
	return status == KV_NOT_FOUND ? KV_OK : status;
}

static kv_status read_kind(struct batchread *read, const json_t *object, enum batchread_kind *ret)
{
	static const char *const names[] = {
		[BATCHREAD_PUT] = "put",
		[BATCHREAD_DELETE] = "delete",
		[BATCHREAD_CHECK] = "check",
	};
	struct slice name;
	kv_status status = jsonread_string(object, "op", &name, &read->problem);

	if (status == KV_NOT_FOUND)
		return REFUSE(read, 400, "member 'op' is missing");
	if (status != KV_OK)
		return status;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (slice_equal(name, slice_of_string(names[i]))) {
			*ret = (enum batchread_kind)i;
			return KV_OK;
		}
	}
	return REFUSE(read, 400, "member 'op' is none of put, delete, check");
}

static kv_status check_members(struct batchread *read, const json_t *object, enum batchread_kind kind)
{
	static const char *const names[][12] = {
		[BATCHREAD_PUT] = { "op", "key", "key_b64", "value", "value_b64", "ttl", "expires", "if_match", "if_absent", NULL },
		[BATCHREAD_DELETE] = { "op", "key", "key_b64", "if_match", NULL },
		[BATCHREAD_CHECK] = { "op", "key", "key_b64", "if_match", "if_absent", NULL },
	};

	return jsonread_check(object, names[kind], &read->problem);
}

static kv_status read_key(struct batchread *read, const json_t *object, struct operation *op)
{
	kv_status status = jsonread_bytes(object, "key", &op->decoded_key, &op->key, &read->problem);

	if (status == KV_NOT_FOUND)
		return REFUSE(read, 400, "there is neither 'key' nor 'key_b64'");
	if (status != KV_OK)
		return status;
	if (op->key.len == 0)
		return REFUSE(read, 400, "the key is empty");
	if (op->key.len > STORE_KEY_MAX)
		return REFUSE(read, 414, "the key is longer than %d bytes", STORE_KEY_MAX);
	if (!access_covers_key(&read->access, op->key))
		return REFUSE(read, 403, "this token is not for that key");
	return KV_OK;
}

static kv_status read_value(struct batchread *read, const json_t *object, struct operation *op)
{
	kv_status status;

	if (op->kind != BATCHREAD_PUT)
		return KV_OK;
	status = jsonread_bytes(object, "value", &op->decoded_value, &op->value, &read->problem);
	if (status == KV_NOT_FOUND)
		return REFUSE(read, 400, "there is neither 'value' nor 'value_b64'");
	if (status == KV_OK && op->value.len > read->value_max)
		return REFUSE(read, 413, "the value is larger than max_value_size, which is %llu bytes",
			(unsigned long long)read->value_max);
	return status;
}

static kv_status read_expiry(struct batchread *read, const json_t *object, struct operation *op)
{
	struct slice ttl;
	uint64_t expires;
	kv_status with_ttl = jsonread_string(object, "ttl", &ttl, &read->problem);
	kv_status with_expires = jsonread_uint64(object, "expires", &expires, &read->problem);

	op->expires_unix_ms = 0;
	if (with_ttl == KV_INVALID || with_expires == KV_INVALID)
		return KV_INVALID;
	if (with_ttl == KV_OK && with_expires == KV_OK)
		return REFUSE(read, 400, "there are both 'ttl' and 'expires'");
	if (with_ttl == KV_OK && !lifetime_of_ttl(ttl, read->now_unix_ms, &op->expires_unix_ms))
		return REFUSE(read, 400, "'ttl' is not a number of at least 1 with one of ms, s, m, h, d, or is too long");
	if (with_expires == KV_OK && !lifetime_is_expires(expires))
		return REFUSE(read, 400, "'expires' is not a time in unix milliseconds, up to the year 9999");
	if (with_expires == KV_OK)
		op->expires_unix_ms = expires;
	return KV_OK;
}

static kv_status read_match(struct batchread *read, struct slice etag, struct store_condition *ret)
{
	if (slice_equal(etag, slice_of_string("*"))) {
		ret->expect = STORE_EXPECT_EXISTS;
		return KV_OK;
	}
	ret->expect = STORE_EXPECT_VERSION;
	if (condition_parse_etag(etag, &ret->version))
		return KV_OK;
	ret->version = 0; /* of no value: somebody else's ETag, or a weak one, matches nothing */
	return condition_is_etag(etag) ? KV_OK : REFUSE(read, 400, "'if_match' is neither an ETag, with its quotes, nor *");
}

static kv_status read_condition(struct batchread *read, const json_t *object, struct operation *op)
{
	bool absent = false;
	struct slice etag;
	kv_status with_match = jsonread_string(object, "if_match", &etag, &read->problem);
	kv_status status = optional(jsonread_bool(object, "if_absent", &absent, &read->problem));

	op->condition = (struct store_condition){ .want_existed = op->kind != BATCHREAD_PUT };
	if (with_match == KV_INVALID || status != KV_OK)
		return KV_INVALID;
	if (with_match == KV_OK && absent)
		return REFUSE(read, 400, "there are both 'if_match' and 'if_absent'");
	if (with_match == KV_OK)
		return read_match(read, etag, &op->condition);
	if (absent)
		op->condition.expect = STORE_EXPECT_ABSENT;
	else if (op->kind == BATCHREAD_CHECK)
		return REFUSE(read, 400, "a check has 'if_match' or 'if_absent': true");
	return KV_OK;
}

static kv_status read_operation(struct batchread *read, const json_t *object, struct operation *op)
{
	kv_status status;

	if (!json_is_object(object))
		return REFUSE(read, 400, "not a JSON object");
	status = read_kind(read, object, &op->kind);
	if (status == KV_OK)
		status = check_members(read, object, op->kind);
	if (status == KV_OK)
		status = read_key(read, object, op);
	if (status == KV_OK)
		status = read_value(read, object, op);
	if (status == KV_OK)
		status = read_expiry(read, object, op);
	return status == KV_OK ? read_condition(read, object, op) : status;
}

static kv_status add_operation(struct batchread *read, struct store_batch *batch,
	const struct operation *op)
{
	kv_status status = buf_append_byte(&read->kinds, (uint8_t)op->kind);

	if (status != KV_OK)
		return status;
	switch (op->kind) {
	case BATCHREAD_PUT:
		status = store_batch_put(batch, op->key, op->value, op->expires_unix_ms, &op->condition);
		break;
	case BATCHREAD_DELETE:
		status = store_batch_delete(batch, op->key, &op->condition);
		break;
	case BATCHREAD_CHECK:
		status = store_batch_check(batch, op->key, &op->condition);
		break;
	}
	return status == KV_INVALID ? REFUSE(read, 413, "the batch is too large") : status;
}

static kv_status take_operation(struct batchread *read, struct store_batch *batch,
	struct slice item, struct operation *op)
{
	json_t *object = NULL;
	kv_status status = jsonread_parse(item, &object, &read->problem);

	if (status == KV_OK)
		status = read_operation(read, object, op);
	if (status == KV_OK)
		status = add_operation(read, batch, op);
	json_decref(object); /* the operation's slices may lie in it */
	return status;
}

/* The text is no list, or not one of operations. */
static kv_status refuse_list(struct batchread *read, const struct jsonlist *list)
{
	read->index = list->fault;
	if (read->index == SIZE_MAX)
		return REFUSE(read, 400, "not a JSON array of flat objects");
	return REFUSE(read, 400, "here the list breaks off, or is something else than a flat JSON object");
}

kv_status batchread_run(struct batchread *read, struct store_batch *batch)
{
	struct operation op = { 0 };
	struct jsonlist list;
	struct slice item;
	kv_status status;

	read->index = 0;
	jsonlist_init(&list, read->text, read->form);
	while ((status = jsonlist_next(&list, &item)) == KV_OK) {
		if (read->index == BATCHREAD_OPERATIONS_MAX)
			status = REFUSE(read, 413, "a batch has at most %d operations", BATCHREAD_OPERATIONS_MAX);
		else
			status = take_operation(read, batch, item, &op);
		if (status != KV_OK)
			break;
		read->index++;
	}
	if (status == KV_INVALID && read->problem.status == 0)
		status = refuse_list(read, &list);
	if (status == KV_NOT_FOUND && read->index > 0)
		status = KV_OK;
	if (status == KV_NOT_FOUND) {
		read->index = SIZE_MAX;
		status = REFUSE(read, 400, "the batch is empty");
	}
	buf_free(&op.decoded_key);
	buf_free(&op.decoded_value);
	return status;
}

void batchread_free(struct batchread *read)
{
	buf_free(&read->kinds);
}
