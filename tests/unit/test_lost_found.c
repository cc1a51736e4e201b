/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/lost_found.h"

#include "engine/filename.h"
#include "support/disk.h"
#include "support/runner.h"

#include <errno.h>
#include <stdlib.h>

static struct disk disk;

static void setup(void)
{
	disk_open(&disk);
	disk_write(&disk, "000007.wal", slice_of_string("0123456789abcdef"));
}

static void teardown(void)
{
	disk_close(&disk);
}

static struct buf kept(const char *name)
{
	struct buf content = { 0 };
	struct dir lost;

	ck_assert_int_eq(dir_open_at(&disk.dir, "lost+found", false, &lost, NULL), KV_OK);
	ck_assert_int_eq(file_read_whole(&lost, name, 1 << 20, &content, NULL), KV_OK);
	dir_close(&lost);
	return content;
}

START_TEST(the_bytes_are_kept_and_the_segment_stays_as_it_is)
{
	struct buf copy, segment;

	ck_assert_int_eq(lost_found_keep(&disk.dir, 7, 10, 16, NULL), KV_OK);
	copy = kept("000007.wal.10");
	segment = disk_read(&disk, "000007.wal");
	ck_assert(slice_equal(buf_slice(&copy), slice_of_string("abcdef")));
	ck_assert(slice_equal(buf_slice(&segment), slice_of_string("0123456789abcdef")));
	buf_free(&copy);
	buf_free(&segment);
}
END_TEST

START_TEST(the_copy_is_durable_with_its_name)
{
	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(lost_found_keep(&disk.dir, 7, 10, 16, NULL), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, (const char *const[]){ "mkdir lost+found", "fsync",
		"create 000007.wal.10", "fdatasync 000007.wal.10", "fsync lost+found", NULL }));
}
END_TEST

START_TEST(a_copy_of_an_interrupted_recovery_is_replaced)
{
	struct buf copy;

	ck_assert_int_eq(lost_found_keep(&disk.dir, 7, 10, 12, NULL), KV_OK);
	ck_assert_int_eq(lost_found_keep(&disk.dir, 7, 10, 16, NULL), KV_OK);
	copy = kept("000007.wal.10");
	ck_assert_uint_eq(copy.len, 6);
	buf_free(&copy);
}
END_TEST

START_TEST(every_failing_operation_is_reported)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PREAD, FAULT_PWRITEV,
		FAULT_FDATASYNC, FAULT_FSYNC, FAULT_MKDIR };
	unsigned reached = 0;

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		for (uint64_t nth = 1;; nth++) {
			uint64_t before = fault_fs_failed(disk.fault);
			kv_status status;

			fault_fs_heal(disk.fault);
			fault_fs_fail(disk.fault, ops[i], nth, EIO);
			status = lost_found_keep(&disk.dir, 7, 10, 16, NULL);
			if (fault_fs_failed(disk.fault) == before)
				break;
			ck_assert_int_eq(status, KV_IO);
			reached++;
		}
	ck_assert_uint_ge(reached, 8);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lost_found");
	TCase *tcase = tcase_create("lost_found");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_bytes_are_kept_and_the_segment_stays_as_it_is);
	tcase_add_test(tcase, the_copy_is_durable_with_its_name);
	tcase_add_test(tcase, a_copy_of_an_interrupted_recovery_is_replaced);
	tcase_add_test(tcase, every_failing_operation_is_reported);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
