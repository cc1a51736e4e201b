/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading logs that were damaged, torn, cut, recycled and forged. The rule throughout: either all
 * groups that were written before the first one that is gone, and that one may be gone because
 * nothing says that it was durable; or KV_CORRUPT with its offset.
 */
#include "engine/wal_reader.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/wal_log.h"

#include <errno.h>
#include <stdio.h>

static struct wal_log log_;

static void setup(void)
{
	wal_log_open(&log_);
}

static void teardown(void)
{
	wal_log_close(&log_);
}

static const char *name_of(uint64_t number)
{
	static char name[32];

	snprintf(name, sizeof name, "%06u.wal", (unsigned)number);
	return name;
}

static struct buf content_of(uint64_t number)
{
	return disk_read(&log_.disk, name_of(number));
}

static void set_content(uint64_t number, const struct buf *content)
{
	disk_write(&log_.disk, name_of(number), buf_slice(content));
}

static struct wal_log_found read_log(void)
{
	return wal_log_read(&log_, log_.number, 0);
}

#define EXPECT_END(found, groups, torn) \
	do { \
		struct wal_log_found f_ = (found); \
		ck_assert_int_eq(f_.status, KV_NOT_FOUND); \
		ck_assert_uint_eq(f_.count, (groups)); \
		ck_assert_int_eq(f_.torn_end > f_.end, (torn)); \
	} while (0)

#define EXPECT_DAMAGE(found, offset_) \
	do { \
		struct wal_log_found f_ = (found); \
		ck_assert_int_eq(f_.status, KV_CORRUPT); \
		ck_assert_int_eq(f_.err.status, KV_CORRUPT); \
		ck_assert(f_.err.has_offset); \
		ck_assert_uint_eq(f_.err.offset, (offset_)); \
		ck_assert_ptr_nonnull(strstr(f_.err.file, ".wal")); \
	} while (0)

/* Index of the first group of which a byte differs from what was written; the count when there
 * is none. */
static size_t first_changed(const struct buf *was, const uint8_t *now, size_t now_len)
{
	for (size_t i = 0; i < log_.count; i++) {
		size_t at = (size_t)log_.groups[i].offset;
		size_t len = wal_log_group_bytes(&log_.groups[i]);

		if (at + len > now_len || memcmp(was->data + at, now + at, len) != 0)
			return i;
	}
	return log_.count;
}

/* Whether the header of a group after `index` is unchanged and says that `index` was durable. */
static bool known_durable(const struct buf *was, const uint8_t *now, size_t now_len, size_t index)
{
	for (size_t i = index + 1; i < log_.count; i++) {
		size_t at = (size_t)log_.groups[i].offset;

		if (at + WAL_GROUP_HEADER_BYTES <= now_len &&
			memcmp(was->data + at + 8, now + at + 8, WAL_GROUP_HEADER_BYTES - 8) == 0 &&
			log_.groups[i].synced > log_.groups[index].offset)
			return true;
	}
	return false;
}

/* What must be found in a segment that is `now` and was `was`, its header unchanged. */
static void expect_allowed(const struct buf *was, const uint8_t *now, size_t now_len)
{
	struct wal_log_found found = read_log();
	size_t first = first_changed(was, now, now_len);

	if (first < log_.count && known_durable(was, now, now_len, first)) {
		EXPECT_DAMAGE(found, log_.groups[first].offset);
		return;
	}
	ck_assert_int_eq(found.status, KV_NOT_FOUND);
	ck_assert_uint_eq(found.count, first);
	ck_assert_uint_ge(found.torn_end, found.end);
	ck_assert_uint_le(found.torn_end, now_len);
	if (first < log_.count) { /* or at the end of the file, when that lacks the padding of the group before */
		ck_assert_uint_le(found.end, log_.groups[first].offset);
		ck_assert_uint_gt(found.end + WAL_GROUP_ALIGN, log_.groups[first].offset);
	}
}

/* A segment of 8 KiB with groups of several sizes, some synced one by one, some together, the
 * last not. */
static void write_sample(uint64_t number)
{
	wal_log_begin(&log_, number, 8192);
	wal_log_commit(&log_, 1, 30);
	wal_log_commit(&log_, 3, 100);
	ck_assert_int_eq(wal_log_append(&log_, 2, 5), KV_OK);
	ck_assert_int_eq(wal_log_append(&log_, 1, 0), KV_OK);
	wal_log_commit(&log_, 1, 700);
	ck_assert_int_eq(wal_log_append(&log_, 4, 60), KV_OK);
	ck_assert_int_eq(wal_log_append(&log_, 2, 33), KV_OK);
}

/* ---- what is right ---- */

START_TEST(every_group_is_read_back)
{
	write_sample(1);
	EXPECT_END(read_log(), 7, false);
}
END_TEST

