/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk that is slow in all it does, limits so tiny that flushes and compactions never come to
 * rest, and more writers than it can take: the store slows them down, and never stands still. Each
 * life of it has other limits and another disk; in between it ends cleanly or not. What was
 * acknowledged is there at the end of each.
 *
 * KV_LONG=1: for KV_SLOW_SECONDS (3600) in all parts together, and no ten seconds may pass without an acknowledged write.
 * Otherwise two short lives, and standing still is what the time limit of the test finds.
 */
#include "base/clock.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	WRITERS = 8,
	KEYS = 60, /* of each writer */
	VALUE_MAX = 6000,
	SHORT_LIVES = 2,
	SHORT_WRITES = 3000 / RUNNER_STEP, /* a life */
	LONG_LIFE_S = 45,
	LONG_S = 3600,
	STILL_MAX_US = 10 * 1000 * 1000,
};

struct writer {
	pthread_t thread;
	struct small_store *small;
	unsigned number;
	uint64_t random;
	unsigned values[KEYS]; /* the newest acknowledged; 0: none */
	unsigned last_value;
	unsigned busy;
	kv_status failed; /* the first status that may not be */
};

static struct small_store small;
static struct writer writers[WRITERS];
static _Atomic uint64_t disk_random;
static unsigned disk_us; /* what an operation takes on average; constant while a store is open */
static _Atomic bool stop;
static _Atomic uint64_t acknowledged, last_us; /* writes, and when the last of them was */

/* ---- the disk ---- */

static void take_time(uint64_t us)
{
	struct timespec time = { .tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000) * 1000 };

	while (nanosleep(&time, &time) != 0)
		;
}

/* Most operations take a little, syncs ten times as much, and one in a hundred of all as much as a
 * disk that has hiccups. */
static void be_slow(void *arg, enum fault_op op, const char *name)
{
	uint64_t random = atomic_fetch_add(&disk_random, UINT64_C(0x9e3779b97f4a7c15)) | 1;
	uint64_t us;

	(void)arg;
	(void)name;
	if (op == FAULT_CLOSE || op == FAULT_SIZE || op == FAULT_SPACE)
		return;
	us = runner_random(&random) % (2 * disk_us + 1);
	if (op == FAULT_FDATASYNC || op == FAULT_FSYNC)
		us *= 10;
	if (runner_random(&random) % 100 == 0)
		us *= 20;
	take_time(us);
}

/* ---- writers ---- */

static struct slice key_of(const struct writer *writer, unsigned key, char text[static 32])
{
	snprintf(text, 32, "w%u-%03u", writer->number, key);
	return slice_of_string(text);
}

static struct slice value_of(
	const struct writer *writer, unsigned key, unsigned value, char text[static VALUE_MAX + 1])
{
	int len = snprintf(text, VALUE_MAX + 1, "%u of %u by %u ", value, key, writer->number);
	size_t bytes = 20 + (size_t)value * 2654435761u % (value % 7 == 0 ? VALUE_MAX - 20 : 300);

	if ((size_t)len < bytes)
		memset(text + len, 'v', bytes - (size_t)len);
	return slice_of(text, (size_t)len < bytes ? bytes : (size_t)len);
}

struct change {
	unsigned key;
	unsigned count; /* keys from there on */
	unsigned value; /* 0: they are deleted */
	bool as_range;
};

static struct change next_change(struct writer *writer)
{
	unsigned kind = (unsigned)(runner_random(&writer->random) % 20);
	struct change change = {
		.key = (unsigned)(runner_random(&writer->random) % KEYS), .count = 1, .value = 0
	};

	change.as_range = kind == 0;
	if (kind == 0 || kind > 14)
		change.count = 1 + (unsigned)(runner_random(&writer->random) % (KEYS - change.key));
	if (kind > 2)
		change.value = ++writer->last_value;
	return change;
}

