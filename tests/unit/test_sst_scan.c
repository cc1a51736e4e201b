/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of which a part is damaged: what is given out is what was written, in its order, and every entry that is not given out is among the keys
 * that were told as lost.
 */
#include "engine/sst_scan.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/blob_pointer.h"
#include "engine/filter.h"
#include "engine/key_ranges.h"
#include "engine/sst_block.h"
#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/sst_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct disk disk;
static struct sst_model model;
static struct sst_meta meta;
static struct buf whole;
static uint64_t random_state;

struct told {
	struct key_ranges lost;
	size_t faults;
	char what[200];
};

static void note_fault(void *arg, uint64_t offset, const char *what, const struct sst_scan_keys *lost)
{
	struct told *told = arg;

	(void)offset;
	told->faults++;
	snprintf(told->what, sizeof told->what, "%s", what);
	if (lost && key_ranges_add(&told->lost, lost->first, lost->last) != KV_OK)
		abort();
}

static void setup(void)
{
	struct sst_model_shape shape = { .entries = 60, .keys = 40, .blobs = true, .key_bytes_max = 12, .value_bytes_max = 30 };
	struct sst_options options;

	disk_open(&disk);
	random_state = runner_seed();
	model = sst_model_new(shape, &random_state);
	sst_options_init(&options);
	options.block_bytes = 200;
	meta = sst_model_write(&model, &disk.dir, 1, &options);
	whole = disk_read(&disk, "000001.sst");
}

static void teardown(void)
{
	buf_free(&whole);
	sst_meta_free(&meta);
	sst_model_free(&model);
	disk_close(&disk);
}

static kv_status try_open(struct told *told, const struct sst_meta *expected, struct sst_scan **ret)
{
	struct sst_scan_events events = { .fault = note_fault, .arg = told };

	return sst_scan_open(&disk.dir, "000001.sst", &sst_model_id, 1, expected, &events, ret, NULL);
}

/* How many entries were given out. */
static size_t compare(const struct sst_meta *expected, struct told *told)
{
	struct sst_scan *scan;
	struct iter *iter;
	size_t at = 0, count = 0;

	ck_assert_int_eq(try_open(told, expected, &scan), KV_OK);
	iter = sst_scan_iter(scan);
	for (iter_seek_first(iter); iter->valid; iter_next(iter), count++) {
		while (at < model.count && !sst_model_same(iter->entry, &model.entries[at]))
			ck_assert_msg(key_ranges_have(&told->lost, model.entries[at++].key) || told->faults > 0, "silently left out");
		ck_assert_uint_lt(at++, model.count);
	}
	ck_assert_int_eq(iter_status(iter, NULL), KV_OK);
	iter_close(iter);
	sst_scan_close(scan);
	return count;
}

/* The newest version of each key is there, or the key was told. */
static void check_newest(const struct sst_meta *expected, struct told *told)
{
	struct sst_scan *scan;
	struct iter *iter;
	size_t at = 0;

	ck_assert_int_eq(try_open(told, expected, &scan), KV_OK);
	iter = sst_scan_iter(scan);
	iter_seek_first(iter);
	for (; at < model.count; at++) {
		if (at > 0 && slice_equal(model.entries[at].key, model.entries[at - 1].key))
			continue;
		while (iter->valid && entry_compare(iter->entry, &model.entries[at]) < 0)
			iter_next(iter);
		if (iter->valid && sst_model_same(iter->entry, &model.entries[at]))
			continue;
		while (iter->valid)
			iter_next(iter); /* what is lost is told on the way */
		ck_assert_msg(key_ranges_have(&told->lost, model.entries[at].key), "the newest version of a key is lost and not told");
		break;
	}
	iter_close(iter);
	sst_scan_close(scan);
}

static void forget(struct told *told)
{
	key_ranges_free(&told->lost);
	*told = (struct told){ 0 };
}

START_TEST(a_whole_table_is_given_out_as_it_is)
{
	struct told told = { 0 };

	ck_assert_uint_eq(compare(&meta, &told), model.count);
	ck_assert_uint_eq(compare(NULL, &told), model.count);
	ck_assert_msg(told.faults == 0, "%s", told.what);
}
END_TEST

START_TEST(a_damaged_byte_anywhere_is_told_and_costs_its_block_at_most)
{
	struct told told = { 0 };

	for (size_t at = runner_first(); at < whole.len; at += RUNNER_STEP) {
		uint8_t byte = whole.data[at] ^ disk_flips[at % DISK_FLIPS];
		const struct sst_meta *expected = at % 2 ? &meta : NULL;

		disk_patch(&disk, "000001.sst", at, slice_of(&byte, 1));
		ck_assert_uint_ge(compare(expected, &told), model.count - 25);
		ck_assert_msg(told.faults > 0, "byte %zu", at);
		forget(&told);
		check_newest(expected, &told);
		forget(&told);
		disk_patch(&disk, "000001.sst", at, slice_of(whole.data + at, 1));
	}
}
END_TEST

