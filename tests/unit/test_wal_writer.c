/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer of a log: what lies on disk after each call, and after each failure of the disk. */
#include "engine/wal_writer.h"

#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/wal_log.h"

#include <errno.h>

static struct wal_log log_;

static void setup(void)
{
	wal_log_open(&log_);
}

static void teardown(void)
{
	wal_log_close(&log_);
}

#define ENDS_CLEANLY(found, groups) \
	do { \
		struct wal_log_found f_ = (found); \
		ck_assert_int_eq(f_.status, KV_NOT_FOUND); \
		ck_assert_uint_eq(f_.count, (groups)); \
		ck_assert_uint_eq(f_.end, f_.torn_end); \
	} while (0)

/* ---- begin ---- */

START_TEST(a_segment_is_begun_before_any_group_can_be_durable)
{
	static const char *const order[] = { "pwritev 000001.wal 0 4112", "fdatasync 000001.wal",
		"pwritev 000001.wal 4096", "fdatasync 000001.wal", NULL };
	struct buf content;

	fault_fs_record(log_.disk.fault, true);
	wal_log_begin(&log_, 1, 16384);
	ck_assert_uint_eq(wal_writer_number(log_.writer), 1);
	ck_assert_uint_eq(wal_writer_end(log_.writer), 4096);
	ck_assert_uint_eq(wal_writer_synced(log_.writer), 4096);
	wal_log_commit(&log_, 1, 10);
	ck_assert(fault_fs_in_order(log_.disk.fault, order));
	content = disk_read(&log_.disk, "000001.wal");
	ck_assert_uint_eq(content.len, 16384);
	ck_assert_uint_eq(get_fixed32(content.data + WAL_HEADER_BLOCKS), 4);
	for (size_t i = WAL_HEADER_BYTES; i < WAL_FIRST_GROUP_OFFSET; i++)
		ck_assert_uint_eq(content.data[i], 0);
	buf_free(&content);
}
END_TEST

static kv_status begin(uint64_t number)
{
	struct wal_header header = { .number = number, .first_sequence = 1 };
	struct wal_writer *writer = NULL;
	kv_status ret = wal_writer_open(&log_.disk.dir, &log_.id, &header, &writer, NULL);

	ck_assert_int_eq(ret == KV_OK, writer != NULL);
	wal_writer_close(writer);
	return ret;
}

START_TEST(only_an_unused_segment_is_begun)
{
	struct buf content;

	ck_assert_int_eq(begin(1), KV_NOT_FOUND);
	disk_write(&log_.disk, "000001.wal", slice_of_string("too short"));
	ck_assert_int_eq(begin(1), KV_INVALID);
	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 2, 8192, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_int_eq(begin(2), KV_OK);
	ck_assert_int_eq(begin(2), KV_OK); /* a header holds nothing yet */
	wal_log_begin_existing(&log_, 2);
	ck_assert_int_eq(wal_log_append(&log_, 1, 1), KV_OK);
	ck_assert_int_eq(begin(2), KV_INVALID);
	ENDS_CLEANLY(wal_log_read(&log_, 2, 0), 1);
	/* another segment's, another store's */
	content = disk_read(&log_.disk, "000002.wal");
	disk_write(&log_.disk, "000003.wal", buf_slice(&content));
	ck_assert_int_eq(begin(3), KV_INVALID);
	log_.id.bytes[0] ^= 1;
	ck_assert_int_eq(begin(2), KV_INVALID);
	log_.id.bytes[0] ^= 1;
	buf_free(&content);
}
END_TEST

START_TEST(a_segment_of_one_block_has_room_to_grow)
{
	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 1, 4096, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_int_eq(begin(1), KV_OK);
	ck_assert_int_eq(begin(1), KV_OK);
	wal_log_begin_existing(&log_, 1);
	for (int i = 0; i < 10; i++)
		wal_log_commit(&log_, 1, 100);
	ENDS_CLEANLY(wal_log_read(&log_, 1, 0), 10);
}
END_TEST