static kv_status add(
	const struct writer *writer, struct store_batch *batch, const struct change *change)
{
	char key[32], end[32], value[VALUE_MAX + 1];
	kv_status status = KV_OK;

	if (change->as_range)
		return store_batch_delete_range(batch, key_of(writer, change->key, key),
			key_of(writer, change->key + change->count, end));
	for (unsigned k = change->key; k < change->key + change->count && status == KV_OK; k++)
		status = change->value == 0
				 ? store_batch_delete(batch, key_of(writer, k, key), NULL)
				 : store_batch_put(batch, key_of(writer, k, key),
					   value_of(writer, k, change->value, value), 0, NULL);
	return status;
}

static kv_status write_change(struct writer *writer, const struct change *change)
{
	struct store_batch *batch = store_batch_new(writer->small->store);
	kv_status status = batch ? add(writer, batch, change) : KV_NO_MEMORY;

	if (status == KV_OK && runner_random(&writer->random) % 4 == 0)
		store_batch_set_durability(batch, STORE_DURABLE_OS);
	if (status == KV_OK)
		status = store_write(writer->small->store, batch);
	store_batch_free(batch);
	return status;
}

/* A write that is refused because the store is behind is tried again, as a client does. */
static void *write_on(void *arg)
{
	struct writer *writer = arg;

	while (!stop && writer->failed == KV_OK) {
		struct change change = next_change(writer);
		kv_status status;

		while ((status = write_change(writer, &change)) == KV_BUSY && !stop)
			writer->busy++;
		if (status == KV_OK) {
			for (unsigned k = change.key; k < change.key + change.count; k++)
				writer->values[k] = change.value;
			atomic_fetch_add(&acknowledged, 1);
			atomic_store(&last_us, clock_monotonic_us());
		} else if (status != KV_BUSY) {
			writer->failed = status;
		}
	}
	return NULL;
}

static void verify(const struct writer *writer)
{
	char key[32], text[VALUE_MAX + 1];

	for (unsigned k = 0; k < KEYS; k++) {
		struct store_value value;
		struct slice want;
		kv_status status =
			store_get(small.store, NULL, key_of(writer, k, key), &value, NULL);

		if (writer->values[k] == 0) {
			ck_assert_msg(
				status == KV_NOT_FOUND, "%s: %s", key, kv_status_text(status));
			continue;
		}
		ck_assert_msg(status == KV_OK, "%s: %s", key, kv_status_text(status));
		want = value_of(writer, k, writer->values[k], text);
		ck_assert_msg(value.size == want.len &&
				      (value.large || slice_equal(value.value.bytes, want)),
			"%s: not value %u", key, writer->values[k]);
		store_value_release(&value);
	}
}

/* ---- a life ---- */

struct figures {
	uint64_t lives, writes, busy, longest_still_us, flushes, compactions, stall_us;
};

static uint64_t pick(uint64_t *random, uint64_t from, uint64_t to)
{
	return from + runner_random(random) % (to - from + 1);
}

static void choose(uint64_t *random)
{
	static const uint64_t memtable_kib[] = { 64, 128, 512 };

	small.options.memtable_bytes = memtable_kib[pick(random, 0, 2)] * 1024;
	small.options.change_log_bytes = pick(random, 0, 1) * 128 * 1024;
	small.options.large_value_bytes = pick(random, 0, 1) ? 4096 : 1 << 20;
	small.options.compaction_threads = (unsigned)pick(random, 1, 2);
	small.options.open_tables_max = pick(random, 0, 1) ? 16 : 0;
	small.options.durability = pick(random, 0, 1) ? STORE_DURABLE_COMMIT : STORE_DURABLE_OS;
	small.options.tunables.compaction_threshold = (unsigned)pick(random, 2, 6);
	disk_us = (unsigned)(pick(random, 0, 3) == 0 ? pick(random, 1000, 3000)
						     : pick(random, 50, 600));
}

static bool is_over(uint64_t until_us)
{
	struct store_stats stats;

	if (until_us > 0)
		return clock_monotonic_us() >= until_us;
	store_get_stats(small.store, &stats);
	return acknowledged >= SHORT_WRITES && stats.compactions > 0;
}

/* Looks after the writers until the life is over; now and then somebody wants a flush or a
 * compaction. */
