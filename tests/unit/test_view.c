/* SPDX-License-Identifier: BSD-2-Clause */
/* Views: what is found where, what keeps what alive, and replacing while others read. */
#include "engine/view.h"

#include "base/checksum.h"
#include "base/rcu.h"
#include "engine/sst_writer.h"
#include "support/disk.h"
#include "support/runner.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct disk disk;
static const struct store_id id = { { 1, 2, 3 } };
static struct block_cache *blocks;
static struct table_cache *tables;
static struct view_level *none;

static void setup(void)
{
	disk_open(&disk);
	blocks = block_cache_new(1 << 20);
	tables = table_cache_new(&disk.dir, &id, blocks, 16);
	none = view_level_new(NULL, 0);
	ck_assert(blocks && tables && none);
}

static void teardown(void)
{
	view_level_unref(none);
	ck_assert_int_eq(table_cache_trim(tables, NULL), KV_OK);
	tables = table_cache_free(tables);
	blocks = block_cache_free(blocks);
	disk_close(&disk);
}

static struct entry entry_of(const char *key, uint64_t sequence, const char *value)
{
	return (struct entry){ .key = slice_of_string(key), .sequence = sequence,
		.kind = value ? ENTRY_PUT : ENTRY_DELETE,
		.value = slice_of_string(value ? value : "") };
}

/* A table with two keys, in order. */
static struct table *make_table(uint64_t number, struct entry first, struct entry second)
{
	struct sst_options options;
	struct sst_writer *writer;
	struct sst_meta meta;
	struct table *table;

	sst_options_init(&options);
	ck_assert_int_eq(sst_writer_open(&disk.dir, &id, number, &options, &writer, NULL), KV_OK);
	ck_assert_int_eq(sst_writer_add(writer, &first, NULL), KV_OK);
	ck_assert_int_eq(sst_writer_add(writer, &second, NULL), KV_OK);
	ck_assert_int_eq(sst_writer_finish(writer, &meta, NULL), KV_OK);
	sst_writer_close(writer);
	table = table_new(tables, &meta);
	sst_meta_free(&meta);
	ck_assert_ptr_nonnull(table);
	return table;
}

static struct memtable *make_memtable(struct entry entry)
{
	struct memtable *memtable = memtable_new(1);

	ck_assert_ptr_nonnull(memtable);
	memtable_add_filter(memtable, 1 << 16);
	ck_assert_int_eq(memtable_add(memtable, &entry), KV_OK);
	return memtable;
}

/* A tree in which each part has a newer value of "k" than the parts below it. */
static struct view *make_tree(void)
{
	struct memtable *active = make_memtable(entry_of("k", 60, "active"));
	struct memtable *frozen[] = { make_memtable(entry_of("k", 50, "frozen new")),
		make_memtable(entry_of("k", 40, "frozen old")) };
	struct table *level0[] = { make_table(10, entry_of("j", 29, NULL), entry_of("k", 30, "l0 new")),
		make_table(9, entry_of("k", 20, "l0 old"), entry_of("l", 21, "x")) };
	struct table *level1[] = { make_table(8, entry_of("a", 1, "a"), entry_of("b", 2, "b")),
		make_table(7, entry_of("k", 10, "l1"), entry_of("m", 11, "m")) };
	struct view_level *levels[MANIFEST_LEVELS];
	struct view *view;

	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		levels[n] = none;
	levels[0] = view_level_new(level0, 2);
	levels[1] = view_level_new(level1, 2);
	view = view_new(active, frozen, 2, levels);
	ck_assert_ptr_nonnull(view);
	/* the view has its own references on everything */
	memtable_unref(active);
	for (int i = 0; i < 2; i++) {
		memtable_unref(frozen[i]);
		table_unref(level0[i]);
		table_unref(level1[i]);
		view_level_unref(levels[i]);
	}
	return view;
}

