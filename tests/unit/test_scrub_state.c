/* SPDX-License-Identifier: BSD-2-Clause */
/* The scrub's progress on disk: either what was written, or nothing. */
#include "engine/scrub_state.h"

#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>

static struct disk disk;
static struct scrub_list list;
static const struct store_id id = { { 1, 2, 3 } }, other_id = { { 1, 2, 4 } };

static void set_up(void)
{
	const struct scrub_item items[] = { { 0, 0, 1700000000 }, { 7, 0, 0 },
		{ 300, 0, 1700000001 }, { UINT64_MAX, 0, UINT64_MAX } };

	disk_open(&disk);
	for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
		ck_assert_int_eq(scrub_list_add(&list, &items[i]), KV_OK);
}

static void tear_down(void)
{
	scrub_list_free(&list);
	disk_close(&disk);
}

static void expect_list(void)
{
	struct scrub_list found = { 0 };

	ck_assert_int_eq(scrub_state_read(&disk.dir, &id, &found, NULL), KV_OK);
	ck_assert_uint_eq(found.count, list.count);
	for (size_t i = 0; i < list.count; i++) {
		ck_assert_uint_eq(found.items[i].number, list.items[i].number);
		ck_assert_uint_eq(found.items[i].checked_unix_s, list.items[i].checked_unix_s);
	}
	scrub_list_free(&found);
}

static kv_status read_status(const struct store_id *of)
{
	struct scrub_list found = { 0 };
	kv_status status = scrub_state_read(&disk.dir, of, &found, NULL);

	ck_assert(status == KV_OK || found.count == 0);
	scrub_list_free(&found);
	return status;
}

START_TEST(what_was_written_is_read)
{
	ck_assert_int_eq(read_status(&id), KV_NOT_FOUND);
	ck_assert_int_eq(scrub_state_write(&disk.dir, &id, &list, NULL), KV_OK);
	expect_list();
	list.count = 1;
	ck_assert_int_eq(scrub_state_write(&disk.dir, &id, &list, NULL), KV_OK);
	expect_list();
	list.count = 0;
	ck_assert_int_eq(scrub_state_write(&disk.dir, &id, &list, NULL), KV_OK);
	expect_list();
}
END_TEST

START_TEST(that_of_another_store_is_not_taken)
{
	ck_assert_int_eq(scrub_state_write(&disk.dir, &id, &list, NULL), KV_OK);
	ck_assert_int_eq(read_status(&other_id), KV_CORRUPT);
}
END_TEST

START_TEST(every_damaged_byte_and_every_length_is_noticed)
{
	struct buf content;

	ck_assert_int_eq(scrub_state_write(&disk.dir, &id, &list, NULL), KV_OK);
	content = disk_read(&disk, "SCRUB");
	for (size_t at = 0; at < content.len; at++)
		for (size_t i = 0; i < DISK_FLIPS; i++) {
			content.data[at] ^= disk_flips[i];
			disk_write(&disk, "SCRUB", buf_slice(&content));
			ck_assert_int_eq(read_status(&id), KV_CORRUPT);
			content.data[at] ^= disk_flips[i];
		}
	for (size_t len = 0; len < content.len; len++) {
		disk_write(&disk, "SCRUB", slice_of(content.data, len));
		ck_assert_int_eq(read_status(&id), KV_CORRUPT);
	}
	ck_assert_int_eq(buf_append_byte(&content, 0), KV_OK);
	disk_write(&disk, "SCRUB", buf_slice(&content));
	ck_assert_int_eq(read_status(&id), KV_CORRUPT);
	buf_free(&content);
}
END_TEST

/* Whoever waits for the sync of a name needs the kernel's word; the progress is not worth taking
 * it. */
START_TEST(nothing_is_synced)
{
	ck_assert_int_eq(scrub_state_write(&disk.dir, &id, &list, NULL), KV_OK);
	ck_assert_uint_eq(fault_fs_count(disk.fault, FAULT_FSYNC), 0);
	ck_assert_uint_eq(fault_fs_count(disk.fault, FAULT_FDATASYNC), 0);
}
END_TEST

START_TEST(a_failure_anywhere_leaves_the_old_one)
{
	uint64_t full = list.count;

	ck_assert_int_eq(scrub_state_write(&disk.dir, &id, &list, NULL), KV_OK);
	for (uint64_t nth = 1;; nth++) {
		uint64_t failed = fault_fs_failed(disk.fault);
		struct kv_error err = { 0 };
		kv_status status;

		list.count = 1;
		fault_fs_fail(disk.fault, FAULT_ANY, nth, EIO);
		status = scrub_state_write(&disk.dir, &id, &list, &err);
		failed = fault_fs_failed(disk.fault) - failed;
		fault_fs_heal(disk.fault);
		if (failed == 0)
			break;
		ck_assert_uint_lt(nth, 50);
		list.count = status == KV_OK ? 1 : full; /* a failed close is no failure */
		expect_list();
		list.count = full;
		ck_assert_int_eq(scrub_state_write(&disk.dir, &id, &list, NULL), KV_OK);
	}
	list.count = 1;
	expect_list();
	list.count = full;
}
END_TEST

START_TEST(without_memory_at_any_place_nothing_is_lost)
{
	kv_status status = KV_NO_MEMORY;

	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_alloc_fail(nth, false);
		status = scrub_state_write(&disk.dir, &id, &list, NULL);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
	}
	expect_list();
	status = KV_NO_MEMORY;
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		struct scrub_list found = { 0 };

		fault_alloc_fail(nth, false);
		status = scrub_state_read(&disk.dir, &id, &found, NULL);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		scrub_list_free(&found);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scrub_state");
	TCase *tests = tcase_create("scrub_state");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, what_was_written_is_read);
	tcase_add_test(tests, that_of_another_store_is_not_taken);
	tcase_add_test(tests, every_damaged_byte_and_every_length_is_noticed);
	tcase_add_test(tests, nothing_is_synced);
	tcase_add_test(tests, a_failure_anywhere_leaves_the_old_one);
	tcase_add_test(tests, without_memory_at_any_place_nothing_is_lost);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
