/* SPDX-License-Identifier: BSD-2-Clause */
/* The compaction threads: that they keep the tables few, keep going, and meet damage and full disks as they should. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static uint64_t entries(void)
{
	struct store_stats now = small_stats(&small);
	uint64_t sum = 0;

	for (unsigned n = 0; n < now.level_count; n++)
		sum += now.levels[n].entries;
	return sum;
}

START_TEST(level_0_stays_short_under_writes)
{
	small_store_open(&small);
	for (unsigned round = 0; round < 40; round++) {
		small_fill(&small, 0, 200, "a value of some length to fill the memtable");
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
		ck_assert_uint_le(small_stats(&small).levels[0].tables, 20);
	}
	ck_assert_uint_gt(small_stats(&small).compactions, 0);
}
END_TEST

START_TEST(overwritten_and_deleted_entries_leave_the_disk)
{
	char key[32];

	small_store_open(&small);
	for (unsigned round = 0; round < 5; round++)
		small_fill(&small, 0, 500, "v");
	for (unsigned i = 0; i < 250; i++) {
		snprintf(key, sizeof key, "key%06u", i);
		ck_assert_int_eq(small_delete(&small, key), KV_OK);
	}
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert_uint_eq(entries(), 250);
	small_expect(&small, "key000249", NULL);
	small_expect(&small, "key000250", "v");
}
END_TEST

START_TEST(what_a_snapshot_needs_stays_until_it_is_released)
{
	struct store_snapshot *snapshot;

	small_store_open(&small);
	small_fill(&small, 0, 100, "old");
	snapshot = store_snapshot_new(small.store);
	small_fill(&small, 0, 100, "new");
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert_uint_eq(entries(), 200);
	store_snapshot_free(snapshot);
	small_fill(&small, 0, 1, "newer"); /* something to merge with */
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	small_expect(&small, "key000000", "newer");
	small_expect(&small, "key000099", "new");
}
END_TEST

/* Damages the first data block of the newest table. */
static void damage_table(void)
{
	char name[64];
	struct buf content;

	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	content = disk_read(&small.disk, name);
	content.data[10] ^= 0xff;
	disk_write(&small.disk, name, buf_slice(&content));
	buf_free(&content);
}

START_TEST(a_damaged_table_fails_its_keys_only_and_is_told_once)
{
	struct kv_error err = { 0 };
	struct store_value got;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	damage_table();
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "b", "2"), KV_OK);
	ck_assert_int_eq(store_get(small.store, NULL, slice_of_string("a"), &got, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, ".sst"));
	small_expect(&small, "b", "2");
	small_expect(&small, "c", NULL);
	ck_assert_int_eq(store_compact(small.store, &err), KV_CORRUPT);
	ck_assert_int_eq(small_put(&small, "b", "3"), KV_OK);
	ck_assert_uint_eq(small.warnings, 1);
	ck_assert_int_eq(store_get(small.store, NULL, slice_of_string("a"), &got, &err), KV_CORRUPT);
	small_expect(&small, "b", "3");
}
END_TEST

START_TEST(a_full_disk_leaves_the_inputs_as_they_were)
{
	struct kv_error err;

	small_store_open(&small);
	small_fill(&small, 0, 300, "v1");
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_fill(&small, 0, 300, "v2");
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = ENOSPC });
	ck_assert_int_eq(store_compact(small.store, &err), KV_NO_SPACE);
	small_expect(&small, "key000299", "v2");
	fault_fs_heal(small.disk.fault);
	small_store_crash(&small);
	small_store_open(&small);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	small_expect(&small, "key000000", "v2");
	ck_assert_uint_eq(entries(), 300);
}
END_TEST

/* Flush and compaction wake each other; when both fail, neither may do so at once again. */
START_TEST(a_full_disk_is_tried_again_once_a_second_not_at_full_speed)
{
	uint64_t opened, begin;
	struct kv_error err;

	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	for (unsigned i = 0; i < 3; i++) {
		small_fill(&small, 0, 10, "v");
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	}
	small_fill(&small, 0, 10, "v");
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = ENOSPC });
	ck_assert_int_eq(store_flush(small.store, &err), KV_NO_SPACE);
	ck_assert_int_eq(store_retune(small.store, &(struct store_tunables){ 0, 2, 0 }, NULL), KV_OK);
	begin = clock_monotonic_us();
	opened = fault_fs_count(small.disk.fault, FAULT_OPEN);
	while (clock_monotonic_us() < begin + 1500 * 1000)
		ck_assert_int_ge(sched_yield(), 0);
	ck_assert_uint_le(fault_fs_count(small.disk.fault, FAULT_OPEN) - opened, 30);
}
END_TEST

