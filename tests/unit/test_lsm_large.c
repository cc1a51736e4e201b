/* SPDX-License-Identifier: BSD-2-Clause */
/* Large values through the face of the store: in by uploads, out in pieces, kept exactly as long as somebody needs them. */
#include "base/clock.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

static struct small_store small;
enum { LARGE = 4096, SIZE = 200000 };

static void setup(void)
{
	small_store_init(&small);
	small.options.large_value_bytes = LARGE;
	small_store_open(&small);
}

static void teardown(void)
{
	small_store_done(&small);
}

static struct slice s(const char *text)
{
	return slice_of_string(text);
}

/* ---- writing ---- */

/* Byte `at` of the value that `seed` stands for. */
static uint8_t byte_of(unsigned seed, size_t at)
{
	return (uint8_t)((at * 2654435761u >> 13) + seed * 37 + at);
}

static struct store_upload *upload_of(unsigned seed, size_t size)
{
	struct store_upload *upload;
	uint8_t piece[7001];

	ck_assert_int_eq(store_upload_new(small.store, &upload, NULL), KV_OK);
	for (size_t at = 0; at < size;) {
		size_t len = sizeof piece < size - at ? sizeof piece : size - at;

		for (size_t i = 0; i < len; i++)
			piece[i] = byte_of(seed, at + i);
		ck_assert_int_eq(store_upload_append(upload, slice_of(piece, len), NULL), KV_OK);
		at += len;
	}
	ck_assert_uint_eq(store_upload_bytes(upload), size);
	return upload;
}

static struct store_batch *batch_of(const char *key, unsigned seed, size_t size,
	const struct store_condition *condition)
{
	struct store_batch *batch = store_batch_new(small.store);

	ck_assert_int_eq(store_batch_put_upload(batch, s(key), upload_of(seed, size), 0, condition), KV_OK);
	return batch;
}

static kv_status put_if(const char *key, unsigned seed, size_t size, const struct store_condition *condition)
{
	struct store_batch *batch = batch_of(key, seed, size, condition);
	kv_status status = store_write(small.store, batch);

	store_batch_free(batch);
	return status;
}

static void put(const char *key, unsigned seed, size_t size)
{
	ck_assert_int_eq(put_if(key, seed, size, NULL), KV_OK);
}

/* ---- reading ---- */

static void expect_bytes(struct store_large *large, unsigned seed, size_t size)
{
	uint8_t piece[10007];

	ck_assert_ptr_nonnull(large);
	ck_assert_uint_eq(store_large_size(large), size);
	for (size_t at = 0; at < size;) {
		size_t len = sizeof piece < size - at ? sizeof piece : size - at;

		ck_assert_int_eq(store_large_read(large, at, piece, len, NULL), KV_OK);
		for (size_t i = 0; i < len; i++)
			ck_assert_uint_eq(piece[i], byte_of(seed, at + i));
		at += len;
	}
}

static void expect_in(const struct store_snapshot *snapshot, const char *key, unsigned seed, size_t size)
{
	struct store_value value;

	ck_assert_int_eq(store_get(small.store, snapshot, s(key), &value, NULL), KV_OK);
	ck_assert_uint_eq(value.size, size);
	ck_assert_uint_eq(value.value.bytes.len, 0);
	expect_bytes(value.large, seed, size);
	store_value_release(&value);
}

static void expect(const char *key, unsigned seed, size_t size)
{
	expect_in(NULL, key, seed, size);
}

static struct store_stats stats(void)
{
	struct store_stats ret;

	store_get_stats(small.store, &ret);
	return ret;
}

/* The flush thread removes what nobody needs; half a minute is far more than it takes. */
static void expect_files(size_t count)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;

	while (stats().large_values != count) {
		ck_assert_msg(clock_monotonic_us() < deadline, "%zu files, not %zu", small_count(&small, ".blob"), count);
		ck_assert_int_ge(sched_yield(), 0);
	}
	ck_assert_uint_eq(small_count(&small, ".blob"), count);
}

static void compact(void)
{
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
}

static void reopen(void)
{
	small_store_crash(&small);
	small_store_open(&small);
}

/* ---- ---- */

START_TEST(a_large_value_is_read_wherever_it_is)
{
	struct store_finish_report report;

	put("a", 1, SIZE);
	expect("a", 1, SIZE);
	reopen();
	expect("a", 1, SIZE);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	expect("a", 1, SIZE);
	put("b", 2, LARGE);
	compact();
	expect("a", 1, SIZE);
	reopen();
	expect("a", 1, SIZE);
	expect("b", 2, LARGE);
	ck_assert_int_eq(store_finish(small.store, &report, NULL), KV_OK);
	ck_assert_uint_gt(report.bytes_on_disk, SIZE + LARGE);
	reopen();
	expect("a", 1, SIZE);
	expect_files(2);
	ck_assert_uint_eq(small.warnings, 0);
}
END_TEST

