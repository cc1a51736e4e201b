/* SPDX-License-Identifier: BSD-2-Clause */
/* The tokens file of kvctl, every system call of a replacement failing in turn: the old text or the new one, and nothing else is left. */
#define _GNU_SOURCE
#include "tools/token_command.h"
#include "tools/token_store.h"
#include "support/fault_alloc.h"
#include "support/fault_fs.h"
#include "support/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static const char old_text[] = "# ours\n";
static const char new_text[] = "# ours, and more than there was\n";

static char *path; /* a directory for the test */
static char file[256];
static struct fault_fs *fault;
static struct token_store store;
static struct kv_error err;

static void put_old_text(void)
{
	FILE *to = fopen(file, "w");

	ck_assert_ptr_nonnull(to);
	ck_assert_int_ge(fputs(old_text, to), 0);
	ck_assert_int_eq(fclose(to), 0);
}

static void set_up(void)
{
	path = runner_new_dir();
	snprintf(file, sizeof file, "%s/tokens", path);
	fault = fault_fs_new(&fs_posix);
	put_old_text();
	ck_assert_int_eq(chmod(file, 0640), 0);
}

static void tear_down(void)
{
	fault = fault_fs_free(fault);
	runner_remove_dir(path);
}

/* From here on, what the store does goes through the faults. */
static void open_store(bool create)
{
	ck_assert_int_eq(token_store_open(file, create, &store, &err), KV_OK);
	store.dir.fs = fault_fs_fs(fault);
}

static void expect_text(const char *text)
{
	char got[sizeof new_text + 1] = "";
	FILE *from = fopen(file, "r");

	ck_assert_ptr_nonnull(from);
	ck_assert_uint_eq(fread(got, 1, sizeof got - 1, from), strlen(text));
	fclose(from);
	ck_assert_str_eq(got, text);
}

static void expect_no_temp(void)
{
	char temp[300];

	snprintf(temp, sizeof temp, "%s/.tokens.new", path);
	ck_assert_int_eq(access(temp, F_OK), -1);
	ck_assert_int_eq(errno, ENOENT);
}

static kv_status replace(void)
{
	return token_store_replace(&store, slice_of_string(new_text), &err);
}

START_TEST(a_replacement_keeps_the_mode)
{
	struct stat st;

	open_store(false);
	ck_assert_int_eq(replace(), KV_OK);
	token_store_close(&store);
	expect_text(new_text);
	expect_no_temp();
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
}
END_TEST

START_TEST(the_new_text_is_on_disk_before_it_has_the_name)
{
	static const char *const order[] = { "create .tokens.new", "pwritev .tokens.new", "fdatasync .tokens.new",
		"rename .tokens.new tokens", "fsync", NULL };

	open_store(false);
	fault_fs_record(fault, true);
	ck_assert_int_eq(replace(), KV_OK);
	ck_assert(fault_fs_in_order(fault, order));
	token_store_close(&store);
}
END_TEST

/* Everything before the rename leaves the old file; a disk that is full and a missing permission are told as what they are. */
START_TEST(a_failure_leaves_the_old_file_and_no_temporary_one)
{
	static const struct {
		enum fault_op op;
		int errnum;
		kv_status status;
	} faults[] = {
		{ FAULT_OPEN, ENOSPC, KV_NO_SPACE }, { FAULT_OPEN, EACCES, KV_IO }, { FAULT_OPEN, EROFS, KV_IO },
		{ FAULT_PWRITEV, ENOSPC, KV_NO_SPACE }, { FAULT_PWRITEV, EDQUOT, KV_NO_SPACE }, { FAULT_PWRITEV, EIO, KV_IO },
		{ FAULT_FDATASYNC, EIO, KV_IO }, { FAULT_FDATASYNC, ENOSPC, KV_NO_SPACE }, { FAULT_RENAME, ENOSPC, KV_NO_SPACE },
		{ FAULT_RENAME, EACCES, KV_IO },
	};

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		open_store(false);
		fault_fs_fail(fault, faults[i].op, 1, faults[i].errnum);
		ck_assert_msg(replace() == faults[i].status, "%zu: %s", i, err.text);
		ck_assert_int_eq(err.errnum, faults[i].errnum);
		ck_assert_uint_eq(fault_fs_failed(fault), i + 1);
		token_store_close(&store);
		expect_text(old_text);
		expect_no_temp();
	}
}
END_TEST

