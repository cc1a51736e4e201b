/* SPDX-License-Identifier: BSD-2-Clause */
/* Which range deletes stay in force: those that some table still needs, and none that another makes superfluous. */
#include "engine/catalog_ranges.h"

#include "support/disk.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

static struct disk disk;
static const struct store_id id = { { 1, 2, 3 } };
static struct block_cache *blocks;
static struct table_cache *tables;
static struct view_level *levels[MANIFEST_LEVELS];
static struct view *view;
static struct memtable *memtable; /* not of the view: the one that is flushed */

static struct table *make_table(uint64_t number, const char *smallest, const char *largest, uint64_t first,
	uint64_t last, uint64_t range_applied)
{
	struct sst_meta meta = { .number = number, .file_bytes = 100, .entries = 2, .first_sequence = first,
		.last_sequence = last, .range_applied = range_applied };
	struct table *table;

	ck_assert_int_eq(buf_set(&meta.smallest, slice_of_string(smallest)), KV_OK);
	ck_assert_int_eq(buf_set(&meta.largest, slice_of_string(largest)), KV_OK);
	table = table_new(tables, &meta);
	ck_assert_ptr_nonnull(table);
	sst_meta_free(&meta);
	return table;
}

static void set_level(unsigned n, struct table **list, size_t count)
{
	levels[n] = view_level_new(list, count);
	ck_assert_ptr_nonnull(levels[n]);
	for (size_t i = 0; i < count; i++)
		table_unref(list[i]);
}

/* Level 0: [b, f] of 50 to 60. Level 1: [b, d] of 1 to 10; [k, m] of 5 to 20, rid of all up to 30; [p, r] of 5 to 20. */
static void set_up(void)
{
	struct table *top[1], *deep[3];
	struct memtable *active;

	disk_open(&disk);
	blocks = block_cache_new(1 << 16);
	tables = table_cache_new(&disk.dir, &id, blocks, 16);
	top[0] = make_table(9, "b", "f", 50, 60, 0);
	deep[0] = make_table(1, "b", "d", 1, 10, 0);
	deep[1] = make_table(2, "k", "m", 5, 20, 30);
	deep[2] = make_table(3, "p", "r", 5, 20, 0);
	set_level(0, top, 1);
	set_level(1, deep, 3);
	for (unsigned n = 2; n < MANIFEST_LEVELS; n++)
		set_level(n, NULL, 0);
	active = memtable_new(1);
	memtable = memtable_new(1);
	view = view_new(active, NULL, 0, levels);
	ck_assert(view && memtable);
	memtable_unref(active);
}

static void tear_down(void)
{
	view_unref(view);
	memtable_unref(memtable);
	for (unsigned n = 0; n < MANIFEST_LEVELS; n++)
		view_level_unref(levels[n]);
	tables = table_cache_free(tables);
	blocks = block_cache_free(blocks);
	disk_close(&disk);
}

static struct range range_of(uint64_t sequence, const char *start, const char *end)
{
	return (struct range){ .sequence = sequence, .start = slice_of_string(start), .end = slice_of_string(end) };
}

static void in_view(const struct range *ranges, size_t count)
{
	struct range_set *set = range_set_new(ranges, count);

	ck_assert_ptr_nonnull(set);
	view_set_ranges(view, set, 40);
	range_set_unref(set);
}

static void in_memtable(const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct entry entry = { .key = ranges[i].start, .value = ranges[i].end,
			.sequence = ranges[i].sequence, .kind = ENTRY_RANGE_DELETE };

		ck_assert_int_eq(memtable_add(memtable, &entry), KV_OK);
	}
}

/* The sequences that stay, as a sum of bits 1 << sequence. */
static uint64_t stay(const struct memtable *flushed, uint64_t oldest_snapshot)
{
	struct range_set *set = NULL;
	uint64_t bits = 0;

	ck_assert_int_eq(catalog_ranges_after(view, flushed, levels, oldest_snapshot, &set), KV_OK);
	for (size_t i = 0; i < range_set_count(set); i++)
		bits |= UINT64_C(1) << range_set_list(set)[i].sequence;
	ck_assert_int_eq(set == NULL, bits == 0);
	range_set_unref(set);
	return bits;
}

#define BIT(sequence) (UINT64_C(1) << (sequence))

