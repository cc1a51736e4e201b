/* SPDX-License-Identifier: BSD-2-Clause */
/* The MANIFEST: what is written, that it is replaced atomically, and everything that is refused. */
#include "engine/manifest.h"

#include "base/checksum.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <stdio.h>

static struct disk disk;
static struct manifest sample; /* what make_sample makes */
static const struct store_id id = { "0123456789abcdef" };

static void add(struct manifest *m, unsigned level, uint64_t number, uint64_t first, uint64_t last,
	const char *smallest, const char *largest)
{
	struct sst_meta meta = { .number = number, .file_bytes = 5000 + number, .entries = 10,
		.tombstones = 1, .first_sequence = first, .last_sequence = last, .key_bytes = 50,
		.value_bytes = 500, .oldest_expiry_unix_ms = number % 2, .range_applied = last / 2,
		.blobs = number % 2, .blob_bytes = number % 2 * 70000 };

	ck_assert_int_eq(buf_set(&meta.smallest, slice_of_string(smallest)), KV_OK);
	ck_assert_int_eq(buf_set(&meta.largest, slice_of_string(largest)), KV_OK);
	ck_assert_int_eq(manifest_add_table(m, level, &meta), KV_OK);
	sst_meta_free(&meta);
}

static void add_range(struct manifest *m, uint64_t sequence, const char *start, const char *end)
{
	ck_assert_int_eq(manifest_add_range(m, sequence, slice_of_string(start), slice_of_string(end)), KV_OK);
}

static void make_sample(struct manifest *m)
{
	*m = (struct manifest){ .generation = 3, .next_file_number = 30, .last_sequence = 500 };
	ck_assert_int_eq(manifest_add_wal(m, 7), KV_OK);
	ck_assert_int_eq(manifest_add_wal(m, 21), KV_OK);
	ck_assert_int_eq(manifest_add_wal(m, 22), KV_OK);
	ck_assert_int_eq(manifest_add_history(m, 4), KV_OK);
	ck_assert_int_eq(manifest_add_history(m, 6), KV_OK);
	add_range(m, 17, "b", "bb");
	add_range(m, 480, "\1", "");
	add_range(m, 500, "b", "c");
	add(m, 0, 20, 401, 500, "a", "z");
	add(m, 0, 18, 301, 400, "b", "y");
	add(m, 1, 9, 10, 290, "c", "f");
	add(m, 1, 10, 5, 300, "fa", "k");
	add(m, 1, 12, 10, 20, "m", "m");
	add(m, 3, 3, 1, 9, "a", "zz");
	add(m, 6, 2, 1, 4, "b", "q");
}

static void setup(void)
{
	disk_open(&disk);
	make_sample(&sample);
}

static void teardown(void)
{
	manifest_free(&sample);
	disk_close(&disk);
}

static void expect_equal(const struct manifest *a, const struct manifest *b)
{
	ck_assert_uint_eq(a->generation, b->generation);
	ck_assert_uint_eq(a->next_file_number, b->next_file_number);
	ck_assert_uint_eq(a->last_sequence, b->last_sequence);
	ck_assert_uint_eq(a->wal_count, b->wal_count);
	for (size_t i = 0; i < a->wal_count; i++)
		ck_assert_uint_eq(a->wal_numbers[i], b->wal_numbers[i]);
	ck_assert_uint_eq(a->history_count, b->history_count);
	for (size_t i = 0; i < a->history_count; i++)
		ck_assert_uint_eq(a->history[i], b->history[i]);
	ck_assert_uint_eq(a->range_count, b->range_count);
	for (size_t i = 0; i < a->range_count; i++) {
		ck_assert_uint_eq(a->ranges[i].sequence, b->ranges[i].sequence);
		ck_assert(slice_equal(buf_slice(&a->ranges[i].start), buf_slice(&b->ranges[i].start)));
		ck_assert(slice_equal(buf_slice(&a->ranges[i].end), buf_slice(&b->ranges[i].end)));
	}
	ck_assert_uint_eq(a->table_count, b->table_count);
	for (size_t i = 0; i < a->table_count; i++) {
		ck_assert_uint_eq(a->tables[i].level, b->tables[i].level);
		ck_assert(sst_meta_equal(&a->tables[i].meta, &b->tables[i].meta));
	}
}

