/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scrub in a running store: it finds damage that nobody has met, tells it once, leaves all else
 * as it is, and ends when it is told to.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LARGE_BYTES = 4096, A_WEEK = 604800, RARELY = 1000000 };

static struct small_store small;
static char large_value[3 * LARGE_BYTES + 1];

/* The system's clock in our hand: the linker sends clock_gettime here. */
static _Atomic int64_t wall_shift_s;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int result = __real_clock_gettime(clock, ret);

	if (clock == CLOCK_REALTIME)
		ret->tv_sec += atomic_load(&wall_shift_s);
	return result;
}

static void set_up(void)
{
	small_store_init(&small);
	small.options.durability = STORE_DURABLE_OS;
	small.options.large_value_bytes = LARGE_BYTES;
	memset(large_value, 'x', sizeof large_value - 1);
}

static void tear_down(void)
{
	small_store_done(&small);
}

/* Two tables whose keys do not overlap, and a large value in the second. */
static void make_store(void)
{
	small_store_open(&small);
	small_fill(&small, 0, 200, "a value of the first table");
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_fill(&small, 500, 700, "a value of the second table");
	ck_assert_int_eq(small_put(&small, "key000699large", large_value), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	small_forget_warnings(&small);
}

/* Opens it with a scrub that has not read anything yet. */
static void open_to_scrub(uint32_t interval_s)
{
	small_store_crash(&small);
	(void)unlinkat(small.disk.dir.fd, "SCRUB", 0); /* it may not be there */
	small.options.tunables.scrub_interval_s = interval_s;
	small_store_open(&small);
}

static void retune(uint32_t interval_s)
{
	struct store_tunables tunables = small.options.tunables;

	tunables.scrub_interval_s = interval_s;
	ck_assert_int_eq(store_retune(small.store, &tunables, NULL), KV_OK);
}

/* Until all that was due has been read. No assertion, which would allocate memory. */
static void wait_for_scrub(void)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;
	struct store_stats stats;

	do {
		store_get_stats(small.store, &stats);
		sched_yield();
	} while (
		(stats.scrub_files == 0 || stats.scrub_due > 0) && clock_monotonic_us() < deadline);
	if (stats.scrub_files == 0 || stats.scrub_due > 0)
		abort();
}

static void flip(const char *name, size_t at, uint8_t bits)
{
	struct buf content = disk_read(&small.disk, name);

	ck_assert_uint_lt(at, content.len);
	content.data[at] ^= bits;
	disk_patch(&small.disk, name, at, slice_of(content.data + at, 1));
	buf_free(&content);
}

static size_t size_of(const char *name)
{
	struct buf content = disk_read(&small.disk, name);
	size_t ret = content.len;

	buf_free(&content);
	return ret;
}

START_TEST(a_store_without_damage_is_read_once_and_nothing_is_told)
{
	struct store_stats stats;

	make_store();
	open_to_scrub(RARELY);
	wait_for_scrub();
	stats = small_stats(&small);
	ck_assert_uint_eq(stats.scrub_tables, 2);
	ck_assert_uint_eq(stats.scrub_large_values, 1);
	ck_assert_uint_eq(stats.scrub_files, 4); /* FORMAT and MANIFEST are one */
	ck_assert_uint_ge(stats.scrub_bytes, sizeof large_value + 10000);
	ck_assert_uint_eq(
		stats.damaged_tables + stats.damaged_large_values + stats.damaged_basics, 0);
	ck_assert_uint_eq(small_warnings(&small), 0);
}
END_TEST

START_TEST(the_block_cache_and_the_open_tables_stay_as_they_are)
{
	struct store_stats before, after;

	make_store();
	open_to_scrub(0);
	small_expect(&small, "key000000", "a value of the first table");
	before = small_stats(&small);
	retune(RARELY);
	wait_for_scrub();
	after = small_stats(&small);
	ck_assert_uint_eq(after.scrub_tables, 2);
	ck_assert_uint_eq(after.cache_bytes, before.cache_bytes);
	ck_assert_uint_eq(after.cache_misses, before.cache_misses);
	ck_assert_uint_eq(after.cache_hits, before.cache_hits);
	ck_assert_uint_eq(after.table_memory_bytes, before.table_memory_bytes);
}
END_TEST

