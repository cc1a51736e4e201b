/* SPDX-License-Identifier: BSD-2-Clause */
/* Sealed blocks: what goes in comes out, from its own place only; compression cannot be led outside of its bounds. */
#include "engine/sst_block.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/compress.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdlib.h>

static const struct store_id id = { { 1, 2, 3 } };
static const enum sst_compression compressions[] = { SST_COMPRESSION_NONE, SST_COMPRESSION_LZ4,
	SST_COMPRESSION_ZSTD };

static struct buf make_raw(size_t len, unsigned entropy)
{
	struct buf raw = { 0 };
	uint64_t state = 99;

	ck_assert_int_eq(buf_append_zeros(&raw, len), KV_OK);
	for (size_t i = 0; i < len; i++)
		raw.data[i] = (uint8_t)(entropy > 0 ? runner_random(&state) % entropy : i / 100);
	return raw;
}

static struct buf seal(struct slice raw, uint64_t offset, enum sst_compression compression)
{
	struct buf stored = { 0 };
	uint64_t seed = sst_block_file_seed(&id, 7);

	ck_assert_int_eq(sst_block_seal(seed, offset, compression, raw, &stored), KV_OK);
	return stored;
}

START_TEST(what_was_sealed_comes_out)
{
	static const size_t lengths[] = { 1, 5, 100, 4096, 100000 };
	uint64_t seed = sst_block_file_seed(&id, 7);

	for (unsigned i = 0; i < 5 * 3; i++) {
		struct buf raw = make_raw(lengths[i / 3], i % 3 == 0 ? 256 : i % 3 == 1 ? 4 : 0);
		struct buf stored = seal(buf_slice(&raw), 4096, compressions[_i]);
		struct sst_block block;
		const char *what = NULL;
		uint8_t *out = malloc(raw.len);

		ck_assert_int_eq(sst_block_check(seed, 4096, buf_slice(&stored), &block, &what), KV_OK);
		ck_assert_uint_eq(block.raw_bytes, raw.len);
		ck_assert_int_eq(sst_block_unpack(&block, out, &what), KV_OK);
		ck_assert_mem_eq(out, raw.data, raw.len);
		ck_assert_uint_le(stored.len, raw.len + SST_TRAILER_BYTES);
		/* what does not shrink is stored as it is; what shrinks well is not */
		if (i % 3 == 0 || !compress_available(compressions[_i]))
			ck_assert_int_eq(block.compression, SST_COMPRESSION_NONE);
		else if (raw.len >= 4096)
			ck_assert_int_eq(block.compression, compressions[_i]);
		free(out);
		buf_free(&stored);
		buf_free(&raw);
	}
}
END_TEST

START_TEST(a_block_is_right_only_in_its_own_place)
{
	struct buf raw = make_raw(500, 0);
	struct buf stored = seal(buf_slice(&raw), 4096, SST_COMPRESSION_NONE);
	struct store_id other = id;
	struct sst_block block;
	const char *what;

	other.bytes[9] = 1;
	ck_assert_int_eq(sst_block_check(sst_block_file_seed(&id, 7), 4096, buf_slice(&stored), &block, &what), KV_OK);
	ck_assert_int_eq(sst_block_check(sst_block_file_seed(&id, 7), 0, buf_slice(&stored), &block, &what),
		KV_CORRUPT);
	ck_assert_int_eq(sst_block_check(sst_block_file_seed(&id, 8), 4096, buf_slice(&stored), &block, &what),
		KV_CORRUPT);
	ck_assert_int_eq(sst_block_check(sst_block_file_seed(&other, 7), 4096, buf_slice(&stored), &block, &what),
		KV_CORRUPT);
	ck_assert_str_eq(what, "block checksum does not match");
	buf_free(&stored);
	buf_free(&raw);
}
END_TEST

/* With a right checksum over wrong bytes, as only another program could write them. */
static void reseal(struct buf *stored, uint64_t seed, uint64_t offset)
{
	size_t covered = stored->len - 8;

	put_fixed64(stored->data + covered,
		checksum64(slice_of(stored->data, covered), sst_block_seed(seed, offset)));
}

