/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sync of the directory fails once, with one of two names waiting for it that is not that of who asked: the kernel tells the error to him alone,
 * and the other name may be lost although the other's own sync then succeeds. Nothing that was acknowledged may be missing after the next power cut.
 */
#include "store/store.h"
#include "support/fault_fs.h"
#include "support/runner.h"
#include "support/sim_disk.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { LARGE_BYTES = 100000 };

static struct sim_disk *disk;
static struct fault_fs *fault;
static struct store *store;
static sem_t reached, go;
static _Atomic bool armed;

static struct store *open_on(const struct fs *fs)
{
	struct store_options options;
	struct kv_error err = { 0 };
	struct store *ret;
	char text[600];

	store_options_init(&options);
	options.data_dir = "/store";
	options.fs = fs;
	options.memtable_bytes = 65536;
	options.large_value_bytes = 4096;
	options.tunables.flush_interval_s = 0;
	options.tunables.scrub_interval_s = 0;
	ck_assert_msg(store_open(&options, &ret, &err) == KV_OK, "%s", kv_error_format(&err, text, sizeof text));
	return ret;
}

static kv_status commit(struct store_batch *batch)
{
	kv_status status = store_write(store, batch);

	store_batch_free(batch);
	return status;
}

static kv_status put(const char *key)
{
	struct store_batch *batch = store_batch_new(store);

	ck_assert_int_eq(store_batch_put(batch, slice_of_string(key), slice_of_string("value"), 0, NULL), KV_OK);
	return commit(batch);
}

/* Its file is there, and its name waits for a sync of the directory. */
static struct store_batch *begin_large(const char *key)
{
	static uint8_t bytes[LARGE_BYTES];
	struct store_batch *batch = store_batch_new(store);
	struct store_upload *upload;

	ck_assert_int_eq(store_upload_new(store, &upload, NULL), KV_OK);
	ck_assert_int_eq(store_upload_append(upload, slice_of(bytes, sizeof bytes), NULL), KV_OK);
	ck_assert_int_eq(store_batch_put_upload(batch, slice_of_string(key), upload, 0, NULL), KV_OK);
	return batch;
}

static void hold_table(void *arg, enum fault_op op, const char *name)
{
	(void)arg;
	if (op != FAULT_FDATASYNC || !strstr(name, ".sst") || !atomic_exchange(&armed, false))
		return;
	sem_post(&reached);
	while (sem_wait(&go) != 0)
		;
}

static void setup(void)
{
	struct store_stats stats;

	disk = sim_disk_new();
	sim_disk_lose_names(disk);
	fault = fault_fs_new(sim_disk_fs(disk));
	sem_init(&reached, 0, 0);
	sem_init(&go, 0, 0);
	store = open_on(fault_fs_fs(fault));
	ck_assert_int_eq(put("settled"), KV_OK);
	ck_assert_int_eq(store_flush(store, NULL), KV_OK);
	do { /* the flush thread has nothing left to do */
		ck_assert_int_eq(sched_yield(), 0);
		store_get_stats(store, &stats);
	} while (stats.wal_segments < 2);
	ck_assert_int_eq(put("acknowledged"), KV_OK);
}

static void teardown(void)
{
	store = store_close(store);
	fault = fault_fs_free(fault);
	disk = sim_disk_free(disk);
}

/* Whatever no sync covers is gone. */
static void cut_the_power(void)
{
	uint64_t random = runner_seed();
	struct sim_disk *after;
	struct sim_step step;
	struct sim_walk *walk;

	fault_fs_hook(fault, NULL, NULL);
	store = store_close(store);
	walk = sim_walk_new(disk);
	while (sim_walk_next(walk, &step))
		;
	after = sim_walk_cut(walk, SIM_LOSE_ALL, &random);
	sim_walk_free(walk);
	sim_disk_free(disk);
	fault_fs_free(fault);
	disk = after;
	fault = fault_fs_new(sim_disk_fs(disk));
	store = open_on(fault_fs_fs(fault));
}

static kv_status look_for(const char *key)
{
	struct store_value value;
	uint8_t byte;
	kv_status status = store_get(store, NULL, slice_of_string(key), &value, NULL);

	if (status == KV_OK && value.large)
		status = store_large_read(value.large, 0, &byte, 1, NULL);
	if (status == KV_OK)
		store_value_release(&value);
	return status;
}

static void expect_failed(void)
{
	char reason[512];

	ck_assert_int_eq(store_get_state(store, reason, sizeof reason), STORE_FAILED);
	ck_assert_ptr_nonnull(strstr(reason, "sync the directory"));
	ck_assert_int_eq(put("later"), KV_IO);
}

static void *flush(void *arg)
{
	*(kv_status *)arg = store_flush(store, NULL);
	return NULL;
}

START_TEST(a_flush_under_way_gives_up_no_log)
{
	struct store_batch *batch;
	kv_status flushed = KV_OK;
	pthread_t thread;

	fault_fs_hook(fault, hold_table, NULL);
	atomic_store(&armed, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, flush, &flushed), 0);
	while (sem_wait(&reached) != 0)
		; /* the flush has made its table, whose name waits */
	batch = begin_large("large");
	sim_disk_fail_sync(disk, 1, "store", EIO);
	ck_assert_int_eq(commit(batch), KV_IO);
	sem_post(&go);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(flushed, KV_IO);
	expect_failed();
	cut_the_power();
	ck_assert_int_eq(look_for("settled"), KV_OK);
	ck_assert_int_eq(look_for("acknowledged"), KV_OK);
	ck_assert_int_eq(look_for("large"), KV_NOT_FOUND);
}
END_TEST

/* With an error that would be a full disk, if it came from a write. */
START_TEST(a_large_value_is_not_acknowledged_by_a_later_sync)
{
	struct store_batch *batch = begin_large("large");

	sim_disk_fail_sync(disk, 1, "store", ENOSPC);
	ck_assert_int_eq(store_flush(store, NULL), KV_IO);
	ck_assert_int_eq(commit(batch), KV_IO);
	expect_failed();
	cut_the_power();
	ck_assert_int_eq(look_for("acknowledged"), KV_OK);
	ck_assert_int_eq(look_for("large"), KV_NOT_FOUND);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("failed_names");
	TCase *tcase = tcase_create("failed_names");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_flush_under_way_gives_up_no_log);
	tcase_add_test(tcase, a_large_value_is_not_acknowledged_by_a_later_sync);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