START_TEST(an_empty_segment_ends_at_once)
{
	struct wal_log_found found;

	wal_log_begin(&log_, 1, 8192);
	found = read_log();
	EXPECT_END(found, 0, false);
	ck_assert_uint_eq(found.end, WAL_FIRST_GROUP_OFFSET);
	wal_log_begin(&log_, 2, 4096);
	EXPECT_END(read_log(), 0, false);
}
END_TEST

START_TEST(the_header_tells_of_the_segment_before)
{
	struct wal_reader *reader = NULL;
	enum wal_segment_state state;
	uint64_t end;

	write_sample(1);
	end = wal_writer_end(log_.writer);
	wal_log_begin(&log_, 2, 8192);
	ck_assert_int_eq(wal_reader_open(&log_.disk.dir, &log_.id, 2, &reader, &state, NULL), KV_OK);
	ck_assert_int_eq(state, WAL_SEGMENT_USED);
	ck_assert_uint_eq(wal_reader_header(reader)->prev_number, 1);
	ck_assert_uint_eq(wal_reader_header(reader)->prev_end, end);
	ck_assert_uint_eq(wal_reader_header(reader)->first_sequence, 114);
	ck_assert_ptr_null(wal_reader_close(reader));
	ck_assert_ptr_null(wal_reader_close(NULL));
}
END_TEST

START_TEST(groups_larger_than_the_window_are_read)
{
	wal_log_begin(&log_, 1, 65536);
	wal_log_commit(&log_, 3, 100);
	wal_log_commit(&log_, 2, 3 << 20);
	wal_log_commit(&log_, 1000, 1040);
	wal_log_commit(&log_, 1, 1);
	EXPECT_END(read_log(), 4, false);
	fault_fs_shorten(log_.disk.fault, 100000);
	EXPECT_END(read_log(), 4, false);
}
END_TEST

START_TEST(many_small_groups_cross_the_window_anywhere)
{
	wal_log_begin(&log_, 1, 4096);
	for (int i = 0; i < 4000; i++)
		ck_assert_int_eq(wal_log_append(&log_, 1, (size_t)(i * 37 % 700)), KV_OK);
	ck_assert_uint_gt(wal_writer_end(log_.writer), 1500000);
	EXPECT_END(read_log(), 4000, false);
}
END_TEST

START_TEST(a_segment_that_was_never_begun_is_unused)
{
	struct wal_log_found found;
	struct buf junk = { 0 };

	ck_assert_int_eq(wal_make_segment(&log_.disk.dir, 1, 8192, WAL_WRITTEN, NULL), KV_OK);
	found = wal_log_read(&log_, 1, 0);
	ck_assert_int_eq(found.status, KV_OK);
	ck_assert_int_eq(found.state, WAL_SEGMENT_UNUSED);
	/* recycled, over groups of its earlier life */
	write_sample(2);
	wal_log_end(&log_);
	ck_assert_int_eq(wal_recycle_segment(&log_.disk.dir, 2, 3, NULL), KV_OK);
	found = wal_log_read(&log_, 3, 0);
	ck_assert_int_eq(found.status, KV_OK);
	ck_assert_int_eq(found.state, WAL_SEGMENT_UNUSED);
	/* a header that did not get to the disk as a whole */
	ck_assert_int_eq(buf_append_zeros(&junk, 8192), KV_OK);
	memcpy(junk.data, "\rKV-WAL1", 8);
	set_content(4, &junk);
	found = wal_log_read(&log_, 4, 0);
	ck_assert_int_eq(found.status, KV_OK);
	ck_assert_int_eq(found.state, WAL_SEGMENT_UNUSED);
	buf_free(&junk);
	ck_assert_int_eq(wal_log_read(&log_, 5, 0).status, KV_NOT_FOUND);
}
END_TEST

/* ---- damage ---- */

START_TEST(every_flipped_byte_is_found_or_does_not_matter)
{
	struct buf was, now = { 0 };

	write_sample(1);
	was = content_of(1);
	ck_assert_int_eq(buf_set(&now, buf_slice(&was)), KV_OK);
	for (size_t at = runner_first(); at < was.len; at += RUNNER_STEP)
		for (int f = 0; f < DISK_FLIPS; f++) {
			now.data[at] = was.data[at] ^ disk_flips[f];
			disk_patch(&log_.disk, "000001.wal", at, slice_of(now.data + at, 1));
			if (at < WAL_HEADER_BYTES)
				EXPECT_DAMAGE(read_log(), 0);
			else
				expect_allowed(&was, now.data, now.len);
			now.data[at] = was.data[at];
			disk_patch(&log_.disk, "000001.wal", at, slice_of(now.data + at, 1));
		}
	buf_free(&was);
	buf_free(&now);
}
END_TEST

