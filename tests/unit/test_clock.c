/* SPDX-License-Identifier: BSD-2-Clause */
/* Time, with the system's clock in our hand (the linker sends clock_gettime here). */
#include "base/clock.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static bool faked;
static struct timespec fake;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!faked)
		return __real_clock_gettime(clock, ret);
	*ret = fake;
	return 0;
}

/* What `read` says while the system's clocks stand at this time. Check reads the clock, too, so it is ours only
 * during the call. */
static uint64_t at(uint64_t (*read)(void), time_t seconds, long ns)
{
	uint64_t ret;

	faked = true;
	fake = (struct timespec){ .tv_sec = seconds, .tv_nsec = ns };
	ret = read();
	faked = false;
	return ret;
}

START_TEST(units_are_what_the_names_say)
{
	ck_assert_uint_eq(at(clock_monotonic_ns, 1700000000, 123456789), UINT64_C(1700000000123456789));
	ck_assert_uint_eq(at(clock_monotonic_coarse_ms, 1700000000, 123999999), UINT64_C(1700000000123));
	ck_assert_uint_eq(at(clock_monotonic_us, 1700000000, 123456789), UINT64_C(1700000000123456));
	ck_assert_uint_eq(at(clock_wall_us, 1700000000, 123456789), UINT64_C(1700000000123456));
	ck_assert_uint_eq(at(clock_wall_ms, 1700000000, 123456789), UINT64_C(1700000000123));
	ck_assert_uint_eq(at(clock_realtime_us, 1700000000, 123456789), UINT64_C(1700000000123456));
}
END_TEST

START_TEST(wall_time_stands_still_while_the_clock_is_behind)
{
	ck_assert_uint_eq(at(clock_wall_us, 1000, 0), 1000000000);
	ck_assert_uint_eq(at(clock_wall_us, 999, 999999999), 1000000000);
	ck_assert_uint_eq(at(clock_wall_ms, 999, 999999999), 1000000);
	ck_assert_uint_eq(at(clock_wall_us, 10, 0), 1000000000);
	ck_assert_uint_eq(at(clock_wall_us, -5, 0), 1000000000);
	ck_assert_uint_eq(at(clock_wall_us, 1000, 1000), 1000000001);
}
END_TEST

START_TEST(real_time_goes_back_with_its_clock)
{
	ck_assert_uint_eq(at(clock_wall_us, 1000, 0), 1000000000);
	ck_assert_uint_eq(at(clock_realtime_us, 1000, 1000), 1000000001);
	ck_assert_uint_eq(at(clock_realtime_us, 10, 0), 10000000);
}
END_TEST

START_TEST(a_clock_before_1970_counts_as_1970)
{
	ck_assert_uint_eq(at(clock_wall_us, -5, 0), 0);
	ck_assert_uint_eq(at(clock_realtime_us, -5, 0), 0);
}
END_TEST

START_TEST(monotonic_time_follows_its_clock_whatever_wall_time_does)
{
	ck_assert_uint_eq(at(clock_wall_us, 1000, 0), 1000000000);
	ck_assert_uint_eq(at(clock_monotonic_ns, 5, 7), UINT64_C(5000000007));
}
END_TEST

START_TEST(the_real_clocks_are_read)
{
	uint64_t wall = clock_wall_us();
	uint64_t mono = clock_monotonic_ns();

	ck_assert_uint_gt(wall, UINT64_C(1700000000) * 1000000);
	ck_assert_uint_ge(clock_wall_us(), wall);
	ck_assert_uint_ge(clock_monotonic_ns(), mono);
}
END_TEST

static void *read_clock(void *arg)
{
	uint64_t before = 0;
	atomic_bool *wrong = arg;

	for (int i = 0; i < 20000; i++) {
		uint64_t after = clock_wall_us();

		if (after < before)
			atomic_store(wrong, true);
		before = after;
	}
	return NULL;
}

START_TEST(threads_see_one_clock_that_only_goes_on)
{
	pthread_t threads[4];
	atomic_bool wrong = false;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_clock, &wrong), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert(!atomic_load(&wrong));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tc = tcase_create("clock");

	tcase_add_test(tc, units_are_what_the_names_say);
	tcase_add_test(tc, wall_time_stands_still_while_the_clock_is_behind);
	tcase_add_test(tc, real_time_goes_back_with_its_clock);
	tcase_add_test(tc, a_clock_before_1970_counts_as_1970);
	tcase_add_test(tc, monotonic_time_follows_its_clock_whatever_wall_time_does);
	tcase_add_test(tc, the_real_clocks_are_read);
	tcase_add_test(tc, threads_see_one_clock_that_only_goes_on);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
