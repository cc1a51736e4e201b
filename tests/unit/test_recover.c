/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening: what is found after crashes, what is refused, and what a failure in the middle of it may do. */
#include "base/checksum.h"
#include "base/clock.h"
#include "engine/batch.h"
#include "engine/filename.h"
#include "engine/identity.h"
#include "engine/wal_writer.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

static struct small_store small;
static struct kv_error err;

static void setup(void)
{
	small_store_init(&small);
	err = (struct kv_error){ 0 };
}

static void teardown(void)
{
	small_store_done(&small);
}

/* Three keys in a table, one overwritten and one deleted in the WAL. */
static void make_store(void)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
	ck_assert_int_eq(small_put(&small, "c", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(small_put(&small, "a", "2"), KV_OK);
	ck_assert_int_eq(small_delete(&small, "b"), KV_OK);
}

static void check_store(void)
{
	small_expect(&small, "a", "2");
	small_expect(&small, "b", NULL);
	small_expect(&small, "c", "1");
}

static void remove_file(const char *name)
{
	ck_assert_int_eq(dir_unlink(&small.disk.dir, name, NULL), KV_OK);
}

static void expect_refused(kv_status status, const char *file)
{
	ck_assert_int_eq(small_store_try_open(&small, &err), status);
	ck_assert_msg(strstr(err.file, file) != NULL, "%s: %s", err.file, err.text);
}

START_TEST(tables_and_log_come_back_together)
{
	make_store();
	for (int i = 0; i < 3; i++) {
		small_store_crash(&small);
		small_store_open(&small);
		check_store();
	}
	ck_assert_uint_eq(small.warnings, 0);
}
END_TEST

START_TEST(orphans_are_swept_and_foreign_files_left_alone)
{
	make_store();
	small_store_crash(&small);
	disk_write(&small.disk, "900001.sst", slice_of_string("left by a crash"));
	disk_write(&small.disk, "900002.wal", slice_of_string("left by a crash"));
	disk_write(&small.disk, "MANIFEST.new", slice_of_string("left by a crash"));
	disk_write(&small.disk, "notes.txt", slice_of_string("the user's"));
	disk_write(&small.disk, "12.sst", slice_of_string("not our spelling"));
	small_store_open(&small);
	check_store();
	ck_assert(!dir_has(&small.disk.dir, "900001.sst"));
	ck_assert(!dir_has(&small.disk.dir, "900002.wal"));
	ck_assert(dir_has(&small.disk.dir, "notes.txt"));
	ck_assert(dir_has(&small.disk.dir, "12.sst"));
	/* no number is used again */
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_str_gt(small_newest(&small, ".sst"), "900002.sst");
	/* the flush thread may be writing one of its own as long as the store is open */
	small_store_crash(&small);
	ck_assert(!dir_has(&small.disk.dir, "MANIFEST.new"));
}
END_TEST

static void fail_syncs_after_the_rename(void *arg, enum fault_op op, const char *name)
{
	(void)arg;
	(void)name;
	if (op == FAULT_RENAME)
		fault_fs_fail_from(small.disk.fault, FAULT_FSYNC, 1, EIO);
}

/* Until then the old MANIFEST is in force, and what is no orphan by the new one may be none by the old one. */
START_TEST(nothing_is_swept_before_the_new_manifest_is_durable)
{
	make_store();
	small_store_crash(&small);
	disk_write(&small.disk, "900001.sst", slice_of_string("left by a crash"));
	disk_write(&small.disk, "900002.wal", slice_of_string("left by a crash"));
	for (unsigned i = 0; i < 2; i++) {
		if (i == 0)
			fault_fs_fail(small.disk.fault, FAULT_RENAME, 1, EIO);
		else
			fault_fs_hook(small.disk.fault, fail_syncs_after_the_rename, NULL);
		ck_assert_int_ne(small_store_try_open(&small, NULL), KV_OK);
		fault_fs_hook(small.disk.fault, NULL, NULL);
		fault_fs_heal(small.disk.fault);
		ck_assert(dir_has(&small.disk.dir, "900001.sst"));
		ck_assert(dir_has(&small.disk.dir, "900002.wal"));
	}
	small_store_open(&small);
	check_store();
	ck_assert(!dir_has(&small.disk.dir, "900001.sst"));
}
END_TEST

START_TEST(a_missing_file_is_damage_and_nothing_is_changed)
{
	static const char *const endings[] = { "FORMAT", "MANIFEST", ".sst", ".wal" };

	make_store();
	small_store_crash(&small);
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		char name[64];
		struct buf content;

		snprintf(name, sizeof name, "%s", small_newest(&small, endings[i]));
		content = disk_read(&small.disk, name);
		remove_file(name);
		expect_refused(KV_CORRUPT, name);
		disk_write(&small.disk, name, buf_slice(&content));
		buf_free(&content);
	}
	small_store_open(&small);
	check_store();
}
END_TEST