static void watch(uint64_t until_us, uint64_t *random, struct figures *figures)
{
	while (!is_over(until_us)) {
		uint64_t last = atomic_load(&last_us), now = clock_monotonic_us();

		if (now > last && now - last > figures->longest_still_us)
			figures->longest_still_us = now - last;
		if (until_us > 0)
			ck_assert_msg(now < last + STILL_MAX_US,
				"no write for 10 seconds: a disk of %u us, seed printed above",
				disk_us);
		for (unsigned i = 0; i < WRITERS; i++)
			if (writers[i].failed != KV_OK)
				return;
		take_time(20 * 1000);
		if (pick(random, 0, 400) == 0)
			ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	}
}

static void live(uint64_t until_us, uint64_t *random, struct figures *figures)
{
	struct store_finish_report report;
	struct store_stats stats;

	choose(random);
	small_store_open(&small);
	fault_fs_hook(small.disk.fault, be_slow, NULL);
	stop = false;
	acknowledged = 0;
	last_us = clock_monotonic_us();
	for (unsigned i = 0; i < WRITERS; i++)
		ck_assert_int_eq(
			pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
	watch(until_us, random, figures);
	stop = true;
	for (unsigned i = 0; i < WRITERS; i++) {
		ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
		ck_assert_msg(writers[i].failed == KV_OK, "a write: %s",
			kv_status_text(writers[i].failed));
	}
	fault_fs_hook(small.disk.fault, NULL, NULL);
	for (unsigned i = 0; i < WRITERS; i++)
		verify(&writers[i]);
	store_get_stats(small.store, &stats);
	figures->lives++;
	figures->writes += acknowledged;
	figures->flushes += stats.flushes;
	figures->compactions += stats.compactions;
	figures->stall_us += stats.stall_us;
	if (pick(random, 0, 1))
		ck_assert_int_eq(store_finish(small.store, &report, NULL), KV_OK);
	small_store_crash(&small);
	small_store_open(&small);
	for (unsigned i = 0; i < WRITERS; i++)
		verify(&writers[i]);
	small_store_crash(&small);
}

START_TEST(a_slow_disk_slows_writers_down_and_stops_nobody)
{
	const char *seconds = getenv("KV_SLOW_SECONDS");
	uint64_t random = runner_seed(), end_us = 0;
	struct figures figures = { 0 };

	if (getenv("KV_LONG"))
		end_us = clock_monotonic_us() +
			 (seconds ? strtoull(seconds, NULL, 10) : LONG_S) * 1000000 / RUNNER_LONG_PARTS;
	disk_random = random;
	small_store_init(&small);
	for (unsigned i = 0; i < WRITERS; i++)
		writers[i] = (struct writer){
			.small = &small, .number = i, .random = runner_random(&random) | 1
		};
	do {
		uint64_t life_end = clock_monotonic_us() + LONG_LIFE_S * UINT64_C(1000000);

		live(end_us == 0 ? 0 : life_end < end_us ? life_end : end_us, &random, &figures);
	} while (end_us == 0 ? figures.lives < SHORT_LIVES : clock_monotonic_us() < end_us);
	for (unsigned i = 0; i < WRITERS; i++)
		figures.busy += writers[i].busy;
	printf("%" PRIu64 " lives, %" PRIu64 " writes, %" PRIu64 " flushes, %" PRIu64
	       " compactions; writers waited %.1f s in all, %" PRIu64
	       " times they were refused; longest time without a write %.2f s\n",
		figures.lives, figures.writes, figures.flushes, figures.compactions,
		(double)figures.stall_us / 1e6, figures.busy,
		(double)figures.longest_still_us / 1e6);
	ck_assert_uint_gt(figures.flushes, 0);
	ck_assert_uint_gt(figures.compactions, 0);
	small_store_done(&small);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slow_disk");
	TCase *tcase = tcase_create("slow_disk");

	tcase_set_timeout(tcase, getenv("KV_LONG") ? 600 : 120);
	tcase_add_loop_test(tcase, a_slow_disk_slows_writers_down_and_stops_nobody, 0, getenv("KV_LONG") ? RUNNER_LONG_PARTS : 1);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