START_TEST(a_zeroed_sector_is_found_or_does_not_matter)
{
	struct buf was, now = { 0 };

	write_sample(1);
	was = content_of(1);
	for (size_t sector = 64; sector <= 1024; sector *= 2)
		for (size_t at = 0; at < was.len; at += sector) {
			ck_assert_int_eq(buf_set(&now, buf_slice(&was)), KV_OK);
			memset(now.data + at, 0, sector);
			set_content(1, &now);
			if (at < WAL_HEADER_BYTES)
				EXPECT_DAMAGE(read_log(), 0);
			else
				expect_allowed(&was, now.data, now.len);
		}
	buf_free(&was);
	buf_free(&now);
}
END_TEST

START_TEST(a_segment_cut_below_the_size_it_was_begun_with_is_damage)
{
	struct buf was;

	write_sample(1);
	was = content_of(1);
	for (size_t len = runner_first(); len < was.len; len += RUNNER_STEP) {
		disk_write(&log_.disk, "000001.wal", slice_of(was.data, len));
		EXPECT_DAMAGE(read_log(), len);
	}
	buf_free(&was);
}
END_TEST

START_TEST(a_cut_behind_that_size_takes_the_last_groups_only)
{
	struct buf was;
	uint64_t end;

	wal_log_begin(&log_, 1, 4096);
	for (int i = 0; i < 4; i++)
		wal_log_commit(&log_, 2, 40);
	end = wal_writer_end(log_.writer);
	was = content_of(1);
	ck_assert_uint_eq(was.len, end);
	for (size_t len = 4096; len <= was.len; len++) {
		disk_write(&log_.disk, "000001.wal", slice_of(was.data, len));
		expect_allowed(&was, was.data, len);
		/* and a successor knows better; only the padding of the last group may be
		 * missing, which holds nothing */
		if (first_changed(&was, was.data, len) < log_.count)
			ck_assert_int_eq(wal_log_read(&log_, 1, end).status, KV_CORRUPT);
	}
	buf_free(&was);
}
END_TEST

START_TEST(garbage_appended_to_the_file_changes_nothing)
{
	uint64_t rnd = runner_seed();
	struct buf now;
	uint64_t end;

	write_sample(1);
	end = wal_writer_end(log_.writer);
	now = content_of(1);
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(buf_append_byte(&now, (uint8_t)runner_random(&rnd)), KV_OK);
	set_content(1, &now);
	EXPECT_END(read_log(), 7, false);
	/* right behind the last group it is a torn tail up to the end of the file */
	for (size_t i = (size_t)end; i < now.len; i++)
		now.data[i] = (uint8_t)(runner_random(&rnd) | 1);
	set_content(1, &now);
	EXPECT_END(read_log(), 7, true);
	ck_assert_uint_eq(read_log().torn_end, now.len);
	EXPECT_END(wal_log_read(&log_, 1, end), 7, false);
	buf_free(&now);
}
END_TEST

START_TEST(a_torn_last_group_does_not_hide_damage_before_it)
{
	struct buf now;
	size_t last;

	write_sample(1);
	wal_log_commit(&log_, 1, 5); /* 7: durable, and the next one says so */
	ck_assert_int_eq(wal_log_append(&log_, 1, 300), KV_OK);
	now = content_of(1);
	last = (size_t)log_.groups[8].offset;
	memset(now.data + last + 100, 0, 200); /* only its header and a bit of its payload got there */
	set_content(1, &now);
	EXPECT_END(read_log(), 8, true);
	now.data[log_.groups[7].offset + 50] ^= 1;
	set_content(1, &now);
	EXPECT_DAMAGE(read_log(), log_.groups[7].offset);
	buf_free(&now);
}
END_TEST

START_TEST(files_under_wrong_names_are_told_apart_from_recycled_ones)
{
	struct buf first, second;

	write_sample(1);
	first = content_of(1);
	write_sample(2);
	second = content_of(2);
	set_content(1, &second); /* swapped */
	set_content(2, &first);
	EXPECT_DAMAGE(wal_log_read(&log_, 1, 0), WAL_HEADER_NUMBER);
	EXPECT_DAMAGE(wal_log_read(&log_, 2, 0), WAL_HEADER_NUMBER);
	set_content(1, &first); /* doubled */
	EXPECT_DAMAGE(wal_log_read(&log_, 2, 0), WAL_HEADER_NUMBER);
	set_content(2, &second);
	log_.id.bytes[3] ^= 1; /* from another store */
	EXPECT_DAMAGE(wal_log_read(&log_, 2, 0), WAL_HEADER_STORE_ID);
	buf_free(&first);
	buf_free(&second);
}
END_TEST

