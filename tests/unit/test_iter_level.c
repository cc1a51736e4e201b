/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk over a level, with arrays in the place of tables: this program has its own table_meta() and table_iter(), so that it
 * sees which tables are opened, and can make them fail.
 */
#include "engine/iter_level.h"
#include "support/array_iter.h"
#include "support/fault_alloc.h"
#include "support/iter_check.h"
#include "support/runner.h"

#include <stdlib.h>

enum { TABLES_MAX = 10, ENTRIES_MAX = 100 };

struct table {
	struct sst_meta meta;
	const struct entry *entries;
	size_t count;
	size_t opened; /* times */
	bool out_of_memory;
	kv_status fail; /* the move after `fail_after` more ones of each iterator fails with this */
	size_t fail_after;
};

const struct sst_meta *table_meta(const struct table *table)
{
	return &table->meta;
}

struct iter *table_iter(struct table *table, bool keep_blocks)
{
	struct iter *iter;

	ck_assert(keep_blocks);
	table->opened++;
	if (table->out_of_memory)
		return NULL;
	iter = array_iter_new(table->entries, table->count);
	if (iter && table->fail != KV_OK) /* counted in moves of one entry */
		array_iter_fail(iter, table->fail_after, table->fail);
	else if (iter)
		array_iter_set_runs(iter, 1 + table->count % 4);
	return iter;
}

struct level {
	struct entry *entries;
	size_t count;
	struct table tables[TABLES_MAX];
	struct table *pointers[TABLES_MAX];
	size_t table_count;
};

/* Cuts the entries into tables, never between two versions of a key. */
static void cut(struct level *level, size_t from, size_t to)
{
	struct table *table = &level->tables[level->table_count];

	*table = (struct table){ .entries = level->entries + from, .count = to - from };
	ck_assert_int_eq(buf_set(&table->meta.smallest, level->entries[from].key), KV_OK);
	ck_assert_int_eq(buf_set(&table->meta.largest, level->entries[to - 1].key), KV_OK);
	level->pointers[level->table_count++] = table;
}

static void make_level(struct level *level, uint64_t *rnd)
{
	size_t from = 0;

	level->table_count = 0;
	level->count = runner_random(rnd) % ENTRIES_MAX;
	level->entries = iter_check_entries(rnd, level->count);
	for (size_t i = 1; i < level->count; i++) {
		if (slice_equal(level->entries[i - 1].key, level->entries[i].key) ||
			runner_random(rnd) % 8 != 0 || level->table_count == TABLES_MAX - 1)
			continue;
		cut(level, from, i);
		from = i;
	}
	if (level->count > 0)
		cut(level, from, level->count);
}

static void free_level(struct level *level)
{
	for (size_t i = 0; i < level->table_count; i++) {
		buf_free(&level->tables[i].meta.smallest);
		buf_free(&level->tables[i].meta.largest);
	}
	iter_check_free(level->entries, level->count);
}

START_TEST(walks_in_any_direction_show_all_entries_in_order)
{
	static struct level level;
	uint64_t rnd = runner_seed();

	for (int round = 0; round < 1000; round++) {
		struct iter *iter;

		make_level(&level, &rnd);
		iter = iter_level_new(level.pointers, level.table_count, NULL, true);
		ck_assert(!iter->valid);
		ck_assert_int_eq(iter_status(iter, NULL), KV_OK);
		iter_check_walk(iter, level.entries, level.count, &rnd, 200);
		ck_assert_uint_le(array_iter_open(), 1);
		iter_close(iter);
		ck_assert_uint_eq(array_iter_open(), 0);
		free_level(&level);
	}
}
END_TEST

START_TEST(a_seek_opens_only_the_table_of_its_key)
{
	static struct level level;
	uint64_t rnd = runner_seed();
	struct iter *iter;

	for (make_level(&level, &rnd); level.table_count < 3; make_level(&level, &rnd))
		free_level(&level);
	iter = iter_level_new(level.pointers, level.table_count, NULL, true);
	ck_assert_uint_eq(level.tables[0].opened, 0);
	iter_seek(iter, level.tables[1].entries[0].key, ENTRY_SEQUENCE_MAX);
	ck_assert(iter->valid);
	iter_seek(iter, level.tables[1].entries[0].key, ENTRY_SEQUENCE_MAX);
	ck_assert_uint_eq(level.tables[0].opened, 0);
	ck_assert_uint_eq(level.tables[1].opened, 1);
	ck_assert_uint_eq(level.tables[2].opened, 0);
	iter_close(iter);
	free_level(&level);
}
END_TEST

