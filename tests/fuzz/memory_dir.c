/* SPDX-License-Identifier: BSD-2-Clause */
/* A few files in memory: a descriptor is an index, more FIRST_FD, and all of it is one thread's. What no reader or writer of one file calls is
 * not there. */
#define _GNU_SOURCE
#include "fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_FD = 1000, DIR_FD = 999 };

static struct fuzz_file *find(struct fuzz_dir *dir, const char *name)
{
	for (size_t i = 0; i < FUZZ_FILES_MAX; i++)
		if (strcmp(dir->files[i].name, name) == 0)
			return &dir->files[i];
	return NULL;
}

static struct fuzz_file *create(struct fuzz_dir *dir, const char *name)
{
	struct fuzz_file *file = find(dir, "");

	FUZZ_REQUIRE(file != NULL && strlen(name) < sizeof file->name);
	snprintf(file->name, sizeof file->name, "%s", name);
	return file;
}

static void remove_file(struct fuzz_file *file)
{
	buf_free(&file->content);
	file->name[0] = '\0';
}

static int fail(int errnum)
{
	errno = errnum;
	return -1;
}

static int mem_open(void *ctx, int dir_fd, const char *name, int flags, mode_t mode)
{
	struct fuzz_dir *dir = ctx;
	struct fuzz_file *file = find(dir, name);

	(void)mode;
	if (dir_fd != DIR_FD)
		return DIR_FD;
	if (!file && (flags & O_CREAT) == 0)
		return fail(ENOENT);
	if (file && (flags & O_EXCL) != 0)
		return fail(EEXIST);
	if (!file)
		file = create(dir, name);
	return FIRST_FD + (int)(file - dir->files);
}

static int nothing(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return 0;
}

static ssize_t mem_pread(void *ctx, int fd, void *to, size_t len, off_t offset)
{
	struct fuzz_dir *dir = ctx;
	struct slice content = buf_slice(&dir->files[fd - FIRST_FD].content);

	if ((uint64_t)offset >= content.len)
		return 0;
	if (len > content.len - (size_t)offset)
		len = content.len - (size_t)offset;
	memcpy(to, content.data + offset, len);
	return (ssize_t)len;
}

static ssize_t mem_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	struct fuzz_dir *dir = ctx;
	struct buf *content = &dir->files[fd - FIRST_FD].content;
	ssize_t done = 0;

	for (int i = 0; i < count; i++) {
		size_t end = (size_t)offset + (size_t)done + iov[i].iov_len;

		if (end > content->len && buf_append_zeros(content, end - content->len) != KV_OK)
			return fail(ENOSPC);
		if (iov[i].iov_len > 0)
			memcpy(content->data + offset + done, iov[i].iov_base, iov[i].iov_len);
		done += (ssize_t)iov[i].iov_len;
	}
	return done;
}

static int mem_rename(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to, unsigned flags)
{
	struct fuzz_dir *dir = ctx;
	struct fuzz_file *file = find(dir, from), *old = find(dir, to);

	(void)from_dir_fd;
	(void)to_dir_fd;
	(void)flags;
	if (!file)
		return fail(ENOENT);
	if (old)
		remove_file(old);
	snprintf(file->name, sizeof file->name, "%s", to);
	return 0;
}

static int mem_unlink(void *ctx, int dir_fd, const char *name)
{
	struct fuzz_file *file = find(ctx, name);

	(void)dir_fd;
	if (!file)
		return fail(ENOENT);
	remove_file(file);
	return 0;
}

static int mem_size(void *ctx, int fd, uint64_t *ret_bytes)
{
	struct fuzz_dir *dir = ctx;

	*ret_bytes = dir->files[fd - FIRST_FD].content.len;
	return 0;
}

static int mem_writeback(void *ctx, int fd, off_t offset, off_t len)
{
	(void)offset;
	(void)len;
	return nothing(ctx, fd);
}

static const struct fs_ops memory_ops = {
	.open = mem_open,
	.close = nothing,
	.pread = mem_pread,
	.pwritev = mem_pwritev,
	.fdatasync = nothing,
	.fsync = nothing,
	.writeback = mem_writeback,
	.rename = mem_rename,
	.unlink = mem_unlink,
	.size = mem_size,
};

void fuzz_dir_open(struct fuzz_dir *dir)
{
	*dir = (struct fuzz_dir){ .fs = { .ops = &memory_ops } };
	dir->fs.ctx = dir;
	FUZZ_REQUIRE(dir_open(&dir->fs, "memory", false, &dir->dir, NULL) == KV_OK);
}

void fuzz_dir_close(struct fuzz_dir *dir)
{
	for (size_t i = 0; i < FUZZ_FILES_MAX; i++)
		remove_file(&dir->files[i]);
	dir_close(&dir->dir);
}

void fuzz_dir_put(struct fuzz_dir *dir, const char *name, struct slice content)
{
	struct fuzz_file *file = find(dir, name);

	if (!file)
		file = create(dir, name);
	FUZZ_REQUIRE(buf_set(&file->content, content) == KV_OK);
}

struct slice fuzz_dir_get(const struct fuzz_dir *dir, const char *name)
{
	struct fuzz_file *file = find((struct fuzz_dir *)(uintptr_t)dir, name);

	return file ? buf_slice(&file->content) : slice_of(NULL, 0);
}
