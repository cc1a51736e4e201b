/* SPDX-License-Identifier: BSD-2-Clause */
/* The registry over a fake store, whose statistics tell how many pictures are open. Time is what the test says: snapshots_tick(). */
#include "http/snapshots.h"

#include "base/clock.h"
#include "support/fake_store.h"
#include "support/runner.h"

#include <pthread.h>

enum { LIMIT = 4, AGE_MS = 1000 * 1000 };

static struct store *store;
static struct snapshots *snapshots;

static void setup(void)
{
	store = fake_store_new();
	snapshots = snapshots_new(store, AGE_MS, LIMIT);
	ck_assert_ptr_nonnull(snapshots);
}

static uint64_t open_pictures(void)
{
	struct store_stats stats;

	store_get_stats(store, &stats);
	return stats.snapshots;
}

static void teardown(void)
{
	snapshots = snapshots_free(snapshots);
	ck_assert_uint_eq(open_pictures(), 0);
	store = fake_store_free(store);
}

static struct snapshot *create(uint64_t ttl_ms)
{
	struct snapshot *snapshot;

	ck_assert_int_eq(snapshots_create(snapshots, ttl_ms, &snapshot), KV_OK);
	return snapshot;
}

static struct snapshot *keep(void)
{
	struct snapshot *snapshot;

	ck_assert_int_eq(snapshots_keep(snapshots, store_snapshot_new(store), &snapshot), KV_OK);
	return snapshot;
}

static bool is_there(const uint8_t *id)
{
	struct snapshot *snapshot;

	if (snapshots_find(snapshots, id, &snapshot) != KV_OK)
		return false;
	snapshot_release(snapshot);
	return true;
}

static void copy_id(uint8_t *to, const struct snapshot *snapshot)
{
	memcpy(to, snapshot_id(snapshot), SNAPSHOT_ID_BYTES);
}

static uint64_t after_ms(uint64_t ms)
{
	return clock_monotonic_us() + ms * 1000;
}

START_TEST(one_is_found_by_its_id_until_it_is_dropped)
{
	struct snapshot *snapshot = create(60000);
	uint8_t id[SNAPSHOT_ID_BYTES], other[SNAPSHOT_ID_BYTES];

	copy_id(id, snapshot);
	copy_id(other, snapshot);
	other[SNAPSHOT_ID_BYTES - 1] ^= 1; /* in the same bucket */
	ck_assert(is_there(id));
	ck_assert(!is_there(other));
	snapshot_release(snapshot);
	ck_assert(is_there(id));
	ck_assert_int_eq(snapshots_drop(snapshots, other), KV_GONE);
	ck_assert_int_eq(snapshots_drop(snapshots, id), KV_OK);
	ck_assert_int_eq(snapshots_drop(snapshots, id), KV_GONE);
	ck_assert(!is_there(id));
	ck_assert(snapshots_is_empty(snapshots));
	ck_assert_uint_eq(open_pictures(), 0);
}
END_TEST

START_TEST(what_is_in_use_stays_until_it_is_released)
{
	struct snapshot *snapshot = create(60000);
	uint8_t id[SNAPSHOT_ID_BYTES];

	copy_id(id, snapshot);
	ck_assert_int_eq(snapshots_drop(snapshots, id), KV_OK);
	ck_assert(!is_there(id));
	ck_assert_uint_eq(open_pictures(), 1);
	ck_assert_uint_eq(store_snapshot_version(snapshot_picture(snapshot)), 0);
	snapshot_release(snapshot);
	ck_assert_uint_eq(open_pictures(), 0);
}
END_TEST

START_TEST(a_named_one_ends_at_its_time_whether_used_or_not)
{
	struct snapshot *snapshot = create(60000);
	uint8_t id[SNAPSHOT_ID_BYTES];

	copy_id(id, snapshot);
	snapshot_release(snapshot);
	snapshots_tick(snapshots, after_ms(59000));
	ck_assert(is_there(id));
	snapshots_tick(snapshots, after_ms(60001));
	ck_assert(!is_there(id));
	ck_assert_uint_eq(open_pictures(), 0);
}
END_TEST

START_TEST(a_named_one_is_gone_at_its_time_also_before_the_tick)
{
	struct snapshot *snapshot = create(1);
	uint64_t made_us = clock_monotonic_us();
	uint8_t id[SNAPSHOT_ID_BYTES];

	copy_id(id, snapshot);
	snapshot_release(snapshot);
	while (clock_monotonic_us() <= made_us + 1000)
		;
	ck_assert(!is_there(id));
	ck_assert_int_eq(snapshots_drop(snapshots, id), KV_GONE);
	ck_assert(!snapshots_is_empty(snapshots));
	snapshots_tick(snapshots, after_ms(1));
	ck_assert(snapshots_is_empty(snapshots));
	ck_assert_uint_eq(open_pictures(), 0);
}
END_TEST

START_TEST(nothing_lives_longer_than_the_age_limit)
{
	struct snapshot *named = create(10 * AGE_MS);
	struct snapshot *of_cursor = keep();

	ck_assert_uint_le(snapshot_expires_unix_ms(named), clock_wall_ms() + AGE_MS);
	snapshot_release(named);
	snapshot_release(of_cursor);
	snapshots_tick(snapshots, after_ms(AGE_MS + 1));
	ck_assert(snapshots_is_empty(snapshots));
}
END_TEST

