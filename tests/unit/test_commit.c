/* SPDX-License-Identifier: BSD-2-Clause */
/* The write path under faults: what each writer is told, what readers see, and what the store does afterwards. */
#include "base/clock.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

static struct small_store small;

static void setup(void)
{
	small_store_init(&small);
	small_store_open(&small);
}

static void teardown(void)
{
	small_store_done(&small);
}

static enum store_state state_of_store(char *reason, size_t size)
{
	return store_get_state(small.store, reason, size);
}

static void expect_state(enum store_state state)
{
	char reason[512];

	ck_assert_int_eq(state_of_store(reason, sizeof reason), state);
}

/* Only operations of the commit on the WAL are to fail: waits until the next segment has been made ahead and is in the MANIFEST. */
static void let_log_settle(void)
{
	struct store_stats stats;

	ck_assert_int_eq(small_put(&small, "settled", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(small_put(&small, "settled", "2"), KV_OK);
	do {
		ck_assert_int_eq(sched_yield(), 0);
		store_get_stats(small.store, &stats);
	} while (stats.wal_segments < 2);
	ck_assert_uint_eq(stats.frozen_memtables, 0);
}

START_TEST(a_failed_sync_is_told_never_tried_again_and_stops_writes)
{
	char reason[512];
	uint64_t syncs;

	let_log_settle();
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC,
		.name_part = ".wal", .nth = 1, .errnum = EIO });
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_UNCERTAIN);
	syncs = fault_fs_count(small.disk.fault, FAULT_FDATASYNC);
	ck_assert_int_eq(state_of_store(reason, sizeof reason), STORE_FAILED);
	ck_assert_ptr_nonnull(strstr(reason, ".wal"));
	ck_assert_int_eq(small_put(&small, "a", "2"), KV_IO);
	ck_assert_int_eq(small_put(&small, "b", "2"), KV_IO);
	ck_assert_uint_eq(fault_fs_count(small.disk.fault, FAULT_FDATASYNC), syncs);
	small_expect(&small, "a", NULL); /* never visible: a crash could take it back */
	small_expect(&small, "settled", "2");

	/* a restart fixes the outcome, one way or the other, and writes go on */
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "settled", "2");
	ck_assert_int_eq(small_put(&small, "a", "3"), KV_OK);
	small_expect(&small, "a", "3");
}
END_TEST

START_TEST(a_failed_append_stops_writes)
{
	let_log_settle();
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".wal", .nth = 1, .errnum = EIO, .torn_bytes = 20 });
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_UNCERTAIN);
	expect_state(STORE_FAILED);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_IO);
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "settled", "2");
	small_expect(&small, "a", NULL);
}
END_TEST

/* The header of the next segment, which tells where the old one ends, may be on the disk: behind that end nothing may be written any more,
 * whatever the error says. */
START_TEST(a_next_segment_that_may_have_begun_ends_all_writing)
{
	static const int errnums[] = { EIO, EAGAIN, ENOSPC, ENOMEM, EINVAL };
	static const enum fault_op ops[] = { FAULT_PWRITEV, FAULT_FDATASYNC };
	char large[40001];

	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	for (unsigned i = 0; i < 2 * sizeof errnums / sizeof errnums[0]; i++) {
		char next[64];

		let_log_settle();
		ck_assert_int_eq(small_put(&small, "a", large), KV_OK);
		snprintf(next, sizeof next, "%s", small_newest(&small, ".wal"));
		fault_fs_add(small.disk.fault, (struct fault_rule){ .op = ops[i % 2], .name_part = next, .nth = 1,
			.errnum = errnums[i / 2], .torn_bytes = 4096 });
		ck_assert_int_eq(small_put(&small, "b", large), KV_IO);
		expect_state(STORE_FAILED);
		ck_assert_int_eq(small_put(&small, "c", "1"), KV_IO);
		fault_fs_heal(small.disk.fault);
		ck_assert_int_eq(small_put(&small, "c", "1"), KV_IO);
		small_store_crash(&small);
		small_store_open(&small);
		small_expect(&small, "a", large);
		small_expect(&small, "b", NULL);
		small_expect(&small, "c", NULL);
		ck_assert_int_eq(small_delete(&small, "a"), KV_OK);
	}
}
END_TEST