static void flush_many(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		ck_assert_int_eq(small_put(&small, "k", "v"), KV_OK);
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	}
}

START_TEST(a_damaged_table_in_level_0_does_not_stop_writes)
{
	small.options.tunables.compaction_threshold = 2;
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	damage_table();
	small_store_open(&small);
	flush_many(40); /* far more tables than a writer would wait for */
	small_expect(&small, "k", "v");
	ck_assert_uint_gt(small_stats(&small).levels[0].tables, 10);
}
END_TEST

START_TEST(a_table_that_cannot_be_read_is_as_good_as_damaged)
{
	char reason[512];
	struct kv_error err;

	small.options.block_cache_bytes = 0; /* else the blocks would not have to be read */
	small_store_open(&small);
	flush_many(2);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PREAD,
		.name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = EIO });
	ck_assert_int_eq(store_compact(small.store, &err), KV_CORRUPT);
	ck_assert_int_eq(err.errnum, EIO);
	ck_assert_int_eq(store_get_state(small.store, reason, sizeof reason), STORE_HEALTHY);
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
}
END_TEST

static enum store_state state_now(void)
{
	char reason[512];

	return store_get_state(small.store, reason, sizeof reason);
}

START_TEST(a_stalled_store_is_healthy_again_without_another_write)
{
	uint64_t deadline;

	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	flush_many(20);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = ENOMEM });
	ck_assert_int_eq(store_retune(small.store, &(struct store_tunables){ 0, 2, 0 }, NULL), KV_OK);
	ck_assert_int_eq(small_put(&small, "k", "v"), KV_BUSY);
	ck_assert_int_eq(state_now(), STORE_STALLED);
	fault_fs_heal(small.disk.fault);
	deadline = clock_monotonic_us() + 120 * 1000000;
	while (state_now() == STORE_STALLED && clock_monotonic_us() < deadline)
		ck_assert_int_ge(sched_yield(), 0);
	ck_assert_int_eq(state_now(), STORE_HEALTHY);
}
END_TEST

/* Nothing but deletes can shorten level 0 there. */
START_TEST(deletes_do_not_wait_for_compaction_on_a_full_disk)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;

	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	flush_many(20);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = ENOSPC });
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FALLOCATE,
		.name_part = "RESERVE", .nth = 1, .from_then_on = true, .errnum = ENOSPC });
	ck_assert_int_eq(store_retune(small.store, &(struct store_tunables){ 0, 2, 0 }, NULL), KV_OK);
	while (state_now() != STORE_DISK_FULL && clock_monotonic_us() < deadline)
		ck_assert_int_ge(sched_yield(), 0);
	ck_assert_int_eq(small_delete(&small, "k"), KV_OK);
	ck_assert_int_eq(state_now(), STORE_DISK_FULL);
	small_expect(&small, "k", NULL);
}
END_TEST

/* The flush thread is the first to write a table; whoever else does so waits. */
struct only_flush {
	pthread_t thread;
	atomic_bool known, go;
};

static void hold_compaction(void *arg, enum fault_op op, const char *name)
{
	struct only_flush *only = arg;

	if (op != FAULT_PWRITEV || !strstr(name, ".sst"))
		return;
	if (!only->known) {
		only->thread = pthread_self();
		only->known = true;
	}
	while (!pthread_equal(only->thread, pthread_self()) && !only->go)
		ck_assert_int_ge(sched_yield(), 0);
}

