/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks against a sorted array, and blocks full of nonsense: whatever the bytes are, no read goes astray. */
#include "engine/block_reader.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/block_builder.h"
#include "engine/format.h"
#include "support/runner.h"
#include "support/sst_model.h"

#include <stdlib.h>

/* As many entries of the model as fit; drops the others. */
static struct buf build(struct sst_model *model)
{
	struct block_builder builder = { 0 };
	struct buf block = { 0 };
	size_t count = 0;

	while (count < model->count && block_builder_fits(&builder, &model->entries[count])) {
		const struct entry *entry = &model->entries[count++];

		ck_assert_int_eq(block_builder_add(&builder, entry, key_hash(entry->key),
					 slice_common_prefix(buf_slice(&builder.last_key), entry->key)), KV_OK);
	}
	for (size_t i = count; i < model->count; i++) {
		free((void *)(uintptr_t)model->entries[i].key.data);
		free((void *)(uintptr_t)model->entries[i].value.data);
	}
	model->count = count;
	ck_assert_int_eq(block_builder_finish(&builder, &block), KV_OK);
	block_builder_free(&builder);
	return block;
}

static const struct sst_model_shape shapes[] = {
	{ .entries = 1, .keys = 1, .key_bytes_max = 4, .value_bytes_max = 3 },
	{ .entries = 5, .keys = 5, .key_bytes_max = 4, .value_bytes_max = 3 },
	{ .entries = 300, .keys = 300, .key_bytes_max = 20, .value_bytes_max = 50 },
	{ .entries = 300, .keys = 5, .key_bytes_max = 20, .value_bytes_max = 50 },
	{ .entries = 300, .keys = 30, .key_bytes_max = ENTRY_KEY_MAX, .value_bytes_max = 5 },
};

static void check_gets(const struct block *block, const struct sst_model *model)
{
	for (size_t i = 0; i < model->count; i++) {
		const struct entry *wanted = &model->entries[i];
		uint8_t other[ENTRY_KEY_MAX + 1];
		struct slice key = slice_of(other, wanted->key.len + 1);
		struct entry entry;

		ck_assert_int_eq(block_get(block, wanted->key, key_hash(wanted->key), wanted->sequence, &entry),
			KV_OK);
		ck_assert(sst_model_same(&entry, wanted));
		memcpy(other, wanted->key.data, wanted->key.len);
		other[wanted->key.len] = 'x';
		/* also with the hash byte of a key that is there */
		ck_assert_int_eq(block_get(block, key, key_hash(wanted->key), ENTRY_SEQUENCE_MAX, &entry),
			KV_NOT_FOUND);
		key.len = wanted->key.len;
		other[key.len - 1] ^= 0x40;
		ck_assert_int_eq(block_get(block, key, key_hash(wanted->key), ENTRY_SEQUENCE_MAX, &entry),
			KV_NOT_FOUND);
	}
}

static void check_cursor(struct block_cursor *cursor, const struct sst_model *model)
{
	size_t at = 0;

	for (kv_status status = block_cursor_first(cursor); status != KV_NOT_FOUND;
		status = block_cursor_next(cursor)) {
		ck_assert_int_eq(status, KV_OK);
		ck_assert_uint_eq(cursor->index, at);
		for (uint32_t i = 0; i < cursor->count; i++)
			ck_assert(sst_model_same(&cursor->entries[i], &model->entries[at++]));
	}
	ck_assert_uint_eq(at, model->count);
	for (kv_status status = block_cursor_last(cursor); status != KV_NOT_FOUND;
		status = block_cursor_prev(cursor)) {
		ck_assert_int_eq(status, KV_OK);
		for (uint32_t i = cursor->count; i-- > 0;)
			ck_assert(sst_model_same(&cursor->entries[i], &model->entries[--at]));
	}
	ck_assert_uint_eq(at, 0);
}

static void check_seeks(struct block_cursor *cursor, const struct sst_model *model)
{
	uint32_t at = 0;

	for (size_t i = 0; i < model->count; i++) {
		const struct entry *wanted = &model->entries[i];
		size_t first = sst_model_seek(model, wanted->key, ENTRY_SEQUENCE_MAX);
		kv_status status = block_cursor_seek(cursor, wanted->key, wanted->sequence - 1, &at);

		ck_assert_int_eq(status, i + 1 < model->count ? KV_OK : KV_NOT_FOUND);
		ck_assert(status != KV_OK || sst_model_same(&cursor->entries[at], &model->entries[i + 1]));
		ck_assert_int_eq(block_cursor_seek(cursor, wanted->key, wanted->sequence, &at), KV_OK);
		ck_assert(sst_model_same(&cursor->entries[at], wanted));
		status = block_cursor_seek_before(cursor, wanted->key, &at);
		ck_assert_int_eq(status, first > 0 ? KV_OK : KV_NOT_FOUND);
		ck_assert(status != KV_OK || sst_model_same(&cursor->entries[at], &model->entries[first - 1]));
	}
}