START_TEST(a_full_disk_refuses_the_write_and_heals_by_itself)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;
	kv_status status;

	let_log_settle();
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".wal", .nth = 1, .errnum = ENOSPC, .torn_bytes = 20 });
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_NO_SPACE);
	small_expect(&small, "a", NULL);
	small_expect(&small, "settled", "2");
	do
		status = small_put(&small, "a", "2"); /* the flush thread looks once a second */
	while (status == KV_NO_SPACE && clock_monotonic_us() < deadline);
	ck_assert_int_eq(status, KV_OK);
	expect_state(STORE_HEALTHY);
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "a", "2");
}
END_TEST

/* ---- groups ---- */

enum { WRITERS = 32 };

struct writers {
	sem_t done;
	_Atomic unsigned ok, uncertain, io;
};

static void count_status(struct store_batch *batch, kv_status status, void *arg)
{
	struct writers *writers = arg;

	store_batch_free(batch);
	if (status == KV_OK)
		writers->ok++;
	else if (status == KV_UNCERTAIN)
		writers->uncertain++;
	else if (status == KV_IO)
		writers->io++;
	sem_post(&writers->done);
}

static void submit(struct writers *writers, unsigned i)
{
	struct store_batch *batch = store_batch_new(small.store);
	char key[32];

	snprintf(key, sizeof key, "w%u", i);
	ck_assert_int_eq(store_batch_put(batch, slice_of_string(key), slice_of_string("v"), 0, NULL),
		KV_OK);
	store_submit(small.store, batch, count_status, writers);
}

/* Holds the first sync of a segment until the test has submitted all writes. */
struct gate {
	sem_t reached, open;
	_Atomic bool armed;
};

static void wait_at_gate(void *arg, enum fault_op op, const char *name)
{
	struct gate *gate = arg;

	if (op != FAULT_FDATASYNC || !strstr(name, ".wal") ||
		!atomic_exchange(&gate->armed, false))
		return;
	sem_post(&gate->reached);
	while (sem_wait(&gate->open) != 0)
		;
}

static void await(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		;
}

START_TEST(the_followers_of_a_failed_group_are_all_told)
{
	struct writers writers = { .ok = 0 };
	struct gate gate = { .armed = true };

	let_log_settle();
	sem_init(&writers.done, 0, 0);
	sem_init(&gate.reached, 0, 0);
	sem_init(&gate.open, 0, 0);
	fault_fs_hook(small.disk.fault, wait_at_gate, &gate);
	submit(&writers, 0); /* its sync waits at the gate ... */
	await(&gate.reached);
	for (unsigned i = 1; i <= WRITERS; i++)
		submit(&writers, i); /* ... so that these are one group */
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC,
		.name_part = ".wal", .nth = 1, .errnum = EIO });
	sem_post(&gate.open);
	for (unsigned i = 0; i <= WRITERS; i++)
		await(&writers.done);
	ck_assert_uint_eq(writers.ok, 1); /* the one at the gate */
	ck_assert_uint_eq(writers.uncertain, WRITERS);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	for (unsigned i = 1; i <= WRITERS; i++) {
		char key[32];

		snprintf(key, sizeof key, "w%u", i);
		small_expect(&small, key, NULL);
	}
}
END_TEST

static struct store_submission submission(struct writers *writers, const char *key)
{
	struct store_batch *batch = store_batch_new(small.store);

	ck_assert_int_eq(store_batch_put(batch, slice_of_string(key), slice_of_string("v"), 0, NULL), KV_OK);
	return (struct store_submission){ batch, count_status, writers };
}

START_TEST(what_is_submitted_together_shares_a_sync)
{
	struct store_submission all[WRITERS + 1];
	struct writers writers = { .ok = 0 };
	struct store_stats before, after;
	char key[32];

	let_log_settle();
	sem_init(&writers.done, 0, 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		snprintf(key, sizeof key, "together%u", i);
		all[i + (i >= WRITERS / 2)] = submission(&writers, key);
	}
	/* a batch without operations among them is refused alone */
	all[WRITERS / 2] = (struct store_submission){ store_batch_new(small.store), count_status, &writers };
	store_get_stats(small.store, &before);
	store_submit_all(small.store, all, WRITERS + 1);
	for (unsigned i = 0; i <= WRITERS; i++)
		await(&writers.done);
	store_get_stats(small.store, &after);
	ck_assert_uint_eq(writers.ok, WRITERS);
	ck_assert_uint_eq(writers.uncertain + writers.io, 0);
	ck_assert_uint_eq(after.commits - before.commits, WRITERS);
	ck_assert_uint_eq(after.commit_groups - before.commit_groups, 1);
	ck_assert_uint_eq(after.commit_syncs - before.commit_syncs, 1);
	for (unsigned i = 0; i < WRITERS; i++) {
		snprintf(key, sizeof key, "together%u", i);
		small_expect(&small, key, "v");
	}
}
END_TEST

