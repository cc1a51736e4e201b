/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches of the store: checks, increments and touches, decided in the order of the commits. */
#include "base/clock.h"
#include "store/store.h"
#include "support/fault_alloc.h"
#include "support/runner.h"
#include "support/small_store.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct small_store small;

enum { HOUR_MS = 3600 * 1000 };

static void setup(void)
{
	small_store_init(&small);
	small_store_open(&small);
}

static void teardown(void)
{
	small_store_done(&small);
}

static struct slice s(const char *text)
{
	return slice_of_string(text);
}

static struct store_batch *new_batch(void)
{
	struct store_batch *batch = store_batch_new(small.store);

	ck_assert_ptr_nonnull(batch);
	return batch;
}

static void reopen(void)
{
	small_store_crash(&small);
	small_store_open(&small);
}

static uint64_t version_of(const char *key)
{
	struct store_value value;
	uint64_t version;

	if (store_get(small.store, NULL, s(key), &value, NULL) != KV_OK)
		return 0;
	version = value.version;
	store_value_release(&value);
	return version;
}

static uint64_t expiry_of(const char *key)
{
	struct store_value value;
	uint64_t expires;

	ck_assert_int_eq(store_get(small.store, NULL, s(key), &value, NULL), KV_OK);
	expires = value.expires_unix_ms;
	store_value_release(&value);
	return expires;
}

