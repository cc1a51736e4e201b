/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Range deletes in a whole store: through memory, tables, crashes, compactions and checkpoints; what they cost; and that no failure of a
 * file or of memory takes an acknowledged one back or makes half of one. What they do to every kind of read stands in tests/model.
 */
#include "base/clock.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 60 };

static struct small_store small;

static void setup(void)
{
	small_store_init(&small);
	small.options.durability = STORE_DURABLE_OS;
}

static void teardown(void)
{
	small_store_done(&small);
}

static void delete_range(const char *start, const char *end)
{
	ck_assert_int_eq(small_delete_range(&small, start, end), KV_OK);
}

static void flush(void)
{
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
}

START_TEST(what_is_covered_is_gone_in_memory_in_tables_and_after_a_crash)
{
	small_store_open(&small);
	for (unsigned place = 0; place < 4; place++) {
		small_fill(&small, 0, 100, "v");
		if (place > 0)
			flush();
		delete_range("key000010", "key000020");
		ck_assert_int_eq(small_put(&small, "key000015", "back"), KV_OK);
		if (place > 1)
			flush();
		if (place > 2)
			ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
		for (unsigned again = 0; again < 2; again++) {
			small_expect(&small, "key000009", "v");
			small_expect(&small, "key000010", NULL);
			small_expect(&small, "key000015", "back");
			small_expect(&small, "key000019", NULL);
			small_expect(&small, "key000020", "v");
			ck_assert_uint_eq(small_count_keys(&small, NULL), 91);
			small_store_crash(&small);
			small_store_open(&small);
		}
	}
	ck_assert_uint_eq(small_stats(&small).range_deletes, 0);
}
END_TEST

START_TEST(a_range_without_bounds_takes_everything)
{
	small_store_open(&small);
	small_fill(&small, 0, 100, "v");
	ck_assert_int_eq(small_put(&small, "\xff\xff", "v"), KV_OK);
	delete_range("", "");
	ck_assert_uint_eq(small_count_keys(&small, NULL), 0);
	flush();
	ck_assert_uint_eq(small_count_keys(&small, NULL), 0);
	small_fill(&small, 3, 5, "new");
	ck_assert_uint_eq(small_count_keys(&small, NULL), 2);
	delete_range("", "key000004");
	ck_assert_uint_eq(small_count_keys(&small, NULL), 1);
	delete_range("key000004", "");
	ck_assert_uint_eq(small_count_keys(&small, NULL), 0);
}
END_TEST

START_TEST(a_batch_is_deleted_and_written_in_its_order)
{
	struct store_batch *batch;

	small_store_open(&small);
	batch = store_batch_new(small.store);
	ck_assert_int_eq(store_batch_put(batch, slice_of("b1", 2), slice_of("x", 1), 0, NULL), KV_OK);
	ck_assert_int_eq(store_batch_delete_range(batch, slice_of("b", 1), slice_of("c", 1)), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, slice_of("b2", 2), slice_of("y", 1), 0, NULL), KV_OK);
	ck_assert_int_eq(store_batch_delete_range(batch, slice_of("b", 1), slice_of("b", 1)), KV_INVALID);
	ck_assert_int_eq(store_batch_delete_range(batch, slice_of("c", 1), slice_of("b", 1)), KV_INVALID);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	small_expect(&small, "b1", NULL);
	small_expect(&small, "b2", "y");
}
END_TEST

START_TEST(conditions_see_range_deletes_of_the_same_batch)
{
	struct store_condition absent = { .expect = STORE_EXPECT_ABSENT };
	struct store_batch *batch;

	small_store_open(&small);
	small_fill(&small, 0, 3, "v");
	batch = store_batch_new(small.store);
	ck_assert_int_eq(store_batch_delete_range(batch, slice_of("k", 1), slice_of("l", 1)), KV_OK);
	ck_assert_int_eq(store_batch_check(batch, slice_of_string("key000001"), &absent), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, slice_of_string("key000002"), slice_of("w", 1), 0, &absent),
		KV_OK);
	ck_assert_int_eq(store_batch_check(batch, slice_of_string("key000002"), &absent), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_CONDITION);
	ck_assert_uint_eq(store_batch_failed_index(batch), 3);
	store_batch_free(batch);
	/* nothing of it has happened */
	ck_assert_uint_eq(small_count_keys(&small, NULL), 3);
	ck_assert_uint_eq(small_stats(&small).range_deletes, 0);
}
END_TEST