START_TEST(what_is_submitted_together_to_a_failed_store_is_told_one_by_one)
{
	struct store_submission all[3];
	struct writers writers = { .ok = 0 };

	let_log_settle();
	sem_init(&writers.done, 0, 0);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC, .name_part = ".wal", .nth = 1, .errnum = EIO });
	ck_assert_int_eq(small_put(&small, "k", "v"), KV_UNCERTAIN);
	for (unsigned i = 0; i < 3; i++)
		all[i] = submission(&writers, "later");
	store_submit_all(small.store, all, 3);
	for (unsigned i = 0; i < 3; i++)
		await(&writers.done);
	ck_assert_uint_eq(writers.io, 3);
	small_expect(&small, "later", NULL);
}
END_TEST

static kv_status lock_status[2];

static void keep_status(struct store_batch *batch, kv_status status, void *arg)
{
	struct writers *writers = arg;

	store_batch_free(batch);
	lock_status[writers->ok++] = status; /* one after the other */
	sem_post(&writers->done);
}

static void submit_lock(struct writers *writers)
{
	static const struct store_condition absent = { .expect = STORE_EXPECT_ABSENT };
	struct store_batch *batch = store_batch_new(small.store);

	ck_assert_int_eq(store_batch_put(batch, slice_of_string("lock"), slice_of_string("mine"), 0,
		&absent), KV_OK);
	store_submit(small.store, batch, keep_status, writers);
}

/* Nobody may hear "somebody else was first" of somebody who then was not. */
static void two_lock_in_a_group_that_fails(enum fault_op op, int errnum, kv_status first,
	kv_status second)
{
	struct writers before = { .ok = 0 }, lockers = { .ok = 0 };
	struct gate gate = { .armed = true };

	let_log_settle();
	sem_init(&before.done, 0, 0);
	sem_init(&lockers.done, 0, 0);
	sem_init(&gate.reached, 0, 0);
	sem_init(&gate.open, 0, 0);
	fault_fs_hook(small.disk.fault, wait_at_gate, &gate);
	submit(&before, 0);
	await(&gate.reached);
	submit_lock(&lockers);
	submit_lock(&lockers);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = op, .name_part = ".wal", .nth = 1,
		.errnum = errnum });
	sem_post(&gate.open);
	await(&before.done);
	await(&lockers.done);
	await(&lockers.done);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	ck_assert_int_eq(lock_status[0], first);
	ck_assert_int_eq(lock_status[1], second);
	small_expect(&small, "lock", NULL);
}

START_TEST(no_condition_fails_on_account_of_a_write_that_found_no_space)
{
	two_lock_in_a_group_that_fails(FAULT_PWRITEV, ENOSPC, KV_NO_SPACE, KV_NO_SPACE);
}
END_TEST

START_TEST(no_condition_fails_on_account_of_a_write_that_is_uncertain)
{
	two_lock_in_a_group_that_fails(FAULT_FDATASYNC, EIO, KV_UNCERTAIN, KV_IO);
}
END_TEST

enum { MANY = 30 }; /* operations, so that the disk is told to begin before the memtable is filled */

static void before_many(void)
{
	small_fill(&small, 0, 10, "before");
	ck_assert_int_eq(small_put(&small, "gone", "before"), KV_OK);
	ck_assert_int_eq(small_put(&small, "range 1", "before"), KV_OK);
}