START_TEST(a_newer_version_is_named)
{
	struct wal_log_found found;
	struct buf now;

	write_sample(1);
	now = content_of(1);
	put_fixed16(now.data + WAL_HEADER_VERSION, 3);
	put_fixed64(now.data + WAL_HEADER_CHECKSUM, checksum64(slice_of(now.data, 64), WAL_MAGIC));
	set_content(1, &now);
	found = read_log();
	ck_assert_int_eq(found.status, KV_UNSUPPORTED);
	ck_assert_str_eq(found.err.text, "log version 3 is newer than the 1 that this kvstored reads");
	buf_free(&now);
	now = content_of(1);
	put_fixed16(now.data + WAL_HEADER_VERSION, WAL_VERSION);
	put_fixed16(now.data + WAL_HEADER_FLAGS, 6);
	put_fixed64(now.data + WAL_HEADER_CHECKSUM, checksum64(slice_of(now.data, 64), WAL_MAGIC));
	set_content(1, &now);
	found = read_log();
	ck_assert_int_eq(found.status, KV_UNSUPPORTED);
	ck_assert_str_eq(found.err.text, "this kvstored does not know all of the log's flags (6)");
	buf_free(&now);
}
END_TEST

/* ---- torn tails ---- */

/* The last group was written over `before`, and its first `len` bytes got there. */
START_TEST(torn_tail_keeps_every_group_before_it_at_every_length)
{
	struct buf before, after, now = { 0 };
	size_t offset, bytes;

	for (uint64_t number = 1; number <= 2; number++) {
		if (number == 1) {
			write_sample(1);
		} else { /* over an earlier life */
			wal_log_end(&log_);
			ck_assert_int_eq(wal_recycle_segment(&log_.disk.dir, 1, 2, NULL), KV_OK);
			wal_log_begin_existing(&log_, 2);
			wal_log_commit(&log_, 2, 20);
		}
		before = content_of(number);
		wal_log_commit(&log_, 3, 400);
		after = content_of(number);
		offset = (size_t)log_.groups[log_.count - 1].offset;
		bytes = wal_log_group_bytes(&log_.groups[log_.count - 1]);
		for (size_t len = 0; len <= bytes; len++) {
			ck_assert_int_eq(buf_set(&now, buf_slice(&before)), KV_OK);
			memcpy(now.data + offset, after.data + offset, len);
			set_content(number, &now);
			/* the first 8 bytes alone are a checksum without a mark: an end, or not */
			ck_assert_uint_eq(read_log().count, log_.count - (len < bytes));
			if (len >= 12 && len < bytes)
				EXPECT_END(read_log(), log_.count - 1, true);
			if (len == 0)
				EXPECT_END(read_log(), log_.count - 1, false);
		}
		set_content(number, &after);
		EXPECT_END(read_log(), log_.count, false);
		buf_free(&before);
		buf_free(&after);
	}
	buf_free(&now);
}
END_TEST

START_TEST(any_of_several_unsynced_groups_may_be_lost_and_those_behind_it_go_too)
{
	struct buf was, now = { 0 };

	wal_log_begin(&log_, 1, 8192);
	wal_log_commit(&log_, 2, 20);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(wal_log_append(&log_, 1, (size_t)(40 + 30 * i)), KV_OK);
	was = content_of(1);
	for (unsigned lost = 0; lost < 32; lost++) {
		struct wal_log_found found;
		size_t first = 6;

		ck_assert_int_eq(buf_set(&now, buf_slice(&was)), KV_OK);
		for (size_t i = 5; i >= 1; i--)
			if (lost & 1u << (i - 1)) {
				memset(now.data + log_.groups[i].offset, 0, wal_log_group_bytes(&log_.groups[i]));
				first = i;
			}
		set_content(1, &now);
		found = read_log();
		ck_assert_int_eq(found.status, KV_NOT_FOUND);
		ck_assert_uint_eq(found.count, first);
		/* what goes too is worth keeping */
		for (size_t i = first + 1; i < 6; i++)
			if (!(lost & 1u << (i - 1)))
				ck_assert_uint_ge(found.torn_end,
					log_.groups[i].offset + wal_log_group_bytes(&log_.groups[i]));
	}
	buf_free(&was);
	buf_free(&now);
}
END_TEST

/* ---- an earlier life ---- */

START_TEST(groups_of_an_earlier_life_are_not_seen)
{
	wal_log_begin(&log_, 1, 8192);
	for (int i = 0; i < 30; i++)
		wal_log_commit(&log_, 1, 50);
	wal_log_end(&log_);
	ck_assert_int_eq(wal_recycle_segment(&log_.disk.dir, 1, 2, NULL), KV_OK);
	wal_log_begin_existing(&log_, 2);
	EXPECT_END(read_log(), 0, false);
	/* of the same size, so that each time an old one begins where the new ones end; then of
	 * others */
	for (unsigned i = 0; i < 25; i++) {
		wal_log_commit(&log_, 1, i < 10 ? 50 : 3 * i);
		EXPECT_END(read_log(), i + 1, false);
	}
}
END_TEST