static void expect(struct view *view, const char *key, uint64_t max_sequence, const char *value)
{
	struct view_read read;
	kv_status status;

	rcu_enter();
	status = view_get(view, slice_of_string(key), max_sequence, &read, NULL);
	rcu_leave();
	if (!value) {
		ck_assert_int_eq(status, KV_NOT_FOUND);
		return;
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert_msg(slice_equal(read.entry.value, slice_of_string(value)), "%s: %.*s", value,
		(int)read.entry.value.len, (const char *)read.entry.value.data);
	pinned_release(&read.pin);
}

START_TEST(the_newest_version_up_to_the_sequence_is_found_wherever_it_is)
{
	struct view *view = make_tree();

	expect(view, "k", 99, "active");
	expect(view, "k", 59, "frozen new");
	expect(view, "k", 49, "frozen old");
	expect(view, "k", 39, "l0 new");
	expect(view, "k", 29, "l0 old");
	expect(view, "k", 19, "l1");
	expect(view, "k", 9, NULL);
	expect(view, "j", 99, ""); /* a delete is found as such */
	expect(view, "a", 99, "a");
	expect(view, "m", 99, "m");
	expect(view, "c", 99, NULL); /* between two tables */
	expect(view, "z", 99, NULL); /* behind the last */
	view_unref(view);
}
END_TEST

START_TEST(an_iterator_sees_every_version_in_order)
{
	static const uint64_t sequences[] = { 1, 2, 29, 60, 50, 40, 30, 20, 10, 21, 11 };
	struct view *view = make_tree();
	struct iter *iter = view_iter(view, NULL, true);
	size_t i = 0;

	ck_assert_ptr_nonnull(iter);
	for (iter_seek_first(iter); iter->valid; iter_next(iter))
		ck_assert_uint_eq(iter->entry->sequence, sequences[i++]);
	ck_assert_int_eq(iter_status(iter, NULL), KV_OK);
	ck_assert_uint_eq(i, sizeof sequences / sizeof sequences[0]);
	iter_close(iter);
	view_unref(view);
}
END_TEST

START_TEST(a_value_outlives_the_view_it_came_from)
{
	struct view *view = make_tree();
	struct view_read memory, table;

	rcu_enter();
	ck_assert_int_eq(view_get(view, slice_of_string("k"), 99, &memory, NULL), KV_OK);
	ck_assert_int_eq(view_get(view, slice_of_string("k"), 19, &table, NULL), KV_OK);
	rcu_leave();
	view_unref(view);
	ck_assert(slice_equal(memory.entry.value, slice_of_string("active")));
	ck_assert(slice_equal(table.entry.value, slice_of_string("l1")));
	pinned_release(&memory.pin);
	pinned_release(&table.pin);
}
END_TEST

START_TEST(finding_a_table_looks_at_largest_keys)
{
	struct table *list[] = { make_table(8, entry_of("b", 1, ""), entry_of("d", 2, "")),
		make_table(7, entry_of("f", 3, ""), entry_of("h", 4, "")) };
	struct view_level *level = view_level_new(list, 2);

	ck_assert_uint_eq(view_level_find(level, slice_of_string("a")), 0);
	ck_assert_uint_eq(view_level_find(level, slice_of_string("d")), 0);
	ck_assert_uint_eq(view_level_find(level, slice_of_string("e")), 1);
	ck_assert_uint_eq(view_level_find(level, slice_of_string("h")), 1);
	ck_assert_uint_eq(view_level_find(level, slice_of_string("i")), 2);
	ck_assert_uint_eq(view_level_find(none, slice_of_string("a")), 0);
	ck_assert_uint_eq(level->bytes,
		table_meta(list[0])->file_bytes + table_meta(list[1])->file_bytes);
	view_level_unref(level);
	table_unref(list[0]);
	table_unref(list[1]);
}
END_TEST

/* ---- replacing ---- */

enum { READERS = 3, REPLACEMENTS = 2000 };
static struct views views;
static _Atomic bool stop;

static void install(const char *value, uint64_t sequence)
{
	struct memtable *memtable = make_memtable(entry_of("k", sequence, value));
	struct view_level *levels[MANIFEST_LEVELS];
	struct view *view;

	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		levels[n] = none;
	view = view_new(memtable, NULL, 0, levels);
	memtable_unref(memtable);
	ck_assert_ptr_nonnull(view);
	pthread_mutex_lock(&views.mu);
	views_replace_locked(&views, view);
	pthread_mutex_unlock(&views.mu);
}

static void *read_all_the_time(void *arg)
{
	uint64_t last = 0;

	(void)arg;
	while (!stop) {
		struct view_read read;
		struct view *held = views_acquire(&views);
		kv_status status;

		rcu_enter();
		status = view_get(views_peek(&views), slice_of_string("k"), UINT64_MAX, &read, NULL);
		rcu_leave();
		if (status != KV_OK || read.entry.sequence < last ||
			memtable_entries(held->active) != 1)
			return "a reader saw something that never was";
		last = read.entry.sequence;
		pinned_release(&read.pin);
		view_unref(held);
	}
	return NULL;
}

START_TEST(readers_always_see_a_whole_view_and_never_an_older_one)
{
	pthread_t threads[READERS];
	void *complaint;

	ck_assert_int_eq(views_init(&views), KV_OK);
	install("v", 1);
	for (int i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_all_the_time, NULL), 0);
	for (uint64_t sequence = 2; sequence < REPLACEMENTS; sequence++) {
		install("v", sequence);
		if (sequence % 8 == 0)
			views_reclaim(&views);
	}
	stop = true;
	for (int i = 0; i < READERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &complaint), 0);
		ck_assert_msg(!complaint, "%s", (const char *)complaint);
	}
	views_destroy(&views);
}
END_TEST

