/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs with damage in them: every group that checks is given out once, in order; what lies between is told by its sequences. */
#include "engine/log_scan.h"

#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/wal_log.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

enum { SEGMENT_BYTES = 16384 };

static struct wal_log log_;
static const uint64_t numbers[] = { 1, 2, 3, 4 };
static unsigned faults, torn_tails, unsynced_ends, losses, operations;
static uint64_t lost_first, lost_end, next_expected;
static uint64_t before;     /* the sequence before the first */
static uint64_t offsets[5]; /* of the groups, which lie alike in all segments */

static void note_fault(void *arg, const char *name, uint64_t offset, const char *what)
{
	(void)arg;
	(void)name;
	(void)offset;
	(void)what;
	faults++;
}

static void note_torn(void *arg, const char *name, uint64_t offset, uint64_t bytes)
{
	(void)arg;
	(void)name;
	(void)offset;
	(void)bytes;
	torn_tails++;
}

static void note_unsynced(void *arg, const char *name, uint64_t offset, uint64_t end)
{
	(void)arg;
	ck_assert_str_eq(name, "000002.wal");
	ck_assert_uint_lt(offset, end);
	unsynced_ends++;
}

static void note_lost(void *arg, uint64_t first, uint64_t end)
{
	(void)arg;
	losses++;
	lost_first = first;
	lost_end = end;
}

static kv_status note_operation(void *arg, const struct entry *entry, struct kv_error *err)
{
	(void)arg;
	(void)err;
	ck_assert_uint_ge(entry->sequence, next_expected);
	next_expected = entry->sequence + 1;
	operations++;
	return KV_OK;
}

/* Three segments with groups of sequences from 1 on, and one made ahead. */
static void setup(void)
{
	wal_log_open(&log_);
	before = log_.next_sequence - 1;
	for (unsigned n = 1; n <= 3; n++) {
		wal_log_begin(&log_, n, SEGMENT_BYTES);
		for (unsigned i = 0; i < 5; i++)
			wal_log_commit(&log_, 2, 20);
	}
	for (unsigned i = 0; i < 5; i++)
		offsets[i] = log_.groups[i].offset;
	wal_log_end(&log_);
	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 4, SEGMENT_BYTES, WAL_WRITTEN, NULL), KV_OK);
}

static void teardown(void)
{
	wal_log_close(&log_);
}

static struct log_scan new_scan(void)
{
	struct log_scan scan = { .dir = &log_.disk.dir, .id = &log_.id,
		.events = { note_fault, note_torn, note_unsynced, note_lost, note_operation, NULL } };

	faults = torn_tails = unsynced_ends = losses = operations = 0;
	next_expected = 0;
	return scan;
}

static struct log_scan run(uint64_t last_sequence)
{
	struct log_scan scan = new_scan();

	scan.last_sequence = last_sequence;
	ck_assert_int_eq(log_scan_run(&scan, numbers, 4, NULL), KV_OK);
	return scan;
}

/* A byte of the payload of group `i` of the segment. */
static void damage(const char *name, unsigned i, uint64_t at)
{
	static const uint8_t byte = 0xa5;

	disk_patch(&log_.disk, name, offsets[i] + at, slice_of(&byte, 1));
}

START_TEST(a_whole_log_is_given_out)
{
	struct log_scan scan = run(before);

	ck_assert_uint_eq(faults + torn_tails + losses, 0);
	ck_assert_uint_eq(operations, 30);
	ck_assert_uint_eq(scan.next_sequence, log_.next_sequence);
	scan = run(log_.next_sequence - 3); /* what is in tables is not given out */
	ck_assert_uint_eq(operations, 2);
	ck_assert(!scan.lost);
}
END_TEST

START_TEST(a_damaged_group_costs_its_own_operations)
{
	struct log_scan scan;

	damage("000002.wal", 2, 60);
	scan = run(before);
	ck_assert(scan.lost);
	ck_assert_uint_eq(operations, 28);
	ck_assert_uint_eq(losses, 1);
	ck_assert_uint_eq(lost_end - lost_first, 2);
	scan = run(lost_end - 1);
	ck_assert_msg(!scan.lost && faults > 0, "what is in tables is not lost");
}
END_TEST

/* One segment is always in use; of what was in this one nothing is left. */
START_TEST(an_unused_segment_alone_may_have_lost_anything)
{
	struct log_scan scan = new_scan();

	ck_assert_int_eq(log_scan_run(&scan, &numbers[3], 1, NULL), KV_OK);
	ck_assert_uint_eq(faults, 1);
	ck_assert(scan.lost);
	ck_assert_uint_eq(lost_end, 0);
}
END_TEST

