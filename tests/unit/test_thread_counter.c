/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters by thread: no count is lost, however many threads there are. */
#include "engine/thread_counter.h"

#include "support/runner.h"

#include <pthread.h>

enum { THREADS = 3 * THREAD_COUNTER_LINES, ADDS = 20000 };

static struct {
	_Alignas(THREAD_COUNTER_LINE_BYTES) _Atomic uint64_t value;
} lines[THREAD_COUNTER_LINES];
static _Atomic unsigned owners[THREAD_COUNTER_LINES];

static void *count(void *arg)
{
	unsigned line = thread_counter_line();

	(void)arg;
	atomic_fetch_add(&owners[line], 1);
	for (unsigned i = 0; i < ADDS; i++)
		thread_counter_add(&lines[line].value, line, 1 + i % 2);
	if (thread_counter_line() != line)
		atomic_fetch_add(&owners[0], 1000);
	return NULL;
}

START_TEST(no_count_is_lost_and_only_the_last_line_is_shared)
{
	pthread_t threads[THREADS];
	uint64_t sum = 0;

	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < THREAD_COUNTER_LINES; i++)
		sum += atomic_load(&lines[i].value);
	ck_assert_uint_eq(sum, (uint64_t)THREADS * ADDS / 2 * 3);
	for (unsigned i = 0; i < THREAD_COUNTER_SHARED; i++)
		ck_assert_uint_le(atomic_load(&owners[i]), 1);
	ck_assert_uint_ge(atomic_load(&owners[THREAD_COUNTER_SHARED]), THREADS - THREAD_COUNTER_SHARED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("thread_counter");
	TCase *tc = tcase_create("thread_counter");

	tcase_add_test(tc, no_count_is_lost_and_only_the_last_line_is_shared);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