/* The tree, with range deletes in force for its tables. */
static struct view *make_tree_with(const struct range *ranges, size_t count)
{
	struct view *view = make_tree();
	struct range_set *set = range_set_new(ranges, count);

	ck_assert_ptr_nonnull(set);
	view_set_ranges(view, set, 39);
	range_set_unref(set);
	return view;
}

START_TEST(range_deletes_of_tables_hide_what_is_older_wherever_it_is)
{
	const struct range ranges[] = { { .sequence = 25, .start = slice_of("k", 1), .end = slice_of("l", 1) },
		{ .sequence = 35, .start = slice_of("a", 1), .end = slice_of("b", 1) } };
	struct view *view = make_tree_with(ranges, 2);

	expect(view, "k", 99, "active");
	expect(view, "k", 39, "l0 new");
	expect(view, "k", 29, "");       /* the table of 29 does not hold it, that of 20 is older */
	expect(view, "k", 24, "l0 old"); /* a snapshot before it */
	expect(view, "l", 99, "x");
	expect(view, "a", 99, "");
	expect(view, "a", 34, "a");
	expect(view, "b", 99, "b");
	view_unref(view);
}
END_TEST

START_TEST(a_range_delete_of_a_frozen_memtable_hides_all_tables)
{
	struct view *view = make_tree();
	struct entry range = { .key = slice_of("a", 1), .value = slice_of("z", 1), .sequence = 51,
		.kind = ENTRY_RANGE_DELETE };

	/* it is the newest of the frozen ones, which is still a memtable to write to in this test */
	ck_assert_int_eq(memtable_add(view->frozen[0], &range), KV_OK);
	expect(view, "k", 99, "active");
	expect(view, "k", 59, "");
	expect(view, "k", 50, "frozen new");
	expect(view, "m", 99, "");
	expect(view, "m", 50, "m");
	view_unref(view);
}
END_TEST

START_TEST(a_table_that_has_nothing_newer_is_not_even_opened)
{
	const struct range ranges[] = { { .sequence = 35, .start = slice_of("a", 1), .end = slice_of("c", 1) } };
	struct view *view = make_tree_with(ranges, 1);
	struct range_cover *cover;
	struct iter *iter;
	size_t seen = 0;

	ck_assert_int_eq(dir_unlink(&disk.dir, "000008.sst", NULL), KV_OK); /* that of a and b */
	expect(view, "a", 99, "");
	expect(view, "b", 99, "");
	ck_assert_int_eq(view_cover(view, 99, &cover), KV_OK);
	ck_assert_uint_eq(cover->count, 1);
	iter = view_iter(view, cover, true);
	for (iter_seek_first(iter); iter->valid; iter_next(iter))
		seen++;
	ck_assert_int_eq(iter_status(iter, NULL), KV_OK);
	ck_assert_uint_eq(seen, 9);
	for (iter_seek_last(iter); iter->valid; iter_prev(iter))
		seen--;
	ck_assert_uint_eq(seen, 0);
	ck_assert_int_eq(iter_status(iter, NULL), KV_OK);
	iter_close(iter);
	free(cover);
	view_unref(view);
}
END_TEST

