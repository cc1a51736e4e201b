/* SPDX-License-Identifier: BSD-2-Clause */
/* A log that nobody syncs is written to windows of its file; a reader cannot tell, and no failure of a window costs a group. */
#include "engine/wal_writer.h"

#include "support/runner.h"
#include "support/wal_log.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
	SEGMENT_BYTES = 3 << 20,
	ZEROS_WRITES_MAX = 20, /* for a window of 1 MiB */
};

static struct wal_log log_;

static void setup(void)
{
	wal_log_open(&log_);
	fault_fs_allow_maps(log_.disk.fault);
	wal_log_begin(&log_, 1, SEGMENT_BYTES);
}

static void teardown(void)
{
	wal_log_close(&log_);
}

static uint64_t count(enum fault_op op)
{
	return fault_fs_count(log_.disk.fault, op);
}

static void append(unsigned groups, size_t value_bytes)
{
	for (unsigned i = 0; i < groups; i++)
		ck_assert_int_eq(wal_log_append(&log_, 1 + i % 3, value_bytes), KV_OK);
}

/* Until groups go to a window. */
static void append_unsynced(void)
{
	while (wal_writer_end(log_.writer) - wal_writer_synced(log_.writer) < 16 * 1024)
		append(1, 500);
}

static void expect_all(void)
{
	struct wal_log_found found = wal_log_read(&log_, 1, 0);

	ck_assert_int_eq(found.status, KV_NOT_FOUND);
	ck_assert_uint_eq(found.count, log_.count);
	ck_assert_uint_eq(found.end, found.torn_end);
}

/* What an earlier life of the file left is overwritten before the groups get there. */
START_TEST(zeros_lie_ahead_of_the_groups_in_a_window)
{
	static uint8_t rubbish[64 * 1024];
	struct buf content;
	uint64_t end;

	memset(rubbish, 0xa5, sizeof rubbish);
	append_unsynced();
	end = wal_writer_end(log_.writer);
	disk_patch(&log_.disk, "000001.wal", end + WAL_END_BYTES, slice_of(rubbish, sizeof rubbish));
	append(1, 100);
	content = disk_read(&log_.disk, "000001.wal");
	for (uint64_t at = wal_writer_end(log_.writer); at < end + sizeof rubbish; at++)
		ck_assert_uint_eq(content.data[at], 0);
	buf_free(&content);
	expect_all();
}
END_TEST

START_TEST(zeros_that_cannot_be_written_leave_the_groups_to_the_ordinary_way)
{
	append_unsynced();
	fault_fs_fail(log_.disk.fault, FAULT_PWRITEV, 1, ENOSPC);
	append(1, 100);
	ck_assert_uint_eq(count(FAULT_MAP), 0);
	append(100, 100);
	ck_assert_uint_eq(count(FAULT_MAP), 0);
	expect_all();
}
END_TEST

START_TEST(without_syncs_small_groups_need_no_system_call)
{
	uint64_t operations;

	append_unsynced();
	append(1, 100);
	ck_assert_uint_eq(count(FAULT_MAP), 1);
	operations = count(FAULT_ANY);
	append(1000, 100);
	ck_assert_uint_eq(count(FAULT_ANY), operations);
	expect_all();
	/* what is large is written as ever, and may lie between */
	operations = count(FAULT_ANY);
	append(1, 100 * 1000);
	append(3, 100);
	ck_assert_uint_eq(count(FAULT_ANY), operations + 1);
	expect_all();
}
END_TEST

START_TEST(the_window_follows_the_log_up_to_the_end_of_the_file_and_no_further)
{
	uint64_t written;

	append_unsynced();
	written = count(FAULT_PWRITEV);
	while (wal_writer_left(log_.writer) > 10000)
		append(1, 3000);
	ck_assert_uint_ge(count(FAULT_MAP), 3);
	ck_assert_uint_le(count(FAULT_PWRITEV), written + count(FAULT_MAP) * ZEROS_WRITES_MAX); /* zeros for each window, no group */
	written = count(FAULT_PWRITEV);
	append(10, 3000);
	ck_assert_uint_gt(count(FAULT_PWRITEV), written);
	ck_assert_uint_eq(wal_writer_left(log_.writer), 0);
	expect_all();
}
END_TEST

START_TEST(groups_that_are_synced_use_no_window)
{
	for (int i = 0; i < 100; i++)
		wal_log_commit(&log_, 1, 500);
	ck_assert_uint_eq(count(FAULT_MAP), 0);
	append_unsynced();
	append(1, 100);
	ck_assert_uint_eq(count(FAULT_MAP), 1);
	ck_assert_int_eq(wal_sync(log_.writer, NULL), KV_OK);
	for (uint64_t written = count(FAULT_PWRITEV); written < 50; written++) {
		wal_log_commit(&log_, 1, 100);
		ck_assert_uint_gt(count(FAULT_PWRITEV), written);
	}
	expect_all();
}
END_TEST

