/* SPDX-License-Identifier: BSD-2-Clause */
/* Headers of segments and groups, and the making, recycling and settling of segment files. */
#include "engine/wal.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>

static struct disk disk;
static const struct store_id id = { "0123456789abcdef" };
static const struct store_id other_id = { "0123456789abcdeF" };

static void setup(void)
{
	disk_open(&disk);
}

static void teardown(void)
{
	disk_close(&disk);
}

/* ---- headers ---- */

static const struct wal_header sample_header = { .number = 7, .prev_number = 5, .prev_end = 0x1234568,
	.first_sequence = 0x0102030405, .blocks = 16384 };

START_TEST(a_segment_header_has_exactly_these_bytes)
{
	uint8_t bytes[WAL_HEADER_BYTES];
	struct wal_header got;

	wal_header_encode(bytes, &id, &sample_header);
	ck_assert_mem_eq(bytes,
		"\rKV-WAL1" "\x01\0\0\0" "\0\x40\0\0" "0123456789abcdef" "\x07\0\0\0\0\0\0\0"
		"\x05\0\0\0\0\0\0\0" "\x68\x45\x23\x01\0\0\0\0" "\x05\x04\x03\x02\x01\0\0\0", 64);
	ck_assert_uint_eq(get_fixed64(bytes + 64), checksum64(slice_of(bytes, 64), WAL_MAGIC));
	ck_assert_int_eq(wal_header_decode(bytes, &id, 7, &got), KV_OK);
	ck_assert_uint_eq(got.number, 7);
	ck_assert_uint_eq(got.prev_number, 5);
	ck_assert_uint_eq(got.prev_end, 0x1234568);
	ck_assert_uint_eq(got.first_sequence, 0x0102030405);
	ck_assert_uint_eq(got.blocks, 16384);
}
END_TEST

START_TEST(a_header_of_another_place_is_told_from_damage)
{
	uint8_t bytes[WAL_HEADER_BYTES];
	struct wal_header got;

	wal_header_encode(bytes, &id, &sample_header);
	ck_assert_int_eq(wal_header_decode(bytes, &id, 8, &got), KV_INVALID);
	ck_assert_uint_eq(got.number, 7);
	ck_assert_int_eq(wal_header_decode(bytes, &other_id, 7, &got), KV_INVALID);
	put_fixed32(bytes + WAL_HEADER_VERSION, 2);
	ck_assert_int_eq(wal_header_decode(bytes, &id, 7, &got), KV_CORRUPT);
	put_fixed64(bytes + 64, checksum64(slice_of(bytes, 64), WAL_MAGIC));
	ck_assert_int_eq(wal_header_decode(bytes, &id, 7, &got), KV_UNSUPPORTED);
}
END_TEST

START_TEST(a_header_tells_whether_what_is_before_it_was_synced)
{
	uint8_t bytes[WAL_HEADER_BYTES];
	struct wal_header header = sample_header, got;

	header.prev_unsynced = true;
	wal_header_encode(bytes, &id, &header);
	ck_assert_uint_eq(get_fixed16(bytes + WAL_HEADER_FLAGS), WAL_FLAG_PREV_UNSYNCED);
	ck_assert_int_eq(wal_header_decode(bytes, &id, 7, &got), KV_OK);
	ck_assert(got.prev_unsynced);
	wal_header_encode(bytes, &id, &sample_header);
	ck_assert_int_eq(wal_header_decode(bytes, &id, 7, &got), KV_OK);
	ck_assert(!got.prev_unsynced);
	/* another flag means what this program does not know */
	put_fixed16(bytes + WAL_HEADER_FLAGS, 2 | WAL_FLAG_PREV_UNSYNCED);
	put_fixed64(bytes + 64, checksum64(slice_of(bytes, 64), WAL_MAGIC));
	ck_assert_int_eq(wal_header_decode(bytes, &id, 7, &got), KV_UNSUPPORTED);
}
END_TEST

/* 0 stands for any sequence, so groups could be missing behind such a header without a word. */
START_TEST(a_header_without_a_first_sequence_is_none)
{
	uint8_t bytes[WAL_HEADER_BYTES];
	struct wal_header header = sample_header, got;

	header.first_sequence = 0;
	wal_header_encode(bytes, &id, &header);
	ck_assert_int_eq(wal_header_decode(bytes, &id, 7, &got), KV_CORRUPT);
}
END_TEST

