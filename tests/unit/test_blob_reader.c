/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of blob files: any place in any pieces, and every kind of damage. */
#include "engine/blob_reader.h"

#include "engine/blob_format.h"
#include "engine/blob_writer.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <stdlib.h>

static struct disk disk;
static const struct store_id id = { "0123456789abcde" };
static const struct store_id other_id = { "x123456789abcde" };
static uint8_t value[2 * BLOB_PART_BYTES + 777];
static struct blob_pointer pointer;

static void write_blob(const struct store_id *of, uint64_t number, size_t size, struct blob_pointer *ret)
{
	struct blob_writer *writer;

	ck_assert_int_eq(blob_writer_new(&disk.dir, of, number, &writer, NULL), KV_OK);
	ck_assert_int_eq(blob_writer_append(writer, slice_of(value, size), NULL), KV_OK);
	ck_assert_int_eq(blob_writer_finish(writer, ret, NULL), KV_OK);
	blob_writer_close(writer);
}

static void setup(void)
{
	uint64_t random = 11;

	disk_open(&disk);
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (uint8_t)runner_random(&random);
	write_blob(&id, 1, sizeof value, &pointer);
}

static void teardown(void)
{
	disk_close(&disk);
}

START_TEST(any_place_is_read_in_any_pieces)
{
	static uint8_t got[sizeof value];
	uint64_t random = runner_seed();
	struct blob_reader *reader;

	ck_assert_int_eq(blob_reader_open(&disk.dir, &id, &pointer, &reader, NULL), KV_OK);
	for (int i = 0; i < 300; i++) {
		uint64_t offset = runner_random(&random) % (sizeof value + 1);
		size_t len = (size_t)(runner_random(&random) % (sizeof value - offset + 1));

		if (i % 3 == 0 && len > 200)
			len = 200;
		ck_assert_int_eq(blob_reader_read(reader, offset, got, len, NULL), KV_OK);
		ck_assert_int_eq(memcmp(got, value + offset, len), 0);
	}
	blob_reader_close(reader);
}
END_TEST

START_TEST(small_reads_in_a_row_read_each_part_once)
{
	struct blob_reader *reader;
	uint64_t before;
	uint8_t got[1000];

	ck_assert_int_eq(blob_reader_open(&disk.dir, &id, &pointer, &reader, NULL), KV_OK);
	before = fault_fs_count(disk.fault, FAULT_PREAD);
	for (size_t at = 0; at < sizeof value; at += sizeof got) {
		size_t len = sizeof value - at < sizeof got ? sizeof value - at : sizeof got;

		ck_assert_int_eq(blob_reader_read(reader, at, got, len, NULL), KV_OK);
		ck_assert_mem_eq(got, value + at, len);
	}
	ck_assert_uint_eq(fault_fs_count(disk.fault, FAULT_PREAD) - before, 3);
	blob_reader_close(reader);
}
END_TEST

/* KV_OK only with the right bytes. */
static kv_status read_all(const struct blob_pointer *of, struct kv_error *err)
{
	static uint8_t got[sizeof value];
	struct blob_reader *reader;
	kv_status status = blob_reader_open(&disk.dir, &id, of, &reader, err);

	if (status != KV_OK)
		return status;
	memset(got, 0, sizeof got);
	status = blob_reader_read(reader, 0, got, (size_t)of->size, err);
	if (status == KV_OK)
		ck_assert_int_eq(memcmp(got, value, (size_t)of->size), 0);
	blob_reader_close(reader);
	return status;
}

START_TEST(every_damaged_byte_is_found_or_does_not_matter)
{
	struct blob_pointer small;
	struct buf content;
	struct kv_error err;

	write_blob(&id, 2, 300, &small);
	content = disk_read(&disk, "000002.blob");
	for (size_t at = 0; at < content.len; at++)
		for (int flip = 0; flip < DISK_FLIPS; flip++) {
			uint8_t byte = content.data[at] ^ disk_flips[flip];
			kv_status status;

			disk_patch(&disk, "000002.blob", at, slice_of(&byte, 1));
			status = read_all(&small, &err);
			disk_patch(&disk, "000002.blob", at, slice_of(&content.data[at], 1));
			ck_assert_int_eq(status, at < BLOB_HEADER_BYTES ? KV_OK : KV_CORRUPT);
			if (status != KV_OK) {
				ck_assert_ptr_nonnull(strstr(err.file, "000002.blob"));
				ck_assert(err.has_offset);
			}
		}
	ck_assert_int_eq(read_all(&small, &err), KV_OK);
	buf_free(&content);
}
END_TEST

START_TEST(every_other_length_is_found)
{
	struct blob_pointer small;
	struct buf content;
	struct kv_error err;

	write_blob(&id, 2, 300, &small);
	content = disk_read(&disk, "000002.blob");
	for (size_t len = 0; len < content.len; len++) {
		disk_write(&disk, "000002.blob", slice_of(content.data, len));
		ck_assert_int_eq(read_all(&small, &err), KV_CORRUPT);
		ck_assert_uint_eq(err.offset, len);
	}
	ck_assert_int_eq(buf_append_byte(&content, 0), KV_OK);
	disk_write(&disk, "000002.blob", buf_slice(&content));
	ck_assert_int_eq(read_all(&small, &err), KV_CORRUPT);
	buf_free(&content);
}
END_TEST