/* Only then tables that are covered as a whole can go, for which no space is needed. */
START_TEST(deletes_come_to_the_tables_of_a_full_disk_also_where_level_0_is_long)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;
	struct only_flush only = { 0 };

	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	flush_many(20);
	ck_assert_int_eq(small_put(&small, "k", "v"), KV_OK);
	fault_fs_hook(small.disk.fault, hold_compaction, &only);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FALLOCATE,
		.name_part = "RESERVE", .nth = 1, .from_then_on = true, .errnum = ENOSPC });
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .errnum = ENOSPC });
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	ck_assert_int_eq(store_retune(small.store, &(struct store_tunables){ 0, 2, 0 }, NULL), KV_OK);
	ck_assert_int_eq(small_delete_range(&small, "a", "z"), KV_OK);
	while (small_stats(&small).memtable_entries > 0 || small_stats(&small).frozen_memtables > 0) {
		ck_assert_uint_lt(clock_monotonic_us(), deadline);
		ck_assert_int_ge(sched_yield(), 0);
	}
	ck_assert_int_eq(state_now(), STORE_DISK_FULL);
	only.go = true;
	while (entries() > 0) {
		ck_assert_uint_lt(clock_monotonic_us(), deadline);
		ck_assert_int_ge(sched_yield(), 0);
	}
	small_store_crash(&small); /* nobody is in the hook any more */
	fault_fs_hook(small.disk.fault, NULL, NULL);
}
END_TEST

START_TEST(compactions_by_hand_and_by_themselves_do_not_take_each_other_for_damage)
{
	struct kv_error err = { 0 };

	small.options.compaction_threads = 8;
	small.options.tunables.compaction_threshold = 2;
	small_store_open(&small);
	for (unsigned round = 0; round < 150; round++) {
		small_fill(&small, 0, 20, "a value of some length");
		ck_assert_msg(store_compact(small.store, &err) == KV_OK, "round %u: %s", round, err.text);
	}
	ck_assert_uint_eq(small.warnings, 0);
}
END_TEST

enum { MANY_KEYS = 40000, STEPS_MIN = 12, FRESH_TABLES = 7 };

struct steps {
	atomic_bool started, go;
	atomic_uint tables;       /* begun by the compaction thread */
	atomic_uint_fast64_t level0; /* tables in level 0 when it had begun STEPS_MIN */
};

static void watch_steps(void *arg, enum fault_op op, const char *name)
{
	struct steps *steps = arg;
	char thread[16];

	if (op != FAULT_OPEN || !strstr(name, ".sst") || faccessat(small.disk.dir.fd, name, F_OK, 0) == 0 ||
		pthread_getname_np(pthread_self(), thread, sizeof thread) != 0 || strcmp(thread, "compaction") != 0)
		return;
	atomic_store(&steps->started, true);
	while (!atomic_load(&steps->go))
		sched_yield();
	if (atomic_fetch_add(&steps->tables, 1) == STEPS_MIN) {
		struct store_stats stats;

		store_get_stats(small.store, &stats);
		atomic_store(&steps->level0, stats.levels[0].tables);
	}
}

static void *compact_all(void *arg)
{
	*(kv_status *)arg = store_compact(small.store, NULL);
	return NULL;
}

