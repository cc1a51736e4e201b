/* SPDX-License-Identifier: BSD-2-Clause */
/* From what failed to the exit code that kvstored(8) promises. */
#include "daemon/exit_code.h"
#include "support/runner.h"

#include <errno.h>

START_TEST(a_failed_call_is_told_apart_by_its_errno)
{
	static const struct {
		int errnum;
		enum exit_code code;
	} cases[] = {
		{ EADDRINUSE, EXIT_CODE_ADDRESS_IN_USE }, { EACCES, EXIT_CODE_PERMISSION },
		{ EPERM, EXIT_CODE_PERMISSION }, { EROFS, EXIT_CODE_PERMISSION },
		{ ELOOP, EXIT_CODE_PERMISSION }, { ENOTDIR, EXIT_CODE_PERMISSION },
		{ EISDIR, EXIT_CODE_PERMISSION }, { ENOENT, EXIT_CODE_CONFIG }, { EIO, EXIT_CODE_IO },
		{ ENOSPC, EXIT_CODE_IO }, { ENOMEM, EXIT_CODE_IO }, { EMFILE, EXIT_CODE_IO },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kv_error err;

		kv_error_errno(&err, cases[i].errnum, "/a", "cannot open");
		ck_assert_int_eq(exit_code_of(&err), cases[i].code);
	}
}
END_TEST

START_TEST(every_status_has_its_code)
{
	static const enum exit_code codes[KV_STATUS_COUNT] = { 0, 78, 78, 74, 74, 74, 75, 74, 65, 65, 74 };

	for (int status = 0; status < KV_STATUS_COUNT; status++) {
		struct kv_error err;

		kv_error_set(&err, (kv_status)status, "text");
		ck_assert_int_eq(exit_code_of(&err), codes[status]);
	}
}
END_TEST

START_TEST(damage_stays_damage_whatever_the_errno)
{
	struct kv_error err;

	kv_error_corrupt(&err, "MANIFEST", 0, "a table is missing");
	err.errnum = ENOENT;
	ck_assert_int_eq(exit_code_of(&err), EXIT_CODE_DAMAGED);
}
END_TEST

START_TEST(an_address_in_use_is_not_a_locked_store)
{
	struct kv_error err;

	kv_error_set(&err, KV_BUSY, "locked");
	ck_assert_int_eq(exit_code_of(&err), EXIT_CODE_LOCKED);
	err.errnum = EADDRINUSE;
	ck_assert_int_eq(exit_code_of(&err), EXIT_CODE_ADDRESS_IN_USE);
}
END_TEST

START_TEST(a_fifo_in_the_place_of_a_file_is_a_matter_of_permission)
{
	struct kv_error err;

	kv_error_errno(&err, EINVAL, "/a/LOCK", "is not a regular file");
	err.status = KV_INVALID;
	err.errnum = 0;
	ck_assert_int_eq(exit_code_of(&err), EXIT_CODE_PERMISSION);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exit_code");
	TCase *tests = tcase_create("exit_code");

	tcase_add_test(tests, a_failed_call_is_told_apart_by_its_errno);
	tcase_add_test(tests, every_status_has_its_code);
	tcase_add_test(tests, damage_stays_damage_whatever_the_errno);
	tcase_add_test(tests, an_address_in_use_is_not_a_locked_store);
	tcase_add_test(tests, a_fifo_in_the_place_of_a_file_is_a_matter_of_permission);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