static kv_status write_manifest(const struct manifest *m)
{
	return manifest_write(&disk.dir, &id, m, NULL);
}

/* The status of a read, after which nothing is kept. */
static kv_status read_manifest(struct kv_error *err)
{
	struct manifest m = { 0 };
	kv_status ret = manifest_read(&disk.dir, &id, &m, err);

	manifest_free(&m);
	return ret;
}

static void expect_on_disk(const struct manifest *want)
{
	struct manifest m = { 0 };

	ck_assert_int_eq(manifest_read(&disk.dir, &id, &m, NULL), KV_OK);
	expect_equal(&m, want);
	manifest_free(&m);
}

START_TEST(a_manifest_is_read_back)
{
	struct manifest empty = { .generation = 1, .next_file_number = 1 };

	ck_assert_int_eq(read_manifest(NULL), KV_NOT_FOUND);
	ck_assert_int_eq(write_manifest(&empty), KV_OK);
	expect_on_disk(&empty);
	ck_assert_int_eq(write_manifest(&sample), KV_OK);
	expect_on_disk(&sample);
	ck_assert(!dir_has(&disk.dir, "MANIFEST.new"));
}
END_TEST

START_TEST(an_empty_manifest_has_exactly_these_bytes)
{
	struct manifest m = { .generation = 1, .next_file_number = 300, .last_sequence = 7 };
	struct buf file;

	ck_assert_int_eq(manifest_add_wal(&m, 5), KV_OK);
	ck_assert_int_eq(write_manifest(&m), KV_OK);
	file = disk_read(&disk, "MANIFEST");
	ck_assert_uint_eq(file.len, 32 + 9 + 8);
	ck_assert_mem_eq(file.data, "\rKV-MAN1" "\2\0\0\0" "\0\0\0\0" "0123456789abcdef"
		"\x01" "\xac\x02" "\x07" "\x01\x05" "\x00" "\x00" "\x00", 41);
	ck_assert_uint_eq(get_fixed64(file.data + 41), checksum64(slice_of(file.data, 41), MANIFEST_MAGIC));
	buf_free(&file);
	manifest_free(&m);
}
END_TEST

START_TEST(many_tables_are_read_back)
{
	struct manifest m = { .generation = 9, .next_file_number = 10001, .last_sequence = 1 };
	char key[16];

	for (uint64_t i = 1; i <= 5000; i++) {
		snprintf(key, sizeof key, "%08u", (unsigned)i);
		add(&m, 2, i, 1, 1, key, key);
		ck_assert_int_eq(manifest_add_wal(&m, 5000 + i), KV_OK);
	}
	ck_assert_int_eq(write_manifest(&m), KV_OK);
	expect_on_disk(&m);
	manifest_free(&m);
}
END_TEST

/* ---- what must be true ---- */

/* The sample after `change` must be refused. */
static void expect_refused(void (*change)(struct manifest *m), const char *what)
{
	struct manifest m;

	make_sample(&m);
	change(&m);
	ck_assert_msg(write_manifest(&m) == KV_INVALID, "%s", what);
	ck_assert(!dir_has(&disk.dir, "MANIFEST"));
	manifest_free(&m);
}

#define CHANGE(name, code) \
	static void name(struct manifest *m) \
	{ \
		code; \
	}
