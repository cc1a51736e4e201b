/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables against a sorted array: every question in every shape, and every failure of memory and file on the way. */
#include "engine/sst_reader.h"

#include "base/checksum.h"
#include "engine/blob_pointer.h"
#include "support/fault_alloc.h"
#include "support/fault_fs.h"
#include "support/runner.h"
#include "support/sst_model.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static char *path;
static struct fault_fs *fault;
static struct dir dir;
static struct block_cache *cache;
static uint64_t random_state;

static void set_up(void)
{
	path = runner_new_dir();
	fault = fault_fs_new(&fs_posix);
	ck_assert_int_eq(dir_open(fault_fs_fs(fault), path, false, &dir, NULL), KV_OK);
	cache = block_cache_new(1 << 20);
	ck_assert_ptr_nonnull(cache);
	random_state = runner_seed();
}

static void tear_down(void)
{
	cache = block_cache_free(cache);
	dir_close(&dir);
	fault = fault_fs_free(fault);
	runner_remove_dir(path);
}

static struct sst_options options_of(uint32_t block_bytes, enum sst_compression compression,
	uint32_t filter_bits)
{
	struct sst_options options;

	sst_options_init(&options);
	options.block_bytes = block_bytes;
	options.compression = compression;
	options.filter_bits_per_key = filter_bits;
	return options;
}

static struct sst_reader *open_reader(uint64_t number, const struct sst_meta *meta)
{
	struct sst_reader *reader;
	struct kv_error err;
	char text[600];
	kv_status status = sst_reader_open(&dir, &sst_model_id, number, meta, cache, &reader, &err);

	ck_assert_msg(status == KV_OK, "%s", status == KV_OK ? "" : kv_error_format(&err, text, sizeof text));
	return reader;
}

/* What the model says of a get. NULL: not found. */
static const struct entry *expected_get(const struct sst_model *model, struct slice key,
	uint64_t max_sequence)
{
	size_t at = sst_model_seek(model, key, max_sequence);

	if (at == model->count || !slice_equal(model->entries[at].key, key))
		return NULL;
	return &model->entries[at];
}

