/* SPDX-License-Identifier: BSD-2-Clause */
/* The bump allocator: alignment, separate pieces, large requests, what it says it costs. */
#include "base/arena.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <string.h>

START_TEST(pieces_are_aligned_and_do_not_overlap)
{
	enum { COUNT = 3000 };
	static uint8_t *pieces[COUNT];
	static size_t sizes[COUNT];
	struct arena *arena = arena_new(4096);
	uint64_t rnd = runner_seed();

	for (unsigned i = 0; i < COUNT; i++) {
		size_t align = (size_t)1 << runner_random(&rnd) % 7;

		sizes[i] = runner_random(&rnd) % (i % 50 == 0 ? 9000 : 200);
		pieces[i] = arena_alloc(arena, sizes[i], align);
		ck_assert_ptr_nonnull(pieces[i]);
		ck_assert_uint_eq((uintptr_t)pieces[i] % align, 0);
		memset(pieces[i], (int)(i & 0xff), sizes[i]);
	}
	for (unsigned i = 0; i < COUNT; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			ck_assert_uint_eq(pieces[i][k], i & 0xff);
	arena_free(arena);
}
END_TEST

START_TEST(a_large_request_leaves_the_current_block_in_use)
{
	struct arena *arena = arena_new(4096);
	uint8_t *first = arena_alloc(arena, 16, 8);
	size_t before = arena_bytes(arena);
	uint8_t *large = arena_alloc(arena, 100000, 64);
	size_t after = arena_bytes(arena);
	uint8_t *second = arena_alloc(arena, 16, 8);

	ck_assert_ptr_nonnull(large);
	memset(large, 1, 100000);
	ck_assert_uint_ge(after - before, 100000);
	ck_assert_ptr_eq(second, first + 16);
	ck_assert_uint_eq(arena_bytes(arena), after);
	arena_free(arena);
}
END_TEST

START_TEST(a_large_block_is_aligned_for_huge_pages)
{
	struct arena *arena = arena_new(ARENA_HUGE_BLOCK);
	size_t page = (size_t)ARENA_HUGE_BLOCK + ARENA_BLOCK_HEAD;
	uint8_t *first = arena_alloc(arena, ARENA_HUGE_BLOCK, 1);
	uint8_t *second = arena_alloc(arena, page + 1, 1);

	ck_assert(first && second);
	ck_assert_uint_le((uintptr_t)first % page, ARENA_BLOCK_HEAD);
	ck_assert_uint_le((uintptr_t)second % page, ARENA_BLOCK_HEAD);
	memset(first, 1, ARENA_HUGE_BLOCK);
	memset(second, 2, page + 1);
	ck_assert_int_eq(first[ARENA_HUGE_BLOCK - 1], 1);
	arena_free(arena);
}
END_TEST

START_TEST(the_first_request_may_be_large)
{
	struct arena *arena = arena_new(1024);
	uint8_t *large = arena_alloc(arena, 5000, 1);
	uint8_t *small = arena_alloc(arena, 5, 1);

	ck_assert(large && small);
	memset(large, 1, 5000);
	memset(small, 2, 5);
	ck_assert_int_eq(large[4999], 1);
	arena_free(arena);
}
END_TEST

START_TEST(the_cost_grows_by_blocks_and_covers_what_was_given)
{
	struct arena *arena = arena_new(4096);
	size_t given = 0;

	for (int i = 0; i < 1000; i++) {
		ck_assert_ptr_nonnull(arena_alloc(arena, 100, 4));
		given += 100;
		ck_assert_uint_ge(arena_bytes(arena), given);
	}
	ck_assert_uint_lt(arena_bytes(arena), given + given / 8 + 8192);
	arena_free(arena);
}
END_TEST

START_TEST(a_request_beyond_memory_fails_and_the_arena_goes_on)
{
	struct arena *arena = arena_new(4096);
	size_t cost;

	ck_assert_ptr_nonnull(arena_alloc(arena, 10, 1));
	cost = arena_bytes(arena);
	ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX, 1));
	ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX - 63, 64));
	ck_assert_ptr_null(arena_alloc(arena, PTRDIFF_MAX, 64));
	ck_assert_ptr_null(arena_alloc(arena, PTRDIFF_MAX - 200, 64));
	ck_assert_uint_eq(arena_bytes(arena), cost);
	ck_assert_ptr_nonnull(arena_alloc(arena, 10, 1));
	arena_free(arena);
}
END_TEST

