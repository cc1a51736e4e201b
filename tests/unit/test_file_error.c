/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/file_error.h"

#include "support/runner.h"

#include <string.h>

START_TEST(an_error_names_path_offset_and_reason)
{
	struct kv_error err = { .errnum = 7 };
	char line[256];

	ck_assert_int_eq(file_error(&err, KV_CORRUPT, "/data", "000012.wal", 4096, "bad %s", "group"),
		KV_CORRUPT);
	ck_assert_int_eq(err.status, KV_CORRUPT);
	ck_assert_int_eq(err.errnum, 0);
	ck_assert_str_eq(kv_error_format(&err, line, sizeof line),
		"/data/000012.wal at offset 4096: bad group (damaged data)");
}
END_TEST

START_TEST(what_does_not_fit_is_cut)
{
	struct kv_error err;
	char dir[2 * KV_ERROR_FILE_MAX];

	memset(dir, 'd', sizeof dir - 1);
	dir[sizeof dir - 1] = '\0';
	ck_assert_int_eq(file_error(&err, KV_INVALID, dir, "name", 1, "%s", dir), KV_INVALID);
	ck_assert_uint_eq(strlen(err.file), KV_ERROR_FILE_MAX - 1);
	ck_assert_uint_eq(strlen(err.text), KV_ERROR_TEXT_MAX - 1);
}
END_TEST

START_TEST(nobody_needs_to_be_interested)
{
	ck_assert_int_eq(file_error(NULL, KV_UNSUPPORTED, "d", "n", 0, "text"), KV_UNSUPPORTED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file_error");
	TCase *tc = tcase_create("file_error");

	tcase_add_test(tc, an_error_names_path_offset_and_reason);
	tcase_add_test(tc, what_does_not_fit_is_cut);
	tcase_add_test(tc, nobody_needs_to_be_interested);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
