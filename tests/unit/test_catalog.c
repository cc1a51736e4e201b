/* SPDX-License-Identifier: BSD-2-Clause */
/* Changing what is live: disk and memory stay together, whatever fails; and WAL segments that are not needed leave no files. */
#include "engine/catalog.h"

#include "engine/filename.h"
#include "engine/wal.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEGMENT_BYTES = 64 * 1024 };

static struct disk disk;
static const struct store_id id = { { 1, 2, 3 } };
static struct block_cache *blocks;
static struct table_cache *tables;
static struct views views;
static struct catalog catalog;
static uint64_t sequence;

static struct memtable *memtable_with_entry(uint64_t wal_number)
{
	struct memtable *memtable = memtable_new(wal_number);
	struct entry entry = { .key = slice_of_string("k"), .value = slice_of_string("v"),
		.sequence = ++sequence, .kind = ENTRY_PUT };

	ck_assert_ptr_nonnull(memtable);
	ck_assert_int_eq(memtable_add(memtable, &entry), KV_OK);
	return memtable;
}

/* As after a start: one segment, one memtable, no table. */
static void setup(void)
{
	struct view_level *none = view_level_new(NULL, 0);
	struct view_level *levels[MANIFEST_LEVELS];
	struct memtable *active;

	disk_open(&disk);
	sequence = 0;
	blocks = block_cache_new(1 << 20);
	tables = table_cache_new(&disk.dir, &id, blocks, 16);
	ck_assert(blocks && tables && none);
	ck_assert_int_eq(views_init(&views), KV_OK);
	ck_assert_int_eq(catalog_init(&catalog, &disk.dir, &id, &views, tables), KV_OK);
	catalog.wal_numbers = calloc(1, sizeof *catalog.wal_numbers);
	ck_assert_ptr_nonnull(catalog.wal_numbers);
	catalog.wal_numbers[catalog.wal_count++] = catalog_new_file_number(&catalog);
	ck_assert_int_eq(wal_make_segment(&disk.dir, 1, SEGMENT_BYTES, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_int_eq(history_add(&catalog.history, 1, 1, WAL_FIRST_GROUP_OFFSET), KV_OK);
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		levels[n] = none;
	active = memtable_with_entry(1);
	pthread_mutex_lock(&views.mu);
	views_replace_locked(&views, view_new(active, NULL, 0, levels));
	pthread_mutex_unlock(&views.mu);
	memtable_unref(active);
	view_level_unref(none);
}

static void teardown(void)
{
	views_destroy(&views);
	tables = table_cache_free(tables);
	catalog_destroy(&catalog);
	blocks = block_cache_free(blocks);
	disk_close(&disk);
}

static struct manifest manifest_now(void)
{
	struct manifest manifest = { 0 };

	ck_assert_int_eq(manifest_read(&disk.dir, &id, &manifest, NULL), KV_OK);
	return manifest;
}

static uint64_t generation_now(void)
{
	struct manifest manifest = manifest_now();
	uint64_t generation = manifest.generation;

	manifest_free(&manifest);
	return generation;
}

static int count_wal(void *arg, const char *name)
{
	size_t *count = arg;
	uint64_t number;

	*count += filename_parse(name, &number) == FILENAME_WAL;
	return 0;
}

static size_t wal_files(void)
{
	size_t count = 0;

	ck_assert_int_eq(dir_list(&disk.dir, count_wal, &count, NULL), KV_OK);
	return count;
}

static void make_spare(void)
{
	ck_assert_int_eq(catalog_make_spare(&catalog, SEGMENT_BYTES, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_uint_ne(catalog_peek_spare(&catalog), 0);
}

/* Freezes the memtable into the spare segment and gives the frozen one, which the caller releases. */
static struct memtable *rotate(void)
{
	struct view *view = views_acquire(&views);
	struct memtable *frozen = memtable_ref(view->active);
	struct memtable *fresh = memtable_with_entry(catalog_peek_spare(&catalog));

	view_unref(view);
	history_advance(&catalog.history, sequence, SEGMENT_BYTES);
	ck_assert_int_eq(history_prepare(&catalog.history), KV_OK);
	history_begin(&catalog.history, catalog_peek_spare(&catalog), sequence);
	ck_assert_uint_ne(catalog_hold_spare(&catalog), 0);
	catalog_take_spare(&catalog);
	ck_assert_int_eq(catalog_rotate(&catalog, fresh), KV_OK);
	memtable_unref(fresh);
	return frozen;
}

static kv_status flush(struct memtable *frozen)
{
	struct catalog_edit edit = { .flushed = frozen };

	return catalog_apply(&catalog, &edit, NULL);
}

START_TEST(a_flushed_memtable_takes_its_segment_along_and_the_next_is_made_of_it)
{
	struct memtable *frozen;
	struct manifest manifest;

	make_spare();
	frozen = rotate();
	ck_assert_int_eq(flush(frozen), KV_OK);
	ck_assert_int_eq(memtable_get_state(frozen), MEMTABLE_FLUSHED);
	memtable_unref(frozen);
	manifest = manifest_now();
	ck_assert_uint_eq(manifest.wal_count, 1);
	ck_assert_uint_eq(manifest.wal_numbers[0], 2);
	ck_assert_uint_eq(manifest.last_sequence, 1);
	manifest_free(&manifest);
	make_spare();
	ck_assert_uint_eq(wal_files(), 2);
	ck_assert(!dir_has(&disk.dir, "000001.wal"));
}
END_TEST

START_TEST(after_a_change_of_unknown_outcome_no_other_is_made)
{
	struct catalog_edit nothing = { .added_count = 0 };
	struct kv_error err = { 0 };
	struct memtable *frozen;
	struct manifest manifest;

	make_spare();
	frozen = rotate();
	fault_fs_fail(disk.fault, FAULT_FSYNC, 1, EIO);
	ck_assert_int_eq(flush(frozen), KV_UNCERTAIN);
	manifest = manifest_now();
	ck_assert_int_eq(catalog_apply(&catalog, &nothing, &err), KV_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "MANIFEST"));
	ck_assert_uint_eq(generation_now(), manifest.generation);
	manifest_free(&manifest);
	memtable_unref(frozen);
}
END_TEST

/* All memory is taken before the MANIFEST is written: after that nothing can fail for want of it. */
START_TEST(out_of_memory_at_every_allocation_leaves_disk_and_memory_together)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		struct memtable *frozen;
		struct manifest before, after;
		kv_status status;

		make_spare();
		frozen = rotate();
		before = manifest_now();
		fault_alloc_fail(nth, false);
		status = flush(frozen);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		after = manifest_now();
		if (failed == 0) {
			ck_assert_int_eq(status, KV_OK);
			ck_assert_uint_gt(nth, 5);
		} else {
			ck_assert_int_eq(status, KV_NO_MEMORY);
			ck_assert_uint_eq(after.generation, before.generation);
			ck_assert_int_eq(flush(frozen), KV_OK);
		}
		memtable_unref(frozen);
		manifest_free(&before);
		manifest_free(&after);
	}
}
END_TEST

START_TEST(a_segment_that_could_not_be_made_ahead_leaves_no_file)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PWRITEV, FAULT_FDATASYNC, FAULT_RENAME };
	struct memtable *frozen;

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		for (uint64_t nth = 1; nth <= 2; nth++) {
			make_spare();
			frozen = rotate();
			ck_assert_int_eq(flush(frozen), KV_OK); /* keeps its segment for the next */
			memtable_unref(frozen);
			fault_fs_fail(disk.fault, ops[i], nth, ENOSPC);
			if (catalog_make_spare(&catalog, SEGMENT_BYTES, WAL_WRITTEN, NULL) == KV_OK) {
				fault_fs_heal(disk.fault); /* a new one was made instead, or it was another's */
				ck_assert_uint_eq(wal_files(), catalog.wal_count);
				catalog_take_spare(&catalog);
				continue;
			}
			ck_assert_uint_eq(catalog_peek_spare(&catalog), 0);
			ck_assert_uint_eq(wal_files(), catalog.wal_count);
		}
}
END_TEST

