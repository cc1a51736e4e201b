/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values whose time ends, with the system's clocks in our hand (the linker sends clock_gettime here): absent everywhere at once, whatever the
 * clock does afterwards, and out of the way without anybody writing.
 *
 * With the monotonic clock behind that of the kernel, a wait of the store for 30 seconds is one of 50 milliseconds.
 */
#include "base/clock.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define HOUR_MS (INT64_C(3600) * 1000)
#define LOOK_US (INT64_C(30) * 1000000) /* how often compaction looks for what has expired */

static struct small_store small;
static _Atomic int64_t wall_offset_ms, monotonic_offset_us;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int result = __real_clock_gettime(clock, ret);
	int64_t us = (int64_t)ret->tv_sec * 1000000 + ret->tv_nsec / 1000;

	us += clock == CLOCK_REALTIME ? wall_offset_ms * 1000 : clock == CLOCK_MONOTONIC ? monotonic_offset_us : 0;
	ret->tv_sec = (time_t)(us / 1000000);
	ret->tv_nsec = (long)(us % 1000000) * 1000;
	return result;
}

static void setup(void)
{
	small_store_init(&small);
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

static kv_status put(const char *key, const char *value, uint64_t expires_unix_ms,
	enum store_expect expect)
{
	struct store_batch *batch = store_batch_new(small.store);
	struct store_condition condition = { .expect = expect };
	kv_status status;

	ck_assert_int_eq(store_batch_put(batch, s(key), s(value), expires_unix_ms, &condition), KV_OK);
	status = store_write(small.store, batch);
	store_batch_free(batch);
	return status;
}

static kv_status touch(const char *key)
{
	struct store_batch *batch = store_batch_new(small.store);
	kv_status status;

	ck_assert_int_eq(store_batch_touch(batch, s(key), 0), KV_OK);
	status = store_write(small.store, batch);
	store_batch_free(batch);
	return status;
}

static int64_t increment(const char *key)
{
	struct store_batch *batch = store_batch_new(small.store);
	struct store_outcome outcome;

	ck_assert_int_eq(store_batch_increment(batch, s(key), 1), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	outcome = store_batch_outcome(batch, 0);
	ck_assert_uint_eq(outcome.expires_unix_ms, 0);
	store_batch_free(batch);
	return outcome.number;
}

static void expect_in(const struct store_snapshot *snapshot, const char *key, kv_status want)
{
	struct store_value value;
	kv_status status = store_get(small.store, snapshot, s(key), &value, NULL);

	ck_assert_int_eq(status, want);
	if (status == KV_OK)
		store_value_release(&value);
}

/* From memory, and from a table. */
START_TEST(when_its_time_is_over_a_value_is_absent_for_everybody)
{
	uint64_t expires = clock_wall_ms() + HOUR_MS;
	struct store_snapshot *snapshot;

	ck_assert_int_eq(put("a", "1", 0, STORE_EXPECT_NOTHING), KV_OK);
	ck_assert_int_eq(put("t", "1", expires, STORE_EXPECT_ABSENT), KV_OK);
	ck_assert_int_eq(put("n", "41", expires, STORE_EXPECT_ABSENT), KV_OK);
	if (_i == 1)
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	snapshot = store_snapshot_new(small.store);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 3);
	ck_assert_int_eq(put("t", "2", expires, STORE_EXPECT_ABSENT), KV_CONDITION);
	wall_offset_ms = HOUR_MS;
	expect_in(NULL, "t", KV_NOT_FOUND);
	expect_in(snapshot, "t", KV_NOT_FOUND);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 1);
	ck_assert_uint_eq(small_count_keys(&small, snapshot), 1);
	ck_assert_int_eq(put("t", "2", 0, STORE_EXPECT_EXISTS), KV_CONDITION);
	ck_assert_int_eq(touch("t"), KV_CONDITION);
	ck_assert_int_eq(increment("n"), 1);
	ck_assert_int_eq(put("t", "2", 0, STORE_EXPECT_ABSENT), KV_OK);
	expect_in(NULL, "t", KV_OK);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 3);
	store_snapshot_free(snapshot);
}
END_TEST

START_TEST(a_clock_that_is_set_back_brings_nothing_back)
{
	ck_assert_int_eq(put("t", "1", clock_wall_ms() + HOUR_MS, STORE_EXPECT_NOTHING), KV_OK);
	ck_assert_int_eq(put("long", "1", clock_wall_ms() + 10 * HOUR_MS, STORE_EXPECT_NOTHING), KV_OK);
	wall_offset_ms = 2 * HOUR_MS;
	expect_in(NULL, "t", KV_NOT_FOUND);
	wall_offset_ms = -24 * HOUR_MS;
	expect_in(NULL, "t", KV_NOT_FOUND);
	ck_assert_uint_eq(small_count_keys(&small, NULL), 1);
	ck_assert_int_eq(touch("t"), KV_CONDITION);
	small_store_crash(&small);
	small_store_open(&small); /* in the same process, whose clock it is */
	expect_in(NULL, "t", KV_NOT_FOUND);
	expect_in(NULL, "long", KV_OK);
	wall_offset_ms = 11 * HOUR_MS;
	expect_in(NULL, "long", KV_NOT_FOUND);
}
END_TEST

static uint64_t entries_in_tables(void)
{
	struct store_stats stats;
	uint64_t entries = 0;

	store_get_stats(small.store, &stats);
	for (unsigned i = 0; i < stats.level_count; i++)
		entries += stats.levels[i].entries;
	return entries;
}

/* All of the tables is in the lowest level, and nobody writes any more. */
START_TEST(space_comes_back_without_a_write)
{
	enum { KEYS = 2000, KEPT = 100 };
	static char value[500];
	uint64_t deadline;

	memset(value, 'v', sizeof value - 1);
	for (unsigned i = 0; i < KEYS; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%05u", i);
		ck_assert_int_eq(put(key, value, i % (KEYS / KEPT) == 0 ? 0 : clock_wall_ms() + HOUR_MS, STORE_EXPECT_NOTHING), KV_OK);
	}
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	small_store_crash(&small);
	monotonic_offset_us = -(LOOK_US - 50000);
	small_store_open(&small);
	ck_assert_uint_eq(entries_in_tables(), KEYS);
	wall_offset_ms = 2 * HOUR_MS + 60 * 1000; /* they are let lie for an hour, because others may end soon */
	deadline = clock_monotonic_us() + 120 * 1000000;
	while (entries_in_tables() != KEPT && clock_monotonic_us() < deadline)
		sched_yield();
	monotonic_offset_us = 0; /* Check measures with the same clock */
	ck_assert_uint_eq(entries_in_tables(), KEPT);
	ck_assert_uint_eq(small_count_keys(&small, NULL), KEPT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("expiry");
	TCase *tcase = tcase_create("expiry");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, when_its_time_is_over_a_value_is_absent_for_everybody, 0, 2);
	tcase_add_test(tcase, a_clock_that_is_set_back_brings_nothing_back);
	tcase_add_test(tcase, space_comes_back_without_a_write);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
