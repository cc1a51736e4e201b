/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer of a blob file: what lies on disk, in which order it gets there, and what failures leave. */
#include "engine/blob_writer.h"

#include "engine/blob_format.h"
#include "engine/blob_reader.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <stdlib.h>

static struct disk disk;
static const struct store_id id = { "0123456789abcde" };
static uint8_t *value;
enum { VALUE_BYTES = 5 * BLOB_PART_BYTES };

static void setup(void)
{
	uint64_t random = 7;

	disk_open(&disk);
	value = malloc(VALUE_BYTES);
	ck_assert_ptr_nonnull(value);
	for (size_t i = 0; i < VALUE_BYTES; i++)
		value[i] = (uint8_t)runner_random(&random);
}

static void teardown(void)
{
	free(value);
	disk_close(&disk);
}

static kv_status write_value(uint64_t number, size_t size, size_t piece, struct blob_pointer *ret)
{
	struct blob_writer *writer;
	struct kv_error err = { 0 };
	kv_status status = blob_writer_new(&disk.dir, &id, number, &writer, &err);

	if (status != KV_OK)
		return status;
	for (size_t at = 0; status == KV_OK && at < size; at += piece)
		status = blob_writer_append(writer,
			slice_of(value + at, piece < size - at ? piece : size - at), &err);
	if (status == KV_OK)
		ck_assert_uint_eq(blob_writer_bytes(writer), size);
	if (status == KV_OK)
		status = blob_writer_finish(writer, ret, &err);
	if (status == KV_OK)
		status = blob_writer_sync(writer, &err);
	if (status != KV_OK)
		ck_assert_int_eq(err.status, status);
	blob_writer_close(writer);
	return status;
}

static const size_t sizes[] = { 1, 100, BLOB_PART_BYTES - 1, BLOB_PART_BYTES, BLOB_PART_BYTES + 1,
	3 * BLOB_PART_BYTES - 1, 3 * BLOB_PART_BYTES, 4 * BLOB_PART_BYTES + 12345 };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

START_TEST(the_file_does_not_depend_on_how_the_value_came)
{
	static const size_t pieces[] = { 1 << 30, BLOB_PART_BYTES, BLOB_PART_BYTES - 7, 100000, 4099 };

	for (unsigned s = 0; s < SIZES; s++) {
		struct buf first = { 0 };
		struct blob_pointer pointer = { 0 }, again = { 0 };

		for (unsigned p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
			struct buf content;

			ck_assert_int_eq(write_value(1, sizes[s], pieces[p], p == 0 ? &pointer : &again), KV_OK);
			content = disk_read(&disk, "000001.blob");
			ck_assert_int_eq(dir_unlink(&disk.dir, "000001.blob", NULL), KV_OK);
			ck_assert_uint_eq(content.len, blob_file_bytes(sizes[s]));
			if (p == 0) {
				first = content;
				continue;
			}
			ck_assert(slice_equal(buf_slice(&content), buf_slice(&first)));
			ck_assert_uint_eq(pointer.checksum, again.checksum);
			buf_free(&content);
		}
		ck_assert_uint_eq(pointer.number, 1);
		ck_assert_uint_eq(pointer.size, sizes[s]);
		buf_free(&first);
	}
}
END_TEST

START_TEST(what_was_written_is_read_back)
{
	uint8_t *back = malloc(VALUE_BYTES);

	for (unsigned s = 0; s < SIZES; s++) {
		struct blob_pointer pointer;
		struct blob_reader *reader;

		ck_assert_int_eq(write_value(s + 1, sizes[s], 10000, &pointer), KV_OK);
		ck_assert_int_eq(blob_reader_open(&disk.dir, &id, &pointer, &reader, NULL), KV_OK);
		ck_assert_int_eq(blob_reader_read(reader, 0, back, sizes[s], NULL), KV_OK);
		ck_assert_mem_eq(back, value, sizes[s]);
		blob_reader_close(reader);
	}
	free(back);
}
END_TEST

