/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The change feed over the real store: every committed change once, in order, from any position, whatever the log does meanwhile;
 * and damage or what is no longer kept is told, never answered with another change.
 */
#include "support/fault_alloc.h"
#include "support/feed_model.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct small_store small;
static struct feed_model model;
static struct kv_error err;

static void setup(void)
{
	small_store_init(&small);
	small.options.durability = STORE_DURABLE_OS;
	small.options.large_value_bytes = STORE_VALUE_MAX; /* values lie in the log */
	feed_model_init(&model, runner_seed());
	err = (struct kv_error){ 0 };
}

static void teardown(void)
{
	small_store_done(&small);
	feed_model_free(&model);
}

static void write_one(unsigned operations, uint32_t value_max)
{
	feed_model_write(&model, small.store, operations, value_max);
}

static void write_some(unsigned batches, uint32_t value_max)
{
	for (unsigned i = 0; i < batches; i++)
		write_one(1 + i % 5, value_max);
}

static void finish(void)
{
	struct store_finish_report report;

	ck_assert_int_eq(store_finish(small.store, &report, &err), KV_OK);
	small.store = store_close(small.store);
}

static struct store_stats stats(void)
{
	struct store_stats ret;

	store_get_stats(small.store, &ret);
	return ret;
}

static void flush(void)
{
	ck_assert_int_eq(store_flush(small.store, &err), KV_OK);
}

/* ---- what is told ---- */

START_TEST(every_change_comes_once_and_in_order_from_every_position)
{
	small_store_open(&small);
	write_some(60, 300);
	for (uint64_t since = 0; since <= feed_model_last(&model); since++)
		feed_model_expect(&model, small.store, since);
}
END_TEST

START_TEST(a_reader_goes_on_with_what_is_committed_later)
{
	struct store_changes *changes = NULL;
	struct store_change change;
	uint64_t since = 0;

	small_store_open(&small);
	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_OK);
	for (unsigned i = 0; i < 400; i++) {
		ck_assert_int_eq(store_changes_next(changes, &change, &err), KV_NOT_FOUND);
		write_one(1 + i % 7, 1000);
		while (store_changes_next(changes, &change, &err) == KV_OK) {
			ck_assert(feed_model_matches(&model, since, &change));
			since = change.version;
		}
		ck_assert_uint_eq(since, feed_model_last(&model));
	}
	ck_assert_uint_gt(stats().flushes, 3); /* so it has gone through segments */
	store_changes_close(changes);
}
END_TEST

START_TEST(range_deletes_are_told_with_their_bounds)
{
	struct store_changes *changes = NULL;
	struct store_change change;
	struct store_batch *batch;

	small_store_open(&small);
	batch = store_batch_new(small.store);
	ck_assert_int_eq(store_batch_delete_range(batch, slice_of_string("b"), slice_of_string("d")), KV_OK);
	ck_assert_int_eq(store_batch_delete_range(batch, slice_of_string("x"), slice_of(NULL, 0)), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	finish();
	small_store_open(&small);
	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_OK);
	ck_assert_int_eq(store_changes_next(changes, &change, &err), KV_OK);
	ck_assert_int_eq(change.kind, STORE_CHANGE_DELETE_RANGE);
	ck_assert(slice_equal(change.key, slice_of_string("b")));
	ck_assert(slice_equal(change.value, slice_of_string("d")));
	ck_assert_int_eq(store_changes_next(changes, &change, &err), KV_OK);
	ck_assert_int_eq(change.kind, STORE_CHANGE_DELETE_RANGE);
	ck_assert(slice_equal(change.key, slice_of_string("x")));
	ck_assert_uint_eq(change.value.len, 0);
	ck_assert_int_eq(store_changes_next(changes, &change, &err), KV_NOT_FOUND);
	store_changes_close(changes);
}
END_TEST

