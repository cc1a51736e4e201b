/* SPDX-License-Identifier: BSD-2-Clause */
/* New tables go into the block cache at once, but not while somebody writes fast; what was left out goes there when it is quiet. */
#include "engine/warm.h"

#include "support/runner.h"
#include "support/small_store.h"

#include <sched.h>
#include <stdio.h>

enum { KEYS = 1000, VALUE_BYTES = 20000 };

START_TEST(it_is_time_unless_much_is_written)
{
	const uint64_t second = 1000000, fast = WARM_BUSY_BYTES_PER_S;
	struct warm warm = { .seen_us = 5 * second };

	ck_assert(warm_is_time(&warm, 5 * second, 0));
	ck_assert(warm_is_time(&warm, 6 * second, fast));
	ck_assert(!warm_is_time(&warm, 7 * second, 2 * fast + 1));
	ck_assert(warm_is_time(&warm, 8 * second, 2 * fast + 1)); /* only what came since counts */
	ck_assert(!warm_is_time(&warm, 8 * second, 2 * fast + 2));
	ck_assert(warm_is_time(&warm, 9 * second, 2 * fast + 2));
}
END_TEST

/* Whether or not this machine writes so fast that tables were left out: in the end the cache has them, but for a few. */
START_TEST(what_was_written_is_in_the_cache_when_it_is_quiet)
{
	static char value[VALUE_BYTES + 1];
	struct small_store small;
	uint64_t reads;
	char key[16];

	memset(value, 'v', VALUE_BYTES);
	small_store_init(&small);
	small.options.memtable_bytes = 64 << 20; /* one table, which nothing replaces */
	small.options.block_cache_bytes = 256 << 20;
	small.options.compression = STORE_COMPRESSION_NONE;
	small_store_open(&small);
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key%06u", i);
		ck_assert_int_eq(small_put(&small, key, value), KV_OK);
	}
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	while (small_stats(&small).cache_bytes < (uint64_t)KEYS * VALUE_BYTES)
		ck_assert_int_eq(sched_yield(), 0);
	small_expect(&small, "key000000", value); /* opens the table */
	reads = fault_fs_count(small.disk.fault, FAULT_PREAD);
	for (unsigned i = 0; i < KEYS / 2; i++) { /* in order; what a block costs is more than its data */
		snprintf(key, sizeof key, "key%06u", i);
		small_expect(&small, key, value);
	}
	ck_assert_uint_lt(fault_fs_count(small.disk.fault, FAULT_PREAD) - reads, KEYS / 2 / 20); /* where there was no room at that moment */
	small_store_done(&small);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("warm");
	TCase *tcase = tcase_create("warm");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, it_is_time_unless_much_is_written);
	tcase_add_test(tcase, what_was_written_is_in_the_cache_when_it_is_quiet);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
