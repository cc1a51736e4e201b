/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault 8 for tables: every byte of a small table flipped three ways, every length, garbage behind it, the table of another store or
 * under another name. Whatever is then read is right, or it is KV_CORRUPT: never a wrong or a missing value.
 */
#include "base/checksum.h"
#include "engine/blob_pointer.h"
#include "engine/sst_block.h"
#include "engine/sst_footer.h"
#include "engine/sst_reader.h"
#include "support/page_cache.h"
#include "support/runner.h"
#include "support/sst_model.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char *path;
static struct dir dir;
static uint64_t random_state;

static void set_up(void)
{
	path = runner_new_dir();
	ck_assert_int_eq(dir_open(&fs_posix, path, false, &dir, NULL), KV_OK);
	random_state = runner_seed();
}

static void tear_down(void)
{
	dir_close(&dir);
	runner_remove_dir(path);
}

static struct sst_model small_model(void)
{
	struct sst_model_shape shape = { .entries = 25, .keys = 15, .blobs = true, .key_bytes_max = 12,
		.value_bytes_max = 30 };

	return sst_model_new(shape, &random_state);
}

static struct sst_options small_options(enum sst_compression compression)
{
	struct sst_options options;

	sst_options_init(&options);
	options.block_bytes = 300;
	options.compression = sst_compression_available(compression) ? compression : SST_COMPRESSION_NONE;
	return options;
}

