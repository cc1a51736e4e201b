/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files and directories: what is created and refused, every system call failing in turn, short reads and
 * writes, and the order of calls that durability rests on.
 */
#define _GNU_SOURCE
#include "base/file.h"
#include "support/fault_alloc.h"
#include "support/fault_fs.h"
#include "support/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int descriptors;        /* open before the test */
static char *path;             /* a directory for the test */
static struct fault_fs *fault; /* over the real one */
static const struct fs *fs;
static struct dir dir; /* path, through the fault fs */
static struct kv_error err;

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void set_up(void)
{
	descriptors = open_descriptors();
	path = runner_new_dir();
	fault = fault_fs_new(&fs_posix);
	fs = fault_fs_fs(fault);
	memset(&err, 0, sizeof err);
	ck_assert_int_eq(dir_open(fs, path, false, &dir, &err), KV_OK);
}

static void tear_down(void)
{
	fault_fs_hook(fault, NULL, NULL);
	fault_fs_heal(fault);
	dir_close(&dir);
	ck_assert_int_eq(open_descriptors(), descriptors);
	fault_fs_free(fault);
	runner_remove_dir(path);
}

/* As another process has it. */
static void reopen(void)
{
	dir_close(&dir);
	ck_assert_int_eq(dir_open(fs, path, false, &dir, &err), KV_OK);
}

static char *below(const char *name)
{
	char *ret;

	ck_assert_int_gt(asprintf(&ret, "%s/%s", path, name), 0);
	return ret;
}

static void make_file(const char *name, const char *text)
{
	struct file file;

	ck_assert_int_eq(file_open(&dir, name, FILE_CREATE, &file, &err), KV_OK);
	ck_assert_int_eq(file_write_at(&file, slice_of_string(text), 0, &err), KV_OK);
	file_close(&file);
}

static void assert_content(const char *name, const char *text)
{
	struct buf buf = { 0 };

	ck_assert_int_eq(file_read_whole(&dir, name, 1 << 20, &buf, &err), KV_OK);
	ck_assert_uint_eq(buf.len, strlen(text));
	ck_assert(slice_equal(buf_slice(&buf), slice_of_string(text)));
	buf_free(&buf);
}

static mode_t mode_of(const char *name)
{
	char *full = below(name);
	struct stat st;

	ck_assert_int_eq(lstat(full, &st), 0);
	free(full);
	return st.st_mode;
}

/* ---- opening ---- */

START_TEST(a_new_file_is_private_and_a_taken_name_is_refused)
{
	struct file file = { .fd = -1 };

	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	file_close(&file);
	file_close(&file);
	ck_assert_uint_eq(mode_of("a") & 07777, 0600);
	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_INVALID);
	ck_assert_int_eq(err.errnum, EEXIST);
	ck_assert_int_eq(err.status, KV_INVALID);
	ck_assert_ptr_nonnull(strstr(err.file, "/a"));
	ck_assert_int_eq(file.fd, -1);
}
END_TEST

START_TEST(a_missing_file_is_not_found)
{
	struct file file;

	ck_assert_int_eq(file_open(&dir, "a", FILE_READ, &file, &err), KV_NOT_FOUND);
	ck_assert_int_eq(err.errnum, ENOENT);
	ck_assert_int_eq(file_open(&dir, "a", FILE_READ_WRITE, &file, NULL), KV_NOT_FOUND);
	ck_assert_int_eq(file_open(&dir, "a", FILE_OPEN_OR_CREATE, &file, &err), KV_OK);
	file_close(&file);
	ck_assert_uint_eq(mode_of("a") & 07777, 0600);
	ck_assert_int_eq(file_open(&dir, "a", FILE_OPEN_OR_CREATE, &file, &err), KV_OK);
	file_close(&file);
}
END_TEST

START_TEST(links_fifos_and_directories_are_refused_without_waiting)
{
	static const enum file_mode modes[] = { FILE_READ, FILE_READ_WRITE, FILE_CREATE, FILE_OPEN_OR_CREATE };
	static const char *const names[] = { "link", "dangling", "fifo", "subdir" };
	struct file file = { .fd = -1 };
	char *full;

	make_file("target", "x");
	full = below("link");
	ck_assert_int_eq(symlink("target", full), 0);
	free(full);
	full = below("dangling");
	ck_assert_int_eq(symlink("nowhere", full), 0);
	free(full);
	full = below("fifo");
	ck_assert_int_eq(mkfifo(full, 0600), 0);
	free(full);
	full = below("subdir");
	ck_assert_int_eq(mkdir(full, 0700), 0);
	free(full);
	for (unsigned m = 0; m < 4; m++) {
		for (unsigned n = 0; n < 4; n++) {
			err.status = KV_OK;
			ck_assert_int_eq(file_open(&dir, names[n], modes[m], &file, &err), KV_INVALID);
			ck_assert_int_eq(err.status, KV_INVALID);
			ck_assert_int_eq(file.fd, -1);
		}
	}
	ck_assert(!dir_has(&dir, "nowhere"));
}
END_TEST

