/* SPDX-License-Identifier: BSD-2-Clause */
/* Decisions about trees made by hand; test_compact_tree has the random ones. Keys are two letters; a full table has 100 bytes. */
#include "engine/compact_pick.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <stdlib.h>

enum { TABLES_MAX = 340, HOUR_MS = 60 * 60 * 1000 };

static struct {
	struct pick_table tables[MANIFEST_LEVELS][TABLES_MAX];
	struct pick_level levels[MANIFEST_LEVELS];
	struct pick_options options;
	char keys[MANIFEST_LEVELS][TABLES_MAX][2][3];
	uint64_t last_number;
} t;

static struct pick pick;

static void set_up(void)
{
	memset(&t, 0, sizeof t);
	memset(&pick, 0, sizeof pick);
	for (unsigned level = 0; level < MANIFEST_LEVELS; level++)
		t.levels[level].tables = t.tables[level];
	t.options = (struct pick_options){ .level0_threshold = 4,
		.base_bytes = 400,
		.table_bytes = 100,
		.level_factor = 10,
		.now_unix_ms = UINT64_C(10) * HOUR_MS,
		.oldest_snapshot = UINT64_MAX,
		.manual_sequence = UINT64_MAX };
}

static void tear_down(void)
{
	pick_free(&pick);
}

/* At the end of the level. */
static struct pick_table *add(unsigned level, const char *smallest, const char *largest, uint64_t bytes)
{
	size_t at = t.levels[level].count++;
	struct pick_table *table = &t.tables[level][at];

	memcpy(t.keys[level][at][0], smallest, 2);
	memcpy(t.keys[level][at][1], largest, 2);
	*table = (struct pick_table){ .number = ++t.last_number,
		.bytes = bytes,
		.entries = 10,
		.first_sequence = 1,
		.last_sequence = 10,
		.smallest = slice_of(t.keys[level][at][0], 2),
		.largest = slice_of(t.keys[level][at][1], 2) };
	return table;
}

/* `count` full tables side by side, at most 338: [aa..ab], [ac..ad], ... */
static void fill(unsigned level, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char smallest[3], largest[3];

		smallest[0] = largest[0] = (char)('a' + i * 2 / 26);
		smallest[1] = (char)('a' + i * 2 % 26);
		largest[1] = (char)(smallest[1] + 1);
		add(level, smallest, largest, 100);
	}
}

static void check_inputs(unsigned which, size_t count, const struct pick_table *first)
{
	ck_assert_uint_eq(pick.input_count[which], count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(pick.inputs[which][i], first[i].number);
}

static kv_status choose(void)
{
	pick_free(&pick);
	return compact_pick(t.levels, &t.options, &pick);
}

static kv_status choose_all(void)
{
	pick_free(&pick);
	return compact_pick_all(t.levels, &t.options, &pick);
}

START_TEST(nothing_is_due_in_an_empty_tree_nor_below_the_thresholds)
{
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	ck_assert_int_eq(choose_all(), KV_NOT_FOUND);
	for (unsigned i = 0; i < 3; i++)
		add(0, "aa", "zz", 100);
	fill(6, 300);
	fill(5, 28);
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
}
END_TEST

START_TEST(in_quiet_times_only_what_is_small_stays_in_level_0)
{
	fill(6, 39);
	add(0, "aa", "zz", 121);
	t.options.small_bytes = 100;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.options.quiet = true;
	ck_assert_int_eq(choose(), KV_NOT_FOUND); /* not above a 32nd of the last level */
	t.tables[0][0].bytes++;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_LEVEL0);
	ck_assert_uint_eq(pick.input_count[1], 39);
	t.options.small_bytes = 122;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
}
END_TEST

START_TEST(in_quiet_times_a_level_goes_down_when_it_replaces_much_of_the_last_one)
{
	fill(6, 320);
	fill(5, 32);
	t.options.quiet = true;
	ck_assert_int_eq(choose(), KV_NOT_FOUND); /* nothing was overwritten */
	t.options.overwritten = 0.3;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.options.overwritten = 0.4;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_SIZE);
	ck_assert_uint_eq(pick.level, 5);
	t.options.quiet = false;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
}
END_TEST