START_TEST(every_flipped_byte_of_a_header_is_damage)
{
	uint8_t bytes[WAL_HEADER_BYTES];
	struct wal_header got;

	wal_header_encode(bytes, &id, &sample_header);
	for (size_t at = 0; at < sizeof bytes; at++)
		for (int f = 0; f < DISK_FLIPS; f++) {
			bytes[at] ^= disk_flips[f];
			ck_assert_int_eq(wal_header_decode(bytes, &id, 7, &got), KV_CORRUPT);
			bytes[at] ^= disk_flips[f];
		}
}
END_TEST

static const struct wal_group_header sample_group = { .count = 3, .length = 100,
	.first_sequence = 0x0a0b, .wall_us = 0x0c0d0e, .synced = 4096 };

START_TEST(a_group_header_has_exactly_these_bytes)
{
	uint8_t bytes[WAL_GROUP_HEADER_BYTES];
	uint64_t seed = wal_group_seed(&id, 7, 8192);
	struct wal_group_header got;

	wal_group_encode(bytes, seed, &sample_group);
	ck_assert_mem_eq(bytes, "\0\0\0\0\0\0\0\0" "!Grp", 12);
	ck_assert_mem_eq(bytes + 16, "\3\0\0\0" "\x64\0\0\0" "\x0b\x0a\0\0\0\0\0\0"
		"\x0e\x0d\x0c\0\0\0\0\0" "\0\x10\0\0\0\0\0\0", 32);
	ck_assert_uint_eq(get_fixed32(bytes + 12), checksum64(slice_of(bytes + 16, 32), seed) & UINT32_MAX);
	put_fixed64(bytes, 99);
	ck_assert(wal_group_decode(bytes, &id, 7, 8192, &got));
	ck_assert_uint_eq(got.checksum, 99);
	ck_assert_uint_eq(got.count, 3);
	ck_assert_uint_eq(got.length, 100);
	ck_assert_uint_eq(got.first_sequence, 0x0a0b);
	ck_assert_uint_eq(got.wall_us, 0x0c0d0e);
	ck_assert_uint_eq(got.synced, 4096);
}
END_TEST

START_TEST(a_group_header_is_good_in_its_place_only)
{
	uint8_t bytes[WAL_GROUP_HEADER_BYTES];
	struct wal_group_header got = { .count = 5 };

	wal_group_encode(bytes, wal_group_seed(&id, 7, 8192), &sample_group);
	ck_assert(!wal_group_decode(bytes, &other_id, 7, 8192, &got));
	ck_assert(!wal_group_decode(bytes, &id, 8, 8192, &got));
	ck_assert(!wal_group_decode(bytes, &id, 7, 8200, &got));
	for (size_t at = 8; at < sizeof bytes; at++) /* 0 to 7 are the checksum of the whole */
		for (int f = 0; f < DISK_FLIPS; f++) {
			bytes[at] ^= disk_flips[f];
			ck_assert(!wal_group_decode(bytes, &id, 7, 8192, &got));
			bytes[at] ^= disk_flips[f];
		}
	ck_assert_uint_eq(got.count, 5);
}
END_TEST

static bool group_is_accepted(uint32_t count, uint32_t length, uint64_t first_sequence, uint64_t synced)
{
	uint8_t bytes[WAL_GROUP_HEADER_BYTES];
	struct wal_group_header got;

	wal_group_encode(bytes, wal_group_seed(&id, 7, 8192),
		&(struct wal_group_header){ .count = count, .length = length,
			.first_sequence = first_sequence, .synced = synced });
	return wal_group_decode(bytes, &id, 7, 8192, &got);
}

