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

static kv_status keep(uint64_t begin, uint64_t end)
{
	const char *where;

	return lost_found_keep(&disk.dir, 7, begin, end, &where, NULL);
}

START_TEST(the_bytes_are_kept_and_the_segment_stays_as_it_is)
{
	struct buf copy, segment;

	ck_assert_int_eq(keep(10, 16), KV_OK);
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
	ck_assert_int_eq(keep(10, 16), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, (const char *const[]){ "mkdir lost+found", "fsync",
		"create 000007.wal.10", "fdatasync 000007.wal.10", "fsync lost+found", NULL }));
}
END_TEST

START_TEST(a_copy_of_an_interrupted_recovery_is_replaced)
{
	struct buf copy;

	ck_assert_int_eq(keep(10, 12), KV_OK);
	ck_assert_int_eq(keep(10, 16), KV_OK);
	copy = kept("000007.wal.10");
	ck_assert_uint_eq(copy.len, 6);
	buf_free(&copy);
}
END_TEST

START_TEST(every_failing_operation_is_reported)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PREAD, FAULT_PWRITEV,
		FAULT_FDATASYNC, FAULT_FSYNC, FAULT_MKDIR, FAULT_UNLINK };
	unsigned reached = 0;

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		for (uint64_t nth = 1;; nth++) {
			uint64_t before = fault_fs_failed(disk.fault);
			kv_status status;

			fault_fs_heal(disk.fault);
			fault_fs_fail(disk.fault, ops[i], nth, EIO);
			status = keep(10, 16);
			if (fault_fs_failed(disk.fault) == before)
				break;
			ck_assert_int_eq(status, KV_IO);
			reached++;
		}
	ck_assert_uint_ge(reached, 8);
}
END_TEST

/* An ext4's own, in a mount point: root's. One may be let in and yet not write. */
START_TEST(where_one_may_not_write_the_other_name_is_taken)
{
	static const int refusals[] = { EACCES, EPERM, EROFS };

	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		struct dir lost;

		fault_fs_add(disk.fault, (struct fault_rule){ .op = FAULT_OPEN, .name_part = "kvstored.probe", .nth = 1,
			.errnum = refusals[i] });
		ck_assert_int_eq(lost_found_open(&disk.dir, &lost, NULL), KV_OK);
		ck_assert_str_eq(lost_found_name(&lost), "lost+found.kvstored");
		dir_close(&lost);
	}
}
END_TEST

START_TEST(nothing_of_the_look_is_left)
{
	struct dir lost;

	ck_assert_int_eq(lost_found_open(&disk.dir, &lost, NULL), KV_OK);
	ck_assert_str_eq(lost_found_name(&lost), "lost+found");
	ck_assert_int_eq(file_open(&lost, "kvstored.probe", FILE_READ, &(struct file){ .fd = -1 }, NULL), KV_NOT_FOUND);
	dir_close(&lost);
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
	tcase_add_test(tcase, where_one_may_not_write_the_other_name_is_taken);
	tcase_add_test(tcase, nothing_of_the_look_is_left);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