START_TEST(a_failed_begin_is_reported_at_every_call)
{
	struct kv_error err;
	struct wal_header header = { .number = 1, .first_sequence = 1 };
	struct wal_writer *writer = NULL;
	kv_status status = KV_IO;
	uint64_t failed = 0;

	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 1, 8192, WAL_WRITTEN, NULL), KV_OK);
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_fs_fail(log_.disk.fault, FAULT_ANY, nth, EIO);
		status = wal_writer_open(&log_.disk.dir, &log_.id, &header, &writer, &err);
		fault_fs_heal(log_.disk.fault);
		ck_assert(status == KV_OK || status == KV_IO);
		failed += status == KV_IO;
	}
	ck_assert_uint_ge(failed, 5);
	writer = wal_writer_close(writer);
	ck_assert_ptr_null(writer);
	fault_alloc_fail(1, false);
	status = wal_writer_open(&log_.disk.dir, &log_.id, &header, &writer, NULL);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	ck_assert_ptr_null(writer);
}
END_TEST

START_TEST(a_header_that_cannot_be_synced_says_where)
{
	struct wal_header header = { .number = 1, .first_sequence = 1 };
	struct wal_writer *writer = NULL;
	struct kv_error err;

	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 1, 8192, WAL_WRITTEN, NULL), KV_OK);
	fault_fs_fail(log_.disk.fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(wal_writer_open(&log_.disk.dir, &log_.id, &header, &writer, &err), KV_IO);
	ck_assert_ptr_null(writer);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert(err.has_offset);
	ck_assert_uint_eq(err.offset, 0);
	ck_assert_ptr_nonnull(strstr(err.file, "000001.wal"));
}
END_TEST

START_TEST(who_vouches_for_the_past_changes_only_the_flag)
{
	struct wal_header header = { .number = 2, .prev_number = 1, .prev_end = 8192, .first_sequence = 9, .prev_unsynced = true };
	struct buf before, after;
	struct wal_writer *writer;

	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 2, 8192, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_int_eq(wal_writer_open(&log_.disk.dir, &log_.id, &header, &writer, NULL), KV_OK);
	before = disk_read(&log_.disk, "000002.wal");
	ck_assert_uint_eq(get_fixed16(before.data + WAL_HEADER_FLAGS), WAL_FLAG_PREV_UNSYNCED);
	ck_assert_int_eq(wal_writer_vouch(writer, NULL), KV_OK);
	fault_fs_fail(log_.disk.fault, FAULT_ANY, 1, EIO); /* the second time there is nothing to do */
	ck_assert_int_eq(wal_writer_vouch(writer, NULL), KV_OK);
	fault_fs_heal(log_.disk.fault);
	wal_writer_close(writer);
	after = disk_read(&log_.disk, "000002.wal");
	header.prev_unsynced = false;
	header.blocks = 2;
	wal_header_encode(before.data, &log_.id, &header);
	ck_assert(slice_equal(buf_slice(&before), buf_slice(&after)));
	buf_free(&before);
	buf_free(&after);
}
END_TEST

START_TEST(who_has_no_space_to_vouch_may_try_again)
{
	struct wal_header header = { .number = 2, .first_sequence = 9, .prev_unsynced = true };
	struct kv_error err = { 0 };
	struct wal_writer *writer;
	struct buf content;

	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 2, 8192, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_int_eq(wal_writer_open(&log_.disk.dir, &log_.id, &header, &writer, NULL), KV_OK);
	fault_fs_fail(log_.disk.fault, FAULT_PWRITEV, 1, ENOSPC);
	ck_assert_int_eq(wal_writer_vouch(writer, &err), KV_NO_SPACE);
	fault_fs_heal(log_.disk.fault);
	ck_assert_int_eq(wal_writer_vouch(writer, &err), KV_OK);
	content = disk_read(&log_.disk, "000002.wal");
	ck_assert_uint_eq(get_fixed16(content.data + WAL_HEADER_FLAGS), 0);
	buf_free(&content);
	wal_writer_close(writer);
}
END_TEST