START_TEST(a_group_header_with_impossible_fields_is_none)
{
	uint64_t max = (UINT64_C(1) << 56) - 1;

	ck_assert(group_is_accepted(1, 4, 1, 4096));
	ck_assert(!group_is_accepted(0, 4, 1, 4096));
	ck_assert(!group_is_accepted(1, 0, 1, 4096));
	ck_assert(!group_is_accepted(1, 3, 1, 4096));
	ck_assert(!group_is_accepted(3, 11, 1, 4096));
	ck_assert(group_is_accepted(UINT32_MAX / 4, UINT32_MAX, 1, 4096));
	ck_assert(!group_is_accepted(UINT32_MAX / 4 + 1, UINT32_MAX, 1, 4096));
	ck_assert(!group_is_accepted(1, 4, 0, 4096));
	ck_assert(group_is_accepted(2, 8, max - 1, 4096));
	ck_assert(!group_is_accepted(2, 8, max, 4096));
	ck_assert(!group_is_accepted(1, 4, max + 1, 4096));
	ck_assert(!group_is_accepted(1, 4, UINT64_MAX, 4096));
	ck_assert(!group_is_accepted(1, 4, 1, 0));
	ck_assert(!group_is_accepted(1, 4, 1, 4088));
	ck_assert(!group_is_accepted(1, 4, 1, 4100));
	ck_assert(group_is_accepted(1, 4, 1, 8192));
	ck_assert(!group_is_accepted(1, 4, 1, 8200));
}
END_TEST

START_TEST(groups_begin_at_multiples_of_eight)
{
	ck_assert_uint_eq(wal_group_bytes(4), 56);
	ck_assert_uint_eq(wal_group_bytes(8), 56);
	ck_assert_uint_eq(wal_group_bytes(9), 64);
	ck_assert_uint_eq(wal_group_bytes(WAL_GROUP_MAX), UINT64_C(0x100000030));
}
END_TEST

/* ---- files ---- */

static bool all_zero(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != 0)
			return false;
	return true;
}

START_TEST(a_made_segment_is_zeros_of_the_wanted_size_and_durable)
{
	static const uint64_t sizes[] = { 4096, 4097, 65536, 1048576, 1048577, 3000000 };
	static const char *const order[] = { "create 000003.wal", "pwritev 000003.wal 0",
		"fdatasync 000003.wal", "fsync", NULL };
	struct buf content;

	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		fault_fs_record(disk.fault, true);
		ck_assert_int_eq(wal_make_segment(&disk.dir, 3, sizes[i], WAL_WRITTEN, NULL), KV_OK);
		ck_assert(fault_fs_in_order(disk.fault, order));
		content = disk_read(&disk, "000003.wal");
		ck_assert_uint_eq(content.len, sizes[i]);
		ck_assert(all_zero(buf_slice(&content)));
		buf_free(&content);
		ck_assert_int_eq(dir_unlink(&disk.dir, "000003.wal", NULL), KV_OK);
	}
	ck_assert_int_eq(wal_make_segment(&disk.dir, 3, 4095, WAL_WRITTEN, NULL), KV_INVALID);
	ck_assert(!dir_has(&disk.dir, "000003.wal"));
}
END_TEST

START_TEST(an_allocated_segment_is_as_large_and_nothing_is_written)
{
	static const char *const order[] = { "create 000003.wal", "fallocate 000003.wal", "fdatasync 000003.wal", "fsync", NULL };
	static const char *const written[] = { "pwritev 000003.wal", NULL };
	struct buf content;

	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(wal_make_segment(&disk.dir, 3, 3000000, WAL_ALLOCATED, NULL), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, order));
	ck_assert(!fault_fs_in_order(disk.fault, written));
	content = disk_read(&disk, "000003.wal");
	ck_assert_uint_eq(content.len, 3000000);
	ck_assert(all_zero(buf_slice(&content)));
	buf_free(&content);
	ck_assert_int_eq(dir_unlink(&disk.dir, "000003.wal", NULL), KV_OK);
	fault_fs_fail(disk.fault, FAULT_FALLOCATE, 1, ENOSPC);
	ck_assert_int_eq(wal_make_segment(&disk.dir, 3, 3000000, WAL_ALLOCATED, NULL), KV_NO_SPACE);
	fault_fs_heal(disk.fault);
	ck_assert(!dir_has(&disk.dir, "000003.wal"));
}
END_TEST