/* Writers wait for level 0, so it may not wait until the whole of a large store is merged. */
START_TEST(level_0_stays_short_while_everything_is_merged)
{
	struct steps steps = { .level0 = UINT64_MAX };
	kv_status status = KV_IO;
	pthread_t thread;
	char from[32], to[32];

	small.options.tunables.compaction_threshold = 2;
	small_store_open(&small);
	small_fill(&small, 0, MANY_KEYS, "a value that makes many tables in the lowest level");
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	for (unsigned i = 100; i < MANY_KEYS; i += 200) { /* each table has something to be rewritten for */
		snprintf(from, sizeof from, "key%06u", i);
		snprintf(to, sizeof to, "key%06u", i + 1);
		ck_assert_int_eq(small_delete_range(&small, from, to), KV_OK);
	}
	fault_fs_hook(small.disk.fault, watch_steps, &steps);
	ck_assert_int_eq(pthread_create(&thread, NULL, compact_all, &status), 0);
	while (!atomic_load(&steps.started))
		ck_assert_int_ge(sched_yield(), 0);
	flush_many(FRESH_TABLES);
	atomic_store(&steps.go, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(status, KV_OK);
	ck_assert_uint_gt(atomic_load(&steps.tables), STEPS_MIN);
	ck_assert_uint_lt(atomic_load(&steps.level0), FRESH_TABLES);
	small_store_crash(&small); /* nobody is in the hook any more */
	fault_fs_hook(small.disk.fault, NULL, NULL);
}
END_TEST

static void *write_on(void *arg)
{
	atomic_bool *done = arg;

	char key[32];

	for (unsigned i = 0; !atomic_load(done); i++) {
		kv_status status;

		snprintf(key, sizeof key, "key%06u", i % (MANY_KEYS / 20));
		status = small_put(&small, key, "a newer value");
		ck_assert(status == KV_OK || status == KV_BUSY); /* it may have to wait for long on a busy machine */
		if (i % (MANY_KEYS / 20) == 0)
			ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	}
	return NULL;
}

/* And the other way round: it is not kept from its end by those who write. */
START_TEST(everything_is_merged_while_somebody_writes_all_the_time)
{
	atomic_bool done = false;
	pthread_t thread;

	small.options.tunables.compaction_threshold = 2;
	small_store_open(&small);
	small_fill(&small, 0, MANY_KEYS, "a value that makes many tables in the lowest level");
	ck_assert_int_eq(pthread_create(&thread, NULL, write_on, &done), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	atomic_store(&done, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

enum { READERS = 4 };
static _Atomic bool stop_reading;

/* Whatever is compacted meanwhile, a full walk sees each of the 200 keys once, with a value of one round. */
static void *walk_again_and_again(void *arg)
{
	_Atomic unsigned *walks = arg;

	while (!stop_reading) {
		struct store_iter *iter;
		unsigned seen = 0;

		if (store_iter_open(small.store, NULL, &iter, NULL) != KV_OK)
			return "cannot open an iterator";
		for (store_iter_seek_first(iter); store_iter_valid(iter); store_iter_next(iter))
			seen++;
		if (store_iter_status(iter, NULL) != KV_OK || seen != 200)
			return "a walk saw something else than 200 keys";
		store_iter_close(iter);
		(*walks)++;
	}
	return NULL;
}

START_TEST(readers_are_not_disturbed_by_compactions)
{
	pthread_t threads[READERS];
	_Atomic unsigned walks = 0;
	void *complaint;

	small.options.compaction_threads = 2;
	small_store_open(&small);
	small_fill(&small, 0, 200, "round 0 of a value that is long enough to fill the memtable soon");
	for (int i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, walk_again_and_again, &walks), 0);
	for (unsigned round = 0; round < 60 || walks < 20; round++)
		small_fill(&small, 0, 200, "another round of a value that is long enough to fill the memtable");
	stop_reading = true;
	for (int i = 0; i < READERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &complaint), 0);
		ck_assert_msg(!complaint, "%s", (const char *)complaint);
	}
	ck_assert_uint_gt(small_stats(&small).compactions, 0);
	ck_assert_uint_eq(small_stats(&small).iterators, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compaction");
	TCase *tcase = tcase_create("compaction");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, level_0_stays_short_under_writes);
	tcase_add_test(tcase, overwritten_and_deleted_entries_leave_the_disk);
	tcase_add_test(tcase, what_a_snapshot_needs_stays_until_it_is_released);
	tcase_add_test(tcase, a_damaged_table_fails_its_keys_only_and_is_told_once);
	tcase_add_test(tcase, a_full_disk_leaves_the_inputs_as_they_were);
	tcase_add_test(tcase, a_full_disk_is_tried_again_once_a_second_not_at_full_speed);
	tcase_add_test(tcase, a_damaged_table_in_level_0_does_not_stop_writes);
	tcase_add_test(tcase, a_table_that_cannot_be_read_is_as_good_as_damaged);
	tcase_add_test(tcase, a_stalled_store_is_healthy_again_without_another_write);
	tcase_add_test(tcase, deletes_do_not_wait_for_compaction_on_a_full_disk);
	tcase_add_test(tcase, deletes_come_to_the_tables_of_a_full_disk_also_where_level_0_is_long);
	tcase_add_test(tcase, compactions_by_hand_and_by_themselves_do_not_take_each_other_for_damage);
	tcase_add_test(tcase, level_0_stays_short_while_everything_is_merged);
	tcase_add_test(tcase, everything_is_merged_while_somebody_writes_all_the_time);
	tcase_add_test(tcase, readers_are_not_disturbed_by_compactions);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