/* Walks through the whole level; true when it met an error. */
static bool walk_all(struct iter *iter, bool forward, size_t *ret_shown)
{
	*ret_shown = 0;
	if (forward)
		iter_seek_first(iter);
	else
		iter_seek_last(iter);
	while (iter->valid) {
		++*ret_shown;
		if (forward)
			iter_next(iter);
		else
			iter_prev(iter);
	}
	return iter_status(iter, NULL) != KV_OK;
}

START_TEST(a_table_that_fails_is_never_skipped)
{
	static struct level level;
	uint64_t rnd = runner_seed();

	for (size_t round = 0; round < 2000; round++) {
		struct table *bad;
		struct iter *iter;
		size_t shown, before = 0;
		bool forward = round % 2;

		make_level(&level, &rnd);
		if (level.table_count == 0) {
			free_level(&level);
			continue;
		}
		bad = &level.tables[runner_random(&rnd) % level.table_count];
		bad->fail_after = runner_random(&rnd) % bad->count;
		bad->fail = KV_IO;
		bad->out_of_memory = round % 5 == 0;
		iter = iter_level_new(level.pointers, level.table_count, NULL, true);
		ck_assert(walk_all(iter, forward, &shown));
		ck_assert_int_eq(iter_status(iter, NULL), bad->out_of_memory ? KV_NO_MEMORY : KV_IO);
		for (struct table *t = level.tables; t < level.tables + level.table_count; t++)
			before += (t < bad) == forward && t != bad ? t->count : 0;
		ck_assert_uint_eq(shown, before + (bad->out_of_memory ? 0 : bad->fail_after));
		/* and the error stays */
		iter_seek_first(iter);
		ck_assert(!iter->valid);
		ck_assert_int_ne(iter_status(iter, NULL), KV_OK);
		iter_close(iter);
		free_level(&level);
	}
	ck_assert_uint_eq(array_iter_open(), 0);
}
END_TEST

START_TEST(an_empty_table_is_walked_over)
{
	struct entry e = { .key = slice_of("k", 1), .sequence = 1, .kind = ENTRY_PUT };
	struct table tables[3] = { { .entries = NULL }, { .entries = &e, .count = 1 }, { .entries = NULL } };
	struct table *pointers[3] = { &tables[0], &tables[1], &tables[2] };
	struct iter *iter;

	ck_assert_int_eq(buf_set(&tables[0].meta.smallest, slice_of("a", 1)), KV_OK);
	ck_assert_int_eq(buf_set(&tables[0].meta.largest, slice_of("b", 1)), KV_OK);
	ck_assert_int_eq(buf_set(&tables[1].meta.smallest, slice_of("k", 1)), KV_OK);
	ck_assert_int_eq(buf_set(&tables[1].meta.largest, slice_of("k", 1)), KV_OK);
	ck_assert_int_eq(buf_set(&tables[2].meta.smallest, slice_of("x", 1)), KV_OK);
	ck_assert_int_eq(buf_set(&tables[2].meta.largest, slice_of("y", 1)), KV_OK);
	iter = iter_level_new(pointers, 3, NULL, true);
	iter_check_walk(iter, &e, 1, &(uint64_t){ runner_seed() }, 200);
	iter_close(iter);
	for (int i = 0; i < 3; i++) {
		buf_free(&tables[i].meta.smallest);
		buf_free(&tables[i].meta.largest);
	}
}
END_TEST

START_TEST(running_out_of_memory_gives_no_iterator)
{
	struct iter *iter;

	fault_alloc_fail(1, false);
	iter = iter_level_new(NULL, 0, NULL, true);
	fault_alloc_fail(0, false);
	ck_assert_ptr_null(iter);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("iter_level");
	TCase *tc = tcase_create("iter_level");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, walks_in_any_direction_show_all_entries_in_order);
	tcase_add_test(tc, a_seek_opens_only_the_table_of_its_key);
	tcase_add_test(tc, a_table_that_fails_is_never_skipped);
	tcase_add_test(tc, an_empty_table_is_walked_over);
	tcase_add_test(tc, running_out_of_memory_gives_no_iterator);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
