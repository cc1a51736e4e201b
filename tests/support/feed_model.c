/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/feed_model.h"

#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 8 << 20 };

void feed_model_init(struct feed_model *model, uint64_t seed)
{
	*model = (struct feed_model){ .random = seed | 1 };
}

void feed_model_free(struct feed_model *model)
{
	free(model->items);
	*model = (struct feed_model){ 0 };
}

static struct feed_item *add(struct feed_model *model)
{
	if (model->count == model->capacity) {
		model->capacity = 2 * model->capacity + 64;
		model->items = reallocarray(model->items, model->capacity, sizeof *model->items);
		ck_assert_ptr_nonnull(model->items);
	}
	model->items[model->count] = (struct feed_item){ 0 };
	return &model->items[model->count++];
}

static void fill_value(const struct feed_item *item, uint8_t *to)
{
	uint64_t state = item->salt | 1;

	for (uint32_t i = 0; i < item->value_bytes; i++) {
		if (i % 8 == 0)
			state = state * 6364136223846793005u + 1442695040888963407u;
		to[i] = (uint8_t)(state >> (i % 8 * 8));
	}
}

void feed_model_write(struct feed_model *model, struct store *store, unsigned operations,
	uint32_t value_max)
{
	struct store_batch *batch = store_batch_new(store);
	uint8_t *value = malloc(value_max + 1);
	size_t from = model->count;

	ck_assert(batch && value && value_max <= VALUE_MAX);
	for (unsigned i = 0; i < operations; i++) {
		struct feed_item *item = add(model);
		uint64_t r = runner_random(&model->random);

		snprintf(item->key, sizeof item->key, "key%u", (unsigned)(r >> 8) % 1000);
		item->kind = r % 4 == 0 ? STORE_CHANGE_DELETE : STORE_CHANGE_PUT;
		if (item->kind == STORE_CHANGE_DELETE) {
			ck_assert_int_eq(store_batch_delete(batch, slice_of_string(item->key), NULL), KV_OK);
			continue;
		}
		item->salt = r;
		item->value_bytes = (uint32_t)(runner_random(&model->random) % (value_max + 1));
		item->expires_unix_ms = r % 4 == 1 ? UINT64_C(4000000000000) + r % 1000 : 0;
		fill_value(item, value);
		ck_assert_int_eq(store_batch_put(batch, slice_of_string(item->key),
			slice_of(value, item->value_bytes), item->expires_unix_ms, NULL), KV_OK);
	}
	ck_assert_int_eq(store_write(store, batch), KV_OK);
	for (unsigned i = 0; i < operations; i++)
		model->items[from + i].version = store_batch_outcome(batch, i).version;
	store_batch_free(batch);
	free(value);
}

static const struct feed_item *find_after(const struct feed_model *model, uint64_t since)
{
	size_t low = 0, high = model->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (model->items[middle].version <= since)
			low = middle + 1;
		else
			high = middle;
	}
	return low < model->count ? &model->items[low] : NULL;
}

static bool same_value(const struct feed_item *item, const struct store_change *change)
{
	uint8_t *value;
	bool same;

	if (change->large)
		return item->value_bytes > 1 << 20 && change->value.len == 0;
	value = malloc(item->value_bytes + 1);
	ck_assert_ptr_nonnull(value);
	fill_value(item, value);
	same = slice_equal(change->value, slice_of(value, item->value_bytes));
	free(value);
	return same;
}

bool feed_model_matches(const struct feed_model *model, uint64_t since, const struct store_change *change)
{
	const struct feed_item *item = find_after(model, since);

	return item && change->version == item->version && change->kind == item->kind &&
		slice_equal(change->key, slice_of_string(item->key)) &&
		change->size == item->value_bytes &&
		change->expires_unix_ms == item->expires_unix_ms &&
		change->committed_unix_us > 0 && same_value(item, change);
}

uint64_t feed_model_last(const struct feed_model *model)
{
	return model->count > 0 ? model->items[model->count - 1].version : 0;
}

kv_status feed_model_read(const struct feed_model *model, struct store *store, uint64_t *since,
	struct kv_error *err)
{
	struct store_changes *changes = NULL;
	struct store_change change;
	kv_status status = store_changes_open(store, *since, &changes, err);

	while (status == KV_OK || status == KV_BUSY) {
		status = store_changes_next(changes, &change, err);
		if (status != KV_OK)
			continue;
		ck_assert_msg(feed_model_matches(model, *since, &change), "after %llu came %llu",
			(unsigned long long)*since, (unsigned long long)change.version);
		*since = change.version;
	}
	store_changes_close(changes);
	return status;
}

void feed_model_expect(const struct feed_model *model, struct store *store, uint64_t since)
{
	struct kv_error err = { 0 };
	char line[512];
	kv_status status = feed_model_read(model, store, &since, &err);

	ck_assert_msg(status == KV_NOT_FOUND, "after %llu: %s", (unsigned long long)since,
		kv_error_format(&err, line, sizeof line));
	ck_assert_uint_eq(since, feed_model_last(model));
}
