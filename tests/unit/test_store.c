/* SPDX-License-Identifier: BSD-2-Clause */
/* The face of the store over its real backend: what each call promises, without faults. */
#include "store/store.h"

#include "base/clock.h"
#include "support/runner.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char *dir;
static struct store *store;
static struct store_options options;

static void open_store(void)
{
	struct kv_error err = { 0 };
	char line[512];

	ck_assert_msg(store_open(&options, &store, &err) == KV_OK, "%s",
		kv_error_format(&err, line, sizeof line));
}

static void setup(void)
{
	dir = runner_new_dir();
	store_options_init(&options);
	options.data_dir = dir;
	options.memtable_bytes = 64 * 1024;
	options.block_cache_bytes = 64 * 1024;
	open_store();
}

static void teardown(void)
{
	store = store_close(store);
	runner_remove_dir(dir);
}

static void reopen(void)
{
	store = store_close(store);
	open_store();
}

static struct slice s(const char *text)
{
	return slice_of_string(text);
}

static kv_status put_if(const char *key, const char *value, const struct store_condition *condition,
	struct store_outcome *ret)
{
	struct store_batch *batch = store_batch_new(store);
	kv_status status = store_batch_put(batch, s(key), s(value), 0, condition);

	if (status == KV_OK)
		status = store_write(store, batch);
	if (ret)
		*ret = store_batch_outcome(batch, 0);
	store_batch_free(batch);
	return status;
}

static void put(const char *key, const char *value)
{
	ck_assert_int_eq(put_if(key, value, NULL, NULL), KV_OK);
}

static void delete(const char *key)
{
	struct store_batch *batch = store_batch_new(store);

	ck_assert_int_eq(store_batch_delete(batch, s(key), NULL), KV_OK);
	ck_assert_int_eq(store_write(store, batch), KV_OK);
	store_batch_free(batch);
}