START_TEST(a_header_costs_nothing_where_the_groups_follow_one_another)
{
	for (unsigned n = 1; n <= 3; n++) {
		static const uint8_t byte = 0xa5;
		char name[32];

		snprintf(name, sizeof name, "%06u.wal", n);
		disk_patch(&log_.disk, name, 34, slice_of(&byte, 1));
		ck_assert(!run(before).lost);
		ck_assert_uint_gt(faults, 0);
		ck_assert_uint_eq(operations, 30);
	}
}
END_TEST

START_TEST(a_missing_segment_is_told_by_its_sequences)
{
	struct log_scan scan;

	ck_assert_int_eq(dir_unlink(&log_.disk.dir, "000002.wal", NULL), KV_OK);
	scan = run(before);
	ck_assert(scan.lost);
	ck_assert_uint_eq(operations, 20);
	ck_assert_uint_eq(lost_end - lost_first, 10);
	ck_assert(!run(lost_end - 1).lost);
	ck_assert_int_eq(dir_unlink(&log_.disk.dir, "000003.wal", NULL), KV_OK);
	scan = run(lost_end - 1);
	ck_assert_msg(scan.lost && lost_end == 0, "nobody knows what was in the newest");
}
END_TEST

START_TEST(mixed_up_segments_are_read_by_what_their_headers_say)
{
	struct buf one = disk_read(&log_.disk, "000001.wal"), three = disk_read(&log_.disk, "000003.wal");

	disk_write(&log_.disk, "000001.wal", buf_slice(&three));
	disk_write(&log_.disk, "000003.wal", buf_slice(&one));
	ck_assert(!run(before).lost);
	ck_assert_uint_eq(faults, 2);
	ck_assert_uint_eq(operations, 30);
	disk_write(&log_.disk, "000002.wal", buf_slice(&one)); /* the second is gone */
	ck_assert(run(before).lost);
	ck_assert_uint_eq(operations, 20);
	buf_free(&one);
	buf_free(&three);
}
END_TEST

START_TEST(a_torn_tail_is_no_loss)
{
	struct log_scan scan;

	damage("000003.wal", 4, 60);
	scan = run(before);
	ck_assert(!scan.lost);
	ck_assert_uint_eq(torn_tails, 1);
	ck_assert_uint_eq(faults, 0);
	ck_assert_uint_eq(operations, 28);
}
END_TEST

/* Says of a segment that what is before it was not synced. */
static void set_unsynced(const char *name, bool unsynced)
{
	struct buf content = disk_read(&log_.disk, name);
	struct wal_header header;

	wal_header_decode(content.data, &log_.id, (uint64_t)(name[5] - '0'), &header);
	header.prev_unsynced = unsynced;
	wal_header_encode(content.data, &log_.id, &header);
	disk_write(&log_.disk, name, buf_slice(&content));
	buf_free(&content);
}

START_TEST(what_follows_an_end_that_was_not_synced_is_not_given_out)
{
	struct buf content;

	set_unsynced("000002.wal", true);
	set_unsynced("000003.wal", true);
	content = disk_read(&log_.disk, "000002.wal");
	memset(content.data + offsets[3], 0, content.len - offsets[3]);
	disk_write(&log_.disk, "000002.wal", buf_slice(&content));
	buf_free(&content);
	ck_assert(!run(before).lost);
	ck_assert_uint_eq(unsynced_ends, 1);
	ck_assert_uint_eq(faults + torn_tails, 0);
	ck_assert_uint_eq(operations, 16);
	set_unsynced("000003.wal", false); /* it vouches for both before it */
	ck_assert(run(before).lost);
	ck_assert_uint_eq(unsynced_ends, 0);
	ck_assert_uint_eq(faults, 1);
	ck_assert_uint_eq(operations, 26);
}
END_TEST

static struct log_scan run_without_manifest(void)
{
	struct log_scan scan = new_scan();

	scan.give_all = true;
	ck_assert_int_eq(log_scan_run(&scan, numbers, 4, NULL), KV_OK);
	return scan;
}

/* A start has ended the store in the first segment, lost the last group of that, and gone on in the third. */
static void drop_the_second(void)
{
	struct buf content;
	struct wal_header header;

	content = disk_read(&log_.disk, "000003.wal");
	ck_assert_int_eq(wal_header_decode(content.data, &log_.id, 3, &header), KV_OK);
	header.prev_number = 1;
	header.prev_end = offsets[4];
	wal_header_encode(content.data, &log_.id, &header);
	disk_write(&log_.disk, "000003.wal", buf_slice(&content));
	buf_free(&content);
}

/* The second, with the same sequences, came back. */
START_TEST(without_a_manifest_what_a_start_has_dropped_stays_out)
{
	drop_the_second();
	run_without_manifest();
	ck_assert_uint_eq(operations, 8 + 10);
	ck_assert_uint_eq(faults, 0);
}
END_TEST

