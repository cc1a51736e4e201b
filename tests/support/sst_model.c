/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/sst_model.h"

#include "engine/blob_pointer.h"
#include "support/runner.h"

#include <stdlib.h>

const struct store_id sst_model_id = { { 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 1, 2, 3, 4, 5, 6,
	7, 8 } };

static struct slice copy_of(struct slice s)
{
	uint8_t *bytes = malloc(s.len + 1);

	ck_assert_ptr_nonnull(bytes);
	if (s.len > 0)
		memcpy(bytes, s.data, s.len);
	return slice_of(bytes, s.len);
}

void sst_model_add(struct sst_model *model, struct slice key, uint64_t sequence, enum entry_kind kind,
	uint64_t expires_unix_ms, struct slice value)
{
	struct entry *entries = realloc(model->entries, (model->count + 1) * sizeof *entries);

	ck_assert_ptr_nonnull(entries);
	model->entries = entries;
	entries[model->count++] = (struct entry){
		.key = copy_of(key),
		.value = copy_of(value),
		.sequence = sequence,
		.expires_unix_ms = expires_unix_ms,
		.kind = kind,
	};
}

static int order(const void *a, const void *b)
{
	return entry_compare(a, b);
}

static void free_entry(struct entry *entry)
{
	free((void *)(uintptr_t)entry->key.data);
	free((void *)(uintptr_t)entry->value.data);
}

void sst_model_sort(struct sst_model *model)
{
	size_t kept = 0;

	qsort(model->entries, model->count, sizeof *model->entries, order);
	for (size_t i = 0; i < model->count; i++) {
		if (kept > 0 && entry_compare(&model->entries[kept - 1], &model->entries[i]) == 0)
			free_entry(&model->entries[i]);
		else
			model->entries[kept++] = model->entries[i];
	}
	model->count = kept;
}

void sst_model_free(struct sst_model *model)
{
	for (size_t i = 0; i < model->count; i++)
		free_entry(&model->entries[i]);
	free(model->entries);
	*model = (struct sst_model){ 0 };
}

static size_t make_key(uint8_t *key, size_t max, uint64_t *random)
{
	static const uint8_t bytes[] = { 0x00, 0x80, 0xff, 'a', 'b', 0x01, 0x7f, 0xfe };
	size_t len = 1 + runner_random(random) % (runner_random(random) % 4 == 0 ? max : max / 8 + 1);

	for (size_t i = 0; i < len; i++) {
		/* long runs of the same, so that keys share long prefixes */
		if (i > 0 && runner_random(random) % 8 != 0)
			key[i] = key[i - 1];
		else
			key[i] = bytes[runner_random(random) % sizeof bytes];
	}
	return len;
}

static void add_blob(struct sst_model *model, struct slice key, uint64_t sequence, uint64_t expires,
	uint64_t *random)
{
	struct blob_pointer pointer = { .number = 1 + runner_random(random) % 1000,
		.size = 1 + runner_random(random) % (1 << 20), .checksum = runner_random(random) };
	uint8_t bytes[BLOB_POINTER_BYTES];

	blob_pointer_encode(&pointer, bytes);
	sst_model_add(model, key, sequence, ENTRY_BLOB, expires, slice_of(bytes, sizeof bytes));
}

static void add_random(struct sst_model *model, struct slice key, const struct sst_model_shape *shape,
	uint64_t *random)
{
	size_t len = runner_random(random) % (shape->value_bytes_max + 1);
	uint8_t *value = malloc(len + 1);
	enum entry_kind kind = runner_random(random) % 4 == 0 ? ENTRY_DELETE : ENTRY_PUT;
	uint64_t expires = runner_random(random) % 4 == 0 ? 1 + runner_random(random) % 2000000000000 : 0;
	uint64_t sequence = 1 + (runner_random(random) >> (8 + runner_random(random) % 56));

	ck_assert_ptr_nonnull(value);
	for (size_t i = 0; i < len; i++)
		value[i] = (uint8_t)(runner_random(random) % 5 == 0 ? runner_random(random) : i / 16);
	if (sequence > ENTRY_SEQUENCE_MAX)
		sequence = ENTRY_SEQUENCE_MAX;
	if (shape->blobs && runner_random(random) % 8 == 0)
		add_blob(model, key, sequence, expires, random);
	else
		sst_model_add(model, key, sequence, kind, expires,
			slice_of(value, kind == ENTRY_DELETE ? 0 : len));
	free(value);
}

struct sst_model sst_model_new(struct sst_model_shape shape, uint64_t *random)
{
	struct sst_model model = { 0 };
	uint8_t *key = malloc(shape.key_bytes_max);
	size_t len = 0;

