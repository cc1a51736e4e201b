/* SPDX-License-Identifier: BSD-2-Clause */
/* Large values on a broken disk, without memory, and in a process that is killed at any step: the old value or the new one, and no file too many. */
#include "base/clock.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct small_store small;
enum { LARGE = 4096, SIZE = 150000 };

static void begin(void)
{
	small_store_init(&small);
	small.options.large_value_bytes = LARGE;
	small_store_open(&small);
	small_wait_for_spare(&small); /* it is no part of what the tests let fail */
}

static void end(void)
{
	small_store_done(&small);
}

static struct slice s(const char *text)
{
	return slice_of_string(text);
}

static uint8_t byte_of(unsigned seed, size_t at)
{
	return (uint8_t)((at * 2654435761u >> 13) + seed * 37 + at);
}

/* ---- shorthands; none of them fails the test for what the store returns ---- */

static kv_status fill(struct store_upload *upload, unsigned seed)
{
	uint8_t piece[10000];
	kv_status status = KV_OK;

	for (size_t at = 0; status == KV_OK && at < SIZE; at += sizeof piece) {
		for (size_t i = 0; i < sizeof piece; i++)
			piece[i] = byte_of(seed, at + i);
		status = store_upload_append(upload, slice_of(piece, sizeof piece), NULL);
	}
	return status;
}

static kv_status put(const char *key, unsigned seed)
{
	struct store_batch *batch = store_batch_new(small.store);
	struct store_upload *upload = NULL;
	kv_status status = batch ? store_upload_new(small.store, &upload, NULL) : KV_NO_MEMORY;

	if (status == KV_OK)
		status = fill(upload, seed);
	if (status == KV_OK)
		status = store_batch_put_upload(batch, s(key), upload, 0, NULL);
	if (status == KV_OK)
		status = store_write(small.store, batch);
	else
		store_upload_free(upload);
	store_batch_free(batch);
	return status;
}

/* *ret_seed: which of `seeds` (ended by 0) the value is; 0: none of them. */
static kv_status get(struct store *store, const char *key, const unsigned *seeds, unsigned *ret_seed)
{
	static uint8_t bytes[SIZE];
	struct store_value value;
	kv_status status = store_get(store, NULL, s(key), &value, NULL);

	*ret_seed = 0;
	if (status != KV_OK)
		return status;
	if (value.large && value.size == SIZE)
		status = store_large_read(value.large, 0, bytes, SIZE, NULL);
	for (; status == KV_OK && *seeds != 0; seeds++) {
		size_t same = 0;

		while (same < SIZE && bytes[same] == byte_of(*seeds, same))
			same++;
		if (same == SIZE)
			*ret_seed = *seeds;
	}
	store_value_release(&value);
	return status;
}

static void expect(const char *key, unsigned seed)
{
	unsigned got;

	ck_assert_int_eq(get(small.store, key, (unsigned[]){ seed, 0 }, &got), KV_OK);
	ck_assert_uint_eq(got, seed);
}

static void expect_files(size_t count)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;
	struct store_stats stats;

	for (;;) {
		store_get_stats(small.store, &stats);
		if (stats.large_values == count)
			break;
		ck_assert_msg(clock_monotonic_us() < deadline, "%zu files, not %zu", small_count(&small, ".blob"), count);
		ck_assert_int_ge(sched_yield(), 0);
	}
	ck_assert_uint_eq(small_count(&small, ".blob"), count);
}

static void reopen(void)
{
	small_store_crash(&small);
	small_store_open(&small);
}

static enum store_state state(void)
{
	char reason[200];

	return store_get_state(small.store, reason, sizeof reason);
}

/* ---- the disk ---- */