/* Did the answer keep to the promise? *ret_damage counts those that were refused. */
static void check_get(struct sst_reader *reader, const struct entry *wanted, unsigned *ret_damage)
{
	uint64_t hash = key_hash(wanted->key);
	struct entry entry;
	struct pinned pin;
	struct kv_error err = { 0 };
	kv_status status;

	ck_assert(sst_reader_may_have(reader, hash));
	status = sst_reader_get(reader, wanted->key, hash, wanted->sequence, &entry, &pin, &err);
	if (status == KV_CORRUPT) {
		ck_assert(err.has_offset);
		ck_assert_ptr_nonnull(strstr(err.file, ".sst"));
		++*ret_damage;
		return;
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert(sst_model_same(&entry, wanted));
	pinned_release(&pin);
}

static void check_walk(struct sst_reader *reader, const struct sst_model *model, bool keep,
	unsigned *ret_damage)
{
	struct iter *iter = sst_reader_iter(reader, keep);
	size_t at = 0;
	kv_status status;

	for (iter_seek_first(iter); iter->valid; iter_next(iter)) {
		ck_assert_uint_lt(at, model->count);
		ck_assert(sst_model_same(iter->entry, &model->entries[at++]));
	}
	status = iter_status(iter, NULL);
	ck_assert(status == KV_CORRUPT || (status == KV_OK && at == model->count));
	*ret_damage += status == KV_CORRUPT;
	iter_close(iter);
}

/* Opens table 1 as it lies there and asks for everything; true when any answer was KV_CORRUPT. */
static bool damage_is_told(const struct sst_model *model, const struct sst_meta *expected)
{
	struct block_cache *cache = block_cache_new(1 << 20);
	struct sst_reader *reader;
	unsigned damage = 0;
	struct kv_error err = { 0 };
	kv_status status = sst_reader_open(&dir, &sst_model_id, 1, expected, cache, &reader, &err);

	if (status == KV_OK) {
		for (size_t i = 0; i < model->count; i++)
			check_get(reader, &model->entries[i], &damage);
		check_walk(reader, model, true, &damage);
		check_walk(reader, model, false, &damage);
		ck_assert_int_eq(sst_reader_verify(reader, NULL), damage ? KV_CORRUPT : KV_OK);
		sst_reader_close(reader);
	} else {
		ck_assert_int_eq(status, KV_CORRUPT);
		ck_assert_ptr_nonnull(strstr(err.file, "000001.sst"));
		damage++;
	}
	block_cache_free(cache);
	return damage > 0;
}

static int open_raw(int flags)
{
	int fd = openat(dir.fd, "000001.sst", flags);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static struct buf read_raw(void)
{
	struct buf bytes = { 0 };

	ck_assert_int_eq(file_read_whole(&dir, "000001.sst", 1 << 24, &bytes, NULL), KV_OK);
	return bytes;
}

static const enum sst_compression compressions[] = { SST_COMPRESSION_NONE, SST_COMPRESSION_LZ4,
	SST_COMPRESSION_ZSTD };
static const uint8_t flips[] = { 0x01, 0x80, 0xff };

START_TEST(every_flipped_byte_is_told)
{
	struct sst_model model = small_model();
	struct sst_options options = small_options(compressions[_i]);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	struct buf bytes = read_raw();
	int fd = open_raw(O_RDWR);

	ck_assert(!damage_is_told(&model, &meta));
	for (size_t at = 0; at < bytes.len; at++) {
		/* all three ways; of a compressed table one by turns */
		size_t first = _i == 0 ? 0 : at % 3, end = _i == 0 ? 3 : first + 1;

		for (size_t i = first; i < end; i++) {
			uint8_t byte = bytes.data[at] ^ flips[i];

			ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
			ck_assert_msg(damage_is_told(&model, at % 2 ? &meta : NULL), "byte %zu of %zu flipped by %02x is accepted", at,
				bytes.len, flips[i]);
		}
		ck_assert_int_eq(pwrite(fd, &bytes.data[at], 1, (off_t)at), 1);
	}
	ck_assert(!damage_is_told(&model, &meta));
	close(fd);
	buf_free(&bytes);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

START_TEST(a_table_cut_at_any_length_is_told)
{
	struct sst_model model = small_model();
	struct sst_options options = small_options(SST_COMPRESSION_NONE);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	int fd = open_raw(O_RDWR);

	for (size_t len = meta.file_bytes; len-- > 0;) {
		ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
		ck_assert(damage_is_told(&model, len % 2 ? &meta : NULL));
	}
	close(fd);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

START_TEST(garbage_behind_the_footer_is_told)
{
	struct sst_model model = small_model();
	struct sst_options options = small_options(SST_COMPRESSION_NONE);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	struct buf bytes = read_raw();
	int fd = open_raw(O_RDWR | O_APPEND);

	ck_assert_int_eq(write(fd, "", 1), 1);
	ck_assert(damage_is_told(&model, NULL));
	/* a second footer that is right in itself */
	ck_assert_int_eq(ftruncate(fd, (off_t)bytes.len), 0);
	ck_assert_int_eq(write(fd, bytes.data + bytes.len - SST_FOOTER_BYTES, SST_FOOTER_BYTES),
		SST_FOOTER_BYTES);
	ck_assert(damage_is_told(&model, NULL));
	close(fd);
	buf_free(&bytes);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

START_TEST(zeroed_sectors_are_told)
{
	struct sst_model model = small_model();
	struct sst_options options = small_options(SST_COMPRESSION_NONE);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	struct buf bytes = read_raw();
	int fd = open_raw(O_RDWR);
	static const uint8_t zeros[64];

	for (size_t at = 0; at + sizeof zeros < bytes.len; at += sizeof zeros) {
		ck_assert_int_eq(pwrite(fd, zeros, sizeof zeros, (off_t)at), sizeof zeros);
		/* 64 zeros may have been there, in the filter */
		ck_assert(damage_is_told(&model, &meta) ||
			memcmp(bytes.data + at, zeros, sizeof zeros) == 0);
		ck_assert_int_eq(pwrite(fd, bytes.data + at, sizeof zeros, (off_t)at), sizeof zeros);
	}
	close(fd);
	buf_free(&bytes);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

/* Two blocks of the same size swapped: each is right, but not where it is. */
START_TEST(a_right_block_in_a_wrong_place_is_told)
{
	struct sst_model model = { 0 };
	struct sst_options options = small_options(SST_COMPRESSION_NONE);
	struct sst_meta meta;
	struct buf bytes;
	size_t block;
	int fd;

	options.block_bytes = 16; /* each value fills one */
	for (unsigned i = 0; i < 4; i++) {
		uint8_t key = (uint8_t)('a' + i);

		sst_model_add(&model, slice_of(&key, 1), 9, ENTRY_PUT, 0, slice_of("0123456789abcdef", 16));
	}
	sst_model_sort(&model);
	meta = sst_model_write(&model, &dir, 1, &options);
	bytes = read_raw();
	block = BLOCK_HEAD_BYTES + 1 + 6 + 16 + SST_TRAILER_BYTES;
	ck_assert(slice_equal(slice_of(bytes.data + block - 25, 16), slice_of("0123456789abcdef", 16)));
	fd = open_raw(O_RDWR);
	ck_assert_int_eq(pwrite(fd, bytes.data, block, (off_t)block), block);
	ck_assert_int_eq(pwrite(fd, bytes.data + block, block, 0), block);
	ck_assert(damage_is_told(&model, &meta));
	close(fd);
	buf_free(&bytes);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

START_TEST(a_table_of_another_store_or_number_is_told)
{
	struct sst_model model = small_model();
	struct sst_options options = small_options(SST_COMPRESSION_NONE);
	struct sst_meta meta = sst_model_write(&model, &dir, 2, &options);
	struct store_id other = sst_model_id;
	struct block_cache *cache = block_cache_new(0);
	struct sst_reader *reader = NULL;
	struct kv_error err;

	other.bytes[15] ^= 1;
	ck_assert_int_eq(sst_reader_open(&dir, &other, 2, NULL, cache, &reader, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "another store"));
	ck_assert_int_eq(dir_rename(&dir, "000002.sst", &dir, "000001.sst", true, NULL), KV_OK);
	ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, 1, NULL, cache, &reader, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "another file number"));
	ck_assert_ptr_null(reader);
	block_cache_free(cache);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

/* Lists `number` instead of the one blob file of the table; every checksum is right again. */
static void forge_blobs(struct buf *table, uint64_t number)
{
	struct sst_footer footer;
	struct buf list = { 0 }, sealed = { 0 };
	const char *what;
	uint64_t offset;

	ck_assert_int_eq(sst_footer_decode(table->data + table->len - SST_FOOTER_BYTES, table->len,
		&sst_model_id, 1, &footer, &what), KV_OK);
	offset = footer.data_bytes + footer.filter_bytes + footer.index_bytes;
	ck_assert_int_eq(sst_blobs_append(&number, 1, &list), KV_OK);
	ck_assert_int_eq(sst_block_seal(sst_block_file_seed(&sst_model_id, 1), offset,
		SST_COMPRESSION_NONE, buf_slice(&list), &sealed), KV_OK);
	ck_assert_uint_eq(sealed.len, footer.blobs_bytes);
	memcpy(table->data + offset, sealed.data, sealed.len);
	buf_free(&list);
	buf_free(&sealed);
}

START_TEST(verify_tells_a_list_of_blob_files_that_does_not_fit_the_entries)
{
	static const uint8_t pointer[BLOB_POINTER_BYTES] = { 9 };
	struct sst_model model = { 0 };
	struct sst_options options = small_options(SST_COMPRESSION_NONE);
	struct block_cache *cache = block_cache_new(0);
	struct sst_reader *reader = NULL;
	struct sst_meta meta;
	struct buf table;
	struct kv_error err;

	sst_model_add(&model, slice_of("k", 1), 5, ENTRY_BLOB, 0, slice_of(pointer, sizeof pointer));
	meta = sst_model_write(&model, &dir, 1, &options);
	table = read_raw();
	forge_blobs(&table, 8);
	ck_assert_int_eq(file_replace(&dir, "000001.sst", "temp", buf_slice(&table), NULL), KV_OK);
	ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, 1, &meta, cache, &reader, NULL), KV_OK);
	ck_assert_int_eq(sst_reader_verify(reader, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "blob file"));
	sst_reader_close(reader);
	block_cache_free(cache);
	buf_free(&table);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

/* Lookups would go astray there, walks not. */
START_TEST(verify_tells_a_run_that_begins_elsewhere)
{
	struct sst_model model = { 0 };
	struct sst_options options = small_options(SST_COMPRESSION_NONE);
	struct block_cache *cache = block_cache_new(0);
	struct sst_reader *reader = NULL;
	struct buf table, sealed = { 0 };
	struct sst_meta meta;
	struct kv_error err;
	size_t block_bytes;

	options.block_bytes = 4096;
	for (unsigned i = 0; i < 8; i++) {
		uint8_t key = (uint8_t)('a' + i);

		sst_model_add(&model, slice_of(&key, 1), 9, ENTRY_PUT, 0, slice_of("12345678", 8));
	}
	meta = sst_model_write(&model, &dir, 1, &options);
	table = read_raw();
	block_bytes = BLOCK_HEAD_BYTES + 8 + BLOCK_RUN_BYTES + 8 * (6 + 8);
	table.data[BLOCK_HEAD_BYTES + 8 + BLOCK_RUN_KEY] -= 6; /* the entry before is one of a byte, too */
	ck_assert_int_eq(sst_block_seal(sst_block_file_seed(&sst_model_id, 1), 0, SST_COMPRESSION_NONE,
		slice_of(table.data, block_bytes), &sealed), KV_OK);
	memcpy(table.data, sealed.data, sealed.len);
	ck_assert_int_eq(file_replace(&dir, "000001.sst", "temp", buf_slice(&table), NULL), KV_OK);
	ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, 1, &meta, cache, &reader, NULL), KV_OK);
	ck_assert_int_eq(sst_reader_verify(reader, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "malformed"));
	sst_reader_close(reader);
	block_cache_free(cache);
	buf_free(&table);
	buf_free(&sealed);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

static kv_status at_once(void *arg, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	return KV_OK;
}

START_TEST(verify_from_disk_takes_nothing_from_memory)
{
	struct sst_model model = small_model();
	struct sst_options options = small_options(SST_COMPRESSION_NONE);
	struct block_cache *cache = block_cache_new(0);
	const struct verify_way way = { .pace = at_once };
	struct dir cached = dir;
	struct sst_reader *reader = NULL;
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);

	cached.fs = page_cache_fs(dir.fs);
	ck_assert_int_eq(sst_reader_open(&cached, &sst_model_id, 1, &meta, cache, &reader, NULL), KV_OK);
	page_cache_fill();
	ck_assert_int_eq(sst_reader_verify_from_disk(reader, &way, NULL), KV_OK);
	ck_assert_uint_eq(page_cache_old_reads(), 0);
	sst_reader_close(reader);
	block_cache_free(cache);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_damage");
	TCase *tc = tcase_create("sst_damage");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 180);
	tcase_add_loop_test(tc, every_flipped_byte_is_told, 0, 3);
	tcase_add_test(tc, a_table_cut_at_any_length_is_told);
	tcase_add_test(tc, garbage_behind_the_footer_is_told);
	tcase_add_test(tc, zeroed_sectors_are_told);
	tcase_add_test(tc, a_right_block_in_a_wrong_place_is_told);
	tcase_add_test(tc, a_table_of_another_store_or_number_is_told);
	tcase_add_test(tc, verify_tells_a_list_of_blob_files_that_does_not_fit_the_entries);
	tcase_add_test(tc, verify_tells_a_run_that_begins_elsewhere);
	tcase_add_test(tc, verify_from_disk_takes_nothing_from_memory);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