	ck_assert_ptr_nonnull(key);
	for (size_t i = 0; i < shape.entries; i++) {
		if (i == 0 || runner_random(random) % shape.entries < shape.keys)
			len = make_key(key, shape.key_bytes_max, random);
		add_random(&model, slice_of(key, len), &shape, random);
	}
	free(key);
	sst_model_sort(&model);
	return model;
}

size_t sst_model_seek(const struct sst_model *model, struct slice key, uint64_t sequence)
{
	size_t low = 0, high = model->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct entry *entry = &model->entries[middle];

		if (entry_compare_position(entry->key, entry->sequence, key, sequence) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool sst_model_same(const struct entry *a, const struct entry *b)
{
	return slice_equal(a->key, b->key) && slice_equal(a->value, b->value) &&
		a->sequence == b->sequence && a->expires_unix_ms == b->expires_unix_ms &&
		a->kind == b->kind;
}

struct sst_meta sst_model_write(const struct sst_model *model, const struct dir *dir, uint64_t number,
	const struct sst_options *options)
{
	struct sst_writer *writer;
	struct sst_meta meta;

	ck_assert_int_eq(sst_writer_open(dir, &sst_model_id, number, options, &writer, NULL), KV_OK);
	for (size_t i = 0; i < model->count; i++)
		ck_assert_int_eq(sst_writer_add(writer, &model->entries[i], NULL), KV_OK);
	ck_assert_int_eq(sst_writer_finish(writer, &meta, NULL), KV_OK);
	ck_assert_ptr_null(sst_writer_close(writer));
	return meta;
}

/* `at`: index of the entry where the iterator must be; outside of the array: invalid. */
static void check_at(const struct sst_model *model, const struct iter *iter, size_t at)
{
	if (at >= model->count) {
		ck_assert(!iter->valid);
		ck_assert_int_eq(iter_status(iter, NULL), KV_OK);
		return;
	}
	ck_assert_msg(iter->valid, "invalid at entry %zu of %zu", at, model->count);
	ck_assert_msg(sst_model_same(&model->entries[at], iter->entry), "another entry at %zu", at);
}

static void check_walks(const struct sst_model *model, struct iter *iter)
{
	iter_seek_first(iter);
	for (size_t i = 0; i < model->count; i++) {
		check_at(model, iter, i);
		iter_next(iter);
	}
	check_at(model, iter, SIZE_MAX);
	iter_seek_last(iter);
	for (size_t i = model->count; i-- > 0;) {
		check_at(model, iter, i);
		iter_prev(iter);
	}
	check_at(model, iter, SIZE_MAX);
}

/* A key of the model, or one near it that may not be there. */
static struct slice near_key(const struct sst_model *model, uint8_t *scratch, uint64_t *random)
{
	struct slice key = model->entries[runner_random(random) % model->count].key;
	size_t len = key.len;

	memcpy(scratch, key.data, len);
	switch (runner_random(random) % 6) {
	case 0:
		len = 1 + runner_random(random) % len;
		break;
	case 1:
		scratch[len - 1] ^= (uint8_t)(1u << runner_random(random) % 8);
		break;
	case 2:
		if (len < ENTRY_KEY_MAX)
			scratch[len++] = runner_random(random) % 2 ? 0x00 : 0xff;
		break;
	case 3:
		scratch[runner_random(random) % len]++;
		break;
	}
	return slice_of(scratch, len);
}

static size_t seek_somewhere(const struct sst_model *model, struct iter *iter, uint64_t *random)
{
	uint8_t scratch[ENTRY_KEY_MAX];
	struct slice key = near_key(model, scratch, random);
	uint64_t sequence = ENTRY_SEQUENCE_MAX;

	if (iter->valid && runner_random(random) % 8 == 0) {
		size_t at = sst_model_seek(model, iter->entry->key, iter->entry->sequence - 1);

		/* the entry's own key, which moves away under the seek */
		iter_seek(iter, iter->entry->key, iter->entry->sequence - 1);
		return at;
	}
	if (runner_random(random) % 3 == 0) {
		iter_seek_before(iter, key);
		return sst_model_seek(model, key, ENTRY_SEQUENCE_MAX) - 1; /* wraps: none */
	}
	if (runner_random(random) % 2 == 0)
		sequence = model->entries[runner_random(random) % model->count].sequence;
	iter_seek(iter, key, sequence);
	return sst_model_seek(model, key, sequence);
}

void sst_model_check_iter(const struct sst_model *model, struct iter *iter, size_t moves,
	uint64_t *random)
{
	size_t at = SIZE_MAX;

	ck_assert(!iter->valid);
	check_walks(model, iter);
	for (size_t i = 0; i < moves; i++) {
		uint64_t choice = runner_random(random) % 8;

		if (at >= model->count || choice == 0) {
			at = seek_somewhere(model, iter, random);
		} else if (choice < 5) {
			iter_next(iter);
			at++;
		} else {
			iter_prev(iter);
			at--;
		}
		check_at(model, iter, at);
	}
}
