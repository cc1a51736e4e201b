/* SPDX-License-Identifier: BSD-2-Clause */
/* Large values: each is read once, and what is wrong with it is told. */
#include "engine/blob_check.h"

#include "engine/blob_writer.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <stdlib.h>

enum { SIZE = 2 * BLOB_PART_BYTES + 777 };

static struct disk disk;
static const struct store_id id = { "0123456789abcde" };
static uint8_t value[SIZE];
static struct blob_pointer pointer;
static struct blob_check *check;
static unsigned faults, value_faults;

static void note_fault(void *arg, const char *name, uint64_t offset, const char *what, bool of_value)
{
	(void)arg;
	(void)offset;
	(void)what;
	ck_assert_str_eq(name, "000001.blob");
	faults++;
	value_faults += of_value;
}

static void setup(void)
{
	const struct blob_check_events events = { .fault = note_fault };
	struct blob_writer *writer;

	disk_open(&disk);
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (uint8_t)(i * 31 >> 3);
	ck_assert_int_eq(blob_writer_new(&disk.dir, &id, 1, &writer, NULL), KV_OK);
	ck_assert_int_eq(blob_writer_append(writer, slice_of(value, sizeof value), NULL), KV_OK);
	ck_assert_int_eq(blob_writer_finish(writer, &pointer, NULL), KV_OK);
	blob_writer_close(writer);
	check = blob_check_new(&disk.dir, &id, &events);
	faults = value_faults = 0;
}

static void teardown(void)
{
	check = blob_check_free(check);
	disk_close(&disk);
}

static bool is_good(void)
{
	bool good;

	ck_assert_int_eq(blob_check_pointer(check, &pointer, &good, NULL), KV_OK);
	return good;
}

static void flip(uint64_t at)
{
	struct buf there = disk_read(&disk, "000001.blob");
	uint8_t byte = there.data[at] ^ 0x80;

	disk_patch(&disk, "000001.blob", at, slice_of(&byte, 1));
	buf_free(&there);
}

START_TEST(a_value_is_read_once)
{
	uint64_t reads;

	ck_assert(!blob_check_is_needed(check, 1));
	ck_assert(is_good());
	reads = fault_fs_count(disk.fault, FAULT_PREAD);
	ck_assert(is_good());
	ck_assert_uint_eq(fault_fs_count(disk.fault, FAULT_PREAD), reads);
	ck_assert(blob_check_is_needed(check, 1) && !blob_check_has_bad_header(check, 1));
	ck_assert_uint_eq(faults, 0);
}
END_TEST

START_TEST(every_damaged_part_is_told)
{
	flip(100);
	flip(BLOB_PART_BYTES + 200);
	ck_assert(!is_good());
	ck_assert_uint_eq(value_faults, 2);
	ck_assert(!is_good());
	ck_assert_uint_eq(value_faults, 2); /* not told again */
	ck_assert(blob_check_is_needed(check, 1));
}
END_TEST

START_TEST(a_damaged_header_leaves_the_value_good)
{
	flip(20);
	ck_assert(is_good());
	ck_assert_uint_eq(faults, 1);
	ck_assert_uint_eq(value_faults, 0);
	ck_assert(blob_check_has_bad_header(check, 1));
}
END_TEST

START_TEST(a_missing_file_and_another_value_are_told)
{
	struct blob_pointer other = pointer;
	bool good;

	other.checksum++;
	ck_assert_int_eq(blob_check_pointer(check, &other, &good, NULL), KV_OK);
	ck_assert(!good);
	ck_assert(is_good());
	ck_assert(blob_check_is_needed(check, 1));
	ck_assert_int_eq(dir_unlink(&disk.dir, "000001.blob", NULL), KV_OK);
	other.size++;
	ck_assert_int_eq(blob_check_pointer(check, &other, &good, NULL), KV_OK);
	ck_assert(!good);
	ck_assert_uint_eq(value_faults, 2);
}
END_TEST

START_TEST(a_failure_is_no_damage)
{
	kv_status status = KV_IO;
	bool good = false;

	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_fs_fail(disk.fault, FAULT_PREAD, nth, EIO);
		status = blob_check_pointer(check, &pointer, &good, NULL);
		fault_fs_heal(disk.fault);
		ck_assert(status == KV_OK || status == KV_IO);
	}
	ck_assert(good);
	pointer.checksum++; /* one that is not remembered */
	status = KV_NO_MEMORY;
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_alloc_fail(nth, false);
		status = blob_check_pointer(check, &pointer, &good, NULL);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blob_check");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_value_is_read_once);
	tcase_add_test(tcase, every_damaged_part_is_told);
	tcase_add_test(tcase, a_damaged_header_leaves_the_value_good);
	tcase_add_test(tcase, a_missing_file_and_another_value_are_told);
	tcase_add_test(tcase, a_failure_is_no_damage);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
