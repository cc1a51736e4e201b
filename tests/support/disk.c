/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/disk.h"

#include "support/runner.h"

#include <stdio.h>
#include <stdlib.h>

const uint8_t disk_flips[DISK_FLIPS] = { 0x01, 0x80, 0xff };

/* No test cuts the power: what it simulates of that, it does with copies. So a sync need not wait. */
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

static FILE *open_raw(const struct disk *disk, const char *name, const char *mode)
{
	char *path;
	FILE *file;

	ck_assert_int_gt(asprintf(&path, "%s/%s", disk->path, name), 0);
	file = fopen(path, mode);
	ck_assert_msg(file != NULL, "%s", path);
	free(path);
	return file;
}

struct buf disk_read(const struct disk *disk, const char *name)
{
	FILE *file = open_raw(disk, name, "rb");
	struct buf ret = { 0 };
	long len;

	ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
	len = ftell(file);
	ck_assert_int_ge(len, 0);
	rewind(file);
	ck_assert_int_eq(buf_append_zeros(&ret, (size_t)len), KV_OK);
	ck_assert_uint_eq(len > 0 ? fread(ret.data, 1, ret.len, file) : 0, ret.len);
	fclose(file);
	return ret;
}

void disk_write(const struct disk *disk, const char *name, struct slice content)
{
	FILE *file = open_raw(disk, name, "wb");

	if (content.len > 0)
		ck_assert_uint_eq(fwrite(content.data, 1, content.len, file), content.len);
	ck_assert_int_eq(fclose(file), 0);
}