START_TEST(names_with_a_path_or_too_long_are_refused)
{
	char name[100];
	struct file file;
	struct dir sub;

	memset(name, 'n', sizeof name);
	name[64] = '\0';
	ck_assert_int_eq(file_open(&dir, name, FILE_CREATE, &file, &err), KV_INVALID);
	ck_assert_int_eq(file_open(&dir, "../a", FILE_CREATE, &file, &err), KV_INVALID);
	ck_assert_int_eq(file_open(&dir, "", FILE_CREATE, &file, &err), KV_INVALID);
	ck_assert_int_eq(dir_open_at(&dir, "a/b", true, &sub, &err), KV_INVALID);
	ck_assert_int_eq(dir_open_at(&dir, "", true, &sub, &err), KV_INVALID);
	ck_assert_int_eq(dir_open(fs, "", true, &sub, &err), KV_INVALID);
	name[63] = '\0';
	ck_assert_int_eq(file_open(&dir, name, FILE_CREATE, &file, &err), KV_OK);
	ck_assert_str_eq(file.name, name);
	file_close(&file);
}
END_TEST

/* ---- directories ---- */

START_TEST(a_directory_is_created_private_and_its_parent_synced)
{
	static const char *const order[] = { "mkdir new", "open kvtest.", "fsync kvtest.", "close kvtest.",
		"open new", NULL };
	char *full = below("new");
	struct dir made;

	fault_fs_record(fault, true);
	ck_assert_int_eq(dir_open(fs, full, false, &made, &err), KV_NOT_FOUND);
	ck_assert_int_eq(dir_open(fs, full, true, &made, &err), KV_OK);
	ck_assert(fault_fs_in_order(fault, order));
	ck_assert_str_eq(made.path, full);
	ck_assert_uint_eq(mode_of("new") & 07777, 0700);
	dir_close(&made);
	dir_close(&made);
	ck_assert_ptr_null(made.path);
	free(full);
}
END_TEST

START_TEST(a_directory_that_is_there_is_synced_in_its_parent_all_the_same)
{
	static const char *const order[] = { "mkdir sub", "fsync ", "open sub", NULL };
	struct dir sub;

	ck_assert_int_eq(dir_open_at(&dir, "sub", true, &sub, &err), KV_OK);
	dir_close(&sub);
	fault_fs_record(fault, true);
	ck_assert_int_eq(dir_open_at(&dir, "sub", true, &sub, &err), KV_OK);
	ck_assert(fault_fs_in_order(fault, order));
	ck_assert_ptr_nonnull(strstr(sub.path, "/sub"));
	dir_close(&sub);
}
END_TEST

