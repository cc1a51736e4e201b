/* SPDX-License-Identifier: BSD-2-Clause */
/* What a repair keeps and what it gives up, case by case; the whole width of damage is in tests/integration/fsck_damage. */
#include "base/coding.h"
#include "support/fault_alloc.h"
#include "support/fsck_store.h"
#include "support/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fsck_store fs;

static void setup(void)
{
	fsck_store_open(&fs);
}

static void teardown(void)
{
	fsck_store_done(&fs);
}

static size_t newest(const char *ending)
{
	const char *name = small_newest(&fs.small, ending);

	for (size_t i = 0; i < fs.file_count; i++)
		if (strcmp(fs.names[i], name) == 0)
			return i;
	ck_abort_msg("there is no %s", ending);
	return 0;
}

static void flip(size_t file, uint64_t at)
{
	uint8_t byte = fs.files[file].data[at] ^ 0xff;

	disk_patch(&fs.small.disk, fs.names[file], at, slice_of(&byte, 1));
}

static void must_repair(bool accept_stale)
{
	struct kv_error err = { 0 };
	char line[512];

	fsck_store_forget(&fs);
	ck_assert_msg(fsck_store_repair(&fs, accept_stale, &err) == KV_OK, "%s", kv_error_format(&err, line, sizeof line));
}

static bool in_lost_found(const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/lost+found/%s", fs.small.disk.path, name);
	return access(path, F_OK) == 0;
}

START_TEST(a_store_without_damage_is_left_alone)
{
	must_repair(false);
	ck_assert(fsck_store_is_unchanged(&fs, NULL, slice_of(NULL, 0)));
	ck_assert_uint_eq(fs.told.done + fs.told.lost, 0);
}
END_TEST

static void remove_stray(void *arg, enum fault_op op, const char *name)
{
	(void)arg;
	(void)name;
	if (op == FAULT_LOCK)
		(void)unlinkat(fs.small.disk.dir.fd, "000999.sst", 0);
}

START_TEST(what_goes_before_the_lock_is_had_is_not_looked_for)
{
	struct kv_error err = { 0 };

	disk_write(&fs.small.disk, "000999.sst", slice_of("of a daemon that ends", 21));
	fault_fs_hook(fs.small.disk.fault, remove_stray, NULL);
	fsck_store_forget(&fs);
	ck_assert_int_eq(fsck_store_check(&fs, &err), KV_OK);
	fault_fs_hook(fs.small.disk.fault, NULL, NULL);
	ck_assert_msg(fs.told.damages + fs.told.remarks == 0, "%s", fs.told.last);
}
END_TEST

/* Footer, filter, index, list of blob files, properties: they can be made again from the entries. */
START_TEST(what_is_no_entry_costs_no_key)
{
	for (size_t i = 0; i < fs.file_count; i++) {
		const struct buf *file = &fs.files[i];
		uint64_t at = 0;

		if (!strstr(fs.names[i], ".sst"))
			continue;
		for (unsigned part = 0; part < 6; part++) {
			at += part == 0 ? 0 : get_fixed64(file->data + file->len - 88 + 32 + 8 * part);
			if (part == 0 || at >= file->len)
				continue;
			fsck_store_restore(&fs);
			flip(i, at);
			must_repair(false);
			ck_assert_uint_gt(fs.told.damages, 0);
			ck_assert_uint_eq(fs.told.lost, 0);
			ck_assert(in_lost_found(fs.names[i]));
			ck_assert_uint_eq(fsck_store_judge(&fs, false), 0);
		}
	}
}
END_TEST

START_TEST(older_values_of_lost_keys_come_back_only_when_that_is_accepted)
{
	const char *table = fs.names[newest(".sst")];
	unsigned strict, stale;

	ck_assert_int_eq(dir_unlink(&fs.small.disk.dir, table, NULL), KV_OK);
	must_repair(false);
	ck_assert_uint_gt(fs.told.lost, 0);
	strict = fsck_store_judge(&fs, false);
	ck_assert_uint_gt(strict, 0);
	fsck_store_restore(&fs);
	ck_assert_int_eq(dir_unlink(&fs.small.disk.dir, table, NULL), KV_OK);
	must_repair(true);
	stale = fsck_store_judge(&fs, true);
	ck_assert_uint_lt(stale, strict); /* of most keys the older version was the last one */
}
END_TEST