START_TEST(who_cannot_vouch_writes_no_more)
{
	struct wal_header header = { .number = 2, .first_sequence = 9, .prev_unsynced = true };
	struct kv_error err = { 0 };
	struct wal_writer *writer;

	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 2, 8192, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_int_eq(wal_writer_open(&log_.disk.dir, &log_.id, &header, &writer, NULL), KV_OK);
	ck_assert(wal_writer_is_settled(writer));
	fault_fs_fail(log_.disk.fault, FAULT_ANY, 1, EIO);
	ck_assert_int_eq(wal_writer_vouch(writer, &err), KV_UNCERTAIN);
	fault_fs_heal(log_.disk.fault);
	ck_assert_int_eq(wal_writer_vouch(writer, &err), KV_IO);
	ck_assert(!wal_writer_is_settled(writer));
	ck_assert_int_eq(wal_append(writer, &(struct wal_group){ .first_sequence = 9, .count = 1 },
				 &(struct slice){ .data = (const uint8_t *)"abcdef", .len = 6 }, 1, &err), KV_IO);
	wal_writer_close(writer);
}
END_TEST

/* So it must not be left for the next one, which would say where it ends. */
START_TEST(where_a_segment_ends_after_a_failure_nobody_knows)
{
	wal_log_begin(&log_, 1, 8192);
	ck_assert_int_eq(wal_log_append(&log_, 1, 10), KV_OK);
	ck_assert(wal_writer_is_unsynced(log_.writer));
	fault_fs_fail(log_.disk.fault, FAULT_PWRITEV, 1, EIO);
	ck_assert_int_eq(wal_log_append(&log_, 1, 10), KV_UNCERTAIN);
	fault_fs_heal(log_.disk.fault);
	ck_assert(!wal_writer_is_unsynced(log_.writer));
}
END_TEST

/* ---- append ---- */

START_TEST(a_group_is_one_write_of_header_payload_and_zeros)
{
	uint64_t writes;
	struct buf content;
	uint64_t end;

	wal_log_begin(&log_, 1, 16384);
	writes = fault_fs_count(log_.disk.fault, FAULT_PWRITEV);
	ck_assert_int_eq(wal_log_append(&log_, 3, 11), KV_OK);
	ck_assert_uint_eq(fault_fs_count(log_.disk.fault, FAULT_PWRITEV), writes + 1);
	end = wal_writer_end(log_.writer);
	ck_assert_uint_eq(end, 4096 + 48 + 3 * 22 + 6);
	content = disk_read(&log_.disk, "000001.wal");
	ck_assert_mem_eq(content.data + 4096 + 8, "!Grp", 4);
	ck_assert_mem_eq(content.data + 4096 + 48, log_.groups[0].payload.data, 66);
	for (size_t i = (size_t)end - 6; i < content.len; i++)
		ck_assert_uint_eq(content.data[i], 0);
	buf_free(&content);
}
END_TEST

START_TEST(a_group_tells_what_was_durable_before_it)
{
	wal_log_begin(&log_, 1, 16384);
	for (int i = 0; i < 12; i++) {
		ck_assert_int_eq(wal_log_append(&log_, 1, 20), KV_OK);
		if (i % 3 == 2)
			ck_assert_int_eq(wal_sync(log_.writer, NULL), KV_OK);
		ck_assert_uint_le(wal_writer_synced(log_.writer), wal_writer_end(log_.writer));
	}
	ck_assert_uint_eq(log_.groups[2].synced, 4096);
	ck_assert_uint_eq(log_.groups[3].synced, log_.groups[3].offset);
	ck_assert_uint_eq(log_.groups[5].synced, log_.groups[3].offset);
	ENDS_CLEANLY(wal_log_read(&log_, 1, 0), 12);
}
END_TEST

START_TEST(a_sync_with_nothing_to_sync_does_nothing)
{
	uint64_t syncs;

	wal_log_begin(&log_, 1, 16384);
	syncs = fault_fs_count(log_.disk.fault, FAULT_FDATASYNC);
	ck_assert_int_eq(wal_sync(log_.writer, NULL), KV_OK);
	ck_assert_uint_eq(fault_fs_count(log_.disk.fault, FAULT_FDATASYNC), syncs);
	wal_log_commit(&log_, 1, 1);
	ck_assert_int_eq(wal_sync(log_.writer, NULL), KV_OK);
	ck_assert_uint_eq(fault_fs_count(log_.disk.fault, FAULT_FDATASYNC), syncs + 1);
}
END_TEST