START_TEST(level_0_goes_whole_into_the_lowest_level_of_an_empty_tree)
{
	for (unsigned i = 0; i < 5; i++)
		add(0, "aa", "zz", 100);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_LEVEL0);
	ck_assert_uint_eq(pick.output_level, MANIFEST_LEVELS - 1);
	ck_assert(!pick.move);
	ck_assert(pick.score > 1);
	check_inputs(0, 5, t.tables[0]);
	check_inputs(1, 0, NULL);
}
END_TEST

START_TEST(level_0_goes_to_the_first_level_that_has_a_target)
{
	for (unsigned i = 0; i < 4; i++)
		add(0, "ab", "ac", 100);
	fill(6, 39);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_uint_eq(pick.output_level, 6);
	check_inputs(1, 2, t.tables[6]);
	fill(6, 1); /* a tenth of it is base_bytes now */
	t.levels[6].count--;
	add(6, "zz", "zz", 100);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_uint_eq(pick.output_level, 5);
	check_inputs(1, 0, NULL);
}
END_TEST

START_TEST(level_0_never_passes_a_level_that_holds_data)
{
	for (unsigned i = 0; i < 4; i++)
		add(0, "aa", "zz", 100);
	add(3, "ba", "bb", 100);
	add(3, "ca", "cb", 100);
	fill(6, 50);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_uint_eq(pick.output_level, 3);
	check_inputs(1, 2, t.tables[3]);
}
END_TEST

START_TEST(a_level_above_its_target_gives_tables_round_robin)
{
	fill(6, 100);
	fill(5, 12); /* target: 10 tables */
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_SIZE);
	ck_assert_uint_eq(pick.level, 5);
	ck_assert_uint_eq(pick.output_level, 6);
	ck_assert(pick.score > 1 && pick.score < 2);
	check_inputs(0, 1, t.tables[5]);
	check_inputs(1, 1, t.tables[6]);
	t.levels[5].cursor = t.tables[5][6].largest;
	ck_assert_int_eq(choose(), KV_OK);
	check_inputs(0, 1, &t.tables[5][7]);
	t.levels[5].cursor = t.tables[5][11].largest;
	ck_assert_int_eq(choose(), KV_OK);
	check_inputs(0, 1, t.tables[5]);
}
END_TEST

START_TEST(what_overlaps_least_of_those_that_come_next_goes_down_first)
{
	fill(6, 100);
	for (unsigned i = 0; i < 12; i++) /* target: 10 tables */
		add(5, t.keys[6][8 * i][0], t.keys[6][8 * i + (i == 7 ? 1 : i == 9 ? 0 : 5)][1], 100);
	ck_assert_int_eq(choose(), KV_OK);
	check_inputs(0, 1, &t.tables[5][9]);
	check_inputs(1, 1, &t.tables[6][72]);
	t.tables[5][9].bytes = 10; /* cheap is what costs little for a byte that gets down */
	ck_assert_int_eq(choose(), KV_OK);
	check_inputs(0, 1, &t.tables[5][7]);
	check_inputs(1, 2, &t.tables[6][56]);
}
END_TEST

START_TEST(more_tables_come_along_when_the_output_stays_the_same)
{
	add(6, "aa", "mz", 2000);
	add(6, "na", "zz", 2000);
	fill(5, 6);
	t.levels[5].cursor = slice_of("aa", 2);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_uint_eq(pick.output_level, 6);
	/* two above the target of base_bytes */
	check_inputs(0, 2, &t.tables[5][1]);
	check_inputs(1, 1, t.tables[6]);
}
END_TEST

START_TEST(tables_that_share_a_user_key_go_together)
{
	fill(6, 80);
	for (unsigned i = 0; i < 10; i++)
		add(5, i < 5 ? "aa" : "ab", i < 4 ? "aa" : "ab", 100);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_uint_eq(pick.input_count[0], 10);
	check_inputs(1, 1, t.tables[6]);
}
END_TEST