START_TEST(a_failed_sync_costs_its_own_value_only_and_is_not_tried_again)
{
	struct store_batch *batch;
	struct store_upload *upload;

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	batch = store_batch_new(small.store);
	ck_assert_int_eq(store_upload_new(small.store, &upload, NULL), KV_OK);
	ck_assert_int_eq(fill(upload, 2), KV_OK);
	ck_assert_int_eq(store_batch_put_upload(batch, s("a"), upload, 0, NULL), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC, .name_part = ".blob", .nth = 1,
		.errnum = EIO });
	ck_assert_int_eq(store_write(small.store, batch), KV_IO);
	ck_assert_ptr_nonnull(store_batch_error(batch));
	ck_assert_int_eq(store_batch_error(batch)->status, KV_IO);
	ck_assert_ptr_nonnull(strstr(store_batch_error(batch)->file, ".blob"));
	fault_fs_record(small.disk.fault, true);
	ck_assert_int_eq(store_write(small.store, batch), KV_IO);
	free(fault_fs_take_record(small.disk.fault));
	fault_fs_record(small.disk.fault, false);
	store_batch_free(batch);
	ck_assert_int_eq(state(), STORE_HEALTHY);
	ck_assert_uint_gt(small.warnings, 0);
	expect("a", 1);
	expect_files(1);
	ck_assert_int_eq(put("a", 3), KV_OK);
	ck_assert_int_eq(small_put(&small, "b", "small"), KV_OK);
	reopen();
	expect("a", 3);
	end();
}
END_TEST

/* One that comes in memory, too: as it begins, and in its middle. */
START_TEST(a_value_that_cannot_be_written_names_its_file)
{
	static const uint8_t bytes[2000000];
	struct store_batch *batch;

	begin();
	batch = store_batch_new(small.store);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = _i == 0 ? FAULT_OPEN : FAULT_PWRITEV, .name_part = ".blob",
		.nth = _i == 2 ? 6 : 1, .errnum = EIO });
	ck_assert_int_eq(store_batch_put(batch, s("a"), slice_of(bytes, sizeof bytes), 0, NULL), KV_IO);
	ck_assert_ptr_nonnull(store_batch_error(batch));
	ck_assert_int_eq(store_batch_error(batch)->errnum, EIO);
	ck_assert_ptr_nonnull(strstr(store_batch_error(batch)->file, ".blob"));
	ck_assert_int_eq(state(), STORE_HEALTHY);
	store_batch_free(batch);
	fault_fs_heal(small.disk.fault);
	end();
}
END_TEST

/* What is left of it is for deletes. */
START_TEST(no_large_value_is_begun_on_a_full_disk)
{
	char *record;

	begin();
	ck_assert_int_eq(small_put(&small, "a", "small"), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV, .name_part = ".sst", .nth = 1,
		.from_then_on = true, .errnum = ENOSPC });
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	fault_fs_record(small.disk.fault, true);
	ck_assert_int_eq(put("b", 1), KV_NO_SPACE);
	record = fault_fs_take_record(small.disk.fault);
	ck_assert_ptr_null(strstr(record, ".blob"));
	free(record);
	fault_fs_record(small.disk.fault, false);
	ck_assert_int_eq(small_delete(&small, "a"), KV_OK);
	fault_fs_heal(small.disk.fault);
	while (state() != STORE_HEALTHY)
		ck_assert_int_ge(sched_yield(), 0);
	ck_assert_int_eq(put("b", 1), KV_OK);
	expect("b", 1);
	end();
}
END_TEST

START_TEST(a_failed_sync_of_the_directory_fails_the_store)
{
	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	fault_fs_fail(small.disk.fault, FAULT_FSYNC, 1, EIO);
	ck_assert_int_eq(put("a", 2), KV_IO);
	ck_assert_int_eq(state(), STORE_FAILED);
	ck_assert_int_eq(put("a", 3), KV_IO);
	expect("a", 1);
	fault_fs_heal(small.disk.fault);
	reopen();
	expect("a", 1);
	expect_files(1);
	end();
}
END_TEST

/* Nobody would remove their files. */
START_TEST(no_large_value_is_begun_where_the_store_has_failed)
{
	char *record;

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC, .name_part = ".wal", .nth = 1, .errnum = EIO });
	ck_assert_int_eq(small_put(&small, "b", "small"), KV_UNCERTAIN);
	fault_fs_heal(small.disk.fault);
	ck_assert_int_eq(state(), STORE_FAILED);
	fault_fs_record(small.disk.fault, true);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(put("c", 2), KV_IO);
	record = fault_fs_take_record(small.disk.fault);
	ck_assert_ptr_null(strstr(record, ".blob"));
	free(record);
	fault_fs_record(small.disk.fault, false);
	expect("a", 1);
	end();
}
END_TEST