START_TEST(an_old_group_right_behind_the_end_is_a_torn_tail_at_worst)
{
	struct buf old, now;
	size_t end;

	wal_log_begin(&log_, 1, 8192);
	for (int i = 0; i < 30; i++)
		wal_log_commit(&log_, 1, 50);
	old = content_of(1);
	wal_log_end(&log_);
	ck_assert_int_eq(wal_recycle_segment(&log_.disk.dir, 1, 2, NULL), KV_OK);
	wal_log_begin_existing(&log_, 2);
	for (int i = 0; i < 5; i++)
		wal_log_commit(&log_, 1, 50);
	now = content_of(2);
	end = (size_t)wal_writer_end(log_.writer);
	memcpy(now.data + end, old.data + end, 16); /* as if the zeros had not got there */
	set_content(2, &now);
	EXPECT_END(read_log(), 5, true);
	buf_free(&old);
	buf_free(&now);
}
END_TEST

/* ---- chains ---- */

START_TEST(a_segment_with_a_successor_ends_where_that_one_says)
{
	struct buf was, now = { 0 };
	uint64_t end;
	size_t last;

	write_sample(1);
	end = wal_writer_end(log_.writer);
	last = log_.count - 1;
	was = content_of(1);
	EXPECT_END(wal_log_read(&log_, 1, end), 7, false);
	/* what lies behind the end does not matter */
	ck_assert_int_eq(buf_set(&now, buf_slice(&was)), KV_OK);
	memset(now.data + end, 0x55, now.len - (size_t)end);
	set_content(1, &now);
	EXPECT_END(wal_log_read(&log_, 1, end), 7, false);
	/* the last group is as safe as all others */
	for (size_t at = 0; at < wal_log_group_bytes(&log_.groups[last]); at++) {
		ck_assert_int_eq(buf_set(&now, buf_slice(&was)), KV_OK);
		now.data[log_.groups[last].offset + at] ^= 0x10;
		set_content(1, &now);
		EXPECT_DAMAGE(wal_log_read(&log_, 1, end), log_.groups[last].offset);
	}
	buf_free(&was);
	buf_free(&now);
}
END_TEST

START_TEST(an_end_that_is_no_group_boundary_is_damage)
{
	uint64_t end;

	write_sample(1);
	end = wal_writer_end(log_.writer);
	for (uint64_t e = 1; e < end + 100; e++) {
		struct wal_log_found found = wal_log_read(&log_, 1, e);
		bool boundary = e == end;
		size_t before = 0; /* groups that lie before e as a whole */

		for (size_t i = 0; i < log_.count; i++) {
			boundary |= e == log_.groups[i].offset;
			before += log_.groups[i].offset + wal_log_group_bytes(&log_.groups[i]) <= e;
		}
		ck_assert_int_eq(found.status, boundary ? KV_NOT_FOUND : KV_CORRUPT);
		ck_assert_uint_eq(found.count, before);
	}
	ck_assert_int_eq(wal_log_read(&log_, 1, 1 << 20).status, KV_CORRUPT);
	ck_assert_int_eq(wal_log_read(&log_, 1, UINT64_MAX - 1).status, KV_CORRUPT);
}
END_TEST

/* ---- right checksums over nonsense ---- */

/* Puts a group into the file behind the writer's back. */
static void forge(uint64_t offset, struct wal_group_header header, struct slice payload)
{
	struct buf now = content_of(log_.number);
	uint64_t seed = wal_group_seed(&log_.id, log_.number, offset);
	uint8_t *at = now.data + offset;

	ck_assert_uint_le(offset + WAL_GROUP_HEADER_BYTES + payload.len, now.len);
	wal_group_encode(at, seed, &header);
	memcpy(at + WAL_GROUP_HEADER_BYTES, payload.data, payload.len);
	put_fixed64(at, checksum64(slice_of(at + 8, WAL_GROUP_HEADER_BYTES - 8 + payload.len), seed));
	set_content(log_.number, &now);
	buf_free(&now);
}

static const struct slice one_put = { (const uint8_t *)"\x01\x01\x02kvv", 6 };

static struct wal_group_header right_header(void)
{
	return (struct wal_group_header){ .count = 1, .length = 6, .synced = 4096,
		.first_sequence = log_.next_sequence };
}

static void begin_and_commit(void)
{
	wal_log_begin(&log_, log_.number + 1, 8192);
	wal_log_commit(&log_, 2, 10);
}

static kv_status read_forged(struct wal_group_header header, struct slice payload, uint32_t *ret_groups)
{
	struct wal_reader *reader = NULL;
	enum wal_segment_state state;
	struct wal_read_group group;
	kv_status ret;

	begin_and_commit();
	header.first_sequence += log_.next_sequence;
	forge(wal_writer_end(log_.writer), header, payload);
	ck_assert_int_eq(wal_reader_open(&log_.disk.dir, &log_.id, log_.number, &reader, &state, NULL), KV_OK);
	for (*ret_groups = 0; (ret = wal_reader_next(reader, &group, NULL)) == KV_OK; (*ret_groups)++)
		;
	wal_reader_close(reader);
	return ret;
}

#define EXPECT_FORGED(header, payload, status, groups) \
	do { \
		uint32_t n_; \
		ck_assert_int_eq(read_forged((header), (payload), &n_), (status)); \
		ck_assert_uint_eq(n_, (groups)); \
	} while (0)