START_TEST(a_snapshot_keeps_what_was_deleted_after_it)
{
	struct store_snapshot *snapshot;

	small_store_open(&small);
	small_fill(&small, 0, 100, "v");
	flush();
	snapshot = store_snapshot_new(small.store);
	delete_range("", "");
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(small_count_keys(&small, NULL), 0);
		ck_assert_uint_eq(small_count_keys(&small, snapshot), 100);
		ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	}
	ck_assert_uint_eq(small_stats(&small).range_deletes, 1);
	store_snapshot_free(snapshot);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert_uint_eq(small_stats(&small).range_deletes, 0);
	ck_assert_uint_eq(small_tables(&small), 0);
}
END_TEST

static bool eventually_no_tables(void)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;

	while (small_tables(&small) > 0) {
		if (clock_monotonic_us() > deadline)
			return false;
		ck_assert_int_ge(sched_yield(), 0);
	}
	return true;
}

START_TEST(tables_that_are_covered_whole_go_without_being_read)
{
	uint64_t read;

	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	for (unsigned i = 0; i < 5; i++) {
		small_fill(&small, 1000 * i, 1000 * i + 500, "a value");
		flush();
	}
	ck_assert_uint_ge(small_tables(&small), 5);
	read = small_stats(&small).compaction_bytes_read;
	delete_range("key", "kez");
	flush();
	ck_assert(eventually_no_tables());
	ck_assert_uint_eq(small_stats(&small).compaction_bytes_read, read);
	ck_assert_uint_eq(small_stats(&small).range_deletes, 0);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 0);
}
END_TEST

START_TEST(a_damaged_table_is_not_asked_for_what_was_deleted)
{
	char name[64];

	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	small_fill(&small, 0, 100, "v");
	flush();
	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	small_store_crash(&small);
	disk_patch(&small.disk, name, 10, slice_of("damage", 6));
	small_store_open(&small);
	delete_range("key000000", "key000099"); /* all but the last: the table is not covered whole */
	small_expect(&small, "key000050", NULL);
	ck_assert_int_eq(small_put(&small, "key000050", "new"), KV_OK);
	small_expect(&small, "key000050", "new");
}
END_TEST

START_TEST(a_memtable_of_range_deletes_only_is_flushed_without_a_table)
{
	small_store_open(&small);
	small_fill(&small, 0, 10, "v");
	flush();
	delete_range("key000002", "key000004");
	flush();
	ck_assert_uint_eq(small_stats(&small).memtable_entries, 0);
	ck_assert_uint_eq(small_stats(&small).range_deletes, 1);
	small_store_crash(&small);
	small_store_open(&small);
	ck_assert_uint_eq(small_stats(&small).memtable_entries, 0);
	ck_assert_uint_eq(small_stats(&small).range_deletes, 1);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 8);
}
END_TEST

START_TEST(a_range_delete_of_nothing_does_not_stay)
{
	small_store_open(&small);
	small_fill(&small, 0, 10, "v");
	flush();
	delete_range("a", "b");
	delete_range("x", "");
	ck_assert_uint_eq(small_stats(&small).range_deletes, 2);
	flush();
	ck_assert_uint_eq(small_stats(&small).range_deletes, 0);
}
END_TEST

START_TEST(a_range_delete_within_a_newer_one_does_not_stay)
{
	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	small_fill(&small, 0, 1000, "v");
	flush();
	for (unsigned i = 0; i < 50; i++)
		delete_range("key000010", "key000020");
	delete_range("key000000", "key000030");
	flush();
	ck_assert_uint_eq(small_stats(&small).range_deletes, 1);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 970);
}
END_TEST

/* Each is small, so that none is worth a compaction; but so many are. */
START_TEST(thousands_of_ranges_are_honoured_and_do_not_pile_up)
{
	char start[32], end[32];

	small_store_open(&small);
	small_fill(&small, 0, 9000, "v");
	flush();
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(start, sizeof start, "key%06u", 3 * i);
		snprintf(end, sizeof end, "key%06u", 3 * i + 1);
		delete_range(start, end);
	}
	ck_assert_uint_eq(small_count_keys(&small, NULL), 6000);
	flush();
	ck_assert_uint_eq(small_count_keys(&small, NULL), 6000);
	small_store_crash(&small);
	small_store_open(&small);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 6000);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 6000);
	ck_assert_uint_eq(small_stats(&small).range_deletes, 0);
}
END_TEST

