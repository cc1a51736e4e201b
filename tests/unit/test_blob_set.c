/* SPDX-License-Identifier: BSD-2-Clause */
/* Which blob files are kept: exactly those with a reference. */
#include "engine/blob_set.h"

#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static struct disk disk;
static struct blob_set *set;
static unsigned garbage;

static void count_garbage(void *arg)
{
	(*(unsigned *)arg)++;
}

static void setup(void)
{
	disk_open(&disk);
	set = blob_set_new(&disk.dir, count_garbage, &garbage);
	ck_assert_ptr_nonnull(set);
}

static void teardown(void)
{
	set = blob_set_free(set);
	disk_close(&disk);
}

static const char *name_of(uint64_t number)
{
	static char name[32];

	snprintf(name, sizeof name, "%06u.blob", (unsigned)number);
	return name;
}

static void make(uint64_t number)
{
	disk_write(&disk, name_of(number), slice_of_string("x"));
	ck_assert_int_eq(blob_set_ref(set, number, 100), KV_OK);
}

static bool is_there(uint64_t number)
{
	return dir_has(&disk.dir, name_of(number));
}

static void expect_stats(uint64_t files, uint64_t bytes)
{
	struct blob_set_stats stats;

	blob_set_get_stats(set, &stats);
	ck_assert_uint_eq(stats.files, files);
	ck_assert_uint_eq(stats.bytes, bytes);
}

START_TEST(a_file_goes_with_its_last_reference_and_not_before)
{
	make(1);
	make(2);
	ck_assert_int_eq(blob_set_ref(set, 1, 0), KV_OK);
	ck_assert(!blob_set_unref(set, 1));
	ck_assert_int_eq(blob_set_trim(set, NULL), KV_OK);
	ck_assert(is_there(1));
	ck_assert_uint_eq(garbage, 0);
	ck_assert(blob_set_unref(set, 1));
	ck_assert_uint_eq(garbage, 1);
	ck_assert(is_there(1)); /* no I/O there */
	expect_stats(2, 200);
	ck_assert_int_eq(blob_set_trim(set, NULL), KV_OK);
	ck_assert(!is_there(1));
	ck_assert(is_there(2));
	expect_stats(1, 100);
}
END_TEST

START_TEST(the_end_of_the_set_removes_nothing)
{
	make(1);
	make(2);
	blob_set_unref(set, 2);
	set = blob_set_free(set);
	ck_assert(is_there(1));
	ck_assert(is_there(2));
}
END_TEST

START_TEST(thousands_are_told_apart)
{
	enum { COUNT = 5000 };

	for (uint64_t i = 1; i <= COUNT; i++)
		ck_assert_int_eq(blob_set_ref(set, i * 7, i), KV_OK);
	for (uint64_t i = 1; i <= COUNT; i++)
		ck_assert_int_eq(blob_set_ref(set, i * 7, i), KV_OK);
	expect_stats(COUNT, (uint64_t)COUNT * (COUNT + 1) / 2);
	for (uint64_t i = COUNT; i > 0; i--)
		ck_assert(!blob_set_unref(set, i * 7));
	for (uint64_t i = 1; i <= COUNT; i++)
		ck_assert(blob_set_unref(set, i * 7));
	ck_assert_int_eq(blob_set_trim(set, NULL), KV_OK); /* files that are missing already are no error */
	expect_stats(0, 0);
}
END_TEST

static void count_missing(void *arg, uint64_t number)
{
	*(uint64_t *)arg += number;
}

START_TEST(recovery_learns_what_is_needed_and_what_is_missing)
{
	uint64_t expected = 0, missing = 0;

	ck_assert_int_eq(blob_set_ref(set, 1, 100), KV_OK);
	ck_assert_int_eq(blob_set_ref(set, 2, 0), KV_OK);
	ck_assert_int_eq(blob_set_ref(set, 3, 50), KV_OK);
	ck_assert(blob_set_found(set, 1, 77, &expected));
	ck_assert_uint_eq(expected, 100);
	ck_assert(blob_set_found(set, 2, 77, &expected));
	ck_assert_uint_eq(expected, 77);
	ck_assert(!blob_set_found(set, 4, 77, &expected));
	blob_set_each_missing(set, count_missing, &missing);
	ck_assert_uint_eq(missing, 3);
	expect_stats(3, 227);
}
END_TEST

START_TEST(a_file_that_cannot_be_removed_does_not_keep_the_others)
{
	struct kv_error err = { 0 };

	make(1);
	make(2);
	make(3);
	for (uint64_t i = 1; i <= 3; i++)
		ck_assert(blob_set_unref(set, i));
	fault_fs_fail(disk.fault, FAULT_UNLINK, 2, EIO);
	ck_assert_int_eq(blob_set_trim(set, &err), KV_IO);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert_int_eq(is_there(1) + is_there(2) + is_there(3), 1);
	ck_assert_int_eq(blob_set_trim(set, &err), KV_OK);
	expect_stats(0, 0);
}
END_TEST

START_TEST(only_the_first_reference_can_fail_for_want_of_memory)
{
	kv_status first, second;

	fault_alloc_fail(1, true);
	first = blob_set_ref(set, 1, 0);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(first, KV_NO_MEMORY);
	ck_assert_int_eq(blob_set_ref(set, 1, 0), KV_OK);
	fault_alloc_fail(1, true);
	second = blob_set_ref(set, 1, 0);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(second, KV_OK);
	/* more files than buckets, and no memory for more of these */
	for (uint64_t i = 2; i < 1000; i++) {
		fault_alloc_fail(2, true);
		first = blob_set_ref(set, i, 0);
		fault_alloc_fail(0, false);
		ck_assert_int_eq(first, KV_OK);
	}
	for (uint64_t i = 2; i < 1000; i++)
		ck_assert(blob_set_unref(set, i));
}
END_TEST

static void *take_and_give(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		uint64_t number = (uint64_t)i % 50 + 1;

		if (blob_set_ref(set, number, 0) != KV_OK || blob_set_unref(set, number))
			return set;
	}
	return NULL;
}

START_TEST(threads_may_take_and_give_at_the_same_time)
{
	pthread_t threads[4];

	for (uint64_t i = 1; i <= 50; i++)
		make(i);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, NULL), 0);
	for (int i = 0; i < 4; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	expect_stats(50, 5000);
	for (uint64_t i = 1; i <= 50; i++)
		ck_assert(blob_set_unref(set, i));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blob_set");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_file_goes_with_its_last_reference_and_not_before);
	tcase_add_test(tc, the_end_of_the_set_removes_nothing);
	tcase_add_test(tc, thousands_are_told_apart);
	tcase_add_test(tc, recovery_learns_what_is_needed_and_what_is_missing);
	tcase_add_test(tc, a_file_that_cannot_be_removed_does_not_keep_the_others);
	tcase_add_test(tc, only_the_first_reference_can_fail_for_want_of_memory);
	tcase_add_test(tc, threads_may_take_and_give_at_the_same_time);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