START_TEST(what_needs_a_decision_is_refused_and_left_as_it_is)
{
	static const char *const files[] = { "MANIFEST", ".wal" };
	size_t file = _i == 0 ? 0 : newest(".wal") - 1; /* the newest was made ahead */
	struct kv_error err;

	if (_i == 0)
		for (file = 0; strcmp(fs.names[file], "MANIFEST") != 0; file++)
			;
	flip(file, _i == 0 ? 40 : 4096 + 60);
	fsck_store_forget(&fs);
	ck_assert_int_eq(fsck_store_repair(&fs, false, &err), KV_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "--accept-stale"));
	fs.files[file].data[_i == 0 ? 40 : 4096 + 60] ^= 0xff;
	ck_assert_msg(fsck_store_is_unchanged(&fs, NULL, slice_of(NULL, 0)), "%s", files[_i]);
	must_repair(true);
	ck_assert(fs.told.any);
	fsck_store_judge(&fs, true);
}
END_TEST

START_TEST(format_is_made_again_from_what_the_others_say)
{
	for (int missing = 0; missing < 2; missing++) {
		size_t file = 0;

		fsck_store_restore(&fs);
		while (strcmp(fs.names[file], "FORMAT") != 0)
			file++;
		if (missing)
			ck_assert_int_eq(dir_unlink(&fs.small.disk.dir, "FORMAT", NULL), KV_OK);
		else
			flip(file, 30);
		must_repair(false);
		ck_assert_uint_eq(fs.told.lost, 0);
		ck_assert_int_eq(in_lost_found("FORMAT"), !missing);
		ck_assert_uint_eq(fsck_store_judge(&fs, false), 0);
	}
}
END_TEST

START_TEST(a_damaged_large_value_costs_its_key_and_a_damaged_header_nothing)
{
	size_t file = newest(".blob");

	flip(file, 20);
	must_repair(false);
	ck_assert_uint_eq(fs.told.lost, 0);
	ck_assert_uint_eq(fsck_store_judge(&fs, false), 0);
	fsck_store_restore(&fs);
	flip(file, 60000);
	must_repair(false);
	ck_assert_uint_gt(fs.told.lost, 0);
	ck_assert(in_lost_found(fs.names[file]));
	ck_assert_uint_eq(fsck_store_judge(&fs, false), 1);
}
END_TEST

START_TEST(a_store_that_is_open_is_neither_checked_nor_repaired)
{
	struct kv_error err;

	small_store_open(&fs.small);
	ck_assert_int_eq(fsck_store_check(&fs, &err), KV_BUSY);
	ck_assert_int_eq(fsck_store_repair(&fs, true, &err), KV_BUSY);
	small_store_crash(&fs.small);
}
END_TEST

/* Somebody's file must not take the numbers of new ones away: the start is refused, and the repair sees to it. */
START_TEST(a_file_with_a_number_out_of_reach_is_moved_away)
{
	static const char *const names[] = { "2305843009213693953.sst", "4611686018427387904.wal", "2305843009213693954.blob" };
	struct kv_error err;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		fsck_store_restore(&fs);
		disk_write(&fs.small.disk, names[i], slice_of_string("something"));
		ck_assert_int_eq(small_store_try_open(&fs.small, &err), KV_CORRUPT);
		ck_assert(fsck_store_is_unchanged(&fs, names[i], slice_of_string("something")));
		fsck_store_forget(&fs);
		ck_assert_int_eq(fsck_store_check(&fs, &err), KV_OK);
		ck_assert_uint_eq(fs.told.damages, 1);
		must_repair(false);
		ck_assert_uint_eq(fs.told.lost, 0);
		ck_assert(in_lost_found(names[i]));
		ck_assert(!dir_has(&fs.small.disk.dir, names[i]));
		ck_assert_uint_eq(fsck_store_judge(&fs, false), 0);
	}
	/* beyond that it is not ours */
	fsck_store_restore(&fs);
	disk_write(&fs.small.disk, "18446744073709551610.sst", slice_of_string("something"));
	must_repair(false);
	ck_assert_uint_eq(fs.told.damages, 0);
	ck_assert(dir_has(&fs.small.disk.dir, "18446744073709551610.sst"));
	ck_assert_uint_eq(fsck_store_judge(&fs, false), 0);
}
END_TEST