START_TEST(a_batch_takes_so_many_and_no_more)
{
	struct store_batch *batch;
	kv_status status = KV_OK;
	unsigned count = 0;

	small_store_open(&small);
	small_fill(&small, 0, 10, "v");
	batch = store_batch_new(small.store);
	while ((status = store_batch_delete_range(batch, slice_of("a", 1), slice_of("l", 1))) == KV_OK)
		count++;
	ck_assert_int_eq(status, KV_INVALID);
	ck_assert_uint_eq(count, 4096);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 0);
	small_fill(&small, 3, 4, "new");
	ck_assert_uint_eq(small_count_keys(&small, NULL), 1);
}
END_TEST

START_TEST(a_checkpoint_has_the_range_deletes_that_are_in_force)
{
	char path[600];
	struct store *copy;
	struct store_value value;

	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	small_fill(&small, 0, 100, "v");
	flush();
	delete_range("key000010", "key000020");
	snprintf(path, sizeof path, "%s.copy", small.disk.path);
	ck_assert_int_eq(store_checkpoint(small.store, path, NULL), KV_OK);
	small.options.data_dir = path;
	ck_assert_int_eq(store_open(&small.options, &copy, NULL), KV_OK);
	ck_assert_int_eq(store_get(copy, NULL, slice_of_string("key000015"), &value, NULL), KV_NOT_FOUND);
	ck_assert_int_eq(store_get(copy, NULL, slice_of_string("key000020"), &value, NULL), KV_OK);
	pinned_release(&value.value);
	store_close(copy);
	small.options.data_dir = small.disk.path;
	runner_remove_dir(strdup(path));
}
END_TEST

static kv_status put_large(const char *key, size_t size)
{
	struct store_batch *batch = store_batch_new(small.store);
	struct store_upload *upload;
	static const uint8_t piece[6000];
	kv_status status;

	ck_assert_int_eq(store_upload_new(small.store, &upload, NULL), KV_OK);
	for (size_t at = 0; at < size; at += sizeof piece)
		ck_assert_int_eq(store_upload_append(upload, slice_of(piece, sizeof piece), NULL), KV_OK);
	ck_assert_int_eq(store_batch_put_upload(batch, slice_of_string(key), upload, 0, NULL), KV_OK);
	status = store_write(small.store, batch);
	store_batch_free(batch);
	return status;
}

START_TEST(large_values_in_a_range_give_their_files_back)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;

	small.options.large_value_bytes = 4096;
	small_store_open(&small);
	small_fill(&small, 0, 50, "v");
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(put_large(i == 0 ? "key000010" : i == 1 ? "key000020" : i == 2 ? "l" : "m", 600000),
			KV_OK);
	flush();
	ck_assert_uint_eq(small_count(&small, ".blob"), 4);
	delete_range("key000015", "key000025"); /* one of four, and a fifth of the table */
	flush();
	while (small_count(&small, ".blob") > 3 && clock_monotonic_us() < deadline)
		ck_assert_int_ge(sched_yield(), 0);
	ck_assert_uint_eq(small_count(&small, ".blob"), 3);
	small_expect(&small, "key000020", NULL);
	delete_range("", "");
	flush();
	while (small_count(&small, ".blob") > 0 && clock_monotonic_us() < deadline)
		ck_assert_int_ge(sched_yield(), 0);
	ck_assert_uint_eq(small_count(&small, ".blob"), 0);
}
END_TEST

/* ---- failures ---- */

/* The state after what was acknowledged, and with what was under way when something failed. */
static struct {
	const char *before[KEYS], *after[KEYS];
} oracle;

static const char *key_of(unsigned i)
{
	static char key[16];

	snprintf(key, sizeof key, "k%03u", i);
	return key;
}

static bool settled(kv_status status)
{
	if (status == KV_OK)
		memcpy(oracle.before, oracle.after, sizeof oracle.before);
	return status == KV_OK;
}

static bool put(unsigned i, const char *value)
{
	oracle.after[i] = value;
	return settled(small_put(&small, key_of(i), value));
}

static bool delete_keys(unsigned from, unsigned to)
{
	char end[16];

	for (unsigned i = from; i < to; i++)
		oracle.after[i] = NULL;
	snprintf(end, sizeof end, "%s", to < KEYS ? key_of(to) : "");
	return settled(small_delete_range(&small, key_of(from), end));
}