START_TEST(of_a_cut_table_the_blocks_before_the_cut_are_there)
{
	struct told told = { 0 };
	size_t before = 0;

	for (size_t len = runner_first(); len < whole.len; len += RUNNER_STEP) {
		size_t count;

		disk_write(&disk, "000001.sst", slice_of(whole.data, len));
		count = compare(&meta, &told);
		ck_assert_uint_gt(told.faults, 0);
		ck_assert_uint_ge(count, before);
		before = count;
		forget(&told);
		check_newest(&meta, &told);
		forget(&told);
	}
	ck_assert_uint_eq(before, model.count);
}
END_TEST

START_TEST(the_table_of_another_store_or_number_is_given_up_whole)
{
	struct told told = { 0 };
	struct sst_meta other = { 0 };
	struct sst_scan *scan;
	struct sst_scan_events events = { .fault = note_fault, .arg = &told };

	ck_assert_int_eq(sst_scan_open(&disk.dir, "000001.sst", &sst_model_id, 2, &meta, &events, &scan, NULL), KV_OK);
	ck_assert(!sst_scan_usable(scan));
	ck_assert(key_ranges_have(&told.lost, buf_slice(&meta.smallest)) && key_ranges_have(&told.lost, buf_slice(&meta.largest)));
	sst_scan_close(scan);
	forget(&told);
	ck_assert_int_eq(sst_meta_copy(&meta, &other), KV_OK);
	other.last_sequence++;
	ck_assert_int_eq(try_open(&told, &other, &scan), KV_OK); /* of another life of the store */
	ck_assert(!sst_scan_usable(scan));
	sst_scan_close(scan);
	sst_meta_free(&other);
	forget(&told);
}
END_TEST

/* ---- blocks whose checksums are right and whose content is not ---- */

/* Three blocks of 8 keys of a byte, from 'b' on, each with a sequence of a byte and a value of 8 bytes. */
enum {
	FORGED_BLOCKS = 3,
	FORGED_KEYS = 8,
	FORGED_HASHES = BLOCK_HEAD_BYTES, /* offsets in a block */
	FORGED_ENTRIES = FORGED_HASHES + FORGED_KEYS + BLOCK_RUN_BYTES,
	FORGED_ENTRY_BYTES = 6,           /* the last of these is the key */
	FORGED_BLOCK_BYTES = FORGED_ENTRIES + FORGED_KEYS * (FORGED_ENTRY_BYTES + 8),
	FORGED_STORED_BYTES = FORGED_BLOCK_BYTES + SST_TRAILER_BYTES,
};

static struct sst_footer footer;

static void setup_forged(void)
{
	struct sst_options options;
	const char *what;

	disk_open(&disk);
	model = (struct sst_model){ 0 };
	for (unsigned i = 0; i < FORGED_BLOCKS * FORGED_KEYS; i++) {
		uint8_t key = (uint8_t)('b' + i);

		sst_model_add(&model, slice_of(&key, 1), 9, ENTRY_PUT, 0, slice_of("12345678", 8));
	}
	sst_options_init(&options);
	options.compression = SST_COMPRESSION_NONE;
	options.block_bytes = FORGED_BLOCK_BYTES;
	meta = sst_model_write(&model, &disk.dir, 1, &options);
	whole = disk_read(&disk, "000001.sst");
	ck_assert_int_eq(sst_footer_decode(whole.data + whole.len - SST_FOOTER_BYTES, whole.len, &sst_model_id, 1, &footer, &what), KV_OK);
	ck_assert_uint_eq(footer.data_bytes, FORGED_BLOCKS * FORGED_STORED_BYTES);
}

static void seal_again(size_t block)
{
	uint64_t offset = block * FORGED_STORED_BYTES;
	uint8_t *at = whole.data + offset;
	size_t covered = FORGED_BLOCK_BYTES + SST_TRAILER_CHECKSUM;

	put_fixed64(at + covered, checksum64(slice_of(at, covered), sst_block_seed(sst_block_file_seed(&sst_model_id, 1), offset)));
}

/* Its second key becomes larger than all that the table has. */
static void forge_key(size_t block)
{
	uint8_t *at = whole.data + block * FORGED_STORED_BYTES, key = 'z';

	at[FORGED_HASHES + 1] = (uint8_t)key_hash(slice_of(&key, 1));
	at[FORGED_ENTRIES + 2 * FORGED_ENTRY_BYTES - 1] = key;
	seal_again(block);
}