START_TEST(an_existing_segment_is_neither_made_again_nor_removed)
{
	struct buf content;

	disk_write(&disk, "000003.wal", slice_of_string("precious"));
	ck_assert_int_eq(wal_make_segment(&disk.dir, 3, 8192, WAL_WRITTEN, NULL), KV_INVALID);
	content = disk_read(&disk, "000003.wal");
	ck_assert(slice_equal(buf_slice(&content), slice_of_string("precious")));
	buf_free(&content);
}
END_TEST

/* Zeros that were written since the last sync, as they come by. */
struct unsynced {
	uint64_t now, most;
};

static void watch_zeros(void *arg, enum fault_op op, const char *name)
{
	struct unsynced *unsynced = arg;

	if (!strstr(name, ".wal"))
		return;
	if (op == FAULT_FDATASYNC)
		unsynced->now = 0;
	else if (op == FAULT_PWRITEV)
		unsynced->now += 64 * 1024;
	if (unsynced->now > unsynced->most)
		unsynced->most = unsynced->now;
}

/* A commit that syncs meanwhile waits for what the disk has got, so it must not be much. */
START_TEST(zeros_reach_the_disk_in_small_pieces)
{
	struct unsynced unsynced = { 0 };

	fault_fs_hook(disk.fault, watch_zeros, &unsynced);
	ck_assert_int_eq(wal_make_segment(&disk.dir, 3, (5 << 20) + 7, WAL_WRITTEN, NULL), KV_OK);
	ck_assert_uint_eq(unsynced.now, 0);
	ck_assert_int_eq(wal_resize_segment(&disk.dir, 3, 9 << 20, NULL), KV_OK);
	ck_assert_uint_eq(unsynced.now, 0);
	ck_assert_uint_le(unsynced.most, 1 << 20);
	ck_assert_uint_ge(unsynced.most, 64 * 1024);
	fault_fs_hook(disk.fault, NULL, NULL);
}
END_TEST

static const enum fault_op make_ops[] = { FAULT_OPEN, FAULT_PWRITEV, FAULT_FDATASYNC, FAULT_FSYNC };

START_TEST(a_segment_that_could_not_be_made_is_gone)
{
	struct kv_error err;
	uint64_t writes;

	ck_assert_int_eq(wal_make_segment(&disk.dir, 1, 3 << 20, WAL_WRITTEN, NULL), KV_OK);
	writes = fault_fs_count(disk.fault, FAULT_PWRITEV);
	ck_assert_uint_ge(writes, 3);
	for (unsigned i = 0; i < 4; i++)
		for (uint64_t nth = 1; nth <= (make_ops[i] == FAULT_PWRITEV ? writes : 1); nth++) {
			fault_fs_fail(disk.fault, make_ops[i], nth, ENOSPC);
			ck_assert_int_eq(wal_make_segment(&disk.dir, 3, 3 << 20, WAL_WRITTEN, &err),
				make_ops[i] == FAULT_FSYNC ? KV_IO : KV_NO_SPACE);
			ck_assert_int_eq(err.errnum, ENOSPC);
			ck_assert(!dir_has(&disk.dir, "000003.wal"));
			fault_fs_heal(disk.fault);
			disk_reopen(&disk);
		}
}
END_TEST

static uint64_t size_of(const char *name)
{
	struct buf content = disk_read(&disk, name);
	uint64_t bytes = content.len;

	ck_assert(all_zero(buf_slice(&content)));
	buf_free(&content);
	return bytes;
}

START_TEST(a_segment_is_resized_with_zeros_and_durably)
{
	static const uint64_t sizes[] = { 1 << 20, 3000000, 4096, 4096, 65537 };

	ck_assert_int_eq(wal_make_segment(&disk.dir, 3, 8192, WAL_WRITTEN, NULL), KV_OK);
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		fault_fs_record(disk.fault, true);
		ck_assert_int_eq(wal_resize_segment(&disk.dir, 3, sizes[i], NULL), KV_OK);
		ck_assert(fault_fs_in_order(disk.fault, (const char *const[]){ "open 000003.wal", "fdatasync 000003.wal", NULL }));
		ck_assert_uint_eq(size_of("000003.wal"), sizes[i]);
	}
	ck_assert_int_eq(wal_resize_segment(&disk.dir, 3, 4095, NULL), KV_INVALID);
	ck_assert_int_eq(wal_resize_segment(&disk.dir, 4, 4096, NULL), KV_NOT_FOUND);
}
END_TEST

