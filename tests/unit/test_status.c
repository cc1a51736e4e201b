/* SPDX-License-Identifier: BSD-2-Clause */
/* The status texts, and the error detail: what is filled, what is cut, what a person reads. */
#include "base/status.h"
#include "support/runner.h"

#include <errno.h>
#include <string.h>

START_TEST(every_status_has_a_text_of_its_own)
{
	for (int a = 0; a < KV_STATUS_COUNT; a++) {
		ck_assert_ptr_nonnull(kv_status_text((kv_status)a));
		ck_assert_int_gt((int)strlen(kv_status_text((kv_status)a)), 0);
		for (int b = 0; b < a; b++)
			ck_assert_str_ne(kv_status_text((kv_status)a), kv_status_text((kv_status)b));
	}
}
END_TEST

START_TEST(a_status_out_of_range_has_a_text)
{
	ck_assert_str_eq(kv_status_text(KV_STATUS_COUNT), "unknown status");
	ck_assert_str_eq(kv_status_text((kv_status)-1), "unknown status");
	ck_assert_str_eq(kv_status_text((kv_status)4000), "unknown status");
}
END_TEST

START_TEST(full_disks_and_full_memory_are_told_from_other_errors)
{
	ck_assert_int_eq(kv_status_from_errno(ENOSPC), KV_NO_SPACE);
	ck_assert_int_eq(kv_status_from_errno(EDQUOT), KV_NO_SPACE);
	ck_assert_int_eq(kv_status_from_errno(EFBIG), KV_NO_SPACE);
	ck_assert_int_eq(kv_status_from_errno(ENOMEM), KV_NO_MEMORY);
	ck_assert_int_eq(kv_status_from_errno(EMFILE), KV_NO_MEMORY);
	ck_assert_int_eq(kv_status_from_errno(ENFILE), KV_NO_MEMORY);
	ck_assert_int_eq(kv_status_from_errno(EIO), KV_IO);
	ck_assert_int_eq(kv_status_from_errno(ENOENT), KV_IO);
}
END_TEST

START_TEST(setters_take_null_and_return_their_status)
{
	ck_assert_int_eq(kv_error_set(NULL, KV_BUSY, "x"), KV_BUSY);
	ck_assert_int_eq(kv_error_errno(NULL, ENOSPC, "f", "cannot write"), KV_NO_SPACE);
	ck_assert_int_eq(kv_error_corrupt(NULL, "f", 1, "x"), KV_CORRUPT);
}
END_TEST

START_TEST(a_setter_leaves_nothing_of_an_earlier_error)
{
	struct kv_error err;

	memset(&err, 0x5a, sizeof err);
	ck_assert_int_eq(kv_error_corrupt(&err, "000012.sst", 4096, "block %d", 7), KV_CORRUPT);
	ck_assert(err.has_offset);
	ck_assert_uint_eq(err.offset, 4096);
	ck_assert_int_eq(err.errnum, 0);
	ck_assert_str_eq(err.text, "block 7");

	ck_assert_int_eq(kv_error_set(&err, KV_INVALID, "too long: %s", "key"), KV_INVALID);
	ck_assert_int_eq(err.status, KV_INVALID);
	ck_assert(!err.has_offset);
	ck_assert_uint_eq(err.offset, 0);
	ck_assert_str_eq(err.file, "");
	ck_assert_str_eq(err.text, "too long: key");

	ck_assert_int_eq(kv_error_errno(&err, EIO, NULL, "cannot read"), KV_IO);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert_str_eq(err.file, "");
}
END_TEST

START_TEST(overlong_names_and_texts_are_cut_and_terminated)
{
	struct kv_error err;
	char name[1000];
	char line[2000];

	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	kv_error_corrupt(&err, name, UINT64_MAX, "%s", name);
	ck_assert_uint_eq(strlen(err.file), KV_ERROR_FILE_MAX - 1);
	ck_assert_uint_eq(strlen(err.text), KV_ERROR_TEXT_MAX - 1);
	kv_error_format(&err, line, sizeof line);
	ck_assert_ptr_nonnull(strstr(line, " at offset 18446744073709551615: "));
	kv_error_errno(&err, EIO, name, name);
	ck_assert_uint_eq(strlen(err.file), KV_ERROR_FILE_MAX - 1);
	ck_assert_uint_eq(strlen(err.text), KV_ERROR_TEXT_MAX - 1);
}
END_TEST

START_TEST(the_line_for_people_names_file_offset_and_reason)
{
	struct kv_error err;
	char line[512];

	kv_error_corrupt(&err, "000012.sst", 4096, "block checksum does not match");
	ck_assert_str_eq(kv_error_format(&err, line, sizeof line),
		"000012.sst at offset 4096: block checksum does not match (damaged data)");
	kv_error_errno(&err, EACCES, "/var/lib/kvstored", "cannot open");
	ck_assert_str_eq(kv_error_format(&err, line, sizeof line),
		"/var/lib/kvstored: cannot open (Permission denied)");
	kv_error_set(&err, KV_BUSY, "stopping");
	ck_assert_str_eq(kv_error_format(&err, line, sizeof line), "stopping (busy)");
	kv_error_set(&err, KV_NO_MEMORY, "%s", "");
	ck_assert_str_eq(kv_error_format(&err, line, sizeof line), "out of memory");
}
END_TEST

START_TEST(the_line_fits_into_any_buffer)
{
	struct kv_error err;
	char line[16];

	kv_error_set(&err, KV_BUSY, "a long explanation");
	for (uint32_t size = 0; size < sizeof line; size++) {
		memset(line, '#', sizeof line);
		ck_assert_ptr_eq(kv_error_format(&err, line, size), line);
		if (size > 0)
			ck_assert_uint_eq(strlen(line), size - 1);
		ck_assert_int_eq(line[size], '#');
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("status");
	TCase *tc = tcase_create("status");

	tcase_add_test(tc, every_status_has_a_text_of_its_own);
	tcase_add_test(tc, a_status_out_of_range_has_a_text);
	tcase_add_test(tc, full_disks_and_full_memory_are_told_from_other_errors);
	tcase_add_test(tc, setters_take_null_and_return_their_status);
	tcase_add_test(tc, a_setter_leaves_nothing_of_an_earlier_error);
	tcase_add_test(tc, overlong_names_and_texts_are_cut_and_terminated);
	tcase_add_test(tc, the_line_for_people_names_file_offset_and_reason);
	tcase_add_test(tc, the_line_fits_into_any_buffer);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