START_TEST(an_upload_that_stays_small_is_a_value_like_any_other)
{
	struct store_value value;
	struct store_batch *batch = store_batch_new(small.store);
	struct store_upload *upload;

	put("a", 1, LARGE - 1);
	ck_assert_int_eq(store_upload_new(small.store, &upload, NULL), KV_OK);
	ck_assert_int_eq(store_batch_put_upload(batch, s("empty"), upload, 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	ck_assert_uint_eq(small_count(&small, ".blob"), 0);
	ck_assert_int_eq(store_get(small.store, NULL, s("a"), &value, NULL), KV_OK);
	ck_assert_ptr_null(value.large);
	ck_assert_uint_eq(value.value.bytes.len, LARGE - 1);
	for (size_t i = 0; i < LARGE - 1; i++)
		ck_assert_uint_eq(value.value.bytes.data[i], byte_of(1, i));
	store_value_release(&value);
	small_expect(&small, "empty", "");
}
END_TEST

START_TEST(a_value_given_whole_is_large_from_the_same_size_on)
{
	struct store_batch *batch = store_batch_new(small.store);
	static uint8_t bytes[SIZE];
	struct store_value value;

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = byte_of(1, i);
	ck_assert_int_eq(store_batch_put(batch, s("a"), slice_of(bytes, SIZE), 0, NULL), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("b"), slice_of(bytes, LARGE), 0, NULL), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("c"), slice_of(bytes, LARGE - 1), 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	expect("a", 1, SIZE);
	expect("b", 1, LARGE);
	ck_assert_int_eq(store_get(small.store, NULL, s("c"), &value, NULL), KV_OK);
	ck_assert_ptr_null(value.large);
	ck_assert_uint_eq(value.value.bytes.len, LARGE - 1);
	store_value_release(&value);
	ck_assert_uint_eq(small_count(&small, ".blob"), 2);
	ck_assert_uint_lt(stats().wal_bytes_written, 2 * LARGE);
}
END_TEST

START_TEST(an_upload_that_is_given_up_leaves_nothing)
{
	struct store_upload *upload = upload_of(1, SIZE);
	struct store_batch *batch;

	ck_assert_uint_eq(small_count(&small, ".blob"), 1);
	store_upload_free(upload);
	expect_files(0);
	batch = batch_of("a", 1, SIZE, NULL);
	store_batch_free(batch);
	expect_files(0);
	small_expect(&small, "a", NULL);
	/* a batch that did not take it */
	batch = store_batch_new(small.store);
	upload = upload_of(1, SIZE);
	ck_assert_int_eq(store_batch_put_upload(batch, s(""), upload, 0, NULL), KV_INVALID);
	ck_assert_int_eq(store_batch_put_upload(batch, s("a"), upload, 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	expect("a", 1, SIZE);
}
END_TEST

START_TEST(uploads_that_a_crash_ended_are_swept)
{
	disk_write(&small.disk, "000777.blob", s("left by a crash"));
	reopen();
	ck_assert_uint_eq(small_count(&small, ".blob"), 0);
	put("a", 1, SIZE);
	ck_assert_str_gt(small_newest(&small, ".blob"), "000777.blob"); /* no number is used twice */
}
END_TEST

START_TEST(a_value_goes_when_it_was_overwritten_or_deleted)
{
	put("a", 1, SIZE);
	put("a", 2, SIZE);
	expect("a", 2, SIZE);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	expect_files(1);
	put("a", 3, SIZE);
	put("b", 4, SIZE);
	compact();
	expect_files(2);
	ck_assert_int_eq(small_put(&small, "a", "small"), KV_OK);
	ck_assert_int_eq(small_delete(&small, "b"), KV_OK);
	compact();
	expect_files(0);
	small_expect(&small, "a", "small");
	ck_assert_uint_eq(stats().large_bytes, 0);
}
END_TEST

START_TEST(who_reads_a_value_keeps_it)
{
	struct store_value value;

	put("a", 1, SIZE);
	ck_assert_int_eq(store_get(small.store, NULL, s("a"), &value, NULL), KV_OK);
	ck_assert_int_eq(small_delete(&small, "a"), KV_OK);
	compact();
	small_expect(&small, "a", NULL);
	ck_assert_uint_eq(small_count(&small, ".blob"), 1);
	expect_bytes(value.large, 1, SIZE);
	store_value_release(&value);
	expect_files(0);
}
END_TEST

START_TEST(snapshots_and_iterators_keep_what_they_see)
{
	struct store_snapshot *snapshot;
	struct store_large *large;
	struct store_iter *iter;

	put("a", 1, SIZE);
	ck_assert_int_eq(small_put(&small, "b", "small"), KV_OK);
	snapshot = store_snapshot_new(small.store);
	ck_assert_int_eq(store_iter_open(small.store, NULL, &iter, NULL), KV_OK);
	put("a", 2, SIZE);
	put("b", 3, SIZE);
	compact();
	expect_in(snapshot, "a", 1, SIZE);
	store_iter_seek_first(iter);
	ck_assert(store_iter_valid(iter));
	ck_assert_uint_eq(store_iter_size(iter), SIZE);
	ck_assert_uint_eq(store_iter_value(iter).len, 0);
	ck_assert_int_eq(store_iter_large(iter, &large, NULL), KV_OK);
	expect_bytes(large, 1, SIZE);
	store_large_free(large);
	store_iter_next(iter);
	ck_assert_uint_eq(store_iter_size(iter), 5);
	ck_assert_int_eq(store_iter_large(iter, &large, NULL), KV_OK);
	ck_assert_ptr_null(large);
	store_iter_close(iter);
	store_snapshot_free(snapshot);
	expect("a", 2, SIZE);
	put("a", 4, SIZE);
	compact();
	expect_files(2);
}
END_TEST

START_TEST(a_batch_with_large_values_is_all_or_nothing)
{
	const struct store_condition absent = { .expect = STORE_EXPECT_ABSENT };
	struct store_batch *batch;

	ck_assert_int_eq(small_put(&small, "here", "x"), KV_OK);
	for (int round = 0; round < 2; round++) {
		batch = store_batch_new(small.store);
		ck_assert_int_eq(store_batch_put_upload(batch, s("a"), upload_of(1, SIZE), 0, &absent), KV_OK);
		ck_assert_int_eq(store_batch_put(batch, s("b"), s("small"), 0, NULL), KV_OK);
		ck_assert_int_eq(store_batch_put_upload(batch, s(round == 0 ? "here" : "c"), upload_of(2, SIZE), 0,
			&absent), KV_OK);
		ck_assert_int_eq(store_write(small.store, batch), round == 0 ? KV_CONDITION : KV_OK);
		if (round == 0)
			ck_assert_uint_eq(store_batch_failed_index(batch), 2);
		else
			ck_assert_uint_eq(store_batch_outcome(batch, 2).version, stats().last_version);
		store_batch_free(batch);
		expect_files(round == 0 ? 0 : 2);
		small_expect(&small, "b", round == 0 ? NULL : "small");
	}
	expect("a", 1, SIZE);
	expect("c", 2, SIZE);
	small_expect(&small, "here", "x");
}
END_TEST

START_TEST(conditions_see_large_values)
{
	const struct store_condition absent = { .expect = STORE_EXPECT_ABSENT };
	struct store_condition version = { .expect = STORE_EXPECT_VERSION };
	struct store_value value;

	ck_assert_int_eq(put_if("a", 1, SIZE, &absent), KV_OK);
	ck_assert_int_eq(put_if("a", 2, SIZE, &absent), KV_CONDITION);
	ck_assert_int_eq(store_get(small.store, NULL, s("a"), &value, NULL), KV_OK);
	version.version = value.version;
	store_value_release(&value);
	ck_assert_int_eq(put_if("a", 3, SIZE, &version), KV_OK);
	ck_assert_int_eq(put_if("a", 4, SIZE, &version), KV_CONDITION);
	expect("a", 3, SIZE);
}
END_TEST

static kv_status touch(const char *key, uint64_t expires_unix_ms)
{
	struct store_batch *batch = store_batch_new(small.store);
	kv_status status = store_batch_touch(batch, s(key), expires_unix_ms);

	if (status == KV_OK)
		status = store_write(small.store, batch);
	store_batch_free(batch);
	return status;
}

START_TEST(a_touch_keeps_the_value_and_moves_nothing)
{
	uint64_t written;
	struct store_batch *batch = store_batch_new(small.store);

	put("a", 1, SIZE);
	written = stats().large_bytes_written;
	ck_assert_uint_eq(written, SIZE);
	ck_assert_int_eq(touch("a", clock_wall_ms() + 3600000), KV_OK);
	compact();
	expect("a", 1, SIZE);
	ck_assert_int_eq(touch("a", 0), KV_OK);
	reopen();
	expect("a", 1, SIZE);
	expect_files(1);
	ck_assert_uint_eq(stats().large_bytes_written, 0);
	ck_assert_int_eq(store_batch_increment(batch, s("a"), 1), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_NOT_NUMBER);
	store_batch_free(batch);
	ck_assert_int_eq(touch("a", 1), KV_OK); /* long ago */
	small_expect(&small, "a", NULL);
	compact();
	expect_files(0);
}
END_TEST

START_TEST(a_checkpoint_has_the_large_values)
{
	char path[300];
	struct small_store copy = small;

	put("a", 1, SIZE);
	put("b", 2, SIZE);
	compact();
	ck_assert_int_eq(touch("a", 0), KV_OK); /* two tables with the same file */
	snprintf(path, sizeof path, "%s/copy", small.disk.path);
	ck_assert_int_eq(store_checkpoint(small.store, path, NULL), KV_OK);
	ck_assert_int_eq(small_delete(&small, "a"), KV_OK);
	compact();
	expect_files(1);
	small_store_crash(&small);

	copy.options.data_dir = path;
	copy.options.event = NULL;
	ck_assert_int_eq(store_open(&copy.options, &small.store, NULL), KV_OK);
	expect("a", 1, SIZE);
	expect("b", 2, SIZE);
	small.store = store_close(small.store);
	small_store_open(&small);
	small_expect(&small, "a", NULL);
	expect("b", 2, SIZE);
}
END_TEST

START_TEST(figures_count_large_values)
{
	struct store_capabilities can;
	uint64_t user = stats().user_bytes_written;

	put("a", 1, SIZE);
	ck_assert_uint_eq(stats().large_values, 1);
	ck_assert_uint_gt(stats().large_bytes, SIZE);
	ck_assert_uint_lt(stats().large_bytes, SIZE + 1000);
	ck_assert_uint_eq(stats().large_bytes_written, SIZE);
	ck_assert_uint_ge(stats().user_bytes_written - user, SIZE + 1);
	ck_assert_uint_lt(stats().wal_bytes_written, 1000);
	store_get_capabilities(small.store, &can);
	ck_assert(can.large_values);
	ck_assert_uint_eq(store_large_value_bytes(small.store), LARGE);
	reopen();
	ck_assert_uint_gt(stats().large_bytes, SIZE);
}
END_TEST

START_TEST(garbage_comes_back_while_values_are_overwritten)
{
	enum { KEYS = 20, ROUNDS = 40, BYTES = 100000 };
	uint64_t most = 0, live = KEYS * BYTES;

	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < KEYS; i++) {
			char key[8];

			snprintf(key, sizeof key, "k%u", i);
			put(key, round, BYTES);
			if (stats().large_bytes > most)
				most = stats().large_bytes;
		}
	/* a few times what is live (the compaction runs beside us, and may be late), and what memory points to: an active memtable and
	 * those being written; without collecting it would be 40 times */
	ck_assert_uint_lt(most, 6 * live + 3 * 4 * small.options.memtable_bytes + 4 * BYTES + (1 << 20));
	compact();
	expect_files(KEYS);
	for (unsigned i = 0; i < KEYS; i++) {
		char key[8];

		snprintf(key, sizeof key, "k%u", i);
		ck_assert_int_eq(small_delete(&small, key), KV_OK);
	}
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK); /* the rest comes by itself */
	expect_files(0);
}
END_TEST

/* ---- the order of things ---- */

START_TEST(the_file_and_its_name_are_durable_before_the_pointer_is_logged)
{
	char line[100], *record, *sync, *name, *log;

	fault_fs_record(small.disk.fault, true);
	put("a", 1, SIZE);
	record = fault_fs_take_record(small.disk.fault);
	snprintf(line, sizeof line, "\nfdatasync %s\n", small_newest(&small, ".blob"));
	sync = strstr(record, line);
	ck_assert_ptr_nonnull(sync);
	name = strstr(sync, "\nfsync ");
	ck_assert_ptr_nonnull(name);
	log = strstr(name, ".wal ");
	ck_assert_ptr_nonnull(log);
	snprintf(line, sizeof line, "pwritev %s", small_newest(&small, ".blob"));
	ck_assert_ptr_null(strstr(sync, line)); /* nothing of the value is written after its sync */
	free(record);
}
END_TEST

static sem_t go;

/* Holds the sync of large values until `go`. */
static void hold_sync(void *arg, enum fault_op op, const char *name)
{
	(void)arg;
	if (op == FAULT_FDATASYNC && strstr(name, ".blob"))
		while (sem_wait(&go) != 0)
			;
}

static void note_done(struct store_batch *batch, kv_status status, void *arg)
{
	ck_assert_int_eq(status, KV_OK);
	store_batch_free(batch);
	sem_post(arg);
}

START_TEST(no_small_write_waits_for_the_sync_of_a_large_value)
{
	sem_t done;

	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	fault_fs_hook(small.disk.fault, hold_sync, NULL);
	store_submit(small.store, batch_of("a", 1, SIZE, NULL), note_done, &done);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(small_put(&small, "b", "small"), KV_OK);
	small_expect(&small, "a", NULL);
	ck_assert_int_ne(sem_trywait(&done), 0);
	sem_post(&go);
	while (sem_wait(&done) != 0)
		;
	expect("a", 1, SIZE);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	sem_destroy(&go);
	sem_destroy(&done);
}
END_TEST

START_TEST(large_and_small_values_may_be_submitted_together)
{
	struct store_submission all[9];
	sem_t done;

	sem_init(&done, 0, 0);
	for (unsigned i = 0; i < 9; i++) {
		char key[8];

		snprintf(key, sizeof key, "k%u", i);
		all[i] = (struct store_submission){ i % 3 == 1 ? batch_of(key, i, SIZE, NULL) : store_batch_new(small.store), note_done, &done };
		if (i % 3 != 1)
			ck_assert_int_eq(store_batch_put(all[i].batch, s(key), s("small"), 0, NULL), KV_OK);
	}
	store_submit_all(small.store, all, 9);
	for (unsigned i = 0; i < 9; i++)
		while (sem_wait(&done) != 0)
			;
	for (unsigned i = 0; i < 9; i++) {
		char key[8];

		snprintf(key, sizeof key, "k%u", i);
		if (i % 3 == 1)
			expect(key, i, SIZE);
		else
			small_expect(&small, key, "small");
	}
	ck_assert_uint_eq(small_count(&small, ".blob"), 3);
	sem_destroy(&done);
}
END_TEST

START_TEST(finishing_commits_what_was_submitted)
{
	struct store_finish_report report;
	struct store_batch *late;
	sem_t done;

	sem_init(&done, 0, 0);
	late = batch_of("late", 9, SIZE, NULL);
	for (unsigned i = 0; i < 10; i++) {
		char key[8];

		snprintf(key, sizeof key, "k%u", i);
		store_submit(small.store, batch_of(key, i, SIZE, NULL), note_done, &done);
	}
	ck_assert_int_eq(store_finish(small.store, &report, NULL), KV_OK);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(sem_trywait(&done), 0);
	ck_assert_int_eq(store_write(small.store, late), KV_BUSY);
	store_batch_free(late);
	reopen();
	for (unsigned i = 0; i < 10; i++) {
		char key[8];

		snprintf(key, sizeof key, "k%u", i);
		expect(key, i, SIZE);
	}
	ck_assert_uint_eq(small_count(&small, ".blob"), 10);
	sem_destroy(&done);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lsm_large");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_large_value_is_read_wherever_it_is);
	tcase_add_test(tc, an_upload_that_stays_small_is_a_value_like_any_other);
	tcase_add_test(tc, a_value_given_whole_is_large_from_the_same_size_on);
	tcase_add_test(tc, an_upload_that_is_given_up_leaves_nothing);
	tcase_add_test(tc, uploads_that_a_crash_ended_are_swept);
	tcase_add_test(tc, a_value_goes_when_it_was_overwritten_or_deleted);
	tcase_add_test(tc, who_reads_a_value_keeps_it);
	tcase_add_test(tc, snapshots_and_iterators_keep_what_they_see);
	tcase_add_test(tc, a_batch_with_large_values_is_all_or_nothing);
	tcase_add_test(tc, conditions_see_large_values);
	tcase_add_test(tc, a_touch_keeps_the_value_and_moves_nothing);
	tcase_add_test(tc, a_checkpoint_has_the_large_values);
	tcase_add_test(tc, figures_count_large_values);
	tcase_add_test(tc, garbage_comes_back_while_values_are_overwritten);
	tcase_add_test(tc, the_file_and_its_name_are_durable_before_the_pointer_is_logged);
	tcase_add_test(tc, no_small_write_waits_for_the_sync_of_a_large_value);
	tcase_add_test(tc, large_and_small_values_may_be_submitted_together);
	tcase_add_test(tc, finishing_commits_what_was_submitted);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
