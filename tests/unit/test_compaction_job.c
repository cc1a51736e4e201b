/* SPDX-License-Identifier: BSD-2-Clause */
/* Compaction from within: that it sees when nobody writes, what it has learned by then, and what it holds meanwhile. */
#include "engine/compaction_job.h"

#include "base/clock.h"
#include "engine/file_error.h"
#include "support/disk.h"
#include "support/runner.h"

#include <sched.h>
#include <stdio.h>

static struct disk disk;
static struct engine *engine;

static void open_engine_of(uint64_t table_bytes, uint32_t compaction_threshold)
{
	struct engine_options options = {
		.data_dir = disk.path,
		.fs = fault_fs_fs(disk.fault),
		.memtable_bytes = 64 * 1024,
		.table_bytes = table_bytes,
		.block_cache_bytes = 64 * 1024,
		.open_tables_max = 100,
		.compaction_threshold = compaction_threshold,
		.compaction_threads = 1,
	};
	struct kv_error err = { 0 };

	sst_options_init(&options.table);
	options.table.compression = SST_COMPRESSION_NONE;
	ck_assert_msg(engine_open(&options, &engine, &err) == KV_OK, "%s", err.text);
}

static void open_engine(uint32_t compaction_threshold)
{
	open_engine_of(64 * 1024, compaction_threshold);
}

static void setup(void)
{
	disk_open(&disk);
}

static void teardown(void)
{
	engine = engine_close(engine);
	disk_close(&disk);
}

/* A table of `count` keys: `first`, and every `step`-th from there. */
static void flush_keys(unsigned first, unsigned step, unsigned count)
{
	char key[32];

	for (unsigned i = 0; i < count; i++) {
		struct engine_write write = { 0 };

		snprintf(key, sizeof key, "key%06u", first + i * step);
		ck_assert_int_eq(batch_put(&write.batch, slice_of_string(key), slice_of_string("v"), 0), KV_OK);
		ck_assert_int_eq(engine_write(engine, &write), KV_OK);
		batch_free(&write.batch);
	}
	ck_assert_int_eq(engine_flush(engine, NULL), KV_OK);
}

static size_t tables_in(unsigned level)
{
	struct view *view = views_acquire(&engine->views);
	size_t ret = view->levels[level]->count;

	view_unref(view);
	return ret;
}

static size_t level0_tables(void)
{
	return tables_in(0);
}

static void wait_for_empty_level0(void)
{
	uint64_t deadline = clock_monotonic_us() + 100 * 1000000;

	while (level0_tables() > 0) {
		ck_assert(clock_monotonic_us() < deadline);
		ck_assert_int_eq(sched_yield(), 0);
	}
}

START_TEST(level_0_goes_down_when_nobody_writes)
{
	open_engine(4);
	for (unsigned i = 0; i < 5; i++)
		flush_keys(0, 1, 10);
	/* while somebody writes, so few tables stay; after that nobody has to ask */
	wait_for_empty_level0();
}
END_TEST

/* A table goes into what is there; then this is what is known. */
static void expect_overwritten(unsigned first, unsigned step, unsigned count, double expected)
{
	double found;

	flush_keys(first, step, count);
	ck_assert_int_eq(engine_compact(engine, NULL), KV_OK);
	pthread_mutex_lock(&engine->background.mu);
	found = engine->background.overwritten;
	pthread_mutex_unlock(&engine->background.mu);
	ck_assert_double_eq(found, expected);
}

START_TEST(merges_teach_how_much_of_what_is_written_replaces_something)
{
	open_engine(64);
	expect_overwritten(0, 2, 100, 1);        /* to an empty level: nothing is learned */
	expect_overwritten(1, 2, 90, 0.75);      /* between the others: all new */
	expect_overwritten(0, 4, 45, 0.8125);    /* all there already */
	expect_overwritten(1, 100, 2, 0.859375); /* the same, by however few */
}
END_TEST

/* Ours and that of the slot, which it may have lost; others look at it for a moment only. */
static void expect_that_nobody_keeps(struct view *view)
{
	uint64_t deadline = clock_monotonic_us() + 100 * 1000000;

	while (atomic_load(&view->refs) > 2) {
		ck_assert(clock_monotonic_us() < deadline);
		ck_assert_int_ge(sched_yield(), 0);
	}
}

static void take_by_hand(struct compaction_job *job)
{
	pthread_mutex_lock(&engine->background.mu);
	engine->background.manual_sequence = UINT64_MAX;
	pthread_mutex_unlock(&engine->background.mu);
	ck_assert_int_eq(compaction_job_take(engine, true, job), KV_OK);
}

START_TEST(a_compaction_that_takes_long_keeps_no_memtable)
{
	struct compaction_job job;
	struct view *view;

	open_engine(64);
	flush_keys(0, 1, 10);
	flush_keys(0, 1, 10);
	view = views_acquire(&engine->views);
	expect_that_nobody_keeps(view);
	take_by_hand(&job);
	ck_assert_uint_eq(job.input_count[0], 2);
	expect_that_nobody_keeps(view);
	view_unref(view); /* the tables stay: the job has references on them */
	ck_assert_int_eq(compaction_job_run(&job, NULL), KV_OK);
	compaction_job_end(&job, KV_OK, NULL);
	ck_assert_uint_eq(level0_tables(), 0);
}
END_TEST