START_TEST(damaged_tables_are_left_alone_in_both_levels)
{
	fill(6, 100);
	fill(5, 15);
	t.tables[5][0].damaged = true;
	ck_assert_int_eq(choose(), KV_OK);
	check_inputs(0, 1, &t.tables[5][1]);
	t.tables[6][1].damaged = true;
	ck_assert_int_eq(choose(), KV_OK);
	check_inputs(0, 1, &t.tables[5][2]);
	for (unsigned i = 0; i < 15; i++)
		t.tables[6][i].damaged = true;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	ck_assert_int_eq(choose_all(), KV_BUSY);
}
END_TEST

/* Its inputs may have a gap between them, which its output will span. */
START_TEST(nothing_starts_in_a_level_that_another_compaction_reads_or_writes)
{
	fill(6, 100);
	fill(5, 15);
	t.tables[5][14].busy = true;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	ck_assert_int_eq(choose_all(), KV_BUSY);
	t.tables[5][14].busy = false;
	t.tables[6][99].busy = true;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.tables[6][99].busy = false;
	ck_assert_int_eq(choose(), KV_OK);
}
END_TEST

START_TEST(level_0_waits_for_its_own_compaction_only)
{
	for (unsigned i = 0; i < 8; i++)
		add(0, "aa", "bz", 100);
	t.tables[0][7].busy = true;
	fill(6, 100);
	fill(5, 14);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_SIZE);
	t.tables[0][7].busy = false;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_LEVEL0);
}
END_TEST

START_TEST(nothing_new_starts_in_the_level_that_level_0_waits_for)
{
	for (unsigned i = 0; i < 8; i++)
		add(0, "aa", "bz", 100);
	fill(6, 100);
	fill(5, 14);
	t.tables[5][3].damaged = true; /* within the keys of level 0 */
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.levels[0].count = 3;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_SIZE);
}
END_TEST

START_TEST(tables_in_key_order_move_without_being_rewritten)
{
	/* newest first, so in falling order of keys */
	add(0, "da", "dz", 100);
	add(0, "ca", "cz", 100);
	add(0, "ba", "bz", 100);
	add(0, "aa", "az", 100);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert(pick.move);
	ck_assert_uint_eq(pick.input_count[0], 4);
	/* a shared key is enough to prevent it */
	memcpy(t.keys[0][1][0], "bz", 2);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert(!pick.move);
}
END_TEST

START_TEST(crumbs_of_level_0_are_merged_and_join_a_crumb_below)
{
	add(0, "da", "dz", 10);
	add(0, "ca", "cz", 10);
	add(0, "ba", "bz", 10);
	add(0, "ba", "bz", 10);
	add(6, "aa", "ab", 100);
	add(6, "ac", "ad", 20);
	add(6, "za", "zz", 100);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert(!pick.move);
	check_inputs(1, 1, &t.tables[6][1]);
	/* not while another compaction may be about to write between them */
	t.tables[6][2].busy = true;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
}
END_TEST

START_TEST(a_table_with_tombstones_moves_only_where_they_hide_something)
{
	fill(6, 100);
	for (unsigned i = 0; i < 11; i++) {
		char key[3] = { 'z', (char)('a' + i), 0 };

		add(5, key, key, 100)->tombstones = 1;
	}
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_SIZE);
	check_inputs(0, 1, t.tables[5]);
	check_inputs(1, 0, NULL);
	ck_assert(!pick.move);
	/* an old snapshot keeps them alive: rewriting would gain nothing */
	t.options.oldest_snapshot = 9;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert(pick.move);
	t.options.oldest_snapshot = 10;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert(!pick.move);
}
END_TEST

START_TEST(a_tombstone_with_data_below_the_output_moves)
{
	fill(6, 300);
	fill(5, 30);
	for (unsigned i = 0; i < 5; i++) {
		char key[3] = { 'a', (char)('a' + i), 0 };

		add(4, key, key, 100)->tombstones = 1;
	}
	/* a hole in level 5 above a table of level 6 */
	t.levels[5].tables++;
	t.levels[5].count--;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_uint_eq(pick.level, 4);
	check_inputs(0, 1, t.tables[4]);
	ck_assert(pick.move);
}
END_TEST