START_TEST(one_of_a_cursor_ends_when_nobody_uses_it)
{
	struct snapshot *snapshot = keep();
	uint8_t id[SNAPSHOT_ID_BYTES];

	copy_id(id, snapshot);
	snapshot_release(snapshot);
	snapshots_tick(snapshots, after_ms(SNAPSHOT_IDLE_MS - 1000));
	ck_assert(is_there(id));
	ck_assert_int_eq(snapshots_drop(snapshots, id), KV_GONE); /* not the client's to drop */
	snapshots_tick(snapshots, after_ms(SNAPSHOT_IDLE_MS + 1));
	ck_assert(!is_there(id));
}
END_TEST

START_TEST(too_many_named_ones_are_refused)
{
	struct snapshot *one[LIMIT], *more;

	for (int i = 0; i < LIMIT; i++)
		one[i] = create(60000);
	ck_assert_int_eq(snapshots_create(snapshots, 60000, &more), KV_BUSY);
	ck_assert_uint_eq(open_pictures(), LIMIT);
	snapshot_release(keep()); /* those of cursors have a limit of their own */
	ck_assert_int_eq(snapshots_drop(snapshots, snapshot_id(one[0])), KV_OK);
	snapshot_release(create(60000));
	for (int i = 0; i < LIMIT; i++)
		snapshot_release(one[i]);
}
END_TEST

START_TEST(of_too_many_cursors_the_one_not_used_for_longest_goes)
{
	uint8_t ids[LIMIT][SNAPSHOT_ID_BYTES];

	for (int i = 0; i < LIMIT; i++) {
		struct snapshot *snapshot = keep();

		copy_id(ids[i], snapshot);
		snapshot_release(snapshot);
	}
	ck_assert(is_there(ids[0])); /* used: now ids[1] is the oldest */
	snapshot_release(keep());
	ck_assert(is_there(ids[0]));
	ck_assert(!is_there(ids[1]));
	ck_assert(is_there(ids[2]));
	ck_assert_uint_eq(open_pictures(), LIMIT);
}
END_TEST

START_TEST(an_id_survives_its_text_and_nothing_else_does)
{
	static const char *const bad[] = { "", "A", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB",
		"AAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAA/AAAAAAAAAAA", "../../../../etc/passwd" };
	struct snapshot *snapshot = create(1000);
	char text[SNAPSHOT_ID_TEXT + 1];
	uint8_t id[SNAPSHOT_ID_BYTES];

	snapshot_id_text(snapshot_id(snapshot), text);
	ck_assert_uint_eq(strlen(text), SNAPSHOT_ID_TEXT);
	ck_assert(snapshot_id_parse(slice_of_string(text), id));
	ck_assert_mem_eq(id, snapshot_id(snapshot), SNAPSHOT_ID_BYTES);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!snapshot_id_parse(slice_of_string(bad[i]), id), "%s", bad[i]);
	snapshot_release(snapshot);
}
END_TEST

static void *use_and_drop(void *arg)
{
	const unsigned *seed = arg;

	for (unsigned i = 0; i < 2000; i++) {
		struct snapshot *snapshot, *found;

		if ((i + *seed) % 3 == 0) {
			if (snapshots_create(snapshots, 1 + i % 7, &snapshot) != KV_OK)
				continue;
		} else if (snapshots_keep(snapshots, store_snapshot_new(store), &snapshot) != KV_OK) {
			continue;
		}
		if (snapshots_find(snapshots, snapshot_id(snapshot), &found) == KV_OK)
			snapshot_release(found);
		if (i % 5 == 0)
			(void)snapshots_drop(snapshots, snapshot_id(snapshot));
		if (i % 11 == 0)
			snapshots_tick(snapshots, after_ms(i % 13));
		ck_assert_uint_eq(store_snapshot_version(snapshot_picture(snapshot)), 0);
		snapshot_release(snapshot);
	}
	return NULL;
}

START_TEST(threads_that_make_use_and_drop_leave_nothing)
{
	unsigned seeds[4] = { 0, 1, 2, 3 };
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use_and_drop, &seeds[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_le(open_pictures(), 2 * LIMIT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshots");
	TCase *tc = tcase_create("snapshots");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_is_found_by_its_id_until_it_is_dropped);
	tcase_add_test(tc, what_is_in_use_stays_until_it_is_released);
	tcase_add_test(tc, a_named_one_ends_at_its_time_whether_used_or_not);
	tcase_add_test(tc, a_named_one_is_gone_at_its_time_also_before_the_tick);
	tcase_add_test(tc, nothing_lives_longer_than_the_age_limit);
	tcase_add_test(tc, one_of_a_cursor_ends_when_nobody_uses_it);
	tcase_add_test(tc, too_many_named_ones_are_refused);
	tcase_add_test(tc, of_too_many_cursors_the_one_not_used_for_longest_goes);
	tcase_add_test(tc, an_id_survives_its_text_and_nothing_else_does);
	tcase_add_test(tc, threads_that_make_use_and_drop_leave_nothing);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
