/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run from a sorted array into real tables: what they hold is what the filter says, cut where it may be cut; and after any failure
 * no file is left.
 */
#include "engine/compact_run.h"
#include "engine/compact_filter.h"
#include "engine/sst_reader.h"
#include "support/array_iter.h"
#include "support/fault_alloc.h"
#include "support/fault_fs.h"
#include "support/iter_check.h"
#include "support/runner.h"
#include "support/sst_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOW = 1500 };

static char *path;
static struct fault_fs *fault;
static struct dir dir;
static uint64_t rnd;

static struct {
	uint64_t last_number;
	bool below;
	uint64_t paced_bytes;
	uint64_t pace_calls, pace_stops_at; /* 0: never */
} world;

static void set_up(void)
{
	path = runner_new_dir();
	fault = fault_fs_new(&fs_posix);
	ck_assert_int_eq(dir_open(fault_fs_fs(fault), path, false, &dir, NULL), KV_OK);
	memset(&world, 0, sizeof world);
	rnd = runner_seed();
}

static void tear_down(void)
{
	dir_close(&dir);
	fault = fault_fs_free(fault);
	runner_remove_dir(path);
}

static uint64_t new_file_number(void *arg)
{
	(void)arg;
	return ++world.last_number;
}

static bool may_be_below(void *arg, struct slice key)
{
	(void)arg;
	return world.below || key.data[0] == 0x80;
}

static kv_status pace(void *arg, uint64_t bytes)
{
	(void)arg;
	world.paced_bytes += bytes;
	return ++world.pace_calls == world.pace_stops_at ? KV_BUSY : KV_OK;
}

static struct compact_run run_of(uint64_t table_bytes_max)
{
	struct compact_run run = {
		.dir = &dir,
		.id = &sst_model_id,
		.table_bytes_max = table_bytes_max,
		.now_unix_ms = NOW,
		.may_be_below = may_be_below,
		.new_file_number = new_file_number,
	};

	sst_options_init(&run.table);
	run.table.block_bytes = 512;
	return run;
}

static int count_name(void *arg, const char *name)
{
	(void)name;
	++*(size_t *)arg;
	return 0;
}

static size_t files(void)
{
	size_t count = 0;

	ck_assert_int_eq(dir_list(&dir, count_name, &count, NULL), KV_OK);
	return count;
}

/* The oldest range delete that covers the entry; 0: none. */
static uint64_t covering(const struct range_set *ranges, const struct entry *entry)
{
	const struct range *list = range_set_list(ranges);

	for (size_t i = 0; i < range_set_count(ranges); i++)
		if (list[i].sequence > entry->sequence && range_has(&list[i], entry->key))
			return list[i].sequence;
	return 0;
}

/* What must come out, by the filter; the slices are those of `in`. */
static size_t expected(const struct compact_run *run, const struct entry *in, size_t count,
	struct entry *out)
{
	struct compact_filter filter = { .snapshots = run->snapshots, .snapshot_count = run->snapshot_count,
		.now_unix_ms = run->now_unix_ms, .may_be_below = run->may_be_below };
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool first = i == 0 || !slice_equal(in[i - 1].key, in[i].key);
		uint64_t newer = first ? 0 : in[i - 1].sequence, covered = covering(run->ranges, &in[i]);
		enum compact_verdict verdict = compact_filter_judge(&filter, &in[i],
			covered != 0 && (newer == 0 || covered < newer) ? covered : newer);

		if (verdict == COMPACT_DROP)
			continue;
		out[kept] = in[i];
		if (verdict == COMPACT_BURY)
			out[kept] = (struct entry){ .key = in[i].key, .sequence = in[i].sequence };
		kept++;
	}
	return kept;
}

/* Reads the tables one after the other; they must hold `out`, and no key may be in two of them. */
static void check_tables(const struct compact_run *run, const struct compact_result *result,
	const struct entry *out, size_t count)
{
	struct block_cache *cache = block_cache_new(0);
	size_t at = 0;

	for (size_t t = 0; t < result->table_count; t++) {
		struct sst_reader *reader;
		uint64_t applied = run->ranges_complete;
		struct iter *iter;

		ck_assert_int_eq(sst_reader_open(&dir, &sst_model_id, result->tables[t].number,
					 &result->tables[t], cache, &reader, NULL),
			KV_OK);
		iter = sst_reader_iter(reader, false);
		if (t > 0)
			ck_assert(!slice_equal(out[at - 1].key, out[at].key));
		for (iter_seek_first(iter); iter->valid; iter_next(iter), at++) {
			if (at >= count || !iter_check_same(iter->entry, &out[at]))
				ck_abort_msg("table %zu is wrong at entry %zu of %zu", t, at, count);
			if (covering(run->ranges, &out[at]) - 1 < applied)
				applied = covering(run->ranges, &out[at]) - 1;
		}
		ck_assert_uint_eq(result->tables[t].range_applied, applied);
		ck_assert_int_eq(iter_status(iter, NULL), KV_OK);
		iter_close(iter);
		sst_reader_close(reader);
	}
	ck_assert_uint_eq(at, count);
	ck_assert_uint_eq(result->entries_written, count);
	block_cache_free(cache);
}

