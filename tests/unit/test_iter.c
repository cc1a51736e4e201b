/* SPDX-License-Identifier: BSD-2-Clause */
/* The iterator over nothing. */
#include "engine/iter.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

#include <string.h>

static void move_everywhere(struct iter *iter)
{
	iter_seek_first(iter);
	ck_assert(!iter->valid);
	iter_seek_last(iter);
	ck_assert(!iter->valid);
	iter_seek(iter, slice_of("k", 1), ENTRY_SEQUENCE_MAX);
	ck_assert(!iter->valid);
	iter_seek_before(iter, slice_of("k", 1));
	ck_assert(!iter->valid);
}

START_TEST(nothing_is_found_in_nothing)
{
	struct iter *iter = iter_new_empty(KV_OK, NULL);
	struct kv_error err = { .status = KV_BUSY };

	ck_assert(!iter->valid);
	move_everywhere(iter);
	ck_assert_int_eq(iter_status(iter, &err), KV_OK);
	ck_assert_int_eq(err.status, KV_BUSY); /* filled on failure only */
	ck_assert_ptr_null(iter_close(iter));
	ck_assert_ptr_null(iter_close(NULL));
}
END_TEST

START_TEST(an_error_is_carried_with_its_detail)
{
	struct kv_error err = { 0 }, found = { 0 };
	struct iter *iter;

	kv_error_corrupt(&err, "000012.sst", 4096, "block checksum does not match");
	iter = iter_new_empty(KV_CORRUPT, &err);
	err.offset = 0; /* a copy was taken */
	move_everywhere(iter);
	ck_assert_int_eq(iter_status(iter, NULL), KV_CORRUPT);
	ck_assert_int_eq(iter_status(iter, &found), KV_CORRUPT);
	ck_assert_uint_eq(found.offset, 4096);
	ck_assert_str_eq(found.file, "000012.sst");
	iter_close(iter);
	iter = iter_new_empty(KV_IO, NULL);
	ck_assert_int_eq(iter_status(iter, &found), KV_IO);
	ck_assert_int_eq(found.status, KV_IO);
	iter_close(iter);
}
END_TEST

START_TEST(no_memory_gives_null)
{
	struct iter *iter;

	fault_alloc_fail(1, false);
	iter = iter_new_empty(KV_OK, NULL);
	fault_alloc_fail(0, false);
	ck_assert_ptr_null(iter);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("iter");
	TCase *tc = tcase_create("iter");

	tcase_add_test(tc, nothing_is_found_in_nothing);
	tcase_add_test(tc, an_error_is_carried_with_its_detail);
	tcase_add_test(tc, no_memory_gives_null);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