static void expect_in(const struct store_snapshot *snapshot, const char *key, const char *value)
{
	struct store_value got;
	kv_status status = store_get(store, snapshot, s(key), &got, NULL);

	if (!value) {
		ck_assert_int_eq(status, KV_NOT_FOUND);
		return;
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert_msg(slice_equal(got.value.bytes, s(value)), "key %s: got %.*s, not %s", key,
		(int)got.value.bytes.len, (const char *)got.value.bytes.data, value);
	pinned_release(&got.value);
}

static void expect(const char *key, const char *value)
{
	expect_in(NULL, key, value);
}

START_TEST(what_was_put_is_got_and_what_was_deleted_is_not)
{
	put("a", "1");
	put("b", "");
	expect("a", "1");
	expect("b", "");
	expect("c", NULL);
	put("a", "2");
	expect("a", "2");
	delete("a");
	expect("a", NULL);
	delete("never there");
}
END_TEST

START_TEST(everything_is_there_after_a_close_without_finish)
{
	put("a", "1");
	put("b", "2");
	delete("a");
	reopen();
	expect("a", NULL);
	expect("b", "2");
	put("c", "3");
	reopen();
	reopen();
	expect("b", "2");
	expect("c", "3");
}
END_TEST

START_TEST(finish_reports_what_it_did_and_leaves_no_log)
{
	struct store_finish_report report;
	struct store_stats stats;

	put("a", "1");
	put("b", "2");
	ck_assert_int_eq(store_finish(store, &report, NULL), KV_OK);
	ck_assert_uint_eq(report.entries_flushed, 2);
	ck_assert_uint_gt(report.bytes_flushed, 0);
	ck_assert_str_ne(report.table, "");
	ck_assert_uint_ge(report.log_files_removed, 1);
	ck_assert_uint_eq(report.tables, 1);
	ck_assert_uint_gt(report.bytes_on_disk, report.bytes_flushed);
	ck_assert_uint_lt(report.bytes_on_disk, 16 * 1024); /* no segment is left, kept for reuse or not */
	ck_assert_int_eq(put_if("c", "3", NULL, NULL), KV_BUSY);
	expect("a", "1"); /* reads go on */
	store_get_stats(store, &stats);
	ck_assert_uint_eq(stats.wal_segments, 0);
	reopen();
	expect("a", "1");
	expect("b", "2");
	put("a", "3");
	expect("a", "3");
}
END_TEST

START_TEST(finish_of_an_empty_store_writes_no_table)
{
	struct store_finish_report report;

	ck_assert_int_eq(store_finish(store, &report, NULL), KV_OK);
	ck_assert_str_eq(report.table, "");
	ck_assert_uint_eq(report.tables, 0);
	reopen();
	expect("a", NULL);
}
END_TEST

START_TEST(versions_rise_and_outlive_restarts)
{
	struct store_outcome first, second, third;
	struct store_finish_report report;
	struct store_value got;

	ck_assert_int_eq(put_if("a", "1", NULL, &first), KV_OK);
	ck_assert_int_eq(put_if("b", "1", NULL, &second), KV_OK);
	ck_assert_uint_gt(second.version, first.version);
	ck_assert_int_eq(store_finish(store, &report, NULL), KV_OK);
	reopen();
	ck_assert_int_eq(put_if("a", "2", NULL, &third), KV_OK);
	ck_assert_uint_gt(third.version, second.version);
	ck_assert_int_eq(store_get(store, NULL, s("a"), &got, NULL), KV_OK);
	ck_assert_uint_eq(got.version, third.version);
	pinned_release(&got.value);
}
END_TEST

START_TEST(conditions_hold_or_nothing_is_written)
{
	struct store_condition absent = { .expect = STORE_EXPECT_ABSENT };
	struct store_condition exists = { .expect = STORE_EXPECT_EXISTS };
	struct store_condition version = { .expect = STORE_EXPECT_VERSION };
	struct store_outcome outcome;

	ck_assert_int_eq(put_if("a", "0", &exists, NULL), KV_CONDITION);
	expect("a", NULL);
	ck_assert_int_eq(put_if("a", "1", &absent, &outcome), KV_OK);
	ck_assert(!outcome.existed);
	ck_assert_int_eq(put_if("a", "2", &absent, NULL), KV_CONDITION);
	version.version = outcome.version + 1;
	ck_assert_int_eq(put_if("a", "2", &version, NULL), KV_CONDITION);
	expect("a", "1");
	version.version = outcome.version;
	ck_assert_int_eq(put_if("a", "2", &version, &outcome), KV_OK);
	ck_assert(outcome.existed);
	expect("a", "2");
	delete("a");
	ck_assert_int_eq(put_if("a", "3", &exists, NULL), KV_CONDITION);
}
END_TEST

START_TEST(a_batch_is_all_or_nothing_and_sees_its_own_earlier_operations)
{
	struct store_condition absent = { .expect = STORE_EXPECT_ABSENT };
	struct store_condition exists = { .expect = STORE_EXPECT_EXISTS };
	struct store_batch *batch = store_batch_new(store);

	put("there", "1");
	ck_assert_int_eq(store_batch_put(batch, s("new"), s("1"), 0, &absent), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("new"), s("2"), 0, &exists), KV_OK);
	ck_assert_int_eq(store_batch_delete(batch, s("there"), &exists), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("there"), s("2"), 0, &exists), KV_OK);
	ck_assert_int_eq(store_write(store, batch), KV_CONDITION);
	ck_assert_uint_eq(store_batch_failed_index(batch), 3);
	store_batch_free(batch);
	expect("new", NULL);
	expect("there", "1");

	batch = store_batch_new(store);
	ck_assert_int_eq(store_batch_put(batch, s("new"), s("1"), 0, &absent), KV_OK);
	ck_assert_int_eq(store_batch_delete(batch, s("there"), NULL), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("new"), s("2"), 0, &exists), KV_OK);
	ck_assert_int_eq(store_write(store, batch), KV_OK);
	ck_assert(!store_batch_outcome(batch, 0).existed);
	ck_assert(store_batch_outcome(batch, 2).existed);
	ck_assert_uint_eq(store_batch_outcome(batch, 2).version,
		store_batch_outcome(batch, 0).version + 2);
	store_batch_free(batch);
	expect("new", "2");
	expect("there", NULL);
}
END_TEST

