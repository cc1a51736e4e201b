/* SPDX-License-Identifier: BSD-2-Clause */
/* The block cache: what is in it is found, it stays below its limit, and what is referenced stays readable. */
#include "engine/block_cache.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdatomic.h>

/* A block whose bytes tell where it belongs. */
static struct cached_block *make(uint64_t table, uint64_t offset, size_t len)
{
	struct cached_block *block = cached_block_new(len + 9);

	ck_assert_ptr_nonnull(block);
	for (size_t i = 0; i < len; i++)
		cached_block_room(block)[i] = (uint8_t)(table * 31 + offset * 7 + i);
	cached_block_set_len(block, len);
	return block;
}

static bool is_right(const struct cached_block *block, uint64_t table, uint64_t offset)
{
	struct slice data = cached_block_data(block);

	for (size_t i = 0; i < data.len; i++) {
		if (data.data[i] != (uint8_t)(table * 31 + offset * 7 + i))
			return false;
	}
	return true;
}

static void enter(struct block_cache *cache, uint64_t table, uint64_t offset, size_t len)
{
	cached_block_unref(block_cache_add(cache, table, offset, make(table, offset, len)));
}

START_TEST(what_was_entered_is_found_and_nothing_else)
{
	struct block_cache *cache = block_cache_new(10 << 20);
	struct block_cache_stats stats;

	for (uint64_t table = 1; table < 5; table++) {
		for (uint64_t offset = 0; offset < 300; offset++)
			enter(cache, table, offset * 4096, 100 + offset);
	}
	for (uint64_t table = 1; table < 5; table++) {
		for (uint64_t offset = 0; offset < 300; offset++) {
			struct cached_block *block = block_cache_find(cache, table, offset * 4096);

			ck_assert_ptr_nonnull(block);
			ck_assert_uint_eq(cached_block_data(block).len, 100 + offset);
			ck_assert(is_right(block, table, offset * 4096));
			cached_block_unref(block);
			ck_assert_ptr_null(block_cache_find(cache, table, offset * 4096 + 1));
		}
	}
	ck_assert_ptr_null(block_cache_find(cache, 5, 0));
	block_cache_get_stats(cache, &stats);
	ck_assert_uint_eq(stats.hits, 1200);
	ck_assert_uint_eq(stats.misses, 1201);
	ck_assert_uint_eq(stats.blocks, 1200);
	ck_assert_uint_gt(stats.bytes, 1200 * 200);
	ck_assert_ptr_null(block_cache_free(cache));
}
END_TEST

START_TEST(the_limit_holds_whatever_comes)
{
	static const uint64_t capacities[] = { 0, 1, 5000, 100000, 3 << 20 };
	uint64_t state = runner_seed();

	for (unsigned c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
		struct block_cache *cache = block_cache_new(capacities[c]);
		struct block_cache_stats stats;

		for (unsigned i = 0; i < 3000; i++) {
			uint64_t offset = runner_random(&state) % 5000;
			struct cached_block *block = block_cache_find(cache, 3, offset);

			if (block)
				ck_assert(is_right(block, 3, offset));
			else
				block = block_cache_add(cache, 3, offset,
					make(3, offset, 1 + runner_random(&state) % 9000));
			cached_block_unref(block);
			if (i % 64 == 0) {
				block_cache_get_stats(cache, &stats);
				ck_assert_uint_le(stats.bytes, capacities[c]);
			}
		}
		block_cache_get_stats(cache, &stats);
		ck_assert_uint_eq(stats.capacity, capacities[c]);
		ck_assert(capacities[c] >= 100000 ? stats.hits > 0 : capacities[c] > 1 || stats.hits == 0);
		block_cache_free(cache);
	}
}
END_TEST

START_TEST(many_tiny_blocks_do_not_fill_the_table)
{
	struct block_cache *cache = block_cache_new(1 << 20);
	struct block_cache_stats stats;

	for (uint64_t i = 0; i < 20000; i++)
		enter(cache, 1, i, 1);
	block_cache_get_stats(cache, &stats);
	ck_assert_uint_gt(stats.blocks, 100);
	ck_assert_uint_lt(stats.blocks, 20000);
	ck_assert_ptr_null(block_cache_find(cache, 2, 5));
	block_cache_free(cache);
}
END_TEST