START_TEST(a_value_with_a_file_of_its_own_is_told_by_its_size)
{
	enum { BYTES = 100 * 1000 };
	static uint8_t value[BYTES];
	struct store_changes *changes = NULL;
	struct store_change change;
	struct store_batch *batch;

	small.options.large_value_bytes = BYTES;
	small_store_open(&small);
	batch = store_batch_new(small.store);
	ck_assert_uint_le(store_large_value_bytes(small.store), BYTES);
	ck_assert_int_eq(store_batch_put(batch, slice_of_string("k"), slice_of(value, BYTES), 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_OK);
	ck_assert_int_eq(store_changes_next(changes, &change, &err), KV_OK);
	ck_assert_int_eq(change.kind, STORE_CHANGE_PUT);
	ck_assert(change.large);
	ck_assert_uint_eq(change.size, BYTES);
	ck_assert_uint_eq(change.value.len, 0);
	ck_assert(slice_equal(change.key, slice_of_string("k")));
	store_changes_close(changes);
}
END_TEST

START_TEST(a_position_that_was_not_reached_yet_is_refused)
{
	struct store_changes *changes = NULL;

	small_store_open(&small);
	write_some(3, 10);
	ck_assert_int_eq(store_changes_open(small.store, feed_model_last(&model) + 1, &changes, &err),
		KV_INVALID);
	ck_assert_int_eq(store_changes_open(small.store, UINT64_MAX, &changes, &err), KV_INVALID);
	ck_assert_int_eq(store_changes_open(small.store, feed_model_last(&model), &changes, &err), KV_OK);
	store_changes_close(changes);
}
END_TEST

START_TEST(without_a_change_log_the_option_is_named)
{
	struct store_changes *changes = NULL;
	struct store_capabilities can;

	small.options.change_log_bytes = 0;
	small_store_open(&small);
	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.text, "change_log_size"));
	store_get_capabilities(small.store, &can);
	ck_assert(!can.changes);
}
END_TEST

/* ---- what is kept ---- */

START_TEST(positions_survive_flushes_restarts_and_crashes)
{
	small_store_open(&small);
	for (unsigned round = 0; round < 8; round++) {
		write_some(40, 500);
		if (round % 4 == 1)
			flush();
		if (round % 4 == 2)
			small_store_crash(&small);
		else if (round % 4 == 3)
			finish();
		if (!small.store)
			small_store_open(&small);
		for (uint64_t since = 0; since <= feed_model_last(&model); since += 17)
			feed_model_expect(&model, small.store, since);
	}
	ck_assert_uint_eq(small.warnings, 0);
}
END_TEST

START_TEST(restarts_without_a_write_leave_no_files)
{
	size_t files;

	small_store_open(&small);
	write_some(10, 100);
	finish();
	files = small_count(&small, ".wal");
	for (unsigned i = 0; i < 5; i++) {
		small_store_open(&small);
		if (i % 2 == 0)
			finish();
		else
			small_store_crash(&small);
	}
	small_store_open(&small);
	feed_model_expect(&model, small.store, 0);
	finish();
	ck_assert_uint_eq(small_count(&small, ".wal"), files);
}
END_TEST

/* Exactly what comes after `since`, as far as the flush thread has not let it go meanwhile. */
static void expect_kept(uint64_t since)
{
	uint64_t from = since;
	kv_status status = feed_model_read(&model, small.store, &since, &err);

	if (status == KV_GONE) {
		ck_assert_uint_gt(store_changes_oldest(small.store), from);
		return;
	}
	ck_assert_int_eq(status, KV_NOT_FOUND);
	ck_assert_uint_eq(since, feed_model_last(&model));
}

/* The positions from the oldest on are good, the one before is gone. */
static void expect_suffix(void)
{
	uint64_t oldest = store_changes_oldest(small.store);
	struct store_changes *changes = NULL;

	expect_kept(oldest);
	if (oldest == 0)
		return;
	ck_assert_int_eq(store_changes_open(small.store, oldest - 1, &changes, &err), KV_GONE);
	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_GONE);
}

START_TEST(no_more_is_kept_than_asked_for_and_one_segment)
{
	enum { LOG_BYTES = 300 * 1024, SEGMENT_BYTES = 64 * 1024 };

	small.options.change_log_bytes = LOG_BYTES;
	small_store_open(&small);
	for (unsigned i = 0; i < 30; i++) {
		write_some(40, 1000);
		expect_suffix();
		ck_assert_uint_le(stats().change_log_bytes, LOG_BYTES + 2 * SEGMENT_BYTES);
	}
	flush();
	ck_assert_uint_ge(stats().change_log_bytes, LOG_BYTES);
	ck_assert_uint_gt(stats().oldest_change, 0);
	ck_assert_uint_eq(stats().oldest_change, store_changes_oldest(small.store));
	ck_assert_uint_le(small_count(&small, ".wal"), 16);
	finish();
	small_store_open(&small);
	expect_suffix();
	finish();
	/* less, and then nothing, may be asked for later */
	small.options.change_log_bytes = 1;
	small_store_open(&small);
	expect_suffix();
	ck_assert_uint_le(stats().change_log_bytes, SEGMENT_BYTES + 8192);
	finish();
	small.options.change_log_bytes = 0;
	small_store_open(&small);
	ck_assert_uint_eq(stats().change_log_bytes, 0);
	finish();
	ck_assert_uint_eq(small_count(&small, ".wal"), 0);
}
END_TEST