static void remove_tables(struct compact_result *result)
{
	for (size_t t = 0; t < result->table_count; t++) {
		char name[32];

		snprintf(name, sizeof name, "%06u.sst", (unsigned)result->tables[t].number);
		ck_assert_int_eq(dir_unlink(&dir, name, NULL), KV_OK);
	}
	compact_result_free(result);
}

static struct range_set *make_ranges(size_t count)
{
	struct range ranges[9];
	uint8_t bytes[18][ITER_CHECK_KEY_MAX];
	size_t made = 0;

	for (size_t i = 0; i < 9; i++) {
		struct slice a = iter_check_key(&rnd, bytes[2 * i]), b = iter_check_key(&rnd, bytes[2 * i + 1]);
		int order = slice_compare(a, b);

		if (order != 0)
			ranges[made++] = (struct range){ .sequence = 1 + i * (count + 5) / 9,
				.start = order < 0 ? a : b, .end = order < 0 ? b : a };
	}
	return made > 0 && count > 5 ? range_set_new(ranges, made) : NULL;
}

START_TEST(the_tables_hold_what_the_filter_lets_through)
{
	for (unsigned round = 0; round < 60; round++) {
		size_t count = runner_random(&rnd) % 2000;
		struct entry *in = iter_check_entries(&rnd, count);
		struct entry *out = calloc(count + 1, sizeof *out);
		uint64_t snapshots[3] = { count / 4, count / 2, count / 2 + 3 };
		struct compact_run run = run_of(round % 3 == 0 ? UINT64_MAX : 700);
		struct compact_result result;
		struct range_set *ranges;
		struct iter *input = array_iter_new(in, count);
		uint64_t bytes = 0;

		world.below = round % 2;
		run.snapshots = snapshots;
		run.snapshot_count = round % 4;
		ranges = round % 3 ? make_ranges(count) : NULL;
		run.ranges = ranges;
		run.ranges_complete = count + 7;
		ck_assert_int_eq(compact_run(&run, input, &result, NULL), KV_OK);
		check_tables(&run, &result, out, expected(&run, in, count, out));
		ck_assert_uint_eq(result.entries_read, count);
		for (size_t t = 0; t < result.table_count; t++)
			bytes += result.tables[t].file_bytes;
		ck_assert_uint_eq(result.bytes_written, bytes);
		ck_assert_uint_eq(files(), result.table_count);
		if (round % 3 == 0)
			ck_assert_uint_le(result.table_count, 1);
		else if (result.entries_written > 500)
			ck_assert_uint_gt(result.table_count, 2);
		range_set_unref(ranges);
		remove_tables(&result);
		iter_close(input);
		free(out);
		iter_check_free(in, count);
	}
}
END_TEST

START_TEST(when_everything_goes_no_table_is_made)
{
	struct entry dead[2] = { { .key = slice_of("a", 1), .sequence = 2 },
		{ .key = slice_of("b", 1), .sequence = 1, .kind = ENTRY_PUT, .expires_unix_ms = NOW } };
	struct iter *input = array_iter_new(dead, 2);
	struct compact_run run = run_of(1000);
	struct compact_result result;

	ck_assert_int_eq(compact_run(&run, input, &result, NULL), KV_OK);
	ck_assert_uint_eq(result.table_count, 0);
	ck_assert_uint_eq(result.entries_read, 2);
	ck_assert_uint_eq(files(), 0);
	ck_assert_uint_eq(world.last_number, 0);
	compact_result_free(&result);
	iter_close(input);
}
END_TEST

