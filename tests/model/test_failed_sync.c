/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sync of the log fails once, in the middle of 32 writers, and later ones would "succeed": every N-th sync in turn. The disk behaves as Linux
 * does: what the failed sync was for can be read, but is never written. Each writer that was told OK must find its value after a power cut; the
 * others were told that nothing is known or nothing was written, the file was not synced again, the store takes no more writes, and reads go on.
 */
#include "support/runner.h"
#include "support/sim_disk.h"
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { WRITERS = 32, WRITES = 8, EACH_TO = 20, LONG_TO = 400 };

struct writer {
	pthread_t thread;
	struct store *store;
	unsigned number;
	unsigned acknowledged; /* its newest value; 0: none */
	unsigned begun;        /* as far as one may be there */
	unsigned uncertain, refused;
};

static void options_for(struct sim_disk *disk, struct store_options *ret)
{
	store_options_init(ret);
	ret->data_dir = "/store";
	ret->fs = sim_disk_fs(disk);
	ret->memtable_bytes = 16384;
	ret->block_cache_bytes = 65536;
	ret->tunables.flush_interval_s = 0;
}

static struct store *open_store(struct sim_disk *disk)
{
	struct store_options options;
	struct store *ret;
	struct kv_error err;
	char text[600];

	options_for(disk, &options);
	if (store_open(&options, &ret, &err) != KV_OK)
		ck_abort_msg("%s", kv_error_format(&err, text, sizeof text));
	return ret;
}

static kv_status put(struct store *store, unsigned writer, unsigned value)
{
	struct store_batch *batch = store_batch_new(store);
	char key[16], text[128];
	kv_status status;

	snprintf(key, sizeof key, "w%02u", writer);
	snprintf(text, sizeof text, "%-100u", value);
	if (!batch)
		return KV_NO_MEMORY;
	status = store_batch_put(batch, slice_of_string(key), slice_of_string(text), 0, NULL);
	if (status == KV_OK)
		status = store_write(store, batch);
	store_batch_free(batch);
	return status;
}

/* 0: no such key. */
static unsigned get(struct store *store, unsigned writer)
{
	struct store_value value;
	char key[16];
	kv_status status;
	unsigned ret;

	snprintf(key, sizeof key, "w%02u", writer);
	status = store_get(store, NULL, slice_of_string(key), &value, NULL);
	ck_assert(status == KV_OK || status == KV_NOT_FOUND);
	if (status == KV_NOT_FOUND)
		return 0;
	ck_assert_uint_eq(value.size, 100);
	ret = (unsigned)strtoul((const char *)value.value.bytes.data, NULL, 10);
	store_value_release(&value);
	return ret;
}

static void *write_all(void *arg)
{
	struct writer *w = arg;

	for (unsigned i = 1; i <= WRITES; i++) {
		kv_status status = put(w->store, w->number, i);

		if (status == KV_OK) {
			w->acknowledged = w->begun = i;
			if (w->uncertain + w->refused > 0)
				w->refused = WRITES + 1; /* an OK after a failure: told below */
		} else if (status == KV_UNCERTAIN) {
			w->uncertain++;
			w->begun = i;
		} else {
			w->refused += status == KV_IO ? 1 : WRITES + 1;
		}
	}
	return NULL;
}

/* Before the store ends: what readers see is what was acknowledged. */
static void check_alive(struct sim_disk *disk, struct store *store, const struct writer *writers)
{
	char reason[300];
	uint64_t again;

	if (!sim_disk_sync_failed(disk, &again))
		return; /* so many there were not */
	ck_assert_uint_eq(again, 0);
	ck_assert_int_eq(store_get_state(store, reason, sizeof reason), STORE_FAILED);
	ck_assert_msg(strstr(reason, ".wal at offset ") || strstr(reason, "cannot make a WAL segment: "), "%s", reason);
	ck_assert_ptr_nonnull(strstr(reason, strerror(EIO)));
	ck_assert_int_eq(put(store, 0, WRITES + 1), KV_IO);
	for (unsigned i = 0; i < WRITERS; i++) {
		ck_assert_uint_le(writers[i].refused, WRITES);
		ck_assert_uint_le(writers[i].uncertain, 1);
		ck_assert_uint_eq(get(store, i), writers[i].acknowledged);
	}
	sim_disk_sync_failed(disk, &again);
	ck_assert_uint_eq(again, 0);
}

static void check_after_cut(struct sim_walk *walk, enum sim_loss loss, const struct writer *writers, uint64_t *random)
{
	struct sim_disk *disk = sim_walk_cut(walk, loss, random);
	struct store *store = open_store(disk);

	for (unsigned i = 0; i < WRITERS; i++) {
		unsigned found = get(store, i);

		ck_assert_msg(found >= writers[i].acknowledged && found <= writers[i].begun,
			"writer %u: found %u, acknowledged %u, begun %u", i, found, writers[i].acknowledged, writers[i].begun);
	}
	store_close(store);
	sim_disk_free(disk);
}

/* Takes over both. Whether a sync failed. */
static bool write_and_cut(struct sim_disk *disk, struct store *store, uint64_t *random)
{
	struct writer writers[WRITERS] = { 0 };
	struct sim_walk *walk;
	struct sim_step step;
	uint64_t again;
	bool ret;

	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].store = store;
		writers[i].number = i;
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]), 0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
	check_alive(disk, store, writers);
	store_close(store);
	ret = sim_disk_sync_failed(disk, &again);
	ck_assert_uint_eq(again, 0);
	walk = sim_walk_new(disk);
	while (sim_walk_next(walk, &step))
		;
	for (int loss = 0; loss < SIM_LOSS_COUNT; loss++)
		check_after_cut(walk, (enum sim_loss)loss, writers, random);
	sim_walk_free(walk);
	sim_disk_free(disk);
	return ret;
}

/* Whether there were so many syncs of the log. */
static bool fail_sync(uint64_t nth, uint64_t *random)
{
	struct sim_disk *disk = sim_disk_new();
	struct store *store = open_store(disk);

	sim_disk_fail_sync(disk, nth, ".wal", EIO);
	return write_and_cut(disk, store, random);
}

START_TEST(a_sync_that_fails_once_is_never_acknowledged_and_never_tried_again)
{
	uint64_t random = runner_seed(), failed = 0;
	uint64_t to = getenv("KV_LONG") ? LONG_TO : EACH_TO;

	for (uint64_t nth = 1; nth <= to && fail_sync(nth, &random); nth++)
		failed++;
	printf("syncs of the log failed in turn: %" PRIu64 "\n", failed);
	ck_assert_uint_gt(failed, 5);
}
END_TEST

/* Its first sync is the one of its making, the second that of its header, and then come those of its groups. */
START_TEST(so_is_one_of_the_segment_that_the_log_goes_on_in)
{
	uint64_t random = runner_seed();

	for (uint64_t nth = 1; nth <= 3; nth++) {
		struct sim_disk *disk = sim_disk_new();

		sim_disk_fail_sync(disk, nth, "000002.wal", EIO);
		ck_assert(write_and_cut(disk, open_store(disk), &random));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("failed_sync");
	TCase *tc = tcase_create("failed_sync");

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, a_sync_that_fails_once_is_never_acknowledged_and_never_tried_again);
	tcase_add_test(tc, so_is_one_of_the_segment_that_the_log_goes_on_in);
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
