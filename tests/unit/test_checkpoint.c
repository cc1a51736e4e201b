/* SPDX-License-Identifier: BSD-2-Clause */
/* A checkpoint that fails leaves nothing, wherever it fails, and the store goes on. */
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct small_store small;
static char path[300];

static void set_up(void)
{
	small_store_init(&small);
	small.options.large_value_bytes = 4096;
	small_store_open(&small);
	snprintf(path, sizeof path, "%s/copy", small.disk.path);
}

static void tear_down(void)
{
	small_store_done(&small);
}

static void put_large(const char *key)
{
	struct store_batch *batch = store_batch_new(small.store);
	static const uint8_t zeros[100000];
	struct store_upload *upload;

	ck_assert_int_eq(store_upload_new(small.store, &upload, NULL), KV_OK);
	ck_assert_int_eq(store_upload_append(upload, slice_of(zeros, sizeof zeros), NULL), KV_OK);
	ck_assert_int_eq(store_batch_put_upload(batch, slice_of_string(key), upload, 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
}

/* Calls that only a checkpoint makes, so that nothing else fails. */
START_TEST(a_failure_anywhere_leaves_no_directory)
{
	static const enum fault_op ops[] = { FAULT_MKDIR, FAULT_LINK };
	struct kv_error err;
	kv_status status = KV_IO;

	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	put_large("b");
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		uint64_t failed = fault_fs_failed(small.disk.fault);

		fault_fs_fail(small.disk.fault, ops[_i], nth, ENOSPC);
		status = store_checkpoint(small.store, path, &err);
		failed = fault_fs_failed(small.disk.fault) - failed;
		fault_fs_heal(small.disk.fault);
		ck_assert_int_eq(status, failed > 0 ? KV_NO_SPACE : KV_OK);
		ck_assert_int_eq(access(path, F_OK), status == KV_OK ? 0 : -1);
		ck_assert_uint_lt(nth, 100);
	}
	ck_assert_int_eq(small_put(&small, "a", "2"), KV_OK);
	small_expect(&small, "a", "2");
}
END_TEST

START_TEST(another_file_system_is_named)
{
	struct kv_error err;

	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fault_fs_fail(small.disk.fault, FAULT_LINK, 1, EXDEV);
	ck_assert_int_eq(store_checkpoint(small.store, path, &err), KV_UNSUPPORTED);
	fault_fs_heal(small.disk.fault);
	ck_assert_ptr_nonnull(strstr(err.text, "is not on the file system of the data"));
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(what_is_there_is_left_alone)
{
	struct kv_error err;

	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_checkpoint(small.store, path, &err), KV_OK);
	ck_assert_int_eq(store_checkpoint(small.store, path, &err), KV_INVALID);
	small_store_crash(&small);
	small.options.data_dir = path;
	small_store_open(&small);
	small_expect(&small, "a", "1");
}
END_TEST

static uint64_t version_of(const char *key)
{
	struct store_value got;
	uint64_t ret;

	ck_assert_int_eq(store_get(small.store, NULL, slice_of_string(key), &got, NULL), KV_OK);
	ret = got.version;
	pinned_release(&got.value);
	return ret;
}

/* Both go on, and a client who has seen one of them may come to the other. */
START_TEST(versions_of_a_copy_are_none_that_the_original_gives_out)
{
	struct store_changes *changes;
	uint64_t copied, later;
	char *const original = small.disk.path;

	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	copied = version_of("a");
	ck_assert_int_eq(store_checkpoint(small.store, path, NULL), KV_OK);
	ck_assert_int_eq(small_put(&small, "b", "here"), KV_OK);
	later = version_of("b");
	for (unsigned i = 0; i < 2; i++) { /* also when nothing was written in the copy before it was opened again */
		small_store_crash(&small);
		small.options.data_dir = path;
		small_store_open(&small);
	}
	ck_assert_uint_eq(version_of("a"), copied);
	ck_assert_int_eq(small_put(&small, "b", "there"), KV_OK);
	ck_assert_uint_gt(version_of("b"), later + 1000000);
	ck_assert_int_eq(store_changes_open(small.store, later, &changes, NULL), KV_GONE);
	small.options.data_dir = original;
}
END_TEST

/* It was read at the start, and is known; a copy is wanted most of all when files go bad. */
START_TEST(a_format_that_was_damaged_meanwhile_is_not_copied)
{
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	disk_patch(&small.disk, "FORMAT", 12, slice_of_string("!"));
	ck_assert_int_eq(store_checkpoint(small.store, path, NULL), KV_OK);
	small_store_crash(&small);
	small.options.data_dir = path;
	small_store_open(&small);
	small_expect(&small, "a", "1");
}
END_TEST

START_TEST(a_file_that_is_missing_is_damage_and_told_where_it_was)
{
	struct kv_error err;
	char name[64];

	put_large("a");
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	snprintf(name, sizeof name, "%s", small_newest(&small, _i == 0 ? ".blob" : ".sst"));
	ck_assert_int_eq(unlinkat(small.disk.dir.fd, name, 0), 0);
	ck_assert_int_eq(store_checkpoint(small.store, path, &err), KV_CORRUPT);
	ck_assert_msg(strncmp(err.file, small.disk.path, strlen(small.disk.path)) == 0, "%s", err.file);
	ck_assert_str_eq(strrchr(err.file, '/') + 1, name);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("checkpoint");
	TCase *tests = tcase_create("checkpoint");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, a_failure_anywhere_leaves_no_directory, 0, 2);
	tcase_add_test(tests, another_file_system_is_named);
	tcase_add_test(tests, what_is_there_is_left_alone);
	tcase_add_test(tests, versions_of_a_copy_are_none_that_the_original_gives_out);
	tcase_add_test(tests, a_format_that_was_damaged_meanwhile_is_not_copied);
	tcase_add_loop_test(tests, a_file_that_is_missing_is_damage_and_told_where_it_was, 0, 2);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
