/* SPDX-License-Identifier: BSD-2-Clause */
/* A file of a large value verified by itself: all damage is told, and what is whole is not. */
#include "engine/blob_verify.h"

#include "engine/blob_writer.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/page_cache.h"
#include "support/runner.h"

#include <errno.h>

static struct disk disk;
static const struct store_id id = { "0123456789abcde" }, other_id = { "x123456789abcde" };
static uint8_t value[2 * BLOB_PART_BYTES + 100];
static uint64_t paced;
static kv_status pace_status;

static kv_status pace(void *arg, uint64_t bytes)
{
	(void)arg;
	paced += bytes;
	return pace_status;
}

static const struct verify_way way = { .pace = pace };

static void write_blob(const struct store_id *of, size_t size)
{
	struct blob_pointer pointer;
	struct blob_writer *writer;

	ck_assert_int_eq(blob_writer_new(&disk.dir, of, 1, &writer, NULL), KV_OK);
	ck_assert_int_eq(blob_writer_append(writer, slice_of(value, size), NULL), KV_OK);
	ck_assert_int_eq(blob_writer_finish(writer, &pointer, NULL), KV_OK);
	blob_writer_close(writer);
}

static void set_up(void)
{
	uint64_t random = 12;

	disk_open(&disk);
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (uint8_t)runner_random(&random);
	paced = 0;
	pace_status = KV_OK;
}

static void tear_down(void)
{
	disk_close(&disk);
}

static kv_status verify(void)
{
	struct kv_error err = { 0 };
	kv_status status = blob_verify_from_disk(&disk.dir, &id, 1, &way, &err);

	if (status != KV_OK && status != KV_BUSY)
		ck_assert_ptr_nonnull(strstr(err.file, "000001.blob"));
	return status;
}

static const size_t sizes[] = { 1, 100, BLOB_PART_BYTES - 1, BLOB_PART_BYTES, BLOB_PART_BYTES + 1,
	2 * BLOB_PART_BYTES, sizeof value };

START_TEST(a_whole_file_of_any_size_is_good)
{
	write_blob(&id, sizes[_i]);
	ck_assert_int_eq(verify(), KV_OK);
	ck_assert_uint_ge(paced, sizes[_i]);
}
END_TEST

START_TEST(all_of_it_comes_from_the_disk)
{
	struct dir dir = disk.dir;

	write_blob(&id, sizes[_i]);
	dir.fs = page_cache_fs(disk.dir.fs);
	ck_assert_int_eq(blob_verify_from_disk(&dir, &id, 1, &way, NULL), KV_OK);
	ck_assert_uint_eq(page_cache_old_reads(), 0);
}
END_TEST

START_TEST(every_flipped_byte_and_every_length_is_told)
{
	struct buf content;

	write_blob(&id, 100);
	content = disk_read(&disk, "000001.blob");
	for (size_t at = 0; at < content.len; at++)
		for (size_t i = 0; i < DISK_FLIPS; i++) {
			content.data[at] ^= disk_flips[i];
			disk_write(&disk, "000001.blob", buf_slice(&content));
			ck_assert_int_eq(verify(), KV_CORRUPT);
			content.data[at] ^= disk_flips[i];
		}
	for (size_t len = 0; len < content.len; len++) {
		disk_write(&disk, "000001.blob", slice_of(content.data, len));
		ck_assert_int_eq(verify(), KV_CORRUPT);
	}
	ck_assert_int_eq(buf_append_zeros(&content, 8), KV_OK);
	disk_write(&disk, "000001.blob", buf_slice(&content));
	ck_assert_int_eq(verify(), KV_CORRUPT);
	buf_free(&content);
}
END_TEST

START_TEST(flipped_bytes_in_a_file_of_several_parts_are_told)
{
	uint64_t random = runner_seed();
	struct buf content;

	write_blob(&id, sizeof value);
	content = disk_read(&disk, "000001.blob");
	for (unsigned n = 0; n < 200; n++) {
		size_t at = (size_t)(runner_random(&random) % content.len);
		uint8_t wrong = content.data[at] ^ disk_flips[n % DISK_FLIPS];

		disk_patch(&disk, "000001.blob", at, slice_of(&wrong, 1));
		ck_assert_int_eq(verify(), KV_CORRUPT);
		disk_patch(&disk, "000001.blob", at, slice_of(content.data + at, 1));
	}
	ck_assert_int_eq(verify(), KV_OK);
	buf_free(&content);
}
END_TEST

START_TEST(the_file_of_another_store_and_none_are_damage)
{
	ck_assert_int_eq(verify(), KV_CORRUPT);
	write_blob(&other_id, 100);
	ck_assert_int_eq(verify(), KV_CORRUPT);
}
END_TEST

START_TEST(who_paces_can_end_it)
{
	write_blob(&id, sizeof value);
	pace_status = KV_BUSY;
	ck_assert_int_eq(verify(), KV_BUSY);
}
END_TEST

START_TEST(no_failure_passes_for_a_good_file)
{
	kv_status status = KV_IO;
	uint64_t failed = 1;

	write_blob(&id, sizeof value);
	for (uint64_t nth = 1; failed > 0; nth++) {
		uint64_t closed = fault_fs_count(disk.fault, FAULT_CLOSE),
			 before = fault_fs_failed(disk.fault);

		fault_fs_fail(disk.fault, FAULT_ANY, nth, EIO);
		status = blob_verify_from_disk(&disk.dir, &id, 1, &way, NULL);
		failed = fault_fs_failed(disk.fault) - before;
		fault_fs_heal(disk.fault);
		ck_assert(status == KV_IO || status == KV_OK);
		/* only that of the close does not matter, and it is the last */
		ck_assert(status == KV_IO || failed == 0 ||
			  fault_fs_count(disk.fault, FAULT_CLOSE) > closed);
		ck_assert_uint_lt(nth, 50);
	}
	fault_alloc_fail(1, false);
	status = blob_verify_from_disk(&disk.dir, &id, 1, &way, NULL);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blob_verify");
	TCase *tests = tcase_create("blob_verify");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(
		tests, a_whole_file_of_any_size_is_good, 0, sizeof sizes / sizeof sizes[0]);
	tcase_add_loop_test(tests, all_of_it_comes_from_the_disk, 0, sizeof sizes / sizeof sizes[0]);
	tcase_add_test(tests, every_flipped_byte_and_every_length_is_told);
	tcase_add_test(tests, flipped_bytes_in_a_file_of_several_parts_are_told);
	tcase_add_test(tests, the_file_of_another_store_and_none_are_damage);
	tcase_add_test(tests, who_paces_can_end_it);
	tcase_add_test(tests, no_failure_passes_for_a_good_file);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
