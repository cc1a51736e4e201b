/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for blocks: pieces are aligned, do not overlap, and come back; threads share slabs. */
#include "engine/block_memory.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct held {
	uint8_t *memory;
	size_t size;
	uint8_t mark;
};

static void take(struct held *held, size_t bytes, uint8_t mark)
{
	held->size = block_memory_size(bytes);
	held->memory = block_memory_alloc(held->size);
	held->mark = mark;
	if (held->memory)
		memset(held->memory, mark, held->size);
}

/* Whether nobody else has written there; the memory is given back. */
static bool give(struct held *held)
{
	bool ret = true;

	for (size_t i = 0; i < held->size; i++)
		ret = ret && held->memory[i] == held->mark;
	block_memory_free(held->memory, held->size);
	held->memory = NULL;
	return ret;
}

START_TEST(every_size_has_room_and_none_wastes_much)
{
	for (size_t bytes = 1; bytes < 200000; bytes++) {
		size_t size = block_memory_size(bytes);

		ck_assert_uint_ge(size, bytes);
		ck_assert_uint_lt(size - bytes, bytes <= 8192 ? 256 : bytes / 16);
		ck_assert_uint_eq(size % BLOCK_MEMORY_ALIGN, 0);
		ck_assert_uint_eq(block_memory_size(size), size);
	}
}
END_TEST

START_TEST(pieces_are_aligned_and_each_is_one_owners)
{
	static struct held held[3000];
	uint64_t state = runner_seed();

	for (unsigned i = 0; i < 20000; i++) {
		struct held *one = &held[runner_random(&state) % 3000];

		if (one->memory)
			ck_assert(give(one));
		/* few sizes, so that slabs fill and empty */
		take(one, 64 + runner_random(&state) % 12 * 700, (uint8_t)i);
		ck_assert_ptr_nonnull(one->memory);
		ck_assert_uint_eq((uintptr_t)one->memory % BLOCK_MEMORY_ALIGN, 0);
	}
	for (unsigned i = 0; i < 3000; i++)
		ck_assert(!held[i].memory || give(&held[i]));
}
END_TEST

START_TEST(without_memory_for_a_slab_there_is_none_and_later_there_is)
{
	struct held held[3] = { { 0 } };

	/* a size of no other test here: what has a slab already needs no memory */
	fault_alloc_fail(1, true);
	take(&held[0], 6100, 1);
	take(&held[1], 100, 2);
	take(&held[2], 100000, 3);
	fault_alloc_fail(0, false);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_ptr_null(held[i].memory);
		take(&held[i], 6100, 4);
		ck_assert_ptr_nonnull(held[i].memory);
	}
	for (unsigned i = 0; i < 3; i++)
		ck_assert(give(&held[i]));
}
END_TEST

static _Atomic unsigned wrong;

static void *use(void *arg)
{
	static _Thread_local struct held held[700];
	uint64_t state = (uint64_t)(uintptr_t)arg | 1;

	for (unsigned i = 0; i < 10000; i++) {
		struct held *one = &held[runner_random(&state) % 700];

		if (one->memory && !give(one))
			atomic_fetch_add(&wrong, 1);
		take(one, 4000 + runner_random(&state) % 300, (uint8_t)state);
	}
	for (unsigned i = 0; i < 700; i++)
		if (held[i].memory && !give(&held[i]))
			atomic_fetch_add(&wrong, 1);
	return NULL;
}

/* Also next to where the distance between the sizes changes: one whose slab were another's would overlap it. */
START_TEST(sizes_do_not_share_slabs)
{
	static const size_t around[] = { 2048, 8192, 16384, 32768, 65536, 81920 };
	static struct held held[6 * 20 * 9];
	size_t count = 0;

	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 20; k++)
			for (size_t n = 0; n < 9; n++, count++) {
				take(&held[count], around[i] - 5 * 256 + k * 256, (uint8_t)(count % 251));
				ck_assert_ptr_nonnull(held[count].memory);
			}
	for (size_t i = 0; i < count; i++)
		ck_assert(give(&held[i]));
}
END_TEST

START_TEST(threads_share_slabs)
{
	pthread_t threads[4];
	static char seeds[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use, &seeds[i]), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block_memory");
	TCase *tc = tcase_create("block_memory");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_size_has_room_and_none_wastes_much);
	tcase_add_test(tc, pieces_are_aligned_and_each_is_one_owners);
	tcase_add_test(tc, without_memory_for_a_slab_there_is_none_and_later_there_is);
	tcase_add_test(tc, sizes_do_not_share_slabs);
	tcase_add_test(tc, threads_share_slabs);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