/* What a start cannot remove is damage, so that a repair moves it. */
START_TEST(a_directory_that_a_start_would_remove_is_moved_away)
{
	static const char *const names[] = { "MANIFEST.new", "FORMAT.new", "SCRUB.new" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		fsck_store_restore(&fs);
		ck_assert_int_eq(mkdirat(fs.small.disk.dir.fd, names[i], 0700), 0);
		must_repair(false);
		ck_assert_uint_eq(fs.told.damages, 1);
		ck_assert_uint_eq(fs.told.lost, 0);
		ck_assert(in_lost_found(names[i]));
		ck_assert_uint_eq(fsck_store_judge(&fs, false), 0);
	}
}
END_TEST

/* What a start does remove is none. */
START_TEST(a_link_or_pipe_that_a_start_removes_is_a_remark)
{
	static const char *const names[] = { "MANIFEST.new", "FORMAT.new", "SCRUB.new" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		fsck_store_restore(&fs);
		ck_assert_int_eq(_i ? mkfifoat(fs.small.disk.dir.fd, names[i], 0600) :
			symlinkat("/nowhere", fs.small.disk.dir.fd, names[i]), 0);
		fsck_store_forget(&fs);
		ck_assert_int_eq(fsck_store_check(&fs, NULL), KV_OK);
		ck_assert_uint_eq(fs.told.damages, 0);
		ck_assert_uint_gt(fs.told.remarks, 0);
		small_store_open(&fs.small);
		small_store_crash(&fs.small); /* the flush thread may be writing one of its own as long as it is open */
		ck_assert(!dir_has(&fs.small.disk.dir, names[i]));
	}
}
END_TEST

/* Its header is damaged, and by the repair nothing points to it any more. */
START_TEST(a_large_value_that_is_taken_away_needs_no_header)
{
	char name[32], large[5001];
	struct kv_error err;

	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	small_store_done(&fs.small);
	small_store_init(&fs.small);
	fs.small.options.large_value_bytes = 4096;
	small_store_open(&fs.small);
	ck_assert_int_eq(small_put(&fs.small, "a", large), KV_OK);
	snprintf(name, sizeof name, "%s", small_newest(&fs.small, ".blob"));
	ck_assert_int_eq(small_put(&fs.small, "a", "small"), KV_OK);
	ck_assert_int_eq(small_put(&fs.small, "b", large), KV_OK);
	small_store_crash(&fs.small);
	disk_patch(&fs.small.disk, name, 1, slice_of_string("!"));
	disk_patch(&fs.small.disk, small_newest(&fs.small, ".blob"), 100, slice_of_string("!"));
	for (unsigned i = 0; i < 2; i++)
		ck_assert_msg(fsck_store_repair(&fs, false, &err) == KV_OK, "%s: %s", err.file, err.text);
	small_store_open(&fs.small);
	small_expect(&fs.small, "a", "small");
	small_store_crash(&fs.small);
}
END_TEST

START_TEST(a_place_that_is_no_store_is_refused)
{
	char *empty = runner_new_dir();
	struct store_fsck_report report;
	struct kv_error err;

	ck_assert_int_eq(store_check(&fs_posix, empty, NULL, NULL, &report, &err), KV_NOT_FOUND);
	ck_assert_int_eq(store_repair(&fs_posix, empty, true, NULL, NULL, &report, &err), KV_NOT_FOUND);
	runner_remove_dir(empty);
}
END_TEST

