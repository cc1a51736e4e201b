/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk that is really full: a tmpfs of a few mebibytes, in a mount namespace of the test's own. Needs root; skipped without. KV_LONG=1: 200 cycles
 * of full, delete, written again.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "engine/format.h"
#include "support/runner.h"
#include "support/tempdir.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SKIPPED = 77, VALUE_BYTES = 2000, KEYS_MAX = 100000 };

static char *path;
static struct store *store;
static uint64_t memtable_bytes;
static unsigned written; /* key0 up to here were acknowledged and not deleted */
static char ballast_path[512];

static void print_warning(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	if (level <= LOG_LEVEL_WARNING)
		printf("%s\n", text); /* for the log of a failed test */
}

static kv_status try_open(void)
{
	struct store_options options;
	struct kv_error err = { 0 };
	kv_status status;

	store_options_init(&options);
	options.data_dir = path;
	options.memtable_bytes = memtable_bytes;
	options.block_cache_bytes = 1 << 20;
	options.change_log_bytes = 0;
	options.tunables.flush_interval_s = 0;
	options.event = print_warning;
	status = store_open(&options, &store, &err);
	if (status != KV_OK)
		printf("open: %s %s\n", err.file, err.text);
	return status;
}

static enum store_state state(void)
{
	char reason[512];

	return store_get_state(store, reason, sizeof reason);
}

/* Each key has its own value, which says its number. */
static void make(unsigned i, char key[32], char value[VALUE_BYTES + 1])
{
	uint64_t rnd = i + 1;

	snprintf(key, 32, "key%08u", i);
	for (unsigned at = 0; at < VALUE_BYTES; at++) { /* does not compress */
		rnd = rnd * UINT64_C(6364136223846793005) + 1442695040888963407;
		value[at] = (char)('a' + (rnd >> 59));
	}
	value[VALUE_BYTES] = '\0';
}

static kv_status put(unsigned i)
{
	struct store_batch *batch = store_batch_new(store);
	char key[32], value[VALUE_BYTES + 1];
	kv_status status;

	make(i, key, value);
	ck_assert_ptr_nonnull(batch);
	ck_assert_int_eq(store_batch_put(batch, slice_of_string(key), slice_of_string(value), 0, NULL), KV_OK);
	status = store_write(store, batch);
	store_batch_free(batch);
	return status;
}

static kv_status delete_one(unsigned i)
{
	struct store_batch *batch = store_batch_new(store);
	char key[32], value[VALUE_BYTES + 1];
	kv_status status;

	make(i, key, value);
	ck_assert_ptr_nonnull(batch);
	ck_assert_int_eq(store_batch_delete(batch, slice_of_string(key), NULL), KV_OK);
	status = store_write(store, batch);
	store_batch_free(batch);
	return status;
}

static kv_status delete_all(void)
{
	struct store_batch *batch = store_batch_new(store);
	kv_status status;

	ck_assert_ptr_nonnull(batch);
	ck_assert_int_eq(store_batch_delete_range(batch, slice_of_string("key"), slice_of_string("kez")), KV_OK);
	status = store_write(store, batch);
	store_batch_free(batch);
	return status;
}

static void expect_present(unsigned from, unsigned to)
{
	char key[32], value[VALUE_BYTES + 1];

	for (unsigned i = from; i < to; i++) {
		struct store_value found = { 0 };

		make(i, key, value);
		ck_assert_msg(store_get(store, NULL, slice_of_string(key), &found, NULL) == KV_OK, "key %u of %u", i, to);
		ck_assert(slice_equal(found.value.bytes, slice_of_string(value)));
		store_value_release(&found);
	}
}

/* Writes until the disk is full and stays so for a moment. */
static void fill(void)
{
	kv_status status = KV_OK;

	while (status != KV_NO_SPACE) {
		ck_assert_uint_lt(written, KEYS_MAX);
		status = put(written);
		ck_assert(status == KV_OK || status == KV_NO_SPACE || status == KV_BUSY);
		written += status == KV_OK;
	}
}

static void wait_until_healthy(void)
{
	uint64_t deadline = clock_monotonic_us() + 60 * 1000000;

	while (state() != STORE_HEALTHY && state() != STORE_STALLED) {
		ck_assert_int_ne(state(), STORE_FAILED);
		ck_assert_msg(clock_monotonic_us() < deadline, "the disk stays full");
		ck_assert_int_ge(sched_yield(), 0);
	}
}

