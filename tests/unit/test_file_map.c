/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows of a file: what is written is there, and a page that cannot be had is a return value, nobody else's signal. */
#define _GNU_SOURCE
#include "base/file_map.h"
#include "support/fault_fs.h"
#include "support/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_BYTES = 4 * FILE_MAP_ALIGN };

static char *path;
static struct fault_fs *fault;
static struct dir dir;
static struct file file;
static struct file_map map;

static void set_up(void)
{
	path = runner_new_dir();
	fault = fault_fs_new(&fs_posix);
	fault_fs_allow_maps(fault);
	map = (struct file_map){ 0 };
	ck_assert_int_eq(dir_open(fault_fs_fs(fault), path, false, &dir, NULL), KV_OK);
	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, NULL), KV_OK);
	ck_assert_int_eq(file_truncate(&file, FILE_BYTES, NULL), KV_OK);
}

static void tear_down(void)
{
	file_unmap(&map);
	file_close(&file);
	dir_close(&dir);
	ck_assert_ptr_null(fault_fs_free(fault));
	runner_remove_dir(path);
}

static void expect_at(uint64_t offset, const char *text)
{
	char got[32] = { 0 };

	ck_assert_uint_lt(strlen(text), sizeof got);
	ck_assert_int_eq(file_read_at(&file, got, strlen(text), offset, NULL), KV_OK);
	ck_assert_str_eq(got, text);
}

START_TEST(what_is_written_to_a_window_is_in_the_file)
{
	ck_assert_int_eq(file_map(&file, FILE_MAP_ALIGN, 2 * FILE_MAP_ALIGN, &map), KV_OK);
	ck_assert(file_map_write(&map, slice_of_string("first"), FILE_MAP_ALIGN));
	ck_assert(file_map_write(&map, slice_of_string("last"), 3 * FILE_MAP_ALIGN - 4));
	ck_assert(file_map_write(&map, slice_of(NULL, 0), 3 * FILE_MAP_ALIGN));
	expect_at(FILE_MAP_ALIGN, "first");
	expect_at(3 * FILE_MAP_ALIGN - 4, "last");
	/* and what is written to the file in the window */
	ck_assert_int_eq(file_write_at(&file, slice_of_string("second"), FILE_MAP_ALIGN, NULL), KV_OK);
	ck_assert(file_map_write(&map, slice_of_string("S"), FILE_MAP_ALIGN));
	file_unmap(&map);
	file_unmap(&map);
	ck_assert_int_eq(file_sync(&file, NULL), KV_OK);
	expect_at(FILE_MAP_ALIGN, "Second");
	expect_at(3 * FILE_MAP_ALIGN - 4, "last");
}
END_TEST

START_TEST(a_window_holds_what_lies_in_it_as_a_whole)
{
	const uint64_t end = 2 * FILE_MAP_ALIGN;

	ck_assert(!file_map_holds(&map, 0, 0));
	ck_assert_int_eq(file_map(&file, FILE_MAP_ALIGN, FILE_MAP_ALIGN, &map), KV_OK);
	ck_assert(file_map_holds(&map, FILE_MAP_ALIGN, FILE_MAP_ALIGN));
	ck_assert(file_map_holds(&map, end - 1, 1));
	ck_assert(file_map_holds(&map, end, 0));
	ck_assert(!file_map_holds(&map, end, 1));
	ck_assert(!file_map_holds(&map, end + 1, 0));
	ck_assert(!file_map_holds(&map, FILE_MAP_ALIGN - 1, 1));
	ck_assert(!file_map_holds(&map, end - 1, SIZE_MAX));
	ck_assert(!file_map_holds(&map, UINT64_MAX, 1));
}
END_TEST

START_TEST(a_page_that_cannot_be_had_is_told_each_time)
{
	char bytes[100] = { 0 };

	ck_assert_int_eq(file_map(&file, 0, FILE_BYTES, &map), KV_OK);
	ck_assert_int_eq(file_truncate(&file, FILE_MAP_ALIGN, NULL), KV_OK);
	for (int i = 0; i < 3; i++) {
		ck_assert(!file_map_write(&map, slice_of(bytes, sizeof bytes), FILE_BYTES - 200));
		ck_assert(!file_map_write(&map, slice_of(bytes, sizeof bytes), FILE_MAP_ALIGN - 50));
		ck_assert(file_map_write(&map, slice_of_string("still"), FILE_MAP_ALIGN - 5));
	}
	expect_at(FILE_MAP_ALIGN - 5, "still");
	ck_assert_int_eq(file_truncate(&file, FILE_BYTES, NULL), KV_OK);
	ck_assert(file_map_write(&map, slice_of_string("again"), FILE_BYTES - 200));
	expect_at(FILE_BYTES - 200, "again");
}
END_TEST

START_TEST(what_cannot_be_mapped_is_unsupported)
{
	struct fs_ops without = *fault_fs_fs(fault)->ops;
	struct fs fs = { .ops = &without, .ctx = fault_fs_fs(fault)->ctx };
	struct file other = file;

	fault_fs_fail(fault, FAULT_MAP, 1, ENOMEM);
	ck_assert_int_eq(file_map(&file, 0, FILE_BYTES, &map), KV_UNSUPPORTED);
	ck_assert_ptr_null(map.at);
	ck_assert_int_eq(file_map(&file, 0, FILE_BYTES, &map), KV_OK);
	file_unmap(&map);
	without.map = NULL;
	other.fs = &fs;
	ck_assert_int_eq(file_map(&other, 0, FILE_BYTES, &map), KV_UNSUPPORTED);
	ck_assert_ptr_null(map.at);
}
END_TEST

enum { HANDLED = 42 };

static void handle(int number)
{
	(void)number;
	_exit(HANDLED);
}

/* The exit status of a process that has a handler, then a window, then does something. */
static int child_that(void (*does)(void))
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		signal(SIGBUS, handle);
		if (file_map(&file, 0, FILE_BYTES, &map) == KV_OK && file_map_write(&map, slice_of_string("x"), 0))
			does();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void is_sent_the_signal(void)
{
	raise(SIGBUS);
}

static void reads_beside_the_window(void)
{
	if (file_truncate(&file, FILE_MAP_ALIGN, NULL) == KV_OK)
		_exit(((volatile uint8_t *)map.at)[2 * FILE_MAP_ALIGN]);
}

START_TEST(a_signal_that_is_not_for_a_window_goes_where_it_went_before)
{
	ck_assert_int_eq(child_that(is_sent_the_signal), HANDLED);
	ck_assert_int_eq(child_that(reads_beside_the_window), HANDLED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file_map");
	TCase *tc = tcase_create("file_map");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, what_is_written_to_a_window_is_in_the_file);
	tcase_add_test(tc, a_window_holds_what_lies_in_it_as_a_whole);
	tcase_add_test(tc, a_page_that_cannot_be_had_is_told_each_time);
	tcase_add_test(tc, what_cannot_be_mapped_is_unsupported);
	tcase_add_test(tc, a_signal_that_is_not_for_a_window_goes_where_it_went_before);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