START_TEST(nonsense_under_a_right_checksum_is_refused_within_bounds)
{
	uint64_t seed = sst_block_file_seed(&id, 7), state = runner_seed();
	struct buf raw = make_raw(3000, 4);
	struct buf stored = seal(buf_slice(&raw), 0, compressions[_i]);
	struct buf copy = { 0 };

	for (unsigned round = 0; round < 400; round++) {
		struct sst_block block;
		const char *what = NULL;
		kv_status status;

		ck_assert_int_eq(buf_set(&copy, buf_slice(&stored)), KV_OK);
		if (round % 5 == 0)
			put_fixed32(copy.data, (uint32_t)(runner_random(&state) % 6000));
		for (unsigned i = 0; i < round % 7; i++)
			copy.data[runner_random(&state) % (copy.len - 8)] = (uint8_t)runner_random(&state);
		reseal(&copy, seed, 0);
		status = sst_block_check(seed, 0, buf_slice(&copy), &block, &what);
		if (status == KV_OK && block.raw_bytes < 1 << 20) {
			uint8_t *out = malloc(block.raw_bytes);

			status = sst_block_unpack(&block, out, &what);
			free(out);
		}
		ck_assert(status == KV_OK || status == KV_CORRUPT || status == KV_UNSUPPORTED);
		ck_assert(status == KV_OK || what);
	}
	buf_free(&copy);
	buf_free(&stored);
	buf_free(&raw);
}
END_TEST

START_TEST(impossible_sizes_are_corrupt)
{
	static const uint32_t sizes[] = { 0, UINT32_MAX, (uint32_t)BLOCK_BYTES_MAX + 1 };
	uint64_t seed = sst_block_file_seed(&id, 7);
	struct sst_block block;
	const char *what;

	for (unsigned i = 0; i < 3; i++) {
		uint8_t bytes[4 + SST_TRAILER_BYTES] = { 0 };
		struct buf stored = { .data = bytes, .len = sizeof bytes, .capacity = sizeof bytes };

		put_fixed32(bytes, sizes[i]);
		bytes[4] = SST_COMPRESSION_LZ4;
		reseal(&stored, seed, 0);
		ck_assert_int_eq(sst_block_check(seed, 0, buf_slice(&stored), &block, &what), KV_CORRUPT);
	}
	for (size_t len = 0; len <= SST_TRAILER_BYTES; len++) {
		uint8_t bytes[SST_TRAILER_BYTES] = { 0 };
		struct buf stored = { .data = bytes, .len = len, .capacity = sizeof bytes };

		if (len == SST_TRAILER_BYTES)
			reseal(&stored, seed, 0); /* a block of no bytes */
		ck_assert_int_eq(sst_block_check(seed, 0, buf_slice(&stored), &block, &what), KV_CORRUPT);
	}
}
END_TEST

START_TEST(failed_allocations_are_reported)
{
	struct buf raw = make_raw(3000, 4);
	kv_status status = KV_NO_MEMORY;

	for (uint64_t n = 1; status != KV_OK; n++) {
		struct buf stored = { 0 };

		fault_alloc_fail(n, false);
		status = sst_block_seal(1, 0, compressions[_i], buf_slice(&raw), &stored);
		ck_assert(fault_alloc_failed() == (status != KV_OK));
		fault_alloc_fail(0, false);
		buf_free(&stored);
		ck_assert_uint_lt(n, 100);
	}
	buf_free(&raw);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_block");
	TCase *tc = tcase_create("sst_block");
	int built_in = 1;

	while (built_in < 3 && compress_available(compressions[built_in]))
		built_in++;
	tcase_add_loop_test(tc, what_was_sealed_comes_out, 0, built_in);
	tcase_add_test(tc, a_block_is_right_only_in_its_own_place);
	tcase_add_loop_test(tc, nonsense_under_a_right_checksum_is_refused_within_bounds, 0, built_in);
	tcase_add_test(tc, impossible_sizes_are_corrupt);
	tcase_add_loop_test(tc, failed_allocations_are_reported, 0, built_in);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
