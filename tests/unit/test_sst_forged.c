/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables whose checksums are right and whose content is not what a writer writes: a fault of ours, or forged. Reading them neither crashes nor
 * gives what is not there, and verify tells what is wrong.
 */
#include "base/checksum.h"
#include "base/coding.h"
#include "engine/filter.h"
#include "engine/sst_block.h"
#include "engine/sst_footer.h"
#include "engine/sst_reader.h"
#include "support/runner.h"
#include "support/sst_model.h"

/* One block of 8 keys of a byte, 'b' to 'i', each with sequence 9 and a value of 8 bytes. */
enum {
	KEYS = 8,
	HASHES = BLOCK_HEAD_BYTES,
	RUNS = HASHES + KEYS,
	ENTRIES = RUNS + BLOCK_RUN_BYTES,
	ENTRY_BYTES = 6,
	ENTRY_TAG = 0, /* offsets in an entry */
	ENTRY_VALUE_LEN = 3,
	ENTRY_SEQUENCE = 4,
	ENTRY_KEY = 5,
	VALUES = ENTRIES + KEYS * ENTRY_BYTES,
	BLOCK_BYTES = VALUES + KEYS * 8,
};

static char *path;
static struct dir dir;
static struct buf table;
static struct sst_meta meta;
static struct sst_footer footer;

static void set_up(void)
{
	struct sst_model model = { 0 };
	struct sst_options options;
	const char *what;

	path = runner_new_dir();
	ck_assert_int_eq(dir_open(&fs_posix, path, false, &dir, NULL), KV_OK);
	sst_options_init(&options);
	options.compression = SST_COMPRESSION_NONE;
	for (unsigned i = 0; i < KEYS; i++) {
		uint8_t key = (uint8_t)('b' + i);

		sst_model_add(&model, slice_of(&key, 1), 9, ENTRY_PUT, 0, slice_of("12345678", 8));
	}
	sst_model_sort(&model);
	meta = sst_model_write(&model, &dir, 1, &options);
	sst_model_free(&model);
	ck_assert_int_eq(file_read_whole(&dir, "000001.sst", 1 << 20, &table, NULL), KV_OK);
	ck_assert_int_eq(sst_footer_decode(table.data + table.len - SST_FOOTER_BYTES, table.len, &sst_model_id, 1,
		&footer, &what), KV_OK);
	ck_assert_uint_eq(footer.data_bytes, BLOCK_BYTES + SST_TRAILER_BYTES);
}

static void tear_down(void)
{
	buf_free(&table);
	sst_meta_free(&meta);
	dir_close(&dir);
	runner_remove_dir(path);
}

/* Makes the checksum of the part at `offset` right again. */
static void seal(uint64_t offset, uint64_t stored_bytes)
{
	uint8_t *part = table.data + offset;
	size_t covered = (size_t)stored_bytes - SST_TRAILER_BYTES + SST_TRAILER_CHECKSUM;

	put_fixed64(part + covered, checksum64(slice_of(part, covered),
		sst_block_seed(sst_block_file_seed(&sst_model_id, 1), offset)));
}

static uint8_t *entry(unsigned i)
{
	return table.data + ENTRIES + i * ENTRY_BYTES;
}

static void set_key(unsigned i, uint8_t key)
{
	entry(i)[ENTRY_KEY] = key;
	table.data[HASHES + i] = (uint8_t)key_hash(slice_of(&key, 1));
}

static void forge_order(void)
{
	set_key(2, 'e');
	set_key(3, 'd');
}

static void forge_key_beyond_the_index(void)
{
	set_key(KEYS - 1, 'z');
}

static void forge_hash(void)
{
	table.data[HASHES + 3] ^= 1;
}

static void forge_range_delete(void)
{
	entry(1)[ENTRY_TAG] = ENTRY_RANGE_DELETE;
}

static void forge_blob(void)
{
	entry(1)[ENTRY_TAG] = ENTRY_BLOB;
}

static void forge_sequence(void)
{
	entry(1)[ENTRY_SEQUENCE] = 8;
}

static void forge_head(void)
{
	table.data[BLOCK_HEAD_RESERVED] = 1;
}

static void forge_value_length(void)
{
	entry(0)[ENTRY_VALUE_LEN] = 0x7f;
}

static void forge_compression(void)
{
	table.data[BLOCK_BYTES + SST_TRAILER_COMPRESSION] = 7;
}

static void forge_filter(void)
{
	memset(table.data + footer.data_bytes, 0, (size_t)footer.filter_bytes - SST_TRAILER_BYTES);
	seal(footer.data_bytes, footer.filter_bytes);
}