START_TEST(what_cannot_be_opened_now_is_not_missing)
{
	kv_status status = KV_IO;

	make_store();
	small_store_crash(&small);
	for (uint64_t nth = 1 + runner_first(); status != KV_OK; nth += RUNNER_STEP) {
		fault_fs_heal(small.disk.fault);
		fault_fs_fail(small.disk.fault, FAULT_OPEN, nth, nth % 2 ? EMFILE : EIO);
		status = small_store_try_open(&small, NULL);
		ck_assert_msg(status != KV_CORRUPT && status != KV_NOT_FOUND, "%s at open %u",
			kv_status_text(status), (unsigned)nth);
	}
	fault_fs_heal(small.disk.fault);
	check_store();
}
END_TEST

START_TEST(a_table_of_another_length_is_refused)
{
	struct buf content;
	char name[64];

	make_store();
	small_store_crash(&small);
	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	content = disk_read(&small.disk, name);
	disk_write(&small.disk, name, slice_of(content.data, content.len - 1));
	expect_refused(KV_CORRUPT, name);
	disk_write(&small.disk, name, buf_slice(&content));
	buf_free(&content);
	small_store_open(&small);
	check_store();
}
END_TEST

START_TEST(a_newer_format_is_refused_as_such)
{
	struct buf format;
	char newer[128];

	make_store();
	small_store_crash(&small);
	format = disk_read(&small.disk, "FORMAT");
	snprintf(newer, sizeof newer, "kvstored 3\nchecksum %016" PRIx64 "\n",
		checksum64(slice_of_string("kvstored 3\n"), UINT64_C(0x314d524f462d564b)));
	disk_write(&small.disk, "FORMAT", slice_of_string(newer));
	expect_refused(KV_UNSUPPORTED, "FORMAT");
	disk_write(&small.disk, "FORMAT", buf_slice(&format));
	buf_free(&format);
	small_store_open(&small);
	check_store();
}
END_TEST

START_TEST(files_of_another_store_are_refused)
{
	static const char *const endings[] = { "MANIFEST", ".sst" };
	struct small_store other;

	make_store();
	small_store_crash(&small);
	small_store_init(&other);
	small_store_open(&other);
	ck_assert_int_eq(small_put(&other, "a", "9"), KV_OK);
	ck_assert_int_eq(small_put(&other, "b", "9"), KV_OK);
	ck_assert_int_eq(small_put(&other, "c", "9"), KV_OK);
	ck_assert_int_eq(store_flush(other.store, NULL), KV_OK);
	small_store_crash(&other);

	for (size_t i = 0; i < 2; i++) {
		char name[64];
		struct buf mine, theirs = disk_read(&other.disk, small_newest(&other, endings[i]));
		struct store_value got;
		kv_status status;

		snprintf(name, sizeof name, "%s", small_newest(&small, endings[i]));
		mine = disk_read(&small.disk, name);
		disk_write(&small.disk, name, buf_slice(&theirs));
		status = small_store_try_open(&small, &err);
		if (status == KV_OK) { /* a table of the same length is found out when it is read */
			status = store_get(small.store, NULL, slice_of_string("c"), &got, &err);
			small_store_crash(&small);
		}
		ck_assert_msg(status == KV_CORRUPT, "%s: %s", name,
			kv_status_text(status));
		disk_write(&small.disk, name, buf_slice(&mine));
		buf_free(&mine);
		buf_free(&theirs);
	}
	small_store_done(&other);
	small_store_open(&small);
	check_store();
}
END_TEST

/* ---- torn tails ---- */

