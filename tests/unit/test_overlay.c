/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/overlay.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdio.h>

static char names[2000][16];

static struct slice key(unsigned i)
{
	snprintf(names[i], sizeof names[i], "key%u", i);
	return slice_of_string(names[i]);
}

static void add(struct overlay *overlay, unsigned i, uint64_t sequence)
{
	struct entry entry = { .key = key(i), .sequence = sequence, .kind = ENTRY_PUT };

	ck_assert_int_eq(overlay_add(overlay, &entry), KV_OK);
}

START_TEST(the_newest_write_of_a_key_is_found)
{
	struct overlay *overlay = overlay_new();

	ck_assert_ptr_null(overlay_find(overlay, key(1)));
	add(overlay, 1, 10);
	add(overlay, 2, 11);
	add(overlay, 1, 12);
	ck_assert_uint_eq(overlay_find(overlay, key(1))->sequence, 12);
	ck_assert_uint_eq(overlay_find(overlay, key(2))->sequence, 11);
	ck_assert_ptr_null(overlay_find(overlay, key(3)));
	overlay_free(overlay);
}
END_TEST

START_TEST(growing_keeps_every_chain_newest_first)
{
	struct overlay *overlay = overlay_new();

	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 2000; i++)
			add(overlay, i, round * 10000 + i);
	for (unsigned i = 0; i < 2000; i++)
		ck_assert_uint_eq(overlay_find(overlay, key(i))->sequence, 20000 + i);
	overlay_free(overlay);
}
END_TEST

START_TEST(rollback_brings_back_what_was_before_the_mark)
{
	struct overlay *overlay = overlay_new();
	size_t mark;

	add(overlay, 1, 10);
	mark = overlay_mark(overlay);
	for (unsigned i = 0; i < 1000; i++) /* grows in between */
		add(overlay, i, 100 + i);
	overlay_rollback(overlay, mark);
	ck_assert_uint_eq(overlay_find(overlay, key(1))->sequence, 10);
	ck_assert_ptr_null(overlay_find(overlay, key(2)));
	overlay_clear(overlay);
	ck_assert_ptr_null(overlay_find(overlay, key(1)));
	overlay_free(overlay);
}
END_TEST

START_TEST(out_of_memory_leaves_it_as_it_was)
{
	for (unsigned n = 0;; n++) {
		struct overlay *overlay = overlay_new();
		struct entry entry = { .key = key(1), .sequence = 1, .kind = ENTRY_PUT };
		kv_status status;

		fault_alloc_fail(n + 1, false);
		status = overlay_add(overlay, &entry);
		fault_alloc_fail(0, false);
		if (status == KV_OK) {
			overlay_free(overlay);
			ck_assert_uint_ge(n, 2);
			break;
		}
		ck_assert_int_eq(status, KV_NO_MEMORY);
		ck_assert_ptr_null(overlay_find(overlay, key(1)));
		add(overlay, 1, 7);
		ck_assert_uint_eq(overlay_find(overlay, key(1))->sequence, 7);
		overlay_free(overlay);
	}
}
END_TEST

static void add_range(struct overlay *overlay, unsigned from, unsigned to, uint64_t sequence)
{
	struct entry entry = { .key = key(from), .value = key(to), .sequence = sequence,
		.kind = ENTRY_RANGE_DELETE };

	ck_assert_int_eq(overlay_add(overlay, &entry), KV_OK);
}

START_TEST(range_deletes_are_found_and_rolled_back)
{
	struct overlay *overlay = overlay_new();
	size_t mark;

	add(overlay, 3, 10);
	add_range(overlay, 2, 5, 11);
	ck_assert_int_eq(overlay_find(overlay, key(3))->kind, ENTRY_DELETE);
	ck_assert_uint_eq(overlay_find(overlay, key(4))->sequence, 11);
	ck_assert_ptr_null(overlay_find(overlay, key(5)));
	add(overlay, 4, 12);
	ck_assert_int_eq(overlay_find(overlay, key(4))->kind, ENTRY_PUT);
	mark = overlay_mark(overlay);
	for (unsigned i = 0; i < 600; i++) { /* grows in between */
		add_range(overlay, 1, 9, 13 + 2 * i);
		add(overlay, 6, 14 + 2 * i);
	}
	ck_assert_uint_eq(overlay_find(overlay, key(4))->sequence, 13 + 2 * 599);
	overlay_rollback(overlay, mark);
	ck_assert_uint_eq(overlay_find(overlay, key(4))->sequence, 12);
	ck_assert_uint_eq(overlay_find(overlay, key(3))->sequence, 11);
	ck_assert_ptr_null(overlay_find(overlay, key(6)));
	overlay_clear(overlay);
	ck_assert_ptr_null(overlay_find(overlay, key(3)));
	overlay_free(overlay);
}
END_TEST

START_TEST(without_memory_a_range_delete_is_not_there)
{
	struct overlay *overlay = overlay_new();
	struct entry entry = { .key = key(1), .value = key(2), .sequence = 5, .kind = ENTRY_RANGE_DELETE };
	kv_status status = KV_NO_MEMORY;
	uint64_t n = 0;

	add(overlay, 1, 1);
	while (status == KV_NO_MEMORY) {
		ck_assert_uint_eq(overlay_find(overlay, key(1))->sequence, 1);
		fault_alloc_fail(++n, false);
		status = overlay_add(overlay, &entry);
		fault_alloc_fail(0, false);
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert_uint_ge(n, 8);
	ck_assert_uint_eq(overlay_find(overlay, key(1))->sequence, 5);
	overlay_free(overlay);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("overlay");
	TCase *tcase = tcase_create("overlay");

	tcase_add_test(tcase, the_newest_write_of_a_key_is_found);
	tcase_add_test(tcase, growing_keeps_every_chain_newest_first);
	tcase_add_test(tcase, rollback_brings_back_what_was_before_the_mark);
	tcase_add_test(tcase, out_of_memory_leaves_it_as_it_was);
	tcase_add_test(tcase, range_deletes_are_found_and_rolled_back);
	tcase_add_test(tcase, without_memory_a_range_delete_is_not_there);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