START_TEST(a_segment_blown_up_by_a_huge_batch_is_not_kept)
{
	struct memtable *frozen;
	struct file file;
	uint64_t bytes;

	make_spare();
	ck_assert_int_eq(file_open(&disk.dir, "000001.wal", FILE_READ_WRITE, &file, NULL), KV_OK);
	ck_assert_int_eq(file_truncate(&file, 3 * SEGMENT_BYTES, NULL), KV_OK);
	file_close(&file);
	frozen = rotate();
	ck_assert_int_eq(flush(frozen), KV_OK);
	memtable_unref(frozen);
	make_spare();
	ck_assert_uint_eq(wal_files(), 2);
	ck_assert_int_eq(file_open(&disk.dir, "000003.wal", FILE_READ, &file, NULL), KV_OK);
	ck_assert_int_eq(file_size(&file, &bytes, NULL), KV_OK);
	file_close(&file);
	ck_assert_uint_eq(bytes, SEGMENT_BYTES);
}
END_TEST

/* Tries to take the segment while it is resized. */
static void try_to_take(void *arg, enum fault_op op, const char *name)
{
	unsigned *tried = arg;

	(void)name;
	if (op != FAULT_FDATASYNC)
		return;
	ck_assert_uint_eq(catalog_hold_spare(&catalog), 0);
	ck_assert_uint_ne(catalog_peek_spare(&catalog), 0); /* so that no other one is made */
	++*tried;
}