/* Cuts the last `cut` bytes off what was written to a segment; false: it is all zero. */
static bool tear_segment(const char *name, uint64_t cut)
{
	struct buf log = disk_read(&small.disk, name);
	size_t end;

	for (end = log.len; end > 0 && log.data[end - 1] == 0;)
		end--;
	if (end > 0) {
		memset(log.data + end - cut, 0, cut);
		disk_write(&small.disk, name, buf_slice(&log));
	}
	buf_free(&log);
	return end > 0;
}

/* Of what was written to the WAL last: the segment in use holds data; one made ahead is all zero. */
static void tear_log(uint64_t cut)
{
	char spare[64];

	snprintf(spare, sizeof spare, "%s", small_newest(&small, ".wal"));
	if (tear_segment(spare, cut))
		return;
	ck_assert_int_eq(dir_rename(&small.disk.dir, spare, &small.disk.dir, "spare.hidden", true, NULL), KV_OK);
	tear_log(cut);
	ck_assert_int_eq(dir_rename(&small.disk.dir, "spare.hidden", &small.disk.dir, spare, true, NULL), KV_OK);
}

START_TEST(a_torn_tail_is_set_aside_also_where_lost_and_found_is_not_ours)
{
	static const int errnums[] = { EACCES, ENOTDIR };
	static const char *const refused[] = { "lost+found", "lost+found", "kvstored.probe" }; /* may be entered, and no more */

	make_store();
	ck_assert_int_eq(small_put(&small, "torn", "half of this value is lost"), KV_OK);
	small_store_crash(&small);
	tear_log(10);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_OPEN, .name_part = refused[_i], .nth = 1,
		.errnum = errnums[_i % 2] });
	small_store_open(&small);
	check_store();
	small_expect(&small, "torn", NULL);
	ck_assert(dir_has(&small.disk.dir, "lost+found.kvstored"));
	ck_assert(small_was_warned(&small, "into lost+found.kvstored"));
	small_store_crash(&small);
	small_store_open(&small);
	check_store();
}
END_TEST

START_TEST(a_torn_tail_is_set_aside_with_a_warning_and_stays_so)
{
	make_store();
	ck_assert_int_eq(small_put(&small, "torn", "half of this value is lost"), KV_OK);
	small_store_crash(&small);
	tear_log(10);
	small_store_open(&small);
	check_store();
	small_expect(&small, "torn", NULL);
	ck_assert_uint_eq(small.warnings, 1);
	ck_assert(small_was_warned(&small, "lost+found"));

	/* crash, write, crash: the torn segment has a successor now, and must not pass for damage */
	ck_assert_int_eq(small_put(&small, "after", "1"), KV_OK);
	for (int i = 0; i < 2; i++) {
		small_store_crash(&small);
		small_store_open(&small);
		check_store();
		small_expect(&small, "torn", NULL);
		small_expect(&small, "after", "1");
	}
	ck_assert_uint_eq(small.warnings, 1);
}
END_TEST

START_TEST(a_bad_group_before_a_synced_one_is_damage)
{
	struct buf log;
	char name[64];

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
	small_store_crash(&small);
	small_store_open(&small); /* one more segment: the first is now in the middle */
	small_store_crash(&small);
	ck_assert_uint_ge(small_count(&small, ".wal"), 2);
	snprintf(name, sizeof name, "%s", "000001.wal");
	log = disk_read(&small.disk, name);
	log.data[4096 + 60] ^= 1;
	disk_write(&small.disk, name, buf_slice(&log));
	expect_refused(KV_CORRUPT, name);
	ck_assert(err.has_offset);
	log.data[4096 + 60] ^= 1;
	disk_write(&small.disk, name, buf_slice(&log));
	buf_free(&log);
	small_store_open(&small);
	small_expect(&small, "a", "1");
	small_expect(&small, "b", "1");
}
END_TEST

/* A group that an empty store's log has, and that only its checksum vouches for. */
static void write_group(const char *segment, const struct batch *batch)
{
	struct slice payload = buf_slice(&batch->operations);
	struct buf content = disk_read(&small.disk, segment);
	struct wal_group group = { .count = 1 };
	struct wal_writer *writer;
	struct wal_header header;
	struct store_id id;
	uint64_t number;

	ck_assert_int_eq(filename_parse(segment, &number), FILENAME_WAL);
	ck_assert_int_eq(identity_read(&small.disk.dir, &id, NULL), KV_OK);
	ck_assert_int_eq(wal_header_decode(content.data, &id, number, &header), KV_OK);
	buf_free(&content);
	ck_assert_int_eq(wal_writer_open(&small.disk.dir, &id, &header, &writer, NULL), KV_OK);
	group.first_sequence = header.first_sequence;
	ck_assert_int_eq(wal_append(writer, &group, &payload, 1, NULL), KV_OK);
	wal_writer_close(writer);
}