START_TEST(empty_pieces_and_no_arena_are_fine)
{
	struct arena *arena = arena_new(0);

	ck_assert_ptr_nonnull(arena_alloc(arena, 0, 1));
	ck_assert_ptr_nonnull(arena_alloc(arena, 64, 64));
	ck_assert_ptr_null(arena_free(arena));
	ck_assert_ptr_null(arena_free(NULL));
}
END_TEST

START_TEST(what_was_reserved_cannot_fail)
{
	struct arena *arena = arena_new(4096);
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 2000; round++) {
		size_t promised = runner_random(&rnd) % (round % 10 == 0 ? 40000 : 3000);
		bool whole = true;
		size_t size;
		size_t align;

		ck_assert_int_eq(arena_reserve(arena, promised), KV_OK);
		fault_alloc_fail(1, true);
		while (promised > 64) {
			align = (size_t)1 << runner_random(&rnd) % 7;
			size = runner_random(&rnd) % (promised - 63);
			if (runner_random(&rnd) % 4 == 0)
				size %= 50;
			promised -= size + align - 1;
			whole = whole && arena_alloc(arena, size, align);
		}
		fault_alloc_fail(0, false);
		ck_assert(whole);
	}
	arena_free(arena);
}
END_TEST

START_TEST(a_reservation_that_fails_changes_nothing)
{
	struct arena *arena = arena_new(4096);
	kv_status status;
	size_t cost;
	bool gone;

	ck_assert_ptr_nonnull(arena_alloc(arena, 4000, 1));
	cost = arena_bytes(arena);
	fault_alloc_fail(1, true);
	status = arena_reserve(arena, 5000);
	gone = arena_alloc(arena, 5000, 1) == NULL && arena_alloc(arena, 1000, 1) == NULL;
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	ck_assert(gone);
	ck_assert_int_eq(arena_reserve(arena, SIZE_MAX), KV_NO_MEMORY);
	ck_assert_uint_eq(arena_bytes(arena), cost);
	ck_assert_uint_eq(arena_used(arena), 4000);
	ck_assert_ptr_nonnull(arena_alloc(arena, 90, 1));
	arena_free(arena);
}
END_TEST

START_TEST(a_larger_reservation_replaces_a_smaller_one)
{
	struct arena *arena = arena_new(4096);

	for (size_t bytes = 5000; bytes < 1000000; bytes *= 2) {
		ck_assert_int_eq(arena_reserve(arena, bytes), KV_OK);
		ck_assert_uint_lt(arena_bytes(arena), bytes + 4096);
	}
	ck_assert_uint_eq(arena_used(arena), 0);
	arena_free(arena);
}
END_TEST

START_TEST(no_memory_for_an_arena_is_no_arena)
{
	struct arena *arena;

	fault_alloc_fail(1, false);
	arena = arena_new(4096);
	fault_alloc_fail(0, false);
	ck_assert_ptr_null(arena);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *tc = tcase_create("arena");

	tcase_add_test(tc, pieces_are_aligned_and_do_not_overlap);
	tcase_add_test(tc, a_large_request_leaves_the_current_block_in_use);
	tcase_add_test(tc, a_large_block_is_aligned_for_huge_pages);
	tcase_add_test(tc, the_first_request_may_be_large);
	tcase_add_test(tc, the_cost_grows_by_blocks_and_covers_what_was_given);
	tcase_add_test(tc, a_request_beyond_memory_fails_and_the_arena_goes_on);
	tcase_add_test(tc, empty_pieces_and_no_arena_are_fine);
	tcase_add_test(tc, what_was_reserved_cannot_fail);
	tcase_add_test(tc, a_reservation_that_fails_changes_nothing);
	tcase_add_test(tc, a_larger_reservation_replaces_a_smaller_one);
	tcase_add_test(tc, no_memory_for_an_arena_is_no_arena);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
