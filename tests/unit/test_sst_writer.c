/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing tables: failures leave no file behind, the file is synced at the end. What the bytes are, test_format_doc tells. */
#include "engine/sst_writer.h"

#include "support/fault_alloc.h"
#include "support/fault_fs.h"
#include "support/runner.h"
#include "support/sst_model.h"

#include <errno.h>
#include <stdlib.h>

static char *path;
static struct fault_fs *fault;
static struct dir dir;
static struct sst_model model;

static void set_up(void)
{
	struct sst_model_shape shape = { .entries = 600, .keys = 400, .blobs = true, .key_bytes_max = 20,
		.value_bytes_max = 2000 };
	uint64_t state = runner_seed();

	path = runner_new_dir();
	fault = fault_fs_new(&fs_posix);
	ck_assert_int_eq(dir_open(fault_fs_fs(fault), path, false, &dir, NULL), KV_OK);
	model = sst_model_new(shape, &state);
}

static void tear_down(void)
{
	sst_model_free(&model);
	dir_close(&dir);
	fault = fault_fs_free(fault);
	runner_remove_dir(path);
}

/* Writes the model; whatever fails, everything is given back. */
static kv_status write_model(const struct sst_options *options, struct kv_error *err)
{
	struct sst_writer *writer = NULL;
	struct sst_meta meta;
	kv_status status = sst_writer_open(&dir, &sst_model_id, 1, options, &writer, err);

	for (size_t i = 0; status == KV_OK && i < model.count; i++)
		status = sst_writer_add(writer, &model.entries[i], err);
	if (status == KV_OK)
		status = sst_writer_finish(writer, &meta, err);
	if (status == KV_OK)
		sst_meta_free(&meta);
	sst_writer_close(writer);
	return status;
}

START_TEST(a_table_is_created_written_and_synced_in_this_order)
{
	static const char *const order[] = { "create 000001.sst", "pwritev 000001.sst 0",
		"fdatasync 000001.sst", NULL };
	struct sst_options options;

	sst_options_init(&options);
	fault_fs_record(fault, true);
	ck_assert_int_eq(write_model(&options, NULL), KV_OK);
	ck_assert(fault_fs_in_order(fault, order));
	ck_assert_uint_eq(fault_fs_count(fault, FAULT_FDATASYNC), 1);
	ck_assert_uint_eq(fault_fs_count(fault, FAULT_UNLINK), 0);
}
END_TEST

START_TEST(bytes_so_far_grow_to_the_size_of_the_file)
{
	struct sst_options options;
	struct sst_writer *writer;
	struct sst_meta meta;
	uint64_t before = 0;

	sst_options_init(&options);
	ck_assert_int_eq(sst_writer_open(&dir, &sst_model_id, 1, &options, &writer, NULL), KV_OK);
	for (size_t i = 0; i < model.count; i++) {
		ck_assert_int_eq(sst_writer_add(writer, &model.entries[i], NULL), KV_OK);
		ck_assert_uint_gt(sst_writer_bytes(writer), before);
		before = sst_writer_bytes(writer);
	}
	ck_assert_int_eq(sst_writer_finish(writer, &meta, NULL), KV_OK);
	ck_assert_uint_gt(meta.file_bytes, before);
	ck_assert_uint_lt(meta.file_bytes, before + before / 10 + 2000);
	sst_meta_free(&meta);
	sst_writer_close(writer);
}
END_TEST

START_TEST(without_finish_the_file_is_removed)
{
	struct sst_options options;
	struct sst_writer *writer;

	sst_options_init(&options);
	ck_assert_int_eq(sst_writer_open(&dir, &sst_model_id, 1, &options, &writer, NULL), KV_OK);
	ck_assert(dir_has(&dir, "000001.sst"));
	ck_assert_int_eq(sst_writer_add(writer, &model.entries[0], NULL), KV_OK);
	ck_assert_ptr_null(sst_writer_close(writer));
	ck_assert(!dir_has(&dir, "000001.sst"));
	ck_assert_ptr_null(sst_writer_close(NULL));
}
END_TEST