static void check_forged(size_t block, bool with_index)
{
	struct told told = { 0 };

	if (!with_index)
		whole.data[footer.data_bytes + footer.filter_bytes] ^= 1;
	disk_write(&disk, "000001.sst", buf_slice(&whole));
	ck_assert_uint_eq(compare(&meta, &told), (FORGED_BLOCKS - 1) * FORGED_KEYS);
	ck_assert_msg(told.faults == (with_index ? 1 : 2), "%zu faults: %s", told.faults, told.what);
	for (size_t i = 0; i < model.count; i++) {
		bool lost = key_ranges_have(&told.lost, model.entries[i].key);

		ck_assert_msg(lost || i / FORGED_KEYS != block, "a key of the block is not told lost");
		ck_assert_msg(!lost || i / FORGED_KEYS == block || !with_index, "a key of another block is told lost");
	}
	forget(&told);
	check_newest(&meta, &told);
	forget(&told);
}

START_TEST(a_forged_block_takes_no_other_with_it)
{
	forge_key((size_t)_i);
	check_forged((size_t)_i, true);
}
END_TEST

START_TEST(a_forged_block_of_a_damaged_index_is_told_from_its_first_key_on)
{
	forge_key((size_t)_i);
	check_forged((size_t)_i, false);
}
END_TEST

/* A writer's fault, or forged: the hash byte does not fit its key. Nothing is lost by that, with an index or without. */
START_TEST(a_wrong_hash_byte_costs_nothing_where_the_index_is_damaged)
{
	struct told told = { 0 };

	whole.data[(size_t)_i * FORGED_STORED_BYTES + FORGED_HASHES + 1] ^= 1;
	seal_again((size_t)_i);
	whole.data[footer.data_bytes + footer.filter_bytes] ^= 1;
	disk_write(&disk, "000001.sst", buf_slice(&whole));
	ck_assert_uint_eq(compare(&meta, &told), FORGED_BLOCKS * FORGED_KEYS);
	ck_assert_uint_eq(told.faults, 2);
	forget(&told);
}
END_TEST

/* One that cannot be decoded at all. */
START_TEST(a_block_that_is_none_is_told_lost_where_the_index_is_damaged)
{
	memset(whole.data + (size_t)_i * FORGED_STORED_BYTES, 0xff, BLOCK_HEAD_BYTES);
	seal_again((size_t)_i);
	check_forged((size_t)_i, false);
}
END_TEST

static kv_status scan_all(struct told *told)
{
	struct sst_scan *scan = NULL;
	struct iter *iter;
	kv_status status = try_open(told, &meta, &scan);

	if (status != KV_OK)
		return status;
	iter = sst_scan_iter(scan);
	if (!iter) {
		sst_scan_close(scan);
		return KV_NO_MEMORY;
	}
	iter_seek_first(iter);
	while (iter->valid)
		iter_next(iter);
	status = iter_status(iter, NULL);
	iter_close(iter);
	sst_scan_close(scan);
	return status;
}

START_TEST(a_failed_allocation_or_read_is_no_damage)
{
	struct told told = { 0 };
	kv_status status = KV_NO_MEMORY;

	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_alloc_fail(nth, false);
		status = scan_all(&told);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		ck_assert_uint_lt(nth, 3000);
	}
	status = KV_IO;
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_fs_fail(disk.fault, FAULT_PREAD, nth, EIO);
		status = scan_all(&told);
		fault_fs_heal(disk.fault);
		ck_assert(status == KV_OK || status == KV_IO);
		ck_assert_uint_lt(nth, 3000);
	}
	ck_assert_msg(told.faults == 0, "%s", told.what);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_scan");
	TCase *tcase = tcase_create("all"), *forged = tcase_create("forged");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_whole_table_is_given_out_as_it_is);
	tcase_add_test(tcase, a_damaged_byte_anywhere_is_told_and_costs_its_block_at_most);
	tcase_add_test(tcase, of_a_cut_table_the_blocks_before_the_cut_are_there);
	tcase_add_test(tcase, the_table_of_another_store_or_number_is_given_up_whole);
	tcase_add_test(tcase, a_failed_allocation_or_read_is_no_damage);
	tcase_add_checked_fixture(forged, setup_forged, teardown);
	tcase_add_loop_test(forged, a_forged_block_takes_no_other_with_it, 0, FORGED_BLOCKS);
	tcase_add_loop_test(forged, a_forged_block_of_a_damaged_index_is_told_from_its_first_key_on, 0, FORGED_BLOCKS);
	tcase_add_loop_test(forged, a_wrong_hash_byte_costs_nothing_where_the_index_is_damaged, 0, FORGED_BLOCKS);
	tcase_add_loop_test(forged, a_block_that_is_none_is_told_lost_where_the_index_is_damaged, 0, FORGED_BLOCKS);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, forged);
	return runner_run(suite);
}