START_TEST(bad_keys_and_empty_batches_are_refused)
{
	static const uint8_t long_key[STORE_KEY_MAX + 1];
	struct store_batch *batch = store_batch_new(store);

	ck_assert_int_eq(store_batch_put(batch, s(""), s("v"), 0, NULL), KV_INVALID);
	ck_assert_int_eq(store_batch_put(batch, slice_of(long_key, sizeof long_key), s("v"), 0,
		NULL), KV_INVALID);
	ck_assert_int_eq(store_batch_delete(batch, s(""), NULL), KV_INVALID);
	ck_assert_int_eq(store_write(store, batch), KV_INVALID);
	ck_assert_int_eq(store_batch_put(batch, slice_of(long_key, STORE_KEY_MAX), s("v"), 0, NULL),
		KV_OK);
	ck_assert_int_eq(store_write(store, batch), KV_OK);
	store_batch_free(batch);
}
END_TEST

START_TEST(an_expired_value_is_absent_everywhere)
{
	struct store_batch *batch = store_batch_new(store);
	struct store_condition absent = { .expect = STORE_EXPECT_ABSENT };
	struct store_iter *iter;

	ck_assert_int_eq(store_batch_put(batch, s("old"), s("v"), 1, NULL), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("young"), s("v"),
		clock_wall_ms() + 3600 * 1000, NULL), KV_OK);
	ck_assert_int_eq(store_write(store, batch), KV_OK);
	store_batch_free(batch);
	expect("old", NULL);
	expect("young", "v");
	ck_assert_int_eq(store_iter_open(store, NULL, &iter, NULL), KV_OK);
	store_iter_seek_first(iter);
	ck_assert(slice_equal(store_iter_key(iter), s("young")));
	store_iter_next(iter);
	ck_assert(!store_iter_valid(iter));
	store_iter_close(iter);
	ck_assert_int_eq(put_if("old", "new", &absent, NULL), KV_OK);
}
END_TEST

/* ---- iterating ---- */

static char *walk(const struct store_snapshot *snapshot, bool reverse)
{
	struct store_iter *iter;
	struct buf text = { 0 };

	ck_assert_int_eq(store_iter_open(store, snapshot, &iter, NULL), KV_OK);
	ck_assert(!store_iter_valid(iter));
	if (reverse)
		store_iter_seek_last(iter);
	else
		store_iter_seek_first(iter);
	while (store_iter_valid(iter)) {
		ck_assert_int_eq(buf_append_slice(&text, store_iter_key(iter)), KV_OK);
		ck_assert_int_eq(buf_append_byte(&text, '='), KV_OK);
		ck_assert_int_eq(buf_append_slice(&text, store_iter_value(iter)), KV_OK);
		ck_assert_int_eq(buf_append_byte(&text, ' '), KV_OK);
		if (reverse)
			store_iter_prev(iter);
		else
			store_iter_next(iter);
	}
	ck_assert_int_eq(store_iter_status(iter, NULL), KV_OK);
	store_iter_close(iter);
	ck_assert_int_eq(buf_append_byte(&text, '\0'), KV_OK);
	return (char *)text.data;
}

static void expect_walk(const struct store_snapshot *snapshot, bool reverse, const char *text)
{
	char *got = walk(snapshot, reverse);

	ck_assert_str_eq(got, text);
	free(got);
}