START_TEST(an_existing_file_is_never_overwritten_or_removed)
{
	struct sst_options options;
	struct kv_error err;

	sst_options_init(&options);
	ck_assert_int_eq(write_model(&options, NULL), KV_OK);
	ck_assert_int_eq(write_model(&options, &err), KV_INVALID);
	ck_assert_int_eq(err.errnum, EEXIST);
	ck_assert(dir_has(&dir, "000001.sst"));
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
	struct sst_options options;

	sst_options_init(&options);
	options.block_bytes = 0;
	ck_assert_int_eq(write_model(&options, NULL), KV_INVALID);
	options.block_bytes = SST_BLOCK_BYTES_MAX + 1;
	ck_assert_int_eq(write_model(&options, NULL), KV_INVALID);
	sst_options_init(&options);
	options.filter_bits_per_key = SST_FILTER_BITS_MAX + 1;
	ck_assert_int_eq(write_model(&options, NULL), KV_INVALID);
	sst_options_init(&options);
	options.compression = (enum sst_compression)3;
	ck_assert(!sst_compression_available(options.compression));
	ck_assert_int_eq(write_model(&options, NULL), KV_UNSUPPORTED);
	ck_assert(!dir_has(&dir, "000001.sst"));
}
END_TEST

START_TEST(every_failed_call_is_reported_and_leaves_no_file)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PWRITEV, FAULT_WRITEBACK, FAULT_FDATASYNC };
	static const int errors[] = { EIO, ENOSPC };
	struct sst_options options;

	sst_options_init(&options);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t failed = fault_fs_failed(fault);
		kv_status status = KV_IO;

		for (uint64_t n = 1; status != KV_OK; n++) {
			uint64_t before = fault_fs_failed(fault);
			struct kv_error err = { 0 };

			fault_fs_heal(fault);
			fault_fs_fail(fault, ops[i / 2], n, errors[i % 2]);
			status = write_model(&options, &err);
			if (fault_fs_failed(fault) > before) {
				ck_assert_int_eq(status, errors[i % 2] == EIO ? KV_IO : KV_NO_SPACE);
				ck_assert_ptr_nonnull(strstr(err.file, "000001.sst"));
				ck_assert(!dir_has(&dir, "000001.sst"));
			}
			ck_assert_uint_lt(n, 100);
		}
		ck_assert_uint_gt(fault_fs_failed(fault), failed);
		ck_assert_int_eq(dir_unlink(&dir, "000001.sst", NULL), KV_OK);
	}
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_leaves_no_file)
{
	struct sst_options options;
	kv_status status = KV_NO_MEMORY;

	sst_options_init(&options);
	options.compression = (enum sst_compression)_i;
	if (!sst_compression_available(options.compression))
		return;
	for (uint64_t n = 1; status != KV_OK; n++) {
		fault_alloc_fail(n, false);
		status = write_model(&options, NULL);
		ck_assert(fault_alloc_failed() == (status != KV_OK));
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		ck_assert_int_eq(dir_has(&dir, "000001.sst"), status == KV_OK);
		ck_assert_uint_lt(n, 1000);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sst_writer");
	TCase *tc = tcase_create("sst_writer");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_table_is_created_written_and_synced_in_this_order);
	tcase_add_test(tc, bytes_so_far_grow_to_the_size_of_the_file);
	tcase_add_test(tc, without_finish_the_file_is_removed);
	tcase_add_test(tc, an_existing_file_is_never_overwritten_or_removed);
	tcase_add_test(tc, options_out_of_range_are_refused);
	tcase_add_test(tc, every_failed_call_is_reported_and_leaves_no_file);
	tcase_add_loop_test(tc, every_failed_allocation_is_reported_and_leaves_no_file, 0, 3);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
