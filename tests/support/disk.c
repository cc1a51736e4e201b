/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/disk.h"

#include "support/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

const uint8_t disk_flips[DISK_FLIPS] = { 0x01, 0x80, 0xff };

/* No test cuts the power: what it simulates of that, it does with copies. So a sync need not
 * wait. */
static int no_sync(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return 0;
}

static struct fs_ops fast_ops;
static struct fs fast_fs;

void disk_open(struct disk *disk)
{
	fast_ops = *fs_posix.ops;
	fast_ops.fdatasync = no_sync;
	fast_ops.fsync = no_sync;
	fast_fs = (struct fs){ .ops = &fast_ops, .ctx = fs_posix.ctx };
	disk->path = runner_new_dir();
	disk->fault = fault_fs_new(&fast_fs);
	ck_assert_int_eq(dir_open(fault_fs_fs(disk->fault), disk->path, false, &disk->dir, NULL), KV_OK);
}

void disk_close(struct disk *disk)
{
	dir_close(&disk->dir);
	disk->fault = fault_fs_free(disk->fault);
	runner_remove_dir(disk->path);
}

void disk_reopen(struct disk *disk)
{
	dir_close(&disk->dir);
	ck_assert_int_eq(dir_open(fault_fs_fs(disk->fault), disk->path, false, &disk->dir, NULL), KV_OK);
}

static int open_raw(const struct disk *disk, const char *name, int flags)
{
	int ret = openat(disk->dir.fd, name, flags | O_CLOEXEC, 0600);

	ck_assert_msg(ret >= 0, "%s/%s: %s", disk->path, name, strerror(errno));
	return ret;
}

struct buf disk_read(const struct disk *disk, const char *name)
{
	int fd = open_raw(disk, name, O_RDONLY);
	struct buf ret = { 0 };
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(buf_append_zeros(&ret, (size_t)st.st_size), KV_OK);
	if (ret.len > 0)
		ck_assert_int_eq(pread(fd, ret.data, ret.len, 0), (ssize_t)ret.len);
	close(fd);
	return ret;
}

void disk_write(const struct disk *disk, const char *name, struct slice content)
{
	/* no O_TRUNC: some file systems then write it all out at close */
	int fd = open_raw(disk, name, O_RDWR | O_CREAT);

	ck_assert_int_eq(ftruncate(fd, (off_t)content.len), 0);
	if (content.len > 0)
		ck_assert_int_eq(pwrite(fd, content.data, content.len, 0), (ssize_t)content.len);
	close(fd);
}

void disk_patch(const struct disk *disk, const char *name, uint64_t offset, struct slice content)
{
	int fd = open_raw(disk, name, O_RDWR);

	ck_assert_int_eq(pwrite(fd, content.data, content.len, (off_t)offset), (ssize_t)content.len);
	close(fd);
}