/* A group of pieces with these lengths, cut from one batch; returns whether it is read back. */
static void append_in_pieces(const size_t *lengths, size_t count)
{
	static struct slice pieces[2000];
	struct wal_group header = { .first_sequence = log_.next_sequence, .count = 1,
		.wall_us = 1000 * log_.next_sequence };
	struct wal_log_group *group = &log_.groups[log_.count++];
	struct batch batch = { 0 };
	struct buf value = { 0 };
	size_t total = 0, at = 0;

	for (size_t i = 0; i < count; i++)
		total += lengths[i];
	/* tag, lengths of 1 and up to 4 bytes, key of 1: the value takes the rest, padded by the
	 * last piece */
	ck_assert_int_eq(buf_append_zeros(&value, total), KV_OK);
	for (size_t i = 0; i < total; i++)
		value.data[i] = (uint8_t)(i * 7 + i / 255 + 1);
	ck_assert_int_eq(batch_put(&batch, slice_of_string("k"), buf_slice(&value), 0), KV_OK);
	for (size_t i = 0; i < count; i++) {
		pieces[i] = slice_of(batch.operations.data + at, lengths[i]);
		at += lengths[i];
	}
	pieces[count] = slice_of(batch.operations.data + at, batch.operations.len - at);
	*group = (struct wal_log_group){ .offset = wal_writer_end(log_.writer), .count = 1,
		.first_sequence = log_.next_sequence++, .synced = wal_writer_synced(log_.writer),
		.payload = batch.operations };
	ck_assert_int_eq(wal_append(log_.writer, &header, pieces, count + 1, NULL), KV_OK);
	buf_free(&value);
}

START_TEST(pieces_of_all_sizes_are_put_together)
{
	static size_t lengths[1999];

	wal_log_begin(&log_, 1, 16384);
	append_in_pieces(lengths, 0);
	append_in_pieces(lengths, 5); /* empty ones */
	for (size_t i = 0; i < 1999; i++)
		lengths[i] = i % 300;
	append_in_pieces(lengths, 1999); /* small ones, more than the buffer holds */
	append_in_pieces(lengths, 1000);
	for (size_t i = 0; i < 40; i++)
		lengths[i] = 33000 + i;
	append_in_pieces(lengths, 40); /* large ones, more than a vector holds */
	for (size_t i = 0; i < 200; i++)
		lengths[i] = i % 3 == 0 ? 40000 : i % 3 == 1 ? 20000 : 17;
	append_in_pieces(lengths, 200); /* both */
	lengths[0] = 5 << 20;
	append_in_pieces(lengths, 1);
	ENDS_CLEANLY(wal_log_read(&log_, 1, 0), 7);
}
END_TEST

START_TEST(groups_about_as_large_as_the_buffer_are_right)
{
	size_t length;

	wal_log_begin(&log_, 1, 4096);
	for (length = WAL_WRITE_BUFFER_BYTES - 100; length < WAL_WRITE_BUFFER_BYTES + 10; length += 3)
		append_in_pieces(&length, 1);
	ENDS_CLEANLY(wal_log_read(&log_, 1, 0), log_.count);
}
END_TEST

START_TEST(short_writes_are_continued)
{
	size_t lengths[] = { 40000, 100000, 50, 70000, 90000 };

	wal_log_begin(&log_, 1, 65536);
	fault_fs_shorten(log_.disk.fault, 1000);
	wal_log_commit(&log_, 10, 300);
	append_in_pieces(lengths, 5);
	fault_fs_shorten(log_.disk.fault, 0);
	ENDS_CLEANLY(wal_log_read(&log_, 1, 0), 2);
}
END_TEST