START_TEST(a_right_checksum_over_nonsense_is_damage)
{
	struct wal_group_header header = { .count = 1, .length = 6, .synced = 4096 };
	struct wal_group_header changed = header;

	EXPECT_FORGED(header, one_put, KV_NOT_FOUND, 2);
	changed.first_sequence = 1; /* one left out */
	EXPECT_FORGED(changed, one_put, KV_CORRUPT, 1);
	changed.first_sequence = UINT64_MAX; /* one twice */
	EXPECT_FORGED(changed, one_put, KV_CORRUPT, 1);
	changed = header;
	changed.length = 5;
	EXPECT_FORGED(changed, slice_of("\x01\x01\x02kv", 5), KV_CORRUPT, 1);
	changed.length = 7;
	EXPECT_FORGED(changed, slice_of("\x01\x01\x02kvv\0", 7), KV_CORRUPT, 1);
	changed.length = 12;
	EXPECT_FORGED(changed, slice_of("\x01\x01\x02kvv\x01\x01\x02kvv", 12), KV_CORRUPT, 1);
	changed.count = 3;
	EXPECT_FORGED(changed, slice_of("\x01\x01\x02kvv\x01\x01\x02kvv", 12), KV_CORRUPT, 1);
	changed.count = 2;
	EXPECT_FORGED(changed, slice_of("\x01\x01\x02kvv\x01\x01\x02kvv", 12), KV_NOT_FOUND, 2);
	EXPECT_FORGED(header, slice_of("\x04\x01\x02kvv", 6), KV_CORRUPT, 1);
}
END_TEST

START_TEST(a_group_that_knows_less_than_the_one_before_is_damage)
{
	begin_and_commit();
	wal_log_commit(&log_, 1, 1);
	forge(wal_writer_end(log_.writer), right_header(), one_put);
	EXPECT_DAMAGE(read_log(), wal_writer_end(log_.writer));
}
END_TEST

START_TEST(a_group_without_length_or_operations_is_none)
{
	struct wal_group_header header = { .count = 0, .length = 6, .synced = 4096 };

	EXPECT_FORGED(header, one_put, KV_NOT_FOUND, 1);
	header.count = 1;
	header.length = 0;
	EXPECT_FORGED(header, slice_of(one_put.data, 0), KV_NOT_FOUND, 1);
	header.count = 0;
	EXPECT_FORGED(header, slice_of(one_put.data, 0), KV_NOT_FOUND, 1);
}
END_TEST

/* Reads to the end and returns how many allocations that took. */
static uint64_t allocations_of_a_read(void)
{
	struct wal_reader *reader = NULL;
	enum wal_segment_state state;
	struct wal_read_group group;

	fault_alloc_fail(0, false);
	if (wal_reader_open(&log_.disk.dir, &log_.id, log_.number, &reader, &state, NULL) != KV_OK)
		return 0;
	while (wal_reader_next(reader, &group, NULL) == KV_OK)
		;
	wal_reader_close(reader);
	return fault_alloc_count();
}

/* An old group passes the check of 32 bits by chance once in 2^32; its sequence gives it away. */
START_TEST(a_header_of_an_older_sequence_proves_no_damage)
{
	struct wal_group_header header;
	uint64_t end;

	begin_and_commit();
	end = wal_writer_end(log_.writer);
	header = right_header();
	header.synced = end + 8;
	header.first_sequence = log_.next_sequence - 1;
	forge(end + 64, header, one_put);
	EXPECT_END(read_log(), 1, false);
	header.first_sequence = log_.next_sequence;
	forge(end + 64, header, one_put);
	EXPECT_DAMAGE(read_log(), end);
}
END_TEST

START_TEST(a_length_of_four_gibibytes_takes_no_memory)
{
	struct wal_group_header header;
	uint64_t expected;

	begin_and_commit();
	expected = allocations_of_a_read();
	ck_assert_uint_gt(expected, 0);
	header = right_header();
	header.length = UINT32_MAX;
	forge(wal_writer_end(log_.writer), header, one_put);
	ck_assert_uint_eq(allocations_of_a_read(), expected);
	EXPECT_END(read_log(), 1, true);
	/* with a header that is not good either */
	header.length = UINT32_MAX - 1;
	header.synced = 5000;
	forge(wal_writer_end(log_.writer), header, one_put);
	ck_assert_uint_eq(allocations_of_a_read(), expected);
	EXPECT_END(read_log(), 1, true);
}
END_TEST

START_TEST(a_file_full_of_marks_is_judged_in_one_pass)
{
	struct buf now;
	size_t end;

	wal_log_begin(&log_, 1, 16 << 20);
	wal_log_commit(&log_, 1, 10);
	end = (size_t)wal_writer_end(log_.writer);
	now = content_of(1);
	for (size_t at = end + 8; at + 16 < now.len; at += 8) {
		put_fixed32(now.data + at, WAL_GROUP_MARK);
		put_fixed32(now.data + at + 4, WAL_GROUP_MARK);
	}
	set_content(1, &now);
	EXPECT_END(read_log(), 1, true);
	buf_free(&now);
}
END_TEST

