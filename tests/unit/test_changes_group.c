/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups of the log as a reader of changes has them: nothing is given out that the checksum of its group was not right for, and without memory
 * it is said so. */
#include "engine/changes_group.h"

#include "engine/filename.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/wal_log.h"

#include <errno.h>

enum { NUMBER = 1, SEGMENT_BYTES = 4 << 20, SMALL = 0, LARGE = 1 }; /* two groups, of which the second does not fit the window */

static struct wal_log log_;
static struct file file;
static struct changes_source source;
static struct changes_group group;

static void setup(void)
{
	char name[FILENAME_MAX_BYTES];

	wal_log_open(&log_);
	wal_log_begin(&log_, NUMBER, SEGMENT_BYTES);
	wal_log_commit(&log_, 3, 100);
	wal_log_commit(&log_, 30, 30000);
	ck_assert_uint_gt(log_.groups[LARGE].payload.len, 3 * CHANGES_GROUP_WINDOW);
	ck_assert_int_eq(file_open(&log_.disk.dir, filename_make(name, FILENAME_WAL, NUMBER), FILE_READ_WRITE, &file, NULL), KV_OK);
	source = (struct changes_source){ .file = &file, .id = &log_.id, .number = NUMBER,
		.end = wal_writer_end(log_.writer), .sequence = log_.next_sequence - 1 };
	changes_group_init(&group);
}

static void teardown(void)
{
	changes_group_free(&group);
	file_close(&file);
	wal_log_close(&log_);
}

static kv_status open_and_verify(unsigned which)
{
	const struct wal_log_group *written = &log_.groups[which];
	kv_status status = changes_group_open(&group, &source, written->offset, written->first_sequence, NULL);

	if (status == KV_OK)
		status = changes_group_verify(&group, &source, NULL);
	return status;
}

/* All of it in pieces of `step` bytes. */
static kv_status read_all(unsigned which, size_t step)
{
	struct slice payload = buf_slice(&log_.groups[which].payload), piece = { 0 };
	kv_status status = KV_OK;

	for (size_t at = 0; at < payload.len && status == KV_OK; at += step) {
		size_t len = payload.len - at < step ? payload.len - at : step;

		status = changes_group_bytes(&group, &source, at, len, &piece, NULL);
		if (status == KV_OK && !slice_equal(piece, slice_of(payload.data + at, len)))
			return KV_INVALID;
	}
	return status;
}

static void flip(uint64_t offset)
{
	uint8_t byte;

	ck_assert_int_eq(file_read_at(&file, &byte, 1, offset, NULL), KV_OK);
	byte ^= 0x10;
	ck_assert_int_eq(file_write_at(&file, slice_of(&byte, 1), offset, NULL), KV_OK);
}

static void expect_whole(unsigned which)
{
	changes_group_forget(&group);
	ck_assert_int_eq(open_and_verify(which), KV_OK);
	ck_assert_int_eq(read_all(which, 7777), KV_OK);
	ck_assert_int_eq(read_all(which, CHANGES_GROUP_WINDOW + 1), KV_OK);
}

START_TEST(a_group_comes_as_it_was_written)
{
	expect_whole(SMALL);
	expect_whole(LARGE);
}
END_TEST

START_TEST(a_header_that_is_not_that_of_the_group_is_damage)
{
	const struct wal_log_group *written = &log_.groups[SMALL];

	ck_assert_int_eq(changes_group_open(&group, &source, written->offset, written->first_sequence + 1, NULL), KV_CORRUPT);
	ck_assert_int_eq(changes_group_open(&group, &source, written->offset + WAL_GROUP_ALIGN, 1, NULL), KV_CORRUPT);
	ck_assert_int_eq(changes_group_open(&group, &source, source.end, 1, NULL), KV_CORRUPT);
	ck_assert_int_eq(changes_group_open(&group, &source, source.end + 8, 1, NULL), KV_CORRUPT);
	for (unsigned at = WAL_GROUP_MARK_OFFSET; at < WAL_GROUP_HEADER_BYTES; at++) {
		changes_group_forget(&group);
		flip(written->offset + at);
		ck_assert_int_eq(changes_group_open(&group, &source, written->offset, written->first_sequence, NULL), KV_CORRUPT);
		flip(written->offset + at);
	}
	source.end = log_.groups[LARGE].offset + 5000; /* the file ends before the group does */
	ck_assert_int_eq(open_and_verify(LARGE), KV_CORRUPT);
}
END_TEST