START_TEST(relative_paths_and_trailing_slashes_are_understood)
{
	struct dir made;
	char *full;

	ck_assert_int_eq(chdir(path), 0);
	ck_assert_int_eq(dir_open(fs, "rel///", true, &made, &err), KV_OK);
	ck_assert_str_eq(made.path, "rel");
	dir_close(&made);
	ck_assert_int_eq(dir_open(fs, "rel/deeper/", true, &made, &err), KV_OK);
	dir_close(&made);
	ck_assert_int_eq(dir_open(fs, "none/deeper", true, &made, &err), KV_NOT_FOUND);
	ck_assert_int_eq(dir_open(fs, "/", false, &made, &err), KV_OK);
	dir_close(&made);
	full = below("link");
	ck_assert_int_eq(symlink("rel", full), 0);
	ck_assert_int_eq(dir_open(fs, "link", false, &made, &err), KV_INVALID);
	ck_assert_int_eq(dir_open(fs, "link/", true, &made, &err), KV_INVALID);
	free(full);
	make_file("plain", "x");
	ck_assert_int_eq(dir_open(fs, "plain", true, &made, &err), KV_INVALID);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

/* /var/lib may be closed to us: what a package made there is not ours to make durable; what we made is. */
START_TEST(a_closed_parent_matters_only_for_what_we_made)
{
	struct fault_rule closed = { .op = FAULT_OPEN, .nth = 1, .errnum = EACCES };
	struct dir sub = { .fd = -1 };
	char *full = below("sub");

	fault_fs_add(fault, closed);
	ck_assert_int_eq(dir_open(fs, full, true, &sub, &err), KV_IO);
	ck_assert_int_eq(err.errnum, EACCES);
	ck_assert_int_eq(sub.fd, -1);
	fault_fs_heal(fault);
	fault_fs_add(fault, closed);
	ck_assert_int_eq(dir_open(fs, full, true, &sub, &err), KV_OK);
	dir_close(&sub);
	fault_fs_heal(fault);
	fault_fs_fail(fault, FAULT_FSYNC, 1, EIO);
	ck_assert_int_eq(dir_open(fs, full, true, &sub, &err), KV_IO);
	ck_assert_int_eq(sub.fd, -1);
	free(full);
}
END_TEST

/* There is no place for a name that cannot be made durable. */
START_TEST(a_new_directory_below_a_closed_one_is_refused_and_not_left_there)
{
	struct dir sub = { .fd = -1 };
	char *full = below("new");

	fault_fs_add(fault, (struct fault_rule){ .op = FAULT_OPEN, .nth = 1, .errnum = EACCES });
	ck_assert_int_eq(dir_create(fs, full, &sub, &err), KV_IO);
	ck_assert_int_eq(err.errnum, EACCES);
	fault_fs_heal(fault);
	ck_assert_int_ne(access(full, F_OK), 0);
	ck_assert_int_eq(dir_create(fs, full, &sub, &err), KV_OK);
	dir_close(&sub);
	ck_assert_int_eq(dir_create(fs, full, &sub, &err), KV_INVALID);
	ck_assert_int_eq(rmdir(full), 0);
	free(full);
}
END_TEST

/* A mount point in a root file system that is only read: fsync of a directory there is EINVAL. */
START_TEST(a_parent_that_cannot_be_synced_matters_only_for_what_we_made)
{
	static const int errnums[] = { EINVAL, EROFS, EOPNOTSUPP };
	struct dir sub = { .fd = -1 };
	char *full = below("sub");

	for (size_t i = 0; i < sizeof errnums / sizeof errnums[0]; i++) {
		fault_fs_fail_from(fault, FAULT_FSYNC, 1, errnums[i]);
		ck_assert_int_ne(dir_open(fs, full, true, &sub, &err), KV_OK);
		ck_assert_int_eq(err.errnum, errnums[i]);
		ck_assert_int_eq(sub.fd, -1);
		ck_assert_int_eq(dir_open(fs, full, true, &sub, &err), KV_OK);
		dir_close(&sub);
		ck_assert_int_eq(rmdir(full), 0);
		fault_fs_heal(fault);
	}
	free(full);
}
END_TEST

/* What the sync of a directory has lost once is lost for whoever makes something in it, too. */
START_TEST(a_directory_in_another_is_synced_as_all_in_it)
{
	struct dir sub = { .fd = -1 };
	uint64_t syncs;

	fault_fs_fail(fault, FAULT_FSYNC, 1, ENOSPC);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(dir_open_at(&dir, "sub", true, &sub, &err), KV_IO);
		ck_assert_int_eq(err.errnum, ENOSPC);
		ck_assert_int_eq(sub.fd, -1);
		syncs = fault_fs_count(fault, FAULT_FSYNC);
	}
	ck_assert_int_eq(dir_sync(&dir, &err), KV_IO);
	ck_assert_uint_eq(fault_fs_count(fault, FAULT_FSYNC), syncs);
}
END_TEST

