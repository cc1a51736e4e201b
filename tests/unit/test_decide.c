/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions against what is visible and against the writes of the same group. */
#include "engine/decide.h"

#include "support/fault_alloc.h"
#include "support/runner.h"

static struct views views;
static struct overlay *overlay;

enum { NOW_MS = 1000, VISIBLE = 10 };

static void add(struct memtable *memtable, const char *key, uint64_t sequence, enum entry_kind kind,
	uint64_t expires)
{
	struct entry entry = { .key = slice_of_string(key), .value = slice_of_string("v"),
		.sequence = sequence, .kind = kind, .expires_unix_ms = expires };

	if (kind == ENTRY_DELETE)
		entry.value.len = 0;
	ck_assert_int_eq(memtable_add(memtable, &entry), KV_OK);
}

/* "there" at 3, "gone" deleted at 5, "old" expired, "late" written behind the visible sequence. */
static void setup(void)
{
	struct view_level *none = view_level_new(NULL, 0);
	struct view_level *levels[MANIFEST_LEVELS];
	struct memtable *memtable = memtable_new(1);

	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		levels[n] = none;
	add(memtable, "there", 3, ENTRY_PUT, 0);
	add(memtable, "gone", 4, ENTRY_PUT, 0);
	add(memtable, "gone", 5, ENTRY_DELETE, 0);
	add(memtable, "old", 6, ENTRY_PUT, NOW_MS);
	add(memtable, "late", 11, ENTRY_PUT, 0);
	ck_assert_int_eq(views_init(&views), KV_OK);
	pthread_mutex_lock(&views.mu);
	views_replace_locked(&views, view_new(memtable, NULL, 0, levels));
	pthread_mutex_unlock(&views.mu);
	memtable_unref(memtable);
	view_level_unref(none);
	overlay = overlay_new();
}

static void teardown(void)
{
	overlay = overlay_free(overlay);
	views_destroy(&views);
}

static kv_status decide(struct engine_write *write)
{
	return decide_write(&views, VISIBLE, NOW_MS, overlay, write);
}

/* A put of `key` under a condition. */
static kv_status decide_put(const char *key, enum engine_expect expect, uint64_t version,
	bool *ret_existed)
{
	struct engine_condition condition = { .expect = expect, .version = version };
	struct engine_write write = { .conditions = &condition, .condition_count = 1,
		.first_sequence = 20 };
	kv_status status;

	ck_assert_int_eq(batch_put(&write.batch, slice_of_string(key), slice_of_string("w"), 0), KV_OK);
	status = decide(&write);
	*ret_existed = condition.existed;
	/* the overlay borrows the key from the batch */
	overlay_clear(overlay);
	batch_free(&write.batch);
	return status;
}

START_TEST(each_condition_holds_for_the_states_it_names)
{
	static const struct {
		const char *key;
		bool exists;
		uint64_t version;
	} keys[] = { { "there", true, 3 }, { "gone", false, 5 }, { "old", false, 6 },
		{ "late", false, 11 }, { "never", false, 0 } };

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		bool existed, exists = keys[i].exists;

		ck_assert_int_eq(decide_put(keys[i].key, ENGINE_EXPECT_NOTHING, 0, &existed), KV_OK);
		ck_assert_int_eq(existed, exists);
		ck_assert_int_eq(decide_put(keys[i].key, ENGINE_EXPECT_EXISTS, 0, &existed),
			exists ? KV_OK : KV_CONDITION);
		ck_assert_int_eq(decide_put(keys[i].key, ENGINE_EXPECT_ABSENT, 0, &existed),
			exists ? KV_CONDITION : KV_OK);
		ck_assert_int_eq(decide_put(keys[i].key, ENGINE_EXPECT_VERSION, keys[i].version,
			&existed), exists ? KV_OK : KV_CONDITION);
		ck_assert_int_eq(decide_put(keys[i].key, ENGINE_EXPECT_VERSION, keys[i].version + 1,
			&existed), KV_CONDITION);
	}
}
END_TEST