/* One hot key with a snapshot behind every version: it stays in one table, however large. */
START_TEST(versions_of_one_key_are_never_cut_apart)
{
	enum { VERSIONS = 400 };
	struct entry in[VERSIONS + 2];
	uint64_t snapshots[VERSIONS + 2];
	struct compact_run run = run_of(300);
	struct compact_result result;
	struct iter *input;

	in[0] = (struct entry){ .key = slice_of("a", 1), .sequence = 1, .kind = ENTRY_PUT };
	for (size_t i = 0; i < VERSIONS; i++)
		in[i + 1] = (struct entry){ .key = slice_of("hot", 3), .value = slice_of("0123456789", 10),
			.sequence = VERSIONS + 1 - i, .kind = ENTRY_PUT };
	in[VERSIONS + 1] = (struct entry){ .key = slice_of("z", 1), .sequence = 1, .kind = ENTRY_PUT };
	for (size_t i = 0; i < VERSIONS + 2; i++)
		snapshots[i] = i + 1;
	run.snapshots = snapshots;
	run.snapshot_count = VERSIONS + 2;
	input = array_iter_new(in, VERSIONS + 2);
	ck_assert_int_eq(compact_run(&run, input, &result, NULL), KV_OK);
	ck_assert_uint_eq(result.entries_written, VERSIONS + 2);
	ck_assert_uint_eq(result.table_count, 2);
	check_tables(&run, &result, in, VERSIONS + 2);
	remove_tables(&result);
	iter_close(input);
}
END_TEST

START_TEST(tables_are_synced_and_then_their_directory)
{
	static const char *const order[] = { "create 000001.sst", "pwritev 000001.sst", "fdatasync 000001.sst",
		"create 000002.sst", "fdatasync 000002.sst", "fsync ", NULL };
	struct entry *in = iter_check_entries(&rnd, 600);
	struct iter *input = array_iter_new(in, 600);
	struct compact_run run = run_of(600);
	struct compact_result result;
	char *record, *last;

	world.below = true;
	fault_fs_record(fault, true);
	ck_assert_int_eq(compact_run(&run, input, &result, NULL), KV_OK);
	ck_assert(fault_fs_in_order(fault, order));
	record = fault_fs_take_record(fault);
	fault_fs_record(fault, false);
	last = strstr(record, "fsync ");
	while (strstr(last + 1, "\nfsync "))
		last = strstr(last + 1, "\nfsync ") + 1;
	ck_assert_ptr_null(strstr(last, "fdatasync"));
	free(record);
	remove_tables(&result);
	iter_close(input);
	iter_check_free(in, 600);
}
END_TEST

static const struct compact_result untouched = { .table_count = 77 };

START_TEST(an_error_of_the_input_at_any_entry_leaves_no_file)
{
	struct entry *in = iter_check_entries(&rnd, 200);
	struct compact_run run = run_of(400);

	world.below = true;
	for (size_t n = 0; n < 201; n++) {
		struct iter *input = array_iter_new(in, 200);
		struct compact_result result = untouched;
		struct kv_error err;

		array_iter_fail(input, n, KV_CORRUPT);
		ck_assert_int_eq(compact_run(&run, input, &result, &err), KV_CORRUPT);
		ck_assert_str_eq(err.text, "injected");
		ck_assert_uint_eq(result.table_count, 77);
		ck_assert_uint_eq(files(), 0);
		iter_close(input);
	}
	iter_check_free(in, 200);
}
END_TEST

START_TEST(a_failure_of_any_file_operation_leaves_no_file)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PWRITEV, FAULT_FDATASYNC, FAULT_FSYNC };
	struct entry *in = iter_check_entries(&rnd, 400);
	struct compact_run run = run_of(600);
	unsigned failures = 0;

	world.below = true;
	for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		kv_status status = KV_IO;

		for (uint64_t n = 1; status != KV_OK; n++) {
			struct iter *input = array_iter_new(in, 400);
			struct compact_result result = untouched;
			uint64_t before = fault_fs_failed(fault);

			fault_fs_fail(fault, ops[i], n, n % 2 ? EIO : ENOSPC);
			status = compact_run(&run, input, &result, NULL);
			fault_fs_heal(fault);
			dir_close(&dir);
			ck_assert_int_eq(dir_open(fault_fs_fs(fault), path, false, &dir, NULL), KV_OK);
			iter_close(input);
			if (status == KV_OK) {
				ck_assert_uint_eq(fault_fs_failed(fault), before);
				remove_tables(&result);
			} else {
				ck_assert_uint_eq(fault_fs_failed(fault), before + 1);
				ck_assert_int_eq(status, n % 2 || ops[i] == FAULT_FSYNC ? KV_IO : KV_NO_SPACE);
				ck_assert_uint_eq(result.table_count, 77);
				failures++;
			}
			ck_assert_uint_eq(files(), 0);
		}
	}
	ck_assert_uint_gt(failures, 5);
	iter_check_free(in, 400);
}
END_TEST