/* The directory is open and durable, or there is an error and no descriptor. */
START_TEST(opening_a_directory_fails_cleanly_at_every_call)
{
	struct dir sub = { .fd = -1 };
	char *full = below("sub");
	kv_status status;
	bool failed = true;
	uint64_t n;

	for (n = 1; failed; n++) {
		uint64_t failed_before = fault_fs_failed(fault);

		fault_fs_fail(fault, FAULT_ANY, n, EIO);
		status = dir_open(fs, full, true, &sub, &err);
		failed = fault_fs_failed(fault) > failed_before;
		fault_fs_heal(fault);
		if (status == KV_OK)
			dir_close(&sub);
		else
			ck_assert_int_eq(err.errnum, EIO);
		ck_assert_int_eq(sub.fd, -1);
		ck_assert_int_eq(open_descriptors(), descriptors + 1);
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert_uint_gt(n, 5); /* mkdir, open, fsync, close, open */
	free(full);
}
END_TEST

struct seen {
	int count;
	int stop_after;
	bool dots;
};

static int see(void *arg, const char *name)
{
	struct seen *seen = arg;

	seen->dots = seen->dots || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	return ++seen->count == seen->stop_after;
}

START_TEST(a_list_gives_every_name_once_and_can_be_repeated)
{
	struct seen seen = { 0 };

	ck_assert_int_eq(dir_list(&dir, see, &seen, &err), KV_OK);
	ck_assert_int_eq(seen.count, 0);
	make_file("a", "");
	make_file("b", "");
	make_file(".c", "");
	for (int i = 0; i < 2; i++) {
		seen = (struct seen){ 0 };
		ck_assert_int_eq(dir_list(&dir, see, &seen, &err), KV_OK);
		ck_assert_int_eq(seen.count, 3);
		ck_assert(!seen.dots);
	}
	seen = (struct seen){ .stop_after = 2 };
	ck_assert_int_eq(dir_list(&dir, see, &seen, &err), KV_OK);
	ck_assert_int_eq(seen.count, 2);
}
END_TEST

START_TEST(a_rename_replaces_only_when_it_may)
{
	make_file("a", "old");
	make_file("b", "new");
	ck_assert_int_eq(dir_rename(&dir, "b", &dir, "a", true, &err), KV_INVALID);
	ck_assert_int_eq(err.errnum, EEXIST);
	assert_content("a", "old");
	assert_content("b", "new");
	ck_assert_int_eq(dir_rename(&dir, "b", &dir, "a", false, &err), KV_OK);
	assert_content("a", "new");
	ck_assert(!dir_has(&dir, "b"));
	ck_assert_int_eq(dir_rename(&dir, "b", &dir, "a", false, &err), KV_NOT_FOUND);
	ck_assert_int_eq(dir_rename(&dir, "a", &dir, "c", true, &err), KV_OK);
	assert_content("c", "new");
}
END_TEST

START_TEST(a_file_system_without_noreplace_keeps_what_exists)
{
	make_file("a", "old");
	make_file("b", "new");
	fault_fs_fail_from(fault, FAULT_RENAME, 1, EINVAL);
	ck_assert_int_eq(dir_rename(&dir, "b", &dir, "a", true, &err), KV_INVALID);
	ck_assert_int_eq(err.errnum, EEXIST);
	assert_content("a", "old");
	ck_assert_int_eq(dir_rename(&dir, "b", &dir, "c", true, &err), KV_OK);
	assert_content("c", "new");
	ck_assert(!dir_has(&dir, "b"));
	ck_assert_int_eq(dir_rename(&dir, "c", &dir, "d", false, &err), KV_IO);
}
END_TEST

START_TEST(two_files_exchange_their_names_in_one_step)
{
	struct buf content = { 0 };

	ck_assert_int_eq(file_replace(&dir, "a", "t", slice_of_string("first"), &err), KV_OK);
	ck_assert_int_eq(file_replace(&dir, "b", "t", slice_of_string("second"), &err), KV_OK);
	ck_assert_int_eq(dir_exchange(&dir, "a", "b", &err), KV_OK);
	ck_assert_int_eq(file_read_whole(&dir, "a", 100, &content, &err), KV_OK);
	ck_assert(slice_equal(buf_slice(&content), slice_of_string("second")));
	ck_assert_int_eq(file_read_whole(&dir, "b", 100, &content, &err), KV_OK);
	ck_assert(slice_equal(buf_slice(&content), slice_of_string("first")));
	ck_assert_int_eq(dir_exchange(&dir, "a", "missing", &err), KV_NOT_FOUND);
	fault_fs_fail(fault, FAULT_RENAME, 1, EINVAL);
	ck_assert_int_eq(dir_exchange(&dir, "a", "b", &err), KV_UNSUPPORTED);
	buf_free(&content);
}
END_TEST

START_TEST(links_and_unlinks_say_what_is_missing_or_taken)
{
	make_file("a", "x");
	ck_assert_int_eq(dir_link(&dir, "a", &dir, "b", &err), KV_OK);
	assert_content("b", "x");
	ck_assert_int_eq(dir_link(&dir, "a", &dir, "b", &err), KV_INVALID);
	ck_assert_int_eq(dir_link(&dir, "none", &dir, "c", &err), KV_NOT_FOUND);
	ck_assert_int_eq(dir_unlink(&dir, "a", &err), KV_OK);
	ck_assert_int_eq(dir_unlink(&dir, "a", &err), KV_NOT_FOUND);
	ck_assert(!dir_has(&dir, "a"));
	ck_assert(dir_has(&dir, "b"));
}
END_TEST

START_TEST(free_space_is_told)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(dir_space(&dir, &bytes, &err), KV_OK);
	ck_assert_uint_gt(bytes, 0);
	fault_fs_fail(fault, FAULT_SPACE, 1, EIO);
	bytes = 7;
	ck_assert_int_eq(dir_space(&dir, &bytes, &err), KV_IO);
	ck_assert_uint_eq(bytes, 7);
}
END_TEST

/* ---- reading and writing ---- */

START_TEST(short_reads_and_writes_are_continued)
{
	uint8_t bytes[1000];
	uint8_t back[1000];
	struct iovec iov[16];
	struct file file;

	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 31);
	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	for (size_t max = 1; max < 200; max = max * 2 + 1) {
		fault_fs_shorten(fault, max);
		/* pieces of 0, 1, 2, ... bytes, the rest in the last */
		for (unsigned i = 0, at = 0; i < 16; at += i, i++) {
			iov[i].iov_base = bytes + at;
			iov[i].iov_len = i < 15 ? i : sizeof bytes - at;
		}
		ck_assert_int_eq(file_writev_at(&file, iov, 16, max, &err), KV_OK);
		memset(back, 0, sizeof back);
		ck_assert_int_eq(file_read_at(&file, back, sizeof back, max, &err), KV_OK);
		ck_assert_mem_eq(bytes, back, sizeof back);
	}
	file_close(&file);
}
END_TEST