START_TEST(an_impossible_group_is_refused_and_changes_nothing)
{
	struct wal_group group = { .first_sequence = 100, .count = 1, .wall_us = 1 };
	struct slice pieces[3] = { slice_of("abc", 3), slice_of("", 0), slice_of("d", 0) };
	uint64_t writes;

	wal_log_begin(&log_, 1, 16384);
	writes = fault_fs_count(log_.disk.fault, FAULT_PWRITEV);
	ck_assert_int_eq(wal_append(log_.writer, &group, NULL, 0, NULL), KV_INVALID);
	ck_assert_int_eq(wal_append(log_.writer, &group, pieces, 3, NULL), KV_INVALID); /* 3 bytes */
	pieces[2].len = 1;
	group.count = 2;
	ck_assert_int_eq(wal_append(log_.writer, &group, pieces, 3, NULL), KV_INVALID);
	group.count = 0;
	ck_assert_int_eq(wal_append(log_.writer, &group, pieces, 3, NULL), KV_INVALID);
	group.count = 1;
	pieces[1].len = (size_t)(WAL_GROUP_MAX - 3); /* together one too many; never read */
	ck_assert_int_eq(wal_append(log_.writer, &group, pieces, 3, NULL), KV_INVALID);
	pieces[1].len = SIZE_MAX;
	ck_assert_int_eq(wal_append(log_.writer, &group, pieces, 3, NULL), KV_INVALID);
	ck_assert_uint_eq(fault_fs_count(log_.disk.fault, FAULT_PWRITEV), writes);
	ck_assert_uint_eq(wal_writer_end(log_.writer), 4096);
	wal_log_commit(&log_, 1, 1);
	ENDS_CLEANLY(wal_log_read(&log_, 1, 0), 1);
}
END_TEST

START_TEST(appending_takes_no_memory)
{
	struct slice piece = slice_of("\x01\x01\x01kv", 5);
	struct wal_group group = { .first_sequence = 100, .count = 1 };
	kv_status status;

	wal_log_begin(&log_, 1, 16384);
	fault_alloc_fail(1, true);
	status = wal_append(log_.writer, &group, &piece, 1, NULL);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_OK);
}
END_TEST

/* ---- failures ---- */

static void expect_poisoned(void)
{
	uint64_t operations = fault_fs_count(log_.disk.fault, FAULT_ANY);
	struct kv_error err;

	ck_assert_int_eq(wal_log_append(&log_, 1, 1), KV_IO);
	ck_assert_int_eq(wal_sync(log_.writer, &err), KV_IO);
	ck_assert_int_eq(err.status, KV_IO);
	ck_assert_uint_eq(fault_fs_count(log_.disk.fault, FAULT_ANY), operations);
}

START_TEST(a_failed_write_is_uncertain_and_the_last_one)
{
	struct kv_error err;
	struct slice piece = slice_of("\x01\x01\x01kv", 5);
	struct wal_group group = { .first_sequence = 101, .count = 1 };

	wal_log_begin(&log_, 1, 16384);
	wal_log_commit(&log_, 1, 1);
	fault_fs_fail(log_.disk.fault, FAULT_PWRITEV, 1, EIO);
	ck_assert_int_eq(wal_append(log_.writer, &group, &piece, 1, &err), KV_UNCERTAIN);
	ck_assert_int_eq(err.status, KV_UNCERTAIN);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert_uint_eq(err.offset, log_.groups[0].offset + 64);
	ck_assert_ptr_nonnull(strstr(err.file, "000001.wal"));
	expect_poisoned();
	ENDS_CLEANLY(wal_log_read(&log_, 1, 0), 1);
}
END_TEST