CHANGE(wals_out_of_order, m->wal_numbers[0] = 22)
CHANGE(wal_twice, m->wal_numbers[1] = 7)
CHANGE(wal_zero, m->wal_numbers[0] = 0)
CHANGE(wal_not_below_next, m->wal_numbers[2] = 30)
CHANGE(history_out_of_order, m->history[0] = 6)
CHANGE(history_zero, m->history[0] = 0)
CHANGE(history_not_below_the_logs, m->history[1] = 7)
CHANGE(history_and_table_the_same, m->history[1] = 3)
CHANGE(history_not_below_next, m->wal_count = 0; m->history[1] = 30)
CHANGE(range_of_sequence_zero, m->ranges[0].sequence = 0)
CHANGE(ranges_out_of_order, m->ranges[0].sequence = 480)
CHANGE(range_beyond_last, m->ranges[2].sequence = 501)
CHANGE(range_without_start, m->ranges[0].start.len = 0)
CHANGE(range_of_no_key, m->ranges[0].end.len = 1)
CHANGE(range_backwards, m->ranges[0].end.data[0] = 'a')
CHANGE(range_of_a_long_start, ck_assert_int_eq(buf_append_zeros(&m->ranges[1].start, ENTRY_KEY_MAX), KV_OK))
CHANGE(range_of_a_long_end, ck_assert_int_eq(buf_append_zeros(&m->ranges[2].end, ENTRY_KEY_MAX), KV_OK))
CHANGE(range_applied_beyond_last, m->tables[3].meta.range_applied = 501)
CHANGE(table_not_below_next, m->tables[0].meta.number = 30)
CHANGE(table_zero, m->tables[3].meta.number = 0)
CHANGE(table_twice, m->tables[3].meta.number = 2)
CHANGE(table_and_wal_the_same, m->tables[3].meta.number = 21)
CHANGE(no_such_level, m->tables[6].level = 7)
CHANGE(level_of_256, m->tables[6].level = 256)
CHANGE(levels_out_of_order, m->tables[6].level = 2)
CHANGE(no_entries, m->tables[2].meta.entries = m->tables[2].meta.tombstones = 0)
CHANGE(more_tombstones, m->tables[2].meta.tombstones = 11)
CHANGE(sequence_zero, m->tables[6].meta.first_sequence = 0)
CHANGE(sequences_backward, m->tables[6].meta.first_sequence = 5)
CHANGE(sequence_beyond_last, m->last_sequence = 499)
CHANGE(last_sequence_out_of_range, m->last_sequence = UINT64_C(1) << 56)
CHANGE(no_generation, m->generation = 0)
CHANGE(no_next_number, m->next_file_number = 0)
CHANGE(keys_backward, m->tables[4].meta.smallest.data[0] = 'n')
CHANGE(keys_overlap, m->tables[3].meta.smallest.len = 1)
CHANGE(keys_out_of_order, m->tables[4].meta.smallest.data[0] = 'd')
CHANGE(no_key, m->tables[4].meta.smallest.len = 0)
CHANGE(level_0_oldest_first, struct manifest_table t = m->tables[0]; m->tables[0] = m->tables[1];
	m->tables[1] = t)
CHANGE(level_0_mixed, m->tables[0].meta.first_sequence = 400)

#define REFUSED(name) expect_refused(name, #name)

START_TEST(a_manifest_that_contradicts_itself_is_not_written)
{
	REFUSED(wals_out_of_order);
	REFUSED(wal_twice);
	REFUSED(wal_zero);
	REFUSED(wal_not_below_next);
	REFUSED(history_out_of_order);
	REFUSED(history_zero);
	REFUSED(history_not_below_the_logs);
	REFUSED(history_and_table_the_same);
	REFUSED(history_not_below_next);
	REFUSED(range_of_sequence_zero);
	REFUSED(ranges_out_of_order);
	REFUSED(range_beyond_last);
	REFUSED(range_without_start);
	REFUSED(range_of_no_key);
	REFUSED(range_backwards);
	REFUSED(range_of_a_long_start);
	REFUSED(range_of_a_long_end);
	REFUSED(range_applied_beyond_last);
	REFUSED(table_not_below_next);
	REFUSED(table_zero);
	REFUSED(table_twice);
	REFUSED(table_and_wal_the_same);
	REFUSED(no_such_level);
	REFUSED(level_of_256);
	REFUSED(levels_out_of_order);
	REFUSED(no_entries);
	REFUSED(more_tombstones);
	REFUSED(sequence_zero);
	REFUSED(sequences_backward);
	REFUSED(sequence_beyond_last);
	REFUSED(last_sequence_out_of_range);
	REFUSED(no_generation);
	REFUSED(no_next_number);
	REFUSED(keys_backward);
	REFUSED(keys_overlap);
	REFUSED(keys_out_of_order);
	REFUSED(no_key);
	REFUSED(level_0_oldest_first);
	REFUSED(level_0_mixed);
}
END_TEST