START_TEST(a_value_that_does_not_fit_leaves_its_space_to_others)
{
	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV, .name_part = ".blob", .nth = 2,
		.from_then_on = true, .errnum = ENOSPC });
	ck_assert_int_eq(put("b", 2), KV_NO_SPACE);
	ck_assert_int_eq(state(), STORE_HEALTHY);
	ck_assert_int_eq(small_put(&small, "c", "small"), KV_OK);
	expect_files(1);
	small_expect(&small, "b", NULL);
	fault_fs_heal(small.disk.fault);
	ck_assert_int_eq(put("b", 2), KV_OK);
	end();
}
END_TEST

/* The outcome is open, so the file has to be there for whatever the next start decides. */
START_TEST(a_pointer_that_may_be_in_the_log_keeps_its_file)
{
	for (unsigned nth = 1; nth <= 2; nth++) {
		unsigned got;

		begin();
		ck_assert_int_eq(put("a", 1), KV_OK);
		fault_fs_add(small.disk.fault, (struct fault_rule){ .op = nth == 1 ? FAULT_FDATASYNC : FAULT_PWRITEV,
			.name_part = ".wal", .nth = 1, .errnum = EIO });
		ck_assert_int_eq(put("a", 2), KV_UNCERTAIN);
		ck_assert_uint_eq(small_count(&small, ".blob"), 2);
		fault_fs_heal(small.disk.fault);
		reopen();
		ck_assert_int_eq(get(small.store, "a", (unsigned[]){ 1, 2, 0 }, &got), KV_OK);
		ck_assert_uint_eq(got, nth == 1 ? 2 : 1);
		ck_assert_uint_eq(small.warnings, 1);
		ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
		expect_files(1);
		end();
	}
}
END_TEST

/* The nth operation of an overwrite fails. */
static bool overwrite_with_fault(uint64_t nth, int errnum)
{
	uint64_t failed;
	unsigned got;
	kv_status status;
	bool hit;

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	failed = fault_fs_failed(small.disk.fault);
	fault_fs_fail(small.disk.fault, FAULT_ANY, nth, errnum);
	status = put("a", 2);
	if (status == KV_OK && store_flush(small.store, NULL) == KV_OK)
		store_compact(small.store, NULL);
	fault_fs_heal(small.disk.fault);
	hit = fault_fs_failed(small.disk.fault) > failed;
	ck_assert(hit || status == KV_OK);
	ck_assert_int_eq(get(small.store, "a", (unsigned[]){ 1, 2, 0 }, &got), KV_OK);
	ck_assert_uint_eq(got, status == KV_OK ? 2 : 1);
	reopen();
	ck_assert_int_eq(get(small.store, "a", (unsigned[]){ 1, 2, 0 }, &got), KV_OK);
	if (status == KV_OK)
		ck_assert_uint_eq(got, 2);
	else if (status != KV_UNCERTAIN)
		ck_assert_uint_eq(got, 1);
	ck_assert_uint_ne(got, 0);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	expect("a", got);
	expect_files(1);
	end();
	return hit;
}

START_TEST(every_failing_operation_leaves_the_old_value_or_the_new)
{
	uint64_t nth = 1;

	while (overwrite_with_fault(nth, _i == 0 ? EIO : ENOSPC))
		nth++;
	ck_assert_uint_gt(nth, 20);
}
END_TEST

/* ---- memory ---- */

