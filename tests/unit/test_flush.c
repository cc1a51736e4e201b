/* SPDX-License-Identifier: BSD-2-Clause */
/* The flush thread: by size, by age, on a disk that is full or broken; and that what it replaced goes away. */
#include "base/clock.h"
#include "base/huge_pages.h"
#include "engine/filename.h"
#include "engine/identity.h"
#include "engine/reserve.h"
#include "engine/wal.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct small_store small;

static void setup(void)
{
	small_store_init(&small);
	small.options.durability = STORE_DURABLE_OS;
}

static void teardown(void)
{
	small_store_done(&small);
}

/* Polls what another thread brings about, often enough to see what lasts a second, and no more: others want the processor. */
static bool eventually(bool (*holds)(void))
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000;

	while (!holds()) {
		if (clock_monotonic_us() > deadline)
			return false;
		ck_assert_int_eq(nanosleep(&(struct timespec){ .tv_nsec = 1000 * 1000 }, NULL), 0);
	}
	return true;
}

static void fill(unsigned count)
{
	char key[32], value[512];

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof key, "key%u", i);
		ck_assert_int_eq(small_put(&small, key, value), KV_OK);
	}
}

static bool was_flushed(void)
{
	return small_stats(&small).flushes > 0 && small_stats(&small).memtable_entries == 0;
}

START_TEST(a_memtable_is_flushed_when_it_is_old)
{
	small.options.tunables.flush_interval_s = 1;
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_uint_eq(small_stats(&small).flushes, 0);
	ck_assert(eventually(was_flushed));
	ck_assert_uint_eq(small_stats(&small).levels[0].tables, 1);
	small_expect(&small, "a", "1");
}
END_TEST

static bool has_cached_blocks(void)
{
	return small_stats(&small).cache_bytes > 0;
}

START_TEST(what_was_flushed_is_in_the_block_cache)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert(eventually(has_cached_blocks));
	small_expect(&small, "a", "1");
	ck_assert_uint_eq(small_stats(&small).cache_misses, 0);
	ck_assert_uint_gt(small_stats(&small).cache_hits, 0);
}
END_TEST

/* The table is live: nothing is lost, and who reads it will be told. */
START_TEST(a_flushed_table_that_cannot_be_read_is_no_failed_flush)
{
	char reason[512];

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PREAD,
		.name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = EIO });
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(store_get_state(small.store, reason, sizeof reason), STORE_HEALTHY);
	ck_assert_uint_eq(small_stats(&small).cache_bytes, 0);
	fault_fs_heal(small.disk.fault);
	small_expect(&small, "a", "1");
}
END_TEST

START_TEST(the_interval_may_change_while_it_runs)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_retune(small.store, &(struct store_tunables){ 1, 4, 0 }, NULL), KV_OK);
	ck_assert(eventually(was_flushed));
}
END_TEST

static bool segments_are_few(void)
{
	return small_count(&small, ".wal") <= 4;
}

static bool tables_on_disk_are_live(void)
{
	struct store_stats now = small_stats(&small);
	uint64_t live = 0;

	for (unsigned n = 0; n < now.level_count; n++)
		live += now.levels[n].tables;
	return small_count(&small, ".sst") == live;
}

START_TEST(segments_and_tables_that_are_not_needed_go_away)
{
	small.options.change_log_bytes = 0;
	small_store_open(&small);
	fill(3000); /* twenty memtables and more */
	ck_assert_uint_gt(small_stats(&small).flushes, 10);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert(eventually(segments_are_few));
	ck_assert(eventually(tables_on_disk_are_live));
}
END_TEST

START_TEST(an_empty_store_has_nothing_to_flush)
{
	small_store_open(&small);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_uint_eq(small_stats(&small).flushes, 0);
	ck_assert_uint_eq(small_count(&small, ".sst"), 0);
}
END_TEST

static bool is_disk_full(void)
{
	char reason[512];

	return store_get_state(small.store, reason, sizeof reason) == STORE_DISK_FULL;
}

static bool is_healthy(void)
{
	char reason[512];

	return store_get_state(small.store, reason, sizeof reason) == STORE_HEALTHY;
}