START_TEST(without_range_deletes_there_is_no_cover)
{
	struct view *view = make_tree();
	struct range_cover *cover = (struct range_cover *)view;

	ck_assert_int_eq(view_cover(view, 99, &cover), KV_OK);
	ck_assert_ptr_null(cover);
	view_unref(view);
}
END_TEST

/* ---- what happens right behind a read section ---- */

void __real_urcu_bp_read_unlock(void);
void __wrap_urcu_bp_read_unlock(void);

static _Thread_local void (*behind_read_section)(void); /* called once */

void __wrap_urcu_bp_read_unlock(void)
{
	void (*call)(void) = behind_read_section;

	__real_urcu_bp_read_unlock();
	behind_read_section = NULL;
	if (call)
		call();
}

static void replace_and_reclaim(void)
{
	ck_assert_uint_eq(atomic_load(&views_peek(&views)->refs), 2); /* the slot's, and that of who acquires it */
	install("new", 2);
	views_reclaim(&views);
}

START_TEST(a_view_is_counted_before_it_can_be_reclaimed)
{
	struct view_read read = { 0 };
	struct view *view;

	ck_assert_int_eq(views_init(&views), KV_OK);
	install("old", 1);
	behind_read_section = replace_and_reclaim;
	view = views_acquire(&views);
	ck_assert_ptr_null(behind_read_section);
	ck_assert_int_eq(view_get(view, slice_of_string("k"), UINT64_MAX, &read, NULL), KV_OK);
	ck_assert(slice_equal(read.entry.value, slice_of_string("old")));
	pinned_release(&read.pin);
	view_unref(view);
	views_destroy(&views);
}
END_TEST

static void *replace_beside(void *arg)
{
	install("new", 2);
	views_reclaim(&views);
	sem_post(arg);
	return NULL;
}

/* That it does not happen is no event, so there is a time to it; in it a reclaim that waited for nobody would have ended. */
START_TEST(what_a_reader_looks_at_is_not_reclaimed_before_it_leaves)
{
	struct view_read read = { 0 };
	struct timespec deadline;
	struct view *view;
	pthread_t thread;
	sem_t reclaimed;

	ck_assert_int_eq(views_init(&views), KV_OK);
	ck_assert_int_eq(sem_init(&reclaimed, 0, 0), 0);
	install("old", 1);
	rcu_enter();
	view = views_peek(&views);
	ck_assert_int_eq(pthread_create(&thread, NULL, replace_beside, &reclaimed), 0);
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &deadline), 0);
	deadline.tv_sec++;
	ck_assert_int_ne(sem_timedwait(&reclaimed, &deadline), 0);
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_int_eq(view_get(view, slice_of_string("k"), UINT64_MAX, &read, NULL), KV_OK);
	rcu_leave();
	ck_assert(slice_equal(read.entry.value, slice_of_string("old")));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(sem_trywait(&reclaimed), 0);
	pinned_release(&read.pin);
	views_destroy(&views);
	sem_destroy(&reclaimed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("view");
	TCase *tcase = tcase_create("view");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_newest_version_up_to_the_sequence_is_found_wherever_it_is);
	tcase_add_test(tcase, an_iterator_sees_every_version_in_order);
	tcase_add_test(tcase, a_value_outlives_the_view_it_came_from);
	tcase_add_test(tcase, finding_a_table_looks_at_largest_keys);
	tcase_add_test(tcase, readers_always_see_a_whole_view_and_never_an_older_one);
	tcase_add_test(tcase, a_view_is_counted_before_it_can_be_reclaimed);
	tcase_add_test(tcase, what_a_reader_looks_at_is_not_reclaimed_before_it_leaves);
	tcase_add_test(tcase, range_deletes_of_tables_hide_what_is_older_wherever_it_is);
	tcase_add_test(tcase, a_range_delete_of_a_frozen_memtable_hides_all_tables);
	tcase_add_test(tcase, a_table_that_has_nothing_newer_is_not_even_opened);
	tcase_add_test(tcase, without_range_deletes_there_is_no_cover);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