START_TEST(damage_of_any_byte_of_a_table_is_found_and_told_once)
{
	uint64_t random = runner_seed();
	unsigned rounds = getenv("KV_LONG") ? 2000 : 24;
	char name[64];
	size_t size;

	make_store();
	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	size = size_of(name);
	for (unsigned n = 0; n < rounds; n++) {
		size_t at = (size_t)(runner_random(&random) % size);
		uint8_t bits = disk_flips[n % DISK_FLIPS];

		flip(name, at, bits);
		open_to_scrub(RARELY);
		wait_for_scrub();
		ck_assert_msg(small_stats(&small).damaged_tables == 1, "byte %zu of %s", at, name);
		ck_assert(small_was_warned(&small, name));
		ck_assert(small_was_warned(&small, "from \"key000500\" to \"key000699large\""));
		small_expect(&small, "key000100", "a value of the first table");
		small_store_crash(&small);
		flip(name, at, bits);
	}
}
END_TEST

START_TEST(damage_in_an_open_store_is_told_once_however_often_it_is_read)
{
	char name[64];

	make_store();
	open_to_scrub(1);
	wait_for_scrub();
	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	flip(name, 100, 0x01);
	while (small_stats(&small).damaged_tables == 0)
		ck_assert_int_eq(sched_yield(), 0);
	for (uint64_t tables = small_stats(&small).scrub_tables;
		small_stats(&small).scrub_tables < tables + 6;)
		ck_assert_int_eq(sched_yield(), 0);
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 1);
	ck_assert_uint_eq(small_warnings(&small), 1);
}
END_TEST

START_TEST(a_damaged_large_value_is_found_and_its_key_alone_fails)
{
	uint64_t random = runner_seed();
	struct store_value got;
	char name[64];
	size_t size;

	make_store();
	snprintf(name, sizeof name, "%s", small_newest(&small, ".blob"));
	size = size_of(name);
	for (unsigned n = 0; n < 12; n++) {
		size_t at = (size_t)(runner_random(&random) % size);

		flip(name, at, 0x80);
		open_to_scrub(RARELY);
		wait_for_scrub();
		ck_assert_msg(small_stats(&small).damaged_large_values == 1, "byte %zu", at);
		ck_assert_uint_eq(small_stats(&small).damaged_tables, 0);
		ck_assert(small_was_warned(&small, name));
		small_expect(&small, "key000699", "a value of the second table");
		small_store_crash(&small);
		flip(name, at, 0x80);
	}
	ck_assert_int_eq(unlinkat(small.disk.dir.fd, name, 0), 0);
	open_to_scrub(RARELY);
	wait_for_scrub();
	ck_assert_uint_eq(small_stats(&small).damaged_large_values, 1);
	ck_assert_int_eq(
		store_get(small.store, NULL, slice_of_string("key000699large"), &got, NULL),
		KV_CORRUPT);
}
END_TEST

static atomic_bool is_held, is_reading;

/* Keeps whoever begins to read a large value. */
static void hold(void *arg, enum fault_op op, const char *name)
{
	(void)arg;
	if (op != FAULT_PREAD || !name || !strstr(name, ".blob"))
		return;
	atomic_store(&is_reading, true);
	while (atomic_load(&is_held))
		(void)sched_yield();
}

