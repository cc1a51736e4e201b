/* SPDX-License-Identifier: BSD-2-Clause */
/* The index leads every position to its block, and refuses what is not in order. */
#include "engine/sst_index.h"

#include "base/coding.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/sst_model.h"

#include <stdlib.h>

enum { STORED_BYTES = 40 };

static struct slice text(const char *s)
{
	return slice_of_string(s);
}

/* The separator that the builder chooses between two keys. */
static struct buf separator(const char *last, const char *next)
{
	struct sst_index_builder builder = { 0 };
	struct slice next_key = text(next);
	struct buf ret;

	ck_assert_int_eq(sst_index_builder_add(&builder, text(last), 5, &next_key, STORED_BYTES), KV_OK);
	ret = builder.last;
	builder.last = (struct buf){ 0 };
	sst_index_builder_free(&builder);
	return ret;
}

START_TEST(separators_are_short_and_lie_between)
{
	static const struct {
		const char *last, *next, *between;
	} cases[] = {
		{ "apple", "zebra", "z" }, { "apple", "b", "aq" }, { "apple", "c", "b" },
		{ "app", "apple", "app" }, { "ab\xff\xff", "ac", "ab\xff\xff" }, { "ab\xff" "a1", "ac", "ab\xff" "b" },
		{ "a1234", "a1236", "a1234" }, { "a1234", "a1235", "a1234" }, { "a1234x", "a1235", "a1234y" },
		{ "a1234x", "a1235x", "a1235" }, { "k", "k", "k" },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf found = separator(cases[i].last, cases[i].next);

		ck_assert_msg(slice_equal(buf_slice(&found), text(cases[i].between)), "case %u: %.*s", i,
			(int)found.len, found.data);
		buf_free(&found);
	}
}
END_TEST

/* Blocks of a few entries of the model. first[i]: index of the first entry of block i. */
struct built {
	struct sst_model model;
	struct sst_index_builder builder;
	size_t *first;
	size_t blocks;
};

static struct built build(struct sst_model_shape shape, uint64_t *state)
{
	struct built ret = { .model = sst_model_new(shape, state) };
	size_t count = ret.model.count;

	ret.first = calloc(count + 1, sizeof *ret.first);
	for (size_t i = 0; i < count;) {
		size_t end = i + 1 + runner_random(state) % 4;
		const struct entry *last;

		end = end < count ? end : count;
		last = &ret.model.entries[end - 1];
		ret.first[ret.blocks++] = i;
		ck_assert_int_eq(sst_index_builder_add(&ret.builder, last->key, last->sequence,
					 end < count ? &ret.model.entries[end].key : NULL,
					 STORED_BYTES + end % 7), KV_OK);
		i = end;
	}
	ret.first[ret.blocks] = count;
	ck_assert_uint_eq(ret.builder.blocks, ret.blocks);
	return ret;
}

static void free_built(struct built *built)
{
	sst_index_builder_free(&built->builder);
	sst_model_free(&built->model);
	free(built->first);
}

static uint64_t data_bytes(const struct built *built)
{
	uint64_t bytes = 0;

	for (size_t i = 1; i <= built->blocks; i++)
		bytes += STORED_BYTES + built->first[i] % 7;
	return bytes;
}

static kv_status open_index(const struct built *built, struct slice content, struct sst_index **ret)
{
	const char *what = NULL;
	kv_status status = sst_index_open(content, built->blocks, data_bytes(built),
		built->model.entries[0].key, built->model.entries[built->model.count - 1].key, ret, &what);

	ck_assert(status == KV_OK || what);
	return status;
}

static const struct sst_model_shape shapes[] = {
	{ .entries = 1, .keys = 1, .key_bytes_max = 5 },
	{ .entries = 2000, .keys = 2000, .key_bytes_max = 30 },
	{ .entries = 1000, .keys = 20, .key_bytes_max = 30 },
	{ .entries = 300, .keys = 300, .key_bytes_max = ENTRY_KEY_MAX },
};