START_TEST(equal_values_in_two_files_have_no_checksum_in_common)
{
	struct blob_pointer a, b;
	struct buf first, second;

	ck_assert_int_eq(write_value(1, 100, 100, &a), KV_OK);
	ck_assert_int_eq(write_value(2, 100, 100, &b), KV_OK);
	ck_assert_uint_ne(a.checksum, b.checksum);
	first = disk_read(&disk, "000001.blob");
	second = disk_read(&disk, "000002.blob");
	ck_assert_int_ne(memcmp(first.data + BLOB_HEADER_BYTES + 100, second.data + BLOB_HEADER_BYTES + 100,
		BLOB_PART_CHECKSUM_BYTES), 0);
	buf_free(&first);
	buf_free(&second);
}
END_TEST

START_TEST(the_disk_begins_to_write_before_the_sync)
{
	static const char *const order[] = { "create 000001.blob", "pwritev 000001.blob 0 65592",
		"writeback 000001.blob 0 4194", "writeback 000001.blob 4194", "fdatasync 000001.blob", NULL };
	struct blob_writer *writer;
	struct blob_pointer pointer;

	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(blob_writer_new(&disk.dir, &id, 1, &writer, NULL), KV_OK);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(blob_writer_append(writer, slice_of(value, VALUE_BYTES), NULL), KV_OK);
	ck_assert_int_eq(blob_writer_finish(writer, &pointer, NULL), KV_OK);
	ck_assert_int_eq(blob_writer_sync(writer, NULL), KV_OK);
	blob_writer_close(writer);
	ck_assert(fault_fs_in_order(disk.fault, order));
	ck_assert_uint_eq(fault_fs_count(disk.fault, FAULT_FDATASYNC), 1);
}
END_TEST

START_TEST(a_taken_number_is_refused_and_the_file_left_alone)
{
	struct blob_pointer pointer;
	struct buf content;

	disk_write(&disk, "000001.blob", slice_of_string("other"));
	ck_assert_int_eq(write_value(1, 100, 100, &pointer), KV_INVALID);
	content = disk_read(&disk, "000001.blob");
	ck_assert_uint_eq(content.len, 5);
	buf_free(&content);
}
END_TEST

START_TEST(each_failure_of_the_disk_is_told_and_final)
{
	static const struct { enum fault_op op; int errnum; kv_status want; } cases[] = {
		{ FAULT_OPEN, EACCES, KV_IO }, { FAULT_PWRITEV, EIO, KV_IO }, { FAULT_PWRITEV, ENOSPC, KV_NO_SPACE },
		{ FAULT_FDATASYNC, EIO, KV_IO }, { FAULT_FDATASYNC, ENOSPC, KV_NO_SPACE },
	};
	uint64_t number = 1;

	for (unsigned c = 0; c < sizeof cases / sizeof cases[0]; c++)
		for (uint64_t nth = 1;; nth++) {
			struct blob_pointer pointer;
			uint64_t before = fault_fs_failed(disk.fault);
			kv_status status;

			fault_fs_fail(disk.fault, cases[c].op, nth, cases[c].errnum);
			status = write_value(number++, 3 * BLOB_PART_BYTES + 1, 50000, &pointer);
			fault_fs_heal(disk.fault);
			if (fault_fs_failed(disk.fault) == before) {
				ck_assert_int_eq(status, KV_OK);
				ck_assert_uint_gt(nth, 1);
				break;
			}
			ck_assert_int_eq(status, cases[c].want);
		}
}
END_TEST