START_TEST(a_segment_is_taken_or_resized_but_never_both)
{
	unsigned tried = 0;
	uint64_t number;

	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, NULL), KV_NOT_FOUND);
	make_spare();
	ck_assert_uint_eq(catalog_spare_bytes(&catalog), SEGMENT_BYTES);
	number = catalog_hold_spare(&catalog);
	ck_assert_uint_ne(number, 0);
	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, NULL), KV_NOT_FOUND);
	catalog_release_spare(&catalog);
	fault_fs_hook(disk.fault, try_to_take, &tried);
	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, NULL), KV_OK);
	fault_fs_hook(disk.fault, NULL, NULL);
	ck_assert_uint_eq(tried, 1);
	ck_assert_uint_eq(catalog_spare_bytes(&catalog), 2 * SEGMENT_BYTES);
	ck_assert_uint_eq(catalog_log_bytes(&catalog), SEGMENT_BYTES); /* of the active one */
	ck_assert_uint_eq(catalog_hold_spare(&catalog), number);
	catalog_take_spare(&catalog);
	ck_assert_uint_eq(catalog_spare_bytes(&catalog), 0);
	ck_assert_uint_eq(catalog_log_bytes(&catalog), 3 * SEGMENT_BYTES);
}
END_TEST

/* KV_NOT_FOUND would say that there is none, and a store that cannot go on would be called healthy. */
START_TEST(a_segment_that_is_gone_is_an_error)
{
	struct kv_error err = { 0 };

	make_spare();
	ck_assert_int_eq(dir_unlink(&disk.dir, "000002.wal", NULL), KV_OK);
	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, &err), KV_IO);
	ck_assert_int_eq(err.status, KV_IO);
	ck_assert_uint_eq(catalog_hold_spare(&catalog), 0);
}
END_TEST

/* What passes by itself must not leave the store without a segment for ever. */
START_TEST(a_segment_that_cannot_grow_now_can_still_be_taken)
{
	make_spare();
	fault_fs_fail(disk.fault, FAULT_OPEN, 1, EMFILE);
	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, NULL), KV_NO_MEMORY);
	ck_assert_uint_ne(catalog_hold_spare(&catalog), 0);
	catalog_release_spare(&catalog);
	fault_fs_fail(disk.fault, FAULT_PWRITEV, 1, ENOMEM);
	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, NULL), KV_NO_MEMORY);
	ck_assert_uint_eq(catalog_spare_bytes(&catalog), SEGMENT_BYTES);
	ck_assert_uint_ne(catalog_hold_spare(&catalog), 0);
	catalog_release_spare(&catalog);
	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, NULL), KV_OK);
	ck_assert_uint_eq(catalog_spare_bytes(&catalog), 2 * SEGMENT_BYTES);
}
END_TEST

START_TEST(a_segment_without_space_to_grow_can_still_be_taken)
{
	make_spare();
	fault_fs_fail(disk.fault, FAULT_PWRITEV, 1, ENOSPC);
	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, NULL), KV_NO_SPACE);
	ck_assert_uint_eq(catalog_spare_bytes(&catalog), SEGMENT_BYTES);
	ck_assert_uint_ne(catalog_hold_spare(&catalog), 0);
	catalog_release_spare(&catalog);
	fault_fs_fail(disk.fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(catalog_resize_spare(&catalog, 2 * SEGMENT_BYTES, NULL), KV_IO);
	ck_assert_uint_eq(catalog_hold_spare(&catalog), 0);
}
END_TEST