START_TEST(a_failed_batch_leaves_no_trace_for_the_next_one)
{
	struct engine_condition conditions[] = { { .place = 1, .expect = ENGINE_EXPECT_EXISTS } };
	struct engine_condition absent[] = { { .place = 0, .expect = ENGINE_EXPECT_ABSENT } };
	struct engine_write first = { .conditions = conditions, .condition_count = 1,
		.first_sequence = 20 };
	struct engine_write second = { .conditions = absent, .condition_count = 1,
		.first_sequence = 20 };

	ck_assert_int_eq(batch_put(&first.batch, slice_of_string("new"), slice_of_string("1"), 0), KV_OK);
	ck_assert_int_eq(batch_put(&first.batch, slice_of_string("never"), slice_of_string("1"), 0),
		KV_OK);
	ck_assert_int_eq(decide(&first), KV_CONDITION);
	ck_assert_uint_eq(first.failed_place, 1);
	ck_assert_int_eq(batch_put(&second.batch, slice_of_string("new"), slice_of_string("2"), 0), KV_OK);
	ck_assert_int_eq(decide(&second), KV_OK);
	/* and a third one of the same group sees the second */
	second.first_sequence = 21;
	ck_assert_int_eq(decide(&second), KV_CONDITION);
	batch_free(&first.batch);
	batch_free(&second.batch);
}
END_TEST

START_TEST(only_a_list_with_conditions_needs_deciding)
{
	struct engine_condition condition = { 0 };
	struct engine_write last = { .conditions = &condition, .condition_count = 1 };
	struct engine_write first = { .next = &last };

	ck_assert(decide_is_needed(&first));
	last.condition_count = 0;
	ck_assert(!decide_is_needed(&first));
}
END_TEST

START_TEST(out_of_memory_is_told_and_leaves_no_trace)
{
	bool existed;
	kv_status status;
	struct engine_condition condition = { .expect = ENGINE_EXPECT_EXISTS };
	struct engine_write write = { .conditions = &condition, .condition_count = 1,
		.first_sequence = 20 };

	ck_assert_int_eq(batch_put(&write.batch, slice_of_string("there"), slice_of_string("w"), 0),
		KV_OK);
	fault_alloc_fail(1, false);
	status = decide(&write);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, KV_NO_MEMORY);
	ck_assert_uint_eq(overlay_mark(overlay), 0);
	batch_free(&write.batch);
	ck_assert_int_eq(decide_put("there", ENGINE_EXPECT_EXISTS, 0, &existed), KV_OK);
}
END_TEST

START_TEST(range_deletes_of_the_group_and_of_the_batch_count)
{
	struct engine_write earlier = { .first_sequence = 20 };
	struct engine_condition conditions[] = { { .place = 0, .expect = ENGINE_EXPECT_ABSENT },
		{ .place = 2, .expect = ENGINE_EXPECT_ABSENT } };
	struct engine_write write = { .first_sequence = 21, .conditions = conditions, .condition_count = 2 };
	bool existed;

	ck_assert_int_eq(batch_delete_range(&earlier.batch, slice_of_string("th"), slice_of_string("ti")), KV_OK);
	ck_assert_int_eq(decide(&earlier), KV_OK);
	/* a put where the group before has deleted, and one where the batch itself has */
	ck_assert_int_eq(batch_put(&write.batch, slice_of_string("there"), slice_of("w", 1), 0), KV_OK);
	ck_assert_int_eq(batch_delete_range(&write.batch, slice_of_string("a"), slice_of(NULL, 0)), KV_OK);
	ck_assert_int_eq(batch_put(&write.batch, slice_of_string("there"), slice_of("x", 1), 0), KV_OK);
	ck_assert_int_eq(decide(&write), KV_OK);
	ck_assert(!conditions[0].existed && !conditions[1].existed);
	/* a refused one takes its range delete back */
	overlay_clear(overlay);
	conditions[1].expect = ENGINE_EXPECT_EXISTS;
	ck_assert_int_eq(decide(&earlier), KV_OK);
	ck_assert_int_eq(decide(&write), KV_CONDITION);
	ck_assert_uint_eq(write.failed_place, 2);
	ck_assert_uint_eq(overlay_find(overlay, slice_of_string("there"))->sequence, 20);
	ck_assert_ptr_null(overlay_find(overlay, slice_of_string("gone")));
	overlay_clear(overlay);
	ck_assert_int_eq(decide_put("there", ENGINE_EXPECT_EXISTS, 0, &existed), KV_OK);
	batch_free(&earlier.batch);
	batch_free(&write.batch);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decide");
	TCase *tcase = tcase_create("decide");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_condition_holds_for_the_states_it_names);
	tcase_add_test(tcase, a_failed_batch_leaves_no_trace_for_the_next_one);
	tcase_add_test(tcase, only_a_list_with_conditions_needs_deciding);
	tcase_add_test(tcase, out_of_memory_is_told_and_leaves_no_trace);
	tcase_add_test(tcase, range_deletes_of_the_group_and_of_the_batch_count);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
