/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 64 scans that stay open while compactions, a thousand with KV_LONG=1, take the files away from
 * under them: each goes on to see what there was when it was opened, and afterwards all that it
 * held is given back, descriptors and space on the disk.
 */
#include "support/runner.h"
#include "support/small_store.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	THREADS = 8,
	SCANS = 8, /* of each thread */
	KEYS = 40,
	VALUE_BYTES = 1600, /* a round fills a memtable */
	COMPACTIONS = 120,
	COMPACTIONS_LONG = 1000,
};

struct scans {
	pthread_t thread;
	struct store_iter *iters[SCANS];
	unsigned seen[SCANS];     /* entries so far */
	uint8_t rounds[SCANS][8]; /* of the first entry */
	unsigned finished;
	const char *complaint;
};

static struct small_store small;
static struct scans scans[THREADS];
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t next_round = PTHREAD_COND_INITIALIZER;
static uint64_t rounds; /* mu, as the next */
static bool stop;

/* All keys in one batch, with the same number in their values: so whoever sees two numbers in one
 * scan has seen two states. */
static void write_round(uint64_t round)
{
	struct store_batch *batch = store_batch_new(small.store);
	uint8_t value[VALUE_BYTES];
	uint64_t noise = round | 1;
	char key[32];

	memcpy(value, &round, sizeof round);
	for (size_t at = sizeof round; at < sizeof value;
		at += sizeof noise) /* nothing that compresses */
		memcpy(value + at, &(uint64_t){ runner_random(&noise) }, sizeof noise);
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key%06u", i);
		ck_assert_int_eq(store_batch_put(batch, slice_of_string(key),
					 slice_of(value, sizeof value), 0, NULL),
			KV_OK);
	}
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
}

static void tell(bool it_is_over)
{
	pthread_mutex_lock(&mu);
	rounds++;
	stop = it_is_over;
	pthread_cond_broadcast(&next_round);
	pthread_mutex_unlock(&mu);
}

/* Waits for another round than `seen`; whether it was the last. */
static bool wait_for_round(uint64_t *seen)
{
	bool ret;

	pthread_mutex_lock(&mu);
	while (rounds == *seen && !stop)
		pthread_cond_wait(&next_round, &mu);
	*seen = rounds;
	ret = stop;
	pthread_mutex_unlock(&mu);
	return ret;
}

static const char *look(struct scans *own, unsigned n)
{
	struct store_iter *iter = own->iters[n];
	struct slice value = store_iter_value(iter);
	char key[32];

	snprintf(key, sizeof key, "key%06u", own->seen[n]);
	if (!slice_equal(store_iter_key(iter), slice_of_string(key)))
		return "a key that a scan should have seen is not there";
	if (value.len != VALUE_BYTES)
		return "a value of another length";
	if (own->seen[n] == 0)
		memcpy(own->rounds[n], value.data, sizeof own->rounds[n]);
	if (memcmp(own->rounds[n], value.data, sizeof own->rounds[n]) != 0)
		return "a scan saw two states";
	own->seen[n]++;
	return NULL;
}

/* One entry further, or the end and, unless it is over, a new scan; KEYS steps of each of them take
 * many compactions. */
static const char *step(struct scans *own, unsigned n, bool is_over)
{
	if (!own->iters[n]) {
		own->seen[n] = 0;
		if (is_over)
			return NULL;
		if (store_iter_open(small.store, NULL, &own->iters[n], NULL) != KV_OK)
			return "cannot open a scan";
		store_iter_seek_first(own->iters[n]);
	} else if (store_iter_valid(own->iters[n])) {
		store_iter_next(own->iters[n]);
	}
	if (store_iter_status(own->iters[n], NULL) != KV_OK)
		return "a scan failed";
	if (store_iter_valid(own->iters[n]))
		return look(own, n);
	own->iters[n] = store_iter_close(own->iters[n]);
	own->finished++;
	return own->seen[n] == KEYS ? NULL : "a scan ended early";
}

static bool has_open(const struct scans *own)
{
	for (unsigned n = 0; n < SCANS; n++)
		if (own->iters[n])
			return true;
	return false;
}

static void *scan_slowly(void *arg)
{
	struct scans *own = arg;
	uint64_t seen = 0;
	bool is_over = false;

	while (!own->complaint && (!is_over || has_open(own))) {
		for (unsigned n = 0; n < SCANS && !own->complaint; n++)
			own->complaint = step(own, n, is_over);
		is_over = wait_for_round(&seen);
	}
	return NULL;
}

/* Until nothing is to be done any more, and no more files are there than the store has; each of its tables is open. */
static void settle(uint64_t round)
{
	struct store_stats stats;

	write_round(round);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	do {
		ck_assert_int_eq(sched_yield(), 0);
		store_get_stats(small.store, &stats);
	} while (stats.wal_segments != 2 || small_count(&small, ".sst") != small_tables(&small));
	ck_assert_uint_eq(small_count_keys(&small, NULL), KEYS);
}

START_TEST(what_scans_hold_over_many_compactions_is_given_back)
{
	uint64_t compactions = getenv("KV_LONG") ? COMPACTIONS_LONG : COMPACTIONS;
	unsigned descriptors, finished = 0;
	uint64_t round = 1, held;

	small_store_init(&small);
	small.options.durability = STORE_DURABLE_OS;
	small.options.change_log_bytes = 0;
	small.options.tunables.compaction_threshold = 2;
	small_store_open(&small);
	settle(round++);
	descriptors = runner_open_descriptors() - (unsigned)small_tables(&small);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&scans[i].thread, NULL, scan_slowly, &scans[i]), 0);
	while (small_stats(&small).compactions < compactions) {
		write_round(round++);
		tell(false);
	}
	held = small_stats(&small).iterators;
	tell(true);
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(scans[i].thread, NULL), 0);
		ck_assert_msg(!scans[i].complaint, "%s", scans[i].complaint);
		finished += scans[i].finished;
	}
	printf("%u scans over %lu rounds, %lu of them at the end\n", finished, (unsigned long)round,
		(unsigned long)held);
	ck_assert_uint_ge(finished, THREADS * SCANS);
	ck_assert_uint_gt(held, THREADS * SCANS / 2);
	settle(round);
	ck_assert_uint_eq(small_stats(&small).iterators, 0);
	ck_assert_uint_le(small_tables(&small), 8);
	ck_assert_uint_eq(runner_open_descriptors() - small_tables(&small), descriptors);
	small_store_done(&small);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("open_scans");
	TCase *tcase = tcase_create("open_scans");

	tcase_set_timeout(tcase, getenv("KV_LONG") ? 1200 : 120);
	tcase_add_test(tcase, what_scans_hold_over_many_compactions_is_given_back);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