static void check_get(struct sst_reader *reader, const struct sst_model *model, struct slice key,
	uint64_t max_sequence)
{
	const struct entry *expected = expected_get(model, key, max_sequence);
	uint64_t hash = key_hash(key);
	struct entry entry;
	struct pinned pin;
	kv_status status = sst_reader_get(reader, key, hash, max_sequence, &entry, &pin, NULL);

	if (!expected) {
		ck_assert_int_eq(status, KV_NOT_FOUND);
		return;
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert(sst_reader_may_have(reader, hash));
	ck_assert(sst_model_same(expected, &entry));
	ck_assert(slice_equal(pin.bytes, expected->value));
	ck_assert_ptr_eq(entry.key.data, key.data);
	pinned_release(&pin);
}

static void check_gets(struct sst_reader *reader, const struct sst_model *model)
{
	uint8_t longer[ENTRY_KEY_MAX + 1];

	for (size_t i = 0; i < model->count; i++) {
		const struct entry *entry = &model->entries[i];

		check_get(reader, model, entry->key, ENTRY_SEQUENCE_MAX);
		check_get(reader, model, entry->key, entry->sequence);
		check_get(reader, model, entry->key, entry->sequence - 1);
		memcpy(longer, entry->key.data, entry->key.len);
		longer[entry->key.len] = 0;
		check_get(reader, model, slice_of(longer, entry->key.len + 1), ENTRY_SEQUENCE_MAX);
		longer[entry->key.len - 1] ^= 0x80;
		check_get(reader, model, slice_of(longer, entry->key.len), ENTRY_SEQUENCE_MAX);
	}
}

static void check_meta(const struct sst_meta *meta, const struct sst_model *model)
{
	uint64_t tombstones = 0, key_bytes = 0, value_bytes = 0, first = UINT64_MAX, last = 0;
	uint64_t blobs = 0, blob_bytes = 0;

	for (size_t i = 0; i < model->count; i++) {
		const struct entry *entry = &model->entries[i];

		tombstones += entry->kind == ENTRY_DELETE;
		key_bytes += entry->key.len;
		if (entry->kind == ENTRY_BLOB) {
			blobs++;
			blob_bytes += get_fixed64(entry->value.data + BLOB_POINTER_SIZE);
		} else {
			value_bytes += entry->value.len;
		}
		first = entry->sequence < first ? entry->sequence : first;
		last = entry->sequence > last ? entry->sequence : last;
	}
	ck_assert_uint_eq(meta->entries, model->count);
	ck_assert_uint_eq(meta->tombstones, tombstones);
	ck_assert_uint_eq(meta->key_bytes, key_bytes);
	ck_assert_uint_eq(meta->value_bytes, value_bytes);
	ck_assert_uint_eq(meta->blobs, blobs);
	ck_assert_uint_eq(meta->blob_bytes, blob_bytes);
	ck_assert_uint_eq(meta->first_sequence, first);
	ck_assert_uint_eq(meta->last_sequence, last);
	ck_assert(slice_equal(buf_slice(&meta->smallest), model->entries[0].key));
	ck_assert(slice_equal(buf_slice(&meta->largest), model->entries[model->count - 1].key));
}

/* The list has each file that an entry points to, once, and no other. */
static void check_blobs(const struct sst_blobs *list, const struct sst_model *model)
{
	bool wanted[1024] = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < model->count; i++)
		if (model->entries[i].kind == ENTRY_BLOB)
			wanted[get_fixed64(model->entries[i].value.data + BLOB_POINTER_NUMBER)] = true;
	for (uint64_t number = 0; number < 1024; number++) {
		ck_assert_int_eq(sst_blobs_find(list, number) < list->count, wanted[number]);
		if (wanted[number])
			ck_assert_uint_eq(list->numbers[count++], number);
	}
	ck_assert_uint_eq(list->count, count);
}

/* Everything that one can ask a table. */
static void check_table(const struct sst_model *model, const struct sst_options *options)
{
	static uint64_t number = 100;
	struct sst_meta meta = sst_model_write(model, &dir, ++number, options);
	struct sst_reader *reader = open_reader(number, &meta);
	struct iter *iter;

	check_meta(&meta, model);
	ck_assert(sst_meta_equal(sst_reader_meta(reader), &meta));
	ck_assert_uint_gt(sst_reader_memory(reader), 0);
	check_blobs(sst_reader_blobs(reader), model);
	check_gets(reader, model);
	for (int keep = 0; keep < 2; keep++) {
		iter = sst_reader_iter(reader, keep);
		ck_assert_ptr_nonnull(iter);
		sst_model_check_iter(model, iter, 500, &random_state);
		iter_close(iter);
	}
	ck_assert_int_eq(sst_reader_verify(reader, NULL), KV_OK);
	sst_reader_close(reader);
	sst_meta_free(&meta);
}

static const struct sst_model_shape shapes[] = {
	{ .entries = 1, .keys = 1, .key_bytes_max = 8, .value_bytes_max = 10 },
	{ .entries = 500, .keys = 500, .key_bytes_max = 24, .value_bytes_max = 40 },
	{ .entries = 600, .keys = 150, .key_bytes_max = 64, .value_bytes_max = 120, .blobs = true },
	{ .entries = 4000, .keys = 900, .key_bytes_max = 24, .value_bytes_max = 9, .blobs = true },
	{ .entries = 500, .keys = 4, .key_bytes_max = 24, .value_bytes_max = 100 },
	{ .entries = 120, .keys = 100, .key_bytes_max = ENTRY_KEY_MAX, .value_bytes_max = 30 },
	{ .entries = 80, .keys = 60, .key_bytes_max = 100, .value_bytes_max = 30000 },
};

