/* SPDX-License-Identifier: BSD-2-Clause */
/* From what failed to the exit status that kvfsck(8) promises. */
#include "tools/fsck_exit.h"

#include "support/runner.h"

#include <errno.h>
#include <sysexits.h>

START_TEST(what_is_in_the_way_is_told_by_errno)
{
	static const struct {
		int errnum, code;
	} cases[] = { { ENOENT, EX_NOINPUT }, { ENOTDIR, EX_NOINPUT }, { EACCES, EX_NOPERM }, { EPERM, EX_NOPERM },
		{ EROFS, EX_NOPERM }, { ELOOP, EX_NOPERM }, { EIO, EX_IOERR }, { ENOSPC, EX_IOERR }, { ENOMEM, EX_OSERR } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct kv_error err;

		kv_error_errno(&err, cases[i].errnum, "/a", "cannot open");
		ck_assert_int_eq(fsck_exit_code(&err), cases[i].code);
	}
}
END_TEST

START_TEST(every_other_status_has_its_code)
{
	static const struct {
		kv_status status;
		int code;
	} cases[] = { { KV_NOT_FOUND, EX_NOINPUT }, { KV_INVALID, EX_DATAERR }, { KV_NO_MEMORY, EX_OSERR },
		{ KV_NO_SPACE, EX_IOERR }, { KV_BUSY, 75 }, { KV_IO, EX_IOERR }, { KV_CORRUPT, EX_DATAERR },
		{ KV_UNSUPPORTED, EX_DATAERR }, { KV_UNCERTAIN, EX_IOERR }, { KV_GONE, EX_SOFTWARE } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct kv_error err = { 0 };

		kv_error_set(&err, cases[i].status, "text");
		ck_assert_int_eq(fsck_exit_code(&err), cases[i].code);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fsck_exit");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, what_is_in_the_way_is_told_by_errno);
	tcase_add_test(tcase, every_other_status_has_its_code);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
