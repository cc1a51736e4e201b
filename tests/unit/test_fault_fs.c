/* SPDX-License-Identifier: BSD-2-Clause */
/* The tests' own tool: faults strike exactly where they were ordered, and nowhere else. */
#include "support/fault_fs.h"
#include "support/runner.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static char *path;
static struct fault_fs *fault;
static struct dir dir;

static void set_up(void)
{
	path = runner_new_dir();
	fault = fault_fs_new(&fs_posix);
	ck_assert_int_eq(dir_open(fault_fs_fs(fault), path, false, &dir, NULL), KV_OK);
}

static void tear_down(void)
{
	dir_close(&dir);
	ck_assert_ptr_null(fault_fs_free(fault));
	runner_remove_dir(path);
}

static struct file create(const char *name)
{
	struct file ret;

	ck_assert_int_eq(file_open(&dir, name, FILE_CREATE, &ret, NULL), KV_OK);
	return ret;
}

START_TEST(only_the_nth_call_fails)
{
	struct file file = create("a");

	fault_fs_fail(fault, FAULT_FDATASYNC, 3, EIO);
	for (int i = 1; i <= 5; i++)
		ck_assert_int_eq(file_sync(&file, NULL), i == 3 ? KV_IO : KV_OK);
	ck_assert_uint_eq(fault_fs_count(fault, FAULT_FDATASYNC), 5);
	ck_assert_uint_eq(fault_fs_failed(fault), 1);
	file_close(&file);
}
END_TEST

START_TEST(from_then_on_all_calls_fail_until_healed)
{
	struct file file = create("a");
	uint64_t before = fault_fs_count(fault, FAULT_ANY);

	fault_fs_fail_from(fault, FAULT_ANY, 2, ENOSPC);
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	ck_assert_int_eq(file_sync(&file, NULL), KV_NO_SPACE);
	ck_assert_int_eq(file_write_at(&file, slice_of("x", 1), 0, NULL), KV_NO_SPACE);
	ck_assert_int_eq(file_truncate(&file, 0, NULL), KV_NO_SPACE);
	fault_fs_heal(fault);
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	ck_assert_uint_eq(fault_fs_count(fault, FAULT_ANY) - before, 5);
	ck_assert_uint_eq(fault_fs_failed(fault), 3);
	file_close(&file);
}
END_TEST

START_TEST(a_rule_with_a_name_strikes_only_there)
{
	struct file wal = create("000001.wal");
	struct file sst = create("000002.sst");

	fault_fs_add(fault, (struct fault_rule){ .op = FAULT_ANY, .name_part = ".wal", .nth = 1, .errnum = EIO,
		.from_then_on = true });
	ck_assert_int_eq(file_sync(&sst, NULL), KV_OK);
	ck_assert_int_eq(file_sync(&wal, NULL), KV_IO);
	ck_assert_int_eq(dir_unlink(&dir, "000001.wal", NULL), KV_IO);
	ck_assert_int_eq(dir_unlink(&dir, "000002.sst", NULL), KV_OK);
	file_close(&wal);
	file_close(&sst);
}
END_TEST

START_TEST(a_failed_close_closes)
{
	struct file file = create("a");
	int fd = file.fd;

	fault_fs_fail(fault, FAULT_CLOSE, 1, EIO);
	file_close(&file);
	ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
}
END_TEST

START_TEST(the_record_tells_each_operation_in_order)
{
	static const char *const right[] = { "create a", "fdatasync a", "rename a b", NULL };
	static const char *const wrong[] = { "rename a b", "fdatasync a", NULL };
	struct file file;
	char *text;

	fault_fs_record(fault, true);
	file = create("a");
	ck_assert_int_eq(file_write_at(&file, slice_of("12345", 5), 7, NULL), KV_OK);
	fault_fs_fail(fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(file_sync(&file, NULL), KV_IO);
	ck_assert_int_eq(file_truncate(&file, 9, NULL), KV_OK);
	ck_assert_int_eq(dir_rename(&dir, "a", &dir, "b", false, NULL), KV_OK);
	file_close(&file);
	fault_fs_record(fault, false);
	ck_assert(!dir_has(&dir, "a"));
	ck_assert(fault_fs_in_order(fault, right));
	ck_assert(!fault_fs_in_order(fault, wrong));
	text = fault_fs_take_record(fault);
	ck_assert_str_eq(text, "create a\nsize a\npwritev a 7 5\nfdatasync a failed\nftruncate a 9\n"
		"rename a b\nclose a\n");
	free(text);
	text = fault_fs_take_record(fault);
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

START_TEST(a_torn_write_leaves_its_first_bytes)
{
	struct file file = create("a");
	struct iovec iov[2] = { { .iov_base = "123", .iov_len = 3 }, { .iov_base = "456", .iov_len = 3 } };
	char bytes[4];
	uint64_t size = 0;

	fault_fs_add(fault, (struct fault_rule){ .op = FAULT_PWRITEV, .nth = 1, .errnum = EIO, .torn_bytes = 4 });
	ck_assert_int_eq(file_writev_at(&file, iov, 2, 0, NULL), KV_IO);
	ck_assert_int_eq(file_size(&file, &size, NULL), KV_OK);
	ck_assert_uint_eq(size, 4);
	ck_assert_int_eq(file_read_at(&file, bytes, 4, 0, NULL), KV_OK);
	ck_assert_mem_eq(bytes, "1234", 4);
	file_close(&file);
}
END_TEST

static void count_wal(void *arg, enum fault_op op, const char *name)
{
	if (op == FAULT_FDATASYNC && strcmp(name, "000001.wal") == 0)
		++*(int *)arg;
}

START_TEST(the_hook_is_called_before_each_operation)
{
	struct file file = create("000001.wal");
	int called = 0;

	fault_fs_hook(fault, count_wal, &called);
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	fault_fs_fail(fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(file_sync(&file, NULL), KV_IO);
	fault_fs_hook(fault, NULL, NULL);
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	ck_assert_int_eq(called, 2);
	file_close(&file);
}
END_TEST

static void *sync_often(void *arg)
{
	for (int i = 0; i < 500; i++)
		file_sync(arg, NULL);
	return NULL;
}

START_TEST(threads_are_counted_without_loss)
{
	struct file files[3] = { create("a"), create("b"), create("c") };
	pthread_t threads[3];

	fault_fs_fail_from(fault, FAULT_FDATASYNC, 1, EIO);
	fault_fs_record(fault, true);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, sync_often, &files[i]), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(fault_fs_count(fault, FAULT_FDATASYNC), 1500);
	ck_assert_uint_eq(fault_fs_failed(fault), 1500);
	for (int i = 0; i < 3; i++)
		file_close(&files[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fault_fs");
	TCase *tc = tcase_create("fault_fs");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, only_the_nth_call_fails);
	tcase_add_test(tc, from_then_on_all_calls_fail_until_healed);
	tcase_add_test(tc, a_rule_with_a_name_strikes_only_there);
	tcase_add_test(tc, a_failed_close_closes);
	tcase_add_test(tc, the_record_tells_each_operation_in_order);
	tcase_add_test(tc, a_torn_write_leaves_its_first_bytes);
	tcase_add_test(tc, the_hook_is_called_before_each_operation);
	tcase_add_test(tc, threads_are_counted_without_loss);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