/* Until something fails. */
static void work(void)
{
	bool good = delete_keys(10, 20) && put(15, "2") &&
		delete_keys(12, 14) && store_flush(small.store, NULL) == KV_OK && delete_keys(40, KEYS) &&
		put(50, "3") && store_compact(small.store, NULL) == KV_OK && delete_keys(0, 5) && put(2, "4");
	(void)good;
}

static bool is_state(const char *const want[KEYS])
{
	for (unsigned i = 0; i < KEYS; i++) {
		struct store_value got;
		kv_status status = store_get(small.store, NULL, slice_of_string(key_of(i)), &got, NULL);
		bool same = status == (want[i] ? KV_OK : KV_NOT_FOUND);

		if (status == KV_OK) {
			same = same && slice_equal(got.value.bytes, slice_of_string(want[i]));
			pinned_release(&got.value);
		}
		if (!same)
			return false;
	}
	return true;
}

static void check_after_failure(uint64_t nth)
{
	small_store_open(&small);
	if (!is_state(oracle.before) && !is_state(oracle.after))
		ck_abort_msg("after failure %lu: neither as before nor as after", (unsigned long)nth);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	if (!is_state(oracle.before) && !is_state(oracle.after))
		ck_abort_msg("after failure %lu and compaction", (unsigned long)nth);
}

static void begin_again(void)
{
	small_store_done(&small);
	memset(&oracle, 0, sizeof oracle);
	setup();
	small_store_open(&small);
	for (unsigned i = 0; i < KEYS; i++)
		ck_assert(put(i, "1"));
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	small.options.durability = STORE_DURABLE_COMMIT;
	small_store_open(&small);
}

START_TEST(no_failing_operation_of_a_file_makes_half_of_one_or_takes_one_back)
{
	static const int errors[] = { EIO, EIO, EIO, EIO, EIO, EIO, EIO, ENOSPC };
	uint64_t reached = 0;

	for (uint64_t nth = 1; nth < 200; nth += getenv("KV_LONG") ? 1 : 1 + nth / 30) {
		begin_again();
		fault_fs_fail_from(small.disk.fault, FAULT_ANY, nth, errors[nth % 8]);
		work();
		reached += fault_fs_failed(small.disk.fault) > 0;
		small_store_crash(&small);
		fault_fs_heal(small.disk.fault);
		check_after_failure(nth);
	}
	ck_assert_uint_gt(reached, 50);
}
END_TEST

START_TEST(no_failing_allocation_makes_half_of_one_or_takes_one_back)
{
	uint64_t failed = 0;

	for (uint64_t nth = 1; nth < 400; nth += getenv("KV_LONG") ? 1 : 1 + nth / 4) {
		begin_again();
		fault_alloc_fail(nth, false);
		work();
		failed += fault_alloc_failed();
		fault_alloc_fail(0, false);
		small_store_crash(&small);
		check_after_failure(nth);
	}
	ck_assert_uint_gt(failed, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range_delete");
	TCase *tcase = tcase_create("range_delete");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_covered_is_gone_in_memory_in_tables_and_after_a_crash);
	tcase_add_test(tcase, a_range_without_bounds_takes_everything);
	tcase_add_test(tcase, a_batch_is_deleted_and_written_in_its_order);
	tcase_add_test(tcase, conditions_see_range_deletes_of_the_same_batch);
	tcase_add_test(tcase, a_snapshot_keeps_what_was_deleted_after_it);
	tcase_add_test(tcase, tables_that_are_covered_whole_go_without_being_read);
	tcase_add_test(tcase, a_damaged_table_is_not_asked_for_what_was_deleted);
	tcase_add_test(tcase, a_memtable_of_range_deletes_only_is_flushed_without_a_table);
	tcase_add_test(tcase, a_range_delete_of_nothing_does_not_stay);
	tcase_add_test(tcase, a_range_delete_within_a_newer_one_does_not_stay);
	tcase_add_test(tcase, thousands_of_ranges_are_honoured_and_do_not_pile_up);
	tcase_add_test(tcase, a_batch_takes_so_many_and_no_more);
	tcase_add_test(tcase, a_checkpoint_has_the_range_deletes_that_are_in_force);
	tcase_add_test(tcase, large_values_in_a_range_give_their_files_back);
	tcase_add_test(tcase, no_failing_operation_of_a_file_makes_half_of_one_or_takes_one_back);
	tcase_add_test(tcase, no_failing_allocation_makes_half_of_one_or_takes_one_back);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