START_TEST(a_log_that_uses_up_the_numbers_of_files_is_refused)
{
	static const struct {
		uint64_t number;
		bool is_refused;
	} cases[] = { { FILENAME_NUMBER_USED_MAX + 1, true }, { UINT64_MAX, true }, { 1000, false } };
	struct blob_pointer pointer = { .number = cases[_i].number, .size = 100000 };
	struct batch batch = { 0 };

	small_store_open(&small);
	small_store_crash(&small);
	ck_assert_int_eq(batch_put_blob(&batch, slice_of_string("large"), &pointer, 0), KV_OK);
	write_group("000001.wal", &batch);
	batch_free(&batch);
	if (cases[_i].is_refused) {
		expect_refused(KV_CORRUPT, small.disk.path);
		ck_assert_msg(strstr(err.text, "large value in file") != NULL, "%s", err.text);
	} else {
		/* its file is not there, but nobody else's gets its name */
		small_store_open(&small);
		small_fill(&small, 0, 10, "1");
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
		ck_assert_str_gt(small_newest(&small, ".sst"), "001000.sst");
	}
}
END_TEST

/* Two segments whose second one comes to nothing, since the end of the first, which nobody had asked to be durable, is lost. */
static void lose_the_end_of_a_segment(void)
{
	small.options.change_log_bytes = 0;
	small.options.durability = STORE_DURABLE_OS;
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_OPEN, .name_part = ".sst", .nth = 1, .errnum = EIO });
	ck_assert_int_ne(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	fault_fs_heal(small.disk.fault);
	small_forget_warnings(&small);
	ck_assert(tear_segment("000001.wal", 10));
}

static void fail_the_sync_behind_a_removal(void *arg, enum fault_op op, const char *name)
{
	(void)arg;
	if (op == FAULT_UNLINK && strcmp(name, "000002.wal") == 0)
		fault_fs_fail(small.disk.fault, FAULT_FSYNC, 1, EIO);
}

/* They could come back by a power cut and stand against what is written from now on. */
START_TEST(a_start_that_cannot_settle_the_removal_of_lost_segments_takes_no_writes)
{
	lose_the_end_of_a_segment();
	fault_fs_hook(small.disk.fault, fail_the_sync_behind_a_removal, NULL);
	small_store_open(&small);
	ck_assert(small_was_warned(&small, "was not asked to be durable"));
	ck_assert(small_was_warned(&small, "may come back"));
	small_expect(&small, "a", "1");
	small_expect(&small, "b", NULL);
	ck_assert_int_ne(small_put(&small, "c", "1"), KV_OK);
	small_store_crash(&small);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	disk_reopen(&small.disk);
	small_store_open(&small);
	small_expect(&small, "a", "1");
	ck_assert_int_eq(small_put(&small, "c", "1"), KV_OK);
}
END_TEST

START_TEST(versions_go_on_after_everything_was_flushed_and_crashes)
{
	uint64_t last = 0;

	small_store_open(&small);
	for (int i = 0; i < 6; i++) {
		struct store_stats stats;

		ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
		store_get_stats(small.store, &stats);
		ck_assert_uint_gt(stats.last_version, last);
		last = stats.last_version;
		if (i % 2 == 0)
			ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
		if (i == 3) /* the delete may be dropped with the highest version of all */
			ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
		small_store_crash(&small);
		small_store_open(&small);
		store_get_stats(small.store, &stats);
		ck_assert_uint_eq(stats.last_version, last);
	}
}
END_TEST

START_TEST(a_dropped_tombstone_with_the_last_version_leaves_no_gap)
{
	struct store_stats stats;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(small_delete(&small, "a"), KV_OK);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	store_get_stats(small.store, &stats);
	for (unsigned n = 0; n < stats.level_count; n++)
		ck_assert_uint_eq(stats.levels[n].tables, 0);
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "a", NULL);
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "b", "1");
}
END_TEST

