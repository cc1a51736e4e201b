/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening, looking after and ending an engine in the states that are not the usual ones. */
#include "base/clock.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

static struct small_store small;
static struct kv_error err;

static void setup(void)
{
	small_store_init(&small);
	small_store_open(&small);
	err = (struct kv_error){ 0 };
}

static void teardown(void)
{
	small_store_done(&small);
}

static enum store_state state(void)
{
	char reason[512];

	return store_get_state(small.store, reason, sizeof reason);
}

static void fail_the_log(void)
{
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC,
		.name_part = ".wal", .nth = 1, .from_then_on = true, .errnum = EIO });
	while (small_put(&small, "a", "1") == KV_OK)
		; /* a segment was being made ahead, and took the failure */
	fault_fs_heal(small.disk.fault);
	ck_assert_int_eq(state(), STORE_FAILED);
}

/* Memory is empty, so there is nothing to flush: that alone does not make it a clean end. */
START_TEST(a_failed_store_has_no_clean_end_and_keeps_its_log)
{
	struct store_finish_report report;
	struct buf before, after;

	fail_the_log();
	before = disk_read(&small.disk, "MANIFEST");
	ck_assert_int_eq(store_finish(small.store, &report, &err), KV_IO);
	ck_assert_ptr_nonnull(strstr(err.text, ".wal"));
	ck_assert_int_eq(state(), STORE_FAILED);
	after = disk_read(&small.disk, "MANIFEST");
	ck_assert(slice_equal(buf_slice(&before), buf_slice(&after)));
	ck_assert_uint_gt(small_count(&small, ".wal"), 0);
	buf_free(&before);
	buf_free(&after);
}
END_TEST

START_TEST(a_failed_store_is_not_compacted)
{
	struct buf before, after;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(small_put(&small, "k", "v"), KV_OK);
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	}
	small_wait_for_spare(&small); /* changes MANIFEST, too */
	fail_the_log();
	before = disk_read(&small.disk, "MANIFEST");
	ck_assert_int_eq(store_compact(small.store, &err), KV_IO);
	after = disk_read(&small.disk, "MANIFEST");
	ck_assert(slice_equal(buf_slice(&before), buf_slice(&after)));
	small_expect(&small, "k", "v");
	buf_free(&before);
	buf_free(&after);
}
END_TEST

static void use_up_descriptors(const char *name_part)
{
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_OPEN, .name_part = name_part,
		.nth = 1, .from_then_on = true, .errnum = EMFILE });
}

START_TEST(used_up_descriptors_refuse_for_a_while_and_break_nothing)
{
	static const char *const names[] = { ".wal", ".sst", "MANIFEST" };
	char key[32];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		ck_assert_int_eq(small_put(&small, names[i], "before"), KV_OK);
		use_up_descriptors(names[i]);
		ck_assert_int_eq(store_flush(small.store, &err), KV_NO_MEMORY);
		for (unsigned k = 0; k < 5; k++) { /* there is room in the memtable */
			snprintf(key, sizeof key, "%s%u", names[i], k);
			ck_assert_int_eq(small_put(&small, key, "during"), KV_OK);
		}
		ck_assert_int_eq(state(), STORE_HEALTHY);
		fault_fs_heal(small.disk.fault);
		ck_assert_int_eq(store_flush(small.store, &err), KV_OK);
	}
	small_store_crash(&small);
	small_store_open(&small);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		small_expect(&small, names[i], "before");
		snprintf(key, sizeof key, "%s%u", names[i], 4u);
		small_expect(&small, key, "during");
	}
}
END_TEST

/* ---- threads that cannot be started ---- */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);

static unsigned threads_left = UINT_MAX; /* that can be started */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
	if (threads_left == 0)
		return EAGAIN;
	threads_left--;
	return __real_pthread_create(thread, attributes, run, arg);
}

START_TEST(an_open_that_cannot_start_a_thread_leaves_nothing_behind)
{
	kv_status status = KV_IO;
	unsigned threads = 0, descriptors;

	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	small_store_crash(&small);
	descriptors = runner_open_descriptors();
	for (; status != KV_OK; threads++) {
		ck_assert_uint_lt(threads, 20);
		threads_left = threads;
		status = small_store_try_open(&small, &err);
		threads_left = UINT_MAX;
		if (status == KV_OK)
			break;
		ck_assert_int_eq(status, KV_IO);
		ck_assert_int_eq(err.errnum, EAGAIN);
		ck_assert_uint_eq(runner_open_descriptors(), descriptors);
	}
	ck_assert_uint_ge(threads, 4); /* commits, large values, flushes, compactions */
	small_expect(&small, "a", "1");
	ck_assert_int_eq(small_put(&small, "a", "2"), KV_OK);
}
END_TEST

enum { OPEN_MAX = 8, TABLES = 40 };

static void make_tables(const char *value)
{
	char key[32];

	small_store_crash(&small);
	small.options.open_tables_max = OPEN_MAX;
	small.options.large_value_bytes = 4096;
	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	for (unsigned i = 0; i < TABLES; i++) {
		snprintf(key, sizeof key, "key%06u", i);
		ck_assert_int_eq(small_put(&small, key, value), KV_OK);
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	}
	ck_assert_uint_ge(small_tables(&small), TABLES);
}

/* Nobody writes, so nothing else wakes the thread that closes them; a round takes no minute. */
START_TEST(no_more_tables_stay_open_than_may_be)
{
	char key[32];

	make_tables("v");
	small_store_crash(&small);
	small_store_open(&small);
	small_wait_for_spare(&small);
	for (unsigned round = 0; round < 3; round++) {
		uint64_t deadline = clock_monotonic_us() + 40 * 1000000;

		for (unsigned i = 0; i < TABLES; i++) {
			snprintf(key, sizeof key, "key%06u", i);
			small_expect(&small, key, "v");
		}
		while (runner_open_files(".sst") > OPEN_MAX) {
			ck_assert_uint_lt(clock_monotonic_us(), deadline);
			ck_assert_int_ge(sched_yield(), 0);
		}
	}
}
END_TEST

static void expect_few_open(void *arg, enum fault_op op, const char *name)
{
	(void)arg;
	if (op == FAULT_OPEN && strstr(name, ".sst"))
		ck_assert_uint_le(runner_open_files(".sst"), OPEN_MAX + 1);
}

/* Each of them has to tell which large values it needs. */
START_TEST(a_start_opens_no_more_tables_than_may_be)
{
	static char large[5001];

	memset(large, 'l', sizeof large - 1);
	make_tables(large);
	small_store_crash(&small);
	fault_fs_hook(small.disk.fault, expect_few_open, NULL);
	small_store_open(&small);
	ck_assert_uint_le(runner_open_files(".sst"), OPEN_MAX);
	fault_fs_hook(small.disk.fault, NULL, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tcase = tcase_create("engine");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_failed_store_has_no_clean_end_and_keeps_its_log);
	tcase_add_test(tcase, an_open_that_cannot_start_a_thread_leaves_nothing_behind);
	tcase_add_test(tcase, a_failed_store_is_not_compacted);
	tcase_add_test(tcase, used_up_descriptors_refuse_for_a_while_and_break_nothing);
	tcase_add_test(tcase, no_more_tables_stay_open_than_may_be);
	tcase_add_test(tcase, a_start_opens_no_more_tables_than_may_be);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
