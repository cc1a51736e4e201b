/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a block are those of doc/format.md, and its size never outgrows its offsets. */
#include "engine/block_builder.h"

#include "engine/format.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdlib.h>

static struct entry put(const char *key, const char *value, uint64_t sequence)
{
	return (struct entry){ .key = slice_of_string(key), .value = slice_of_string(value),
		.sequence = sequence, .kind = ENTRY_PUT };
}

/* The example of doc/format.md. */
START_TEST(the_bytes_are_those_of_the_format)
{
	static const uint8_t expected[] = {
		6, 0, 2, 0, 47, 0, 0, 0,            /* 6 entries, runs of 4, 47 bytes of keys */
		0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, /* hashes */
		30, 0, 6, 0,                        /* second run: keys 30, values 6 */
		1, 0, 5, 2, 7, 'a', 'p', 'p', 'l', 'e',
		1, 5, 1, 4, 9, 's',
		0, 6, 0, 0, 8,
		0x81, 4, 2, 0, 6, 0xe8, 7, 'y', 0xff,
		0x12, 0, 4, 1, 0x00, 0x01, 'p', 'e', 'a', 'r',
		0, 4, 2, 0, 1, 's', 'x',
	};
	struct entry entries[] = { put("apple", "v1", 7), put("apples", "some", 9), put("apples", "", 8),
		put("apply\xff", "", 6), put("pear", "q", 256), put("pearsx", "", 1) };
	struct block_builder builder = { 0 };
	struct buf block = { 0 };

	entries[2].kind = ENTRY_DELETE;
	entries[3].expires_unix_ms = 1000;
	entries[4].kind = ENTRY_RANGE_DELETE;
	entries[5].kind = ENTRY_DELETE;
	for (unsigned i = 0; i < 6; i++) {
		ck_assert(block_builder_fits(&builder, &entries[i]));
		ck_assert_int_eq(block_builder_add(&builder, &entries[i], 0xffa1 + i,
					 slice_common_prefix(buf_slice(&builder.last_key), entries[i].key)), KV_OK);
	}
	ck_assert_uint_eq(block_builder_bytes(&builder), sizeof expected + 7);
	ck_assert_int_eq(block_builder_finish(&builder, &block), KV_OK);
	ck_assert_uint_eq(block.len, sizeof expected + 7);
	ck_assert_mem_eq(block.data, expected, sizeof expected);
	ck_assert_mem_eq(block.data + sizeof expected, "v1someq", 7);
	ck_assert_uint_eq(builder.count, 0);
	ck_assert_uint_eq(builder.last_sequence, 1);
	ck_assert(slice_equal(buf_slice(&builder.last_key), slice_of("pearsx", 6)));
	buf_free(&block);
	block_builder_free(&builder);
}
END_TEST

START_TEST(a_block_of_several_entries_stays_below_64k)
{
	static uint8_t bytes[70000];
	struct block_builder builder = { 0 };
	struct entry large = { .key = slice_of("a", 1), .value = slice_of(bytes, sizeof bytes),
		.sequence = 1, .kind = ENTRY_PUT };
	struct entry small = put("b", "", 1);
	uint8_t key[4];

	ck_assert(block_builder_fits(&builder, &large));
	ck_assert_int_eq(block_builder_add(&builder, &large, 0, 0), KV_OK);
	ck_assert(!block_builder_fits(&builder, &small));
	block_builder_free(&builder);
	ck_assert_int_eq(block_builder_add(&builder, &small, 0, 0), KV_OK);
	ck_assert(!block_builder_fits(&builder, &large));
	for (uint32_t i = 0;; i++) {
		key[0] = 'c';
		key[1] = (uint8_t)(i >> 16);
		key[2] = (uint8_t)(i >> 8);
		key[3] = (uint8_t)i;
		large.key = slice_of(key, sizeof key);
		large.value.len = i % 300;
		if (!block_builder_fits(&builder, &large))
			break;
		ck_assert_int_eq(block_builder_add(&builder, &large, 0, 0), KV_OK);
		ck_assert_uint_le(block_builder_bytes(&builder), BLOCK_SHARED_BYTES_MAX);
	}
	ck_assert_uint_gt(block_builder_bytes(&builder), BLOCK_SHARED_BYTES_MAX - 500);
	block_builder_free(&builder);
}
END_TEST

START_TEST(failed_allocations_are_reported)
{
	kv_status status = KV_NO_MEMORY;

	for (uint64_t n = 1; status != KV_OK; n++) {
		struct block_builder builder = { 0 };
		struct buf block = { 0 };

		fault_alloc_fail(n, false);
		status = KV_OK;
		for (char c = 'a'; status == KV_OK && c < 'q'; c++) {
			struct entry entry = put("key of some length  ", "value of some length", 1);
			char key[21] = "key of some length  ";

			key[19] = c;
			entry.key = slice_of_string(key);
			status = block_builder_add(&builder, &entry, 0, builder.count > 0 ? 19 : 0);
		}
		if (status == KV_OK)
			status = block_builder_finish(&builder, &block);
		ck_assert(fault_alloc_failed() == (status != KV_OK));
		fault_alloc_fail(0, false);
		buf_free(&block);
		block_builder_free(&builder);
		ck_assert_uint_lt(n, 100);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block_builder");
	TCase *tc = tcase_create("block_builder");

	tcase_add_test(tc, the_bytes_are_those_of_the_format);
	tcase_add_test(tc, a_block_of_several_entries_stays_below_64k);
	tcase_add_test(tc, failed_allocations_are_reported);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
