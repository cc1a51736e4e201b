/* SPDX-License-Identifier: BSD-2-Clause */
/* The iterator over nothing, which also carries an error to where one asks for it. */
#include "engine/iter.h"

#include <stdlib.h>

struct iter_empty {
	struct iter iter;
	kv_status status;
	struct kv_error err;
};

static void stay(struct iter *iter)
{
	(void)iter;
}

static void seek_nothing(struct iter *iter, struct slice key, uint64_t sequence)
{
	(void)iter;
	(void)key;
	(void)sequence;
}

static void seek_before_nothing(struct iter *iter, struct slice key)
{
	(void)iter;
	(void)key;
}

static kv_status empty_status(const struct iter *iter, struct kv_error *err)
{
	const struct iter_empty *empty = (const struct iter_empty *)iter;

	if (err && empty->status != KV_OK)
		*err = empty->err;
	return empty->status;
}

static void empty_close(struct iter *iter)
{
	free(iter);
}

static const struct iter_ops empty_ops = {
	.seek_first = stay,
	.seek_last = stay,
	.seek = seek_nothing,
	.seek_before = seek_before_nothing,
	.next = stay,
	.prev = stay,
	.status = empty_status,
	.close = empty_close,
};

struct iter *iter_new_empty(kv_status status, const struct kv_error *err)
{
	struct iter_empty *empty = calloc(1, sizeof *empty);

	if (!empty)
		return NULL;
	empty->iter.ops = &empty_ops;
	empty->status = status;
	if (err)
		empty->err = *err;
	else
		(void)kv_error_set(&empty->err, status, "%s", "");
	return &empty->iter;
}