/* _i: small or large. */
START_TEST(a_flipped_byte_is_damage_before_anything_is_given_out)
{
	const struct wal_log_group *written = &log_.groups[_i];
	uint64_t payload = written->offset + WAL_GROUP_HEADER_BYTES;
	size_t step = written->payload.len / 20 + 1;

	for (size_t at = 0; at < written->payload.len; at += step) {
		changes_group_forget(&group);
		flip(payload + at);
		ck_assert_int_eq(open_and_verify((unsigned)_i), KV_CORRUPT);
		flip(payload + at);
	}
	expect_whole((unsigned)_i);
}
END_TEST

/* It was right when it was verified. A small one is in memory since then. */
START_TEST(a_part_that_changes_after_it_was_verified_is_not_given_out)
{
	uint64_t payload = log_.groups[LARGE].offset + WAL_GROUP_HEADER_BYTES;

	ck_assert_int_eq(open_and_verify(LARGE), KV_OK);
	flip(payload + CHANGES_GROUP_WINDOW + 5);
	ck_assert_int_eq(read_all(LARGE, 7777), KV_CORRUPT);
	ck_assert_int_eq(read_all(LARGE, CHANGES_GROUP_WINDOW + 1), KV_CORRUPT);
	flip(payload + CHANGES_GROUP_WINDOW + 5);
	ck_assert_int_eq(read_all(LARGE, 7777), KV_OK);
}
END_TEST

START_TEST(without_memory_it_is_said_so)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		kv_status status;

		changes_group_forget(&group);
		fault_alloc_fail_here(nth);
		status = open_and_verify((unsigned)_i);
		if (status == KV_OK)
			status = read_all((unsigned)_i, CHANGES_GROUP_WINDOW + 1);
		failed = fault_alloc_failed();
		fault_alloc_fail_here(0);
		ck_assert_int_eq(status, failed > 0 ? KV_NO_MEMORY : KV_OK);
	}
	expect_whole((unsigned)_i);
}
END_TEST

/* A read that fails is not taken for what was there before. */
START_TEST(a_read_that_fails_is_said_so)
{
	unsigned nth = 1;
	kv_status status = KV_IO;

	for (; status != KV_OK; nth++) {
		ck_assert_uint_lt(nth, 100);
		changes_group_forget(&group);
		fault_fs_fail(log_.disk.fault, FAULT_PREAD, nth, EIO);
		status = open_and_verify((unsigned)_i);
		if (status == KV_OK)
			status = read_all((unsigned)_i, 7777);
		fault_fs_heal(log_.disk.fault);
		ck_assert(status == KV_OK || status == KV_IO);
	}
	ck_assert_uint_gt(nth, 2);
	expect_whole((unsigned)_i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("changes_group");
	TCase *tc = tcase_create("changes_group");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_group_comes_as_it_was_written);
	tcase_add_test(tc, a_header_that_is_not_that_of_the_group_is_damage);
	tcase_add_loop_test(tc, a_flipped_byte_is_damage_before_anything_is_given_out, SMALL, LARGE + 1);
	tcase_add_test(tc, a_part_that_changes_after_it_was_verified_is_not_given_out);
	tcase_add_loop_test(tc, without_memory_it_is_said_so, SMALL, LARGE + 1);
	tcase_add_loop_test(tc, a_read_that_fails_is_said_so, SMALL, LARGE + 1);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