START_TEST(writing_nothing_calls_nothing)
{
	struct iovec iov[2] = { { .iov_base = NULL, .iov_len = 0 }, { .iov_base = NULL, .iov_len = 0 } };
	struct file file;

	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	ck_assert_int_eq(file_writev_at(&file, iov, 2, 0, &err), KV_OK);
	ck_assert_int_eq(file_writev_at(&file, NULL, 0, 0, &err), KV_OK);
	ck_assert_int_eq(file_write_at(&file, slice_of(NULL, 0), 0, &err), KV_OK);
	ck_assert_int_eq(file_read_at(&file, NULL, 0, 99, &err), KV_OK);
	ck_assert_int_eq(file_allocate(&file, 0, &err), KV_OK);
	ck_assert_uint_eq(fault_fs_count(fault, FAULT_PWRITEV), 0);
	ck_assert_uint_eq(fault_fs_count(fault, FAULT_PREAD), 0);
	file_close(&file);
}
END_TEST

START_TEST(an_early_end_is_damage_at_its_offset)
{
	struct file file;
	char bytes[10];

	make_file("a", "12345");
	ck_assert_int_eq(file_open(&dir, "a", FILE_READ, &file, &err), KV_OK);
	ck_assert_int_eq(file_read_at(&file, bytes, 3, 2, &err), KV_OK);
	ck_assert_int_eq(file_read_at(&file, bytes, 4, 2, &err), KV_CORRUPT);
	ck_assert(err.has_offset);
	ck_assert_uint_eq(err.offset, 5);
	ck_assert_int_eq(file_read_at(&file, bytes, 1, UINT64_MAX, &err), KV_CORRUPT);
	ck_assert_int_eq(file_read_at(&file, bytes, 2, INT64_MAX, &err), KV_CORRUPT);
	ck_assert_int_eq(file_read_at(&file, bytes, 1, UINT64_C(1) << 60, &err), KV_CORRUPT);
	file_close(&file);
}
END_TEST

START_TEST(an_offset_beyond_what_files_have_is_no_space)
{
	struct file file;

	make_file("a", "12345");
	ck_assert_int_eq(file_open(&dir, "a", FILE_READ_WRITE, &file, &err), KV_OK);
	ck_assert_int_eq(file_write_at(&file, slice_of("x", 1), UINT64_MAX, &err), KV_NO_SPACE);
	ck_assert_int_eq(file_truncate(&file, UINT64_MAX, &err), KV_NO_SPACE);
	ck_assert_int_eq(file_allocate(&file, UINT64_MAX, &err), KV_NO_SPACE);
	file_close(&file);
	assert_content("a", "12345");
}
END_TEST

START_TEST(interrupted_calls_are_tried_again)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PREAD, FAULT_PWRITEV, FAULT_FTRUNCATE,
		FAULT_FALLOCATE, FAULT_LOCK };
	struct file file;
	char bytes[5];

	for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; i++)
		for (uint64_t n = 1; n <= 2; n++)
			fault_fs_fail(fault, ops[i], n, EINTR);
	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	ck_assert_int_eq(file_lock(&file, &err), KV_OK);
	ck_assert_int_eq(file_allocate(&file, 100, &err), KV_OK);
	ck_assert_int_eq(file_truncate(&file, 5, &err), KV_OK);
	ck_assert_int_eq(file_write_at(&file, slice_of("12345", 5), 0, &err), KV_OK);
	ck_assert_int_eq(file_read_at(&file, bytes, 5, 0, &err), KV_OK);
	ck_assert_mem_eq(bytes, "12345", 5);
	ck_assert_uint_eq(fault_fs_failed(fault), 12);
	file_close(&file);
}
END_TEST

START_TEST(a_sync_is_never_tried_again)
{
	static const int errnums[] = { EIO, EINTR, ENOSPC };
	struct file file;

	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	for (unsigned i = 0; i < 3; i++) {
		fault_fs_fail(fault, FAULT_FDATASYNC, 1, errnums[i]);
		ck_assert_int_ne(file_sync(&file, &err), KV_OK);
		ck_assert_int_eq(err.errnum, errnums[i]);
		ck_assert_uint_eq(fault_fs_count(fault, FAULT_FDATASYNC), i + 1);
		fault_fs_heal(fault);
	}
	file_close(&file);
}
END_TEST

/* Other names may be lost with that failure, though the next sync would succeed. */
START_TEST(after_a_failed_sync_a_directory_is_not_synced_any_more)
{
	static const int errnums[] = { EIO, EINTR, ENOSPC, EAGAIN };

	for (unsigned i = 0; i < sizeof errnums / sizeof errnums[0]; i++) {
		uint64_t syncs = fault_fs_count(fault, FAULT_FSYNC);

		ck_assert_int_eq(dir_sync(&dir, &err), KV_OK);
		fault_fs_fail(fault, FAULT_FSYNC, 1, errnums[i]);
		for (unsigned k = 0; k < 3; k++) {
			ck_assert_int_eq(dir_sync(&dir, &err), KV_IO);
			ck_assert_int_eq(err.status, KV_IO);
			ck_assert_int_eq(err.errnum, errnums[i]);
			ck_assert_str_eq(err.file, path);
			ck_assert_int_eq(dir_sync(&dir, NULL), KV_IO);
		}
		ck_assert_uint_eq(fault_fs_count(fault, FAULT_FSYNC), syncs + 2);
		ck_assert_int_eq(file_replace(&dir, "name", "temp", slice_of("new", 3), &err), KV_UNCERTAIN);
		reopen();
		ck_assert_int_eq(dir_sync(&dir, &err), KV_OK);
	}
}
END_TEST