START_TEST(a_full_disk_at_every_step_of_a_flush_is_survived)
{
	static const enum fault_op ops[] = { FAULT_OPEN, FAULT_PWRITEV, FAULT_RENAME };
	struct kv_error err;

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		struct fault_rule rule = { .op = ops[i], .nth = 1, .from_then_on = true,
			.errnum = ENOSPC };

		rule.name_part = ops[i] == FAULT_RENAME ? "MANIFEST" : ".sst";
		small_store_open(&small);
		ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
		fault_fs_add(small.disk.fault, rule);
		ck_assert_int_eq(store_flush(small.store, &err), KV_NO_SPACE);
		ck_assert(is_disk_full());
		ck_assert_int_eq(small_put(&small, "b", "1"), KV_NO_SPACE);
		small_expect(&small, "a", "1");
		fault_fs_heal(small.disk.fault);
		ck_assert(eventually(is_healthy));
		ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
		small_store_crash(&small);
		small_store_open(&small);
		small_expect(&small, "a", "1");
		small_expect(&small, "b", "1");
		small_store_crash(&small);
	}
	small_store_open(&small);
}
END_TEST

static bool little_is_left(void)
{
	struct store_stats now = small_stats(&small);
	uint64_t bytes = 0;

	for (unsigned n = 0; n < now.level_count; n++)
		bytes += now.levels[n].bytes;
	return bytes < 4096;
}

static bool has_reserve(void)
{
	return dir_has(&small.disk.dir, "RESERVE");
}

static bool has_no_reserve(void)
{
	return !has_reserve();
}

/* Nothing new fits on the disk. */
static void fill_the_disk(void)
{
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = ENOSPC });
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FALLOCATE,
		.name_part = "RESERVE", .nth = 1, .from_then_on = true, .errnum = ENOSPC });
}

START_TEST(deletes_are_taken_while_the_disk_is_full_and_the_reserve_is_theirs)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
	ck_assert_int_eq(small_put(&small, "c", "1"), KV_OK);
	ck_assert(eventually(has_reserve));
	small_wait_for_spare(&small);
	fill_the_disk();
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	ck_assert(eventually(has_no_reserve));
	ck_assert_int_eq(small_put(&small, "d", "1"), KV_NO_SPACE);
	ck_assert_int_eq(small_delete(&small, "a"), KV_OK);
	ck_assert_int_eq(small_delete_range(&small, "b", "c"), KV_OK);
	ck_assert(is_disk_full());
	small_store_crash(&small);
	fault_fs_heal(small.disk.fault);
	small_store_open(&small);
	small_expect(&small, "a", NULL);
	small_expect(&small, "b", NULL);
	small_expect(&small, "c", "1");
	small_expect(&small, "d", NULL);
	ck_assert(eventually(has_reserve));
	ck_assert(is_healthy());
}
END_TEST

START_TEST(a_batch_with_a_put_is_refused_as_a_whole_while_the_disk_is_full)
{
	struct store_batch *batch;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fill_the_disk();
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	batch = store_batch_new(small.store);
	ck_assert_int_eq(store_batch_delete(batch, slice_of_string("a"), NULL), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, slice_of_string("b"), slice_of_string("1"), 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_NO_SPACE);
	store_batch_free(batch);
	small_expect(&small, "a", "1");
}
END_TEST

/* Deletes come to the tables by themselves, and compaction makes space of them. */
START_TEST(what_is_deleted_on_a_full_disk_gives_its_space_back)
{
	small_store_open(&small);
	fill(1000);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	ck_assert(eventually(has_reserve));
	small_wait_for_spare(&small);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FALLOCATE,
		.name_part = "RESERVE", .nth = 1, .from_then_on = true, .errnum = ENOSPC });
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_SPACE,
		.nth = 1, .from_then_on = true, .errnum = EIO }); /* it is not known how much there is: it stays full */
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .errnum = ENOSPC });
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	ck_assert_int_eq(small_delete_range(&small, "k", "l"), KV_OK);
	ck_assert(eventually(was_flushed));
	ck_assert(eventually(little_is_left));
	ck_assert(is_disk_full());
	small_expect(&small, "a", "1");
}
END_TEST