START_TEST(every_position_leads_to_its_block)
{
	uint64_t state = runner_seed();
	struct built built = build(shapes[_i], &state);
	struct sst_index *index;
	uint64_t offset = 0;

	ck_assert_int_eq(open_index(&built, buf_slice(&built.builder.content), &index), KV_OK);
	ck_assert_uint_eq(sst_index_blocks(index), built.blocks);
	ck_assert_uint_gt(sst_index_memory(index), built.blocks * 20);
	for (size_t block = 0; block < built.blocks; block++) {
		ck_assert_uint_eq(sst_index_offset(index, block), offset);
		ck_assert_uint_eq(sst_index_stored_bytes(index, block), STORED_BYTES + built.first[block + 1] % 7);
		offset += sst_index_stored_bytes(index, block);
		for (size_t i = built.first[block]; i < built.first[block + 1]; i++) {
			const struct entry *entry = &built.model.entries[i];
			size_t first = sst_model_seek(&built.model, entry->key, ENTRY_SEQUENCE_MAX);
			size_t found = sst_index_find(index, entry->key, ENTRY_SEQUENCE_MAX);

			ck_assert_uint_eq(sst_index_find(index, entry->key, entry->sequence), block);
			ck_assert_uint_ge(first, built.first[found]);
			ck_assert_uint_lt(first, built.first[found + 1]);
		}
	}
	sst_index_close(index);
	free_built(&built);
}
END_TEST

START_TEST(positions_between_and_outside_lead_to_the_entry_after_them)
{
	uint64_t state = runner_seed();
	struct built built = build(shapes[_i], &state);
	struct sst_index *index;
	uint8_t key[ENTRY_KEY_MAX + 1];

	ck_assert_int_eq(open_index(&built, buf_slice(&built.builder.content), &index), KV_OK);
	for (size_t i = 0; i < built.model.count * 4; i++) {
		struct slice near = built.model.entries[i / 4].key;
		size_t first, block;

		memcpy(key, near.data, near.len);
		near.data = key;
		if (i % 4 == 0)
			key[near.len++] = 0;
		else if (i % 4 == 1)
			key[near.len - 1]--;
		else if (i % 4 == 2)
			near.len = 1 + runner_random(&state) % near.len;
		else
			key[runner_random(&state) % near.len] ^= 0x80;
		first = sst_model_seek(&built.model, near, ENTRY_SEQUENCE_MAX);
		block = sst_index_find(index, near, ENTRY_SEQUENCE_MAX);
		/* nothing that is sought lies in an earlier block, nor in a later one than the next */
		ck_assert_uint_ge(first, built.first[block]);
		ck_assert(block == built.blocks || first <= built.first[block + 1]);
	}
	sst_index_close(index);
	free_built(&built);
}
END_TEST

START_TEST(a_changed_index_is_refused_or_harmless)
{
	uint64_t state = runner_seed();
	struct built built = build(shapes[2], &state);
	struct slice content = buf_slice(&built.builder.content);
	uint8_t *copy = malloc(content.len);
	struct sst_index *index;
	unsigned refused = 0;

	for (unsigned i = 0; i < 3000; i++) {
		size_t at = runner_random(&state) % content.len;
		size_t len = i % 4 == 0 ? at : content.len;

		memcpy(copy, content.data, content.len);
		copy[at] ^= (uint8_t)(1 + runner_random(&state) % 255);
		if (open_index(&built, slice_of(copy, len), &index) != KV_OK) {
			refused++;
			continue;
		}
		(void)sst_index_find(index, built.model.entries[i % built.model.count].key, 5);
		sst_index_close(index);
	}
	ck_assert_uint_gt(refused, 1500);
	free(copy);
	free_built(&built);
}
END_TEST