START_TEST(a_referenced_block_outlives_its_eviction_and_the_cache)
{
	struct block_cache *cache = block_cache_new(50000);
	struct cached_block *pinned = block_cache_add(cache, 1, 7, make(1, 7, 4096));

	for (uint64_t i = 100; i < 500; i++)
		enter(cache, 1, i, 4096);
	ck_assert_ptr_null(block_cache_find(cache, 1, 7));
	ck_assert(is_right(pinned, 1, 7));
	block_cache_free(cache);
	ck_assert(is_right(pinned, 1, 7));
	cached_block_unref(pinned);
	cached_block_unref(NULL);
}
END_TEST

START_TEST(what_is_used_again_and_again_is_not_evicted_by_a_scan)
{
	struct block_cache *cache = block_cache_new(100000);
	struct cached_block *block;

	for (uint64_t i = 0; i < 1000; i++) {
		block = block_cache_find(cache, 1, 1);
		if (i > 0)
			ck_assert_ptr_nonnull(block);
		else
			block = block_cache_add(cache, 1, 1, make(1, 1, 4096));
		cached_block_unref(block);
		enter(cache, 2, i, 4096);
	}
	block_cache_free(cache);
}
END_TEST

START_TEST(the_first_of_two_equal_blocks_is_shared)
{
	struct block_cache *cache = block_cache_new(1 << 20);
	struct cached_block *first = block_cache_add(cache, 1, 0, make(1, 0, 100));
	struct cached_block *second = block_cache_add(cache, 1, 0, make(1, 0, 100));
	struct block_cache_stats stats;

	ck_assert_ptr_eq(first, second);
	block_cache_get_stats(cache, &stats);
	ck_assert_uint_eq(stats.blocks, 1);
	cached_block_unref(first);
	cached_block_unref(second);
	block_cache_free(cache);
}
END_TEST

START_TEST(a_block_larger_than_the_cache_is_only_handed_through)
{
	struct block_cache *cache = block_cache_new(10000);
	struct cached_block *block = block_cache_add(cache, 1, 0, make(1, 0, 20000));

	ck_assert(is_right(block, 1, 0));
	ck_assert_ptr_null(block_cache_find(cache, 1, 0));
	cached_block_unref(block);
	block_cache_free(cache);
}
END_TEST

START_TEST(failed_allocations_give_null_and_leak_nothing)
{
	struct block_cache *cache = NULL;

	for (uint64_t n = 1; !cache; n++) {
		fault_alloc_fail(n, false);
		cache = block_cache_new(8 << 20);
		fault_alloc_fail(0, false);
		ck_assert_uint_lt(n, 100);
	}
	fault_alloc_fail(1, false);
	ck_assert_ptr_null(cached_block_new(100));
	fault_alloc_fail(0, false);
	ck_assert_ptr_null(cached_block_new(SIZE_MAX - 5));
	block_cache_free(cache);
}
END_TEST

static struct block_cache *shared;
static _Atomic uint64_t wrong;

static void *use_shared(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg | 1;

	for (int i = 0; i < 30000; i++) {
		uint64_t offset = runner_random(&state) % 400;
		struct cached_block *block = block_cache_find(shared, 1, offset);

		if (!block)
			block = block_cache_add(shared, 1, offset, make(1, offset, 200));
		if (!is_right(block, 1, offset))
			atomic_fetch_add(&wrong, 1);
		cached_block_unref(block);
	}
	return NULL;
}

START_TEST(threads_share_blocks_while_they_are_evicted)
{
	pthread_t threads[4];
	static char places[4];

	shared = block_cache_new(40000);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use_shared, &places[i]), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
	block_cache_free(shared);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block_cache");
	TCase *tc = tcase_create("block_cache");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_was_entered_is_found_and_nothing_else);
	tcase_add_test(tc, the_limit_holds_whatever_comes);
	tcase_add_test(tc, many_tiny_blocks_do_not_fill_the_table);
	tcase_add_test(tc, a_referenced_block_outlives_its_eviction_and_the_cache);
	tcase_add_test(tc, what_is_used_again_and_again_is_not_evicted_by_a_scan);
	tcase_add_test(tc, the_first_of_two_equal_blocks_is_shared);
	tcase_add_test(tc, a_block_larger_than_the_cache_is_only_handed_through);
	tcase_add_test(tc, failed_allocations_give_null_and_leak_nothing);
	tcase_add_test(tc, threads_share_blocks_while_they_are_evicted);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
