/* SPDX-License-Identifier: BSD-2-Clause */
/* Figures of the process, from /proc/self and getrusage. */
#define _GNU_SOURCE
#include "bench/figures.h"

#include "base/clock.h"
#include "support/die.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* The number behind `name` in a file of lines "name: number"; 0 when it is not there. */
static uint64_t proc_number(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	size_t len = strlen(name);
	uint64_t ret = 0;
	char line[256];

	if (!file)
		die_errno("cannot open %s", path);
	while (fgets(line, sizeof line, file)) {
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			if (sscanf(line + len + 1, "%" SCNu64, &ret) != 1)
				die("%s is not understood: %s", path, line);
			break;
		}
	}
	fclose(file);
	return ret;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static char device_stat[64]; /* "": none */

void figures_device(const char *dir)
{
	struct stat status;

	if (stat(dir, &status) != 0)
		die_errno("cannot look at %s", dir);
	snprintf(device_stat, sizeof device_stat, "/sys/dev/block/%u:%u/stat", major(status.st_dev), minor(status.st_dev));
	if (access(device_stat, R_OK) != 0)
		device_stat[0] = '\0';
}

/* The seventh number: sectors of 512 bytes written (Documentation/block/stat.rst of Linux). */
static uint64_t device_bytes(void)
{
	FILE *file = fopen(device_stat, "re");
	uint64_t sectors = 0;

	if (!file || fscanf(file, "%*u %*u %*u %*u %*u %*u %" SCNu64, &sectors) != 1)
		die_errno("cannot read %s", device_stat);
	fclose(file);
	return sectors * 512;
}

void figures_flush(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) != 0)
		die_errno("cannot sync %s", dir);
	close(fd);
}

struct figures figures_now(void)
{
	uint64_t dirtied = proc_number("/proc/self/io", "write_bytes");

	return (struct figures){
		.cpu_s = cpu_seconds(),
		.device_bytes = device_stat[0] ? device_bytes() : dirtied,
		.dirtied_bytes = dirtied,
		.call_bytes = proc_number("/proc/self/io", "wchar"),
		.read_bytes = proc_number("/proc/self/io", "read_bytes"),
		.clock_ns = clock_monotonic_ns(),
	};
}

uint64_t figures_peak_bytes(void)
{
	return proc_number("/proc/self/status", "VmHWM") * 1024;
}

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
}

static struct {
	pthread_t thread;
	atomic_bool stop;
	uint64_t peak; /* the thread's until it was joined */
} watch;

static void *watcher(void *arg)
{
	uint64_t now;

	(void)arg;
	for (;;) {
		now = proc_number("/proc/self/status", "RssAnon") * 1024;
		if (now > watch.peak)
			watch.peak = now;
		if (atomic_load(&watch.stop))
			return NULL;
		pause_ms(100);
	}
}

void figures_watch_start(void)
{
	if (pthread_create(&watch.thread, NULL, watcher, NULL) != 0)
		die("cannot start a thread");
}

uint64_t figures_watch_stop(void)
{
	atomic_store(&watch.stop, true);
	pthread_join(watch.thread, NULL);
	return watch.peak;
}

static uint64_t blocks; /* of the walk under way */

static int add_blocks(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)path, (void)at;
	if (kind == FTW_F)
		blocks += (uint64_t)status->st_blocks;
	return 0;
}

uint64_t figures_disk_bytes(const char *path)
{
	blocks = 0;
	/* a file that is removed meanwhile is no failure */
	nftw(path, add_blocks, 16, FTW_PHYS);
	return blocks * 512;
}

bool figures_wait_idle(unsigned idle_ms, unsigned timeout_s)
{
	enum { STEP_MS = 100 };
	uint64_t end_ns = clock_monotonic_ns() + (uint64_t)timeout_s * 1000000000;
	struct figures last = figures_now(), now;

	for (unsigned quiet_ms = 0; quiet_ms < idle_ms;) {
		if (clock_monotonic_ns() > end_ns)
			return false;
		pause_ms(STEP_MS);
		now = figures_now();
		/* a thread that looks around now and then is idle */
		if (now.cpu_s - last.cpu_s < 0.02 * STEP_MS / 1e3 + 0.001 && now.dirtied_bytes == last.dirtied_bytes)
			quiet_ms += STEP_MS;
		else
			quiet_ms = 0;
		last = now;
	}
	return true;
}

double figures_clock_cost_ns(void)
{
	enum { ROUNDS = 20, READINGS = 5000 };
	uint64_t best = UINT64_MAX, start, last;

	for (int round = 0; round < ROUNDS; round++) {
		start = last = clock_monotonic_ns();
		for (int i = 0; i < READINGS; i++)
			last = clock_monotonic_ns();
		if (last - start < best)
			best = last - start;
	}
	return (double)best / READINGS;
}