START_TEST(a_retired_segment_is_given_back)
{
	struct memtable *frozen;

	make_spare();
	frozen = rotate();
	make_spare();
	ck_assert_int_eq(flush(frozen), KV_OK);
	memtable_unref(frozen);
	ck_assert(catalog_has_retired(&catalog));
	ck_assert_uint_eq(wal_files(), 3);
	catalog_drop_retired(&catalog);
	ck_assert(!catalog_has_retired(&catalog));
	ck_assert_uint_eq(wal_files(), 2);
	catalog_drop_retired(&catalog);
	ck_assert_uint_eq(wal_files(), 2);
}
END_TEST

START_TEST(the_clean_end_removes_every_segment)
{
	struct catalog_edit end = { .forget_wals = true };
	struct memtable *frozen;
	struct manifest manifest;

	make_spare();
	frozen = rotate();
	ck_assert_int_eq(flush(frozen), KV_OK);
	memtable_unref(frozen);
	ck_assert_int_eq(catalog_apply(&catalog, &end, NULL), KV_OK);
	ck_assert_uint_eq(end.wals_removed, 2);
	ck_assert_uint_eq(wal_files(), 0);
	manifest = manifest_now();
	ck_assert_uint_eq(manifest.wal_count, 0);
	manifest_free(&manifest);
}
END_TEST

/* ---- what is kept for readers of changes ---- */

/* A memtable comes and goes, and its segment with it, used to `used` bytes. */
static void use_segment(uint64_t used)
{
	struct memtable *frozen;

	make_spare();
	frozen = rotate(); /* says that it was used as a whole */
	atomic_store(&catalog.history.segments[catalog.history.count - 2]->end, used);
	ck_assert_int_eq(flush(frozen), KV_OK);
	memtable_unref(frozen);
}

static void expect_history(const char *numbers)
{
	struct manifest manifest = manifest_now();
	char found[100] = "";

	for (size_t i = 0; i < manifest.history_count; i++)
		snprintf(found + strlen(found), sizeof found - strlen(found), "%" PRIu64 " ",
			manifest.history[i]);
	ck_assert_str_eq(found, numbers);
	for (size_t i = 0; i < manifest.history_count; i++) {
		char name[FILENAME_MAX_BYTES];

		ck_assert(dir_has(&disk.dir, filename_make(name, FILENAME_WAL, manifest.history[i])));
	}
	manifest_free(&manifest);
}

static uint64_t bytes_of_segment(uint64_t number)
{
	char name[FILENAME_MAX_BYTES];
	struct buf content = disk_read(&disk, filename_make(name, FILENAME_WAL, number));
	uint64_t bytes = content.len;

	buf_free(&content);
	return bytes;
}

START_TEST(the_newest_segments_are_kept_and_the_oldest_is_made_into_the_next)
{
	catalog.history.bytes_max = 2 * SEGMENT_BYTES - 1;
	use_segment(SEGMENT_BYTES);
	expect_history("1 ");
	use_segment(SEGMENT_BYTES);
	expect_history("1 2 ");
	use_segment(SEGMENT_BYTES);
	expect_history("2 3 ");
	ck_assert(dir_has(&disk.dir, "000001.wal"));
	fault_fs_record(disk.fault, true);
	make_spare();
	ck_assert(fault_fs_in_order(disk.fault, (const char *const[]){ "rename 000001.wal 000005.wal", NULL }));
	ck_assert_uint_eq(history_oldest(&catalog.history), 2);
	ck_assert_uint_eq(history_bytes(&catalog.history), 2 * SEGMENT_BYTES);
}
END_TEST

START_TEST(a_segment_that_a_reader_is_in_is_removed_and_not_reused)
{
	struct history_segment *held;
	const struct file *file;
	uint8_t before[8], after[8];

	catalog.history.bytes_max = 1;
	ck_assert_int_eq(history_find(&catalog.history, 1, &held), KV_OK);
	ck_assert_int_eq(history_open_file(&catalog.history, held, &file, NULL), KV_OK);
	disk_patch(&disk, "000001.wal", 0, slice_of("content", 8));
	ck_assert_int_eq(file_read_at(file, before, 8, 0, NULL), KV_OK);
	use_segment(SEGMENT_BYTES);
	use_segment(SEGMENT_BYTES);
	expect_history("2 ");
	make_spare();
	ck_assert(!dir_has(&disk.dir, "000001.wal"));
	ck_assert_int_eq(file_read_at(file, after, 8, 0, NULL), KV_OK);
	ck_assert_mem_eq(before, after, 8);
	ck_assert_int_eq(history_find(&catalog.history, 1, &held), KV_GONE);
	ck_assert_ptr_null(history_release(&catalog.history, held));
}
END_TEST