START_TEST(a_block_answers_as_the_sorted_array_does)
{
	uint64_t state = runner_seed();
	struct sst_model model = sst_model_new(shapes[_i], &state);
	struct buf bytes = build(&model);
	struct block_cursor cursor;
	struct block block;

	ck_assert_int_eq(block_open(buf_slice(&bytes), &block), KV_OK);
	ck_assert_uint_eq(block.count, model.count);
	check_gets(&block, &model);
	ck_assert_int_eq(block_cursor_open(&cursor, buf_slice(&bytes)), KV_OK);
	check_cursor(&cursor, &model);
	check_seeks(&cursor, &model);
	buf_free(&bytes);
	sst_model_free(&model);
}
END_TEST

static void use_entry(const struct entry *entry)
{
	ck_assert_uint_ge(entry->key.len, 1);
	ck_assert_uint_le(entry->key.len, ENTRY_KEY_MAX);
	ck_assert_uint_le(entry->sequence, ENTRY_SEQUENCE_MAX);
	ck_assert_int_le(entry->key.data[0] + entry->key.data[entry->key.len - 1], 510);
	if (entry->value.len > 0) /* all of it can be read */
		ck_assert_int_le(entry->value.data[0] + entry->value.data[entry->value.len - 1], 510);
}

/* The bytes lie at the end of a heap block of exactly their size, so that the address sanitizer sees one byte too far. */
static void use_nonsense(struct slice bytes, const struct sst_model *model, uint64_t *state)
{
	uint8_t *exact = malloc(bytes.len);
	struct block_cursor cursor;
	struct entry entry;
	struct block block;
	unsigned steps = 0;
	uint32_t at;

	memcpy(exact, bytes.data, bytes.len);
	if (block_open(slice_of(exact, bytes.len), &block) == KV_OK) {
		const struct entry *any = &model->entries[runner_random(state) % model->count];

		for (unsigned hash = 0; hash < 256; hash += 5)
			(void)block_get(&block, any->key, hash, any->sequence, &entry);
		ck_assert_int_eq(block_cursor_open(&cursor, slice_of(exact, bytes.len)), KV_OK);
		for (kv_status s = block_cursor_first(&cursor); s == KV_OK; s = block_cursor_next(&cursor)) {
			for (uint32_t i = 0; i < cursor.count; i++)
				use_entry(&cursor.entries[i]);
			ck_assert_uint_lt(steps++, 65536);
		}
		for (kv_status s = block_cursor_last(&cursor); s == KV_OK; s = block_cursor_prev(&cursor))
			ck_assert_uint_lt(steps++, 131072);
		(void)block_cursor_seek(&cursor, any->key, any->sequence, &at);
		(void)block_cursor_seek_before(&cursor, any->key, &at);
	}
	free(exact);
}

START_TEST(nonsense_is_refused_without_a_read_outside)
{
	uint64_t state = runner_seed();
	struct sst_model model = sst_model_new(shapes[1 + _i % 4], &state);
	struct buf bytes = build(&model);
	uint8_t *copy = malloc(bytes.len);

	for (unsigned round = 0; round < 400; round++) {
		size_t len = bytes.len;
		unsigned changes = 1 + (unsigned)(runner_random(&state) % 4);

		memcpy(copy, bytes.data, len);
		/* mostly where lengths are: in the head and among the keys */
		for (unsigned i = 0; i < changes; i++) {
			size_t range = runner_random(&state) % 3 == 0 ? 12 : len;
			size_t at = runner_random(&state) % (range < len ? range : len);

			copy[at] = (uint8_t)(runner_random(&state) % 2 ? 0xff : runner_random(&state));
		}
		if (runner_random(&state) % 4 == 0)
			len = runner_random(&state) % len;
		use_nonsense(slice_of(copy, len), &model, &state);
	}
	free(copy);
	buf_free(&bytes);
	sst_model_free(&model);
}
END_TEST

START_TEST(malformed_heads_are_corrupt)
{
	static const uint8_t heads[][12] = {
		{ 0, 0, 2, 0, 0, 0, 0, 0 },          /* no entry */
		{ 1, 0, 7, 0, 0, 0, 0, 0, 1, 2, 3 }, /* run shift */
		{ 1, 0, 2, 1, 0, 0, 0, 0, 1, 2, 3 }, /* reserved byte */
		{ 9, 0, 2, 0, 0, 0, 0, 0, 1, 2, 3 }, /* more hashes than bytes */
		{ 4, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3 }, /* more runs than bytes */
		{ 1, 0, 2, 0, 4, 0, 0, 0, 1, 2, 3 }, /* keys too long */
		{ 1, 0, 2, 0, 0xff, 0xff, 0xff, 0xff, 1 },
	};
	struct block block;

	for (unsigned i = 0; i < sizeof heads / sizeof heads[0]; i++)
		ck_assert_int_eq(block_open(slice_of(heads[i], sizeof heads[i]), &block), KV_CORRUPT);
	for (size_t len = 0; len < BLOCK_HEAD_BYTES; len++)
		ck_assert_int_eq(block_open(slice_of(heads[0], len), &block), KV_CORRUPT);
}
END_TEST