START_TEST(a_segment_used_in_part_gives_the_rest_back)
{
	small.options.memtable_bytes = 1 << 20;
	small_store_open(&small);
	for (unsigned i = 0; i < 5; i++) {
		write_one(1, 10);
		flush();
	}
	ck_assert_uint_le(stats().change_log_bytes, 5 * 8192);
	feed_model_expect(&model, small.store, 0);
}
END_TEST

START_TEST(a_reader_that_is_overtaken_is_told_and_never_gets_wrong_bytes)
{
	struct store_changes *changes = NULL;
	struct store_change change;
	kv_status status = KV_OK;
	uint64_t since = 0;

	small.options.change_log_bytes = 1;
	small_store_open(&small);
	write_one(3, 100);
	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_OK);
	ck_assert_int_eq(store_changes_next(changes, &change, &err), KV_OK);
	ck_assert(feed_model_matches(&model, since, &change));
	since = change.version;
	write_some(600, 1000); /* many segments: the reader's is long gone */
	flush();
	while (status == KV_OK || status == KV_BUSY) {
		status = store_changes_next(changes, &change, &err);
		if (status != KV_OK)
			continue;
		ck_assert(feed_model_matches(&model, since, &change));
		since = change.version;
	}
	ck_assert_int_eq(status, KV_GONE);
	ck_assert_int_eq(store_changes_next(changes, &change, &err), KV_GONE);
	ck_assert_uint_lt(since, feed_model_last(&model));
	store_changes_close(changes);
	expect_suffix();
}
END_TEST

START_TEST(the_descriptor_of_a_segment_is_closed_with_its_last_reader)
{
	struct store_changes *readers[10] = { 0 };
	struct store_change change;
	uint64_t before;

	small_store_open(&small);
	write_some(100, 1000);
	flush();
	small_wait_for_spare(&small); /* whose descriptor is not ours */
	before = fault_fs_count(small.disk.fault, FAULT_OPEN) -
		fault_fs_count(small.disk.fault, FAULT_CLOSE);
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_int_eq(store_changes_open(small.store, i, &readers[i], &err), KV_OK);
		ck_assert_int_eq(store_changes_next(readers[i], &change, &err), KV_OK);
	}
	ck_assert_uint_eq(fault_fs_count(small.disk.fault, FAULT_OPEN) -
		fault_fs_count(small.disk.fault, FAULT_CLOSE), before + 1);
	for (unsigned i = 0; i < 10; i++)
		store_changes_close(readers[i]);
	ck_assert_uint_eq(fault_fs_count(small.disk.fault, FAULT_OPEN) -
		fault_fs_count(small.disk.fault, FAULT_CLOSE), before);
}
END_TEST

/* ---- large things ---- */