static bool overwrite_without_memory(uint64_t nth)
{
	uint64_t failed;
	unsigned got;
	kv_status status;

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	fault_alloc_fail(nth, false);
	status = put("a", 2);
	failed = fault_alloc_failed();
	fault_alloc_fail(0, false);
	if (state() == STORE_FAILED)
		reopen(); /* a change of MANIFEST that memory could not follow */
	else
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
	expect("a", status == KV_OK ? 2 : 1);
	fault_alloc_fail(nth, false);
	status = get(small.store, "a", (unsigned[]){ 1, 2, 0 }, &got);
	fault_alloc_fail(0, false);
	ck_assert_int_eq(status, status == KV_OK ? KV_OK : KV_NO_MEMORY);
	ck_assert_uint_eq(got != 0, status == KV_OK);
	ck_assert_int_eq(put("a", 3), KV_OK);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	expect("a", 3);
	expect_files(1);
	end();
	return failed > 0;
}

START_TEST(every_failed_allocation_leaves_the_old_value_or_the_new)
{
	uint64_t nth = 1;

	while (overwrite_without_memory(nth))
		nth++;
	ck_assert_uint_gt(nth, 5);
}
END_TEST

/* ---- a killed process ---- */

static struct {
	pthread_mutex_t mu;
	uint64_t nth, count; /* operations; a copy is taken before the nth */
	char path[300];
} killing = { .mu = PTHREAD_MUTEX_INITIALIZER };

static void copy_then(void *arg, enum fault_op op, const char *name)
{
	char command[700];

	(void)arg;
	(void)op;
	(void)name;
	pthread_mutex_lock(&killing.mu);
	if (++killing.count == killing.nth) {
		snprintf(command, sizeof command, "cp -r '%s' '%s' 2>/dev/null", small.disk.path, killing.path);
		if (system(command) != 0)
			(void)command; /* what was being removed may be gone */
	}
	pthread_mutex_unlock(&killing.mu);
}

static void check_copy(unsigned before, unsigned after)
{
	struct small_store copy = small;
	unsigned got;

	copy.options.data_dir = killing.path;
	copy.options.fs = &fs_posix;
	copy.options.event = NULL;
	ck_assert_int_eq(store_open(&copy.options, &copy.store, NULL), KV_OK);
	ck_assert_int_eq(get(copy.store, "a", (unsigned[]){ before, after, 0 }, &got), KV_OK);
	ck_assert_uint_ne(got, 0);
	ck_assert_int_eq(get(copy.store, "still", (unsigned[]){ 9, 0 }, &got), KV_OK);
	ck_assert_uint_eq(got, 9);
	ck_assert_int_eq(store_compact(copy.store, NULL), KV_OK);
	small.store = copy.store;
	copy.store = store_close(copy.store);
}

/* Files that end with `ending` in the copy, once its store is closed. */
static size_t count_in_copy(void)
{
	char command[400];
	size_t count = 0;
	FILE *list;

	snprintf(command, sizeof command, "ls '%s' | grep -c blob", killing.path);
	list = popen(command, "r");
	ck_assert_ptr_nonnull(list);
	ck_assert_int_eq(fscanf(list, "%zu", &count), 1);
	pclose(list);
	return count;
}

static void remove_copy(void)
{
	char command[400];

	snprintf(command, sizeof command, "rm -rf '%s'", killing.path);
	ck_assert_int_eq(system(command), 0);
}

/* Runs `step`, and looks at what a kill before its nth operation would have left. False: it has fewer. */
static bool killed_at(uint64_t nth, void (*prepare)(void), void (*step)(void), unsigned before, unsigned after)
{
	bool hit;

	begin();
	ck_assert_int_eq(put("still", 9), KV_OK);
	ck_assert_int_eq(put("a", 1), KV_OK);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	expect_files(2);
	prepare();
	snprintf(killing.path, sizeof killing.path, "%s.copy", small.disk.path);
	killing.count = 0;
	killing.nth = nth;
	fault_fs_hook(small.disk.fault, copy_then, NULL);
	step();
	fault_fs_hook(small.disk.fault, NULL, NULL);
	pthread_mutex_lock(&killing.mu); /* a copy may be under way in another thread */
	hit = killing.count >= nth;
	pthread_mutex_unlock(&killing.mu);
	if (hit) {
		struct store *store = small.store;

		check_copy(before, after);
		/* what the compaction has not removed, the next start sweeps */
		ck_assert_int_eq(store_open(&(struct store_options){ .data_dir = killing.path,
			.tunables = small.options.tunables, .memtable_bytes = small.options.memtable_bytes,
			.large_value_bytes = LARGE, .durability = STORE_DURABLE_COMMIT }, &small.store, NULL), KV_OK);
		store_close(small.store);
		small.store = store;
		ck_assert_uint_eq(count_in_copy(), 2);
		remove_copy();
	}
	end();
	return hit;
}