START_TEST(after_a_failure_nothing_is_written_or_synced_any_more)
{
	struct blob_writer *writer;
	struct blob_pointer pointer;
	uint64_t writes;

	ck_assert_int_eq(blob_writer_new(&disk.dir, &id, 1, &writer, NULL), KV_OK);
	fault_fs_fail(disk.fault, FAULT_PWRITEV, 1, ENOSPC);
	ck_assert_int_eq(blob_writer_append(writer, slice_of(value, VALUE_BYTES), NULL), KV_NO_SPACE);
	writes = fault_fs_count(disk.fault, FAULT_PWRITEV);
	ck_assert_int_eq(blob_writer_append(writer, slice_of(value, VALUE_BYTES), NULL), KV_IO);
	ck_assert_int_eq(blob_writer_finish(writer, &pointer, NULL), KV_IO);
	ck_assert_uint_eq(fault_fs_count(disk.fault, FAULT_PWRITEV), writes);
	blob_writer_close(writer);

	ck_assert_int_eq(blob_writer_new(&disk.dir, &id, 2, &writer, NULL), KV_OK);
	ck_assert_int_eq(blob_writer_append(writer, slice_of(value, 100), NULL), KV_OK);
	ck_assert_int_eq(blob_writer_finish(writer, &pointer, NULL), KV_OK);
	fault_fs_fail(disk.fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(blob_writer_sync(writer, NULL), KV_IO);
	ck_assert_int_eq(blob_writer_sync(writer, NULL), KV_IO);
	ck_assert_uint_eq(fault_fs_count(disk.fault, FAULT_FDATASYNC), 1);
	blob_writer_close(writer);
}
END_TEST

START_TEST(a_disk_that_cannot_begin_early_is_no_error_but_a_broken_one_is)
{
	static const struct { int errnum; kv_status want; } cases[] = { { ENOSYS, KV_OK }, { EINVAL, KV_OK }, { EIO, KV_IO } };

	for (unsigned c = 0; c < 3; c++) {
		struct blob_writer *writer;
		kv_status status = KV_OK;

		ck_assert_int_eq(blob_writer_new(&disk.dir, &id, c + 1, &writer, NULL), KV_OK);
		fault_fs_fail(disk.fault, FAULT_WRITEBACK, 1, cases[c].errnum);
		for (int i = 0; status == KV_OK && i < 30; i++)
			status = blob_writer_append(writer, slice_of(value, VALUE_BYTES), NULL);
		ck_assert_int_eq(status, cases[c].want);
		blob_writer_close(writer);
		fault_fs_heal(disk.fault);
	}
	ck_assert_uint_ge(fault_fs_failed(disk.fault), 3);
}
END_TEST

START_TEST(short_writes_are_continued)
{
	struct blob_pointer pointer;
	struct buf whole, again;

	ck_assert_int_eq(write_value(1, 200000, 200000, &pointer), KV_OK);
	whole = disk_read(&disk, "000001.blob");
	ck_assert_int_eq(dir_unlink(&disk.dir, "000001.blob", NULL), KV_OK);
	fault_fs_shorten(disk.fault, 1000);
	ck_assert_int_eq(write_value(1, 200000, 200000, &pointer), KV_OK);
	again = disk_read(&disk, "000001.blob");
	ck_assert(slice_equal(buf_slice(&whole), buf_slice(&again)));
	buf_free(&whole);
	buf_free(&again);
}
END_TEST

START_TEST(every_failed_allocation_is_told_and_leaves_no_file)
{
	for (uint64_t nth = 1;; nth++) {
		struct blob_writer *writer = NULL;
		uint64_t failed;
		kv_status status;

		fault_alloc_fail(nth, false);
		status = blob_writer_new(&disk.dir, &id, 1, &writer, NULL);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, failed ? KV_NO_MEMORY : KV_OK);
		ck_assert_int_eq(dir_has(&disk.dir, "000001.blob"), !failed);
		blob_writer_close(writer);
		if (!failed)
			break;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blob_writer");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_file_does_not_depend_on_how_the_value_came);
	tcase_add_test(tc, what_was_written_is_read_back);
	tcase_add_test(tc, equal_values_in_two_files_have_no_checksum_in_common);
	tcase_add_test(tc, the_disk_begins_to_write_before_the_sync);
	tcase_add_test(tc, a_taken_number_is_refused_and_the_file_left_alone);
	tcase_add_test(tc, each_failure_of_the_disk_is_told_and_final);
	tcase_add_test(tc, after_a_failure_nothing_is_written_or_synced_any_more);
	tcase_add_test(tc, a_disk_that_cannot_begin_early_is_no_error_but_a_broken_one_is);
	tcase_add_test(tc, short_writes_are_continued);
	tcase_add_test(tc, every_failed_allocation_is_told_and_leaves_no_file);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