START_TEST(a_value_above_a_mebibyte_is_told_without_it)
{
	static const uint32_t sizes[] = { 1 << 20, (1 << 20) + 1, 3 << 20 };
	uint8_t *value = calloc(1, 3 << 20);
	struct store_changes *changes = NULL;
	struct store_change change;
	struct store_batch *batch;

	small_store_open(&small);
	batch = store_batch_new(small.store);
	ck_assert_ptr_nonnull(value);
	memset(value, 'x', 3 << 20);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(store_batch_put(batch, slice_of_string("k"), slice_of(value, sizes[i]),
			0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_OK);
	for (unsigned i = 0; i < 3; i++) {
		kv_status status;

		while ((status = store_changes_next(changes, &change, &err)) == KV_BUSY)
			;
		ck_assert_int_eq(status, KV_OK);
		ck_assert_uint_eq(change.size, sizes[i]);
		ck_assert_int_eq(change.large, i > 0);
		ck_assert_uint_eq(change.value.len, i > 0 ? 0 : sizes[i]);
		ck_assert(i > 0 || memcmp(change.value.data, value, sizes[i]) == 0);
	}
	ck_assert_int_eq(store_changes_next(changes, &change, &err), KV_NOT_FOUND);
	store_changes_close(changes);
	store_batch_free(batch);
	free(value);
}
END_TEST

START_TEST(a_large_batch_is_read_in_parts_and_from_any_place_in_it)
{
	struct store_changes *changes = NULL;
	struct store_change change;
	unsigned busy = 0;
	kv_status status;

	small_store_open(&small);
	write_one(3, 10);
	write_one(150, 300 * 1000); /* 20 MB and more: values from part to part */
	write_one(60000, 3);
	write_one(3, 10);
	feed_model_expect(&model, small.store, 0);
	for (uint64_t since = 1; since < feed_model_last(&model); since += 4999 * RUNNER_STEP)
		feed_model_expect(&model, small.store, since);
	/* what must be passed over or verified does not keep one call long */
	ck_assert_int_eq(store_changes_open(small.store, feed_model_last(&model) - 10, &changes, &err),
		KV_OK);
	while ((status = store_changes_next(changes, &change, &err)) == KV_BUSY)
		busy++;
	ck_assert_int_eq(status, KV_OK);
	ck_assert(feed_model_matches(&model, feed_model_last(&model) - 10, &change));
	ck_assert_uint_gt(busy, 1);
	store_changes_close(changes);
}
END_TEST

/* ---- damage ---- */

static void flip(const char *name, uint64_t offset, uint8_t mask)
{
	struct buf content = disk_read(&small.disk, name);
	uint8_t byte;

	ck_assert_uint_lt(offset, content.len);
	byte = content.data[offset] ^ mask;
	disk_patch(&small.disk, name, offset, slice_of(&byte, 1));
	buf_free(&content);
}

/* The changes before the damage, then KV_CORRUPT; or all of them, where nothing depends on the byte. */
static void expect_damage_or_all(uint64_t offset, bool must_be_damage)
{
	uint64_t since = 0;
	kv_status status = feed_model_read(&model, small.store, &since, &err);

	if (must_be_damage || status != KV_NOT_FOUND)
		ck_assert_msg(status == KV_CORRUPT, "a byte at %llu: %s after %llu",
			(unsigned long long)offset, kv_status_text(status), (unsigned long long)since);
	else
		ck_assert_uint_eq(since, feed_model_last(&model));
}

START_TEST(a_damaged_byte_of_a_kept_segment_is_damage_and_never_another_change)
{
	enum { HEADER = 4096 };
	char name[64];
	struct buf content;
	uint64_t end = HEADER;

	small_store_open(&small);
	for (unsigned i = 0; i < 6; i++)
		write_one(1 + i % 3, 40);
	finish();
	snprintf(name, sizeof name, "%s", small_newest(&small, ".wal"));
	small_store_open(&small);
	write_one(2, 10); /* in another segment */
	content = disk_read(&small.disk, name);
	for (uint64_t i = HEADER; i < content.len; i++)
		if (content.data[i] != 0)
			end = i + 1;
	for (uint64_t offset = HEADER; offset < end; offset++)
		for (unsigned i = 0; i < DISK_FLIPS; i++) {
			flip(name, offset, disk_flips[i]);
			expect_damage_or_all(offset, content.data[offset] != 0);
			flip(name, offset, disk_flips[i]);
		}
	feed_model_expect(&model, small.store, 0);
	buf_free(&content);
}
END_TEST

START_TEST(a_damaged_header_of_a_kept_segment_shortens_the_feed_only)
{
	enum { HEADER_USED = 72 };

	for (uint64_t offset = 0; offset < HEADER_USED; offset++) {
		char name[64];

		small_store_open(&small);
		write_one(3, 40);
		finish();
		snprintf(name, sizeof name, "%s", small_newest(&small, ".wal"));
		flip(name, offset, disk_flips[offset % DISK_FLIPS]);
		small_forget_warnings(&small);
		small_store_open(&small);
		ck_assert_uint_eq(store_changes_oldest(small.store), feed_model_last(&model));
		ck_assert_uint_eq(small.warnings, 1);
		ck_assert(small_was_warned(&small, "change feed"));
		ck_assert(small_was_warned(&small, name));
		small_store_crash(&small);
	}
}
END_TEST

/* The n-th segment of a store that was restarted so often is missing, cut or of another store. */
START_TEST(a_kept_segment_that_is_missing_or_cut_shortens_the_feed_only)
{
	uint8_t zeros[72] = { 0 };
	uint64_t after[4];
	char names[4][64];

	for (unsigned how = 0; how < 3; how++)
		for (unsigned which = 0; which < 4; which++) {
			char path[600];

			for (unsigned i = 0; i < 4; i++) {
				small_store_open(&small);
				write_one(3, 50);
				finish();
				snprintf(names[i], sizeof names[i], "%s", small_newest(&small, ".wal"));
				after[i] = feed_model_last(&model);
			}
			small_forget_warnings(&small);
			snprintf(path, sizeof path, "%s/%s", small.disk.path, names[which]);
			if (how == 0)
				ck_assert_int_eq(unlink(path), 0);
			else if (how == 1)
				ck_assert_int_eq(truncate(path, 50), 0);
			else
				disk_patch(&small.disk, names[which], 0, slice_of(zeros, sizeof zeros));
			small_store_open(&small);
			ck_assert_uint_eq(small.warnings, 1);
			ck_assert_uint_eq(store_changes_oldest(small.store), after[which]);
			expect_suffix();
			finish();
			small_store_open(&small);
			ck_assert_uint_eq(small.warnings, 1);
			finish();
		}
}
END_TEST

START_TEST(a_kept_segment_that_is_cut_in_its_groups_is_damage)
{
	char path[600];
	uint64_t since = 0;

	small_store_open(&small);
	write_some(20, 100);
	finish();
	snprintf(path, sizeof path, "%s/%s", small.disk.path, small_newest(&small, ".wal"));
	ck_assert_int_eq(truncate(path, 4096 + 500), 0);
	small_store_open(&small);
	ck_assert_int_eq(feed_model_read(&model, small.store, &since, &err), KV_CORRUPT);
	ck_assert_uint_gt(since, 0);
	ck_assert_uint_lt(since, feed_model_last(&model));
}
END_TEST

/* ---- faults ---- */

/* A store of which some of the log is kept and some is to be replayed. */
static void make_log(void)
{
	small_store_open(&small);
	write_some(3, 50);
	finish();
	small_store_open(&small);
	write_some(3, 50);
	finish();
	small_store_open(&small);
	write_some(3, 50);
	small_store_crash(&small);
}

static void expect_all(void)
{
	small_store_open(&small);
	ck_assert_uint_eq(store_changes_oldest(small.store), 0);
	feed_model_expect(&model, small.store, 0);
}

START_TEST(what_a_start_could_not_read_is_told_after_the_next)
{
	static const struct {
		enum fault_op op;
		int errnum;
	} faults[] = { { FAULT_OPEN, EMFILE }, { FAULT_OPEN, EIO }, { FAULT_PREAD, EIO } };
	struct store_finish_report report;
	unsigned shortened = 0;

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		for (uint64_t nth = 1;; nth++) {
			uint64_t failed = fault_fs_failed(small.disk.fault);

			make_log();
			fault_fs_add(small.disk.fault, (struct fault_rule){ .op = faults[i].op, .name_part = ".wal",
				.nth = nth, .errnum = faults[i].errnum });
			if (small_store_try_open(&small, &err) == KV_OK) {
				shortened += store_changes_oldest(small.store) > 0;
				fault_fs_heal(small.disk.fault);
				expect_suffix();
				(void)store_flush(small.store, NULL); /* what else was hit may have made it refuse that */
				if (nth % 2 == 0)
					(void)store_finish(small.store, &report, NULL);
				small_store_crash(&small);
			}
			fault_fs_heal(small.disk.fault);
			expect_all();
			finish();
			if (fault_fs_failed(small.disk.fault) == failed)
				break;
			small_store_done(&small);
			feed_model_free(&model);
			setup();
		}
	ck_assert_uint_gt(shortened, 3);
}
END_TEST

START_TEST(what_cannot_be_measured_is_kept)
{
	struct store_finish_report report;

	for (uint64_t nth = 1; nth <= 4; nth++) {
		small_store_open(&small);
		write_some(3, 50);
		fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_SIZE, .name_part = ".wal",
			.nth = nth, .errnum = EIO });
		(void)store_finish(small.store, &report, NULL);
		small_store_crash(&small);
		fault_fs_heal(small.disk.fault);
		expect_all();
		finish();
	}
	ck_assert_uint_gt(fault_fs_failed(small.disk.fault), 0);
}
END_TEST