START_TEST(leftovers_are_remarks)
{
	static const char *const names[] = { "000900.sst", "000901.wal", "000902.blob", "MANIFEST.new", "notes.txt",
		"SCRUB" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		disk_write(&fs.small.disk, names[i], slice_of_string("something"));
	ck_assert_int_eq(dir_unlink(&fs.small.disk.dir, "LOCK", NULL), KV_OK);
	fsck_store_forget(&fs);
	ck_assert_int_eq(fsck_store_check(&fs, NULL), KV_OK);
	ck_assert_uint_eq(fs.told.damages, 0);
	ck_assert_uint_eq(fs.told.remarks, 7);
	ck_assert(!dir_has(&fs.small.disk.dir, "LOCK"));
}
END_TEST

/* A failure is told as what it is, never taken for damage, and the next repair does it. */
START_TEST(a_repair_without_memory_can_be_run_again)
{
	static const char *const damaged[] = { ".sst", "MANIFEST" };
	size_t file = 0;
	kv_status status = KV_NO_MEMORY;

	if (_i == 0)
		file = newest(".sst");
	else
		while (strcmp(fs.names[file], damaged[_i]) != 0)
			file++;
	for (uint64_t nth = 1; status != KV_OK; nth += 1 + nth / 20) {
		fsck_store_restore(&fs);
		flip(file, 60);
		fsck_store_forget(&fs);
		fault_alloc_fail_here(nth);
		status = fsck_store_repair(&fs, true, NULL);
		fault_alloc_fail_here(0);
		ck_assert_msg(status == KV_OK || status == KV_NO_MEMORY, "allocation %u: %s", (unsigned)nth,
			kv_status_text(status));
		if (status != KV_OK) /* what it gives up is told beside that of the first */
			ck_assert_int_eq(fsck_store_repair(&fs, true, NULL), KV_OK);
		fsck_store_judge(&fs, true);
		ck_assert_uint_lt(nth, 100000);
	}
}
END_TEST

/* What cannot be looked for is there, perhaps, and the next start would remove what is neither in force nor in lost+found. */
START_TEST(a_file_that_cannot_be_looked_for_is_not_given_up)
{
	size_t table = newest(".sst");
	unsigned failed = 0;
	kv_status status = KV_IO;

	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fsck_store_restore(&fs);
		flip(table, 60);
		fsck_store_forget(&fs);
		fault_fs_add(fs.small.disk.fault, (struct fault_rule){ .op = FAULT_OPEN, .name_part = fs.names[table],
			.nth = nth, .from_then_on = true, .errnum = EIO });
		status = fsck_store_repair(&fs, true, NULL);
		fault_fs_heal(fs.small.disk.fault);
		ck_assert_msg(status == KV_OK || status == KV_IO, "%u: %s", (unsigned)nth, kv_status_text(status));
		ck_assert_msg(in_lost_found(fs.names[table]) || dir_has(&fs.small.disk.dir, fs.names[table]),
			"the table is nowhere after failure %u", (unsigned)nth);
		ck_assert(status != KV_OK || in_lost_found(fs.names[table]));
		failed += status == KV_IO;
		ck_assert_uint_lt(nth, 100);
	}
	ck_assert_uint_gt(failed, 1);
}
END_TEST

/* A name that a directory has cannot be linked; it is moved all the same. */
START_TEST(a_directory_in_the_place_of_a_file_does_not_stop_a_repair)
{
	char table[32];
	int dir = fs.small.disk.dir.fd;

	snprintf(table, sizeof table, "%s", fs.names[newest(".sst")]);
	ck_assert_int_eq(unlinkat(dir, table, 0), 0);
	ck_assert_int_eq(mkdirat(dir, table, 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "000900.sst", 0700), 0);
	must_repair(false);
	ck_assert_uint_gt(fs.told.lost, 0);
	ck_assert(in_lost_found(table));
	ck_assert(in_lost_found("000900.sst"));
	ck_assert(!dir_has(&fs.small.disk.dir, "000900.sst"));
	fsck_store_judge(&fs, false);
}
END_TEST