START_TEST(a_segment_that_finds_no_space_to_grow_keeps_its_size)
{
	ck_assert_int_eq(wal_make_segment(&disk.dir, 3, 8192, WAL_WRITTEN, NULL), KV_OK);
	for (uint64_t nth = 1; nth <= 16; nth++) {
		fault_fs_fail(disk.fault, FAULT_PWRITEV, nth, ENOSPC);
		ck_assert_int_eq(wal_resize_segment(&disk.dir, 3, 1 << 20, NULL), KV_NO_SPACE);
		ck_assert_uint_eq(size_of("000003.wal"), 8192);
		fault_fs_heal(disk.fault);
	}
	fault_fs_fail(disk.fault, FAULT_SIZE, 2, ENOMEM); /* the first is that of the opening */
	ck_assert_int_eq(wal_resize_segment(&disk.dir, 3, 1 << 20, NULL), KV_NO_MEMORY);
	fault_fs_heal(disk.fault);
	ck_assert_uint_eq(size_of("000003.wal"), 8192);
	fault_fs_fail(disk.fault, FAULT_PWRITEV, 2, ENOSPC);
	fault_fs_fail(disk.fault, FAULT_FTRUNCATE, 1, EIO);
	ck_assert_int_eq(wal_resize_segment(&disk.dir, 3, 1 << 20, NULL), KV_IO);
	fault_fs_heal(disk.fault);
	fault_fs_fail(disk.fault, FAULT_FDATASYNC, 1, EIO);
	ck_assert_int_eq(wal_resize_segment(&disk.dir, 3, 4096, NULL), KV_IO);
}
END_TEST

START_TEST(a_recycled_segment_has_lost_its_header_before_it_gets_its_name)
{
	static const char *const order[] = { "pwritev 000003.wal 0 4096", "fdatasync 000003.wal",
		"rename 000003.wal 000009.wal", "fsync", NULL };
	struct buf content = { 0 };

	ck_assert_int_eq(buf_append_zeros(&content, 10000), KV_OK);
	memset(content.data, 'x', content.len);
	disk_write(&disk, "000003.wal", buf_slice(&content));
	buf_free(&content);
	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(wal_recycle_segment(&disk.dir, 3, 9, NULL), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, order));
	ck_assert(!dir_has(&disk.dir, "000003.wal"));
	content = disk_read(&disk, "000009.wal");
	ck_assert_uint_eq(content.len, 10000);
	ck_assert(all_zero(slice_of(content.data, 4096)));
	for (size_t i = 4096; i < content.len; i++)
		ck_assert_uint_eq(content.data[i], 'x');
	buf_free(&content);
}
END_TEST

START_TEST(recycling_replaces_no_other_segment)
{
	struct buf content;

	disk_write(&disk, "000009.wal", slice_of_string("precious"));
	ck_assert_int_eq(wal_recycle_segment(&disk.dir, 3, 9, NULL), KV_NOT_FOUND);
	disk_write(&disk, "000003.wal", slice_of_string("retired"));
	ck_assert_int_eq(wal_recycle_segment(&disk.dir, 3, 9, NULL), KV_INVALID);
	content = disk_read(&disk, "000009.wal");
	ck_assert(slice_equal(buf_slice(&content), slice_of_string("precious")));
	buf_free(&content);
}
END_TEST

START_TEST(a_failed_recycling_is_reported_and_leaves_one_file)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PWRITEV, FAULT_FDATASYNC, FAULT_RENAME,
		FAULT_FSYNC };

	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(wal_make_segment(&disk.dir, 3, 8192, WAL_WRITTEN, NULL), KV_OK);
		fault_fs_fail(disk.fault, ops[i], 1, EIO);
		ck_assert_int_eq(wal_recycle_segment(&disk.dir, 3, 9, NULL), KV_IO);
		fault_fs_heal(disk.fault);
		ck_assert_int_ne(dir_has(&disk.dir, "000003.wal"), dir_has(&disk.dir, "000009.wal"));
		dir_unlink(&disk.dir, "000003.wal", NULL);
		dir_unlink(&disk.dir, "000009.wal", NULL);
	}
}
END_TEST