START_TEST(what_could_not_be_read_goes_when_what_follows_it_is_enough)
{
	char first[64], path[600];

	small_store_open(&small);
	write_some(3, 50);
	finish();
	snprintf(first, sizeof first, "%s", small_newest(&small, ".wal"));
	snprintf(path, sizeof path, "%s/%s", small.disk.path, first);
	small_store_open(&small);
	write_some(3, 50);
	finish();
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_OPEN, .name_part = first, .nth = 1,
		.from_then_on = true, .errnum = EIO });
	small.options.change_log_bytes = 1;
	small_store_open(&small);
	ck_assert_uint_gt(store_changes_oldest(small.store), 0);
	expect_suffix();
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(a_failed_read_may_be_tried_again)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PREAD, FAULT_SIZE };
	struct store_changes *changes = NULL;
	struct store_change change;

	small_store_open(&small);
	write_some(200, 1000);
	write_one(5, 300 * 1000);
	finish();
	small_store_open(&small);
	for (size_t op = 0; op < sizeof ops / sizeof ops[0]; op++)
		for (uint64_t nth = 1;; nth++) {
			uint64_t failed = fault_fs_failed(small.disk.fault);
			uint64_t since = 0;
			kv_status status;

			ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &err), KV_OK);
			fault_fs_fail(small.disk.fault, ops[op], nth, EIO);
			while ((status = store_changes_next(changes, &change, &err)) != KV_NOT_FOUND) {
				if (status == KV_OK) {
					ck_assert(feed_model_matches(&model, since, &change));
					since = change.version;
					continue;
				}
				ck_assert(status == KV_IO || status == KV_BUSY);
			}
			ck_assert_uint_eq(since, feed_model_last(&model));
			fault_fs_heal(small.disk.fault);
			store_changes_close(changes);
			if (fault_fs_failed(small.disk.fault) == failed)
				break;
		}
}
END_TEST