START_TEST(more_log_than_one_memtable_holds_is_replayed)
{
	char key[32], value[1000];

	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	small.options.durability = STORE_DURABLE_OS;
	small.options.memtable_bytes = 1 << 20;
	small_store_open(&small);
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof key, "key%d", i);
		ck_assert_int_eq(small_put(&small, key, value), KV_OK);
	}
	small_store_crash(&small);
	small.options.memtable_bytes = 64 * 1024;
	for (int round = 0; round < 3; round++) {
		small_store_open(&small);
		for (int i = 0; i < 500; i++) {
			snprintf(key, sizeof key, "key%d", i);
			small_expect(&small, key, value);
		}
		if (round == 1)
			ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
		small_store_crash(&small);
	}
}
END_TEST

/* ---- failures during the opening ---- */

START_TEST(every_failing_operation_is_reported_and_loses_nothing)
{
	uint64_t reached = 0;

	make_store();
	small_store_crash(&small);
	for (uint64_t nth = 1 + runner_first(); nth < 400; nth += RUNNER_STEP) {
		uint64_t before = fault_fs_failed(small.disk.fault);

		fault_fs_fail_from(small.disk.fault, FAULT_ANY, nth, EIO);
		if (small_store_try_open(&small, &err) == KV_OK)
			small_store_crash(&small);
		reached += fault_fs_failed(small.disk.fault) > before;
		fault_fs_heal(small.disk.fault);
		small_store_open(&small);
		check_store();
		small_store_crash(&small);
	}
	ck_assert_uint_gt(reached * RUNNER_STEP, 30);
}
END_TEST

static bool is_in(enum store_state wanted)
{
	char reason[512];

	return store_get_state(small.store, reason, sizeof reason) == wanted;
}

static void wait_for_health(void)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;

	while (!is_in(STORE_HEALTHY)) {
		ck_assert(clock_monotonic_us() < deadline);
		ck_assert_int_ge(sched_yield(), 0);
	}
}

static void refuse_space(enum fault_op op, const char *name_part, uint64_t nth)
{
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = op, .name_part = name_part, .nth = nth,
		.from_then_on = true, .errnum = ENOSPC });
}

/* A store that found no space to begin its log has no log and no MANIFEST of its own: nothing may be written that would replace what is there. */
START_TEST(a_start_without_space_can_be_read_and_heals_by_itself)
{
	static const struct {
		enum fault_op op;
		const char *name_part;
	} cases[] = { { FAULT_OPEN, "MANIFEST.new" }, { FAULT_PWRITEV, "MANIFEST.new" }, { FAULT_RENAME, "MANIFEST.new" },
		{ FAULT_FDATASYNC, "MANIFEST.new" } };

	make_store();
	small_store_crash(&small);
	for (unsigned i = 0; i < 4; i++) {
		struct buf before = disk_read(&small.disk, "MANIFEST"), after;

		refuse_space(cases[i].op, cases[i].name_part, 1);
		small_store_open(&small);
		ck_assert(is_in(STORE_DISK_FULL));
		check_store();
		ck_assert_int_eq(small_put(&small, "d", "1"), KV_NO_SPACE);
		ck_assert_int_eq(small_delete(&small, "a"), KV_NO_SPACE); /* there is no log to put it */
		ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
		after = disk_read(&small.disk, "MANIFEST");
		ck_assert(slice_equal(buf_slice(&before), buf_slice(&after)));
		if (i % 2 == 0) { /* also when it ends before there is space */
			small_store_crash(&small);
			small_store_open(&small);
			ck_assert(is_in(STORE_DISK_FULL));
			check_store();
		}
		fault_fs_heal(small.disk.fault);
		wait_for_health();
		check_store();
		ck_assert_int_eq(small_put(&small, "d", "1"), KV_OK);
		small_store_crash(&small);
		small_store_open(&small);
		check_store();
		small_expect(&small, "d", "1");
		ck_assert_int_eq(small_delete(&small, "d"), KV_OK);
		small_store_crash(&small);
		buf_free(&before);
		buf_free(&after);
	}
	small_store_open(&small);
}
END_TEST