START_TEST(a_large_value_whose_table_is_replaced_while_it_is_read_is_read_to_its_end)
{
	make_store();
	open_to_scrub(0);
	atomic_store(&is_held, true);
	fault_fs_hook(small.disk.fault, hold, NULL);
	retune(RARELY);
	while (!atomic_load(&is_reading))
		ck_assert_int_eq(sched_yield(), 0);
	ck_assert_int_eq(small_put(&small, "key000600", "newer"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	atomic_store(&is_held, false);
	wait_for_scrub();
	fault_fs_hook(small.disk.fault, NULL, NULL);
	ck_assert_uint_eq(small_stats(&small).scrub_large_values, 1);
}
END_TEST

START_TEST(the_state_tells_of_damage_and_stays_healthy)
{
	char reason[200];

	make_store();
	flip(small_newest(&small, ".sst"), 100, 0x01);
	flip(small_newest(&small, ".blob"), 100, 0x01);
	open_to_scrub(RARELY);
	wait_for_scrub();
	ck_assert_int_eq(store_get_state(small.store, reason, sizeof reason), STORE_HEALTHY);
	ck_assert_str_eq(reason, "1 damaged table, 1 damaged large value");
	ck_assert_int_eq(small_put(&small, "key000600", "new"), KV_OK);
	small_expect(&small, "key000600", "new");
}
END_TEST

/* When the flush thread replaces MANIFEST before it is read, for a log segment made ahead, there is no damage to find: once more. */
START_TEST(a_damaged_manifest_is_written_anew)
{
	unsigned tries = 0;

	make_store();
	do {
		ck_assert_uint_lt(tries++, 50);
		open_to_scrub(0);
		flip("MANIFEST", 20, 0xff);
		retune(RARELY);
		wait_for_scrub();
		ck_assert_uint_eq(small_stats(&small).damaged_basics, 0);
	} while (!small_was_warned(&small, "written anew"));
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "key000000", "a value of the first table");
	small_expect(&small, "key000699", "a value of the second table");
}
END_TEST

START_TEST(a_manifest_that_cannot_be_mended_at_once_is_mended_later)
{
	unsigned tries = 0;

	make_store();
	do {
		ck_assert_uint_lt(tries++, 50);
		open_to_scrub(0);
		small_wait_for_spare(&small);
		flip("MANIFEST", 20, 0xff);
		fault_fs_add(small.disk.fault, (struct fault_rule){
			.op = FAULT_OPEN, .name_part = "MANIFEST.new", .nth = 1, .errnum = EMFILE });
		retune(RARELY);
		wait_for_scrub();
		fault_fs_heal(small.disk.fault);
	} while (small_stats(&small).damaged_basics == 0);
	retune(RARELY); /* it looks again */
	while (small_stats(&small).damaged_basics > 0)
		ck_assert_int_eq(sched_yield(), 0);
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "key000000", "a value of the first table");
}
END_TEST

static _Atomic uint64_t forgotten_inode;

static void note_forgotten(void *ctx, int fd, off_t offset, off_t len)
{
	struct stat stat, format;

	(void)ctx;
	if (offset == 0 && len >= 100 && fstat(fd, &stat) == 0 &&
		fstatat(small.disk.dir.fd, "FORMAT", &format, 0) == 0 && stat.st_ino == format.st_ino)
		atomic_store(&forgotten_inode, stat.st_ino);
}

START_TEST(format_comes_from_the_disk)
{
	struct fs_ops ops = *small.options.fs->ops;
	struct fs fs = { .ops = &ops, .ctx = small.options.fs->ctx };

	make_store();
	atomic_store(&forgotten_inode, 0);
	ops.forget = note_forgotten;
	small.options.fs = &fs;
	open_to_scrub(RARELY);
	wait_for_scrub();
	small_store_crash(&small);
	ck_assert_uint_ne(atomic_load(&forgotten_inode), 0);
}
END_TEST

START_TEST(a_damaged_format_is_told)
{
	char reason[200];

	make_store();
	open_to_scrub(0);
	flip("FORMAT", 3, 0x01);
	retune(RARELY);
	wait_for_scrub();
	ck_assert_uint_eq(small_stats(&small).damaged_basics, 1);
	ck_assert(small_was_warned(&small, "FORMAT"));
	ck_assert(small_was_warned(&small, "the next start would be refused"));
	ck_assert_int_eq(store_get_state(small.store, reason, sizeof reason), STORE_HEALTHY);
	ck_assert_str_eq(reason, "1 damaged basic file");
}
END_TEST