START_TEST(out_of_memory_may_be_tried_again)
{
	small_store_open(&small);
	write_some(200, 1000);
	write_one(5, 300 * 1000);
	flush();
	for (uint64_t nth = 1;; nth++) {
		struct store_changes *changes = NULL;
		struct store_change change;
		uint64_t since = 0, failed = 0;
		kv_status status = KV_NO_MEMORY;

		while (status != KV_NOT_FOUND) {
			if (failed == 0)
				fault_alloc_fail(nth, false);
			if (!changes)
				status = store_changes_open(small.store, 0, &changes, &err);
			if (changes)
				status = store_changes_next(changes, &change, &err);
			failed += fault_alloc_failed();
			fault_alloc_fail(0, false);
			ck_assert(status == KV_OK || status == KV_BUSY || status == KV_NOT_FOUND ||
				(status == KV_NO_MEMORY && failed > 0));
			if (status == KV_OK && changes) {
				ck_assert(feed_model_matches(&model, since, &change));
				since = change.version;
			}
			if (nth > 12)
				failed = 1; /* each call makes a few at most */
		}
		ck_assert_uint_eq(since, feed_model_last(&model));
		store_changes_close(changes);
		if (nth > 12)
			break;
	}
}
END_TEST

/* Whatever of the retirement of segments does not happen: the feed after the next start is a suffix, and exact. */
START_TEST(a_failure_at_every_step_of_retirement_leaves_an_exact_feed)
{
	static const enum fault_op ops[] = { FAULT_RENAME, FAULT_UNLINK, FAULT_FTRUNCATE, FAULT_SIZE,
		FAULT_PWRITEV, FAULT_FSYNC, FAULT_FDATASYNC, FAULT_OPEN };

	small.options.change_log_bytes = 100 * 1024;
	for (size_t op = 0; op < sizeof ops / sizeof ops[0]; op++)
		for (uint64_t nth = 1; nth <= 8; nth++) {
			struct store_finish_report report;

			small_store_open(&small);
			expect_suffix();
			write_some(30, 2000);
			fault_fs_fail_from(small.disk.fault, ops[op], nth, EIO);
			(void)store_finish(small.store, &report, &err);
			small_store_crash(&small);
			fault_fs_heal(small.disk.fault);
		}
	small_store_open(&small);
	expect_suffix();
}
END_TEST

/* ---- at random ---- */

static void churn(unsigned batches)
{
	uint64_t state = model.random * 3 | 1;

	small_store_open(&small);
	for (unsigned i = 0; i < batches; i++) {
		uint64_t r = runner_random(&state), oldest;

		write_one(1 + (unsigned)(r % 6), r % 100 == 0 ? 20000 : 200);
		switch ((r >> 20) % 400) {
		case 0:
			flush();
			break;
		case 1:
			ck_assert_int_eq(store_compact(small.store, &err), KV_OK);
			break;
		case 2:
			finish();
			break;
		case 3:
			small_store_crash(&small);
			break;
		default:
			continue;
		}
		if (!small.store)
			small_store_open(&small);
		expect_suffix();
		oldest = store_changes_oldest(small.store);
		expect_kept(oldest + r % (feed_model_last(&model) - oldest + 1));
	}
	expect_suffix();
	ck_assert_uint_eq(small.warnings, 0);
}