/* Gives the space back while a table is being written, and goes on when the start is over. */
static void heal_at_first_table(void *arg, enum fault_op op, const char *name)
{
	atomic_bool *healed = arg;

	if (op != FAULT_PWRITEV || !strstr(name, ".sst") || atomic_exchange(healed, true))
		return;
	fault_fs_heal(small.disk.fault);
	wait_for_health();
}

/* The end of a start sweeps every table that MANIFEST does not name; so none may be under way before it. */
START_TEST(nothing_is_compacted_before_a_start_without_space_is_over)
{
	atomic_bool healed = false;

	small_store_open(&small);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(small_put(&small, "a", i == 0 ? "1" : "2"), KV_OK);
		ck_assert_int_eq(small_put(&small, i == 0 ? "b" : "c", "1"), KV_OK);
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	}
	small_store_crash(&small);
	refuse_space(FAULT_OPEN, "MANIFEST.new", 1);
	small_store_open(&small);
	ck_assert_uint_eq(small_stats(&small).memtable_entries, 0);
	fault_fs_hook(small.disk.fault, heal_at_first_table, &healed);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_NO_SPACE);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	ck_assert(!healed);
	fault_fs_heal(small.disk.fault);
	wait_for_health();
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "a", "2");
	small_expect(&small, "b", "1");
	small_expect(&small, "c", "1");
}
END_TEST

START_TEST(no_space_at_any_step_of_a_start_loses_nothing)
{
	unsigned opened = 0, refused = 0;

	make_store();
	small_store_crash(&small);
	for (uint64_t nth = 1; nth <= 16; nth++) {
		kv_status status;

		fault_fs_fail_from(small.disk.fault, FAULT_PWRITEV, nth, ENOSPC);
		status = small_store_try_open(&small, &err);
		fault_fs_heal(small.disk.fault);
		opened += status == KV_OK;
		refused += status != KV_OK;
		if (status == KV_OK)
			check_store();
		small_store_crash(&small);
		small_store_open(&small);
		check_store();
		small_store_crash(&small);
	}
	ck_assert_uint_gt(opened, 0);
	ck_assert_uint_gt(refused, 0);
	small_store_open(&small);
}
END_TEST

START_TEST(a_torn_tail_waits_for_space_to_be_set_aside)
{
	make_store();
	ck_assert_int_eq(small_put(&small, "torn", "half of this value is lost"), KV_OK);
	small_store_crash(&small);
	tear_log(10);
	refuse_space(FAULT_MKDIR, "lost+found", 1);
	small_store_open(&small);
	check_store();
	ck_assert(is_in(STORE_DISK_FULL));
	ck_assert(!dir_has(&small.disk.dir, "lost+found"));
	fault_fs_heal(small.disk.fault);
	wait_for_health();
	ck_assert(dir_has(&small.disk.dir, "lost+found"));
	check_store();
}
END_TEST

static unsigned count_changes(struct store_changes *changes)
{
	struct store_change change;
	unsigned count = 0;
	kv_status status;

	while ((status = store_changes_next(changes, &change, &err)) == KV_OK)
		count++;
	ck_assert_int_eq(status, KV_NOT_FOUND);
	return count;
}

/* Who was told that they are gone would read everything anew. */
START_TEST(changes_can_be_read_while_a_start_waits_for_space)
{
	struct store_changes *changes;

	make_store();
	ck_assert_int_eq(small_put(&small, "torn", "half of this value is lost"), KV_OK);
	small_store_crash(&small);
	tear_log(10);
	refuse_space(FAULT_MKDIR, "lost+found", 1);
	small_store_open(&small);
	ck_assert(is_in(STORE_DISK_FULL));
	ck_assert_int_eq(store_changes_open(small.store, 1, &changes, &err), KV_OK);
	ck_assert_uint_eq(count_changes(changes), 4);
	fault_fs_heal(small.disk.fault);
	wait_for_health();
	ck_assert_int_eq(small_put(&small, "d", "1"), KV_OK);
	ck_assert_uint_eq(count_changes(changes), 1);
	store_changes_close(changes);
	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_OK);
	ck_assert_uint_eq(count_changes(changes), 6);
	store_changes_close(changes);
}
END_TEST