START_TEST(a_table_rich_in_tombstones_goes_down_early)
{
	fill(6, 100);
	fill(5, 8);
	t.tables[5][3].tombstones = 4;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.tables[5][3].tombstones = 5;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_TOMBSTONES);
	check_inputs(0, 1, &t.tables[5][3]);
	check_inputs(1, 1, &t.tables[6][3]);
	t.tables[5][6].tombstones = 9;
	ck_assert_int_eq(choose(), KV_OK);
	check_inputs(0, 1, &t.tables[5][6]);
	t.options.oldest_snapshot = 5;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
}
END_TEST

START_TEST(tombstones_of_the_lowest_level_are_rewritten_in_place)
{
	fill(6, 10);
	t.tables[6][4].tombstones = 6;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_TOMBSTONES);
	ck_assert_uint_eq(pick.level, 6);
	ck_assert_uint_eq(pick.output_level, 6);
	ck_assert(!pick.move);
	check_inputs(0, 1, &t.tables[6][4]);
	check_inputs(1, 0, NULL);
	/* a few of them wait for somebody who asks for it */
	t.tables[6][4].tombstones = 1;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	ck_assert_int_eq(choose_all(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_MANUAL);
	check_inputs(0, 1, &t.tables[6][4]);
	t.options.oldest_snapshot = 3;
	ck_assert_int_eq(choose_all(), KV_NOT_FOUND);
}
END_TEST

START_TEST(expired_data_goes_after_an_hour_or_at_once_when_asked)
{
	fill(6, 10);
	t.tables[6][2].oldest_expiry_unix_ms = t.options.now_unix_ms - HOUR_MS + 1;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	ck_assert_int_eq(choose_all(), KV_OK);
	check_inputs(0, 1, &t.tables[6][2]);
	t.options.now_unix_ms++;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_EXPIRED);
	check_inputs(0, 1, &t.tables[6][2]);
	t.tables[6][2].oldest_expiry_unix_ms = t.options.now_unix_ms + 1;
	ck_assert_int_eq(choose_all(), KV_NOT_FOUND);
}
END_TEST

START_TEST(merging_everything_goes_level_by_level_in_bounded_steps)
{
	add(0, "ca", "cz", 100);
	fill(2, 60);
	fill(6, 300);
	ck_assert_int_eq(choose_all(), KV_OK);
	ck_assert_uint_eq(pick.level, 0);
	ck_assert_uint_eq(pick.output_level, 2);
	t.levels[0].count = 0;
	ck_assert_int_eq(choose_all(), KV_OK);
	ck_assert_uint_eq(pick.level, 2);
	ck_assert_uint_eq(pick.output_level, 6);
	ck_assert_uint_le(pick.input_count[0] + pick.input_count[1], 25);
	ck_assert_uint_ge(pick.input_count[0], 10);
	t.levels[2].count = 0;
	ck_assert_int_eq(choose_all(), KV_NOT_FOUND);
}
END_TEST

START_TEST(merging_everything_leaves_newer_tables_alone)
{
	add(0, "ca", "cz", 100)->first_sequence = 30;
	add(0, "ca", "cz", 100)->first_sequence = 20;
	add(0, "ca", "cz", 100)->first_sequence = 10;
	t.options.manual_sequence = 20;
	ck_assert_int_eq(choose_all(), KV_OK);
	check_inputs(0, 2, &t.tables[0][1]);
	t.options.manual_sequence = 9;
	ck_assert_int_eq(choose_all(), KV_NOT_FOUND);
}
END_TEST