static void wait_for_faults(uint64_t more)
{
	uint64_t deadline = clock_monotonic_us() + 120 * 1000000, wanted = fault_fs_failed(small.disk.fault) + more;

	while (fault_fs_failed(small.disk.fault) < wanted) {
		ck_assert_uint_lt(clock_monotonic_us(), deadline);
		ck_assert_int_ge(sched_yield(), 0);
	}
}

/* One segment with one delete after the other would use up what the reserve gave. */
START_TEST(deletes_are_not_frozen_behind_memory_that_cannot_be_flushed)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert(eventually(has_reserve));
	small_wait_for_spare(&small);
	fill_the_disk();
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	ck_assert_int_eq(small_delete(&small, "a"), KV_OK);
	wait_for_faults(4); /* one a second */
	ck_assert_uint_eq(small_stats(&small).frozen_memtables, 1);
	fault_fs_heal(small.disk.fault);
	ck_assert(eventually(is_healthy));
	small_expect(&small, "a", NULL);
}
END_TEST

/* A quota: the file system has plenty. */
START_TEST(a_disk_stays_full_until_the_reserve_can_be_made_again)
{
	char *record;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert(eventually(has_reserve));
	small_wait_for_spare(&small);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FALLOCATE,
		.name_part = "RESERVE", .nth = 1, .from_then_on = true, .errnum = EDQUOT });
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .errnum = EDQUOT });
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	fault_fs_record(small.disk.fault, true);
	ck_assert_int_eq(small_delete(&small, "a"), KV_OK);
	ck_assert(eventually(was_flushed));
	wait_for_faults(3);
	ck_assert(is_disk_full());
	record = fault_fs_take_record(small.disk.fault);
	ck_assert_ptr_null(strstr(record, ".wal 0 65536")); /* each new segment is as small as can be */
	ck_assert_ptr_nonnull(strstr(record, ".wal 0 8192"));
	free(record);
	fault_fs_heal(small.disk.fault);
	ck_assert(eventually(is_healthy));
	ck_assert(has_reserve());
	small_store_crash(&small);
	ck_assert_uint_eq(small_warnings(&small), 1); /* it was full once */
}
END_TEST

/* As rsync -S, tar -S and cp --sparse=always leave it. */
START_TEST(a_reserve_that_was_copied_as_a_hole_gets_its_blocks)
{
	uint64_t bytes = reserve_bytes(0);
	int fd = openat(small.disk.dir.fd, "RESERVE", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
	ck_assert_int_eq(reserve_make(&small.disk.dir, bytes, NULL), KV_OK);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, bytes);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, bytes);
	close(fd);
}
END_TEST

START_TEST(a_full_disk_is_left_also_where_nobody_tells_how_much_is_free)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fill_the_disk();
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	fault_fs_heal(small.disk.fault);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_SPACE,
		.nth = 1, .from_then_on = true, .errnum = EIO });
	ck_assert(eventually(is_healthy));
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
}
END_TEST

static bool has_failed(void)
{
	char reason[512];

	return store_get_state(small.store, reason, sizeof reason) == STORE_FAILED;
}

/* The flush thread has just seen that the disk is full; meanwhile the store fails. */
static void fail_before_the_reserve_goes(void *arg, enum fault_op op, const char *name)
{
	atomic_bool *reached = arg;

	if (op != FAULT_UNLINK || strcmp(name, "RESERVE") != 0)
		return;
	atomic_store(reached, true);
	ck_assert(eventually(has_failed));
}

/* Cut, it would be taken for damage: its header says how long it was. */
START_TEST(a_segment_whose_header_failed_is_not_cut_any_more)
{
	atomic_bool reached = false;
	char key[600] = { 0 };
	kv_status status = KV_OK;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert(eventually(has_reserve));
	small_wait_for_spare(&small);
	fault_fs_hook(small.disk.fault, fail_before_the_reserve_goes, &reached);
	fill_the_disk();
	ck_assert_int_eq(store_flush(small.store, NULL), KV_NO_SPACE);
	while (!reached)
		ck_assert_int_ge(sched_yield(), 0);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC,
		.name_part = ".wal", .nth = 2, .errnum = EIO }); /* the first is that of the old segment */
	memset(key, 'k', sizeof key - 1);
	for (unsigned i = 0; status == KV_OK && i < 1000; i++) {
		snprintf(key, 16, "%05u", i);
		key[5] = 'k';
		status = small_delete(&small, key);
	}
	ck_assert_int_eq(status, KV_IO);
	small_store_crash(&small);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	fault_fs_heal(small.disk.fault);
	small_store_open(&small);
	small_expect(&small, "a", "1");
}
END_TEST