START_TEST(a_failure_of_any_allocation_leaves_no_file)
{
	struct entry *in = iter_check_entries(&rnd, 150);
	struct compact_run run = run_of(600);
	bool failed = true;

	world.below = true;
	for (uint64_t n = 1; failed; n++) {
		struct iter *input = array_iter_new(in, 150);
		struct compact_result result = untouched;
		kv_status status;

		fault_alloc_fail(n, false);
		status = compact_run(&run, input, &result, NULL);
		failed = fault_alloc_failed() > 0;
		fault_alloc_fail(0, false);
		ck_assert_int_eq(status, failed ? KV_NO_MEMORY : KV_OK);
		if (!failed)
			remove_tables(&result);
		else
			ck_assert_uint_eq(result.table_count, 77);
		ck_assert_uint_eq(files(), 0);
		iter_close(input);
		ck_assert_uint_lt(n, 2000);
	}
	iter_check_free(in, 150);
}
END_TEST

/* Big values, so that there is something to pace. */
static struct entry *make_bulk(size_t count, uint8_t *value, size_t value_bytes, uint8_t *keys)
{
	struct entry *in = calloc(count, sizeof *in);

	memset(value, 'v', value_bytes);
	for (size_t i = 0; i < count; i++) {
		keys[2 * i] = (uint8_t)(i >> 8);
		keys[2 * i + 1] = (uint8_t)i;
		in[i] = (struct entry){ .key = slice_of(keys + 2 * i, 2), .value = slice_of(value, value_bytes),
			.sequence = i + 1, .kind = ENTRY_PUT };
	}
	return in;
}

START_TEST(the_pace_is_asked_all_along_and_can_stop_the_run)
{
	static uint8_t value[8000], keys[2 * 300];
	struct entry *in = make_bulk(300, value, sizeof value, keys);
	struct compact_run run = run_of(500000);

	run.pace = pace;
	for (uint64_t stop = 0; stop < 36; stop++) {
		struct iter *input = array_iter_new(in, 300);
		struct compact_result result = untouched;
		kv_status status;

		world.paced_bytes = 0;
		world.pace_calls = 0;
		world.pace_stops_at = stop;
		status = compact_run(&run, input, &result, NULL);
		if (stop == 0) {
			ck_assert_int_eq(status, KV_OK);
			ck_assert_uint_gt(world.pace_calls, 300 * sizeof value / 80000);
			ck_assert_uint_le(world.paced_bytes, result.bytes_written + 200000);
			ck_assert_uint_ge(world.paced_bytes + 200000, result.bytes_written);
			remove_tables(&result);
		} else if (status != KV_OK) {
			ck_assert_int_eq(status, KV_BUSY);
			ck_assert_uint_eq(world.pace_calls, stop);
		} else {
			ck_assert_uint_lt(world.pace_calls, stop);
			remove_tables(&result);
		}
		ck_assert_uint_eq(files(), 0);
		iter_close(input);
	}
	free(in);
}
END_TEST

START_TEST(the_pace_is_asked_also_when_all_is_dropped)
{
	static uint8_t value[8000], keys[2 * 300];
	struct entry *in = make_bulk(300, value, sizeof value, keys);
	struct compact_run run = run_of(500000);
	struct iter *input = array_iter_new(in, 300);
	struct compact_result result = untouched;

	for (size_t i = 0; i < 300; i++)
		in[i].expires_unix_ms = NOW;
	in[0].expires_unix_ms = 0;
	run.pace = pace;
	world.pace_stops_at = 3;
	ck_assert_int_eq(compact_run(&run, input, &result, NULL), KV_BUSY);
	ck_assert_uint_eq(files(), 0);
	iter_close(input);
	free(in);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compact_run");
	TCase *tc = tcase_create("compact_run");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_tables_hold_what_the_filter_lets_through);
	tcase_add_test(tc, when_everything_goes_no_table_is_made);
	tcase_add_test(tc, versions_of_one_key_are_never_cut_apart);
	tcase_add_test(tc, tables_are_synced_and_then_their_directory);
	tcase_add_test(tc, an_error_of_the_input_at_any_entry_leaves_no_file);
	tcase_add_test(tc, a_failure_of_any_file_operation_leaves_no_file);
	tcase_add_test(tc, a_failure_of_any_allocation_leaves_no_file);
	tcase_add_test(tc, the_pace_is_asked_all_along_and_can_stop_the_run);
	tcase_add_test(tc, the_pace_is_asked_also_when_all_is_dropped);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