START_TEST(compaction_goes_on_around_a_table_that_the_scrub_found_damaged)
{
	struct kv_error err;

	small_store_open(&small);
	small_fill(&small, 0, 2000, "a value that makes several tables in the lowest level");
	ck_assert_int_eq(store_compact(small.store, &err), KV_OK);
	small_store_crash(&small);
	flip(small_newest(&small, ".sst"), 100, 0x01);
	small_forget_warnings(&small);
	open_to_scrub(RARELY);
	wait_for_scrub();
	for (unsigned round = 0; round < 20; round++) {
		small_fill(&small, 0, 100, "newer");
		ck_assert_int_eq(store_flush(small.store, &err), KV_OK);
	}
	while (small_stats(&small).compactions == 0)
		ck_assert_int_eq(sched_yield(), 0);
	small_expect(&small, "key000000", "newer");
	ck_assert_uint_eq(small_warnings(&small), 1);
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 1);
}
END_TEST

START_TEST(a_table_that_could_not_be_read_once_is_compacted_as_ever)
{
	struct kv_error err;

	make_store();
	open_to_scrub(0);
	fault_fs_add(small.disk.fault, (struct fault_rule){
		.op = FAULT_PREAD, .name_part = ".sst", .nth = 1, .errnum = EIO });
	retune(RARELY);
	wait_for_scrub();
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 1);
	fault_fs_heal(small.disk.fault);
	small_fill(&small, 0, 700, "newer");
	ck_assert_int_eq(store_compact(small.store, &err), KV_OK);
	while (small_stats(&small).damaged_tables > 0)
		ck_assert_int_eq(sched_yield(), 0);
	small_expect(&small, "key000100", "newer");
}
END_TEST

static char highest[64]; /* the name of the newest table before */

/* Damages what a compaction has written when it is opened to be read. */
static void damage_results(void *arg, enum fault_op op, const char *name)
{
	_Atomic bool *armed = arg;
	char thread[16];
	struct stat st;
	int fd;

	if (op != FAULT_OPEN || !atomic_load(armed) || !strstr(name, ".sst") || strcmp(name, highest) <= 0 ||
		pthread_getname_np(pthread_self(), thread, sizeof thread) != 0 || strcmp(thread, "compaction") != 0 ||
		(fd = openat(small.disk.dir.fd, name, O_RDWR | O_CLOEXEC)) < 0)
		return;
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(pwrite(fd, "damage", 6, st.st_size - 20), 6);
	close(fd);
}

/* One read fails, and so does the compaction that wanted it; nothing is wrong with the table. */
START_TEST(a_table_that_a_compaction_could_not_read_is_compacted_when_the_scrub_can)
{
	struct kv_error err;

	make_store();
	small.options.block_cache_bytes = 0;
	open_to_scrub(0);
	small_fill(&small, 0, 700, "newer");
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	open_to_scrub(0); /* nobody reads the new table for the cache any more */
	fault_fs_add(small.disk.fault, (struct fault_rule){
		.op = FAULT_PREAD, .name_part = ".sst", .nth = 1, .errnum = EIO });
	ck_assert_int_eq(store_compact(small.store, &err), KV_CORRUPT);
	fault_fs_heal(small.disk.fault);
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 1);
	ck_assert_int_eq(store_compact(small.store, &err), KV_CORRUPT);
	retune(RARELY);
	wait_for_scrub();
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 0);
	ck_assert(small_was_warned(&small, "can be"));
	ck_assert_int_eq(store_compact(small.store, &err), KV_OK);
	small_expect(&small, "key000100", "newer");
}
END_TEST

/* Marks of which no error tells the table: those whose result could not be read three times. */
START_TEST(tables_that_are_left_alone_for_nothing_are_compacted_when_the_scrub_has_read_them)
{
	struct kv_error err;
	_Atomic bool armed = true;

	make_store();
	small.options.block_cache_bytes = 0;
	open_to_scrub(0);
	snprintf(highest, sizeof highest, "%s", small_newest(&small, ".sst"));
	fault_fs_hook(small.disk.fault, damage_results, &armed);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(store_compact(small.store, &err), KV_CORRUPT);
	atomic_store(&armed, false);
	ck_assert_int_eq(store_compact(small.store, &err), KV_CORRUPT);
	retune(RARELY);
	wait_for_scrub();
	ck_assert_msg(store_compact(small.store, &err) == KV_OK, "%s", err.text);
	small_store_crash(&small); /* nobody is in the hook any more */
	fault_fs_hook(small.disk.fault, NULL, NULL);
}
END_TEST

