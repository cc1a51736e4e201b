/* SPDX-License-Identifier: BSD-2-Clause */
/* A piece that was given back is the next one, and never belongs to two. */
#include "engine/iter_spare.h"

#include "base/huge_pages.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 2000, THREADS = 2 * THREAD_COUNTER_LINES, ROUNDS = 3000, HELD = ITER_SPARE_PIECES + 2 };

static void forget(struct iter_spare *spare)
{
	for (unsigned i = 0; i < THREAD_COUNTER_LINES; i++)
		for (unsigned j = 0; j < ITER_SPARE_PIECES; j++) {
			free(atomic_load(&spare->lines[i].pieces[j]));
			atomic_store(&spare->lines[i].pieces[j], NULL);
		}
}

START_TEST(what_was_given_back_is_taken_again_without_the_heap)
{
	static struct iter_spare spare;
	void *pieces[ITER_SPARE_PIECES], *again;
	uint64_t count;

	for (unsigned i = 0; i < ITER_SPARE_PIECES; i++) {
		pieces[i] = iter_spare_take(&spare, BYTES);
		ck_assert_ptr_nonnull(pieces[i]);
		memset(pieces[i], 1, BYTES);
	}
	for (unsigned i = 0; i < ITER_SPARE_PIECES; i++)
		iter_spare_give(&spare, pieces[i]);
	fault_alloc_fail(0, false);
	for (unsigned i = 0; i < ITER_SPARE_PIECES; i++)
		pieces[i] = iter_spare_take(&spare, BYTES);
	count = fault_alloc_count();
	ck_assert_uint_eq(count, HUGE_PAGES_PLAIN ? ITER_SPARE_PIECES : 0);
	fault_alloc_fail(1, false);
	again = iter_spare_take(&spare, BYTES); /* none is left */
	fault_alloc_fail(0, false);
	ck_assert_ptr_null(again);
	iter_spare_give(&spare, NULL);
	for (unsigned i = 0; i < ITER_SPARE_PIECES; i++)
		iter_spare_give(&spare, pieces[i]);
	forget(&spare);
}
END_TEST

static struct iter_spare shared;
static _Atomic unsigned doubles;

/* Marks its pieces as its own for as long as it holds them. */
static void *take_and_give(void *arg)
{
	uint64_t mine = (uint64_t)(uintptr_t)arg, *held[HELD];

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < HELD; i++) {
			held[i] = iter_spare_take(&shared, BYTES);
			if (!held[i])
				abort();
			*held[i] = mine + i;
		}
		for (unsigned i = 0; i < HELD; i++) {
			if (*held[i] != mine + i)
				atomic_fetch_add(&doubles, 1);
			iter_spare_give(&shared, held[i]);
		}
	}
	return NULL;
}

START_TEST(a_piece_has_one_owner_however_many_threads_share_a_line)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, (void *)(i * 1000)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&doubles), 0);
	forget(&shared);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("iter_spare");
	TCase *tc = tcase_create("iter_spare");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_was_given_back_is_taken_again_without_the_heap);
	tcase_add_test(tc, a_piece_has_one_owner_however_many_threads_share_a_line);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