START_TEST(a_table_answers_as_the_sorted_array_does)
{
	static const uint32_t block_bytes[] = { 1, 256, 4096, SST_BLOCK_BYTES_MAX };
	struct sst_model model = sst_model_new(shapes[_i], &random_state);

	for (unsigned i = 0; i < sizeof block_bytes / sizeof block_bytes[0]; i++) {
		struct sst_options options = options_of(block_bytes[i], SST_COMPRESSION_NONE, 10);

		check_table(&model, &options);
	}
	sst_model_free(&model);
}
END_TEST

START_TEST(a_compressed_table_answers_as_the_sorted_array_does)
{
	struct sst_model model = sst_model_new(shapes[_i], &random_state);

	for (int compression = SST_COMPRESSION_LZ4; compression <= SST_COMPRESSION_ZSTD; compression++) {
		struct sst_options options = options_of(2048, (enum sst_compression)compression, 10);

		if (sst_compression_available(options.compression))
			check_table(&model, &options);
	}
	sst_model_free(&model);
}
END_TEST

START_TEST(a_table_without_a_filter_gives_the_same_answers)
{
	struct sst_model model = sst_model_new(shapes[_i], &random_state);
	struct sst_options options = options_of(512, SST_COMPRESSION_NONE, 0);

	check_table(&model, &options);
	sst_model_free(&model);
}
END_TEST

START_TEST(versions_of_one_key_are_found_in_whatever_block_they_lie)
{
	struct sst_model model = { 0 };
	struct sst_options options = options_of(300, SST_COMPRESSION_NONE, 10);
	uint8_t value[50] = { 7 };

	sst_model_add(&model, slice_of("a", 1), 5, ENTRY_PUT, 0, slice_of("x", 1));
	for (uint64_t i = 1; i <= 400; i++)
		sst_model_add(&model, slice_of("key", 3), i * 3, i % 7 ? ENTRY_PUT : ENTRY_DELETE, 0,
			slice_of(value, i % 7 ? i % 50 : 0));
	sst_model_add(&model, slice_of("kez", 3), 2, ENTRY_PUT, 0, slice_of("y", 1));
	sst_model_sort(&model);
	check_table(&model, &options);
	sst_model_free(&model);
}
END_TEST

START_TEST(a_value_of_a_mebibyte_comes_back_from_a_block_of_its_own)
{
	struct sst_model model = { 0 };
	size_t len = 1 << 20;
	uint8_t *value = malloc(len);

	for (size_t i = 0; i < len; i++)
		value[i] = (uint8_t)(i * 2654435761u >> 13);
	for (char key = 'a'; key < 'f'; key++)
		sst_model_add(&model, slice_of(&key, 1), 9, ENTRY_PUT, 0,
			slice_of(value, key == 'c' ? len : key == 'd' ? len / 2 + 3 : 10));
	sst_model_sort(&model);
	for (int compression = SST_COMPRESSION_NONE; compression <= SST_COMPRESSION_ZSTD; compression++) {
		struct sst_options options = options_of(4096, (enum sst_compression)compression, 10);

		if (sst_compression_available(options.compression))
			check_table(&model, &options);
	}
	sst_model_free(&model);
	free(value);
}
END_TEST

START_TEST(a_value_stays_good_after_its_table_was_closed)
{
	struct sst_model model = sst_model_new(shapes[2], &random_state);
	struct sst_options options = options_of(4096, SST_COMPRESSION_NONE, 10);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	struct sst_reader *reader = open_reader(1, &meta);
	const struct entry *wanted = &model.entries[model.count / 2];
	struct entry entry;
	struct pinned pin;

	ck_assert_int_eq(sst_reader_get(reader, wanted->key, key_hash(wanted->key), wanted->sequence,
				 &entry, &pin, NULL), KV_OK);
	sst_reader_close(reader);
	cache = block_cache_free(cache);
	ck_assert(slice_equal(entry.value, wanted->value));
	pinned_release(&pin);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

/* ---- failures ---- */

START_TEST(a_missing_file_is_not_found)
{
	struct sst_reader *reader = NULL;
	struct kv_error err;

	ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, 77, NULL, cache, &reader, &err), KV_NOT_FOUND);
	ck_assert_ptr_null(reader);
	ck_assert_ptr_nonnull(strstr(err.file, "000077.sst"));
}
END_TEST