START_TEST(damage_in_one_part_leaves_the_others_readable)
{
	struct blob_reader *reader;
	struct kv_error err;
	uint8_t got[100], byte = value[BLOB_PART_BYTES + 5] ^ 1;

	disk_patch(&disk, "000001.blob", blob_part_offset(1) + 5, slice_of(&byte, 1));
	ck_assert_int_eq(blob_reader_open(&disk.dir, &id, &pointer, &reader, NULL), KV_OK);
	ck_assert_int_eq(blob_reader_read(reader, BLOB_PART_BYTES - 100, got, 100, &err), KV_OK);
	ck_assert_int_eq(blob_reader_read(reader, BLOB_PART_BYTES, got, 1, &err), KV_CORRUPT);
	ck_assert_uint_eq(err.offset, blob_part_offset(1));
	ck_assert_int_eq(blob_reader_read(reader, BLOB_PART_BYTES, got, 1, &err), KV_CORRUPT);
	ck_assert_int_eq(blob_reader_read(reader, 2 * BLOB_PART_BYTES, got, 100, &err), KV_OK);
	ck_assert_mem_eq(got, value + 2 * BLOB_PART_BYTES, 100);
	blob_reader_close(reader);
}
END_TEST

/* The parts of a file, in another order. */
START_TEST(swapped_parts_are_found)
{
	enum { BYTES = BLOB_PART_BYTES + BLOB_PART_CHECKSUM_BYTES };
	struct buf content = disk_read(&disk, "000001.blob");

	disk_patch(&disk, "000001.blob", blob_part_offset(0), slice_of(content.data + blob_part_offset(1), BYTES));
	disk_patch(&disk, "000001.blob", blob_part_offset(1), slice_of(content.data + blob_part_offset(0), BYTES));
	ck_assert_int_eq(read_all(&pointer, NULL), KV_CORRUPT);
	buf_free(&content);
}
END_TEST

START_TEST(the_file_of_another_value_or_store_is_found)
{
	struct blob_pointer twin, foreign, wrong = pointer;
	struct buf content;

	write_blob(&id, 2, sizeof value, &twin); /* the same bytes, even */
	content = disk_read(&disk, "000002.blob");
	disk_write(&disk, "000001.blob", buf_slice(&content));
	buf_free(&content);
	ck_assert_int_eq(read_all(&pointer, NULL), KV_CORRUPT);
	ck_assert_int_eq(read_all(&twin, NULL), KV_OK);

	write_blob(&other_id, 3, sizeof value, &foreign);
	ck_assert_int_eq(read_all(&foreign, NULL), KV_CORRUPT);

	wrong = twin;
	wrong.checksum ^= 1; /* the same number in the life of a copy of the store */
	ck_assert_int_eq(read_all(&wrong, NULL), KV_CORRUPT);
	wrong = twin;
	wrong.size--;
	ck_assert_int_eq(read_all(&wrong, NULL), KV_CORRUPT);
}
END_TEST

START_TEST(a_missing_file_is_damage_that_is_named)
{
	struct kv_error err;

	ck_assert_int_eq(dir_unlink(&disk.dir, "000001.blob", NULL), KV_OK);
	ck_assert_int_eq(read_all(&pointer, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, "000001.blob"));
	ck_assert_int_eq(disk.dir.fs->ops->mkdir(disk.dir.fs->ctx, disk.dir.fd, "000001.blob", 0700), 0);
	ck_assert_int_eq(read_all(&pointer, &err), KV_CORRUPT);
}
END_TEST

START_TEST(an_error_of_the_disk_is_not_damage_and_may_pass)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_SIZE, FAULT_PREAD };
	struct kv_error err;

	for (unsigned i = 0; i < 3; i++)
		for (uint64_t nth = 1;; nth++) {
			uint64_t before = fault_fs_failed(disk.fault);
			kv_status status;

			fault_fs_fail(disk.fault, ops[i], nth, EIO);
			status = read_all(&pointer, &err);
			fault_fs_heal(disk.fault);
			ck_assert_int_eq(status, fault_fs_failed(disk.fault) > before ? KV_IO : KV_OK);
			if (status == KV_OK)
				break;
			ck_assert_int_eq(read_all(&pointer, &err), KV_OK);
		}
}
END_TEST

START_TEST(without_memory_nothing_is_opened)
{
	struct blob_reader *reader;
	kv_status status;

	fault_alloc_fail(1, false);
	status = blob_reader_open(&disk.dir, &id, &pointer, &reader, NULL);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blob_reader");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, any_place_is_read_in_any_pieces);
	tcase_add_test(tc, small_reads_in_a_row_read_each_part_once);
	tcase_add_test(tc, every_damaged_byte_is_found_or_does_not_matter);
	tcase_add_test(tc, every_other_length_is_found);
	tcase_add_test(tc, damage_in_one_part_leaves_the_others_readable);
	tcase_add_test(tc, swapped_parts_are_found);
	tcase_add_test(tc, the_file_of_another_value_or_store_is_found);
	tcase_add_test(tc, a_missing_file_is_damage_that_is_named);
	tcase_add_test(tc, an_error_of_the_disk_is_not_damage_and_may_pass);
	tcase_add_test(tc, without_memory_nothing_is_opened);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