/* A delete while the disk is full may have to wait for the thread that makes room for it. */
static void must_delete(kv_status (*some)(unsigned), unsigned i)
{
	uint64_t deadline = clock_monotonic_us() + 60 * 1000000;
	kv_status status;

	while ((status = some ? some(i) : delete_all()) == KV_NO_SPACE || status == KV_BUSY)
		ck_assert_msg(clock_monotonic_us() < deadline, "no delete on a full disk");
	ck_assert_int_eq(status, KV_OK);
}

static void reopen(void)
{
	store = store_close(store);
	ck_assert_int_eq(try_open(), KV_OK);
}

static void begin(const char *size, uint64_t memtable)
{
	char options[64];

	path = tempdir_new();
	snprintf(options, sizeof options, "size=%s,mode=0700", size);
	ck_assert_int_eq(mount("tmpfs", path, "tmpfs", MS_NODEV | MS_NOSUID, options), 0);
	memtable_bytes = memtable;
	written = 0;
	ck_assert_int_eq(try_open(), KV_OK);
}

static void end(void)
{
	store = store_close(store);
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
	tempdir_remove(path);
	path = NULL;
}

/* A store that is opened again before its deletes have given space back takes the disk for a good one, until a write finds it full. */
static void fill_after(bool opened_again)
{
	fill();
	if (opened_again && written <= 100) {
		wait_until_healthy();
		fill();
	}
	ck_assert_uint_gt(written, 100);
}

static void put_first(bool opened_again)
{
	kv_status status = put(0);

	if (opened_again && status == KV_NO_SPACE) {
		wait_until_healthy();
		status = put(0);
	}
	ck_assert_int_eq(status, KV_OK);
	written = 1;
}

static void cycle(unsigned number)
{
	fill_after(number > 0 && number % 3 != 1);
	if (number % 3 == 1)
		reopen();
	expect_present(0, written);
	if (number % 2 == 0)
		must_delete(NULL, 0);
	else
		for (unsigned i = 0; i < written; i++)
			must_delete(delete_one, i);
	if (number % 3 == 2)
		reopen();
	wait_until_healthy();
	put_first(number % 3 != 0);
	expect_present(0, 1);
}

START_TEST(a_full_disk_can_be_freed_by_deletes_again_and_again)
{
	unsigned cycles = getenv("KV_LONG") ? 200 : RUNNER_STEP == 1 ? 6 : 2;

	begin("12m", 1 << 20);
	for (unsigned i = 0; i < cycles; i++)
		cycle(i);
	end();
}
END_TEST

START_TEST(a_disk_smaller_than_a_memtable_takes_writes_until_it_is_full)
{
	begin("16m", 64 << 20);
	for (unsigned i = 0; i < 3; i++)
		cycle(i);
	end();
}
END_TEST

/* Fills what is left of the disk, as somebody else would. */
static void take_the_rest(bool and_more)
{
	static char block[65536];
	FILE *file;

	snprintf(ballast_path, sizeof ballast_path, "%s/somebody-else", path);
	file = fopen(ballast_path, "w");
	ck_assert_ptr_nonnull(file);
	setvbuf(file, NULL, _IONBF, 0);
	for (size_t n = and_more ? sizeof block : 4096; n >= 1; n /= 2)
		while (fwrite(block, 1, n, file) == n)
			;
	fclose(file);
}

START_TEST(a_start_on_a_full_disk_opens_for_reading_and_deletes)
{
	begin("12m", 1 << 20);
	for (; written < 1000; written++)
		ck_assert_int_eq(put(written), KV_OK);
	store = store_close(store);
	take_the_rest(true);
	ck_assert_int_eq(try_open(), KV_OK);
	expect_present(0, written);
	must_delete(delete_one, --written);
	expect_present(0, written);
	reopen();
	expect_present(0, written);
	ck_assert_int_eq(unlink(ballast_path), 0);
	wait_until_healthy();
	ck_assert_int_eq(put(written++), KV_OK);
	expect_present(0, written);
	end();
}
END_TEST

/* Is the newest segment one that nobody has begun? */
static bool has_spare(void)
{
	char newest[32] = "", name[512];
	uint8_t head[WAL_HEADER_BYTES] = { 1 };
	DIR *dir = opendir(path);
	FILE *file;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (strstr(entry->d_name, ".wal") && strcmp(entry->d_name, newest) > 0)
			snprintf(newest, sizeof newest, "%.20s", entry->d_name);
	closedir(dir);
	snprintf(name, sizeof name, "%s/%s", path, newest);
	file = fopen(name, "r");
	if (file) { /* else it has just got another name */
		head[0] = fread(head, 1, sizeof head, file) == sizeof head ? head[0] : 1;
		fclose(file);
	}
	return memcmp(head, (const uint8_t[WAL_HEADER_BYTES]){ 0 }, sizeof head) == 0;
}