START_TEST(the_segment_that_one_goes_on_behind_need_not_be_readable)
{
	static const uint8_t zeros[SEGMENT_BYTES];

	drop_the_second();
	disk_write(&log_.disk, "000001.wal", slice_of(zeros, 100)); /* too short for a header */
	run_without_manifest();
	ck_assert_uint_eq(operations, 10);
	ck_assert_uint_eq(faults, 1);
}
END_TEST

START_TEST(a_segment_that_goes_on_behind_its_end_is_told)
{
	struct buf content = disk_read(&log_.disk, "000002.wal");
	struct wal_header header;

	ck_assert_int_eq(wal_header_decode(content.data, &log_.id, 2, &header), KV_OK);
	header.prev_end = offsets[4];
	header.prev_unsynced = true;
	wal_header_encode(content.data, &log_.id, &header);
	disk_write(&log_.disk, "000002.wal", buf_slice(&content));
	buf_free(&content);
	set_unsynced("000003.wal", true);
	run(before);
	ck_assert_uint_eq(faults, 1);
}
END_TEST

START_TEST(of_a_history_the_part_behind_the_damage_is_good)
{
	struct log_scan scan = new_scan();
	size_t good = 9;

	ck_assert_int_eq(log_scan_history(&scan, numbers, 2, before + 21, &good, NULL), KV_OK);
	ck_assert_uint_eq(good, 2);
	ck_assert_uint_eq(faults, 0);
	damage("000001.wal", 3, 60);
	ck_assert_int_eq(log_scan_history(&scan, numbers, 2, before + 21, &good, NULL), KV_OK);
	ck_assert_uint_eq(good, 1);
	ck_assert_uint_eq(faults, 1);
	damage("000002.wal", 0, 60);
	ck_assert_int_eq(log_scan_history(&scan, numbers, 2, before + 21, &good, NULL), KV_OK);
	ck_assert_uint_eq(good, 0);
}
END_TEST

/* Where little is written between two flushes the log has more segments than a process may have files open. */
START_TEST(many_segments_need_few_descriptors)
{
	enum { COUNT = 100 };
	uint64_t many[COUNT];
	struct log_scan scan;
	struct rlimit limit, few;
	size_t good = 0;

	for (unsigned n = 0; n < COUNT; n++) {
		many[n] = 5 + n;
		wal_log_begin(&log_, many[n], 8192);
		wal_log_commit(&log_, 1, 20);
		wal_log_end(&log_);
	}
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){ 32, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	scan = new_scan();
	ck_assert_int_eq(log_scan_history(&scan, many, COUNT, 0, &good, NULL), KV_OK);
	ck_assert_uint_eq(good, COUNT);
	scan = new_scan();
	scan.give_all = true;
	ck_assert_int_eq(log_scan_run(&scan, many, COUNT, NULL), KV_OK);
	ck_assert_uint_eq(operations, COUNT);
	ck_assert_uint_eq(faults, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
END_TEST

START_TEST(a_failure_is_no_damage)
{
	kv_status status = KV_IO;

	for (uint64_t nth = 1; status != KV_OK; nth++) {
		struct log_scan scan = new_scan();

		scan.last_sequence = before;
		fault_fs_fail(log_.disk.fault, FAULT_PREAD, nth, EIO);
		status = log_scan_run(&scan, numbers, 4, NULL);
		fault_fs_heal(log_.disk.fault);
		ck_assert(status == KV_OK || status == KV_IO);
		ck_assert_uint_eq(faults + losses, 0);
	}
	status = KV_NO_MEMORY;
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		struct log_scan scan = new_scan();

		scan.last_sequence = before;
		fault_alloc_fail(nth, false);
		status = log_scan_run(&scan, numbers, 4, NULL);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		ck_assert_uint_eq(faults + losses, 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_scan");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_whole_log_is_given_out);
	tcase_add_test(tcase, a_damaged_group_costs_its_own_operations);
	tcase_add_test(tcase, an_unused_segment_alone_may_have_lost_anything);
	tcase_add_test(tcase, a_header_costs_nothing_where_the_groups_follow_one_another);
	tcase_add_test(tcase, a_missing_segment_is_told_by_its_sequences);
	tcase_add_test(tcase, mixed_up_segments_are_read_by_what_their_headers_say);
	tcase_add_test(tcase, a_torn_tail_is_no_loss);
	tcase_add_test(tcase, without_a_manifest_what_a_start_has_dropped_stays_out);
	tcase_add_test(tcase, the_segment_that_one_goes_on_behind_need_not_be_readable);
	tcase_add_test(tcase, a_segment_that_goes_on_behind_its_end_is_told);
	tcase_add_test(tcase, what_follows_an_end_that_was_not_synced_is_not_given_out);
	tcase_add_test(tcase, of_a_history_the_part_behind_the_damage_is_good);
	tcase_add_test(tcase, many_segments_need_few_descriptors);
	tcase_add_test(tcase, a_failure_is_no_damage);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