START_TEST(tables_of_level_0_without_a_common_key_may_be_of_one_age)
{
	struct manifest m = { .generation = 1, .next_file_number = 9, .last_sequence = 50 };

	add(&m, 0, 4, 30, 50, "a", "z");
	add(&m, 0, 3, 1, 20, "n", "z");
	add(&m, 0, 2, 2, 19, "a", "m");
	ck_assert_int_eq(write_manifest(&m), KV_OK);
	/* but an older one between them hides nothing newer behind it */
	add(&m, 0, 1, 15, 16, "p", "q");
	ck_assert_int_eq(write_manifest(&m), KV_INVALID);
	manifest_free(&m);
}
END_TEST

/* ---- damage ---- */

/* MANIFEST with this body and a right header and checksum. */
static void forge(struct slice body)
{
	struct buf file = { 0 };
	uint8_t header[MANIFEST_HEADER_BYTES] = { 0 };

	put_fixed64(header, MANIFEST_MAGIC);
	put_fixed32(header + MANIFEST_HEADER_VERSION, MANIFEST_VERSION);
	memcpy(header + MANIFEST_HEADER_STORE_ID, id.bytes, sizeof id.bytes);
	ck_assert_int_eq(buf_append(&file, header, sizeof header), KV_OK);
	ck_assert_int_eq(buf_append_slice(&file, body), KV_OK);
	ck_assert_int_eq(buf_append_fixed64(&file, checksum64(buf_slice(&file), MANIFEST_MAGIC)), KV_OK);
	disk_write(&disk, "MANIFEST", buf_slice(&file));
	buf_free(&file);
}

static struct slice body_of(const struct buf *file)
{
	return slice_of(file->data + MANIFEST_HEADER_BYTES,
		file->len - MANIFEST_HEADER_BYTES - MANIFEST_CHECKSUM_BYTES);
}

START_TEST(every_flipped_byte_and_every_cut_is_damage)
{
	struct kv_error err;
	struct buf file;

	ck_assert_int_eq(write_manifest(&sample), KV_OK);
	file = disk_read(&disk, "MANIFEST");
	for (size_t at = runner_first(); at < file.len; at += RUNNER_STEP)
		for (int f = 0; f < DISK_FLIPS; f++) {
			file.data[at] ^= disk_flips[f];
			disk_patch(&disk, "MANIFEST", at, slice_of(file.data + at, 1));
			ck_assert_int_eq(read_manifest(&err), KV_CORRUPT);
			ck_assert(err.has_offset && err.offset <= file.len);
			ck_assert_ptr_nonnull(strstr(err.file, "/MANIFEST"));
			file.data[at] ^= disk_flips[f];
			disk_patch(&disk, "MANIFEST", at, slice_of(file.data + at, 1));
		}
	for (size_t len = runner_first(); len < file.len; len += RUNNER_STEP) {
		disk_write(&disk, "MANIFEST", slice_of(file.data, len));
		ck_assert_int_eq(read_manifest(&err), KV_CORRUPT);
	}
	ck_assert_int_eq(buf_append_byte(&file, 0), KV_OK);
	disk_write(&disk, "MANIFEST", buf_slice(&file));
	ck_assert_int_eq(read_manifest(&err), KV_CORRUPT);
	buf_free(&file);
}
END_TEST

START_TEST(a_zeroed_sector_is_damage)
{
	struct buf file;

	ck_assert_int_eq(write_manifest(&sample), KV_OK);
	file = disk_read(&disk, "MANIFEST");
	ck_assert_uint_gt(file.len, 512);
	for (size_t at = 0; at < file.len; at += 512) {
		static const uint8_t zeros[512];

		disk_write(&disk, "MANIFEST", buf_slice(&file));
		disk_patch(&disk, "MANIFEST", at, slice_of(zeros, file.len - at < 512 ? file.len - at : 512));
		ck_assert_int_eq(read_manifest(NULL), KV_CORRUPT);
	}
	buf_free(&file);
}
END_TEST