/* The flush thread makes one ahead, as soon as it gets to that. */
static void wait_for_spare(void)
{
	uint64_t deadline = clock_monotonic_us() + 60 * 1000000;

	while (!has_spare()) {
		ck_assert_msg(clock_monotonic_us() < deadline, "no segment is made ahead");
		ck_assert_int_ge(sched_yield(), 0);
	}
}

/* Somebody has removed the reserve; but there is a segment of zeros that nobody needs yet. */
START_TEST(a_start_without_a_reserve_takes_the_space_of_the_segment_made_ahead)
{
	char reserve[512];

	begin("12m", 1 << 20);
	for (; written < 100; written++)
		ck_assert_int_eq(put(written), KV_OK);
	wait_for_spare();
	store = store_close(store);
	snprintf(reserve, sizeof reserve, "%s/RESERVE", path);
	ck_assert_int_eq(unlink(reserve), 0);
	take_the_rest(true);
	ck_assert_int_eq(try_open(), KV_OK);
	expect_present(0, written);
	must_delete(delete_one, --written);
	reopen();
	expect_present(0, written);
	ck_assert_int_eq(unlink(ballast_path), 0);
	wait_until_healthy();
	ck_assert_int_eq(put(written++), KV_OK);
	expect_present(0, written);
	end();
}
END_TEST

/* As much is free afterwards. */
static void leave_free(uint64_t bytes)
{
	struct statvfs disk;
	int fd;

	snprintf(ballast_path, sizeof ballast_path, "%s/somebody-else", path);
	fd = open(ballast_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(statvfs(path, &disk), 0);
	ck_assert_int_eq(posix_fallocate(fd, 0, (off_t)(disk.f_bavail * disk.f_bsize - bytes)), 0);
	close(fd);
}

static const struct {
	const char *disk;
	uint64_t memtable_bytes;
	unsigned keys; /* of 2 kB in the log */
	uint64_t left; /* free before the start, which then has what was made ahead as well */
	bool has_reserve;
} starts[] = {
	{ "12m", 1 << 20, 150, 5 << 18, false },
	{ "12m", 1 << 20, 430, 24 << 10, false },
	{ "40m", 4 << 20, 1850, 60 << 10, true },
};

/* New segments of the log took all that was left, and what had been replayed could never be written to a table: the disk stayed full for ever. */
START_TEST(a_start_leaves_room_for_what_it_replayed)
{
	uint64_t deadline = clock_monotonic_us() + 60 * 1000000;
	struct store_stats stats;
	char reserve[512];
	kv_status status;

	begin(starts[_i].disk, starts[_i].memtable_bytes);
	for (; written < starts[_i].keys; written++)
		ck_assert_int_eq(put(written), KV_OK);
	wait_for_spare();
	store = store_close(store);
	snprintf(reserve, sizeof reserve, "%s/RESERVE", path);
	if (!starts[_i].has_reserve)
		ck_assert(unlink(reserve) == 0 || errno == ENOENT);
	leave_free(starts[_i].left);
	ck_assert_int_eq(try_open(), KV_OK);
	ck_assert(access(reserve, F_OK) == 0 || state() == STORE_DISK_FULL); /* it is known before anything is written */
	expect_present(0, written);
	status = put(written);
	ck_assert(status == KV_OK || status == KV_NO_SPACE);
	must_delete(NULL, 0);
	do {
		store_get_stats(store, &stats);
		ck_assert_msg(clock_monotonic_us() < deadline, "memory is not written to a table");
		ck_assert_int_ge(sched_yield(), 0);
	} while (stats.frozen_memtables > 0);
	ck_assert_int_eq(unlink(ballast_path), 0);
	wait_until_healthy();
	written = 0;
	ck_assert_int_eq(put(written++), KV_OK);
	expect_present(0, written);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("full_disk");
	TCase *tcase = tcase_create("full_disk");

	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		puts("skipped: this needs root and a mount namespace of its own");
		return SKIPPED;
	}
	tcase_set_timeout(tcase, getenv("KV_LONG") ? 3600 : 200);
	tcase_add_test(tcase, a_full_disk_can_be_freed_by_deletes_again_and_again);
	tcase_add_test(tcase, a_disk_smaller_than_a_memtable_takes_writes_until_it_is_full);
	tcase_add_test(tcase, a_start_without_a_reserve_takes_the_space_of_the_segment_made_ahead);
	tcase_add_test(tcase, a_start_on_a_full_disk_opens_for_reading_and_deletes);
	tcase_add_loop_test(tcase, a_start_leaves_room_for_what_it_replayed, 0, sizeof starts / sizeof starts[0]);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
