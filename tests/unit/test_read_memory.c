/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every allocation of a read fails in turn: lookups, scans in both directions, of a snapshot, estimates, counts and the change feed, over a store
 * that has some of its data in each place. Each says that there is no memory, or gives the whole answer.
 */
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

enum { FAILURES_MAX = 2000, KEYS = 60 };

static struct small_store small;

/* Values in the last level, in level 0 and in memory, under range deletes of each; a large one. */
static void setup(void)
{
	small_store_init(&small);
	small.options.durability = STORE_DURABLE_OS;
	small.options.change_log_bytes = 1 << 20;
	small.options.block_cache_bytes = 0; /* every block is read anew */
	small_store_open(&small);
	small_fill(&small, 0, KEYS, "a value that is some bytes long, so that there is more than one block of them");
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert_int_eq(small_delete_range(&small, "key000010", "key000020"), KV_OK);
	small_fill(&small, 15, 25, "in level 0");
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_fill(&small, 30, 35, "in memory");
	ck_assert_int_eq(small_delete_range(&small, "key000040", "key000045"), KV_OK);
}

static void teardown(void)
{
	small_store_done(&small);
}

static const unsigned keys_left = KEYS - 5 - 5;

static kv_status scan(const struct store_snapshot *snapshot)
{
	struct store_iter *iter = NULL;
	unsigned forward = 0, backward = 0;
	kv_status status = store_iter_open(small.store, snapshot, &iter, NULL);

	if (status != KV_OK)
		return status;
	for (store_iter_seek_first(iter); store_iter_valid(iter); store_iter_next(iter))
		forward++;
	status = store_iter_status(iter, NULL);
	if (status == KV_OK) {
		for (store_iter_seek_before(iter, slice_of_string("z")); store_iter_valid(iter); store_iter_prev(iter))
			backward++;
		status = store_iter_status(iter, NULL);
	}
	store_iter_close(iter);
	if (status == KV_OK && (forward != keys_left || backward != keys_left))
		return KV_CORRUPT;
	return status;
}

static kv_status scan_all(void)
{
	return scan(NULL);
}

static kv_status scan_snapshot(void)
{
	struct store_snapshot *snapshot = store_snapshot_new(small.store);
	kv_status status = snapshot ? scan(snapshot) : KV_NO_MEMORY;

	store_snapshot_free(snapshot);
	return status;
}

/* `value`: NULL: there is none. */
static kv_status get(const char *key, const char *value)
{
	struct store_value got;
	kv_status status = store_get(small.store, NULL, slice_of_string(key), &got, NULL);
	bool right = value != NULL;

	if (status == KV_NOT_FOUND && !value)
		return KV_OK;
	if (status != KV_OK)
		return status;
	right = right && slice_starts_with(got.value.bytes, slice_of_string(value));
	store_value_release(&got);
	return right ? KV_OK : KV_CORRUPT;
}

static kv_status get_below(void)
{
	return get("key000050", "a value");
}

static kv_status get_level0(void)
{
	return get("key000016", "in level 0");
}

static kv_status get_memory(void)
{
	return get("key000030", "in memory");
}

static kv_status get_deleted(void)
{
	kv_status status = get("key000012", NULL);

	return status == KV_OK ? get("key000042", NULL) : status;
}

static kv_status estimate(void)
{
	struct store_estimate found;
	kv_status status = store_estimate_range(small.store, slice_of_string("key000005"), slice_of_string("key000055"),
		&found, NULL);

	return status == KV_OK && found.entries == 0 ? KV_CORRUPT : status;
}

static kv_status follow_changes(void)
{
	struct store_changes *changes = NULL;
	struct store_change change;
	unsigned count = 0;
	kv_status status = store_changes_open(small.store, 0, &changes, NULL);

	while (status == KV_OK || status == KV_BUSY) {
		status = store_changes_next(changes, &change, NULL);
		count += status == KV_OK;
	}
	store_changes_close(changes);
	if (status == KV_NOT_FOUND)
		return count == KEYS + 1 + 10 + 5 + 1 ? KV_OK : KV_CORRUPT;
	return status;
}

static kv_status get_stats(void)
{
	struct store_stats stats;

	store_get_stats(small.store, &stats);
	return stats.last_version > 0 ? KV_OK : KV_CORRUPT;
}

static kv_status (*const reads[])(void) = { scan_all, scan_snapshot, get_below, get_level0, get_memory, get_deleted,
	estimate, follow_changes, get_stats };

/* Until a run in which nothing had to fail. What was opened once stays open, so each begins with a store just opened. */
START_TEST(a_read_without_memory_says_so_or_is_whole)
{
	uint64_t failed = 1;

	for (uint64_t nth = 1; failed > 0; nth++) {
		kv_status status;

		ck_assert_uint_lt(nth, FAILURES_MAX);
		fault_alloc_fail_here(nth);
		status = reads[_i]();
		failed = fault_alloc_failed();
		fault_alloc_fail_here(0);
		ck_assert_msg(status == KV_OK || (status == KV_NO_MEMORY && failed > 0),
			"allocation %llu: %s", (unsigned long long)nth, kv_status_text(status));
	}
	for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
		ck_assert_int_eq(reads[i](), KV_OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("read_memory");
	TCase *tc = tcase_create("read_memory");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_read_without_memory_says_so_or_is_whole, 0, sizeof reads / sizeof reads[0]);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