static const struct forgery {
	void (*forge)(void);
	const char *told; /* by verify */
} forgeries[] = {
	{ forge_order, "not in order" },
	{ forge_key_beyond_the_index, "index does not lead" },
	{ forge_hash, "hash byte" },
	{ forge_range_delete, "range delete" },
	{ forge_blob, "not in the list" },
	{ forge_sequence, "properties do not fit the entries" },
	{ forge_head, "malformed" },
	{ forge_value_length, "malformed" },
	{ forge_compression, "compression" },
	{ forge_filter, "filter denies" },
};

/* Every way of reading: what it gives is a key of the table, or an error. */
static void read_all(struct sst_reader *reader)
{
	struct kv_error err = { 0 };

	for (unsigned keep = 0; keep < 2; keep++) {
		struct iter *iter = sst_reader_iter(reader, keep);
		unsigned moves = 0;

		for (iter_seek_first(iter); iter->valid; iter_next(iter))
			ck_assert_uint_le(++moves, KEYS);
		for (iter_seek_last(iter); iter->valid; iter_prev(iter))
			ck_assert_uint_le(++moves, 2 * KEYS);
		ck_assert(iter_status(iter, &err) == KV_OK || err.has_offset);
		iter_close(iter);
	}
	for (uint8_t key = 'b'; key < 'b' + KEYS; key++) {
		struct slice slice = slice_of(&key, 1);
		struct pinned pin;
		struct entry got;
		kv_status status = sst_reader_get(reader, slice, key_hash(slice), 9, &got, &pin, &err);

		if (status == KV_OK)
			pinned_release(&pin);
		else
			ck_assert(status == KV_NOT_FOUND || err.has_offset);
	}
}

static void write_forged(void)
{
	ck_assert_int_eq(file_replace(&dir, "000001.sst", "temp", buf_slice(&table), NULL), KV_OK);
}

START_TEST(verify_tells_what_a_right_checksum_hides)
{
	struct block_cache *cache = block_cache_new(1 << 20);
	struct sst_reader *reader = NULL;
	struct kv_error err = { 0 };
	kv_status status;

	forgeries[_i].forge();
	seal(0, footer.data_bytes);
	write_forged();
	ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, 1, &meta, cache, &reader, NULL), KV_OK);
	read_all(reader);
	status = sst_reader_verify(reader, &err);
	ck_assert(status == KV_CORRUPT || status == KV_UNSUPPORTED);
	ck_assert_msg(strstr(err.text, forgeries[_i].told) != NULL, "'%s' does not tell '%s'", err.text,
		forgeries[_i].told);
	sst_reader_close(reader);
	block_cache_free(cache);
}
END_TEST

static void expect_refused(const char *told)
{
	struct block_cache *cache = block_cache_new(0);
	struct sst_reader *reader = NULL;
	struct kv_error err = { 0 };

	write_forged();
	ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, 1, NULL, cache, &reader, &err), KV_CORRUPT);
	ck_assert_msg(strstr(err.text, told) != NULL, "'%s' does not tell '%s'", err.text, told);
	ck_assert_ptr_null(reader);
	block_cache_free(cache);
}

START_TEST(a_compressed_filter_is_refused)
{
	uint64_t trailer = footer.data_bytes + footer.filter_bytes - SST_TRAILER_BYTES;

	table.data[trailer + SST_TRAILER_COMPRESSION] = SST_COMPRESSION_LZ4;
	put_fixed32(table.data + footer.data_bytes, 64); /* the size that it would have */
	seal(footer.data_bytes, footer.filter_bytes);
	expect_refused("filter is compressed");
}
END_TEST

START_TEST(properties_of_another_file_are_refused)
{
	uint64_t offset = sst_footer_offset(&footer) - footer.properties_bytes;

	table.data[offset + SST_PROPERTIES_FILTER_PROBES] = 0;
	seal(offset, footer.properties_bytes);
	expect_refused("properties");
}
END_TEST

START_TEST(properties_that_cannot_be_decompressed_are_refused)
{
	uint64_t offset = sst_footer_offset(&footer) - footer.properties_bytes;

	put_fixed32(table.data + offset, 1000);
	table.data[offset + footer.properties_bytes - SST_TRAILER_BYTES] = SST_COMPRESSION_LZ4;
	seal(offset, footer.properties_bytes);
	if (sst_compression_available(SST_COMPRESSION_LZ4))
		expect_refused("cannot be decompressed");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_forged");
	TCase *tc = tcase_create("sst_forged");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, verify_tells_what_a_right_checksum_hides, 0, sizeof forgeries / sizeof forgeries[0]);
	tcase_add_test(tc, a_compressed_filter_is_refused);
	tcase_add_test(tc, properties_of_another_file_are_refused);
	tcase_add_test(tc, properties_that_cannot_be_decompressed_are_refused);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
