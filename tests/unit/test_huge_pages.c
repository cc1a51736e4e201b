/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory in huge pages: aligned, one's own, and really given back. */
#include "base/huge_pages.h"

#include "support/runner.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES = 100, SMALL = 1000, ROUNDS = 20000 };

START_TEST(pieces_are_aligned_and_apart)
{
	uint8_t *pieces[PIECES];

	for (size_t i = 0; i < PIECES; i++) {
		size_t bytes = (i % 3 + 1) * HUGE_PAGES_BYTES;

		pieces[i] = huge_pages_alloc(bytes, i % 2 == 0);
		ck_assert_ptr_nonnull(pieces[i]);
		ck_assert_uint_eq((uintptr_t)pieces[i] % HUGE_PAGES_BYTES, 0);
		pieces[i][0] = (uint8_t)i;
		pieces[i][bytes - 1] = (uint8_t)i;
	}
	for (size_t i = 0; i < PIECES; i++) {
		ck_assert_uint_eq(pieces[i][0], i);
		ck_assert_uint_eq(pieces[i][(i % 3 + 1) * HUGE_PAGES_BYTES - 1], i);
		huge_pages_free(pieces[i], (i % 3 + 1) * HUGE_PAGES_BYTES);
	}
	huge_pages_free(NULL, HUGE_PAGES_BYTES);
}
END_TEST

START_TEST(what_no_system_can_give_is_null)
{
	ck_assert_ptr_null(huge_pages_alloc((size_t)PTRDIFF_MAX / HUGE_PAGES_BYTES * HUGE_PAGES_BYTES, true));
	ck_assert_ptr_null(huge_pages_alloc(SIZE_MAX / HUGE_PAGES_BYTES * HUGE_PAGES_BYTES, true));
}
END_TEST

/* Pages of address space in use. */
static unsigned long address_space(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return pages;
}

/* As memtables and cached blocks do: pieces of one size come and go in any order, and small allocations between them stay for a while. */
START_TEST(what_came_and_went_does_not_add_up)
{
	uint64_t random = runner_seed();
	void *pieces[PIECES] = { NULL };
	void *small[SMALL] = { NULL };
	unsigned long before = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t i = runner_random(&random) % PIECES, k = runner_random(&random) % SMALL;

		if (round == ROUNDS / 10)
			before = address_space();
		huge_pages_free(pieces[i], HUGE_PAGES_BYTES);
		pieces[i] = NULL;
		free(small[k]);
		small[k] = malloc(100 + runner_random(&random) % 50000);
		ck_assert_ptr_nonnull(small[k]);
		i = runner_random(&random) % PIECES;
		if (!pieces[i])
			pieces[i] = huge_pages_alloc(HUGE_PAGES_BYTES, false);
		ck_assert_ptr_nonnull(pieces[i]);
	}
	ck_assert_uint_lt(address_space(), before + PIECES * (HUGE_PAGES_BYTES / 4096) / 2);
	for (size_t i = 0; i < PIECES; i++)
		huge_pages_free(pieces[i], HUGE_PAGES_BYTES);
	for (size_t k = 0; k < SMALL; k++)
		free(small[k]);
}
END_TEST

/* Under the address sanitizer nothing is kept, so that it sees every use of what was freed. */
static size_t kept(size_t pieces)
{
	return HUGE_PAGES_PLAIN ? 0 : pieces * HUGE_PAGES_BYTES;
}

START_TEST(what_may_be_kept_comes_back_first_and_the_rest_goes)
{
	uint8_t *pieces[4], *large = huge_pages_alloc(2 * HUGE_PAGES_BYTES, true), *again;

	for (size_t i = 0; i < 4; i++) {
		pieces[i] = huge_pages_alloc(HUGE_PAGES_BYTES, true);
		ck_assert_ptr_nonnull(pieces[i]);
	}
	huge_pages_keep(2 * HUGE_PAGES_BYTES + HUGE_PAGES_BYTES / 2);
	huge_pages_keep(HUGE_PAGES_BYTES / 2);
	huge_pages_free(large, 2 * HUGE_PAGES_BYTES);
	ck_assert_uint_eq(huge_pages_kept(), 0); /* only what fits every taker */
	for (size_t i = 0; i < 4; i++)
		huge_pages_free(pieces[i], HUGE_PAGES_BYTES);
	ck_assert_uint_eq(huge_pages_kept(), kept(3));
	again = huge_pages_alloc(HUGE_PAGES_BYTES, true);
	if (!HUGE_PAGES_PLAIN)
		ck_assert_ptr_eq(again, pieces[2]);
	memset(again, 1, HUGE_PAGES_BYTES);
	ck_assert_uint_eq(huge_pages_kept(), kept(2));
	huge_pages_keep_less(2 * HUGE_PAGES_BYTES);
	ck_assert_uint_eq(huge_pages_kept(), kept(1));
	huge_pages_free(again, HUGE_PAGES_BYTES);
	ck_assert_uint_eq(huge_pages_kept(), kept(1));
	huge_pages_give_back();
	ck_assert_uint_eq(huge_pages_kept(), 0);
	huge_pages_keep_less(HUGE_PAGES_BYTES);
}
END_TEST

START_TEST(what_is_given_back_is_really_gone)
{
	uint8_t *pieces[PIECES];
	unsigned long before = address_space();

	huge_pages_keep(PIECES * HUGE_PAGES_BYTES);
	for (size_t i = 0; i < PIECES; i++)
		pieces[i] = huge_pages_alloc(HUGE_PAGES_BYTES, true);
	for (size_t i = 0; i < PIECES; i++)
		huge_pages_free(pieces[i], HUGE_PAGES_BYTES);
	ck_assert_uint_eq(huge_pages_kept(), kept(PIECES));
	huge_pages_keep_less(PIECES * HUGE_PAGES_BYTES);
	ck_assert_uint_eq(huge_pages_kept(), 0);
	if (!HUGE_PAGES_PLAIN)
		ck_assert_uint_le(address_space(), before + HUGE_PAGES_BYTES / 4096);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("huge_pages");
	TCase *tcase = tcase_create("huge_pages");

	tcase_add_test(tcase, pieces_are_aligned_and_apart);
	if (RUNNER_STEP == 1) { /* sanitizers end the process at the first, and keep freed memory for a while */
		tcase_add_test(tcase, what_no_system_can_give_is_null);
		tcase_add_test(tcase, what_came_and_went_does_not_add_up);
	}
	tcase_add_test(tcase, what_may_be_kept_comes_back_first_and_the_rest_goes);
	tcase_add_test(tcase, what_is_given_back_is_really_gone);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