/* How many are marked as damaged; they are no more then. */
static unsigned take_marks(uint64_t *ret_number)
{
	struct view *view = views_acquire(&engine->views);
	unsigned ret = 0;

	pthread_mutex_lock(&engine->background.mu);
	for (size_t i = 0; i < view->levels[0]->count; i++) {
		struct table *table = view->levels[0]->tables[i];

		ck_assert_int_ne(table_get_mark(table), TABLE_BUSY);
		if (table_get_mark(table) != TABLE_DAMAGED)
			continue;
		ret++;
		*ret_number = table_meta(table)->number;
		table_set_mark(table, TABLE_FREE);
	}
	pthread_mutex_unlock(&engine->background.mu);
	view_unref(view);
	return ret;
}

/* The others go on being compacted. */
START_TEST(only_the_table_that_is_damaged_stays_marked)
{
	struct compaction_job job;
	char name[FILENAME_MAX_BYTES];
	struct kv_error err;
	uint64_t number, marked;

	open_engine(64);
	for (unsigned i = 0; i < 3; i++)
		flush_keys(0, 1, 10);
	take_by_hand(&job);
	number = table_meta(job.inputs[0][1])->number;
	file_error(&err, KV_CORRUPT, "/somewhere", filename_make(name, FILENAME_TABLE, number), 0, "damaged");
	compaction_job_end(&job, KV_CORRUPT, &err);
	ck_assert_uint_eq(take_marks(&marked), 1);
	ck_assert_uint_eq(marked, number);

	for (unsigned i = 0; i < 3; i++) { /* what was written is damaged: three times is no accident */
		take_by_hand(&job);
		ck_assert(!atomic_load(&engine->background.damaged));
		file_error(&err, KV_CORRUPT, "/somewhere", filename_make(name, FILENAME_TABLE, 1000000), 0, "damaged");
		compaction_job_end(&job, KV_CORRUPT, &err);
		ck_assert_uint_eq(take_marks(&marked), i < 2 ? 0 : 3);
	}

	take_by_hand(&job); /* nobody knows what is */
	file_error(&err, KV_CORRUPT, "/somewhere", "MANIFEST", 0, "damaged");
	compaction_job_end(&job, KV_CORRUPT, &err);
	ck_assert_uint_eq(take_marks(&marked), 3);
}
END_TEST

/* ---- tombstones above older data ---- */

enum { DEEP_KEYS = 4000, DELETED_EACH = 5 };

static void write_key(unsigned n, const char *value)
{
	struct engine_write write = { 0 };
	char key[32];
	kv_status status;

	snprintf(key, sizeof key, "key%06u", n);
	status = value ? batch_put(&write.batch, slice_of_string(key), slice_of_string(value), 0) :
		batch_delete(&write.batch, slice_of_string(key));
	ck_assert_int_eq(status, KV_OK);
	ck_assert_int_eq(engine_write(engine, &write), KV_OK);
	batch_free(&write.batch);
}

static void expect_deleted(void)
{
	for (unsigned n = 0; n < DEEP_KEYS; n++) {
		struct engine_value value;
		char key[32];
		kv_status status;

		snprintf(key, sizeof key, "key%06u", n);
		status = engine_get(engine, NULL, slice_of_string(key), &value, NULL);
		ck_assert_msg(status == (n % DELETED_EACH == 0 ? KV_NOT_FOUND : KV_OK), "%s: %s", key,
			kv_status_text(status));
		if (status == KV_OK)
			pinned_release(&value.value);
	}
}

/* The values lie in the last level, their tombstones are merged into one above it, where no other version is among what is merged. */
START_TEST(a_tombstone_stays_while_an_older_version_lies_below)
{
	char value[200];

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	open_engine_of(4096, 2);
	for (unsigned n = 0; n < DEEP_KEYS; n++)
		write_key(n, value);
	ck_assert_int_eq(engine_flush(engine, NULL), KV_OK);
	ck_assert_int_eq(engine_compact(engine, NULL), KV_OK);
	ck_assert_uint_gt(tables_in(MANIFEST_LEVELS - 1), 0);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned table = 0; table < 3; table++) { /* more than level 0 keeps */
			for (unsigned n = round * DELETED_EACH; n < DEEP_KEYS; n += 4 * DELETED_EACH)
				write_key(n, NULL);
			ck_assert_int_eq(engine_flush(engine, NULL), KV_OK);
		}
		wait_for_empty_level0();
		ck_assert_uint_gt(tables_in(MANIFEST_LEVELS - 2), 0);
	}
	expect_deleted();
	ck_assert_int_eq(engine_compact(engine, NULL), KV_OK);
	ck_assert_uint_eq(tables_in(MANIFEST_LEVELS - 2), 0);
	expect_deleted();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compaction_job");
	TCase *tcase = tcase_create("compaction_job");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, level_0_goes_down_when_nobody_writes);
	tcase_add_test(tcase, merges_teach_how_much_of_what_is_written_replaces_something);
	tcase_add_test(tcase, a_compaction_that_takes_long_keeps_no_memtable);
	tcase_add_test(tcase, only_the_table_that_is_damaged_stays_marked);
	tcase_add_test(tcase, a_tombstone_stays_while_an_older_version_lies_below);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
