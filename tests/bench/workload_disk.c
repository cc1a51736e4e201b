/* SPDX-License-Identifier: BSD-2-Clause */
/* What the disk can do: the limit of a synced put by one thread. */
#include "bench/run.h"
#include "support/die.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SPACE = 64 << 20, /* of the file, written before the clock runs */
	PAGE = 4096,
	RECORD = 150,
};

static int make_file(const char *dir)
{
	static char zeros[1 << 20];
	char path[4096];
	int ret;

	snprintf(path, sizeof path, "%s/diskrate", dir);
	ret = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (ret < 0)
		die_errno("cannot make %s", path);
	for (int i = 0; i < SPACE / (int)sizeof zeros; i++)
		if (write(ret, zeros, sizeof zeros) != sizeof zeros)
			die_errno("cannot write %s", path);
	if (fsync(ret) != 0)
		die_errno("cannot sync %s", path);
	return ret;
}

/* 150 bytes at the beginning of the next page, and fdatasync. */
void disk_rate(struct run *run)
{
	int fd = make_file(run->settings->dir);
	uint64_t last, now, end = UINT64_MAX;
	char record[RECORD];

	memset(record, 'x', sizeof record);
	run->at_begin = figures_now();
	last = run->at_begin.clock_ns;
	if (run->settings->max_seconds != 0)
		end = last + run->settings->max_seconds * 1000000000;
	for (; run->ops < run->settings->ops && last < end; run->ops++) {
		if (pwrite(fd, record, sizeof record, (off_t)(run->ops * PAGE % SPACE)) != RECORD || fdatasync(fd) != 0)
			die_errno("cannot write");
		now = clock_monotonic_ns();
		histogram_add(&run->histogram, now - last);
		last = now;
		run->user_bytes += RECORD;
	}
	run->at_end = figures_now();
	run->seconds = (double)(last - run->at_begin.clock_ns) / 1e9;
	close(fd);
}