/* One entry, key "k", value "v", with one field changed each time. */
START_TEST(malformed_entries_are_corrupt)
{
	static const uint8_t right[] = { 1, 0, 2, 0, 6, 0, 0, 0, 'h', ENTRY_PUT, 0, 1, 1, 5, 'k', 'v' };
	static const struct {
		uint8_t at, value;
	} wrong[] = {
		{ 9, 4 },    /* kind */
		{ 9, 0x11 }, /* a sequence of two bytes: too many for the key */
		{ 9, 0x71 }, /* of eight */
		{ 10, 1 },   /* shares with a key that is not there */
		{ 11, 0 },   /* no key */
		{ 11, 2 },   /* a longer key than there are bytes */
		{ 12, 2 },   /* a longer value than there are bytes */
		{ 12, 0x80 }, /* and one of two bytes */
		{ 13, 0 },   /* sequence 0 */
	};
	uint8_t bytes[sizeof right];
	struct entry entry;
	struct block block;

	ck_assert_int_eq(block_open(slice_of(right, sizeof right), &block), KV_OK);
	ck_assert_int_eq(block_get(&block, slice_of("k", 1), 'h', 5, &entry), KV_OK);
	ck_assert(slice_equal(entry.value, slice_of("v", 1)));
	ck_assert_int_eq(block_get(&block, slice_of("k", 1), 'h', 4, &entry), KV_NOT_FOUND);
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		memcpy(bytes, right, sizeof right);
		bytes[wrong[i].at] = wrong[i].value;
		ck_assert_int_eq(block_open(slice_of(bytes, sizeof bytes), &block), KV_OK);
		ck_assert_int_eq(block_get(&block, slice_of("k", 1), 'h', 5, &entry), KV_CORRUPT);
	}
}
END_TEST

/* One of the three lengths is the largest number, or one less and so on: added to anything, it would be small again. */
START_TEST(lengths_that_would_wrap_are_corrupt)
{
	uint8_t bytes[64] = { 1, 0, 2, 0 };
	uint64_t lengths[3] = { 0, 1, 1 };
	size_t len = BLOCK_HEAD_BYTES;
	struct block_cursor cursor;
	struct entry entry;

	lengths[_i / 4] = UINT64_MAX - (unsigned)_i % 4;
	bytes[len++] = 'h';
	bytes[len++] = ENTRY_PUT;
	for (unsigned i = 0; i < 3; i++)
		len += put_varint64(bytes + len, lengths[i]);
	bytes[len++] = 5;
	bytes[len++] = 'k';
	put_fixed32(bytes + BLOCK_HEAD_KEYS, (uint32_t)(len - BLOCK_HEAD_BYTES - 1));
	bytes[len++] = 'v';
	ck_assert_int_eq(block_cursor_open(&cursor, slice_of(bytes, len)), KV_OK);
	ck_assert_int_eq(block_get(&cursor.block, slice_of("k", 1), 'h', 5, &entry), KV_CORRUPT);
	ck_assert_int_eq(block_cursor_first(&cursor), KV_CORRUPT);
}
END_TEST

/* Where runs begin is told twice, by the table of runs and by the entries before them. */
START_TEST(runs_that_begin_elsewhere_are_told)
{
	uint64_t random = runner_seed() | 1;
	struct sst_model model = sst_model_new(shapes[2], &random);
	struct buf bytes = build(&model);
	struct block block;
	size_t runs, runs_bytes;

	ck_assert_int_eq(block_open(buf_slice(&bytes), &block), KV_OK);
	ck_assert_int_eq(block_check_runs(&block), KV_OK);
	runs = (size_t)(block.runs - bytes.data);
	runs_bytes = (size_t)(block.keys - block.runs);
	ck_assert_uint_gt(runs_bytes, BLOCK_RUN_BYTES);
	for (size_t at = runs; at < runs + runs_bytes; at++) {
		bytes.data[at] ^= 1;
		ck_assert_int_eq(block_check_runs(&block), KV_CORRUPT);
		bytes.data[at] ^= 1;
	}
	ck_assert_int_eq(block_check_runs(&block), KV_OK);
	block.keys_end--; /* the last key was cut */
	ck_assert_int_eq(block_check_runs(&block), KV_CORRUPT);
	buf_free(&bytes);
	sst_model_free(&model);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block_reader");
	TCase *tc = tcase_create("block_reader");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_block_answers_as_the_sorted_array_does, 0, 5);
	tcase_add_loop_test(tc, nonsense_is_refused_without_a_read_outside, 0, 4);
	tcase_add_test(tc, malformed_heads_are_corrupt);
	tcase_add_test(tc, malformed_entries_are_corrupt);
	tcase_add_loop_test(tc, lengths_that_would_wrap_are_corrupt, 0, 3 * 4);
	tcase_add_test(tc, runs_that_begin_elsewhere_are_told);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