START_TEST(a_failed_sync_is_never_tried_again)
{
	struct kv_error err;

	wal_log_begin(&log_, 1, 16384);
	wal_log_commit(&log_, 1, 1);
	ck_assert_int_eq(wal_log_append(&log_, 1, 1), KV_OK);
	fault_fs_fail(log_.disk.fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(wal_sync(log_.writer, &err), KV_UNCERTAIN);
	ck_assert_int_eq(err.status, KV_UNCERTAIN);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert(err.has_offset);
	ck_assert_uint_eq(err.offset, log_.groups[1].offset);
	ck_assert_uint_eq(wal_writer_synced(log_.writer), log_.groups[1].offset);
	expect_poisoned();
}
END_TEST

START_TEST(a_sync_that_finds_no_space_is_not_tried_again_either)
{
	wal_log_begin(&log_, 1, 16384);
	ck_assert_int_eq(wal_log_append(&log_, 1, 1), KV_OK);
	fault_fs_fail(log_.disk.fault, FAULT_FDATASYNC, 1, ENOSPC);
	ck_assert_int_eq(wal_sync(log_.writer, NULL), KV_UNCERTAIN);
	expect_poisoned();
}
END_TEST

START_TEST(a_sync_begins_with_all_that_it_has_to_wait_for)
{
	static const char *const order[] = { "pwritev 000001.wal 4096 88", "writeback 000001.wal 4096 88",
		"pwritev 000001.wal 4168 88", "writeback 000001.wal 4096 160", "fdatasync 000001.wal",
		"pwritev 000001.wal 4240 88", "writeback 000001.wal 4240 88", NULL };
	uint64_t operations;

	wal_log_begin(&log_, 1, 16384);
	operations = fault_fs_count(log_.disk.fault, FAULT_ANY);
	ck_assert_int_eq(wal_start_sync(log_.writer, NULL), KV_OK); /* nothing to do */
	ck_assert_uint_eq(fault_fs_count(log_.disk.fault, FAULT_ANY), operations);
	fault_fs_record(log_.disk.fault, true);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(wal_log_append(&log_, 1, 11), KV_OK);
		ck_assert_int_eq(wal_start_sync(log_.writer, NULL), KV_OK);
		ck_assert_uint_eq(wal_writer_synced(log_.writer), i < 2 ? 4096 : 4240); /* it is not durable yet */
		if (i == 1)
			ck_assert_int_eq(wal_sync(log_.writer, NULL), KV_OK);
	}
	ck_assert(fault_fs_in_order(log_.disk.fault, order));
}
END_TEST

START_TEST(a_sync_that_cannot_begin_is_not_tried_again_either)
{
	struct kv_error err;

	wal_log_begin(&log_, 1, 16384);
	ck_assert_int_eq(wal_log_append(&log_, 1, 1), KV_OK);
	fault_fs_fail(log_.disk.fault, FAULT_WRITEBACK, 1, EIO);
	ck_assert_int_eq(wal_start_sync(log_.writer, &err), KV_UNCERTAIN);
	ck_assert_int_eq(err.status, KV_UNCERTAIN);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert_int_eq(wal_start_sync(log_.writer, NULL), KV_IO);
	expect_poisoned();
}
END_TEST

/* The kernel begins nothing without memory, but a sync waits for it. */
START_TEST(a_sync_that_has_no_memory_to_begin_early_is_done_later)
{
	wal_log_begin(&log_, 1, 16384);
	ck_assert_int_eq(wal_log_append(&log_, 1, 1), KV_OK);
	fault_fs_fail(log_.disk.fault, FAULT_WRITEBACK, 1, ENOMEM);
	ck_assert_int_eq(wal_start_sync(log_.writer, NULL), KV_OK);
	ck_assert_uint_eq(fault_fs_failed(log_.disk.fault), 1);
	ck_assert_uint_eq(wal_writer_synced(log_.writer), 4096);
	ck_assert_int_eq(wal_sync(log_.writer, NULL), KV_OK);
	ck_assert_uint_eq(wal_writer_synced(log_.writer), wal_writer_end(log_.writer));
}
END_TEST

/* What a group that failed for want of space leaves behind is no group, however much of it was
 * written, and the next one, whether shorter or longer, takes its place. */
static void fail_for_space(int errnum, uint64_t segment_bytes, size_t torn_bytes, size_t next_bytes)
{
	kv_status expected = errnum == ENOMEM ? KV_NO_MEMORY : KV_NO_SPACE;
	uint64_t end;

	wal_log_begin(&log_, log_.number + 1, segment_bytes);
	wal_log_commit(&log_, 2, 50);
	ck_assert_int_eq(wal_log_append(&log_, 1, 77), KV_OK); /* not synced when it happens */
	end = wal_writer_end(log_.writer);
	fault_fs_add(log_.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV, .nth = 1,
		.errnum = errnum, .torn_bytes = torn_bytes });
	ck_assert_int_eq(wal_log_append(&log_, 2, 200), expected);
	fault_fs_heal(log_.disk.fault);
	ck_assert_uint_eq(wal_writer_end(log_.writer), end);
	ENDS_CLEANLY(wal_log_read(&log_, log_.number, 0), 2);
	wal_log_commit(&log_, 1, next_bytes);
	ENDS_CLEANLY(wal_log_read(&log_, log_.number, 0), 3);
	wal_log_commit(&log_, 1, 40);
	ENDS_CLEANLY(wal_log_read(&log_, log_.number, 0), 4);
}