START_TEST(only_a_lock_is_ever_busy)
{
	struct file file;

	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	fault_fs_fail(fault, FAULT_FDATASYNC, 1, EAGAIN);
	ck_assert_int_eq(file_sync(&file, &err), KV_IO);
	fault_fs_fail(fault, FAULT_PWRITEV, 1, EAGAIN);
	ck_assert_int_eq(file_write_at(&file, slice_of("12345", 5), 0, &err), KV_IO);
	fault_fs_fail(fault, FAULT_LOCK, 1, EAGAIN);
	ck_assert_int_eq(file_lock(&file, &err), KV_BUSY);
	ck_assert_int_eq(err.status, KV_BUSY);
	ck_assert_int_eq(file_lock(&file, NULL), KV_OK);
	file_close(&file);
}
END_TEST

START_TEST(errors_name_file_offset_and_errno)
{
	struct file file;
	uint64_t bytes;
	char byte;

	make_file("a", "12345");
	ck_assert_int_eq(file_open(&dir, "a", FILE_READ_WRITE, &file, &err), KV_OK);
	fault_fs_fail(fault, FAULT_PREAD, 1, EIO);
	ck_assert_int_eq(file_read_at(&file, &byte, 1, 3, &err), KV_IO);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert_uint_eq(err.offset, 3);
	ck_assert_ptr_nonnull(strstr(err.file, "/a"));
	fault_fs_fail(fault, FAULT_PWRITEV, 1, EDQUOT);
	ck_assert_int_eq(file_write_at(&file, slice_of("x", 1), 77, &err), KV_NO_SPACE);
	ck_assert_int_eq(err.errnum, EDQUOT);
	ck_assert_uint_eq(err.offset, 77);
	fault_fs_fail(fault, FAULT_SIZE, 1, EIO);
	ck_assert_int_eq(file_size(&file, &bytes, &err), KV_IO);
	fault_fs_fail(fault, FAULT_FTRUNCATE, 1, EIO);
	ck_assert_int_eq(file_truncate(&file, 1, &err), KV_IO);
	fault_fs_fail(fault, FAULT_FALLOCATE, 1, ENOSPC);
	ck_assert_int_eq(file_allocate(&file, 1 << 20, &err), KV_NO_SPACE);
	file_close(&file);
	assert_content("a", "12345");
}
END_TEST

START_TEST(a_write_that_makes_no_progress_ends)
{
	struct file file;
	struct fault_rule torn = { .op = FAULT_PWRITEV, .nth = 1, .errnum = ENOSPC, .torn_bytes = 2 };
	uint64_t bytes = 0;

	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	fault_fs_add(fault, torn);
	ck_assert_int_eq(file_write_at(&file, slice_of("12345", 5), 0, &err), KV_NO_SPACE);
	ck_assert_int_eq(file_size(&file, &bytes, &err), KV_OK);
	ck_assert_uint_eq(bytes, 2);
	file_close(&file);
}
END_TEST

START_TEST(allocated_space_reads_as_zeros_and_keeps_the_content)
{
	static const int errnums[] = { 0, EOPNOTSUPP, ENOSYS };
	struct file file;
	uint8_t bytes[100];
	uint64_t size;

	for (unsigned i = 0; i < 3; i++) {
		dir_unlink(&dir, "a", NULL);
		make_file("a", "12345");
		ck_assert_int_eq(file_open(&dir, "a", FILE_READ_WRITE, &file, &err), KV_OK);
		if (errnums[i] != 0)
			fault_fs_fail_from(fault, FAULT_FALLOCATE, 1, errnums[i]);
		ck_assert_int_eq(file_allocate(&file, 100, &err), KV_OK);
		ck_assert_int_eq(file_allocate(&file, 50, &err), KV_OK);
		ck_assert_int_eq(file_size(&file, &size, &err), KV_OK);
		ck_assert_uint_eq(size, 100);
		ck_assert_int_eq(file_read_at(&file, bytes, 100, 0, &err), KV_OK);
		ck_assert_mem_eq(bytes, "12345\0\0\0", 8);
		ck_assert_uint_eq(bytes[99], 0);
		file_close(&file);
		fault_fs_heal(fault);
	}
}
END_TEST

START_TEST(space_is_really_taken_where_there_is_no_fallocate)
{
	struct file file;

	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	fault_fs_fail_from(fault, FAULT_FALLOCATE, 1, EOPNOTSUPP);
	fault_fs_add(fault, (struct fault_rule){ .op = FAULT_PWRITEV, .nth = 3, .errnum = ENOSPC });
	ck_assert_int_eq(file_allocate(&file, 1 << 20, &err), KV_NO_SPACE);
	ck_assert_int_eq(file_allocate(&file, 1 << 20, &err), KV_OK);
	file_close(&file);
}
END_TEST

