/* SPDX-License-Identifier: BSD-2-Clause */
/* The block cache: what is in it is found, it stays below its limit, and what is referenced stays readable. */
#include "engine/block_cache.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { TABLES = 8, OFFSETS = 20001 };
static struct block_place places[TABLES][OFFSETS];

/* Each test has a process, or else a cache that emptied its places, of its own. */
static struct block_place *at(uint64_t table, uint64_t offset)
{
	ck_assert(table < TABLES && offset < OFFSETS);
	return &places[table][offset];
}

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
	cached_block_unref(block_cache_add(cache, at(table, offset), make(table, offset, len)));
}

START_TEST(what_was_entered_is_found_and_nothing_else)
{
	struct block_cache *cache = block_cache_new(10 << 20);
	struct block_cache_stats stats;

	for (uint64_t table = 1; table < 5; table++) {
		for (uint64_t offset = 0; offset < 300; offset++)
			enter(cache, table, offset, 100 + offset);
	}
	for (uint64_t table = 1; table < 5; table++) {
		for (uint64_t offset = 0; offset < 300; offset++) {
			struct cached_block *block = block_cache_find(cache, at(table, offset));

			ck_assert_ptr_nonnull(block);
			ck_assert_uint_eq(cached_block_data(block).len, 100 + offset);
			ck_assert(is_right(block, table, offset));
			cached_block_unref(block);
			ck_assert_ptr_null(block_cache_find(cache, at(table, offset + 301)));
		}
	}
	ck_assert_ptr_null(block_cache_find(cache, at(5, 0)));
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
			struct cached_block *block = block_cache_find(cache, at(3, offset));

			if (block)
				ck_assert(is_right(block, 3, offset));
			else
				block = block_cache_add(cache, at(3, offset),
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
	ck_assert_ptr_null(block_cache_find(cache, at(2, 5)));
	block_cache_free(cache);
}
END_TEST

START_TEST(a_referenced_block_outlives_its_eviction_and_the_cache)
{
	struct block_cache *cache = block_cache_new(50000);
	struct cached_block *pinned = block_cache_add(cache, at(1, 7), make(1, 7, 4096));

	for (uint64_t i = 100; i < 500; i++)
		enter(cache, 1, i, 4096);
	ck_assert_ptr_null(block_cache_find(cache, at(1, 7)));
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
		block = block_cache_find(cache, at(1, 1));
		if (i > 0)
			ck_assert_ptr_nonnull(block);
		else
			block = block_cache_add(cache, at(1, 1), make(1, 1, 4096));
		cached_block_unref(block);
		enter(cache, 2, i, 4096);
	}
	block_cache_free(cache);
}
END_TEST

START_TEST(the_first_of_two_equal_blocks_is_shared)
{
	struct block_cache *cache = block_cache_new(1 << 20);
	struct cached_block *first = block_cache_add(cache, at(1, 0), make(1, 0, 100));
	struct cached_block *second = block_cache_add(cache, at(1, 0), make(1, 0, 100));
	struct block_cache_stats stats;

	ck_assert_ptr_eq(first, second);
	block_cache_get_stats(cache, &stats);
	ck_assert_uint_eq(stats.blocks, 1);
	cached_block_unref(first);
	cached_block_unref(second);
	block_cache_free(cache);
}
END_TEST

START_TEST(places_that_are_forgotten_are_empty_and_their_blocks_give_room)
{
	struct block_cache *cache = block_cache_new(10 << 20);
	struct cached_block *pinned = block_cache_add(cache, at(1, 5), make(1, 5, 4096));
	struct block_cache_stats stats;

	for (uint64_t i = 6; i < 300; i++)
		enter(cache, 1, i, 4096);
	enter(cache, 2, 0, 4096);
	block_cache_prefetch(at(1, 7));
	block_cache_prefetch(at(1, 301));
	block_cache_forget(cache, at(1, 0), 302);
	for (uint64_t i = 0; i < 302; i++)
		ck_assert_ptr_null(block_cache_find(cache, at(1, i)));
	ck_assert(is_right(pinned, 1, 5));
	cached_block_unref(pinned);
	block_cache_get_stats(cache, &stats);
	ck_assert_uint_eq(stats.blocks, 1);
	ck_assert_uint_lt(stats.bytes, 5000);
	/* the other table still has its own */
	pinned = block_cache_find(cache, at(2, 0));
	ck_assert(is_right(pinned, 2, 0));
	cached_block_unref(pinned);
	block_cache_free(cache);
	ck_assert_uint_eq(atomic_load(&at(2, 0)->word), 0);
}
END_TEST

/* The counter of a place has 20 bits. */
START_TEST(references_are_counted_however_many_they_are)
{
	struct block_cache *cache = block_cache_new(1 << 20);
	struct cached_block *block = block_cache_add(cache, at(3, 3), make(3, 3, 100));
	struct block_cache_stats stats;
	enum { HELD = 1300000, USED = 1500000 };

	for (unsigned i = 0; i < HELD; i++)
		ck_assert_ptr_eq(block_cache_find(cache, at(3, 3)), block);
	for (unsigned i = 0; i < USED; i++) {
		(void)block_cache_find(cache, at(3, 3));
		cached_block_unref(block);
	}
	block_cache_get_stats(cache, &stats);
	ck_assert_uint_eq(stats.hits, HELD + USED);
	block_cache_free(cache);
	for (unsigned i = 0; i < HELD; i++)
		cached_block_unref(block);
	ck_assert(is_right(block, 3, 3));
	cached_block_unref(block);
}
END_TEST