enum { FAILED_GROUP_BYTES = 48 + 2 * (1 + 1 + 2 + 8 + 200) };

START_TEST(a_group_without_space_is_not_there_however_much_was_written)
{
	for (size_t torn = 0; torn <= FAILED_GROUP_BYTES + 32; torn += 4)
		for (uint64_t bytes = 4096; bytes <= 8192; bytes += 4096)
			fail_for_space(ENOSPC, bytes, torn, 30);
}
END_TEST

START_TEST(the_end_of_the_space_written_before_may_lie_anywhere_in_the_group)
{
	/* the group that fails begins at 4096 + 48 + 2 * 62 + ... = 4408 */
	for (uint64_t bytes = 4400; bytes < 4900; bytes += 4) {
		fail_for_space(EDQUOT, bytes, FAILED_GROUP_BYTES, 10);
		fail_for_space(ENOSPC, bytes, 300, 300);
	}
}
END_TEST

START_TEST(a_kernel_without_memory_is_treated_like_a_full_disk)
{
	fail_for_space(ENOMEM, 8192, 0, 30);
	fail_for_space(ENOMEM, 4096, FAILED_GROUP_BYTES, 30);
	fail_for_space(EFBIG, 4096, FAILED_GROUP_BYTES, 30);
}
END_TEST

START_TEST(a_large_group_without_space_is_not_there)
{
	for (uint64_t nth = 1; nth <= 4; nth++) {
		wal_log_begin(&log_, log_.number + 1, 65536);
		wal_log_commit(&log_, 1, 100);
		fault_fs_add(log_.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV, .nth = nth,
			.errnum = ENOSPC, .torn_bytes = 100000 });
		fault_fs_shorten(log_.disk.fault, 200000);
		ck_assert_int_eq(wal_log_append(&log_, 100, 10000), KV_NO_SPACE);
		fault_fs_shorten(log_.disk.fault, 0);
		fault_fs_heal(log_.disk.fault);
		ENDS_CLEANLY(wal_log_read(&log_, log_.number, 0), 1);
		wal_log_commit(&log_, 100, 9000);
		ENDS_CLEANLY(wal_log_read(&log_, log_.number, 0), 2);
	}
}
END_TEST

START_TEST(undoing_is_durable_before_the_failure_is_reported)
{
	static const char *const order[] = { "pwritev 000001.wal 4096", "ftruncate 000001.wal 4200",
		"pwritev 000001.wal 4096 48", "fdatasync 000001.wal", NULL };
	struct buf content;

	wal_log_begin(&log_, 1, 4200);
	fault_fs_record(log_.disk.fault, true);
	fault_fs_fail(log_.disk.fault, FAULT_PWRITEV, 1, ENOSPC);
	ck_assert_int_eq(wal_log_append(&log_, 1, 500), KV_NO_SPACE);
	ck_assert(fault_fs_in_order(log_.disk.fault, order));
	content = disk_read(&log_.disk, "000001.wal");
	ck_assert_uint_eq(content.len, 4200);
	buf_free(&content);
}
END_TEST

START_TEST(what_cannot_be_undone_is_uncertain_and_poisons)
{
	static const enum fault_op ops[] = { FAULT_FTRUNCATE, FAULT_PWRITEV, FAULT_FDATASYNC };
	struct kv_error err;
	struct slice piece = slice_of("\x01\x01\x60kvaluevaluevaluevaluevaluevaluevaluevaluevaluevalue"
		"valuevaluevaluevaluevaluevaluevaluevaluevaluevaluevaluevaluevaluevalue", 100);
	struct wal_group group = { .first_sequence = 100, .count = 1 };

	for (unsigned i = 0; i < 3; i++) {
		wal_log_begin(&log_, i + 1, 4200);
		fault_fs_fail(log_.disk.fault, FAULT_PWRITEV, 1, ENOSPC);
		fault_fs_fail(log_.disk.fault, ops[i], ops[i] == FAULT_PWRITEV ? 2 : 1, EIO);
		ck_assert_int_eq(wal_append(log_.writer, &group, &piece, 1, &err), KV_UNCERTAIN);
		ck_assert_int_eq(err.status, KV_UNCERTAIN);
		ck_assert_int_eq(err.errnum, ENOSPC);
		fault_fs_heal(log_.disk.fault);
		expect_poisoned();
	}
}
END_TEST