START_TEST(a_right_checksum_over_a_cut_or_changed_body_is_damage_or_another_manifest)
{
	struct buf file;
	struct slice body;
	kv_status status;

	ck_assert_int_eq(write_manifest(&sample), KV_OK);
	file = disk_read(&disk, "MANIFEST");
	body = body_of(&file);
	for (size_t len = runner_first(); len < body.len; len += RUNNER_STEP) {
		forge(slice_of(body.data, len));
		ck_assert_int_eq(read_manifest(NULL), KV_CORRUPT);
	}
	for (size_t at = runner_first(); at < body.len; at += RUNNER_STEP)
		for (unsigned v = 0; v < 256; v++) {
			uint8_t *byte = file.data + MANIFEST_HEADER_BYTES + at, was = *byte;

			*byte = (uint8_t)v;
			forge(body);
			*byte = was;
			status = read_manifest(NULL);
			ck_assert(status == KV_OK || status == KV_CORRUPT);
			if (v == was)
				ck_assert_int_eq(status, KV_OK);
		}
	ck_assert_int_eq(buf_append_zeros(&file, 1), KV_OK);
	forge(slice_of(file.data + MANIFEST_HEADER_BYTES, body.len + 1));
	ck_assert_int_eq(read_manifest(NULL), KV_CORRUPT);
	buf_free(&file);
}
END_TEST

START_TEST(huge_counts_take_no_memory)
{
	/* generation, next number, last sequence, then 2^63 logs, range deletes or tables */
	static const char wals[] = "\x01\x09\x05\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x01\x02";
	static const char ranges[] = "\x01\x09\x05\x00\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x01";
	static const char tables[] = "\x01\x09\x05\x00\x00\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x01";
	uint64_t count;

	forge(slice_of(wals, sizeof wals - 1));
	fault_alloc_fail(0, false);
	ck_assert_int_eq(read_manifest(NULL), KV_CORRUPT);
	count = fault_alloc_count();
	ck_assert_uint_lt(count, 20);
	forge(slice_of(ranges, sizeof ranges - 1));
	ck_assert_int_eq(read_manifest(NULL), KV_CORRUPT);
	forge(slice_of(tables, sizeof tables - 1));
	ck_assert_int_eq(read_manifest(NULL), KV_CORRUPT);
}
END_TEST

START_TEST(another_store_is_damage_and_another_version_is_told_from_it)
{
	struct store_id other = id;
	struct kv_error err;
	struct manifest m = { 0 };
	struct buf file;

	ck_assert_int_eq(write_manifest(&sample), KV_OK);
	other.bytes[15] ^= 1;
	ck_assert_int_eq(manifest_read(&disk.dir, &other, &m, &err), KV_CORRUPT);
	ck_assert_str_eq(err.text, "the file belongs to another store");
	file = disk_read(&disk, "MANIFEST");
	put_fixed32(file.data + MANIFEST_HEADER_VERSION, 3);
	put_fixed64(file.data + file.len - 8, checksum64(slice_of(file.data, file.len - 8), MANIFEST_MAGIC));
	disk_write(&disk, "MANIFEST", buf_slice(&file));
	ck_assert_int_eq(read_manifest(&err), KV_UNSUPPORTED);
	ck_assert_str_eq(err.text, "MANIFEST version 3 is not the 2 that this kvstored reads");
	ck_assert_uint_eq(m.table_count, 0);
	buf_free(&file);
}
END_TEST

/* ---- replacing ---- */

START_TEST(the_file_and_then_its_name_are_synced)
{
	static const char *const order[] = { "create MANIFEST.new", "pwritev MANIFEST.new",
		"fdatasync MANIFEST.new", "rename MANIFEST.new MANIFEST", "fsync", NULL };

	fault_fs_record(disk.fault, true);
	ck_assert_int_eq(write_manifest(&sample), KV_OK);
	ck_assert(fault_fs_in_order(disk.fault, order));
}
END_TEST