/* ---- a failing machine ---- */

/* Calls again after each failure, as a caller may. */
static void read_with_failures(kv_status expected, uint64_t *ret_failures)
{
	struct wal_reader *reader = NULL;
	enum wal_segment_state state;
	struct wal_read_group group;
	size_t count = 0;
	kv_status status;

	*ret_failures = 0;
	while ((status = wal_reader_open(&log_.disk.dir, &log_.id, 1, &reader, &state, NULL)) != KV_OK) {
		fault_alloc_fail(0, false);
		fault_fs_heal(log_.disk.fault);
		ck_assert_int_eq(status, expected);
		++*ret_failures;
	}
	while ((status = wal_reader_next(reader, &group, NULL)) != KV_NOT_FOUND) {
		fault_alloc_fail(0, false);
		if (status == KV_OK) {
			ck_assert(slice_equal(group.payload, buf_slice(&log_.groups[count].payload)));
			count++;
			continue;
		}
		fault_fs_heal(log_.disk.fault);
		ck_assert_int_eq(status, expected);
		++*ret_failures;
	}
	wal_reader_close(reader);
	ck_assert_uint_eq(count, log_.count);
}

static void write_for_failures(void)
{
	wal_log_begin(&log_, 1, 3 << 20);
	wal_log_commit(&log_, 1, 100);
	wal_log_commit(&log_, 3, 500000);
	wal_log_commit(&log_, 1, 100);
}

START_TEST(without_memory_nothing_is_taken_for_an_end)
{
	uint64_t failures = 1, seen = 0;

	write_for_failures();
	for (uint64_t nth = 1; failures > 0; nth++) {
		fault_alloc_fail(nth, false);
		read_with_failures(KV_NO_MEMORY, &failures);
		fault_alloc_fail(0, false);
		seen += failures;
	}
	ck_assert_uint_ge(seen, 1);
}
END_TEST

/* kvfsck --dump takes no lock: a daemon may cut the segment meanwhile. */
START_TEST(a_segment_that_becomes_shorter_is_damage_from_there_on)
{
	struct wal_reader *reader;
	enum wal_segment_state state;
	struct wal_read_group group;
	struct kv_error err;
	struct buf content;

	write_for_failures();
	ck_assert_int_eq(wal_reader_open(&log_.disk.dir, &log_.id, log_.number, &reader, &state, &err), KV_OK);
	ck_assert_int_eq(wal_reader_next(reader, &group, &err), KV_OK);
	wal_reader_rest(reader);
	content = disk_read(&log_.disk, "000001.wal");
	disk_write(&log_.disk, "000001.wal", slice_of(content.data, WAL_FIRST_GROUP_OFFSET));
	buf_free(&content);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(wal_reader_next(reader, &group, &err), KV_CORRUPT);
	ck_assert_uint_gt(err.offset, WAL_FIRST_GROUP_OFFSET);
	ck_assert_ptr_nonnull(strstr(err.text, "shorter"));
	ck_assert_int_eq(wal_reader_resume(reader, &err), KV_NOT_FOUND);
	wal_reader_close(reader);
}
END_TEST

START_TEST(a_failed_read_is_not_taken_for_an_end)
{
	uint64_t failures = 1, seen = 0;

	write_for_failures();
	for (uint64_t nth = 1; failures > 0; nth++) {
		fault_fs_fail(log_.disk.fault, FAULT_PREAD, nth, EIO);
		read_with_failures(KV_IO, &failures);
		fault_fs_heal(log_.disk.fault);
		seen += failures;
	}
	ck_assert_uint_ge(seen, 5);
}
END_TEST

/* ---- power cuts ---- */

enum { SECTOR = 512 };

struct power {
	uint64_t rnd;
	struct buf durable, current; /* the file when it was last synced, and now */
	size_t synced_groups;
};

static uint64_t below(struct power *p, uint64_t n)
{
	return runner_random(&p->rnd) % n;
}

/* What may be on disk after a cut: of each sector, and of the length, the old or the new. */
static void cut(struct power *p)
{
	struct buf now = { 0 };
	size_t len = below(p, 2) ? p->current.len : p->durable.len;
	unsigned chance = (unsigned)below(p, 4) + 1;

	ck_assert_int_eq(buf_append_zeros(&now, len), KV_OK);
	for (size_t at = 0; at < len; at += SECTOR) {
		const struct buf *from = below(p, 5) < chance ? &p->current : &p->durable;
		size_t end = at + SECTOR < len ? at + SECTOR : len;

		if (end > from->len)
			end = from->len;
		if (at < end)
			memcpy(now.data + at, from->data + at, end - at);
	}
	set_content(log_.number, &now);
	buf_free(&now);
}

