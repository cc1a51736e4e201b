/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments that the log left without a sync: forgotten when tables have them, synced in order when somebody asks. */
#include "engine/unsynced.h"

#include "support/disk.h"
#include "support/runner.h"

#include <errno.h>

static struct disk disk;
static struct unsynced unsynced;
static const struct store_id id = { { 7 } };

static struct wal_writer *segment(uint64_t number, uint64_t first_sequence)
{
	struct wal_header header = { .number = number, .first_sequence = first_sequence };
	struct wal_group group = { .first_sequence = first_sequence, .count = 1, .wall_us = 1 };
	struct slice piece = slice_of_string("abcdef");
	struct wal_writer *writer;

	ck_assert_int_eq(wal_make_segment(&disk.dir, number, 8192, WAL_ALLOCATED, NULL), KV_OK);
	ck_assert_int_eq(wal_writer_open(&disk.dir, &id, &header, &writer, NULL), KV_OK);
	ck_assert(!wal_writer_is_unsynced(writer)); /* nothing is in it */
	ck_assert_int_eq(wal_append(writer, &group, &piece, 1, NULL), KV_OK);
	ck_assert(wal_writer_is_unsynced(writer));
	return writer;
}

/* 1, 2 and 3 with a sequence each. */
static void setup(void)
{
	disk_open(&disk);
	ck_assert_int_eq(unsynced_init(&unsynced), KV_OK);
	for (uint64_t n = 1; n <= 3; n++)
		unsynced_add(&unsynced, segment(n, n), n);
	fault_fs_record(disk.fault, true);
}

static void teardown(void)
{
	unsynced_destroy(&unsynced);
	disk_close(&disk);
}

START_TEST(what_tables_have_is_forgotten)
{
	static const char *const none[] = { "fdatasync", NULL };

	unsynced_forget(&unsynced, 0);
	ck_assert_uint_eq(unsynced_count(&unsynced), 3);
	unsynced_forget(&unsynced, 2);
	ck_assert_uint_eq(unsynced_count(&unsynced), 1);
	ck_assert_uint_eq(wal_writer_number(unsynced.segments[0].wal), 3);
	unsynced_forget(&unsynced, 3);
	ck_assert_uint_eq(unsynced_count(&unsynced), 0);
	ck_assert(!fault_fs_in_order(disk.fault, none));
}
END_TEST

START_TEST(who_asks_gets_the_oldest_synced_first)
{
	static const char *const order[] = { "fdatasync 000001.wal", "fdatasync 000002.wal", "fdatasync 000003.wal", NULL };

	ck_assert_int_eq(unsynced_sync(&unsynced, NULL), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, order));
	ck_assert_uint_eq(unsynced_count(&unsynced), 0);
	ck_assert_int_eq(unsynced_sync(&unsynced, NULL), KV_OK); /* nothing to do */
}
END_TEST

START_TEST(a_sync_that_failed_is_not_tried_again)
{
	struct kv_error err = { 0 };

	fault_fs_fail(disk.fault, FAULT_FDATASYNC, 2, EIO);
	ck_assert_int_eq(unsynced_sync(&unsynced, &err), KV_UNCERTAIN);
	fault_fs_heal(disk.fault);
	ck_assert_uint_eq(unsynced_count(&unsynced), 2);
	ck_assert_int_eq(unsynced_sync(&unsynced, &err), KV_IO);
	ck_assert_uint_eq(unsynced_count(&unsynced), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unsynced");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_tables_have_is_forgotten);
	tcase_add_test(tcase, who_asks_gets_the_oldest_synced_first);
	tcase_add_test(tcase, a_sync_that_failed_is_not_tried_again);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
