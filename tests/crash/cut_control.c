/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel itself loses when powerdisk_cut() is called, without any store: a process writes records of a sector each and syncs each by
 * fdatasync, into space that was written before or at the end of a growing file. Of every cut it is told whether a record is missing whose
 * sync had returned before the cut began (a store would have to be blamed for such a one), and whether one is that returned later.
 *
 * cut_control [CYCLES (100)]; exit status 1 when the former happened, 77 when nothing can be mounted.
 */
#define _GNU_SOURCE
#include "crash/powerdisk.h"
#include "support/die.h"
#include "support/runner.h"
#include "support/tempdir.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RECORD = 512, RECORDS = 20000 };

struct result {
	unsigned lost_before, lost_during;
};

static char *file_of(const struct powerdisk *disk)
{
	char *ret;

	if (asprintf(&ret, "%s/file", powerdisk_path(disk)) < 0)
		die("out of memory");
	return ret;
}

static void make_file(const struct powerdisk *disk, bool grows)
{
	char *path = file_of(disk), zeros[RECORD] = { 0 };
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		die_errno("'%s'", path);
	for (off_t i = 0; !grows && i < RECORDS; i++)
		if (pwrite(fd, zeros, RECORD, i * RECORD) != RECORD)
			die_errno("'%s'", path);
	if (fsync(fd) != 0)
		die_errno("'%s'", path);
	close(fd);
	sync();
	free(path);
}

/* In a child: until something fails. */
static _Noreturn void write_records(const struct powerdisk *disk, _Atomic uint64_t *synced)
{
	char *path = file_of(disk), record[RECORD] = { 0 };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	for (uint64_t i = 1; fd >= 0 && i <= RECORDS; i++) {
		memcpy(record, &i, sizeof i);
		if (pwrite(fd, record, RECORD, (off_t)(i - 1) * RECORD) != RECORD || fdatasync(fd) != 0)
			break;
		atomic_store(synced, i);
	}
	_exit(0);
}

/* How many records are there without a gap. */
static uint64_t count_records(const struct powerdisk *disk)
{
	char *path = file_of(disk), record[RECORD];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t ret = 0, number;

	while (fd >= 0 && pread(fd, record, RECORD, (off_t)ret * RECORD) == RECORD) {
		memcpy(&number, record, sizeof number);
		if (number != ret + 1)
			break;
		ret++;
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return ret;
}

static void cycle(struct powerdisk *disk, bool grows, uint64_t *random, struct result *result)
{
	_Atomic uint64_t *synced = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t before, found;
	pid_t pid;

	if (synced == MAP_FAILED)
		die_errno("mmap");
	make_file(disk, grows);
	pid = fork();
	if (pid < 0)
		die_errno("fork");
	if (pid == 0)
		write_records(disk, synced);
	/* any time is as good as another: nothing is waited for */
	usleep((useconds_t)(500 + runner_random(random) % 20000));
	before = atomic_load(synced);
	powerdisk_cut(disk);
	if (waitpid(pid, NULL, 0) != pid)
		die_errno("waitpid");
	powerdisk_restore(disk);
	found = count_records(disk);
	result->lost_before += found < before;
	result->lost_during += found < atomic_load(synced);
	munmap((void *)(uintptr_t)synced, 4096);
}

int main(int argc, char **argv)
{
	unsigned cycles = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100, blamed = 0;
	uint64_t random = runner_seed();
	char *dir = tempdir_new();
	struct powerdisk *disk = powerdisk_new(dir);

	for (int grows = 0; disk && grows < 2; grows++) {
		struct result result = { 0 };

		for (unsigned i = 0; i < cycles; i++)
			cycle(disk, grows, &random, &result);
		printf("%s: %u cuts; %u lost what was synced before the cut, %u what was synced while it was made\n",
			grows ? "a growing file" : "space written before", cycles, result.lost_before,
			result.lost_during - result.lost_before);
		blamed += result.lost_before;
	}
	if (!disk) {
		tempdir_remove(dir);
		return 77;
	}
	powerdisk_free(disk);
	tempdir_remove(dir);
	return blamed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
