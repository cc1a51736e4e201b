/* SPDX-License-Identifier: BSD-2-Clause */
/* What files say of whose they are: right, or nothing. */
#include "engine/origin.h"

#include "engine/blob_writer.h"
#include "support/runner.h"
#include "support/sst_model.h"
#include "support/wal_log.h"

#include <errno.h>
#include <stdio.h>

static struct wal_log log_; /* a disk with a segment on it */
static uint64_t random_state;

static const struct {
	const char *name;
	enum filename_kind kind;
	uint64_t number;
} files[] = { { "000001.wal", FILENAME_WAL, 1 }, { "000002.blob", FILENAME_BLOB, 2 }, { "000003.sst", FILENAME_TABLE, 3 } };

enum { FILES = sizeof files / sizeof files[0] };

static void setup(void)
{
	struct sst_model_shape shape = { .entries = 20, .keys = 20, .key_bytes_max = 8, .value_bytes_max = 8 };
	struct blob_pointer pointer;
	struct blob_writer *writer;
	struct sst_options options;
	struct sst_model model;
	struct sst_meta meta;

	random_state = runner_seed();
	wal_log_open(&log_);
	wal_log_begin(&log_, 1, 8192);
	wal_log_commit(&log_, 1, 10);
	wal_log_end(&log_);
	ck_assert_int_eq(blob_writer_new(&log_.disk.dir, &sst_model_id, 2, &writer, NULL), KV_OK);
	ck_assert_int_eq(blob_writer_append(writer, slice_of_string("large"), NULL), KV_OK);
	ck_assert_int_eq(blob_writer_finish(writer, &pointer, NULL), KV_OK);
	blob_writer_close(writer);
	sst_options_init(&options);
	model = sst_model_new(shape, &random_state);
	meta = sst_model_write(&model, &log_.disk.dir, 3, &options);
	sst_meta_free(&meta);
	sst_model_free(&model);
}

static void teardown(void)
{
	wal_log_close(&log_);
}

static kv_status read_it(size_t i, struct origin *ret)
{
	return origin_read(&log_.disk.dir, files[i].name, files[i].kind, ret, NULL);
}

START_TEST(every_file_tells_its_store_and_number)
{
	for (size_t i = 0; i < FILES; i++) {
		const struct store_id *id = i == 0 ? &log_.id : &sst_model_id;
		struct origin origin;

		ck_assert_int_eq(read_it(i, &origin), KV_OK);
		ck_assert_uint_eq(origin.number, files[i].number);
		ck_assert_int_eq(memcmp(origin.id.bytes, id->bytes, sizeof id->bytes), 0);
	}
}
END_TEST

START_TEST(a_damaged_one_tells_nothing_wrong)
{
	for (size_t i = 0; i < FILES; i++) {
		struct buf whole = disk_read(&log_.disk, files[i].name);
		size_t told = 0;

		for (size_t at = 0; at < whole.len; at++) {
			uint8_t byte = whole.data[at] ^ disk_flips[at % DISK_FLIPS];
			struct origin origin;
			kv_status status;

			disk_patch(&log_.disk, files[i].name, at, slice_of(&byte, 1));
			status = read_it(i, &origin);
			ck_assert(status == KV_NOT_FOUND || (status == KV_OK && origin.number == files[i].number));
			told += status == KV_OK;
			disk_patch(&log_.disk, files[i].name, at, slice_of(whole.data + at, 1));
		}
		ck_assert_uint_lt(told, whole.len);
		disk_write(&log_.disk, files[i].name, slice_of(whole.data, 20));
		ck_assert_int_eq(read_it(i, &(struct origin){ 0 }), KV_NOT_FOUND);
		disk_write(&log_.disk, files[i].name, buf_slice(&whole));
		buf_free(&whole);
	}
}
END_TEST

START_TEST(a_missing_file_and_a_failed_read_are_told_apart)
{
	struct origin origin;

	ck_assert_int_eq(origin_read(&log_.disk.dir, "000009.sst", FILENAME_TABLE, &origin, NULL), KV_NOT_FOUND);
	ck_assert_int_eq(origin_read(&log_.disk.dir, "MANIFEST", FILENAME_MANIFEST, &origin, NULL), KV_NOT_FOUND);
	for (size_t i = 0; i < FILES; i++) {
		fault_fs_fail(log_.disk.fault, FAULT_PREAD, 1, EIO);
		ck_assert_int_eq(read_it(i, &origin), KV_IO);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("origin");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, every_file_tells_its_store_and_number);
	tcase_add_test(tcase, a_damaged_one_tells_nothing_wrong);
	tcase_add_test(tcase, a_missing_file_and_a_failed_read_are_told_apart);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