START_TEST(another_meta_than_the_manifest_lists_is_damage)
{
	struct sst_model model = sst_model_new(shapes[1], &random_state);
	struct sst_options options = options_of(4096, SST_COMPRESSION_NONE, 10);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	struct sst_reader *reader = NULL;
	struct kv_error err;

	meta.entries++;
	ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, 1, &meta, cache, &reader, &err), KV_CORRUPT);
	ck_assert(err.has_offset);
	ck_assert_ptr_nonnull(strstr(err.file, "000001.sst"));
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

/* Opens, gets everything and walks; whatever comes must be right or an error. Returns the first error. */
static kv_status use_table(const struct sst_model *model, bool keep)
{
	struct block_cache *own = block_cache_new(1 << 20);
	struct sst_reader *reader = NULL;
	struct iter *iter = NULL;
	kv_status status = own ? KV_OK : KV_NO_MEMORY;
	size_t at = 0;

	if (status == KV_OK)
		status = sst_reader_open(&dir, &sst_model_id, 1, NULL, own, &reader, NULL);
	for (size_t i = 0; status == KV_OK && i < model->count; i += 7) {
		struct entry entry;
		struct pinned pin;

		status = sst_reader_get(reader, model->entries[i].key, key_hash(model->entries[i].key),
			model->entries[i].sequence, &entry, &pin, NULL);
		if (status == KV_OK && !sst_model_same(&entry, &model->entries[i]))
			abort();
		if (status == KV_OK)
			pinned_release(&pin);
	}
	if (status == KV_OK) {
		iter = sst_reader_iter(reader, keep);
		status = iter ? KV_OK : KV_NO_MEMORY;
	}
	if (iter) {
		for (iter_seek_first(iter); iter->valid; iter_next(iter)) {
			if (!sst_model_same(iter->entry, &model->entries[at++]))
				abort();
		}
		status = iter_status(iter, NULL);
		if (status == KV_OK && at != model->count)
			abort();
	}
	if (status == KV_OK)
		status = sst_reader_verify(reader, NULL);
	iter_close(iter);
	sst_reader_close(reader);
	block_cache_free(own);
	return status;
}

START_TEST(every_failed_allocation_is_reported_and_nothing_leaks)
{
	struct sst_model model = sst_model_new(shapes[2], &random_state);
	struct sst_options options = options_of(4096, _i / 2 % 2 ? SST_COMPRESSION_LZ4 : SST_COMPRESSION_NONE,
		10);
	struct sst_meta meta;
	kv_status status = KV_NO_MEMORY;
	uint64_t failed = 0;

	if (!sst_compression_available(options.compression))
		options.compression = SST_COMPRESSION_NONE;
	meta = sst_model_write(&model, &dir, 1, &options);
	for (uint64_t n = 1; status != KV_OK; n++) {
		fault_alloc_fail(n, false);
		status = use_table(&model, _i % 2);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		ck_assert(status == (failed ? KV_NO_MEMORY : KV_OK));
		ck_assert_uint_lt(n, 2000);
	}
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

START_TEST(every_failed_read_is_reported)
{
	struct sst_model model = sst_model_new(shapes[2], &random_state);
	struct sst_options options = options_of(4096, SST_COMPRESSION_NONE, 10);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_SIZE, FAULT_PREAD };

	for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		kv_status status = KV_IO;

		for (uint64_t n = 1; status != KV_OK; n++) {
			uint64_t before = fault_fs_failed(fault);

			fault_fs_heal(fault);
			fault_fs_fail(fault, ops[i], n, EIO);
			status = use_table(&model, _i);
			ck_assert_int_eq(status, fault_fs_failed(fault) > before ? KV_IO : KV_OK);
			ck_assert_uint_lt(n, 2000);
		}
	}
	fault_fs_heal(fault);
	fault_fs_shorten(fault, 1000);
	ck_assert_int_eq(use_table(&model, _i), KV_OK);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