/* Every operation of a short life fails once; whatever had been synced before is found, nothing
 * half. */
START_TEST(a_failure_at_any_call_loses_no_synced_group)
{
	uint64_t failed = 0;

	for (uint64_t nth = 1; failed + 1 == nth; nth++) {
		size_t synced = 0;
		struct wal_log_found found;

		wal_log_begin(&log_, nth, 4300);
		fault_fs_add(log_.disk.fault, (struct fault_rule){ .op = FAULT_ANY, .nth = nth, .errnum = EIO,
			.torn_bytes = nth % 2 * 100 });
		for (int i = 0; i < 6; i++)
			if (wal_log_append(&log_, 2, 30) == KV_OK && wal_sync(log_.writer, NULL) == KV_OK)
				synced = log_.count;
		fault_fs_heal(log_.disk.fault);
		found = wal_log_read(&log_, nth, 0);
		ck_assert_int_eq(found.status, KV_NOT_FOUND);
		ck_assert_uint_ge(found.count, synced);
		failed = fault_fs_failed(log_.disk.fault);
	}
	ck_assert_uint_eq(failed, 12);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wal_writer");
	TCase *tc = tcase_create("wal_writer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_segment_is_begun_before_any_group_can_be_durable);
	tcase_add_test(tc, only_an_unused_segment_is_begun);
	tcase_add_test(tc, a_segment_of_one_block_has_room_to_grow);
	tcase_add_test(tc, who_vouches_for_the_past_changes_only_the_flag);
	tcase_add_test(tc, who_has_no_space_to_vouch_may_try_again);
	tcase_add_test(tc, where_a_segment_ends_after_a_failure_nobody_knows);
	tcase_add_test(tc, who_cannot_vouch_writes_no_more);
	tcase_add_test(tc, a_failed_begin_is_reported_at_every_call);
	tcase_add_test(tc, a_header_that_cannot_be_synced_says_where);
	tcase_add_test(tc, a_group_is_one_write_of_header_payload_and_zeros);
	tcase_add_test(tc, a_group_tells_what_was_durable_before_it);
	tcase_add_test(tc, a_sync_with_nothing_to_sync_does_nothing);
	tcase_add_test(tc, pieces_of_all_sizes_are_put_together);
	tcase_add_test(tc, groups_about_as_large_as_the_buffer_are_right);
	tcase_add_test(tc, short_writes_are_continued);
	tcase_add_test(tc, an_impossible_group_is_refused_and_changes_nothing);
	tcase_add_test(tc, appending_takes_no_memory);
	tcase_add_test(tc, a_failed_write_is_uncertain_and_the_last_one);
	tcase_add_test(tc, a_failed_sync_is_never_tried_again);
	tcase_add_test(tc, a_sync_that_finds_no_space_is_not_tried_again_either);
	tcase_add_test(tc, a_sync_begins_with_all_that_it_has_to_wait_for);
	tcase_add_test(tc, a_sync_that_cannot_begin_is_not_tried_again_either);
	tcase_add_test(tc, a_sync_that_has_no_memory_to_begin_early_is_done_later);
	tcase_add_test(tc, a_group_without_space_is_not_there_however_much_was_written);
	tcase_add_test(tc, the_end_of_the_space_written_before_may_lie_anywhere_in_the_group);
	tcase_add_test(tc, a_kernel_without_memory_is_treated_like_a_full_disk);
	tcase_add_test(tc, a_large_group_without_space_is_not_there);
	tcase_add_test(tc, undoing_is_durable_before_the_failure_is_reported);
	tcase_add_test(tc, what_cannot_be_undone_is_uncertain_and_poisons);
	tcase_add_test(tc, a_failure_at_any_call_loses_no_synced_group);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
