/* SPDX-License-Identifier: BSD-2-Clause */
/* The filter of a memtable: it never says no to a key that was added, and seldom yes to another. */
#include "engine/memtable_filter.h"

#include "base/checksum.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdlib.h>

static uint64_t hash_of(uint64_t number)
{
	return key_hash(slice_of(&number, sizeof number));
}

static unsigned false_answers(const struct memtable_filter *filter, uint64_t from, unsigned count)
{
	unsigned ret = 0;

	for (unsigned i = 0; i < count; i++)
		ret += memtable_filter_may_have(filter, hash_of(from + i));
	return ret;
}

START_TEST(what_was_added_is_never_denied)
{
	static const size_t sizes[] = { 0, 1, 8, 15, 16, 1000, 100000 };

	for (unsigned s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		struct memtable_filter *filter = memtable_filter_new(sizes[s]);

		ck_assert_ptr_nonnull(filter);
		ck_assert_uint_ge(filter->count, 1);
		for (uint64_t i = 0; i < 20000; i++) {
			memtable_filter_add(filter, hash_of(i));
			ck_assert(memtable_filter_may_have(filter, hash_of(i)));
		}
		ck_assert_uint_eq(false_answers(filter, 0, 20000), 20000);
		free(filter);
	}
}
END_TEST

START_TEST(hashes_at_the_ends_stay_inside)
{
	struct memtable_filter *filter = memtable_filter_new(24);

	ck_assert_uint_eq(filter->count, 3);
	ck_assert_uint_eq(memtable_filter_word(filter, 0), 0);
	ck_assert_uint_eq(memtable_filter_word(filter, UINT64_MAX), 2);
	ck_assert_uint_eq(memtable_filter_bits(UINT64_MAX), UINT64_C(1) << 63);
	free(filter);
}
END_TEST

START_TEST(an_empty_one_denies_all_and_a_usual_one_nearly_all)
{
	struct memtable_filter *filter = memtable_filter_new(1 << 18);
	uint64_t seed = runner_seed();

	ck_assert_uint_eq(false_answers(filter, seed, 10000), 0);
	/* 20 bits a key */
	for (uint64_t i = 0; i < (1 << 21) / 20; i++)
		memtable_filter_add(filter, hash_of(seed + i));
	ck_assert_uint_lt(false_answers(filter, seed + (UINT64_C(1) << 40), 10000), 200);
	free(filter);
}
END_TEST

START_TEST(without_memory_there_is_none)
{
	fault_alloc_fail(1, false);
	ck_assert_ptr_null(memtable_filter_new(1000));
	fault_alloc_fail(0, false);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memtable_filter");
	TCase *tc = tcase_create("memtable_filter");

	tcase_add_test(tc, what_was_added_is_never_denied);
	tcase_add_test(tc, hashes_at_the_ends_stay_inside);
	tcase_add_test(tc, an_empty_one_denies_all_and_a_usual_one_nearly_all);
	tcase_add_test(tc, without_memory_there_is_none);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
