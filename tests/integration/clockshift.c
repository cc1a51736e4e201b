/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into the daemon: its wall clock differs from the machine's by the seconds that stand in the file $CLOCKSHIFT, as 8 bytes in the machine's
 * order, which a test changes while the daemon runs. The monotonic clock is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int (*clock_function)(clockid_t, struct timespec *);

static clock_function real;
static const volatile int64_t *shift;

static __attribute__((constructor)) void start(void)
{
	const char *path = getenv("CLOCKSHIFT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd >= 0 ? mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		abort();
	shift = at;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int result = real ? real(clock, ret) : -1;

	if (result == 0 && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret->tv_sec += *shift;
	return result;
}