/* For all other uses the wall clock stands until it is as late as it was. */
START_TEST(the_scrub_comes_again_also_when_the_clock_was_set_back)
{
	uint64_t tables;

	make_store();
	atomic_store(&wall_shift_s, 400 * 24 * 3600);
	open_to_scrub(1);
	wait_for_scrub();
	atomic_store(&wall_shift_s, 0);
	tables = small_stats(&small).scrub_tables;
	while (small_stats(&small).scrub_tables < tables + 6) /* ended by the test's time limit */
		ck_assert_int_eq(sched_yield(), 0);
}
END_TEST

START_TEST(a_read_that_meets_damage_counts_the_table_and_tells_it)
{
	struct kv_error err;
	struct store_value got;

	make_store();
	flip(small_newest(&small, ".sst"), 10, 0x01);
	open_to_scrub(0);
	ck_assert_int_eq(
		store_get(small.store, NULL, slice_of_string("key000500"), &got, &err), KV_CORRUPT);
	ck_assert_int_eq(
		store_get(small.store, NULL, slice_of_string("key000500"), &got, &err), KV_CORRUPT);
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 1);
	ck_assert_uint_eq(small_warnings(&small), 1);
}
END_TEST

START_TEST(a_walk_that_meets_damage_counts_the_table_and_tells_it)
{
	struct store_iter *iter;
	struct kv_error err;

	make_store();
	flip(small_newest(&small, ".sst"), 10, 0x01);
	open_to_scrub(0);
	for (unsigned round = 0; round < 2; round++) {
		ck_assert_int_eq(store_iter_open(small.store, NULL, &iter, NULL), KV_OK);
		store_iter_seek(iter, slice_of_string("key0005"));
		ck_assert_int_eq(store_iter_status(iter, &err), KV_CORRUPT);
		store_iter_close(iter);
	}
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 1);
	ck_assert_uint_eq(small_warnings(&small), 1);
}
END_TEST

START_TEST(a_large_value_that_is_damaged_in_the_middle_is_counted_by_who_reads_it)
{
	struct store_value got;
	struct kv_error err;
	char part[100];

	make_store();
	flip(small_newest(&small, ".blob"), 2 * LARGE_BYTES, 0x01);
	open_to_scrub(0);
	ck_assert_int_eq(
		store_get(small.store, NULL, slice_of_string("key000699large"), &got, NULL), KV_OK);
	for (unsigned round = 0; round < 2; round++)
		ck_assert_int_eq(
			store_large_read(got.large, 2 * LARGE_BYTES, part, sizeof part, &err),
			KV_CORRUPT);
	store_large_free(got.large);
	ck_assert_uint_eq(small_stats(&small).damaged_large_values, 1);
	ck_assert_uint_eq(small_warnings(&small), 1);
}
END_TEST

START_TEST(a_damaged_table_that_is_deleted_is_damaged_no_more)
{
	make_store();
	flip(small_newest(&small, ".sst"), 100, 0x01);
	open_to_scrub(0);
	retune(RARELY);
	wait_for_scrub();
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 1);
	small_store_crash(&small); /* the mark that keeps compactions off is not on disk */
	small.options.tunables.scrub_interval_s = 0;
	small_store_open(&small);
	ck_assert_int_eq(small_delete_range(&small, "", ""), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	while (small_count(&small, ".sst") > 0)
		ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 0);
}
END_TEST

START_TEST(a_start_goes_on_where_the_last_process_was)
{
	make_store();
	open_to_scrub(A_WEEK);
	wait_for_scrub();
	ck_assert_uint_eq(small_stats(&small).scrub_tables, 2);
	small_fill(&small, 800, 900, "a value of the third table");
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	small_store_open(&small);
	wait_for_scrub();
	ck_assert_uint_eq(small_stats(&small).scrub_files, 5);
	ck_assert_uint_eq(small_stats(&small).scrub_tables, 0);
	ck_assert_uint_eq(small_stats(&small).scrub_bytes, 0);
}
END_TEST

