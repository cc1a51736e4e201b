/* SPDX-License-Identifier: BSD-2-Clause */
/* Replaying chains of WAL segments that were written with the real writer, and bent afterwards. */
#include "engine/replay.h"

#include "base/checksum.h"
#include "engine/batch.h"
#include "engine/filename.h"
#include "engine/wal_writer.h"
#include "support/disk.h"
#include "support/runner.h"

#include <errno.h>
#include <stdio.h>

static struct disk disk;
static const struct store_id id = { { 7 } };
static struct wal_writer *writer;
static uint64_t sequence;

static void setup(void)
{
	disk_open(&disk);
	sequence = 0;
}

static void teardown(void)
{
	writer = wal_writer_close(writer);
	disk_close(&disk);
}

static void make_unused(uint64_t number)
{
	ck_assert_int_eq(wal_make_segment(&disk.dir, number, 64 * 1024, WAL_WRITTEN, NULL), KV_OK);
}

/* Goes on in a new segment. */
static void go_on(uint64_t number, bool unsynced)
{
	struct wal_header header = { .number = number, .first_sequence = sequence + 1, .prev_unsynced = unsynced };

	if (writer) {
		if (!unsynced)
			ck_assert_int_eq(wal_sync(writer, NULL), KV_OK);
		header.prev_number = wal_writer_number(writer);
		header.prev_end = wal_writer_end(writer);
		writer = wal_writer_close(writer);
	}
	make_unused(number);
	ck_assert_int_eq(wal_writer_open(&disk.dir, &id, &header, &writer, NULL), KV_OK);
}

static void begin(uint64_t number)
{
	go_on(number, false);
}

/* One group of `count` puts of key<sequence>. */
static void append(uint32_t count)
{
	struct wal_group group = { .first_sequence = sequence + 1, .count = count, .wall_us = 1 };
	struct batch batch = { 0 };
	struct slice piece;
	char key[32];

	for (uint32_t i = 0; i < count; i++) {
		snprintf(key, sizeof key, "key%06u", (unsigned)++sequence);
		ck_assert_int_eq(batch_put(&batch, slice_of_string(key), slice_of_string("v"), 0),
			KV_OK);
	}
	piece = buf_slice(&batch.operations);
	ck_assert_int_eq(wal_append(writer, &group, &piece, 1, NULL), KV_OK);
	batch_free(&batch);
}

static kv_status replay(const uint64_t *numbers, size_t count, uint64_t flushed,
	uint64_t memtable_bytes, struct replay *ret, struct kv_error *err)
{
	if (writer)
		ck_assert_int_eq(wal_sync(writer, NULL), KV_OK);
	*ret = (struct replay){ .dir = &disk.dir, .id = &id, .memtable_bytes = memtable_bytes,
		.last_sequence = flushed };
	return replay_run(ret, numbers, count, err);
}

static uint64_t entries(const struct replay *replay)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < replay->count; i++)
		sum += memtable_entries(replay->memtables[i]);
	return sum;
}