START_TEST(zeros_are_written_where_they_are_asked_for)
{
	enum { FROM = 3, TO = 200 * 1000 + 1, END = TO + 5 };
	uint8_t *bytes = malloc(END);
	struct file file;

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, 'x', END);
	ck_assert_int_eq(file_open(&dir, "a", FILE_CREATE, &file, &err), KV_OK);
	ck_assert_int_eq(file_write_at(&file, slice_of(bytes, END), 0, &err), KV_OK);
	ck_assert_int_eq(file_write_zeros(&file, TO, FROM, &err), KV_OK);
	ck_assert_int_eq(file_write_zeros(&file, FROM, TO, &err), KV_OK);
	ck_assert_int_eq(file_read_at(&file, bytes, END, 0, &err), KV_OK);
	for (size_t i = 0; i < END; i++)
		if (bytes[i] != (i >= FROM && i < TO ? 0 : 'x'))
			ck_abort_msg("byte %zu is %d", i, bytes[i]);
	file_close(&file);
	free(bytes);
}
END_TEST

START_TEST(a_lock_is_busy_for_others_until_it_is_closed)
{
	struct file mine;
	struct file other;

	ck_assert_int_eq(file_open(&dir, "LOCK", FILE_OPEN_OR_CREATE, &mine, &err), KV_OK);
	ck_assert_int_eq(file_open(&dir, "LOCK", FILE_OPEN_OR_CREATE, &other, &err), KV_OK);
	ck_assert_int_eq(file_lock(&mine, &err), KV_OK);
	ck_assert_int_eq(file_lock(&other, &err), KV_BUSY);
	ck_assert_int_eq(err.status, KV_BUSY);
	file_close(&mine);
	ck_assert_int_eq(file_lock(&other, &err), KV_OK);
	file_close(&other);
}
END_TEST

/* ---- whole files ---- */

START_TEST(a_whole_file_is_read_up_to_the_limit)
{
	struct buf buf = { 0 };

	make_file("a", "12345");
	make_file("empty", "");
	ck_assert_int_eq(file_read_whole(&dir, "a", 5, &buf, &err), KV_OK);
	ck_assert(slice_equal(buf_slice(&buf), slice_of("12345", 5)));
	ck_assert_int_eq(file_read_whole(&dir, "a", 4, &buf, &err), KV_CORRUPT);
	ck_assert_int_eq(file_read_whole(&dir, "none", 4, &buf, &err), KV_NOT_FOUND);
	fault_fs_fail(fault, FAULT_PREAD, 1, EIO);
	ck_assert_int_eq(file_read_whole(&dir, "a", 5, &buf, &err), KV_IO);
	ck_assert(slice_equal(buf_slice(&buf), slice_of("12345", 5)));
	ck_assert_int_eq(file_read_whole(&dir, "empty", 0, &buf, &err), KV_OK);
	ck_assert_uint_eq(buf.len, 0);
	buf_free(&buf);
}
END_TEST

START_TEST(replacing_syncs_file_then_renames_then_syncs_directory)
{
	static const char *const order[] = { "create temp", "pwritev temp 0 3", "fdatasync temp",
		"rename temp name", "fsync ", NULL };

	fault_fs_record(fault, true);
	ck_assert_int_eq(file_replace(&dir, "name", "temp", slice_of("one", 3), &err), KV_OK);
	ck_assert(fault_fs_in_order(fault, order));
	assert_content("name", "one");
	make_file("temp", "left over from a crash");
	ck_assert_int_eq(file_replace(&dir, "name", "temp", slice_of("two", 3), &err), KV_OK);
	assert_content("name", "two");
	ck_assert(!dir_has(&dir, "temp"));
}
END_TEST

/* Every operation of a replacement fails in turn: the old or the new content, never another; a definite error means
 * the old; and no descriptor and no temporary file stays. */