START_TEST(an_iterator_stays_invalid_after_an_error)
{
	struct sst_model model = sst_model_new(shapes[2], &random_state);
	struct sst_options options = options_of(512, SST_COMPRESSION_NONE, 10);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	struct sst_reader *reader = open_reader(1, &meta);
	struct iter *iter = sst_reader_iter(reader, _i);
	struct kv_error err = { 0 };

	fault_fs_fail(fault, FAULT_PREAD, 1, EIO);
	iter_seek_first(iter);
	ck_assert(!iter->valid);
	iter_seek_last(iter);
	ck_assert(!iter->valid);
	iter_seek(iter, model.entries[3].key, ENTRY_SEQUENCE_MAX);
	ck_assert(!iter->valid);
	iter_seek_before(iter, model.entries[30].key);
	ck_assert(!iter->valid);
	ck_assert_int_eq(iter_status(iter, &err), KV_IO);
	ck_assert_int_eq(err.errnum, EIO);
	iter_close(iter);
	sst_reader_close(reader);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

/* ---- threads ---- */

struct shared_table {
	struct sst_reader *reader;
	const struct sst_model *model;
	_Atomic uint64_t wrong;
};

static void *get_many(void *arg)
{
	struct shared_table *shared = arg;
	uint64_t state = (uint64_t)(uintptr_t)&state | 1;

	for (int i = 0; i < 5000; i++) {
		const struct entry *wanted = &shared->model->entries[runner_random(&state) % shared->model->count];
		struct entry entry;
		struct pinned pin;

		if (sst_reader_get(shared->reader, wanted->key, key_hash(wanted->key), wanted->sequence, &entry,
			    &pin, NULL) != KV_OK) {
			atomic_fetch_add(&shared->wrong, 1);
			continue;
		}
		if (!sst_model_same(&entry, wanted))
			atomic_fetch_add(&shared->wrong, 1);
		pinned_release(&pin);
	}
	return NULL;
}

START_TEST(threads_get_the_same_answers_while_blocks_are_evicted)
{
	struct sst_model model = sst_model_new(shapes[2], &random_state);
	struct sst_options options = options_of(1024, SST_COMPRESSION_NONE, 10);
	struct sst_meta meta = sst_model_write(&model, &dir, 1, &options);
	struct block_cache *small = block_cache_new(40000); /* a fraction of the table */
	struct shared_table shared = { .model = &model };
	pthread_t threads[4];

	ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, 1, &meta, small, &shared.reader, NULL), KV_OK);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, get_many, &shared), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&shared.wrong), 0);
	sst_reader_close(shared.reader);
	block_cache_free(small);
	sst_meta_free(&meta);
	sst_model_free(&model);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_reader");
	TCase *tc = tcase_create("sst_reader");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_table_answers_as_the_sorted_array_does, 0, 6);
	tcase_add_loop_test(tc, a_compressed_table_answers_as_the_sorted_array_does, 0, 6);
	tcase_add_loop_test(tc, a_table_without_a_filter_gives_the_same_answers, 1, 4);
	tcase_add_test(tc, versions_of_one_key_are_found_in_whatever_block_they_lie);
	tcase_add_test(tc, a_value_of_a_mebibyte_comes_back_from_a_block_of_its_own);
	tcase_add_test(tc, a_value_stays_good_after_its_table_was_closed);
	tcase_add_test(tc, a_missing_file_is_not_found);
	tcase_add_test(tc, another_meta_than_the_manifest_lists_is_damage);
	tcase_add_loop_test(tc, every_failed_allocation_is_reported_and_nothing_leaks, 0, 4);
	tcase_add_loop_test(tc, every_failed_read_is_reported, 0, 2);
	tcase_add_loop_test(tc, an_iterator_stays_invalid_after_an_error, 0, 2);
	tcase_add_test(tc, threads_get_the_same_answers_while_blocks_are_evicted);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
