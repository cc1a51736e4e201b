/* SPDX-License-Identifier: BSD-2-Clause */
/* The wall clock's latest answer is remembered: a later caller, in any thread, never gets an earlier one. */
#include "base/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>

static atomic_uint_fast64_t latest_wall_us;

static struct timespec now(clockid_t clock)
{
	struct timespec ret;
	int result = clock_gettime(clock, &ret);

	/* fails only for a clock that does not exist */
	assert(result == 0);
	(void)result;
	return ret;
}

uint64_t clock_monotonic_ns(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);

	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t clock_monotonic_us(void)
{
	return clock_monotonic_ns() / 1000;
}

uint64_t clock_monotonic_coarse_ms(void)
{
	struct timespec t = now(CLOCK_MONOTONIC_COARSE);

	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t clock_realtime_us(void)
{
	struct timespec t = now(CLOCK_REALTIME);

	/* a clock set before 1970 counts as 1970 */
	return t.tv_sec < 0 ? 0 : (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_wall_us(void)
{
	uint64_t ret = clock_realtime_us();
	uint_fast64_t latest = atomic_load(&latest_wall_us);

	while (latest < ret && !atomic_compare_exchange_weak(&latest_wall_us, &latest, ret))
		;
	return latest < ret ? ret : latest;
}

uint64_t clock_wall_ms(void)
{
	return clock_wall_us() / 1000;
}