START_TEST(no_segment_gives_no_memtable)
{
	struct replay got;

	ck_assert_int_eq(replay(NULL, 0, 5, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.count, 0);
	ck_assert_uint_eq(got.last_used, 0);
	ck_assert_uint_eq(got.last_sequence, 5);
	ck_assert_uint_eq(got.oldest_needed, UINT64_MAX);
	replay_free(&got);
}
END_TEST

START_TEST(a_chain_is_replayed_to_its_end_and_unused_segments_are_passed_over)
{
	static const uint64_t numbers[] = { 3, 5, 6, 9 };
	struct replay got;
	struct entry entry;

	begin(3);
	append(2);
	append(1);
	begin(5);
	begin(6); /* 5 was begun and left empty */
	append(4);
	make_unused(9);
	ck_assert_int_eq(replay(numbers, 4, 0, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.operations, 7);
	ck_assert_uint_eq(got.last_sequence, 7);
	ck_assert_uint_eq(got.oldest_needed, 3);
	ck_assert_uint_eq(got.last_used, 6);
	ck_assert_uint_eq(got.end, wal_writer_end(writer));
	ck_assert_uint_eq(got.torn_end, got.end);
	ck_assert_uint_eq(got.segments, 3);
	ck_assert_uint_eq(got.count, 1);
	ck_assert(memtable_get(got.memtables[0], slice_of_string("key000007"), 7, &entry));
	ck_assert_uint_eq(entry.sequence, 7);
	replay_free(&got);
}
END_TEST

START_TEST(what_tables_hold_is_not_replayed_again)
{
	static const uint64_t numbers[] = { 3 };
	struct replay got;
	struct entry entry;

	begin(3);
	append(2);
	append(3);
	ck_assert_int_eq(replay(numbers, 1, 2, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.operations, 3);
	ck_assert(!memtable_get(got.memtables[0], slice_of_string("key000002"), 9, &entry));
	ck_assert(memtable_get(got.memtables[0], slice_of_string("key000003"), 9, &entry));
	replay_free(&got);
	ck_assert_int_eq(replay(numbers, 1, 5, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.count, 0);
	ck_assert_uint_eq(got.oldest_needed, UINT64_MAX);
	ck_assert_uint_eq(got.last_used, 3);
	replay_free(&got);
}
END_TEST

START_TEST(memtables_are_split_between_groups_and_know_their_oldest_segment)
{
	static const uint64_t numbers[] = { 3, 4 };
	struct replay got;

	begin(3);
	for (int i = 0; i < 300; i++)
		append(10);
	begin(4);
	append(1);
	ck_assert_int_eq(replay(numbers, 2, 0, 32 * 1024, &got, NULL), KV_OK);
	ck_assert_uint_gt(got.count, 2);
	ck_assert_uint_eq(entries(&got), 3001);
	for (size_t i = 0; i < got.count; i++) {
		ck_assert_uint_eq(memtable_wal_number(got.memtables[i]), 3);
		ck_assert_uint_eq(memtable_last_sequence(got.memtables[i]) % 10,
			i + 1 == got.count ? 1 : 0);
		ck_assert_int_eq(memtable_get_state(got.memtables[i]),
			i + 1 == got.count ? MEMTABLE_ACTIVE : MEMTABLE_FROZEN);
	}
	replay_free(&got);
}
END_TEST

/* Until it is flushed, every get of a key that it does not hold comes by. */
START_TEST(a_replayed_memtable_knows_most_keys_that_it_does_not_hold)
{
	static const uint64_t numbers[] = { 3 };
	unsigned passed = 0;
	struct replay got;
	char key[32];

	begin(3);
	append(100);
	ck_assert_int_eq(replay(numbers, 1, 0, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.count, 1);
	for (unsigned i = 1; i <= 100; i++) {
		snprintf(key, sizeof key, "key%06u", i);
		ck_assert(memtable_may_have(got.memtables[0], key_hash(slice_of_string(key))));
		snprintf(key, sizeof key, "nokey%06u", i);
		passed += memtable_may_have(got.memtables[0], key_hash(slice_of_string(key)));
	}
	ck_assert_uint_lt(passed, 10);
	replay_free(&got);
}
END_TEST

START_TEST(a_gap_in_the_chain_is_damage)
{
	static const uint64_t without_5[] = { 3, 6 };
	static const uint64_t late[] = { 6 };
	struct kv_error err = { 0 };
	struct replay got;

	begin(3);
	append(2);
	begin(5);
	append(2);
	begin(6);
	append(2);
	ck_assert_int_eq(replay(without_5, 2, 0, 1 << 20, &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, "000006.wal"));
	replay_free(&got);
	/* the first may name one that is gone, if tables have what it held */
	ck_assert_int_eq(replay(late, 1, 4, 1 << 20, &got, &err), KV_OK);
	replay_free(&got);
	ck_assert_int_eq(replay(late, 1, 3, 1 << 20, &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "sequences are missing"));
	replay_free(&got);
}
END_TEST

START_TEST(an_unused_segment_before_a_used_one_is_damage)
{
	static const uint64_t numbers[] = { 2, 3 };
	struct kv_error err = { 0 };
	struct replay got;

	make_unused(2);
	begin(3);
	append(1);
	ck_assert_int_eq(replay(numbers, 2, 0, 1 << 20, &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "lost its header"));
	replay_free(&got);
}
END_TEST

/* The newest log lies in zeros, or in another file's content: the one that is made ahead stands behind it. */
START_TEST(two_unused_segments_are_damage)
{
	static const uint64_t numbers[] = { 2, 3, 4 };
	struct kv_error err = { 0 };
	struct replay got;

	begin(2);
	append(1);
	make_unused(3);
	ck_assert_int_eq(replay(numbers, 2, 0, 1 << 20, &got, &err), KV_OK);
	replay_free(&got);
	make_unused(4);
	ck_assert_int_eq(replay(numbers, 3, 0, 1 << 20, &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "lost its header"));
	ck_assert_ptr_nonnull(strstr(err.file, "000003.wal"));
	replay_free(&got);
}
END_TEST

/* One is always in use, and none is made ahead before it is. */
START_TEST(an_unused_segment_alone_is_damage)
{
	static const uint64_t numbers[] = { 2 };
	struct kv_error err = { 0 };
	struct replay got;

	make_unused(2);
	ck_assert_int_eq(replay(numbers, 1, 0, 1 << 20, &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "lost its header"));
	replay_free(&got);
}
END_TEST

START_TEST(a_bad_byte_before_the_end_of_an_earlier_segment_is_damage)
{
	static const uint64_t numbers[] = { 3, 5 };
	struct kv_error err = { 0 };
	struct replay got;
	struct buf content;

	begin(3);
	append(2);
	append(2);
	begin(5);
	append(1);
	content = disk_read(&disk, "000003.wal");
	content.data[WAL_FIRST_GROUP_OFFSET + WAL_GROUP_HEADER_BYTES] ^= 1;
	disk_write(&disk, "000003.wal", buf_slice(&content));
	buf_free(&content);
	ck_assert_int_eq(replay(numbers, 2, 0, 1 << 20, &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, "000003.wal"));
	ck_assert(err.has_offset);
	ck_assert_uint_eq(err.offset, WAL_FIRST_GROUP_OFFSET);
	replay_free(&got);
}
END_TEST

START_TEST(a_torn_last_group_is_left_out_and_measured)
{
	static const uint64_t numbers[] = { 3 };
	struct replay got;
	struct buf content;
	uint64_t end;

	begin(3);
	append(2);
	ck_assert_int_eq(wal_sync(writer, NULL), KV_OK);
	end = wal_writer_end(writer);
	append(5);
	content = disk_read(&disk, "000003.wal");
	content.data[wal_writer_end(writer) - 10] ^= 1;
	disk_write(&disk, "000003.wal", buf_slice(&content));
	buf_free(&content);
	ck_assert_int_eq(replay(numbers, 1, 0, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.last_sequence, 2);
	ck_assert_uint_eq(got.end, end);
	ck_assert_uint_gt(got.torn_end, end);
	replay_free(&got);
}
END_TEST

/* ---- segments that were left without a sync ---- */

/* 3, 5 and 6 with 2, 2 and 1 groups of two; 5 and 6 say that what is before them was not synced. */
static void write_unsynced_chain(void)
{
	begin(3);
	append(2);
	append(2);
	go_on(5, true);
	append(2);
	append(2);
	go_on(6, true);
	append(2);
}

/* What a power cut does to a page that was not written. */
static void lose(const char *name, uint64_t from)
{
	struct buf content = disk_read(&disk, name);

	memset(content.data + from, 0, content.len - from);
	disk_write(&disk, name, buf_slice(&content));
	buf_free(&content);
}

START_TEST(a_chain_without_syncs_is_replayed_and_settled)
{
	static const uint64_t numbers[] = { 3, 5, 6 };
	static const char *const order[] = { "fdatasync 000003.wal", "fdatasync 000005.wal", "fdatasync 000006.wal", NULL };
	struct replay got;

	write_unsynced_chain();
	writer = wal_writer_close(writer);
	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(replay(numbers, 3, 0, 1 << 20, &got, NULL), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, order));
	ck_assert_uint_eq(got.last_sequence, 10);
	ck_assert_uint_eq(got.last_used, 6);
	ck_assert_uint_eq(got.lost_segments, 0);
	replay_free(&got);
}
END_TEST

START_TEST(what_follows_a_lost_end_is_no_more_of_the_store)
{
	static const uint64_t numbers[] = { 3, 5, 6, 9 };
	struct replay got;

	write_unsynced_chain();
	make_unused(9);
	lose("000005.wal", WAL_FIRST_GROUP_OFFSET + 100); /* in the second group */
	ck_assert_int_eq(replay(numbers, 4, 0, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.last_used, 5);
	ck_assert_uint_eq(got.lost_segments, 1);
	ck_assert_uint_lt(got.end, WAL_FIRST_GROUP_OFFSET + 200);
	ck_assert_uint_eq(got.last_sequence % 2, 0);
	ck_assert_uint_lt(got.last_sequence, 8);
	replay_free(&got);
	lose("000003.wal", WAL_FIRST_GROUP_OFFSET); /* all of it */
	ck_assert_int_eq(replay(numbers, 4, 0, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.last_used, 3);
	ck_assert_uint_eq(got.lost_segments, 2);
	ck_assert_uint_eq(got.end, WAL_FIRST_GROUP_OFFSET);
	ck_assert_uint_eq(got.last_sequence, 0);
	ck_assert_uint_eq(got.count, 0);
	replay_free(&got);
}
END_TEST

START_TEST(a_segment_before_one_that_vouches_must_be_whole)
{
	static const uint64_t numbers[] = { 3, 5, 6 };
	struct kv_error err = { 0 };
	struct replay got;

	write_unsynced_chain();
	ck_assert_int_eq(wal_writer_vouch(writer, NULL), KV_OK);
	lose("000003.wal", WAL_FIRST_GROUP_OFFSET + 100);
	ck_assert_int_eq(replay(numbers, 3, 0, 1 << 20, &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, "000003.wal"));
	replay_free(&got);
}
END_TEST

START_TEST(a_segment_without_a_sync_that_goes_on_behind_its_end_is_damage)
{
	static const uint64_t numbers[] = { 3, 5 };
	struct wal_header header = { .number = 5, .prev_number = 3, .prev_unsynced = true };
	struct kv_error err = { 0 };
	struct replay got;

	begin(3);
	append(2);
	header.prev_end = wal_writer_end(writer);
	append(2);
	writer = wal_writer_close(writer);
	header.first_sequence = sequence + 1;
	make_unused(5);
	ck_assert_int_eq(wal_writer_open(&disk.dir, &id, &header, &writer, NULL), KV_OK);
	ck_assert_int_eq(replay(numbers, 2, 0, 1 << 20, &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "behind its end"));
	replay_free(&got);
}
END_TEST

START_TEST(what_was_replayed_is_synced_and_a_failure_to_do_so_is_told)
{
	static const uint64_t numbers[] = { 3 };
	struct kv_error err = { 0 };
	struct replay got;

	begin(3);
	append(1);
	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(replay(numbers, 1, 0, 1 << 20, &got, NULL), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, (const char *const[]){ "open 000003.wal",
		"fdatasync 000003.wal", NULL }));
	replay_free(&got);
	writer = wal_writer_close(writer);
	fault_fs_fail(disk.fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(replay(numbers, 1, 0, 1 << 20, &got, &err), KV_IO);
	replay_free(&got);
}
END_TEST

/* A sync that failed in an earlier life leaves clean pages that are not on the disk: only writing them again helps. */
START_TEST(what_no_sync_vouches_for_is_written_again_before_it_counts)
{
	static const uint64_t numbers[] = { 3 };
	struct replay got;
	uint64_t synced;
	char rewritten[64];

	begin(3);
	append(2);
	ck_assert_int_eq(wal_sync(writer, NULL), KV_OK);
	append(1);
	synced = wal_writer_synced(writer);
	fault_fs_fail(disk.fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(wal_sync(writer, NULL), KV_UNCERTAIN);
	snprintf(rewritten, sizeof rewritten, "pwritev 000003.wal %u %u", (unsigned)synced,
		(unsigned)(wal_writer_end(writer) - synced));
	writer = wal_writer_close(writer);
	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(replay(numbers, 1, 0, 1 << 20, &got, NULL), KV_OK);
	ck_assert_uint_eq(got.last_sequence, 3);
	ck_assert(fault_fs_in_order(disk.fault, (const char *const[]){ "pwritev 000003.wal 0 4096",
		rewritten, "fdatasync 000003.wal", NULL }));
	replay_free(&got);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("replay");
	TCase *tcase = tcase_create("replay");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, no_segment_gives_no_memtable);
	tcase_add_test(tcase, a_chain_is_replayed_to_its_end_and_unused_segments_are_passed_over);
	tcase_add_test(tcase, what_tables_hold_is_not_replayed_again);
	tcase_add_test(tcase, memtables_are_split_between_groups_and_know_their_oldest_segment);
	tcase_add_test(tcase, a_replayed_memtable_knows_most_keys_that_it_does_not_hold);
	tcase_add_test(tcase, a_gap_in_the_chain_is_damage);
	tcase_add_test(tcase, an_unused_segment_before_a_used_one_is_damage);
	tcase_add_test(tcase, two_unused_segments_are_damage);
	tcase_add_test(tcase, an_unused_segment_alone_is_damage);
	tcase_add_test(tcase, a_bad_byte_before_the_end_of_an_earlier_segment_is_damage);
	tcase_add_test(tcase, a_torn_last_group_is_left_out_and_measured);
	tcase_add_test(tcase, a_chain_without_syncs_is_replayed_and_settled);
	tcase_add_test(tcase, what_follows_a_lost_end_is_no_more_of_the_store);
	tcase_add_test(tcase, a_segment_before_one_that_vouches_must_be_whole);
	tcase_add_test(tcase, a_segment_without_a_sync_that_goes_on_behind_its_end_is_damage);
	tcase_add_test(tcase, what_was_replayed_is_synced_and_a_failure_to_do_so_is_told);
	tcase_add_test(tcase, what_no_sync_vouches_for_is_written_again_before_it_counts);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