START_TEST(a_segment_is_cut_when_half_of_it_was_not_used)
{
	catalog.history.bytes_max = UINT64_MAX;
	use_segment(SEGMENT_BYTES / 2 + 1);
	use_segment(SEGMENT_BYTES / 2);
	use_segment(WAL_FIRST_GROUP_OFFSET + 1);
	expect_history("1 2 3 ");
	ck_assert_uint_eq(bytes_of_segment(1), SEGMENT_BYTES);
	ck_assert_uint_eq(bytes_of_segment(2), SEGMENT_BYTES / 2);
	ck_assert_uint_eq(bytes_of_segment(3), 2 * WAL_BLOCK_BYTES);
	ck_assert_uint_eq(history_bytes(&catalog.history),
		SEGMENT_BYTES + SEGMENT_BYTES / 2 + 2 * WAL_BLOCK_BYTES);
	ck_assert_uint_eq(history_last_used(&catalog.history), WAL_FIRST_GROUP_OFFSET + 1);
}
END_TEST

START_TEST(a_segment_that_cannot_be_cut_is_kept_as_it_is)
{
	catalog.history.bytes_max = UINT64_MAX;
	fault_fs_fail_from(disk.fault, FAULT_FTRUNCATE, 1, EIO);
	use_segment(WAL_FIRST_GROUP_OFFSET + 1);
	fault_fs_heal(disk.fault);
	expect_history("1 ");
	ck_assert_uint_eq(history_bytes(&catalog.history), SEGMENT_BYTES);
}
END_TEST

START_TEST(an_empty_segment_is_not_kept)
{
	catalog.history.bytes_max = UINT64_MAX;
	use_segment(SEGMENT_BYTES);
	use_segment(WAL_FIRST_GROUP_OFFSET);
	use_segment(SEGMENT_BYTES);
	expect_history("1 3 ");
}
END_TEST

START_TEST(the_clean_end_keeps_what_was_used_and_nothing_to_make_the_next_from)
{
	struct catalog_edit end = { .forget_wals = true };
	struct manifest manifest;

	catalog.history.bytes_max = 2 * SEGMENT_BYTES;
	use_segment(SEGMENT_BYTES);
	use_segment(SEGMENT_BYTES);
	use_segment(SEGMENT_BYTES);
	make_spare();
	history_advance(&catalog.history, sequence + 1, SEGMENT_BYTES / 4 * 3);
	ck_assert_int_eq(catalog_apply(&catalog, &end, NULL), KV_OK);
	expect_history("2 3 4 ");
	ck_assert_uint_eq(bytes_of_segment(4), SEGMENT_BYTES / 4 * 3);
	ck_assert_uint_eq(wal_files(), 3);
	manifest = manifest_now();
	ck_assert_uint_eq(manifest.wal_count, 0);
	manifest_free(&manifest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("catalog");
	TCase *tcase = tcase_create("catalog");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_flushed_memtable_takes_its_segment_along_and_the_next_is_made_of_it);
	tcase_add_test(tcase, after_a_change_of_unknown_outcome_no_other_is_made);
	tcase_add_test(tcase, out_of_memory_at_every_allocation_leaves_disk_and_memory_together);
	tcase_add_test(tcase, a_segment_that_could_not_be_made_ahead_leaves_no_file);
	tcase_add_test(tcase, a_segment_blown_up_by_a_huge_batch_is_not_kept);
	tcase_add_test(tcase, a_segment_is_taken_or_resized_but_never_both);
	tcase_add_test(tcase, a_segment_that_is_gone_is_an_error);
	tcase_add_test(tcase, a_segment_that_cannot_grow_now_can_still_be_taken);
	tcase_add_test(tcase, a_segment_without_space_to_grow_can_still_be_taken);
	tcase_add_test(tcase, a_retired_segment_is_given_back);
	tcase_add_test(tcase, the_clean_end_removes_every_segment);
	tcase_add_test(tcase, the_newest_segments_are_kept_and_the_oldest_is_made_into_the_next);
	tcase_add_test(tcase, a_segment_that_a_reader_is_in_is_removed_and_not_reused);
	tcase_add_test(tcase, a_segment_is_cut_when_half_of_it_was_not_used);
	tcase_add_test(tcase, a_segment_that_cannot_be_cut_is_kept_as_it_is);
	tcase_add_test(tcase, an_empty_segment_is_not_kept);
	tcase_add_test(tcase, the_clean_end_keeps_what_was_used_and_nothing_to_make_the_next_from);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
