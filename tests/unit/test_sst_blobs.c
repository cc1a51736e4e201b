/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of blob files of a table: what is written comes back sorted and once; what cannot be written is refused. */
#include "engine/sst_blobs.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

static struct buf encode(uint64_t *numbers, size_t count)
{
	struct buf bytes = { 0 };

	ck_assert_int_eq(sst_blobs_append(numbers, count, &bytes), KV_OK);
	return bytes;
}

START_TEST(numbers_come_back_ascending_and_once)
{
	uint64_t numbers[] = { 300, 7, 7, UINT64_MAX, 8, 300, 7 };
	static const uint64_t sorted[] = { 7, 8, 300, UINT64_MAX };
	struct buf bytes = encode(numbers, 7);
	struct sst_blobs blobs = { 0 };

	ck_assert_int_eq(sst_blobs_decode(buf_slice(&bytes), &blobs), KV_OK);
	ck_assert_uint_eq(blobs.count, 4);
	ck_assert_mem_eq(blobs.numbers, sorted, sizeof sorted);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(sst_blobs_find(&blobs, sorted[i]), i);
		ck_assert_uint_eq(sst_blobs_find(&blobs, sorted[i] + 2), 4);
	}
	sst_blobs_free(&blobs);
	ck_assert_uint_eq(sst_blobs_find(&blobs, 7), 0);
	buf_free(&bytes);
}
END_TEST

START_TEST(what_is_no_list_is_corrupt)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "", 0 },
		{ "\x00", 1 },                 /* file 0 */
		{ "\x05\x00", 2 },             /* a file twice */
		{ "\x85", 1 },                 /* cut */
		{ "\x85\x00", 2 },             /* not the shortest form */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 11 }, /* beyond 2^64 */
	};
	struct sst_blobs blobs = { .count = 99 };

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_int_eq(sst_blobs_decode(slice_of(cases[i].bytes, cases[i].len), &blobs), KV_CORRUPT);
		ck_assert_uint_eq(blobs.count, 99);
	}
}
END_TEST

START_TEST(a_failed_allocation_is_told)
{
	struct sst_blobs blobs = { .count = 99 };
	kv_status status;

	fault_alloc_fail(1, false);
	status = sst_blobs_decode(slice_of("\x05", 1), &blobs);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	ck_assert_uint_eq(blobs.count, 99);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_blobs");
	TCase *tc = tcase_create("sst_blobs");

	tcase_add_test(tc, numbers_come_back_ascending_and_once);
	tcase_add_test(tc, what_is_no_list_is_corrupt);
	tcase_add_test(tc, a_failed_allocation_is_told);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
