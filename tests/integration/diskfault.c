/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into the daemon: a sync of the log that fails once, as Linux fails it. The file $DISKFAULT has two bytes, which a test and the
 * daemon share: "s0" lets the next fdatasync of a log segment fail with EIO; "f0" then says that it did, and "f1" that the same file was
 * synced once more, which would tell a lie.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int (*real)(int);
static _Atomic char *orders;
static _Atomic ino_t failed;

static __attribute__((constructor)) void start(void)
{
	const char *path = getenv("DISKFAULT");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at = fd >= 0 ? mmap(NULL, 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED || !real)
		abort();
	orders = at;
}

static bool is_log(int fd)
{
	char link[64], path[4096];
	ssize_t len;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path);
	return len > 4 && memcmp(path + len - 4, ".wal", 4) == 0;
}

int fdatasync(int fd)
{
	char wanted = 's';
	struct stat st;

	if (!is_log(fd) || fstat(fd, &st) != 0)
		return real(fd);
	if (atomic_compare_exchange_strong(&orders[0], &wanted, 'f')) {
		atomic_store(&failed, st.st_ino);
		errno = EIO;
		return -1;
	}
	if (atomic_load(&failed) == st.st_ino)
		atomic_store(&orders[1], '1');
	return real(fd);
}