START_TEST(a_failure_anywhere_leaves_the_old_or_the_new_one_in_force)
{
	struct manifest next;
	kv_status status = KV_IO;
	uint64_t failed = 0;

	make_sample(&next);
	next.generation = 4;
	for (uint64_t nth = 1; failed + 1 == nth; nth++) {
		ck_assert_int_eq(write_manifest(&sample), KV_OK);
		disk_write(&disk, "MANIFEST.new", slice_of_string("left by a crash"));
		fault_fs_add(disk.fault, (struct fault_rule){ .op = FAULT_ANY, .nth = nth, .errnum = EIO,
			.torn_bytes = 100 });
		status = write_manifest(&next);
		fault_fs_heal(disk.fault);
		disk_reopen(&disk);
		failed = fault_fs_failed(disk.fault);
		if (status == KV_OK)
			expect_on_disk(&next);
		else if (status == KV_UNCERTAIN)
			ck_assert_int_eq(read_manifest(NULL), KV_OK);
		else
			expect_on_disk(&sample);
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert_uint_ge(failed, 6);
	manifest_free(&next);
}
END_TEST

START_TEST(a_full_disk_leaves_the_old_one_in_force)
{
	struct manifest next;

	make_sample(&next);
	next.generation = 4;
	ck_assert_int_eq(write_manifest(&sample), KV_OK);
	fault_fs_fail(disk.fault, FAULT_PWRITEV, 1, ENOSPC);
	ck_assert_int_eq(write_manifest(&next), KV_NO_SPACE);
	expect_on_disk(&sample);
	ck_assert(!dir_has(&disk.dir, "MANIFEST.new"));
	ck_assert_int_eq(write_manifest(&next), KV_OK);
	expect_on_disk(&next);
	manifest_free(&next);
}
END_TEST

START_TEST(without_memory_nothing_is_changed_or_taken_for_damage)
{
	struct manifest m = { 0 };
	kv_status status = KV_NO_MEMORY;

	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_alloc_fail(nth, false);
		status = write_manifest(&sample);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		ck_assert_int_eq(dir_has(&disk.dir, "MANIFEST"), status == KV_OK);
	}
	status = KV_NO_MEMORY;
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_alloc_fail(nth, false);
		status = manifest_read(&disk.dir, &id, &m, NULL);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		ck_assert_uint_eq(m.table_count, status == KV_OK ? sample.table_count : 0);
	}
	expect_equal(&m, &sample);
	for (uint64_t nth = 1; nth <= 3; nth++) {
		size_t count = m.table_count;

		fault_alloc_fail(nth, false);
		status = manifest_add_table(&m, 6, &sample.tables[0].meta);
		fault_alloc_fail(0, false);
		ck_assert_uint_eq(m.table_count, count + (status == KV_OK));
	}
	manifest_free(&m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manifest");
	TCase *tc = tcase_create("manifest");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_manifest_is_read_back);
	tcase_add_test(tc, an_empty_manifest_has_exactly_these_bytes);
	tcase_add_test(tc, many_tables_are_read_back);
	tcase_add_test(tc, a_manifest_that_contradicts_itself_is_not_written);
	tcase_add_test(tc, tables_of_level_0_without_a_common_key_may_be_of_one_age);
	tcase_add_test(tc, every_flipped_byte_and_every_cut_is_damage);
	tcase_add_test(tc, a_zeroed_sector_is_damage);
	tcase_add_test(tc, a_right_checksum_over_a_cut_or_changed_body_is_damage_or_another_manifest);
	tcase_add_test(tc, huge_counts_take_no_memory);
	tcase_add_test(tc, another_store_is_damage_and_another_version_is_told_from_it);
	tcase_add_test(tc, the_file_and_then_its_name_are_synced);
	tcase_add_test(tc, a_failure_anywhere_leaves_the_old_or_the_new_one_in_force);
	tcase_add_test(tc, a_full_disk_leaves_the_old_one_in_force);
	tcase_add_test(tc, without_memory_nothing_is_changed_or_taken_for_damage);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