START_TEST(iterators_walk_both_ways_over_memory_and_tables)
{
	put("b", "1");
	put("d", "1");
	ck_assert_int_eq(store_flush(store, NULL), KV_OK);
	put("a", "2");
	put("d", "2");
	delete("b");
	put("c", "2");
	expect_walk(NULL, false, "a=2 c=2 d=2 ");
	expect_walk(NULL, true, "d=2 c=2 a=2 ");
}
END_TEST

START_TEST(seeks_land_where_they_say)
{
	struct store_iter *iter;

	put("b", "");
	put("d", "");
	ck_assert_int_eq(store_iter_open(store, NULL, &iter, NULL), KV_OK);
	store_iter_seek(iter, s("b"));
	ck_assert(slice_equal(store_iter_key(iter), s("b")));
	store_iter_seek(iter, s("c"));
	ck_assert(slice_equal(store_iter_key(iter), s("d")));
	store_iter_seek(iter, s("e"));
	ck_assert(!store_iter_valid(iter));
	store_iter_seek_before(iter, s("d"));
	ck_assert(slice_equal(store_iter_key(iter), s("b")));
	store_iter_seek_before(iter, s("b"));
	ck_assert(!store_iter_valid(iter));
	ck_assert_int_eq(store_iter_status(iter, NULL), KV_OK);
	store_iter_close(iter);
}
END_TEST

START_TEST(an_iterator_keeps_its_picture)
{
	struct store_iter *iter;

	put("a", "1");
	put("b", "1");
	ck_assert_int_eq(store_iter_open(store, NULL, &iter, NULL), KV_OK);
	put("a", "2");
	delete("b");
	put("c", "2");
	ck_assert_int_eq(store_compact(store, NULL), KV_OK);
	store_iter_seek_first(iter);
	ck_assert(slice_equal(store_iter_value(iter), s("1")));
	store_iter_next(iter);
	ck_assert(slice_equal(store_iter_key(iter), s("b")));
	store_iter_next(iter);
	ck_assert(!store_iter_valid(iter));
	store_iter_close(iter);
}
END_TEST

START_TEST(a_snapshot_outlives_flushes_and_compactions)
{
	struct store_snapshot *first, *second;

	put("a", "1");
	put("b", "1");
	first = store_snapshot_new(store);
	put("a", "2");
	delete("b");
	second = store_snapshot_new(store);
	put("a", "3");
	put("b", "3");
	for (int i = 0; i < 3; i++) {
		expect_in(first, "a", "1");
		expect_in(first, "b", "1");
		expect_in(second, "a", "2");
		expect_in(second, "b", NULL);
		expect_walk(first, false, "a=1 b=1 ");
		expect_walk(second, true, "a=2 ");
		expect_walk(NULL, false, "a=3 b=3 ");
		ck_assert_int_eq(i == 0 ? store_flush(store, NULL) : store_compact(store, NULL),
			KV_OK);
	}
	store_snapshot_free(first);
	store_snapshot_free(second);
}
END_TEST

/* ---- more data than memory ---- */

static void fill(unsigned from, unsigned to, unsigned salt)
{
	char key[32], value[64];

	for (unsigned i = from; i < to; i++) {
		snprintf(key, sizeof key, "key%06u", i * 7919 % 100003);
		snprintf(value, sizeof value, "value-%u-of-%u", salt, i);
		put(key, value);
	}
}

static void check_filled(unsigned from, unsigned to, unsigned salt)
{
	char key[32], value[64];

	for (unsigned i = from; i < to; i++) {
		snprintf(key, sizeof key, "key%06u", i * 7919 % 100003);
		snprintf(value, sizeof value, "value-%u-of-%u", salt, i);
		expect(key, value);
	}
}

static uint64_t total_entries(const struct store_stats *stats)
{
	uint64_t sum = 0;

	for (unsigned n = 0; n < stats->level_count; n++)
		sum += stats->levels[n].entries;
	return sum;
}