START_TEST(a_group_that_is_to_be_synced_is_written_though_there_is_a_window)
{
	struct slice piece = slice_of("\x01\x01\x01kv", 5);
	struct wal_group group = { .first_sequence = 1, .count = 1, .sync_follows = true };
	uint64_t written;

	append_unsynced();
	append(1, 100);
	written = count(FAULT_PWRITEV);
	ck_assert_int_eq(wal_append(log_.writer, &group, &piece, 1, NULL), KV_OK);
	ck_assert_uint_eq(count(FAULT_PWRITEV), written + 1);
}
END_TEST

START_TEST(a_file_that_cannot_be_mapped_is_written_and_not_asked_again)
{
	fault_fs_fail(log_.disk.fault, FAULT_MAP, 1, ENOMEM);
	append_unsynced();
	append(100, 100);
	ck_assert_uint_eq(count(FAULT_MAP), 1);
	expect_all();
}
END_TEST

static void set_size(off_t bytes)
{
	char name[300];

	snprintf(name, sizeof name, "%s/000001.wal", log_.disk.path);
	ck_assert_int_eq(truncate(name, bytes), 0);
}

/* Cuts the file behind the window, so that its next pages are missing. */
static void lose_pages(void)
{
	append_unsynced();
	append(1, 100);
	ck_assert_uint_lt(wal_writer_end(log_.writer), 64 * 1024);
	set_size(64 * 1024);
}

static void expect_all_of_a_full_file(void)
{
	set_size(SEGMENT_BYTES); /* a reader takes a shorter one for damaged */
	expect_all();
}

START_TEST(a_page_that_cannot_be_had_costs_no_group)
{
	lose_pages();
	while (wal_writer_end(log_.writer) < 300 * 1024)
		append(1, 700);
	ck_assert_uint_eq(count(FAULT_MAP), 1); /* no more of them for this file */
	expect_all_of_a_full_file();
}
END_TEST

/* Writes fail for want of space, once or from then on. */
static kv_status append_without_space(bool for_ever)
{
	kv_status ret;

	lose_pages();
	fault_fs_add(log_.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV, .nth = 1, .errnum = ENOSPC,
		.from_then_on = for_ever });
	do
		ret = wal_log_append(&log_, 1, 700);
	while (ret == KV_OK);
	fault_fs_heal(log_.disk.fault);
	expect_all_of_a_full_file();
	return ret;
}

START_TEST(a_full_disk_behind_a_window_is_told_as_ever)
{
	ck_assert_int_eq(append_without_space(true), KV_UNCERTAIN); /* for it could not be undone */
	ck_assert_int_eq(wal_log_append(&log_, 1, 700), KV_IO);
	expect_all_of_a_full_file();
}
END_TEST

START_TEST(a_full_disk_that_heals_leaves_nothing_of_the_refused_group)
{
	ck_assert_int_eq(append_without_space(false), KV_NO_SPACE);
	append(100, 700);
	expect_all_of_a_full_file();
}
END_TEST

/* The header goes last, so this is what a process leaves that ends in the middle of any group. */
START_TEST(a_group_of_which_only_the_rest_was_written_is_none)
{
	const struct wal_log_group *last;
	const uint8_t zeros[WAL_GROUP_HEADER_BYTES] = { 0 };

	append_unsynced();
	append(20, 100);
	last = &log_.groups[log_.count - 1];
	disk_patch(&log_.disk, "000001.wal", last->offset, slice_of(zeros, sizeof zeros));
	log_.count--;
	expect_all();
	log_.count++;
}
END_TEST

START_TEST(a_torn_group_in_a_window_is_dropped_with_all_that_was_not_synced_after_it)
{
	struct wal_log_found found;

	append_unsynced();
	append(20, 100);
	disk_patch(&log_.disk, "000001.wal", log_.groups[log_.count - 5].offset + 60, slice_of("\0", 1));
	found = wal_log_read(&log_, 1, 0);
	ck_assert_int_eq(found.status, KV_NOT_FOUND);
	ck_assert_uint_eq(found.count, log_.count - 5);
	ck_assert_uint_gt(found.torn_end, found.end);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wal_window");
	TCase *tc = tcase_create("wal_window");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, zeros_lie_ahead_of_the_groups_in_a_window);
	tcase_add_test(tc, zeros_that_cannot_be_written_leave_the_groups_to_the_ordinary_way);
	tcase_add_test(tc, without_syncs_small_groups_need_no_system_call);
	tcase_add_test(tc, the_window_follows_the_log_up_to_the_end_of_the_file_and_no_further);
	tcase_add_test(tc, groups_that_are_synced_use_no_window);
	tcase_add_test(tc, a_group_that_is_to_be_synced_is_written_though_there_is_a_window);
	tcase_add_test(tc, a_file_that_cannot_be_mapped_is_written_and_not_asked_again);
	tcase_add_test(tc, a_page_that_cannot_be_had_costs_no_group);
	tcase_add_test(tc, a_full_disk_behind_a_window_is_told_as_ever);
	tcase_add_test(tc, a_full_disk_that_heals_leaves_nothing_of_the_refused_group);
	tcase_add_test(tc, a_group_of_which_only_the_rest_was_written_is_none);
	tcase_add_test(tc, a_torn_group_in_a_window_is_dropped_with_all_that_was_not_synced_after_it);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