START_TEST(what_no_table_needs_goes)
{
	const struct range ranges[] = {
		range_of(11, "a", "b"),  /* no table has keys there: the end is not in it */
		range_of(12, "d", "e"),  /* one key of level 1 */
		range_of(25, "k", "l"),  /* its table is rid of it */
		range_of(31, "k", "l"),  /* but not of this one */
		range_of(5, "p", "q"),   /* nothing in it is older */
		range_of(6, "r", ""),
		range_of(32, "s", ""),   /* behind all */
		range_of(33, "e", "f"),  /* only level 0 has such keys, and newer ones */
		range_of(34, "n", "o"),  /* a gap */
	};

	in_view(ranges, sizeof ranges / sizeof ranges[0]);
	ck_assert_uint_eq(stay(NULL, 0), BIT(12) | BIT(31) | BIT(6));
}
END_TEST

START_TEST(those_of_the_flushed_memtable_come_in)
{
	const struct range old[] = { range_of(12, "d", "e") };
	const struct range fresh[] = { range_of(51, "e", "f"), range_of(52, "x", "") };

	in_memtable(fresh, 2);
	ck_assert_uint_eq(stay(NULL, 0), 0);
	ck_assert_uint_eq(stay(memtable, 0), BIT(51));
	in_view(old, 1);
	ck_assert_uint_eq(stay(memtable, 0), BIT(12) | BIT(51));
	ck_assert_uint_eq(stay(NULL, 0), BIT(12));
}
END_TEST

START_TEST(what_newer_ones_contain_goes_unless_a_snapshot_lies_between)
{
	const struct range ranges[] = { range_of(20, "b", "c"), range_of(21, "b", "d"), range_of(30, "b", "d"),
		range_of(35, "a", "c"), range_of(36, "c", "z") };

	in_view(ranges, 5);
	ck_assert_uint_eq(stay(NULL, 0), BIT(20) | BIT(21) | BIT(30) | BIT(35) | BIT(36));
	ck_assert_uint_eq(stay(NULL, UINT64_MAX), BIT(35) | BIT(36));
	ck_assert_uint_eq(stay(NULL, 36), BIT(35) | BIT(36));
	ck_assert_uint_eq(stay(NULL, 35), BIT(30) | BIT(35) | BIT(36)); /* c is not covered for that one */
	ck_assert_uint_eq(stay(NULL, 25), BIT(21) | BIT(30) | BIT(35) | BIT(36));
	ck_assert_uint_eq(stay(NULL, 20), BIT(20) | BIT(21) | BIT(30) | BIT(35) | BIT(36));
}
END_TEST

START_TEST(a_manifest_takes_them_and_gives_them_back)
{
	const struct range ranges[] = { range_of(12, "d", "e"), range_of(6, "r", "") };
	struct manifest manifest = { 0 };
	struct range_set *back = (struct range_set *)&manifest;

	ck_assert_int_eq(catalog_ranges_load(&manifest, &back), KV_OK);
	ck_assert_ptr_null(back);
	in_view(ranges, 2);
	ck_assert_int_eq(catalog_ranges_describe(view->ranges, &manifest), KV_OK);
	ck_assert_uint_eq(manifest.range_count, 2);
	ck_assert_uint_eq(manifest.ranges[0].sequence, 6);
	ck_assert_int_eq(catalog_ranges_load(&manifest, &back), KV_OK);
	manifest_free(&manifest);
	ck_assert_uint_eq(range_set_cover(back, slice_of("dd", 2), UINT64_MAX), 12);
	ck_assert_uint_eq(range_set_cover(back, slice_of("z", 1), UINT64_MAX), 6);
	range_set_unref(back);
}
END_TEST

START_TEST(every_failed_allocation_is_told)
{
	const struct range old[] = { range_of(12, "d", "e"), range_of(13, "x", "y") };
	const struct range fresh[] = { range_of(51, "e", "f") };
	kv_status status = KV_NO_MEMORY;
	struct range_set *set = NULL;
	uint64_t n = 0;

	in_view(old, 2);
	in_memtable(fresh, 1);
	while (status == KV_NO_MEMORY) {
		ck_assert_ptr_null(set);
		fault_alloc_fail(++n, false);
		status = catalog_ranges_after(view, memtable, levels, 0, &set);
		fault_alloc_fail(0, false);
	}
	ck_assert_int_eq(status, KV_OK);
	ck_assert_uint_gt(n, 15);
	ck_assert_uint_eq(range_set_count(set), 2);
	range_set_unref(set);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("catalog_ranges");
	TCase *tc = tcase_create("catalog_ranges");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, what_no_table_needs_goes);
	tcase_add_test(tc, those_of_the_flushed_memtable_come_in);
	tcase_add_test(tc, what_newer_ones_contain_goes_unless_a_snapshot_lies_between);
	tcase_add_test(tc, a_manifest_takes_them_and_gives_them_back);
	tcase_add_test(tc, every_failed_allocation_is_told);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