static void overwrite(void)
{
	ck_assert_int_eq(put("a", 2), KV_OK);
}

static void nothing(void)
{
}

static void flush(void)
{
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
}

static void overwrite_and_flush(void)
{
	overwrite();
	flush();
}

static void compact(void)
{
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
}

START_TEST(a_kill_at_any_step_leaves_the_old_value_or_the_new_and_no_file_too_many)
{
	uint64_t nth = 1, steps = 0;

	for (; killed_at(nth, nothing, overwrite, 1, 2); nth++)
		steps++;
	ck_assert_uint_gt(steps, 5);
	for (nth = 1; killed_at(nth, overwrite, flush, 2, 2); nth++)
		steps++;
	for (nth = 1; killed_at(nth, overwrite_and_flush, compact, 2, 2); nth++)
		steps++;
	ck_assert_uint_gt(steps, 25);
}
END_TEST

/* ---- damage ---- */

START_TEST(a_missing_or_cut_file_costs_its_own_key_and_is_told)
{
	struct store_value value;
	struct kv_error err;
	struct buf content;
	char name[64];

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	snprintf(name, sizeof name, "%s", small_newest(&small, ".blob"));
	ck_assert_int_eq(put("b", 2), KV_OK);
	small_store_crash(&small);
	content = disk_read(&small.disk, name);
	ck_assert_int_eq(dir_unlink(&small.disk.dir, name, NULL), KV_OK);
	small_store_open(&small);
	ck_assert(small_was_warned(&small, name));
	ck_assert_int_eq(store_get(small.store, NULL, s("a"), &value, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, name));
	expect("b", 2);
	small_store_crash(&small);
	disk_write(&small.disk, name, slice_of(content.data, content.len - 1));
	small_forget_warnings(&small);
	small_store_open(&small);
	ck_assert(small_was_warned(&small, name));
	ck_assert_int_eq(store_get(small.store, NULL, s("a"), &value, &err), KV_CORRUPT);
	expect("b", 2);
	small_store_crash(&small);
	disk_write(&small.disk, name, buf_slice(&content));
	small_store_open(&small);
	expect("a", 1);
	buf_free(&content);
	end();
}
END_TEST

/* One restored with the wrong rights is not a damaged one. */
START_TEST(a_file_that_cannot_be_looked_at_is_told_as_that)
{
	char name[64];

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	snprintf(name, sizeof name, "%s", small_newest(&small, ".blob"));
	small_store_crash(&small);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_OPEN, .name_part = ".blob", .nth = 1, .errnum = EACCES });
	small_store_open(&small);
	fault_fs_heal(small.disk.fault);
	ck_assert(small_was_warned(&small, name));
	ck_assert(small_was_warned(&small, strerror(EACCES)));
	ck_assert(!small_was_warned(&small, "is damaged"));
	expect("a", 1);
	end();
}
END_TEST

START_TEST(the_number_of_a_missing_file_is_not_used_again)
{
	const char *const keys[] = { "a", "b", "c", "d" };
	struct store_value value;
	char name[64];

	begin();
	small_store_crash(&small);
	small.options.memtable_bytes = 1 << 20; /* no new MANIFEST meanwhile, which would know of the numbers */
	small_store_open(&small);
	small_wait_for_spare(&small);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(put(keys[i], i + 1), KV_OK);
	snprintf(name, sizeof name, "%s", small_newest(&small, ".blob"));
	small_store_crash(&small);
	while (small_count(&small, ".blob") > 0)
		ck_assert_int_eq(dir_unlink(&small.disk.dir, small_newest(&small, ".blob"), NULL), KV_OK);
	small_store_open(&small);
	ck_assert_int_eq(put("e", 5), KV_OK);
	ck_assert_int_gt(strcmp(small_newest(&small, ".blob"), name), 0);
	expect("e", 5);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(store_get(small.store, NULL, s(keys[i]), &value, NULL), KV_CORRUPT);
	end();
}
END_TEST