static struct buf random_content(size_t len)
{
	uint64_t rnd = runner_seed();
	struct buf ret = { 0 };

	ck_assert_int_eq(buf_append_zeros(&ret, len), KV_OK);
	for (size_t i = 0; i < len; i++)
		ret.data[i] = (uint8_t)runner_random(&rnd);
	return ret;
}

START_TEST(settling_writes_the_same_bytes_again_and_syncs_them)
{
	static const char *const order[] = { "pwritev 000003.wal 5000 1048576",
		"pwritev 000003.wal 1053576 1000000", "fdatasync 000003.wal", NULL };
	struct buf before = random_content(3000000), after;

	disk_write(&disk, "000003.wal", buf_slice(&before));
	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(wal_settle(&disk.dir, 3, 5000, 2053576, NULL), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, order));
	ck_assert_uint_eq(fault_fs_count(disk.fault, FAULT_PWRITEV), 2);
	after = disk_read(&disk, "000003.wal");
	ck_assert(slice_equal(buf_slice(&before), buf_slice(&after)));
	buf_free(&before);
	buf_free(&after);
}
END_TEST

START_TEST(what_could_not_be_settled_is_reported)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PREAD, FAULT_PWRITEV, FAULT_FDATASYNC };
	struct buf content = random_content(10000);
	kv_status status;

	disk_write(&disk, "000003.wal", buf_slice(&content));
	for (unsigned i = 0; i < 4; i++) {
		fault_fs_fail(disk.fault, ops[i], 1, EIO);
		ck_assert_int_eq(wal_settle(&disk.dir, 3, 4096, 10000, NULL), KV_IO);
		fault_fs_heal(disk.fault);
	}
	ck_assert_int_eq(wal_settle(&disk.dir, 3, 4096, 10001, NULL), KV_CORRUPT);
	ck_assert_int_eq(wal_settle(&disk.dir, 4, 4096, 10000, NULL), KV_NOT_FOUND);
	fault_alloc_fail(1, true);
	status = wal_settle(&disk.dir, 3, 4096, 10000, NULL);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	buf_free(&content);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wal");
	TCase *tc = tcase_create("wal");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_segment_header_has_exactly_these_bytes);
	tcase_add_test(tc, zeros_reach_the_disk_in_small_pieces);
	tcase_add_test(tc, a_header_of_another_place_is_told_from_damage);
	tcase_add_test(tc, a_header_tells_whether_what_is_before_it_was_synced);
	tcase_add_test(tc, a_header_without_a_first_sequence_is_none);
	tcase_add_test(tc, every_flipped_byte_of_a_header_is_damage);
	tcase_add_test(tc, a_group_header_has_exactly_these_bytes);
	tcase_add_test(tc, a_group_header_is_good_in_its_place_only);
	tcase_add_test(tc, a_group_header_with_impossible_fields_is_none);
	tcase_add_test(tc, groups_begin_at_multiples_of_eight);
	tcase_add_test(tc, a_made_segment_is_zeros_of_the_wanted_size_and_durable);
	tcase_add_test(tc, an_allocated_segment_is_as_large_and_nothing_is_written);
	tcase_add_test(tc, an_existing_segment_is_neither_made_again_nor_removed);
	tcase_add_test(tc, a_segment_that_could_not_be_made_is_gone);
	tcase_add_test(tc, a_segment_is_resized_with_zeros_and_durably);
	tcase_add_test(tc, a_segment_that_finds_no_space_to_grow_keeps_its_size);
	tcase_add_test(tc, a_recycled_segment_has_lost_its_header_before_it_gets_its_name);
	tcase_add_test(tc, recycling_replaces_no_other_segment);
	tcase_add_test(tc, a_failed_recycling_is_reported_and_leaves_one_file);
	tcase_add_test(tc, settling_writes_the_same_bytes_again_and_syncs_them);
	tcase_add_test(tc, what_could_not_be_settled_is_reported);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
