/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges of keys against the plain answer: a list that is asked one by one. */
#include "engine/key_ranges.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdio.h>

enum { RANGES = 40, KEYS = 100 };

static struct slice key_of(unsigned i, char buf[8])
{
	snprintf(buf, 8, "%03u", i);
	return slice_of_string(buf);
}

START_TEST(a_set_answers_as_the_list_of_its_ranges)
{
	uint64_t random = runner_seed();

	for (unsigned round = 0; round < 200; round++) {
		struct key_ranges set = { 0 };
		bool in[KEYS] = { false };
		char a[8], b[8];

		for (unsigned i = 0; i < RANGES; i++) {
			unsigned first = (unsigned)(runner_random(&random) % KEYS);
			unsigned last = first + (unsigned)(runner_random(&random) % 4);

			last = last < KEYS ? last : KEYS - 1;
			ck_assert_int_eq(key_ranges_add(&set, key_of(first, a), key_of(last, b)), KV_OK);
			for (unsigned k = first; k <= last; k++)
				in[k] = true;
			for (unsigned k = 0; k < KEYS; k++)
				ck_assert_int_eq(key_ranges_have(&set, key_of(k, a)), in[k]);
		}
		for (unsigned first = 0; first < KEYS; first += 3)
			for (unsigned last = first, any = 0; last < KEYS; last++) {
				any |= in[last];
				ck_assert_int_eq(key_ranges_touch(&set, key_of(first, a), key_of(last, b)), any);
			}
		for (size_t i = 1; i < set.count; i++)
			ck_assert_int_lt(slice_compare(buf_slice(&set.ranges[i - 1].last), buf_slice(&set.ranges[i].first)), 0);
		key_ranges_free(&set);
	}
}
END_TEST

START_TEST(without_memory_nothing_is_forgotten)
{
	struct key_ranges set = { 0 }, other = { 0 };
	kv_status status = KV_NO_MEMORY;

	ck_assert_int_eq(key_ranges_add(&set, slice_of_string("b"), slice_of_string("d")), KV_OK);
	ck_assert_int_eq(key_ranges_add(&other, slice_of_string("x"), slice_of_string("y")), KV_OK);
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_alloc_fail(nth, false);
		status = key_ranges_add_all(&set, &other);
		fault_alloc_fail(0, false);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		ck_assert(key_ranges_have(&set, slice_of_string("c")));
		ck_assert_uint_lt(nth, 20);
	}
	ck_assert(key_ranges_have(&set, slice_of_string("x")));
	key_ranges_free(&set);
	key_ranges_free(&other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("key_ranges");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, a_set_answers_as_the_list_of_its_ranges);
	tcase_add_test(tcase, without_memory_nothing_is_forgotten);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