static void expect_every_synced_group(const struct power *p)
{
	struct wal_log_found found = read_log();

	ck_assert_msg(found.status == KV_NOT_FOUND, "%s at %llu", found.err.text,
		(unsigned long long)found.err.offset);
	ck_assert_uint_ge(found.count, p->synced_groups);
}

static void snapshot(struct buf *to)
{
	buf_free(to);
	*to = content_of(log_.number);
}

/* Some groups, some of them synced, some failing for want of space; then the power goes, in
 * several ways. */
static void live_and_cut(struct power *p)
{
	uint64_t groups = below(p, 12);

	snapshot(&p->durable);
	p->synced_groups = 0;
	for (uint64_t i = 0; i < groups; i++) {
		if (below(p, 8) == 0) {
			fault_fs_add(log_.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV, .nth = 1,
				.errnum = ENOSPC, .torn_bytes = (size_t)below(p, 3000) });
			/* undone and synced */
			ck_assert_int_eq(wal_log_append(&log_, 2, 900), KV_NO_SPACE);
			fault_fs_heal(log_.disk.fault);
		} else {
			ck_assert_int_eq(wal_log_append(&log_, (uint32_t)below(p, 4) + 1,
				(size_t)below(p, 900)), KV_OK);
			if (below(p, 2) == 0)
				continue;
			ck_assert_int_eq(wal_sync(log_.writer, NULL), KV_OK);
		}
		p->synced_groups = log_.count;
		snapshot(&p->durable);
	}
	snapshot(&p->current);
	for (int i = 0; i < 20; i++) {
		cut(p);
		expect_every_synced_group(p);
	}
}

START_TEST(a_power_cut_that_loses_any_unsynced_sectors_keeps_every_synced_group)
{
	struct power p = { .rnd = runner_seed() };

	for (uint64_t number = 1; number <= 100; number++) {
		if (number % 3 == 1) {
			wal_log_begin(&log_, number, 4096 + 4096 * below(&p, 4));
		} else {
			wal_log_end(&log_);
			ck_assert_int_eq(wal_recycle_segment(&log_.disk.dir, number - 1, number, NULL), KV_OK);
			wal_log_begin_existing(&log_, number);
		}
		live_and_cut(&p);
	}
	buf_free(&p.durable);
	buf_free(&p.current);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wal_reader");
	TCase *tc = tcase_create("wal_reader");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_group_is_read_back);
	tcase_add_test(tc, an_empty_segment_ends_at_once);
	tcase_add_test(tc, the_header_tells_of_the_segment_before);
	tcase_add_test(tc, groups_larger_than_the_window_are_read);
	tcase_add_test(tc, many_small_groups_cross_the_window_anywhere);
	tcase_add_test(tc, a_segment_that_was_never_begun_is_unused);
	tcase_add_test(tc, every_flipped_byte_is_found_or_does_not_matter);
	tcase_add_test(tc, a_zeroed_sector_is_found_or_does_not_matter);
	tcase_add_test(tc, a_segment_cut_below_the_size_it_was_begun_with_is_damage);
	tcase_add_test(tc, a_cut_behind_that_size_takes_the_last_groups_only);
	tcase_add_test(tc, garbage_appended_to_the_file_changes_nothing);
	tcase_add_test(tc, a_torn_last_group_does_not_hide_damage_before_it);
	tcase_add_test(tc, files_under_wrong_names_are_told_apart_from_recycled_ones);
	tcase_add_test(tc, a_newer_version_is_named);
	tcase_add_test(tc, torn_tail_keeps_every_group_before_it_at_every_length);
	tcase_add_test(tc, any_of_several_unsynced_groups_may_be_lost_and_those_behind_it_go_too);
	tcase_add_test(tc, groups_of_an_earlier_life_are_not_seen);
	tcase_add_test(tc, an_old_group_right_behind_the_end_is_a_torn_tail_at_worst);
	tcase_add_test(tc, a_segment_with_a_successor_ends_where_that_one_says);
	tcase_add_test(tc, an_end_that_is_no_group_boundary_is_damage);
	tcase_add_test(tc, a_right_checksum_over_nonsense_is_damage);
	tcase_add_test(tc, a_group_that_knows_less_than_the_one_before_is_damage);
	tcase_add_test(tc, a_group_without_length_or_operations_is_none);
	tcase_add_test(tc, a_header_of_an_older_sequence_proves_no_damage);
	tcase_add_test(tc, a_length_of_four_gibibytes_takes_no_memory);
	tcase_add_test(tc, a_file_full_of_marks_is_judged_in_one_pass);
	tcase_add_test(tc, without_memory_nothing_is_taken_for_an_end);
	tcase_add_test(tc, a_failed_read_is_not_taken_for_an_end);
	tcase_add_test(tc, a_segment_that_becomes_shorter_is_damage_from_there_on);
	tcase_add_test(tc, a_power_cut_that_loses_any_unsynced_sectors_keeps_every_synced_group);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