/* In the plain build all of them; under TSan they took longer than any other test. */
enum { CHURN_PART = RUNNER_STEP == 1 ? 1 : 4 };

START_TEST(ten_thousand_batches_with_restarts_come_exactly)
{
	churn(10000 / CHURN_PART);
	ck_assert_uint_eq(store_changes_oldest(small.store), 0);
	feed_model_expect(&model, small.store, 0);
}
END_TEST

START_TEST(a_small_log_tells_exactly_what_it_keeps)
{
	small.options.change_log_bytes = 150 * 1024;
	churn(5000 / CHURN_PART);
	ck_assert_uint_gt(store_changes_oldest(small.store), 0);
}
END_TEST

/* ---- at once ---- */

enum { WRITERS = 3, WRITES = 1500, READERS = 3 };

struct reader {
	pthread_t thread;
	sem_t signals;
	struct store_watch watch;
	uint64_t seen[WRITERS]; /* of each writer's numbers, in order */
	uint64_t changes, gone;
};

static struct reader *all_readers; /* of the race */
static atomic_uint writers_done;

static void notified(void *arg)
{
	ck_assert_int_eq(sem_post(&((struct reader *)arg)->signals), 0);
}

static void *write_numbers(void *arg)
{
	uintptr_t writer = (uintptr_t)arg;
	char key[16], value[200];

	snprintf(key, sizeof key, "%u", (unsigned)writer);
	for (unsigned i = 1; i <= WRITES; i++) {
		snprintf(value, sizeof value, "%0150u", i);
		ck_assert_int_eq(small_put(&small, key, value), KV_OK);
	}
	atomic_fetch_add(&writers_done, 1);
	for (unsigned i = 0; i < READERS; i++)
		notified(&all_readers[i]); /* that it is over */
	return NULL;
}

static void check_number(struct reader *reader, const struct store_change *change)
{
	unsigned writer = (unsigned)(change->key.data[0] - '0');
	char text[200] = { 0 };
	unsigned number;

	ck_assert_uint_lt(writer, WRITERS);
	ck_assert_uint_lt(change->value.len, sizeof text);
	memcpy(text, change->value.data, change->value.len);
	number = (unsigned)strtoul(text, NULL, 10);
	if (reader->gone == 0)
		ck_assert_uint_eq(number, reader->seen[writer] + 1);
	else
		ck_assert_uint_gt(number, reader->seen[writer]);
	reader->seen[writer] = number;
	reader->changes++;
}

/* Waits for nothing but the signal: one that is missed would be seen as a hang. */
static void *follow(void *arg)
{
	struct reader *reader = arg;
	struct store_changes *changes = NULL;
	struct store_change change;
	struct kv_error why;

	ck_assert_int_eq(store_changes_open(small.store, 0, &changes, &why), KV_OK);
	store_watch_add(small.store, &reader->watch);
	for (;;) {
		bool last = atomic_load(&writers_done) == WRITERS;
		kv_status status;

		while ((status = store_changes_next(changes, &change, &why)) == KV_OK)
			check_number(reader, &change);
		if (status == KV_GONE) {
			reader->gone++;
			store_changes_close(changes);
			do {
				changes = NULL;
				status = store_changes_open(small.store,
					store_changes_oldest(small.store), &changes, &why);
			} while (status == KV_GONE);
			ck_assert_int_eq(status, KV_OK);
			continue;
		}
		ck_assert_int_eq(status, KV_NOT_FOUND);
		if (last)
			break;
		while (sem_wait(&reader->signals) != 0)
			ck_assert_int_eq(errno, EINTR);
	}
	store_watch_remove(small.store, &reader->watch);
	store_changes_close(changes);
	return NULL;
}

static void init_reader(struct reader *reader)
{
	*reader = (struct reader){ .watch = { .notify = notified, .arg = reader } };
	ck_assert_int_eq(sem_init(&reader->signals, 0, 0), 0);
}

/* Of one that nobody waits for; it is done with. */
static int signals_of(struct reader *reader)
{
	int count = 0;

	ck_assert_int_eq(sem_getvalue(&reader->signals, &count), 0);
	ck_assert_int_eq(sem_destroy(&reader->signals), 0);
	return count;
}