START_TEST(a_replacement_that_fails_anywhere_leaves_old_or_new)
{
	uint64_t failed_before;
	unsigned uncertain = 0;
	kv_status status;
	bool failed = true;

	ck_assert_int_eq(file_replace(&dir, "name", "temp", slice_of("old", 3), &err), KV_OK);
	for (uint64_t n = 1; failed; n++) {
		failed_before = fault_fs_failed(fault);
		fault_fs_fail(fault, FAULT_ANY, n, EIO);
		status = file_replace(&dir, "name", "temp", slice_of("new", 3), &err);
		failed = fault_fs_failed(fault) > failed_before;
		fault_fs_heal(fault);
		ck_assert(!dir_has(&dir, "temp"));
		if (status == KV_IO) {
			ck_assert_int_eq(err.errnum, EIO);
			assert_content("name", "old");
		} else if (status == KV_OK) {
			assert_content("name", "new");
		} else {
			ck_assert_int_eq(status, KV_UNCERTAIN);
			ck_assert_int_eq(err.status, KV_UNCERTAIN);
			uncertain++;
		}
		reopen();
		ck_assert_int_eq(file_replace(&dir, "name", "temp", slice_of("old", 3), NULL), KV_OK);
		ck_assert_uint_lt(n, 50);
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert_uint_eq(uncertain, 2); /* the rename may have been done, and the sync after it */
}
END_TEST

START_TEST(a_failed_directory_sync_leaves_the_outcome_open)
{
	fault_fs_fail(fault, FAULT_FSYNC, 1, EIO);
	ck_assert_int_eq(file_replace(&dir, "name", "temp", slice_of("new", 3), &err), KV_UNCERTAIN);
	ck_assert_int_eq(err.status, KV_UNCERTAIN);
	ck_assert_int_eq(err.errnum, EIO);
	assert_content("name", "new");
}
END_TEST

START_TEST(every_allocation_failing_in_turn_is_reported)
{
	struct buf buf = { 0 };
	struct dir sub = { .fd = -1 };
	kv_status status;
	char *full = below("sub");
	bool failed = true;

	make_file("a", "12345");
	for (uint64_t n = 1; failed; n++) {
		fault_alloc_fail(n, false);
		status = dir_open(fs, full, true, &sub, &err);
		if (status == KV_OK) {
			dir_close(&sub);
			status = dir_open_at(&dir, "sub", true, &sub, &err);
		}
		if (status == KV_OK) {
			dir_close(&sub);
			status = file_read_whole(&dir, "a", 10, &buf, &err);
		}
		failed = fault_alloc_failed() > 0;
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, failed ? KV_NO_MEMORY : KV_OK);
		ck_assert_int_eq(sub.fd, -1);
		buf_free(&buf);
		ck_assert_int_eq(n >= 7, !failed);
	}
	free(full);
}
END_TEST

static Suite *file_suite(void)
{
	Suite *suite = suite_create("file");
	TCase *tc = tcase_create("file");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_new_file_is_private_and_a_taken_name_is_refused);
	tcase_add_test(tc, a_missing_file_is_not_found);
	tcase_add_test(tc, links_fifos_and_directories_are_refused_without_waiting);
	tcase_add_test(tc, names_with_a_path_or_too_long_are_refused);
	tcase_add_test(tc, a_directory_is_created_private_and_its_parent_synced);
	tcase_add_test(tc, a_directory_that_is_there_is_synced_in_its_parent_all_the_same);
	tcase_add_test(tc, a_closed_parent_matters_only_for_what_we_made);
	tcase_add_test(tc, a_new_directory_below_a_closed_one_is_refused_and_not_left_there);
	tcase_add_test(tc, a_parent_that_cannot_be_synced_matters_only_for_what_we_made);
	tcase_add_test(tc, a_directory_in_another_is_synced_as_all_in_it);
	tcase_add_test(tc, opening_a_directory_fails_cleanly_at_every_call);
	tcase_add_test(tc, relative_paths_and_trailing_slashes_are_understood);
	tcase_add_test(tc, a_list_gives_every_name_once_and_can_be_repeated);
	tcase_add_test(tc, a_rename_replaces_only_when_it_may);
	tcase_add_test(tc, a_file_system_without_noreplace_keeps_what_exists);
	tcase_add_test(tc, two_files_exchange_their_names_in_one_step);
	tcase_add_test(tc, links_and_unlinks_say_what_is_missing_or_taken);
	tcase_add_test(tc, free_space_is_told);
	tcase_add_test(tc, short_reads_and_writes_are_continued);
	tcase_add_test(tc, writing_nothing_calls_nothing);
	tcase_add_test(tc, an_early_end_is_damage_at_its_offset);
	tcase_add_test(tc, an_offset_beyond_what_files_have_is_no_space);
	tcase_add_test(tc, interrupted_calls_are_tried_again);
	tcase_add_test(tc, a_sync_is_never_tried_again);
	tcase_add_test(tc, after_a_failed_sync_a_directory_is_not_synced_any_more);
	tcase_add_test(tc, only_a_lock_is_ever_busy);
	tcase_add_test(tc, errors_name_file_offset_and_errno);
	tcase_add_test(tc, a_write_that_makes_no_progress_ends);
	tcase_add_test(tc, allocated_space_reads_as_zeros_and_keeps_the_content);
	tcase_add_test(tc, space_is_really_taken_where_there_is_no_fallocate);
	tcase_add_test(tc, zeros_are_written_where_they_are_asked_for);
	tcase_add_test(tc, a_lock_is_busy_for_others_until_it_is_closed);
	tcase_add_test(tc, a_whole_file_is_read_up_to_the_limit);
	tcase_add_test(tc, replacing_syncs_file_then_renames_then_syncs_directory);
	tcase_add_test(tc, a_replacement_that_fails_anywhere_leaves_old_or_new);
	tcase_add_test(tc, a_failed_directory_sync_leaves_the_outcome_open);
	tcase_add_test(tc, every_allocation_failing_in_turn_is_reported);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return runner_run(file_suite());
}