START_TEST(memtables_are_flushed_and_tables_compacted_by_themselves)
{
	struct store_stats stats;

	options.durability = STORE_DURABLE_OS;
	reopen();
	fill(0, 8000, 1);
	fill(0, 4000, 2);
	check_filled(0, 4000, 2);
	check_filled(4000, 8000, 1);
	ck_assert_int_eq(store_compact(store, NULL), KV_OK);
	check_filled(0, 4000, 2);
	check_filled(4000, 8000, 1);
	store_get_stats(store, &stats);
	ck_assert_uint_gt(stats.flushes, 4);
	ck_assert_uint_gt(stats.compactions, 0);
	ck_assert_uint_eq(stats.levels[0].tables, 0);
	ck_assert_uint_eq(total_entries(&stats), 8000);
	ck_assert_uint_eq(stats.commits, 12000);
	reopen();
	check_filled(0, 4000, 2);
	check_filled(4000, 8000, 1);
}
END_TEST

START_TEST(a_checkpoint_is_a_store_of_its_own)
{
	char path[256];
	char *original = dir;

	snprintf(path, sizeof path, "%s/copy", dir);
	options.durability = STORE_DURABLE_OS;
	reopen();
	fill(0, 1000, 1);
	ck_assert_int_eq(store_checkpoint(store, path, NULL), KV_OK);
	ck_assert_int_eq(store_checkpoint(store, path, NULL), KV_INVALID);
	fill(0, 1000, 2);
	store = store_close(store);
	options.data_dir = path;
	open_store();
	check_filled(0, 1000, 1);
	fill(0, 10, 3);
	store = store_close(store);
	options.data_dir = original;
	open_store();
	check_filled(0, 1000, 2);
}
END_TEST

START_TEST(a_second_opening_is_refused)
{
	struct store *second;
	struct kv_error err;

	ck_assert_int_eq(store_open(&options, &second, &err), KV_BUSY);
	ck_assert_ptr_nonnull(strstr(err.file, "LOCK"));
	ck_assert_str_eq(err.text, "another process has the store open");
}
END_TEST

/* ---- submitting ---- */

struct counter {
	pthread_mutex_t mu;
	pthread_cond_t changed;
	unsigned done, ok;
};

static void count_done(struct store_batch *batch, kv_status status, void *arg)
{
	struct counter *counter = arg;

	store_batch_free(batch);
	pthread_mutex_lock(&counter->mu);
	counter->done++;
	counter->ok += status == KV_OK;
	pthread_cond_signal(&counter->changed);
	pthread_mutex_unlock(&counter->mu);
}