/* New keys, newer values, a delete and a range delete, as one batch. */
static void submit_many(struct writers *writers)
{
	struct store_batch *batch = store_batch_new(small.store);

	for (unsigned i = 0; i < MANY; i++) {
		char key[32];

		snprintf(key, sizeof key, "key%06u", i);
		ck_assert_int_eq(store_batch_put(batch, slice_of_string(key), slice_of_string("after"), 0, NULL), KV_OK);
	}
	ck_assert_int_eq(store_batch_delete(batch, slice_of_string("gone"), NULL), KV_OK);
	ck_assert_int_eq(store_batch_delete_range(batch, slice_of_string("range "), slice_of_string("range!")),
		KV_OK);
	store_submit(small.store, batch, count_status, writers);
}

static void expect_before_many(void)
{
	struct store_snapshot *snapshot = store_snapshot_new(small.store);

	ck_assert_ptr_nonnull(snapshot);
	small_expect(&small, "key000003", "before");
	small_expect(&small, "key000020", NULL);
	small_expect(&small, "gone", "before");
	small_expect(&small, "range 1", "before");
	ck_assert_uint_eq(small_count_keys(&small, NULL), 13); /* with that of let_log_settle() */
	ck_assert_uint_eq(small_count_keys(&small, snapshot), 13);
	store_snapshot_free(snapshot);
}

static void expect_after_many(void)
{
	small_expect(&small, "key000003", "after");
	small_expect(&small, "key000020", "after");
	small_expect(&small, "gone", NULL);
	small_expect(&small, "range 1", NULL);
	ck_assert_uint_eq(small_count_keys(&small, NULL), MANY + 1);
}

START_TEST(nothing_is_visible_before_it_is_durable)
{
	struct writers writers = { .ok = 0 };
	struct gate gate = { .armed = false };
	uint64_t started;

	let_log_settle();
	before_many();
	sem_init(&writers.done, 0, 0);
	sem_init(&gate.reached, 0, 0);
	sem_init(&gate.open, 0, 0);
	fault_fs_hook(small.disk.fault, wait_at_gate, &gate);
	started = fault_fs_count(small.disk.fault, FAULT_WRITEBACK);
	atomic_store(&gate.armed, true);
	submit_many(&writers);
	await(&gate.reached); /* the memtable has it all by now */
	ck_assert_uint_eq(fault_fs_count(small.disk.fault, FAULT_WRITEBACK), started + 1);
	expect_before_many();
	sem_post(&gate.open);
	await(&writers.done);
	ck_assert_uint_eq(writers.ok, 1);
	expect_after_many();
	fault_fs_hook(small.disk.fault, NULL, NULL);
}
END_TEST

/* The memtable was filled when the sync failed; nobody ever sees it, no flush takes it, and the next start finds all or nothing. */
static void fail_many(enum fault_op op)
{
	struct writers writers = { .ok = 0 };
	struct store_finish_report report;

	let_log_settle();
	before_many();
	sem_init(&writers.done, 0, 0);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = op, .name_part = ".wal", .nth = 1, .errnum = EIO });
	submit_many(&writers);
	await(&writers.done);
	ck_assert_uint_eq(writers.uncertain, 1);
	expect_state(STORE_FAILED);
	expect_before_many();
	ck_assert_int_eq(store_flush(small.store, NULL), KV_IO);
	ck_assert_int_eq(small_put(&small, "key000003", "later"), KV_IO);
	expect_before_many();
	ck_assert_int_ne(store_finish(small.store, &report, NULL), KV_OK);
	small_store_crash(&small);

	fault_fs_heal(small.disk.fault);
	small_store_open(&small);
	if (small_count_keys(&small, NULL) == MANY + 1)
		expect_after_many();
	else
		expect_before_many();
}

START_TEST(what_a_failed_sync_had_in_memory_is_never_seen)
{
	fail_many(FAULT_FDATASYNC);
}
END_TEST

START_TEST(a_disk_that_does_not_begin_to_write_is_a_failed_sync)
{
	fail_many(FAULT_WRITEBACK);
}
END_TEST

