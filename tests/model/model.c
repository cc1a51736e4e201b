/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/model.h"

#include "support/runner.h"

#include <stdlib.h>

struct model_keys {
	struct buf key;
	struct model_version *versions; /* oldest first */
	size_t count;
};

struct model {
	struct model_keys *keys; /* in order */
	size_t count;
};

static void must(bool condition)
{
	if (!condition)
		ck_abort_msg("the model is out of memory, or was used wrongly");
}

struct model *model_new(void)
{
	struct model *model = calloc(1, sizeof *model);

	must(model != NULL);
	return model;
}

struct model *model_free(struct model *model)
{
	for (size_t i = 0; model && i < model->count; i++) {
		for (size_t v = 0; v < model->keys[i].count; v++)
			buf_free(&model->keys[i].versions[v].value);
		free(model->keys[i].versions);
		buf_free(&model->keys[i].key);
	}
	if (model)
		free(model->keys);
	free(model);
	return NULL;
}

/* Number of keys that are < key. */
static size_t lower_bound(const struct model *model, struct slice key)
{
	size_t low = 0, high = model->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_compare(buf_slice(&model->keys[mid].key), key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct model *model, size_t at, struct slice key)
{
	return at < model->count && slice_equal(buf_slice(&model->keys[at].key), key);
}

static struct model_version *add_version(struct model *model, struct slice key, uint64_t version)
{
	size_t at = lower_bound(model, key);
	struct model_keys *k;

	if (!is_at(model, at, key)) {
		model->keys = realloc(model->keys, (model->count + 1) * sizeof *model->keys);
		must(model->keys != NULL);
		memmove(&model->keys[at + 1], &model->keys[at],
			(model->count - at) * sizeof *model->keys);
		model->count++;
		model->keys[at] = (struct model_keys){ 0 };
		must(buf_set(&model->keys[at].key, key) == KV_OK);
	}
	k = &model->keys[at];
	must(k->count == 0 || k->versions[k->count - 1].version < version);
	k->versions = realloc(k->versions, (k->count + 1) * sizeof *k->versions);
	must(k->versions != NULL);
	k->versions[k->count] = (struct model_version){ .version = version };
	return &k->versions[k->count++];
}

void model_put(struct model *model, struct slice key, struct slice value, uint64_t expires_unix_ms,
	uint64_t version)
{
	struct model_version *v = add_version(model, key, version);

	v->expires_unix_ms = expires_unix_ms;
	must(buf_set(&v->value, value) == KV_OK);
}

void model_delete(struct model *model, struct slice key, uint64_t version)
{
	add_version(model, key, version)->deleted = true;
}

void model_delete_range(struct model *model, struct slice start, struct slice end, uint64_t version)
{
	for (size_t i = lower_bound(model, start); i < model->count; i++) {
		struct slice key = buf_slice(&model->keys[i].key);

		if (end.len > 0 && slice_compare(key, end) >= 0)
			return;
		add_version(model, key, version)->deleted = true;
	}
}

void model_truncate(struct model *model, uint64_t last)
{
	for (size_t i = 0; i < model->count; i++) {
		struct model_keys *k = &model->keys[i];

		while (k->count > 0 && k->versions[k->count - 1].version > last)
			buf_free(&k->versions[--k->count].value);
	}
}

/* The newest version not above `at`, live or not. */
static const struct model_version *visible(const struct model_keys *k, uint64_t at)
{
	for (size_t i = k->count; i-- > 0;) {
		if (k->versions[i].version <= at)
			return &k->versions[i];
	}
	return NULL;
}

static const struct model_version *live(const struct model_keys *k, uint64_t at, uint64_t now_unix_ms)
{
	const struct model_version *v = visible(k, at);

	if (!v || v->deleted || (v->expires_unix_ms != 0 && v->expires_unix_ms <= now_unix_ms))
		return NULL;
	return v;
}

const struct model_version *model_get(const struct model *model, struct slice key, uint64_t at,
	uint64_t now_unix_ms)
{
	size_t place = lower_bound(model, key);

	return is_at(model, place, key) ? live(&model->keys[place], at, now_unix_ms) : NULL;
}

bool model_expires_between(const struct model *model, uint64_t at, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < model->count; i++) {
		const struct model_version *v = visible(&model->keys[i], at);

		if (v && v->expires_unix_ms > from && v->expires_unix_ms <= to)
			return true;
	}
	return false;
}

static long forward(const struct model *model, size_t from, uint64_t at, uint64_t now_unix_ms)
{
	for (; from < model->count; from++) {
		if (live(&model->keys[from], at, now_unix_ms))
			return (long)from;
	}
	return MODEL_NONE;
}

/* Over the keys before the place `end`. */
static long backward(const struct model *model, size_t end, uint64_t at, uint64_t now_unix_ms)
{
	while (end-- > 0) {
		if (live(&model->keys[end], at, now_unix_ms))
			return (long)end;
	}
	return MODEL_NONE;
}

long model_first(const struct model *model, uint64_t at, uint64_t now_unix_ms)
{
	return forward(model, 0, at, now_unix_ms);
}

long model_last(const struct model *model, uint64_t at, uint64_t now_unix_ms)
{
	return backward(model, model->count, at, now_unix_ms);
}

long model_seek(const struct model *model, struct slice key, uint64_t at, uint64_t now_unix_ms)
{
	return forward(model, lower_bound(model, key), at, now_unix_ms);
}

long model_seek_before(const struct model *model, struct slice key, uint64_t at, uint64_t now_unix_ms)
{
	return backward(model, lower_bound(model, key), at, now_unix_ms);
}

long model_next(const struct model *model, long place, uint64_t at, uint64_t now_unix_ms)
{
	return forward(model, (size_t)place + 1, at, now_unix_ms);
}

long model_prev(const struct model *model, long place, uint64_t at, uint64_t now_unix_ms)
{
	return backward(model, (size_t)place, at, now_unix_ms);
}

struct slice model_key(const struct model *model, long place)
{
	return buf_slice(&model->keys[place].key);
}