START_TEST(pointers_to_large_values_go_down_when_they_may_hide_half_of_the_store)
{
	struct pick_table *below;

	fill(6, 10);
	below = t.tables[6];
	below[0].blob_bytes = 10000;
	add(0, "aa", "ab", 100)->blob_bytes = 3000;
	add(0, "aa", "ab", 100)->blob_bytes = 2900; /* 5900 of (1200 + 10000) / 2 + 400 */
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.tables[0][1].blob_bytes = 3100;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_BLOBS);
	check_inputs(0, 2, t.tables[0]);
	check_inputs(1, 1, below);

	/* in a level that is sorted, the table with the most of them */
	t.levels[0].count = 0;
	fill(5, 3);
	t.tables[5][1].blob_bytes = 3200;
	t.tables[5][2].blob_bytes = 3100;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_BLOBS);
	ck_assert_uint_eq(pick.level, 5);
	check_inputs(0, 1, &t.tables[5][1]);
	check_inputs(1, 1, &below[1]);

	/* in the last level they hide nothing */
	t.levels[5].count = 0;
	below[1].blob_bytes = 1000000;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
}
END_TEST

START_TEST(tombstones_go_down_at_once_when_large_values_are_what_there_is)
{
	struct pick_table *deletes;

	fill(6, 10);
	t.tables[6][0].blob_bytes = 2000;
	deletes = add(0, "aa", "ab", 100);
	deletes->tombstones = 4;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	deletes->tombstones = 5;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_BLOBS);
	check_inputs(0, 1, t.tables[0]);
	t.options.oldest_snapshot = deletes->last_sequence - 1; /* it keeps what they hide */
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.options.oldest_snapshot = UINT64_MAX;
	t.tables[6][0].blob_bytes = 1000; /* less than what would be rewritten */
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
}
END_TEST

START_TEST(running_out_of_memory_changes_nothing)
{
	for (unsigned i = 0; i < 5; i++)
		add(0, "aa", "zz", 100);
	for (uint64_t n = 1; n <= 2; n++) {
		kv_status status;

		pick.score = 42;
		fault_alloc_fail(n, false);
		status = compact_pick(t.levels, &t.options, &pick);
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, KV_NO_MEMORY);
		ck_assert(pick.score > 41);
	}
	ck_assert_int_eq(choose(), KV_OK);
}
END_TEST

/* ---- range deletes ---- */

START_TEST(tables_that_are_covered_go_first_and_are_not_merged)
{
	for (unsigned i = 0; i < 9; i++)
		add(0, "aa", "zz", 100);
	fill(6, 6);
	for (unsigned i = 2; i < 5; i++)
		t.tables[6][i].covered = true;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_COVERED);
	ck_assert(pick.drop && !pick.move);
	ck_assert_uint_eq(pick.level, 6);
	check_inputs(0, 3, &t.tables[6][2]);
	check_inputs(1, 0, NULL);
	ck_assert_int_eq(choose_all(), KV_OK);
	ck_assert(pick.drop);
	/* others may be under way anywhere, but not with the table itself */
	t.tables[6][0].busy = t.tables[6][3].busy = true;
	t.tables[0][0].busy = true;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert(pick.drop);
	check_inputs(0, 1, &t.tables[6][2]);
	t.tables[6][2].damaged = true;
	ck_assert_int_eq(choose(), KV_OK);
	check_inputs(0, 1, &t.tables[6][4]);
	t.tables[6][4].busy = true;
	ck_assert(choose() != KV_OK || !pick.drop);
}
END_TEST

START_TEST(covered_tables_of_level_0_go_as_well)
{
	add(0, "aa", "zz", 100);
	add(0, "bb", "cc", 100)->covered = true;
	add(0, "aa", "zz", 100);
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert(pick.drop);
	ck_assert_uint_eq(pick.level, 0);
	check_inputs(0, 1, &t.tables[0][1]);
}
END_TEST