START_TEST(writes_that_wait_become_one_group)
{
	struct writers writers = { .ok = 0 };
	struct gate gate = { .armed = true };
	struct store_stats before, after;

	let_log_settle();
	sem_init(&writers.done, 0, 0);
	sem_init(&gate.reached, 0, 0);
	sem_init(&gate.open, 0, 0);
	store_get_stats(small.store, &before);
	fault_fs_hook(small.disk.fault, wait_at_gate, &gate);
	submit(&writers, 0);
	await(&gate.reached);
	for (unsigned i = 1; i <= WRITERS; i++)
		submit(&writers, i);
	sem_post(&gate.open);
	for (unsigned i = 0; i <= WRITERS; i++)
		await(&writers.done);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	store_get_stats(small.store, &after);
	ck_assert_uint_eq(writers.ok, WRITERS + 1);
	ck_assert_uint_eq(after.commit_groups - before.commit_groups, 2);
	ck_assert_uint_eq(after.commit_syncs - before.commit_syncs, 2);
}
END_TEST

START_TEST(durability_os_needs_no_sync_and_a_write_may_ask_for_its_own)
{
	struct store_batch *batch;
	struct store_stats before, after;

	small_store_crash(&small);
	small.options.durability = STORE_DURABLE_OS;
	small_store_open(&small);
	store_get_stats(small.store, &before);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	store_get_stats(small.store, &after);
	ck_assert_uint_eq(after.commit_syncs, before.commit_syncs);
	batch = store_batch_new(small.store);
	store_batch_set_durability(batch, STORE_DURABLE_COMMIT);
	ck_assert_int_eq(store_batch_put(batch, slice_of_string("b"), slice_of_string("1"), 0, NULL),
		KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	store_get_stats(small.store, &after);
	ck_assert_uint_eq(after.commit_syncs, before.commit_syncs + 1);
}
END_TEST

START_TEST(every_failing_allocation_of_a_write_leaves_all_or_nothing)
{
	for (uint64_t nth = 1;; nth++) {
		uint64_t failed;
		kv_status status;
		char key[32];

		snprintf(key, sizeof key, "key%u", (unsigned)nth);
		fault_alloc_fail_here(nth); /* we lead the commit */
		status = small_put(&small, key, "1");
		failed = fault_alloc_failed();
		fault_alloc_fail_here(0);
		if (status == KV_OK)
			small_expect(&small, key, "1");
		else {
			ck_assert_int_eq(status, KV_NO_MEMORY);
			small_expect(&small, key, NULL);
		}
		expect_state(STORE_HEALTHY);
		if (failed == 0)
			break;
	}
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "settled", NULL);
}
END_TEST

START_TEST(after_the_end_a_write_is_refused_at_once)
{
	struct store_finish_report report;
	struct writers writers = { .ok = 0 };

	sem_init(&writers.done, 0, 0);
	ck_assert_int_eq(store_finish(small.store, &report, NULL), KV_OK);
	submit(&writers, 0);
	await(&writers.done);
	ck_assert_uint_eq(writers.ok, 0);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_BUSY);
	ck_assert_int_eq(store_finish(small.store, &report, NULL), KV_INVALID);
	expect_state(STORE_FINISHED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("commit");
	TCase *tcase = tcase_create("commit");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_failed_sync_is_told_never_tried_again_and_stops_writes);
	tcase_add_test(tcase, a_failed_append_stops_writes);
	tcase_add_test(tcase, a_next_segment_that_may_have_begun_ends_all_writing);
	tcase_add_test(tcase, a_full_disk_refuses_the_write_and_heals_by_itself);
	tcase_add_test(tcase, the_followers_of_a_failed_group_are_all_told);
	tcase_add_test(tcase, what_is_submitted_together_shares_a_sync);
	tcase_add_test(tcase, what_is_submitted_together_to_a_failed_store_is_told_one_by_one);
	tcase_add_test(tcase, no_condition_fails_on_account_of_a_write_that_found_no_space);
	tcase_add_test(tcase, no_condition_fails_on_account_of_a_write_that_is_uncertain);
	tcase_add_test(tcase, nothing_is_visible_before_it_is_durable);
	tcase_add_test(tcase, what_a_failed_sync_had_in_memory_is_never_seen);
	tcase_add_test(tcase, a_disk_that_does_not_begin_to_write_is_a_failed_sync);
	tcase_add_test(tcase, writes_that_wait_become_one_group);
	tcase_add_test(tcase, durability_os_needs_no_sync_and_a_write_may_ask_for_its_own);
	tcase_add_test(tcase, every_failing_allocation_of_a_write_leaves_all_or_nothing);
	tcase_add_test(tcase, after_the_end_a_write_is_refused_at_once);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