/* The log is made a table, all its operations stay; but the change feed begins anew. */
START_TEST(the_change_feed_that_a_repair_gives_up_is_told)
{
	flip(newest(".wal") - 1, 8); /* the newest was made ahead */
	must_repair(false);
	ck_assert_uint_eq(fs.told.lost, 1);
	ck_assert(!fs.told.any);
	ck_assert_uint_eq(fsck_store_judge(&fs, false), 0);
}
END_TEST

static void ignore(void *arg, const struct store_finding *finding)
{
	(void)arg;
	(void)finding;
}

/* The half of a table, as a flush leaves that was killed: the newest operations are in it, older ones in the log only. */
START_TEST(without_manifest_what_a_table_has_lost_is_taken_from_the_log)
{
	enum { KEYS = 200 };
	struct small_store small;
	struct store_fsck_report report;
	struct buf table;
	char name[32], key[32];

	small_store_init(&small);
	small.options.change_log_bytes = 1 << 20; /* keeps the log */
	small.options.compression = STORE_COMPRESSION_NONE;
	small_store_open(&small);
	for (unsigned i = KEYS; i-- > 0;) {
		snprintf(key, sizeof key, "key%06u", i);
		ck_assert_int_eq(small_put(&small, key, "a value that is long enough for a table of several blocks"), KV_OK);
	}
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	table = disk_read(&small.disk, name);
	disk_write(&small.disk, name, slice_of(table.data, table.len / 2));
	ck_assert_int_eq(dir_unlink(&small.disk.dir, "MANIFEST", NULL), KV_OK);
	ck_assert_int_eq(store_repair(small.options.fs, small.disk.path, true, ignore, NULL, &report, NULL), KV_OK);
	small_store_open(&small);
	ck_assert_uint_eq(small_count_keys(&small, NULL), KEYS);
	small_store_crash(&small);
	buf_free(&table);
	small_store_done(&small);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("repair");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_store_without_damage_is_left_alone);
	tcase_add_test(tcase, what_goes_before_the_lock_is_had_is_not_looked_for);
	tcase_add_test(tcase, what_is_no_entry_costs_no_key);
	tcase_add_test(tcase, older_values_of_lost_keys_come_back_only_when_that_is_accepted);
	tcase_add_loop_test(tcase, what_needs_a_decision_is_refused_and_left_as_it_is, 0, 2);
	tcase_add_test(tcase, format_is_made_again_from_what_the_others_say);
	tcase_add_test(tcase, a_damaged_large_value_costs_its_key_and_a_damaged_header_nothing);
	tcase_add_test(tcase, a_store_that_is_open_is_neither_checked_nor_repaired);
	tcase_add_test(tcase, a_file_with_a_number_out_of_reach_is_moved_away);
	tcase_add_test(tcase, a_directory_that_a_start_would_remove_is_moved_away);
	tcase_add_loop_test(tcase, a_link_or_pipe_that_a_start_removes_is_a_remark, 0, 2);
	tcase_add_test(tcase, a_large_value_that_is_taken_away_needs_no_header);
	tcase_add_test(tcase, a_place_that_is_no_store_is_refused);
	tcase_add_test(tcase, leftovers_are_remarks);
	tcase_add_test(tcase, a_directory_in_the_place_of_a_file_does_not_stop_a_repair);
	tcase_add_test(tcase, a_file_that_cannot_be_looked_for_is_not_given_up);
	tcase_add_test(tcase, the_change_feed_that_a_repair_gives_up_is_told);
	tcase_add_test(tcase, without_manifest_what_a_table_has_lost_is_taken_from_the_log);
	tcase_add_loop_test(tcase, a_repair_without_memory_can_be_run_again, 0, 2);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