START_TEST(a_table_is_rewritten_when_half_of_it_is_deleted)
{
	fill(6, 3);
	t.tables[6][1].range_share = 0.49;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.tables[6][1].range_share = 0.5;
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_RANGES);
	ck_assert(!pick.drop && !pick.move);
	ck_assert_uint_eq(pick.output_level, 6);
	check_inputs(0, 1, &t.tables[6][1]);
	t.tables[6][1].range_share = 0.01;
	t.tables[6][1].blob_bytes = 4800;
	ck_assert_int_eq(choose(), KV_NOT_FOUND);
	t.tables[6][1].blob_bytes = 4900; /* pointers: there is more to gain than the table */
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_RANGES);
	t.tables[6][1].range_share = 0;
	t.tables[6][1].blob_bytes = 0;
	add(0, "aa", "bb", 100)->range_share = 0.7; /* level 0, though it is short */
	ck_assert_int_eq(choose(), KV_OK);
	ck_assert_int_eq(pick.reason, PICK_RANGES);
	ck_assert_uint_eq(pick.level, 0);
}
END_TEST

START_TEST(a_compaction_of_everything_applies_every_range_delete)
{
	fill(6, 3);
	t.tables[6][2].range_share = 0.01;
	ck_assert_int_eq(choose_all(), KV_OK);
	check_inputs(0, 1, &t.tables[6][2]);
	t.tables[6][2].range_share = 0;
	ck_assert_int_eq(choose_all(), KV_NOT_FOUND);
	/* and does not just move what has some */
	add(1, "aa", "ab", 100)->range_share = 0.01;
	t.levels[6].count = 0;
	ck_assert(choose_all() != KV_OK || !pick.move);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compact_pick");
	TCase *tc = tcase_create("compact_pick");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, nothing_is_due_in_an_empty_tree_nor_below_the_thresholds);
	tcase_add_test(tc, in_quiet_times_only_what_is_small_stays_in_level_0);
	tcase_add_test(tc, in_quiet_times_a_level_goes_down_when_it_replaces_much_of_the_last_one);
	tcase_add_test(tc, level_0_goes_whole_into_the_lowest_level_of_an_empty_tree);
	tcase_add_test(tc, level_0_goes_to_the_first_level_that_has_a_target);
	tcase_add_test(tc, level_0_never_passes_a_level_that_holds_data);
	tcase_add_test(tc, a_level_above_its_target_gives_tables_round_robin);
	tcase_add_test(tc, what_overlaps_least_of_those_that_come_next_goes_down_first);
	tcase_add_test(tc, more_tables_come_along_when_the_output_stays_the_same);
	tcase_add_test(tc, tables_that_share_a_user_key_go_together);
	tcase_add_test(tc, damaged_tables_are_left_alone_in_both_levels);
	tcase_add_test(tc, nothing_starts_in_a_level_that_another_compaction_reads_or_writes);
	tcase_add_test(tc, level_0_waits_for_its_own_compaction_only);
	tcase_add_test(tc, nothing_new_starts_in_the_level_that_level_0_waits_for);
	tcase_add_test(tc, tables_in_key_order_move_without_being_rewritten);
	tcase_add_test(tc, crumbs_of_level_0_are_merged_and_join_a_crumb_below);
	tcase_add_test(tc, a_table_with_tombstones_moves_only_where_they_hide_something);
	tcase_add_test(tc, a_tombstone_with_data_below_the_output_moves);
	tcase_add_test(tc, a_table_rich_in_tombstones_goes_down_early);
	tcase_add_test(tc, tombstones_of_the_lowest_level_are_rewritten_in_place);
	tcase_add_test(tc, expired_data_goes_after_an_hour_or_at_once_when_asked);
	tcase_add_test(tc, merging_everything_goes_level_by_level_in_bounded_steps);
	tcase_add_test(tc, merging_everything_leaves_newer_tables_alone);
	tcase_add_test(tc, pointers_to_large_values_go_down_when_they_may_hide_half_of_the_store);
	tcase_add_test(tc, tombstones_go_down_at_once_when_large_values_are_what_there_is);
	tcase_add_test(tc, running_out_of_memory_changes_nothing);
	tcase_add_test(tc, tables_that_are_covered_go_first_and_are_not_merged);
	tcase_add_test(tc, covered_tables_of_level_0_go_as_well);
	tcase_add_test(tc, a_table_is_rewritten_when_half_of_it_is_deleted);
	tcase_add_test(tc, a_compaction_of_everything_applies_every_range_delete);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