START_TEST(damage_in_a_large_value_is_told_when_it_is_read)
{
	struct store_value value;
	struct kv_error err;
	uint8_t bytes[10], byte;
	char name[64];

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	snprintf(name, sizeof name, "%s", small_newest(&small, ".blob"));
	byte = byte_of(1, 70000) ^ 0x10;
	disk_patch(&small.disk, name, 48 + 8 + 70000, slice_of(&byte, 1));
	ck_assert_int_eq(store_get(small.store, NULL, s("a"), &value, NULL), KV_OK);
	ck_assert_int_eq(store_large_read(value.large, 0, bytes, sizeof bytes, &err), KV_OK);
	ck_assert_int_eq(store_large_read(value.large, 65536, bytes, sizeof bytes, &err), KV_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.file, name));
	ck_assert_int_eq(store_large_read(value.large, 140000, bytes, sizeof bytes, &err), KV_OK);
	store_value_release(&value);
	end();
}
END_TEST

/* Nobody knows what the table needs, so everything is kept. */
START_TEST(a_table_that_cannot_be_read_keeps_all_large_values)
{
	struct store_value value;
	struct buf table;
	char name[64];

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	flush();
	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	ck_assert_int_eq(put("b", 2), KV_OK);
	small_store_crash(&small);
	table = disk_read(&small.disk, name);
	disk_patch(&small.disk, name, table.len - 1, slice_of("\xee", 1));
	small_store_open(&small);
	ck_assert(small_was_warned(&small, name));
	ck_assert_int_eq(store_get(small.store, NULL, s("a"), &value, NULL), KV_CORRUPT);
	expect("b", 2);
	ck_assert_uint_eq(small_count(&small, ".blob"), 2);
	ck_assert_int_eq(small_put(&small, "b", "small"), KV_OK);
	flush();
	small_store_crash(&small);
	disk_write(&small.disk, name, buf_slice(&table)); /* repaired */
	small_store_open(&small);
	expect("a", 1);
	expect_files(1);
	buf_free(&table);
	end();
}
END_TEST

/* The table could not be read at the start only: what is read, and copied, is all there. */
START_TEST(a_table_that_can_be_read_again_has_its_large_values)
{
	char name[64], path[300];
	struct store_stats stats;
	struct buf table;

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	flush();
	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	small_store_crash(&small);
	table = disk_read(&small.disk, name);
	disk_patch(&small.disk, name, table.len - 1, slice_of("\xee", 1));
	small_store_open(&small);
	disk_write(&small.disk, name, buf_slice(&table));
	for (unsigned i = 0; i < 3; i++)
		expect("a", 1);
	store_get_stats(small.store, &stats);
	ck_assert_uint_eq(stats.large_values, 1);
	snprintf(path, sizeof path, "%s/copy", small.disk.path);
	ck_assert_int_eq(store_checkpoint(small.store, path, NULL), KV_OK);
	small_store_crash(&small);
	small.options.data_dir = path;
	small_store_open(&small);
	expect("a", 1);
	buf_free(&table);
	end();
}
END_TEST

static kv_status touch(const char *key, uint64_t expires_unix_ms)
{
	struct store_batch *batch = store_batch_new(small.store);
	kv_status status = batch ? store_batch_touch(batch, s(key), expires_unix_ms) : KV_NO_MEMORY;

	if (status == KV_OK)
		status = store_write(small.store, batch);
	store_batch_free(batch);
	return status;
}