START_TEST(submitted_writes_are_done_once_each_in_groups)
{
	struct counter counter = { .mu = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	struct store_stats stats;
	char key[32];

	for (unsigned i = 0; i < 2000; i++) {
		struct store_batch *batch = store_batch_new(store);

		snprintf(key, sizeof key, "key%u", i);
		ck_assert_int_eq(store_batch_put(batch, s(key), s("v"), 0, NULL), KV_OK);
		store_submit(store, batch, count_done, &counter);
	}
	pthread_mutex_lock(&counter.mu);
	while (counter.done < 2000)
		pthread_cond_wait(&counter.changed, &counter.mu);
	pthread_mutex_unlock(&counter.mu);
	ck_assert_uint_eq(counter.ok, 2000);
	store_get_stats(store, &stats);
	ck_assert_uint_eq(stats.commits, 2000);
	ck_assert_uint_lt(stats.commit_groups, 2000);
	expect("key1999", "v");
}
END_TEST

enum { RACERS = 8, ROUNDS = 200 };

/* Each thread adds 1 to a counter by compare-and-swap until it has won ROUNDS times. */
static void *race(void *arg)
{
	char text[32];

	(void)arg;
	for (unsigned won = 0; won < ROUNDS;) {
		struct store_condition unchanged = { .expect = STORE_EXPECT_VERSION };
		struct store_value got;

		if (store_get(store, NULL, s("counter"), &got, NULL) != KV_OK)
			return (void *)1;
		snprintf(text, sizeof text, "%.*s", (int)got.value.bytes.len,
			(const char *)got.value.bytes.data);
		unchanged.version = got.version;
		pinned_release(&got.value);
		snprintf(text, sizeof text, "%lu", strtoul(text, NULL, 10) + 1);
		switch (put_if("counter", text, &unchanged, NULL)) {
		case KV_OK:
			won++;
			break;
		case KV_CONDITION:
			break;
		default:
			return (void *)1;
		}
	}
	return NULL;
}

START_TEST(two_racing_on_one_version_never_both_win)
{
	pthread_t threads[RACERS];
	char expected[32];
	void *failed;

	options.durability = STORE_DURABLE_OS;
	reopen();
	put("counter", "0");
	for (int i = 0; i < RACERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, race, NULL), 0);
	for (int i = 0; i < RACERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	snprintf(expected, sizeof expected, "%d", RACERS * ROUNDS);
	expect("counter", expected);
}
END_TEST

START_TEST(options_out_of_range_are_named)
{
	struct store_options bad = options;
	struct kv_error err;
	struct store *none;

	bad.memtable_bytes = 1;
	ck_assert_int_eq(store_open(&bad, &none, &err), KV_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "memtable_size"));
	bad = options;
	bad.tunables.compaction_threshold = 1;
	ck_assert_int_eq(store_options_check(&bad, &err), KV_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "compaction_threshold"));
	bad = options;
	bad.backend = "cards";
	ck_assert_int_eq(store_open(&bad, &none, &err), KV_INVALID);
	ck_assert_int_eq(store_retune(store, &(struct store_tunables){ 1, 1, 0 }, &err), KV_INVALID);
	ck_assert_int_eq(store_retune(store, &(struct store_tunables){ 1, 5, 0 }, &err), KV_OK);
}
END_TEST

START_TEST(the_data_are_readable_by_nobody_else)
{
	struct stat st;
	char path[256];

	snprintf(path, sizeof path, "%s/sub", dir);
	store = store_close(store);
	options.data_dir = path;
	open_store();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0700);
	snprintf(path, sizeof path, "%s/sub/MANIFEST", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	store = store_close(store);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("store");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_was_put_is_got_and_what_was_deleted_is_not);
	tcase_add_test(tcase, everything_is_there_after_a_close_without_finish);
	tcase_add_test(tcase, finish_reports_what_it_did_and_leaves_no_log);
	tcase_add_test(tcase, finish_of_an_empty_store_writes_no_table);
	tcase_add_test(tcase, versions_rise_and_outlive_restarts);
	tcase_add_test(tcase, conditions_hold_or_nothing_is_written);
	tcase_add_test(tcase, a_batch_is_all_or_nothing_and_sees_its_own_earlier_operations);
	tcase_add_test(tcase, bad_keys_and_empty_batches_are_refused);
	tcase_add_test(tcase, an_expired_value_is_absent_everywhere);
	tcase_add_test(tcase, iterators_walk_both_ways_over_memory_and_tables);
	tcase_add_test(tcase, seeks_land_where_they_say);
	tcase_add_test(tcase, an_iterator_keeps_its_picture);
	tcase_add_test(tcase, a_snapshot_outlives_flushes_and_compactions);
	tcase_add_test(tcase, memtables_are_flushed_and_tables_compacted_by_themselves);
	tcase_add_test(tcase, a_checkpoint_is_a_store_of_its_own);
	tcase_add_test(tcase, a_second_opening_is_refused);
	tcase_add_test(tcase, submitted_writes_are_done_once_each_in_groups);
	tcase_add_test(tcase, two_racing_on_one_version_never_both_win);
	tcase_add_test(tcase, options_out_of_range_are_named);
	tcase_add_test(tcase, the_data_are_readable_by_nobody_else);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