START_TEST(an_io_error_stops_writes_and_loses_nothing)
{
	struct kv_error err;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC,
		.name_part = ".sst", .nth = 1, .errnum = EIO });
	ck_assert_int_eq(store_flush(small.store, &err), KV_IO);
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_IO);
	small_expect(&small, "a", "1");
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "a", "1");
	ck_assert_int_eq(small_put(&small, "b", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
}
END_TEST

START_TEST(a_flush_is_durable_in_the_right_order)
{
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fault_fs_record(small.disk.fault, true);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert(fault_fs_in_order(small.disk.fault, (const char *const[]){ "create 000", "pwritev 000",
		"fdatasync 000", "fsync", "create MANIFEST.new", "pwritev MANIFEST.new",
		"fdatasync MANIFEST.new", "rename MANIFEST.new", "fsync", NULL }));
}
END_TEST

static bool everything_is_flushed(void)
{
	return small_stats(&small).memtable_entries == 0;
}

/* When the table is written and its name is synced, the next allocation is for bringing it to life. */
static void fail_after_table(void *arg, enum fault_op op, const char *name)
{
	static _Thread_local bool written;
	_Atomic bool *armed = arg;

	if (op == FAULT_FDATASYNC && strstr(name, ".sst"))
		written = true;
	else if (op == FAULT_FSYNC && written && atomic_exchange(armed, false))
		fault_alloc_fail(1, false);
}

/* It is tried again each second: a table left behind each time would soon fill the disk. */
START_TEST(a_flush_that_runs_out_of_memory_leaves_no_table_behind)
{
	_Atomic bool armed = true;

	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	fault_fs_hook(small.disk.fault, fail_after_table, &armed);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	ck_assert_uint_eq(fault_alloc_failed(), 1);
	ck_assert(eventually(everything_is_flushed));
	ck_assert(eventually(tables_on_disk_are_live));
	small_expect(&small, "a", "1");
}
END_TEST

/* Damages a table as soon as it is there, when it is opened to be read. */
static void damage_when_opened(void *arg, enum fault_op op, const char *name)
{
	_Atomic unsigned *damaged = arg;
	struct stat st;
	int fd;

	if (op != FAULT_OPEN || !strstr(name, ".sst") || atomic_load(damaged) == 3 ||
		(fd = openat(small.disk.dir.fd, name, O_RDWR | O_CLOEXEC)) < 0)
		return;
	atomic_fetch_add(damaged, 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(pwrite(fd, "damage", 6, st.st_size - 20), 6);
	close(fd);
}

START_TEST(a_flush_whose_table_cannot_be_read_leaves_none_behind)
{
	static char large[5001];
	_Atomic unsigned damaged = 0;
	struct store_value got;

	memset(large, 'l', sizeof large - 1);
	small.options.large_value_bytes = 4096;
	small_store_open(&small);
	ck_assert_int_eq(small_put(&small, "a", large), KV_OK); /* so it is opened for the list of large values */
	fault_fs_hook(small.disk.fault, damage_when_opened, &damaged);
	(void)store_flush(small.store, NULL); /* may be told that it did not work yet */
	ck_assert(eventually(everything_is_flushed));
	ck_assert_uint_eq(atomic_load(&damaged), 3);
	ck_assert(eventually(tables_on_disk_are_live));
	fault_fs_hook(small.disk.fault, NULL, NULL);
	ck_assert_int_eq(store_get(small.store, NULL, slice_of_string("a"), &got, NULL), KV_OK);
	ck_assert_uint_eq(got.size, sizeof large - 1);
	store_value_release(&got);
}
END_TEST

/* ---- the log after a start ---- */

enum { LONG_VALUES = 3000 }; /* of 1000 bytes: more than the first segment takes, less than a memtable */

static void fill_long(unsigned from, unsigned to)
{
	static char value[1001];

	memset(value, 'v', sizeof value - 1);
	small_fill(&small, from, to, value);
}

static bool has_spare(void)
{
	return small_stats(&small).wal_segments >= 2;
}

START_TEST(the_short_first_segment_is_left_when_it_is_full_and_the_memtable_goes_on)
{
	small.options.memtable_bytes = 16 << 20;
	small_store_open(&small);
	ck_assert(eventually(has_spare));
	fill_long(0, LONG_VALUES);
	ck_assert_uint_ge(small_stats(&small).wal_segments, 2);
	ck_assert_uint_eq(small_stats(&small).flushes, 0);
	ck_assert_uint_eq(small_stats(&small).memtable_entries, LONG_VALUES);
	ck_assert_uint_ge(small_count(&small, ".wal"), 2);
	/* both are needed, and both are read */
	small_store_crash(&small);
	small_store_open(&small);
	ck_assert_uint_eq(small_count_keys(&small, NULL), LONG_VALUES);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	small_store_open(&small);
	ck_assert_uint_eq(small_stats(&small).memtable_entries, 0);
	ck_assert_uint_eq(small_count_keys(&small, NULL), LONG_VALUES);
}
END_TEST

/* What was acknowledged, and is found again whatever call fails while the log changes its segment. */
static unsigned put_until_failure(unsigned round)
{
	static char value[1001];
	char key[32];
	unsigned ret = 0;

	memset(value, 'v', sizeof value - 1);
	for (; ret < LONG_VALUES; ret++) {
		snprintf(key, sizeof key, "key%u-%06u", round, ret);
		if (small_put(&small, key, value) != KV_OK)
			break;
	}
	return ret;
}

START_TEST(no_failure_on_the_way_to_the_next_segment_loses_a_write)
{
	static const enum fault_op ops[] = { FAULT_FDATASYNC, FAULT_OPEN };
	unsigned kept = 0, stopped = 0, round = 0;

	small.options.memtable_bytes = 16 << 20;
	for (size_t i = 0; i < 2; i++)
		for (uint64_t nth = 1; nth <= 2; nth++) {
			unsigned put;

			small_store_open(&small);
			ck_assert(eventually(has_spare));
			fault_fs_add(small.disk.fault, (struct fault_rule){ .op = ops[i], .name_part = ".wal",
				.nth = nth, .errnum = EIO });
			put = put_until_failure(round++);
			stopped += put < LONG_VALUES;
			kept += put;
			fault_fs_heal(small.disk.fault);
			small_store_crash(&small);
			small_store_open(&small);
			ck_assert_uint_ge(small_count_keys(&small, NULL), kept);
			small_store_crash(&small);
		}
	ck_assert_uint_ge(stopped, 2); /* the opens may be those of the flush thread, which only looks */
	small_store_open(&small);
}
END_TEST

/* The inode of the newest segment. */
static ino_t newest_segment(void)
{
	struct stat now;

	ck_assert_int_eq(fstatat(small.disk.dir.fd, small_newest(&small, ".wal"), &now, 0), 0);
	return now.st_ino;
}

START_TEST(the_next_segment_is_made_from_the_one_that_a_flush_retires)
{
	ino_t first;

	small.options.change_log_bytes = 0;
	small.options.durability = STORE_DURABLE_COMMIT;
	small_store_open(&small);
	small_wait_for_spare(&small);
	first = newest_segment();
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
		small_wait_for_spare(&small);
	}
	ck_assert_uint_le(small_count(&small, ".wal"), 2);
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_wait_for_spare(&small);
	ck_assert_uint_eq(newest_segment(), first); /* the two of them take turns */
}
END_TEST

/* ---- a log that nobody asks to be durable ---- */

static struct wal_header newest_used_header(void)
{
	struct wal_header ret = { 0 };
	struct store_id id;
	uint64_t number;

	ck_assert_int_eq(identity_read(&small.disk.dir, &id, NULL), KV_OK);
	small_wait_for_spare(&small);
	ck_assert_int_eq(filename_parse(small_newest(&small, ".wal"), &number), FILENAME_WAL);
	while (ret.number == 0 && --number > 0) { /* the newest is made ahead */
		char name[FILENAME_MAX_BYTES];
		struct buf content;

		filename_make(name, FILENAME_WAL, number);
		if (!dir_has(&small.disk.dir, name))
			continue;
		content = disk_read(&small.disk, name);
		ck_assert_int_eq(wal_header_decode(content.data, &id, number, &ret), KV_OK);
		buf_free(&content);
	}
	ck_assert_uint_gt(ret.number, 0);
	return ret;
}

static void put_and_flush(void)
{
	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
}

static void put_durably(const char *key, const char *value)
{
	struct store_batch *batch = store_batch_new(small.store);

	ck_assert_ptr_nonnull(batch);
	store_batch_set_durability(batch, STORE_DURABLE_COMMIT);
	ck_assert_int_eq(store_batch_put(batch, slice_of_string(key), slice_of_string(value), 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
}

START_TEST(a_log_without_syncs_is_left_so_and_its_files_are_new)
{
	static const char *const made[] = { "fallocate 0", NULL };
	static const char *const renamed[] = { "rename 0", NULL };

	small.options.change_log_bytes = 0;
	small_store_open(&small);
	ck_assert(!newest_used_header().prev_unsynced); /* that of the start vouches for what was replayed */
	for (unsigned i = 0; i < 3; i++) {
		fault_fs_record(small.disk.fault, true);
		put_and_flush();
		ck_assert(newest_used_header().prev_unsynced);
		fault_fs_record(small.disk.fault, false);
		ck_assert(fault_fs_in_order(small.disk.fault, made));
		ck_assert(!fault_fs_in_order(small.disk.fault, renamed));
	}
	small_store_crash(&small);
	small_store_open(&small);
	small_expect(&small, "a", "1");
}
END_TEST

START_TEST(a_write_that_asks_vouches_for_the_log_before_it)
{
	small.options.change_log_bytes = 0;
	small_store_open(&small);
	put_and_flush();
	ck_assert_int_eq(small_put(&small, "b", "2"), KV_OK);
	ck_assert(newest_used_header().prev_unsynced);
	put_durably("c", "3");
	ck_assert(!newest_used_header().prev_unsynced);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert(!newest_used_header().prev_unsynced); /* a segment with a sync is synced to its end */
}
END_TEST

struct gate {
	sem_t reached, open;
	atomic_bool passed;
};

/* Holds the flush thread before it makes its first table. */
static void hold_flush(void *arg, enum fault_op op, const char *name)
{
	struct gate *gate = arg;

	if (op != FAULT_OPEN || !strstr(name, ".sst") || atomic_exchange(&gate->passed, true))
		return;
	sem_post(&gate->reached);
	while (sem_wait(&gate->open) != 0)
		;
}

START_TEST(a_write_that_asks_has_synced_what_no_table_has)
{
	char before[40], header[40], group[40], after[40];
	const char *const order[] = { before, header, group, after, NULL };
	struct gate gate = { .passed = false };
	uint64_t old, number;

	small.options.change_log_bytes = 0;
	small_store_open(&small);
	put_and_flush();
	old = newest_used_header().number;
	ck_assert_int_eq(filename_parse(small_newest(&small, ".wal"), &number), FILENAME_WAL);
	ck_assert(sem_init(&gate.reached, 0, 0) == 0 && sem_init(&gate.open, 0, 0) == 0);
	fault_fs_hook(small.disk.fault, hold_flush, &gate);
	for (unsigned i = 0; small_stats(&small).frozen_memtables == 0; i++)
		small_fill(&small, i, i + 1, "value");
	while (sem_wait(&gate.reached) != 0)
		;
	fault_fs_record(small.disk.fault, true);
	put_durably("c", "3");
	snprintf(before, sizeof before, "fdatasync %06" PRIu64 ".wal", old);
	snprintf(header, sizeof header, "pwritev %06" PRIu64 ".wal 0 72", number);
	snprintf(group, sizeof group, "pwritev %06" PRIu64 ".wal", number);
	snprintf(after, sizeof after, "fdatasync %06" PRIu64 ".wal", number);
	ck_assert(fault_fs_in_order(small.disk.fault, order));
	sem_post(&gate.open);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	fault_fs_hook(small.disk.fault, NULL, NULL);
	sem_destroy(&gate.reached);
	sem_destroy(&gate.open);
}
END_TEST

/* The feed reads its segments for long. */
START_TEST(with_a_change_feed_each_segment_is_synced)
{
	small.options.change_log_bytes = 1 << 20;
	small_store_open(&small);
	put_and_flush();
	ck_assert(!newest_used_header().prev_unsynced);
}
END_TEST

/* ---- the log of a store that is left alone ---- */

static int add_wal_bytes(void *arg, const char *name)
{
	uint64_t *bytes = arg;
	struct stat now;

	if (strstr(name, ".wal") && fstatat(small.disk.dir.fd, name, &now, 0) == 0)
		*bytes += (uint64_t)now.st_size;
	return 0;
}

static uint64_t wal_bytes(void)
{
	struct dir dir = small.disk.dir;
	uint64_t bytes = 0;

	dir.fs = &fs_posix; /* no operation that could be failed */
	ck_assert_int_eq(dir_list(&dir, add_wal_bytes, &bytes, NULL), KV_OK);
	return bytes;
}

static bool log_is_small(void)
{
	return wal_bytes() <= 2 << 20 && small_stats(&small).memtable_entries == 0;
}

static bool log_is_large(void)
{
	return wal_bytes() >= 16 << 20;
}

static unsigned key_count;

/* A burst after which a segment of full size is made ahead. */
static void write_burst(void)
{
	small_wait_for_spare(&small);
	fill_long(key_count, key_count + 8000);
	key_count += 8000;
}

static void open_large(void)
{
	key_count = 0;
	small.options.memtable_bytes = 16 << 20;
	small.options.change_log_bytes = 0;
	small_store_open(&small);
}

START_TEST(a_store_that_is_left_alone_gives_its_log_back_and_grows_it_again)
{
	open_large();
	for (unsigned round = 0; round < (RUNNER_STEP == 1 ? 2 : 1); round++) {
		write_burst();
		ck_assert(eventually(log_is_large));
		ck_assert(eventually(log_is_small));
		ck_assert_uint_eq(small_count_keys(&small, NULL), key_count);
	}
	small_store_crash(&small);
	small_store_open(&small);
	ck_assert_uint_eq(small_count_keys(&small, NULL), key_count);
	ck_assert_uint_eq(small_stats(&small).memtable_entries, 0);
}
END_TEST

static bool no_pages_are_kept(void)
{
	return huge_pages_kept() == 0;
}

START_TEST(the_memory_of_a_memtable_is_for_the_next_one_and_goes_when_nobody_writes)
{
	open_large();
	while (!HUGE_PAGES_PLAIN && no_pages_are_kept())
		write_burst();
	ck_assert(eventually(no_pages_are_kept));
	while (!HUGE_PAGES_PLAIN && no_pages_are_kept())
		write_burst();
	ck_assert_uint_eq(small_count_keys(&small, NULL), key_count);
	small_store_crash(&small);
	ck_assert(no_pages_are_kept());
}
END_TEST

/* Whatever it fails at and with what: nothing that was acknowledged is lost, then and at the next start. */
static void fail_a_quiet_store_at(uint64_t nth, int errnum)
{
	uint64_t deadline, failed;

	write_burst();
	ck_assert(eventually(log_is_large));
	failed = fault_fs_failed(small.disk.fault);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_ANY, .nth = nth, .errnum = errnum });
	deadline = clock_monotonic_us() + 60 * 1000000;
	while (!log_is_small() && fault_fs_failed(small.disk.fault) == failed && is_healthy())
		ck_assert_uint_lt(clock_monotonic_us(), deadline);
	fault_fs_heal(small.disk.fault);
	(void)small_put(&small, "later", "1"); /* taken or refused */
	ck_assert_uint_ge(small_count_keys(&small, NULL), key_count);
	small_store_crash(&small);
	small_store_open(&small);
	ck_assert_uint_ge(small_count_keys(&small, NULL), key_count);
	ck_assert_int_eq(small_put(&small, "later", "2"), KV_OK);
}

START_TEST(no_failure_of_a_store_that_is_left_alone_loses_a_write)
{
	bool is_long = getenv("KV_LONG") != NULL;
	uint64_t rnd = runner_seed(), step = is_long ? 1 : 12;

	open_large();
	for (uint64_t nth = is_long ? 1 : 1 + rnd % step; nth <= 60; nth += step) {
		if (key_count > 40000) { /* so that it stays quick */
			small_store_crash(&small);
			teardown();
			setup();
			open_large();
		}
		fail_a_quiet_store_at(nth, nth % 2 ? EIO : ENOSPC);
	}
}
END_TEST

START_TEST(small_writes_that_are_due_a_delay_are_delayed_together)
{
	char value[256];
	uint64_t before;

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	small.options.memtable_bytes = 1 << 20;
	small.options.tunables.compaction_threshold = 64;
	small_store_open(&small);
	for (unsigned i = 0; i < 17; i++) {
		ck_assert_int_eq(small_put(&small, "k", "v"), KV_OK);
		ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	}
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_PWRITEV,
		.name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = ENOMEM });
	ck_assert_int_eq(store_retune(small.store, &(struct store_tunables){ 0, 2, 0 }, NULL), KV_OK);
	before = small_stats(&small).stall_us;
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(small_put(&small, "k", value), KV_OK);
	/* 50 KB at no more than 9 MB/s, but for what is not yet due */
	ck_assert_uint_ge(small_stats(&small).stall_us - before, 3000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flush");
	TCase *tcase = tcase_create("flush");

	tcase_set_timeout(tcase, getenv("KV_LONG") ? 900 : 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_memtable_is_flushed_when_it_is_old);
	tcase_add_test(tcase, the_interval_may_change_while_it_runs);
	tcase_add_test(tcase, what_was_flushed_is_in_the_block_cache);
	tcase_add_test(tcase, a_flushed_table_that_cannot_be_read_is_no_failed_flush);
	tcase_add_test(tcase, segments_and_tables_that_are_not_needed_go_away);
	tcase_add_test(tcase, an_empty_store_has_nothing_to_flush);
	tcase_add_test(tcase, a_full_disk_at_every_step_of_a_flush_is_survived);
	tcase_add_test(tcase, deletes_are_taken_while_the_disk_is_full_and_the_reserve_is_theirs);
	tcase_add_test(tcase, a_batch_with_a_put_is_refused_as_a_whole_while_the_disk_is_full);
	tcase_add_test(tcase, what_is_deleted_on_a_full_disk_gives_its_space_back);
	tcase_add_test(tcase, deletes_are_not_frozen_behind_memory_that_cannot_be_flushed);
	tcase_add_test(tcase, a_disk_stays_full_until_the_reserve_can_be_made_again);
	tcase_add_test(tcase, a_reserve_that_was_copied_as_a_hole_gets_its_blocks);
	tcase_add_test(tcase, a_full_disk_is_left_also_where_nobody_tells_how_much_is_free);
	tcase_add_test(tcase, a_segment_whose_header_failed_is_not_cut_any_more);
	tcase_add_test(tcase, an_io_error_stops_writes_and_loses_nothing);
	tcase_add_test(tcase, a_flush_is_durable_in_the_right_order);
	tcase_add_test(tcase, a_flush_that_runs_out_of_memory_leaves_no_table_behind);
	tcase_add_test(tcase, a_flush_whose_table_cannot_be_read_leaves_none_behind);
	tcase_add_test(tcase, the_short_first_segment_is_left_when_it_is_full_and_the_memtable_goes_on);
	tcase_add_test(tcase, no_failure_on_the_way_to_the_next_segment_loses_a_write);
	tcase_add_test(tcase, a_log_without_syncs_is_left_so_and_its_files_are_new);
	tcase_add_test(tcase, a_write_that_asks_vouches_for_the_log_before_it);
	tcase_add_test(tcase, a_write_that_asks_has_synced_what_no_table_has);
	tcase_add_test(tcase, with_a_change_feed_each_segment_is_synced);
	tcase_add_test(tcase, the_next_segment_is_made_from_the_one_that_a_flush_retires);
	tcase_add_test(tcase, a_store_that_is_left_alone_gives_its_log_back_and_grows_it_again);
	tcase_add_test(tcase, the_memory_of_a_memtable_is_for_the_next_one_and_goes_when_nobody_writes);
	tcase_add_test(tcase, no_failure_of_a_store_that_is_left_alone_loses_a_write);
	tcase_add_test(tcase, small_writes_that_are_due_a_delay_are_delayed_together);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
