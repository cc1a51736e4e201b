/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "crash/powerdisk.h"

#include "support/die.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the kernel (fs/ext4/ext4.h), in no header for programs. */
#define IOC_SHUTDOWN _IOR('X', 125, uint32_t)
enum { WITHOUT_LOG_FLUSH = 2 };

static const off_t image_bytes = (off_t)256 << 20; /* sparse */

struct powerdisk {
	char *image, *path;
};

extern char **environ;

static bool run(const char *const argv[])
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
		return false;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool mount_it(const struct powerdisk *disk)
{
	return run((const char *const[]){ "mount", "-t", "ext4", "-o", "loop", disk->image, disk->path, NULL });
}

static bool make_image(const struct powerdisk *disk)
{
	int fd = open(disk->image, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ret = fd >= 0 && ftruncate(fd, image_bytes) == 0;

	if (fd >= 0)
		close(fd);
	return ret && mkdir(disk->path, 0700) == 0 &&
		run((const char *const[]){ "mkfs.ext4", "-q", "-F", disk->image, NULL });
}

static char *path_in(const char *dir, const char *name)
{
	char *ret;

	if (asprintf(&ret, "%s/%s", dir, name) < 0)
		die("out of memory");
	return ret;
}

struct powerdisk *powerdisk_new(const char *dir)
{
	struct powerdisk *disk = calloc(1, sizeof *disk);
	const char *why = NULL;

	if (!disk)
		die("out of memory");
	disk->image = path_in(dir, "disk.img");
	disk->path = path_in(dir, "disk");
	if (geteuid() != 0)
		why = "not root";
	else if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		why = "no mounts of our own";
	else if (!make_image(disk))
		why = "no ext4 can be made";
	else if (!mount_it(disk))
		why = "it cannot be mounted";
	if (!why)
		return disk;
	printf("no power can be cut here: %s\n", why);
	free(disk->image);
	free(disk->path);
	free(disk);
	return NULL;
}

struct powerdisk *powerdisk_free(struct powerdisk *disk)
{
	if (!disk)
		return NULL;
	if (umount2(disk->path, 0) != 0)
		die_errno("cannot unmount '%s'", disk->path);
	free(disk->image);
	free(disk->path);
	free(disk);
	return NULL;
}

const char *powerdisk_path(const struct powerdisk *disk)
{
	return disk->path;
}

void powerdisk_cut(struct powerdisk *disk)
{
	uint32_t how = WITHOUT_LOG_FLUSH;
	int fd = open(disk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, IOC_SHUTDOWN, &how) != 0)
		die_errno("the power of '%s' cannot be cut", disk->path);
	close(fd);
}

void powerdisk_restore(struct powerdisk *disk)
{
	if (umount2(disk->path, 0) != 0)
		die_errno("cannot unmount '%s'", disk->path);
	if (!mount_it(disk))
		die("'%s' cannot be mounted after a power cut", disk->path);
}