START_TEST(a_scrub_that_is_turned_off_has_no_files_to_read)
{
	make_store();
	open_to_scrub(RARELY);
	wait_for_scrub();
	retune(0);
	while (small_stats(&small).scrub_files > 0)
		ck_assert_int_eq(sched_yield(), 0);
	ck_assert_uint_eq(small_stats(&small).scrub_due, 0);
}
END_TEST

START_TEST(progress_that_is_damaged_is_begun_anew)
{
	make_store();
	open_to_scrub(A_WEEK);
	wait_for_scrub();
	small_store_crash(&small);
	flip("SCRUB", 9, 0x01);
	small_store_open(&small);
	wait_for_scrub();
	ck_assert_uint_eq(small_stats(&small).scrub_tables, 2);
	ck_assert(small_was_warned(&small, "the scrub begins anew"));
	small_store_crash(&small);
	small_forget_warnings(&small);
	small_store_open(&small);
	wait_for_scrub();
	ck_assert_uint_eq(small_warnings(&small), 0);
}
END_TEST

/* 24 MiB at the rate of a small store would take 24 seconds, and the closing thread waits for the
 * scrub. */
START_TEST(closing_does_not_wait_for_what_is_left_to_read)
{
	static char value[1 << 20];
	struct store_stats stats;

	memset(value, 'y', sizeof value - 1);
	small.options.memtable_bytes = 64 << 20;
	small.options.large_value_bytes = 2 << 20;
	small_store_open(&small);
	for (unsigned i = 0; i < 24; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%u", i);
		ck_assert_int_eq(small_put(&small, key, value), KV_OK);
	}
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	open_to_scrub(RARELY);
	while (small_stats(&small).scrub_bytes == 0)
		ck_assert_int_eq(sched_yield(), 0);
	retune(0);
	retune(RARELY);
	stats = small_stats(&small);
	ck_assert_uint_eq(stats.scrub_tables, 0);
	small_store_crash(&small);
	small_store_open(&small);
	while (small_stats(&small).scrub_files == 0)
		ck_assert_int_eq(sched_yield(), 0);
	ck_assert_uint_ge(small_stats(&small).scrub_due, 1); /* it had not been read to its end */
}
END_TEST

/* All places with KV_LONG=1; else the later ones more sparsely, because each costs some starts. */
static uint64_t after(uint64_t nth)
{
	return getenv("KV_LONG") ? nth + 1 : nth + 1 + nth / 3;
}

enum { READ_OPS = 3, READ_ERRORS = 2, READ_NAMES = 3 };

/* Of the files that only the scrub reads here; what happens to the log's at the same time is another matter. */
START_TEST(a_read_that_fails_anywhere_harms_nobody)
{
	static const enum fault_op ops[READ_OPS] = { FAULT_PREAD, FAULT_OPEN, FAULT_SIZE };
	static const int errors[READ_ERRORS] = { EIO, EMFILE };
	static const char *const names[READ_NAMES] = { ".sst", ".blob", "FORMAT" };
	const struct fault_rule rule = {
		.op = ops[_i % READ_OPS],
		.errnum = errors[_i / READ_OPS % READ_ERRORS],
		.name_part = names[_i / READ_OPS / READ_ERRORS],
	};
	uint64_t failed = 1;

	make_store();
	for (uint64_t nth = 1; failed > 0; nth = after(nth)) {
		uint64_t before;

		open_to_scrub(0);
		small_expect(&small, "key000000", "a value of the first table");
		small_expect(&small, "key000500", "a value of the second table");
		before = fault_fs_failed(small.disk.fault);
		fault_fs_add(small.disk.fault, (struct fault_rule){
			.op = rule.op, .errnum = rule.errnum, .name_part = rule.name_part, .nth = nth });
		retune(RARELY);
		do {
			struct store_stats stats = small_stats(&small);

			failed = fault_fs_failed(small.disk.fault) - before;
			if (stats.scrub_files > 0 && stats.scrub_due == 0)
				break;
		} while (failed == 0);
		fault_fs_heal(small.disk.fault);
		ck_assert_int_eq(
			store_get_state(small.store, (char[100]){ 0 }, 100), STORE_HEALTHY);
		small_expect(&small, "key000199", "a value of the first table");
		small_expect(&small, "key000699", "a value of the second table");
		ck_assert_int_eq(small_put(&small, "new", "1"), KV_OK);
		ck_assert_uint_lt(nth, 500);
	}
	ck_assert_uint_eq(small_stats(&small).scrub_tables, 2);
}
END_TEST