/* As above, and a touch is the first that finds the value: no memory that this takes may be missing when the log has it already. */
START_TEST(a_touch_of_a_large_value_that_nobody_counts_may_fail_and_breaks_nothing)
{
	const uint64_t expires = UINT64_C(99999999999999);
	kv_status status = KV_NO_MEMORY;
	struct store_value value;
	char reason[512];
	unsigned failures = 0;

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	ck_assert_int_eq(put("b", 2), KV_OK);
	flush();
	small_store_crash(&small);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PREAD, .name_part = ".sst", .nth = 1, .from_then_on = true,
		.errnum = EIO });
	small_store_open(&small);
	fault_fs_heal(small.disk.fault);
	ck_assert_int_eq(touch("b", expires), KV_OK); /* opens the table */
	for (uint64_t nth = 1; status != KV_OK; nth++) {
		fault_alloc_fail_here(nth);
		status = touch("a", expires);
		fault_alloc_fail_here(0);
		ck_assert(status == KV_OK || status == KV_NO_MEMORY);
		failures += status != KV_OK;
		ck_assert_int_eq(store_get_state(small.store, reason, sizeof reason), STORE_HEALTHY);
	}
	ck_assert_uint_gt(failures, 2);
	for (unsigned i = 0; i < 2; i++) {
		expect("a", 1);
		ck_assert_int_eq(store_get(small.store, NULL, s("a"), &value, NULL), KV_OK);
		ck_assert_uint_eq(value.expires_unix_ms, expires);
		store_value_release(&value);
		small_store_crash(&small);
		small_store_open(&small);
	}
	end();
}
END_TEST

/* ---- many at a time ---- */

static _Atomic bool stop;

static void *read_on(void *arg)
{
	unsigned got;
	void *failed = NULL;

	while (!atomic_load(&stop)) {
		kv_status status = get(small.store, "a", (unsigned[]){ 1, 2, 3, 0 }, &got);

		if (status != KV_OK || got == 0)
			failed = arg;
	}
	return failed;
}

START_TEST(readers_never_miss_a_file_that_is_replaced_meanwhile)
{
	void *failed;
	pthread_t thread;

	begin();
	ck_assert_int_eq(put("a", 1), KV_OK);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_on, &stop), 0);
	for (unsigned i = 0; i < 60; i++) {
		ck_assert_int_eq(put("a", 1 + i % 3), KV_OK);
		if (i % 3 == 0)
			flush();
		if (i % 10 == 0)
			compact();
	}
	atomic_store(&stop, true);
	pthread_join(thread, &failed);
	ck_assert_ptr_null(failed);
	compact();
	expect_files(1);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lsm_large_faults");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_failed_sync_costs_its_own_value_only_and_is_not_tried_again);
	tcase_add_loop_test(tc, a_value_that_cannot_be_written_names_its_file, 0, 3);
	tcase_add_test(tc, no_large_value_is_begun_on_a_full_disk);
	tcase_add_test(tc, no_large_value_is_begun_where_the_store_has_failed);
	tcase_add_test(tc, a_failed_sync_of_the_directory_fails_the_store);
	tcase_add_test(tc, a_value_that_does_not_fit_leaves_its_space_to_others);
	tcase_add_test(tc, a_pointer_that_may_be_in_the_log_keeps_its_file);
	tcase_add_loop_test(tc, every_failing_operation_leaves_the_old_value_or_the_new, 0, 2);
	tcase_add_test(tc, every_failed_allocation_leaves_the_old_value_or_the_new);
	tcase_add_test(tc, a_kill_at_any_step_leaves_the_old_value_or_the_new_and_no_file_too_many);
	tcase_add_test(tc, a_missing_or_cut_file_costs_its_own_key_and_is_told);
	tcase_add_test(tc, a_file_that_cannot_be_looked_at_is_told_as_that);
	tcase_add_test(tc, the_number_of_a_missing_file_is_not_used_again);
	tcase_add_test(tc, damage_in_a_large_value_is_told_when_it_is_read);
	tcase_add_test(tc, a_table_that_cannot_be_read_keeps_all_large_values);
	tcase_add_test(tc, a_table_that_can_be_read_again_has_its_large_values);
	tcase_add_test(tc, a_touch_of_a_large_value_that_nobody_counts_may_fail_and_breaks_nothing);
	tcase_add_test(tc, readers_never_miss_a_file_that_is_replaced_meanwhile);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