/* It is tried once a second: what stayed behind each time would be the end of a full disk. */
START_TEST(a_segment_that_could_not_be_begun_leaves_no_file)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;
	size_t before;

	make_store();
	small_store_crash(&small);
	before = small_count(&small, ".wal");
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC, .name_part = ".wal",
		.nth = 4, .from_then_on = true, .errnum = ENOSPC }); /* two settle what was replayed, one makes the segment */
	small_store_open(&small);
	ck_assert(is_in(STORE_DISK_FULL));
	while (small_count(&small, ".wal") != before) /* but for one that is being made */
		ck_assert_uint_lt(clock_monotonic_us(), deadline);
	fault_fs_heal(small.disk.fault);
	wait_for_health();
	check_store();
}
END_TEST

START_TEST(the_first_opening_can_be_cut_short_anywhere)
{
	for (uint64_t nth = 1 + runner_first(); nth < 80; nth += RUNNER_STEP) {
		struct small_store fresh;

		small_store_init(&fresh);
		fault_fs_fail_from(fresh.disk.fault, FAULT_ANY, nth, EIO);
		if (small_store_try_open(&fresh, NULL) == KV_OK)
			small_store_crash(&fresh);
		fault_fs_heal(fresh.disk.fault);
		small_store_open(&fresh);
		small_expect(&fresh, "a", NULL);
		ck_assert_int_eq(small_put(&fresh, "a", "1"), KV_OK);
		small_expect(&fresh, "a", "1");
		small_store_done(&fresh);
	}
}
END_TEST

START_TEST(every_failing_allocation_is_a_clean_refusal)
{
	make_store();
	small_store_crash(&small);
	for (uint64_t nth = 1 + runner_first();; nth += RUNNER_STEP) {
		kv_status status;
		uint64_t failed;

		fault_alloc_fail(nth, false);
		status = small_store_try_open(&small, &err);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		if (status == KV_OK) {
			check_store();
			small_store_crash(&small);
		} else {
			ck_assert_int_eq(status, KV_NO_MEMORY);
		}
		if (failed == 0) {
			ck_assert_uint_gt(nth, 20);
			break;
		}
	}
	small_store_open(&small);
	check_store();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recover");
	TCase *tcase = tcase_create("recover");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, tables_and_log_come_back_together);
	tcase_add_test(tcase, orphans_are_swept_and_foreign_files_left_alone);
	tcase_add_test(tcase, nothing_is_swept_before_the_new_manifest_is_durable);
	tcase_add_test(tcase, a_missing_file_is_damage_and_nothing_is_changed);
	tcase_add_test(tcase, what_cannot_be_opened_now_is_not_missing);
	tcase_add_test(tcase, a_table_of_another_length_is_refused);
	tcase_add_test(tcase, a_newer_format_is_refused_as_such);
	tcase_add_test(tcase, files_of_another_store_are_refused);
	tcase_add_loop_test(tcase, a_torn_tail_is_set_aside_also_where_lost_and_found_is_not_ours, 0, 3);
	tcase_add_test(tcase, a_torn_tail_is_set_aside_with_a_warning_and_stays_so);
	tcase_add_test(tcase, a_bad_group_before_a_synced_one_is_damage);
	tcase_add_loop_test(tcase, a_log_that_uses_up_the_numbers_of_files_is_refused, 0, 3);
	tcase_add_test(tcase, a_start_that_cannot_settle_the_removal_of_lost_segments_takes_no_writes);
	tcase_add_test(tcase, versions_go_on_after_everything_was_flushed_and_crashes);
	tcase_add_test(tcase, a_dropped_tombstone_with_the_last_version_leaves_no_gap);
	tcase_add_test(tcase, more_log_than_one_memtable_holds_is_replayed);
	tcase_add_test(tcase, every_failing_operation_is_reported_and_loses_nothing);
	tcase_add_test(tcase, a_start_without_space_can_be_read_and_heals_by_itself);
	tcase_add_test(tcase, nothing_is_compacted_before_a_start_without_space_is_over);
	tcase_add_test(tcase, no_space_at_any_step_of_a_start_loses_nothing);
	tcase_add_test(tcase, a_torn_tail_waits_for_space_to_be_set_aside);
	tcase_add_test(tcase, changes_can_be_read_while_a_start_waits_for_space);
	tcase_add_test(tcase, a_segment_that_could_not_be_begun_leaves_no_file);
	tcase_add_test(tcase, the_first_opening_can_be_cut_short_anywhere);
	tcase_add_test(tcase, every_failing_allocation_is_a_clean_refusal);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