START_TEST(memory_that_cannot_be_had_is_no_damage)
{
	uint64_t failed = 1;

	make_store();
	for (uint64_t nth = 1; failed > 0; nth = after(nth)) {
		struct store_tunables tunables;
		struct store_stats stats;

		open_to_scrub(0);
		small_wait_for_spare(&small);
		tunables = small.options.tunables;
		tunables.scrub_interval_s = RARELY;
		fault_alloc_fail(nth, false);
		(void)store_retune(small.store, &tunables, NULL); /* allocates nothing */
		do {
			store_get_stats(small.store, &stats);
			failed = fault_alloc_failed();
		} while (failed == 0 && (stats.scrub_files == 0 || stats.scrub_due > 0));
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		small_expect(&small, "key000199", "a value of the first table");
		stats = small_stats(&small);
		ck_assert_uint_eq(
			stats.damaged_tables + stats.damaged_large_values + stats.damaged_basics,
			0);
		ck_assert_uint_lt(nth, 500);
	}
	ck_assert_uint_eq(small_stats(&small).scrub_tables, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scrub");
	TCase *tests = tcase_create("scrub");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, a_store_without_damage_is_read_once_and_nothing_is_told);
	tcase_add_test(tests, the_block_cache_and_the_open_tables_stay_as_they_are);
	tcase_add_test(tests, damage_of_any_byte_of_a_table_is_found_and_told_once);
	tcase_add_test(tests, damage_in_an_open_store_is_told_once_however_often_it_is_read);
	tcase_add_test(tests, a_damaged_large_value_is_found_and_its_key_alone_fails);
	tcase_add_test(tests, a_large_value_whose_table_is_replaced_while_it_is_read_is_read_to_its_end);
	tcase_add_test(tests, the_state_tells_of_damage_and_stays_healthy);
	tcase_add_test(tests, a_damaged_manifest_is_written_anew);
	tcase_add_test(tests, a_manifest_that_cannot_be_mended_at_once_is_mended_later);
	tcase_add_test(tests, format_comes_from_the_disk);
	tcase_add_test(tests, a_damaged_format_is_told);
	tcase_add_test(tests, compaction_goes_on_around_a_table_that_the_scrub_found_damaged);
	tcase_add_test(tests, a_table_that_could_not_be_read_once_is_compacted_as_ever);
	tcase_add_test(tests, a_table_that_a_compaction_could_not_read_is_compacted_when_the_scrub_can);
	tcase_add_test(tests, tables_that_are_left_alone_for_nothing_are_compacted_when_the_scrub_has_read_them);
	tcase_add_test(tests, the_scrub_comes_again_also_when_the_clock_was_set_back);
	tcase_add_test(tests, a_read_that_meets_damage_counts_the_table_and_tells_it);
	tcase_add_test(tests, a_walk_that_meets_damage_counts_the_table_and_tells_it);
	tcase_add_test(tests, a_large_value_that_is_damaged_in_the_middle_is_counted_by_who_reads_it);
	tcase_add_test(tests, a_damaged_table_that_is_deleted_is_damaged_no_more);
	tcase_add_test(tests, a_start_goes_on_where_the_last_process_was);
	tcase_add_test(tests, a_scrub_that_is_turned_off_has_no_files_to_read);
	tcase_add_test(tests, progress_that_is_damaged_is_begun_anew);
	tcase_add_test(tests, closing_does_not_wait_for_what_is_left_to_read);
	tcase_add_loop_test(tests, a_read_that_fails_anywhere_harms_nobody, 0, READ_OPS * READ_ERRORS * READ_NAMES);
	tcase_add_test(tests, memory_that_cannot_be_had_is_no_damage);
	suite_add_tcase(suite, tests);
	return runner_run(suite);
}
