/* SPDX-License-Identifier: BSD-2-Clause */
/* The flush thread: by size, by age, on a disk that is full or broken; and that what it replaced goes away. */
#include "base/clock.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

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

static struct store_stats stats(void)
{
	struct store_stats ret;

	store_get_stats(small.store, &ret);
	return ret;
}

/* Polls what another thread brings about; half a minute is far more than it takes. */
static bool eventually(bool (*holds)(void))
{
	uint64_t deadline = clock_monotonic_us() + 30 * 1000000;

	while (!holds()) {
		if (clock_monotonic_us() > deadline)
			return false;
		ck_assert_int_ge(sched_yield(), 0);
	}
	return true;
}

static void fill(unsigned count)
{
	char key[32], value[512];

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof key, "key%u", i);
		ck_assert_int_eq(small_put(&small, key, value), KV_OK);
	}
}

static bool was_flushed(void)
{
	return stats().flushes > 0 && stats().memtable_entries == 0;
}

START_TEST(a_memtable_is_flushed_when_it_is_old)
{
	small.options.tunables.flush_interval_s = 1;
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_uint_eq(stats().flushes, 0);
	ck_assert(eventually(was_flushed));
	ck_assert_uint_eq(stats().levels[0].tables, 1);
	small_expect(&small, "a", "1");
}
END_TEST

START_TEST(the_interval_may_change_while_it_runs)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_retune(small.store, &(struct store_tunables){ 1, 4 }, NULL), KV_OK);
	ck_assert(eventually(was_flushed));
}
END_TEST

static bool segments_are_few(void)
{
	return small_count(&small, ".wal") <= 4;
}

static bool tables_on_disk_are_live(void)
{
	struct store_stats now = stats();
	uint64_t live = 0;

	for (unsigned n = 0; n < now.level_count; n++)
		live += now.levels[n].tables;
	return small_count(&small, ".sst") == live;
}

START_TEST(segments_and_tables_that_are_not_needed_go_away)
{
	small_store_open(&small);
	fill(3000); /* twenty memtables and more */
	ck_assert_uint_gt(stats().flushes, 10);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert(eventually(segments_are_few));
	ck_assert(eventually(tables_on_disk_are_live));
}
END_TEST

START_TEST(an_empty_store_has_nothing_to_flush)
{
	small_store_open(&small);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_uint_eq(stats().flushes, 0);
	ck_assert_uint_eq(small_count(&small, ".sst"), 0);
}
END_TEST

static bool is_disk_full(void)
{
	char reason[512];

	return store_get_state(small.store, reason, sizeof reason) == STORE_DISK_FULL;
}

static bool is_healthy(void)
{
	char reason[512];

	return store_get_state(small.store, reason, sizeof reason) == STORE_HEALTHY;
}

START_TEST(a_full_disk_at_every_step_of_a_flush_is_survived)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PWRITEV, FAULT_RENAME };
	struct kv_error err;

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		struct fault_rule rule = { .op = ops[i], .nth = 1, .from_then_on = true,
			.errnum = ENOSPC };

		rule.name_part = ops[i] == FAULT_RENAME ? "MANIFEST" : ".sst";
		small_store_open(&small);
		ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
		fault_fs_add(small.disk.fault, rule);
		ck_assert_int_eq(store_flush(small.store, &err), KV_NO_SPACE);
		ck_assert(is_disk_full());
		ck_assert_int_eq(small_put(&small, "b", "1"), KV_NO_SPACE);
		small_expect(&small, "a", "1");
		fault_fs_heal(small.disk.fault);
		ck_assert(eventually(is_healthy));
		ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
		small_store_crash(&small);
		small_store_open(&small);
		small_expect(&small, "a", "1");
		small_expect(&small, "b", "1");
		small_store_crash(&small);
	}
	small_store_open(&small);
}
END_TEST

START_TEST(an_io_error_stops_writes_and_loses_nothing)
{
	struct kv_error err;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC,
		.name_part = ".sst", .nth = 1, .errnum = EIO });
	ck_assert_int_eq(store_flush(small.store, &err), KV_IO);
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_IO);
	small_expect(&small, "a", "1");
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "a", "1");
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
}
END_TEST

START_TEST(a_flush_is_durable_in_the_right_order)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fault_fs_record(small.disk.fault, true);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert(fault_fs_in_order(small.disk.fault, (const char *const[]){ "create 000", "pwritev 000",
		"fdatasync 000", "fsync", "create MANIFEST.new", "pwritev MANIFEST.new",
		"fdatasync MANIFEST.new", "rename MANIFEST.new", "fsync", NULL }));
}
END_TEST

static bool everything_is_flushed(void)
{
	return stats().memtable_entries == 0;
}

/* When the table is written and its name is synced, the next allocation is for bringing it to life. */
static void fail_after_table(void *arg, enum fault_op op, const char *name)
{
	static _Thread_local bool written;
	_Atomic bool *armed = arg;

	if (op == FAULT_FDATASYNC && strstr(name, ".sst"))
		written = true;
	else if (op == FAULT_FSYNC && written && atomic_exchange(armed, false))
		fault_alloc_fail(1, false);
}

/* It is tried again each second: a table left behind each time would soon fill the disk. */
START_TEST(a_flush_that_runs_out_of_memory_leaves_no_table_behind)
{
	_Atomic bool armed = true;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fault_fs_hook(small.disk.fault, fail_after_table, &armed);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	ck_assert_uint_eq(fault_alloc_failed(), 1);
	ck_assert(eventually(everything_is_flushed));
	ck_assert(eventually(tables_on_disk_are_live));
	small_expect(&small, "a", "1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flush");
	TCase *tcase = tcase_create("flush");

	tcase_set_timeout(tcase, 40);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_memtable_is_flushed_when_it_is_old);
	tcase_add_test(tcase, the_interval_may_change_while_it_runs);
	tcase_add_test(tcase, segments_and_tables_that_are_not_needed_go_away);
	tcase_add_test(tcase, an_empty_store_has_nothing_to_flush);
	tcase_add_test(tcase, a_full_disk_at_every_step_of_a_flush_is_survived);
	tcase_add_test(tcase, an_io_error_stops_writes_and_loses_nothing);
	tcase_add_test(tcase, a_flush_is_durable_in_the_right_order);
	tcase_add_test(tcase, a_flush_that_runs_out_of_memory_leaves_no_table_behind);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