START_TEST(a_write_that_is_cut_short_goes_on_and_a_torn_one_is_not_taken)
{
	open_store(false);
	fault_fs_shorten(fault, 5);
	ck_assert_int_eq(replace(), KV_OK);
	expect_text(new_text);
	token_store_close(&store);

	put_old_text();
	open_store(false);
	fault_fs_add(fault, (struct fault_rule){ .op = FAULT_PWRITEV, .nth = 3, .errnum = ENOSPC, .torn_bytes = 2 });
	ck_assert_int_eq(replace(), KV_NO_SPACE);
	token_store_close(&store);
	expect_text(old_text);
	expect_no_temp();
}
END_TEST

START_TEST(a_failed_sync_of_the_directory_is_uncertain)
{
	open_store(false);
	fault_fs_fail(fault, FAULT_FSYNC, 1, EIO);
	ck_assert_int_eq(replace(), KV_UNCERTAIN);
	ck_assert_int_eq(err.status, KV_UNCERTAIN);
	token_store_close(&store);
	expect_text(new_text);
	expect_no_temp();
}
END_TEST

/* What was left by one that was killed is in nobody's way. */
START_TEST(a_temporary_file_that_was_left_is_replaced)
{
	char temp[300];
	FILE *to;

	snprintf(temp, sizeof temp, "%s/.tokens.new", path);
	to = fopen(temp, "w");
	ck_assert_ptr_nonnull(to);
	ck_assert_int_ge(fputs("half a li", to), 0);
	ck_assert_int_eq(fclose(to), 0);
	open_store(false);
	ck_assert_int_eq(replace(), KV_OK);
	token_store_close(&store);
	expect_text(new_text);
	expect_no_temp();
}
END_TEST

START_TEST(a_missing_file_is_made_only_by_those_who_create)
{
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(token_store_open(file, false, &store, &err), KV_NOT_FOUND);
	token_store_close(&store);
	open_store(true);
	fault_fs_fail(fault, FAULT_PWRITEV, 1, ENOSPC);
	ck_assert_int_eq(replace(), KV_NO_SPACE);
	ck_assert_int_eq(access(file, F_OK), -1);
	expect_no_temp();
	ck_assert_int_eq(replace(), KV_OK);
	token_store_close(&store);
	expect_text(new_text);
}
END_TEST

START_TEST(no_memory_is_told_and_changes_nothing)
{
	for (unsigned nth = 1;; nth++) {
		kv_status status;

		fault_alloc_fail(nth, false);
		status = token_store_open(file, false, &store, &err);
		fault_alloc_fail(0, false);
		token_store_close(&store);
		expect_text(old_text);
		if (status == KV_OK)
			return;
		ck_assert_int_eq(status, KV_NO_MEMORY);
		ck_assert_uint_lt(nth, 20);
	}
}
END_TEST

START_TEST(a_command_without_memory_ends_with_71)
{
	int code = EX_OSERR;

	for (unsigned nth = 1; code != EX_OK; nth++) {
		char option[300];
		char *argv[] = { (char[]){ "add" }, (char[]){ "name" }, (char[]){ "--role=read" }, option, NULL };

		snprintf(option, sizeof option, "--file=%s", file);
		fault_alloc_fail(nth, false);
		code = token_command_add(4, argv);
		fault_alloc_fail(0, false);
		if (code != EX_OK) {
			ck_assert_int_eq(code, EX_OSERR);
			expect_text(old_text);
		}
		expect_no_temp();
		ck_assert_uint_lt(nth, 40);
	}
}
END_TEST

/* Who can read the directory can lock it; that holds nobody up for ever. */
START_TEST(a_lock_that_stays_is_told)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(flock(fd, LOCK_SH), 0);
	ck_assert_int_eq(token_store_open(file, false, &store, &err), KV_BUSY);
	ck_assert_ptr_nonnull(strstr(err.text, file));
	token_store_close(&store);
	close(fd);
	open_store(false);
	token_store_close(&store);
	expect_text(old_text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("token_store");
	TCase *tc = tcase_create("token_store");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_replacement_keeps_the_mode);
	tcase_add_test(tc, the_new_text_is_on_disk_before_it_has_the_name);
	tcase_add_test(tc, a_failure_leaves_the_old_file_and_no_temporary_one);
	tcase_add_test(tc, a_write_that_is_cut_short_goes_on_and_a_torn_one_is_not_taken);
	tcase_add_test(tc, a_failed_sync_of_the_directory_is_uncertain);
	tcase_add_test(tc, a_temporary_file_that_was_left_is_replaced);
	tcase_add_test(tc, a_missing_file_is_made_only_by_those_who_create);
	tcase_add_test(tc, a_lock_that_stays_is_told);
	tcase_add_test(tc, no_memory_is_told_and_changes_nothing);
	tcase_add_test(tc, a_command_without_memory_ends_with_71);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