static void race(struct reader readers[READERS])
{
	pthread_t writers[WRITERS];

	small_store_open(&small);
	atomic_store(&writers_done, 0);
	all_readers = readers;
	for (unsigned i = 0; i < READERS; i++)
		init_reader(&readers[i]);
	for (unsigned i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, follow, &readers[i]), 0);
	for (uintptr_t i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&writers[i], NULL, write_numbers, (void *)i), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	for (unsigned i = 0; i < READERS; i++)
		sem_destroy(&readers[i].signals);
}

START_TEST(readers_beside_writers_miss_nothing)
{
	struct reader readers[READERS];

	race(readers);
	for (unsigned i = 0; i < READERS; i++)
		ck_assert_uint_eq(readers[i].changes, WRITERS * WRITES);
}
END_TEST

START_TEST(readers_of_a_log_that_is_too_small_are_told_when_they_miss_something)
{
	struct reader readers[READERS];

	small.options.change_log_bytes = 1;
	race(readers);
	for (unsigned i = 0; i < READERS; i++)
		if (readers[i].gone == 0)
			ck_assert_uint_eq(readers[i].changes, WRITERS * WRITES);
}
END_TEST

START_TEST(a_watch_is_not_called_once_it_is_removed)
{
	struct reader readers[2];

	small_store_open(&small);
	for (unsigned i = 0; i < 2; i++) {
		init_reader(&readers[i]);
		store_watch_add(small.store, &readers[i].watch);
	}
	write_one(1, 1);
	store_watch_remove(small.store, &readers[0].watch);
	write_one(1, 1);
	store_watch_remove(small.store, &readers[1].watch);
	write_one(1, 1);
	ck_assert_int_eq(signals_of(&readers[0]), 1);
	ck_assert_int_eq(signals_of(&readers[1]), 2);
}
END_TEST

static void add_cases(TCase *tc)
{
	tcase_add_test(tc, every_change_comes_once_and_in_order_from_every_position);
	tcase_add_test(tc, a_reader_goes_on_with_what_is_committed_later);
	tcase_add_test(tc, range_deletes_are_told_with_their_bounds);
	tcase_add_test(tc, a_value_with_a_file_of_its_own_is_told_by_its_size);
	tcase_add_test(tc, a_position_that_was_not_reached_yet_is_refused);
	tcase_add_test(tc, without_a_change_log_the_option_is_named);
	tcase_add_test(tc, positions_survive_flushes_restarts_and_crashes);
	tcase_add_test(tc, restarts_without_a_write_leave_no_files);
	tcase_add_test(tc, no_more_is_kept_than_asked_for_and_one_segment);
	tcase_add_test(tc, a_segment_used_in_part_gives_the_rest_back);
	tcase_add_test(tc, a_reader_that_is_overtaken_is_told_and_never_gets_wrong_bytes);
	tcase_add_test(tc, the_descriptor_of_a_segment_is_closed_with_its_last_reader);
	tcase_add_test(tc, a_value_above_a_mebibyte_is_told_without_it);
	tcase_add_test(tc, a_large_batch_is_read_in_parts_and_from_any_place_in_it);
	tcase_add_test(tc, a_damaged_byte_of_a_kept_segment_is_damage_and_never_another_change);
	tcase_add_test(tc, a_damaged_header_of_a_kept_segment_shortens_the_feed_only);
	tcase_add_test(tc, a_kept_segment_that_is_missing_or_cut_shortens_the_feed_only);
	tcase_add_test(tc, a_kept_segment_that_is_cut_in_its_groups_is_damage);
	tcase_add_test(tc, what_a_start_could_not_read_is_told_after_the_next);
	tcase_add_test(tc, what_cannot_be_measured_is_kept);
	tcase_add_test(tc, what_could_not_be_read_goes_when_what_follows_it_is_enough);
	tcase_add_test(tc, a_failed_read_may_be_tried_again);
	tcase_add_test(tc, out_of_memory_may_be_tried_again);
	tcase_add_test(tc, a_failure_at_every_step_of_retirement_leaves_an_exact_feed);
	tcase_add_test(tc, ten_thousand_batches_with_restarts_come_exactly);
	tcase_add_test(tc, a_small_log_tells_exactly_what_it_keeps);
	tcase_add_test(tc, readers_beside_writers_miss_nothing);
	tcase_add_test(tc, readers_of_a_log_that_is_too_small_are_told_when_they_miss_something);
	tcase_add_test(tc, a_watch_is_not_called_once_it_is_removed);
}

int main(void)
{
	Suite *suite = suite_create("changes");
	TCase *tc = tcase_create("changes");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	add_cases(tc);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