START_TEST(a_block_larger_than_the_cache_is_only_handed_through)
{
	struct block_cache *cache = block_cache_new(10000);
	struct cached_block *block = block_cache_add(cache, at(1, 0), make(1, 0, 20000));

	ck_assert(is_right(block, 1, 0));
	ck_assert_ptr_null(block_cache_find(cache, at(1, 0)));
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
		struct cached_block *block = block_cache_find(shared, at(1, offset));

		if (!block)
			block = block_cache_add(shared, at(1, offset), make(1, offset, 200));
		if (!is_right(block, 1, offset))
			atomic_fetch_add(&wrong, 1);
		cached_block_unref(block);
		if (i % 64 == 0)
			block_cache_forget(shared, at(1, offset), 1 + offset % 3);
	}
	return NULL;
}

START_TEST(threads_share_blocks_while_they_are_evicted)
{
	pthread_t threads[4];
	static char seeds[4];

	shared = block_cache_new(40000);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use_shared, &seeds[i]), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
	block_cache_free(shared);
}
END_TEST

enum { TABLE_BLOCKS = 24, TABLE_TURNS = 100 };

/* Opens and closes tables whose blocks the others evict meanwhile; a block may be kept longer than its table. */
static void *open_and_close_tables(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg | 1;
	struct cached_block *kept = NULL;
	uint64_t kept_as = 0;

	for (int turn = 0; turn < TABLE_TURNS; turn++) {
		struct block_place *mine = calloc(TABLE_BLOCKS, sizeof *mine);

		for (int i = 0; mine && i < 3 * TABLE_BLOCKS; i++) {
			uint64_t n = runner_random(&state) % TABLE_BLOCKS;
			struct cached_block *block = block_cache_find(shared, &mine[n]);

			if (!block)
				block = block_cache_add(shared, &mine[n], make(2, n, 2500 + n * 40));
			if (!is_right(block, 2, n) || (kept && !is_right(kept, 2, kept_as)))
				atomic_fetch_add(&wrong, 1);
			if (i % 16 != 0) {
				cached_block_unref(block);
				continue;
			}
			cached_block_unref(kept);
			kept = block;
			kept_as = n;
		}
		block_cache_forget(shared, mine, TABLE_BLOCKS);
		free(mine);
	}
	cached_block_unref(kept);
	return NULL;
}

START_TEST(tables_are_closed_while_others_evict_their_blocks)
{
	struct block_cache_stats stats;
	pthread_t threads[4];
	static char seeds[4];

	atomic_store(&wrong, 0);
	shared = block_cache_new(150000);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, open_and_close_tables, &seeds[i]), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
	block_cache_get_stats(shared, &stats);
	ck_assert_uint_eq(stats.blocks, 0);
	ck_assert_uint_eq(stats.bytes, 0);
	block_cache_free(shared);
}
END_TEST

enum { HOT_HELD = 100000, HOT_LEN = 2500, PASSES = 200000 };
static atomic_bool passes_are_over;

/* Finds one block and gives it back, again and again. */
static void *find_the_hot_one(void *arg)
{
	(void)arg;
	while (!atomic_load(&passes_are_over)) {
		struct cached_block *block = block_cache_find(shared, at(1, 0));

		if (block && !is_right(block, 1, 0))
			atomic_fetch_add(&wrong, 1);
		cached_block_unref(block);
	}
	return NULL;
}

/* The hand of the CLOCK moves counts while others count: when one reference of many is lost, the block is freed before the last is
 * given back, and the next block made takes its memory. */
START_TEST(no_reference_is_lost_while_the_hand_comes_by)
{
	struct cached_block *hot, *other;
	pthread_t threads[2];

	shared = block_cache_new(4 * HOT_LEN);
	hot = block_cache_add(shared, at(1, 0), make(1, 0, HOT_LEN));
	for (int i = 1; i < HOT_HELD; i++)
		ck_assert_ptr_eq(block_cache_find(shared, at(1, 0)), hot);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, find_the_hot_one, NULL), 0);
	for (int i = 0; i < PASSES; i++) {
		cached_block_unref(block_cache_find(shared, at(1, 0))); /* so it stays in the cache */
		cached_block_unref(block_cache_add(shared, at(2, (uint64_t)i % 4), cached_block_new(HOT_LEN)));
	}
	atomic_store(&passes_are_over, true);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&wrong), 0);

	shared = block_cache_free(shared);
	for (int i = 1; i < HOT_HELD; i++)
		cached_block_unref(hot);
	other = make(3, 1, HOT_LEN);
	ck_assert_ptr_ne(other, hot);
	ck_assert(is_right(hot, 1, 0));
	cached_block_unref(hot);
	cached_block_unref(other);
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
	tcase_add_test(tc, places_that_are_forgotten_are_empty_and_their_blocks_give_room);
	tcase_add_test(tc, references_are_counted_however_many_they_are);
	tcase_add_test(tc, a_block_larger_than_the_cache_is_only_handed_through);
	tcase_add_test(tc, failed_allocations_give_null_and_leak_nothing);
	tcase_add_test(tc, threads_share_blocks_while_they_are_evicted);
	tcase_add_test(tc, tables_are_closed_while_others_evict_their_blocks);
	tcase_add_test(tc, no_reference_is_lost_while_the_hand_comes_by);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