static void put_until(const char *key, const char *value, uint64_t expires_unix_ms)
{
	struct store_batch *batch = new_batch();

	ck_assert_int_eq(store_batch_put(batch, s(key), s(value), expires_unix_ms, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
}

/* ---- checks ---- */

static struct store_condition expecting(enum store_expect expect, uint64_t version)
{
	return (struct store_condition){ .expect = expect, .version = version };
}

static kv_status check_alone(const char *key, struct store_condition condition,
	struct store_outcome *ret)
{
	struct store_batch *batch = new_batch();
	kv_status status;

	ck_assert_int_eq(store_batch_check(batch, s(key), &condition), KV_OK);
	ck_assert_uint_eq(store_batch_count(batch), 1);
	status = store_write(small.store, batch);
	if (status == KV_OK)
		*ret = store_batch_outcome(batch, 0);
	else
		ck_assert_uint_eq(store_batch_failed_index(batch), 0);
	store_batch_free(batch);
	return status;
}

START_TEST(a_batch_of_checks_tells_what_it_found_and_writes_nothing)
{
	struct store_outcome outcome;
	struct store_stats before, after;
	uint64_t version;

	ck_assert_int_eq(small_put(&small, "a", "1"), KV_OK);
	version = version_of("a");
	store_get_stats(small.store, &before);
	ck_assert_int_eq(check_alone("a", expecting(STORE_EXPECT_EXISTS, 0), &outcome), KV_OK);
	ck_assert_uint_eq(outcome.version, version);
	ck_assert(outcome.existed);
	ck_assert_int_eq(check_alone("b", expecting(STORE_EXPECT_ABSENT, 0), &outcome), KV_OK);
	ck_assert_uint_eq(outcome.version, 0);
	ck_assert(!outcome.existed);
	ck_assert_int_eq(check_alone("a", expecting(STORE_EXPECT_VERSION, version), &outcome), KV_OK);
	ck_assert_int_eq(check_alone("a", expecting(STORE_EXPECT_NOTHING, 0), &outcome), KV_OK);
	ck_assert_uint_eq(outcome.version, version);
	ck_assert_int_eq(check_alone("a", expecting(STORE_EXPECT_ABSENT, 0), &outcome), KV_CONDITION);
	ck_assert_int_eq(check_alone("b", expecting(STORE_EXPECT_EXISTS, 0), &outcome), KV_CONDITION);
	ck_assert_int_eq(check_alone("a", expecting(STORE_EXPECT_VERSION, version + 1), &outcome),
		KV_CONDITION);
	store_get_stats(small.store, &after);
	ck_assert_uint_eq(after.wal_bytes_written, before.wal_bytes_written);
	ck_assert_uint_eq(after.last_version, before.last_version);
}
END_TEST

START_TEST(outcomes_and_the_failed_index_count_checks_too)
{
	struct store_batch *batch = new_batch();
	struct store_condition absent = expecting(STORE_EXPECT_ABSENT, 0);
	struct store_condition exists = expecting(STORE_EXPECT_EXISTS, 0);
	uint64_t first;

	ck_assert_int_eq(small_put(&small, "there", "1"), KV_OK);
	first = version_of("there") + 1;
	ck_assert_int_eq(store_batch_put(batch, s("a"), s("1"), 0, NULL), KV_OK);
	ck_assert_int_eq(store_batch_check(batch, s("a"), &exists), KV_OK); /* sees the put before it */
	ck_assert_int_eq(store_batch_check(batch, s("b"), &absent), KV_OK); /* and not the one after */
	ck_assert_int_eq(store_batch_put(batch, s("b"), s("2"), 0, &absent), KV_OK);
	ck_assert_int_eq(store_batch_delete(batch, s("there"), &exists), KV_OK);
	ck_assert_int_eq(store_batch_check(batch, s("there"), &absent), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("c"), s("3"), 0, NULL), KV_OK);
	ck_assert_uint_eq(store_batch_count(batch), 7);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	ck_assert_uint_eq(store_batch_outcome(batch, 0).version, first);
	ck_assert_uint_eq(store_batch_outcome(batch, 1).version, first);
	ck_assert(store_batch_outcome(batch, 1).existed);
	ck_assert_uint_eq(store_batch_outcome(batch, 2).version, 0);
	ck_assert_uint_eq(store_batch_outcome(batch, 3).version, first + 1);
	ck_assert_uint_eq(store_batch_outcome(batch, 4).version, first + 2);
	ck_assert(store_batch_outcome(batch, 4).existed);
	ck_assert_uint_eq(store_batch_outcome(batch, 5).version, 0);
	ck_assert_uint_eq(store_batch_outcome(batch, 6).version, first + 3);
	ck_assert_uint_eq(version_of("b"), first + 1);
	ck_assert_uint_eq(version_of("c"), first + 3);
	small_expect(&small, "there", NULL);

	/* the same once more: "b" is there now */
	ck_assert_int_eq(store_write(small.store, batch), KV_CONDITION);
	ck_assert_uint_eq(store_batch_failed_index(batch), 2);
	ck_assert_int_eq(small_delete(&small, "b"), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_CONDITION);
	ck_assert_uint_eq(store_batch_failed_index(batch), 4);
	store_batch_free(batch);
	small_expect(&small, "b", NULL);
}
END_TEST

START_TEST(checks_of_bad_keys_and_beside_a_transform_are_refused)
{
	struct store_batch *batch = new_batch();
	struct store_condition absent = expecting(STORE_EXPECT_ABSENT, 0);
	static uint8_t long_key[STORE_KEY_MAX + 1];

	ck_assert_int_eq(store_batch_check(batch, s(""), &absent), KV_INVALID);
	ck_assert_int_eq(store_batch_check(batch, slice_of(long_key, sizeof long_key), &absent),
		KV_INVALID);
	ck_assert_int_eq(store_batch_increment(batch, s(""), 1), KV_INVALID);
	ck_assert_int_eq(store_write(small.store, batch), KV_INVALID); /* it is empty */
	ck_assert_int_eq(store_batch_check(batch, s("a"), &absent), KV_OK);
	ck_assert_int_eq(store_batch_increment(batch, s("a"), 1), KV_INVALID);
	ck_assert_int_eq(store_batch_touch(batch, s("a"), 0), KV_INVALID);
	store_batch_free(batch);

	batch = new_batch();
	ck_assert_int_eq(store_batch_increment(batch, s("a"), 1), KV_OK);
	ck_assert_int_eq(store_batch_check(batch, s("a"), &absent), KV_INVALID);
	ck_assert_int_eq(store_batch_put(batch, s("a"), s("1"), 0, NULL), KV_INVALID);
	ck_assert_int_eq(store_batch_delete(batch, s("a"), NULL), KV_INVALID);
	ck_assert_int_eq(store_batch_touch(batch, s("a"), 0), KV_INVALID);
	ck_assert_uint_eq(store_batch_count(batch), 1);
	store_batch_free(batch);
}
END_TEST

/* ---- increments ---- */

static kv_status add(const char *key, int64_t by, struct store_outcome *ret)
{
	struct store_batch *batch = new_batch();
	kv_status status;

	ck_assert_int_eq(store_batch_increment(batch, s(key), by), KV_OK);
	status = store_write(small.store, batch);
	if (status == KV_OK)
		*ret = store_batch_outcome(batch, 0);
	store_batch_free(batch);
	return status;
}

START_TEST(an_increment_counts_from_nothing_and_survives_a_crash)
{
	struct store_outcome outcome = { 0 };

	ck_assert_int_eq(add("n", 5, &outcome), KV_OK);
	ck_assert_int_eq(outcome.number, 5);
	ck_assert_uint_eq(outcome.version, version_of("n"));
	small_expect(&small, "n", "5");
	ck_assert_int_eq(add("n", -7, &outcome), KV_OK);
	ck_assert_int_eq(outcome.number, -2);
	small_expect(&small, "n", "-2");
	reopen();
	small_expect(&small, "n", "-2");
	ck_assert_int_eq(add("n", 0, &outcome), KV_OK);
	ck_assert_int_eq(outcome.number, -2);
	ck_assert_uint_eq(outcome.version, version_of("n"));
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(add("n", 12, &outcome), KV_OK); /* from a table */
	small_expect(&small, "n", "10");
}
END_TEST

START_TEST(an_increment_keeps_the_expiry_and_starts_anew_after_it)
{
	struct store_outcome outcome = { 0 };
	uint64_t expires = clock_wall_ms() + HOUR_MS;

	put_until("n", "41", expires);
	ck_assert_int_eq(add("n", 1, &outcome), KV_OK);
	ck_assert_int_eq(outcome.number, 42);
	ck_assert_uint_eq(outcome.expires_unix_ms, expires);
	ck_assert_uint_eq(expiry_of("n"), expires);
	put_until("n", "41", 1);
	ck_assert_int_eq(add("n", 1, &outcome), KV_OK);
	ck_assert_int_eq(outcome.number, 1);
	ck_assert_uint_eq(outcome.expires_unix_ms, 0);
	ck_assert_uint_eq(expiry_of("n"), 0);
}
END_TEST

START_TEST(what_is_no_number_or_does_not_fit_stays_as_it_is)
{
	static const struct {
		const char *value;
		int64_t by;
		kv_status status;
		const char *after; /* NULL: as before */
	} cases[] = {
		{ "", 1, KV_NOT_NUMBER, NULL },
		{ "-", 1, KV_NOT_NUMBER, NULL },
		{ "+1", 1, KV_NOT_NUMBER, NULL },
		{ " 1", 1, KV_NOT_NUMBER, NULL },
		{ "1 ", 1, KV_NOT_NUMBER, NULL },
		{ "1\n", 1, KV_NOT_NUMBER, NULL },
		{ "0x1", 1, KV_NOT_NUMBER, NULL },
		{ "1.0", 1, KV_NOT_NUMBER, NULL },
		{ "--1", 1, KV_NOT_NUMBER, NULL },
		{ "9223372036854775808", -1, KV_NOT_NUMBER, NULL },
		{ "-9223372036854775809", 1, KV_NOT_NUMBER, NULL },
		{ "9999999999999999999", 1, KV_NOT_NUMBER, NULL },
		{ "00000000000000000001", 1, KV_NOT_NUMBER, NULL },
		{ "0000000000000000001", 1, KV_OK, "2" },
		{ "-0", 1, KV_OK, "1" },
		{ "9223372036854775807", 1, KV_OVERFLOW, NULL },
		{ "9223372036854775806", 1, KV_OK, "9223372036854775807" },
		{ "-9223372036854775808", -1, KV_OVERFLOW, NULL },
		{ "-9223372036854775807", -1, KV_OK, "-9223372036854775808" },
		{ "-9223372036854775808", INT64_MAX, KV_OK, "-1" },
		{ "9223372036854775807", INT64_MIN, KV_OK, "-1" },
		{ "-1", INT64_MIN, KV_OVERFLOW, NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct store_outcome outcome;

		ck_assert_int_eq(small_put(&small, "n", cases[i].value), KV_OK);
		ck_assert_msg(add("n", cases[i].by, &outcome) == cases[i].status, "case %zu", i);
		small_expect(&small, "n", cases[i].after ? cases[i].after : cases[i].value);
	}
}
END_TEST

/* ---- touches ---- */

static kv_status touch(const char *key, uint64_t expires_unix_ms)
{
	struct store_batch *batch = new_batch();
	kv_status status;

	ck_assert_int_eq(store_batch_touch(batch, s(key), expires_unix_ms), KV_OK);
	status = store_write(small.store, batch);
	if (status == KV_OK)
		ck_assert_uint_ne(store_batch_outcome(batch, 0).version, 0);
	store_batch_free(batch);
	return status;
}

START_TEST(a_touch_changes_the_expiry_and_nothing_else)
{
	uint64_t expires = clock_wall_ms() + HOUR_MS;

	ck_assert_int_eq(touch("k", expires), KV_CONDITION);
	ck_assert_int_eq(small_put(&small, "k", "value"), KV_OK);
	ck_assert_int_eq(touch("k", expires), KV_OK);
	ck_assert_uint_eq(expiry_of("k"), expires);
	small_expect(&small, "k", "value");
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(touch("k", expires + 1), KV_OK);
	reopen();
	ck_assert_uint_eq(expiry_of("k"), expires + 1);
	ck_assert_int_eq(touch("k", 0), KV_OK);
	ck_assert_uint_eq(expiry_of("k"), 0);
	small_expect(&small, "k", "value");
	ck_assert_int_eq(touch("k", 1), KV_OK); /* a time that has passed: gone */
	small_expect(&small, "k", NULL);
	ck_assert_int_eq(touch("k", 0), KV_CONDITION);
	reopen();
	small_expect(&small, "k", NULL);
}
END_TEST

/* A value with a file of its own. */
static void upload(const char *key, struct slice value)
{
	struct store_batch *batch = new_batch();
	struct store_upload *upload;

	ck_assert_int_eq(store_upload_new(small.store, &upload, NULL), KV_OK);
	ck_assert_int_eq(store_upload_append(upload, value, NULL), KV_OK);
	ck_assert_int_eq(store_batch_put_upload(batch, s(key), upload, 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
}

static void expect_large(const char *key, struct slice want)
{
	struct store_value value;
	uint8_t *got = malloc(want.len);

	ck_assert_int_eq(store_get(small.store, NULL, s(key), &value, NULL), KV_OK);
	ck_assert_ptr_nonnull(value.large);
	ck_assert_uint_eq(value.size, want.len);
	ck_assert_int_eq(store_large_read(value.large, 0, got, want.len, NULL), KV_OK);
	ck_assert(slice_equal(slice_of(got, want.len), want));
	store_value_release(&value);
	free(got);
}

START_TEST(a_touched_large_value_stays_what_it_was)
{
	enum { SIZE = 200000 };
	uint8_t *bytes = calloc(1, SIZE);
	struct slice value = slice_of(bytes, SIZE);
	uint64_t expires = clock_wall_ms() + HOUR_MS;
	struct store_outcome outcome;

	for (unsigned i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	upload("big", value);
	ck_assert_int_eq(add("big", 1, &outcome), KV_NOT_NUMBER);
	ck_assert_int_eq(touch("big", expires), KV_OK);
	ck_assert_uint_eq(expiry_of("big"), expires);
	expect_large("big", value);
	reopen();
	expect_large("big", value);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	ck_assert_int_eq(touch("big", expires + 1), KV_OK); /* from a table */
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK); /* the older pointers go */
	ck_assert_int_eq(touch("big", 0), KV_OK);
	ck_assert_int_eq(store_compact(small.store, NULL), KV_OK);
	reopen();
	ck_assert_uint_eq(expiry_of("big"), 0);
	expect_large("big", value);
	ck_assert_int_eq(touch("big", 1), KV_OK);
	ck_assert_int_eq(touch("big", 0), KV_CONDITION);
	free(bytes);
}
END_TEST

/* ---- one group ---- */

/* Holds the sync of one group, so that what is submitted meanwhile becomes the next one. */
struct gate {
	sem_t reached, open;
	_Atomic bool armed;
};

static struct gate gate;

static void wait_at_gate(void *arg, enum fault_op op, const char *name)
{
	(void)arg;
	if (op != FAULT_FDATASYNC || !strstr(name, ".wal") || !atomic_exchange(&gate.armed, false))
		return;
	sem_post(&gate.reached);
	while (sem_wait(&gate.open) != 0)
		;
}

static void await(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		;
}

enum { SUBMITTED_MAX = 80 };

struct submitted {
	struct store_batch *batch;
	kv_status status;
};

static struct submitted submitted[SUBMITTED_MAX];
static sem_t submitted_done;

static void keep(struct store_batch *batch, kv_status status, void *arg)
{
	struct submitted *to = arg;

	(void)batch;
	to->status = status;
	sem_post(&submitted_done);
}

static void close_gate(void)
{
	sem_init(&submitted_done, 0, 0);
	sem_init(&gate.reached, 0, 0);
	sem_init(&gate.open, 0, 0);
	/* no sync but that of the group: the next segment has been made ahead and is in the MANIFEST */
	small_wait_for_spare(&small);
	ck_assert_int_eq(small_put(&small, "settled", "1"), KV_OK);
	gate.armed = true;
	fault_fs_hook(small.disk.fault, wait_at_gate, NULL);
	submitted[0].batch = new_batch();
	ck_assert_int_eq(store_batch_put(submitted[0].batch, s("gate"), s(""), 0, NULL), KV_OK);
	store_submit(small.store, submitted[0].batch, keep, &submitted[0]);
	await(&gate.reached);
}

static void submit_all(size_t count)
{
	for (size_t i = 1; i <= count; i++)
		store_submit(small.store, submitted[i].batch, keep, &submitted[i]);
	sem_post(&gate.open);
	for (size_t i = 0; i <= count; i++)
		await(&submitted_done);
	fault_fs_hook(small.disk.fault, NULL, NULL);
}

static void free_submitted(size_t count)
{
	for (size_t i = 0; i <= count; i++)
		submitted[i].batch = store_batch_free(submitted[i].batch);
}

static struct store_batch *make_increment(const char *key, int64_t by)
{
	struct store_batch *batch = new_batch();

	ck_assert_int_eq(store_batch_increment(batch, s(key), by), KV_OK);
	return batch;
}

static struct store_batch *make_check(const char *key, enum store_expect expect)
{
	struct store_batch *batch = new_batch();
	struct store_condition condition = { .expect = expect };

	ck_assert_int_eq(store_batch_check(batch, s(key), &condition), KV_OK);
	return batch;
}

START_TEST(writes_of_one_group_see_each_other_in_their_order)
{
	close_gate();
	submitted[1].batch = make_check("n", STORE_EXPECT_EXISTS); /* not yet */
	submitted[2].batch = make_increment("n", 3);
	submitted[3].batch = make_check("n", STORE_EXPECT_EXISTS);
	submitted[4].batch = make_increment("n", 4);
	submitted[5].batch = make_increment("gate", 1); /* holds the empty text */
	submitted[6].batch = make_increment("n", INT64_MAX);
	submitted[7].batch = make_increment("n", 1);
	submit_all(7);
	ck_assert_int_eq(submitted[1].status, KV_CONDITION);
	ck_assert_int_eq(submitted[2].status, KV_OK);
	ck_assert_int_eq(submitted[3].status, KV_OK);
	ck_assert_uint_eq(store_batch_outcome(submitted[3].batch, 0).version,
		store_batch_outcome(submitted[2].batch, 0).version);
	ck_assert_int_eq(store_batch_outcome(submitted[4].batch, 0).number, 7);
	ck_assert_int_eq(submitted[5].status, KV_NOT_NUMBER);
	ck_assert_int_eq(submitted[6].status, KV_OVERFLOW);
	ck_assert_int_eq(store_batch_outcome(submitted[7].batch, 0).number, 8);
	free_submitted(7);
	small_expect(&small, "n", "8");
	reopen();
	small_expect(&small, "n", "8");
}
END_TEST

START_TEST(a_range_delete_of_the_group_is_seen_by_those_after_it)
{
	struct store_batch *ranges = new_batch();

	ck_assert_int_eq(small_put(&small, "n", "40"), KV_OK);
	ck_assert_int_eq(small_put(&small, "t", "1"), KV_OK);
	close_gate();
	submitted[1].batch = make_increment("n", 1);
	submitted[2].batch = ranges;
	ck_assert_int_eq(store_batch_delete_range(ranges, s("n"), s("u")), KV_OK);
	submitted[3].batch = make_check("t", STORE_EXPECT_EXISTS);
	submitted[4].batch = make_increment("n", 5);
	submitted[5].batch = new_batch();
	ck_assert_int_eq(store_batch_touch(submitted[5].batch, s("t"), 0), KV_OK);
	submit_all(5);
	ck_assert_int_eq(store_batch_outcome(submitted[1].batch, 0).number, 41);
	ck_assert_int_eq(submitted[2].status, KV_OK);
	ck_assert_int_eq(submitted[3].status, KV_CONDITION);
	ck_assert_int_eq(store_batch_outcome(submitted[4].batch, 0).number, 5);
	ck_assert_int_eq(submitted[5].status, KV_CONDITION);
	free_submitted(5);
	small_expect(&small, "n", "5");
}
END_TEST

START_TEST(who_only_looked_into_a_group_shares_its_failure)
{
	close_gate();
	submitted[1].batch = make_increment("n", 3);
	submitted[2].batch = make_check("n", STORE_EXPECT_EXISTS);
	submitted[3].batch = make_increment("gate", 1);
	submitted[4].batch = make_check("n", STORE_EXPECT_ABSENT);
	fault_fs_add(small.disk.fault, (struct fault_rule){ .op = FAULT_FDATASYNC,
		.name_part = ".wal", .nth = 1, .errnum = EIO });
	submit_all(4);
	ck_assert_int_eq(submitted[1].status, KV_UNCERTAIN);
	for (unsigned i = 2; i <= 4; i++)
		ck_assert_int_eq(submitted[i].status, KV_IO);
	free_submitted(4);
	small_expect(&small, "n", NULL);
}
END_TEST

START_TEST(touches_of_much_data_wait_for_another_group_instead_of_making_one_without_end)
{
	enum { VALUE = 8 << 20, TOUCHES = 12 };
	uint8_t *value = calloc(1, VALUE);
	struct store_batch *batch;
	uint64_t expires = clock_wall_ms() + HOUR_MS;
	struct store_stats before, after;

	small_store_crash(&small);
	small.options.large_value_bytes = VALUE + 1; /* no files of their own */
	small_store_open(&small);
	batch = new_batch();
	ck_assert_int_eq(store_batch_put(batch, s("big"), slice_of(value, VALUE), 0, NULL), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	store_batch_free(batch);
	free(value);
	/* the gate is for the commit, not for the making of the next segment */
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_wait_for_spare(&small);
	store_get_stats(small.store, &before);
	close_gate();
	for (unsigned i = 1; i <= TOUCHES; i++) {
		submitted[i].batch = new_batch();
		ck_assert_int_eq(store_batch_touch(submitted[i].batch, s("big"), expires + i), KV_OK);
	}
	submit_all(TOUCHES);
	store_get_stats(small.store, &after);
	for (unsigned i = 1; i <= TOUCHES; i++) {
		ck_assert_int_eq(submitted[i].status, KV_OK);
		ck_assert_uint_eq(store_batch_outcome(submitted[i].batch, 0).version, before.last_version + 2 + i);
	}
	free_submitted(TOUCHES);
	ck_assert_uint_ge(after.commit_groups - before.commit_groups, 2 + 2); /* of the gate, and of these */
	ck_assert_uint_eq(expiry_of("big"), expires + TOUCHES);
	reopen();
	ck_assert_uint_eq(expiry_of("big"), expires + TOUCHES);
}
END_TEST

/* ---- races ---- */

enum { RACERS = 8, ROUNDS = 400 };

static void *count_up(void *arg)
{
	struct store_batch *batch;
	(void)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		batch = store_batch_new(small.store);
		if (store_batch_increment(batch, s("n"), 1) != KV_OK ||
			store_write(small.store, batch) != KV_OK)
			abort();
		store_batch_free(batch);
	}
	return NULL;
}

static void race(void *(*run)(void *))
{
	pthread_t threads[RACERS];

	for (unsigned i = 0; i < RACERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run, NULL), 0);
	for (unsigned i = 0; i < RACERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

START_TEST(no_increment_of_racing_threads_is_lost)
{
	char want[32];

	race(count_up);
	snprintf(want, sizeof want, "%d", RACERS * ROUNDS);
	small_expect(&small, "n", want);
	reopen();
	small_expect(&small, "n", want);
}
END_TEST

static pthread_barrier_t barrier;
static _Atomic unsigned winners;
static _Atomic unsigned bad_rounds;
static _Atomic uint64_t round_version;

/* All take the version of the round; whoever wins brings that of the next one. */
static void *compare_and_swap(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct store_batch *batch = store_batch_new(small.store);
		struct store_condition same = { .expect = STORE_EXPECT_VERSION };
		kv_status status;
		bool is_last = pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;

		same.version = atomic_load(&round_version);
		if (is_last)
			winners = 0;
		pthread_barrier_wait(&barrier);
		status = store_batch_put(batch, s("n"), s("x"), 0, &same);
		if (status == KV_OK)
			status = store_write(small.store, batch);
		if (status == KV_OK) {
			winners++;
			atomic_store(&round_version, store_batch_outcome(batch, 0).version);
		} else if (status != KV_CONDITION) {
			bad_rounds++;
		}
		store_batch_free(batch);
		is_last = pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
		if (is_last && winners != 1)
			bad_rounds++;
	}
	return NULL;
}

START_TEST(exactly_one_of_those_who_compare_and_swap_wins_each_round)
{
	ck_assert_int_eq(small_put(&small, "n", "0"), KV_OK);
	round_version = version_of("n");
	ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, RACERS), 0);
	race(compare_and_swap);
	pthread_barrier_destroy(&barrier);
	ck_assert_uint_eq(bad_rounds, 0);
	ck_assert_uint_eq(version_of("n"), round_version);
}
END_TEST

/* ---- no memory ---- */

/* Builds and commits; what it did and found is in `ret`. */
typedef kv_status (*attempt)(uint64_t *ret_version);

static kv_status attempt_increment(uint64_t *ret_version)
{
	struct store_batch *batch = store_batch_new(small.store);
	kv_status status = batch ? store_batch_increment(batch, s("n"), 1) : KV_NO_MEMORY;

	if (status == KV_OK)
		status = store_write(small.store, batch);
	if (status == KV_OK)
		*ret_version = store_batch_outcome(batch, 0).version;
	store_batch_free(batch);
	return status;
}

static kv_status attempt_touch(uint64_t *ret_version)
{
	struct store_batch *batch = store_batch_new(small.store);
	kv_status status = batch ? store_batch_touch(batch, s("n"), UINT64_MAX) : KV_NO_MEMORY;

	if (status == KV_OK)
		status = store_write(small.store, batch);
	if (status == KV_OK)
		*ret_version = store_batch_outcome(batch, 0).version;
	store_batch_free(batch);
	return status;
}

static kv_status attempt_checks(uint64_t *ret_version)
{
	struct store_batch *batch = store_batch_new(small.store);
	struct store_condition exists = { .expect = STORE_EXPECT_EXISTS };
	kv_status status = batch ? KV_OK : KV_NO_MEMORY;

	for (unsigned i = 0; i < 5 && status == KV_OK; i++)
		status = store_batch_check(batch, s("n"), &exists);
	if (status == KV_OK)
		status = store_batch_put(batch, s("n"), s("7"), 0, &exists);
	if (status == KV_OK)
		status = store_write(small.store, batch);
	if (status == KV_OK)
		*ret_version = store_batch_outcome(batch, 5).version;
	store_batch_free(batch);
	return status;
}

static void fail_every_allocation(attempt run)
{
	ck_assert_int_eq(small_put(&small, "n", "7"), KV_OK);
	for (uint64_t nth = 1;; nth++) {
		uint64_t before = version_of("n"), version = 0;
		uint64_t failed;
		kv_status status;

		fault_alloc_fail(nth, false);
		status = run(&version);
		failed = fault_alloc_failed();
		fault_alloc_fail(0, false);
		/* another thread of the store may have had the one that failed */
		if (status == KV_OK) {
			ck_assert_uint_eq(version_of("n"), version);
			if (failed == 0)
				break;
		} else {
			ck_assert_int_eq(status, KV_NO_MEMORY);
			ck_assert_uint_eq(version_of("n"), before);
		}
	}
}

START_TEST(without_memory_nothing_of_a_batch_is_there)
{
	static const attempt attempts[] = { attempt_increment, attempt_touch, attempt_checks };

	fail_every_allocation(attempts[_i]);
}
END_TEST

/* ---- damage ---- */

/* A table with these keys whose data cannot be read. */
static void damage(const char *const keys[], size_t count)
{
	char name[64];

	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(small_put(&small, keys[i], "old"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	snprintf(name, sizeof name, "%s", small_newest(&small, ".sst"));
	small_store_crash(&small);
	disk_patch(&small.disk, name, 5, s("!"));
	small_store_open(&small);
}

static kv_status write_one(const char *key, const char *value, struct store_condition condition, bool *ret_existed)
{
	struct store_batch *batch = new_batch();
	kv_status status;

	ck_assert_int_eq(value ? store_batch_put(batch, s(key), s(value), 0, &condition) :
		store_batch_delete(batch, s(key), &condition), KV_OK);
	status = store_write(small.store, batch);
	if (status == KV_OK) {
		*ret_existed = store_batch_outcome(batch, 0).existed;
	} else if (status == KV_CORRUPT || status == KV_IO) {
		ck_assert_ptr_nonnull(store_batch_error(batch));
		ck_assert_int_eq(store_batch_error(batch)->status, status);
		ck_assert_ptr_nonnull(strstr(store_batch_error(batch)->file, ".sst"));
		ck_assert(store_batch_error(batch)->has_offset);
	}
	store_batch_free(batch);
	return status;
}

/* Who asks for a value that is damaged is told so, with the place; who replaces or deletes it, whatever it is, need not know it. */
START_TEST(what_is_damaged_can_be_replaced_and_deleted_but_not_judged)
{
	static const char *const keys[] = { "a", "b", "c", "d" };
	struct store_condition asks = { .want_existed = true };
	struct store_outcome outcome;
	bool existed = false;

	damage(keys, 4);
	ck_assert_int_eq(write_one("a", "new", expecting(STORE_EXPECT_EXISTS, 0), &existed), KV_CORRUPT);
	ck_assert_int_eq(write_one("a", "new", expecting(STORE_EXPECT_ABSENT, 0), &existed), KV_CORRUPT);
	ck_assert_int_eq(write_one("a", "new", expecting(STORE_EXPECT_VERSION, 1), &existed), KV_CORRUPT);
	ck_assert_int_eq(check_alone("a", expecting(STORE_EXPECT_NOT_ABSENT, 0), &outcome), KV_CORRUPT);
	ck_assert_int_eq(write_one("a", "new", asks, &existed), KV_OK);
	ck_assert(existed);
	ck_assert_int_eq(write_one("b", NULL, asks, &existed), KV_OK);
	ck_assert(existed);
	ck_assert_int_eq(write_one("c", NULL, expecting(STORE_EXPECT_NOT_ABSENT, 0), &existed), KV_OK);
	ck_assert(existed);
	for (unsigned i = 0; i < 2; i++) {
		small_expect(&small, "a", "new");
		small_expect(&small, "b", NULL);
		small_expect(&small, "c", NULL);
		ck_assert_int_eq(write_one("d", "new", expecting(STORE_EXPECT_EXISTS, 0), &existed), KV_CORRUPT);
		reopen();
	}
	/* beside damage, what is not there is not there */
	ck_assert_int_eq(write_one("e", NULL, expecting(STORE_EXPECT_NOT_ABSENT, 0), &existed), KV_CONDITION);
	ck_assert_int_eq(write_one("a", "newer", expecting(STORE_EXPECT_NOT_ABSENT, 0), &existed), KV_OK);
	ck_assert(existed);
}
END_TEST

/* Whoever meets damage tells it, also who need not know it. */
START_TEST(damage_that_a_write_meets_is_counted)
{
	static const char *const keys[] = { "a", "b" };
	struct store_condition asks = { .want_existed = true };
	bool existed;

	damage(keys, 2);
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 0);
	ck_assert_int_eq(_i ? write_one("a", "new", asks, &existed) :
		write_one("a", "new", expecting(STORE_EXPECT_EXISTS, 0), &existed), _i ? KV_OK : KV_CORRUPT);
	ck_assert_uint_eq(small_stats(&small).damaged_tables, 1);
}
END_TEST

/* A disk that cannot read there is no failure of the store, and no obstacle to who replaces or deletes. */
START_TEST(what_the_disk_cannot_read_can_be_replaced_and_deleted)
{
	struct store_condition asks = { .want_existed = true };
	char reason[200];
	bool existed = false;

	for (const char *key = "abc"; *key; key++)
		ck_assert_int_eq(small_put(&small, (char[]){ *key, '\0' }, "old"), KV_OK);
	ck_assert_int_eq(store_flush(small.store, NULL), KV_OK);
	small_store_crash(&small);
	small_store_open(&small);
	fault_fs_add(small.disk.fault, (struct fault_rule){
		.op = FAULT_PREAD, .name_part = ".sst", .nth = 1, .from_then_on = true, .errnum = EIO });
	ck_assert_int_eq(write_one("a", "new", expecting(STORE_EXPECT_EXISTS, 0), &existed), KV_IO);
	ck_assert_int_eq(write_one("a", "new", asks, &existed), KV_OK);
	ck_assert(existed);
	ck_assert_int_eq(write_one("b", NULL, expecting(STORE_EXPECT_NOT_ABSENT, 0), &existed), KV_OK);
	ck_assert(existed);
	ck_assert_int_eq(store_get_state(small.store, reason, sizeof reason), STORE_HEALTHY);
	ck_assert_uint_gt(fault_fs_failed(small.disk.fault), 0);
	fault_fs_heal(small.disk.fault);
	small_expect(&small, "a", "new");
	small_expect(&small, "b", NULL);
	small_expect(&small, "c", "old");
}
END_TEST

/* In the same group a later condition sees what replaced the damage. */
START_TEST(what_replaces_damage_is_seen_by_its_own_batch)
{
	static const char *const keys[] = { "a", "b" };
	struct store_condition asks = { .want_existed = true }, exists = expecting(STORE_EXPECT_EXISTS, 0);
	struct store_batch *batch;

	damage(keys, 2);
	batch = new_batch();
	ck_assert_int_eq(store_batch_put(batch, s("a"), s("1"), 0, &asks), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("a"), s("2"), 0, &exists), KV_OK);
	ck_assert_int_eq(store_batch_delete(batch, s("b"), &asks), KV_OK);
	ck_assert_int_eq(store_batch_put(batch, s("b"), s("3"), 0, &asks), KV_OK);
	ck_assert_int_eq(store_write(small.store, batch), KV_OK);
	ck_assert(store_batch_outcome(batch, 0).existed);
	ck_assert(store_batch_outcome(batch, 1).existed);
	ck_assert(store_batch_outcome(batch, 2).existed);
	ck_assert(!store_batch_outcome(batch, 3).existed);
	store_batch_free(batch);
	small_expect(&small, "a", "2");
	small_expect(&small, "b", "3");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lsm_batch");
	TCase *tcase = tcase_create("lsm_batch");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_batch_of_checks_tells_what_it_found_and_writes_nothing);
	tcase_add_test(tcase, outcomes_and_the_failed_index_count_checks_too);
	tcase_add_test(tcase, checks_of_bad_keys_and_beside_a_transform_are_refused);
	tcase_add_test(tcase, an_increment_counts_from_nothing_and_survives_a_crash);
	tcase_add_test(tcase, an_increment_keeps_the_expiry_and_starts_anew_after_it);
	tcase_add_test(tcase, what_is_no_number_or_does_not_fit_stays_as_it_is);
	tcase_add_test(tcase, a_touch_changes_the_expiry_and_nothing_else);
	tcase_add_test(tcase, a_touched_large_value_stays_what_it_was);
	tcase_add_test(tcase, writes_of_one_group_see_each_other_in_their_order);
	tcase_add_test(tcase, a_range_delete_of_the_group_is_seen_by_those_after_it);
	tcase_add_test(tcase, who_only_looked_into_a_group_shares_its_failure);
	tcase_add_test(tcase, touches_of_much_data_wait_for_another_group_instead_of_making_one_without_end);
	tcase_add_test(tcase, no_increment_of_racing_threads_is_lost);
	tcase_add_test(tcase, exactly_one_of_those_who_compare_and_swap_wins_each_round);
	tcase_add_test(tcase, what_is_damaged_can_be_replaced_and_deleted_but_not_judged);
	tcase_add_loop_test(tcase, damage_that_a_write_meets_is_counted, 0, 2);
	tcase_add_test(tcase, what_the_disk_cannot_read_can_be_replaced_and_deleted);
	tcase_add_test(tcase, what_replaces_damage_is_seen_by_its_own_batch);
	tcase_add_loop_test(tcase, without_memory_nothing_of_a_batch_is_there, 0, 3);
	suite_add_tcase(suite, tcase);
	return runner_run(suite);
}