/* shared, unshared, sequence, stored bytes, suffix: two blocks, "b" and "d". */
START_TEST(an_index_that_does_not_fit_is_corrupt)
{
	static const uint8_t right[] = { 0, 1, 0, 40, 'b', 0, 1, 0, 41, 'd' };
	static const uint8_t without_separator[] = { 0, 0, 0, 40, 0, 1, 0, 41, 'd' };
	static const struct {
		uint8_t at, value;
	} wrong[] = {
		{ 0, 1 }, { 1, 0 }, { 2, 0x80 }, { 3, 41 }, { 3, 2 }, { 4, 'd' }, { 4, 'e' }, { 5, 2 }, { 7, 9 },
		{ 8, 40 }, { 9, 'e' }, { 9, 'a' },
	};
	struct sst_index *index;
	uint8_t bytes[sizeof right];
	const char *what;

	ck_assert_int_eq(sst_index_open(slice_of(right, sizeof right), 2, 81, text("a"), text("d"), &index, &what),
		KV_OK);
	ck_assert_uint_eq(sst_index_find(index, text("b"), 0), 0);
	ck_assert_uint_eq(sst_index_find(index, text("ba"), 0), 1);
	ck_assert_uint_eq(sst_index_find(index, text("d"), 0), 1);
	ck_assert_uint_eq(sst_index_find(index, text("da"), ENTRY_SEQUENCE_MAX), 2);
	sst_index_close(index);
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		memcpy(bytes, right, sizeof right);
		bytes[wrong[i].at] = wrong[i].value;
		ck_assert_msg(sst_index_open(slice_of(bytes, sizeof bytes), 2, 81, text("a"), text("d"), &index,
				      &what) == KV_CORRUPT, "case %u", i);
	}
	for (size_t len = 0; len < sizeof right; len++)
		ck_assert_int_eq(sst_index_open(slice_of(right, len), 2, 81, text("a"), text("d"), &index, &what),
			KV_CORRUPT);
	ck_assert_int_eq(sst_index_open(slice_of(right, 10), 3, 81, text("a"), text("d"), &index, &what), KV_CORRUPT);
	ck_assert_int_eq(sst_index_open(slice_of(right, 10), 0, 81, text("a"), text("d"), &index, &what), KV_CORRUPT);
	ck_assert_int_eq(sst_index_open(slice_of(right, 10), UINT64_MAX, 81, text("a"), text("d"), &index, &what),
		KV_CORRUPT);
	ck_assert_int_eq(sst_index_open(slice_of(right, 10), 2, 81, text("da"), text("de"), &index, &what), KV_CORRUPT);
	ck_assert_int_eq(sst_index_open(slice_of(without_separator, sizeof without_separator), 2, 81, text("a"), text("d"), &index,
				 &what), KV_CORRUPT);
}
END_TEST

START_TEST(failed_allocations_are_reported_and_nothing_leaks)
{
	uint64_t state = runner_seed();
	struct built built = build(shapes[2], &state);
	kv_status status = KV_NO_MEMORY;

	for (uint64_t n = 1; status != KV_OK; n++) {
		struct sst_index *index = NULL;
		const char *what;

		fault_alloc_fail(n, false);
		status = sst_index_open(buf_slice(&built.builder.content), built.blocks, data_bytes(&built),
			built.model.entries[0].key, built.model.entries[built.model.count - 1].key, &index, &what);
		ck_assert(fault_alloc_failed() == (status != KV_OK));
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		sst_index_close(index);
		ck_assert_uint_lt(n, 100);
	}
	free_built(&built);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_index");
	TCase *tc = tcase_create("sst_index");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, separators_are_short_and_lie_between);
	tcase_add_loop_test(tc, every_position_leads_to_its_block, 0, 4);
	tcase_add_loop_test(tc, positions_between_and_outside_lead_to_the_entry_after_them, 0, 4);
	tcase_add_test(tc, a_changed_index_is_refused_or_harmless);
	tcase_add_test(tc, an_index_that_does_not_fit_is_corrupt);
	tcase_add_test(tc, failed_allocations_are_reported_and_nothing_leaks);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
