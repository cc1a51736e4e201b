/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store against the model: random batches with conditions, expiry and range deletes, reads, snapshots, iterators that stay open,
 * flushes, compactions, new settings, and ends of both kinds (store_finish, or just closing, after which the WAL is
 * replayed); with limits so tiny that everything happens all the time. The whole content is compared after each flush,
 * compaction and reopening.
 *
 * KV_MODEL_OPS: operations in all, more by default with KV_LONG (a store lives for OPS_PER_LIFE of them, the next one is new). KV_TEST_SEED repeats a run, as far as
 * the timing of the store's threads lets it.
 *
 * The clock runs while we look: where the answer depends on something that expired between the times before and after a
 * call, we look again.
 */
#include "base/clock.h"
#include "base/decimal.h"
#include "model/model_check.h"
#include "store/store.h"
#include "support/runner.h"

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	OPS_PER_LIFE = 2500,
	OPS_DEFAULT = 7500,
	OPS_LONG = 500000,
	KEYS = 1000,
	BRIEF_KEYS = 40, /* the first ones: their values may expire soon, and they have no conditions */
	BATCH_MAX = 8,
	IN_FLIGHT_MAX = 6,
	SNAPSHOTS = 4,
	ITERATORS = 3,
	FAR_MS = 3600 * 1000,
	VALUE_MAX = 24000,
	LARGE = 4096, /* from here on a value has a file of its own */
};

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("operation %lu: %s", w.operation, #condition);                \
	} while (0)

struct operation {
	struct slice key; /* of w.keys; of a range: its start, may be empty */
	bool is_delete;
	bool is_range;
	bool is_check;
	struct buf end;   /* of a range; empty: no bound */
	struct buf value;
	uint64_t expires_unix_ms;
	bool has_condition;
	struct store_condition condition;
};

/* A batch of several operations, or of one that changes the value before. */
enum transform { TRANSFORM_NONE, TRANSFORM_TOUCH, TRANSFORM_INCREMENT };

struct flight {
	struct store_batch *batch;
	enum transform transform;
	int64_t by; /* of an increment */
	struct operation operations[BATCH_MAX];
	size_t count;
	kv_status status;
};

struct held_snapshot {
	struct store_snapshot *snapshot; /* NULL: a free place */
	uint64_t at;
};

struct held_iter {
	struct store_iter *iter; /* NULL: a free place */
	uint64_t at;
	uint64_t now_unix_ms;
	struct buf key; /* where it stands */
	bool valid;
};

static struct world {
	uint64_t rnd;
	unsigned long operation;
	char *path;
	struct store *store;
	struct model *model;
	uint64_t last_version;
	struct buf keys[KEYS];
	struct held_snapshot snapshots[SNAPSHOTS];
	struct held_iter iters[ITERATORS];
	sem_t landed;
	uint64_t busy, conditions_failed, reopenings, compactions, flushes, range_deletes, transforms;
	uint64_t compactions_seen; /* of the store that is open; after which everything was scanned */
	uint64_t scans_after;
} w;

static uint64_t below(uint64_t n)
{
	return (runner_random(&w.rnd) >> 20) % n;
}

static void check_status(kv_status status, const struct kv_error *err)
{
	char text[600];

	if (status != KV_OK)
		ck_abort_msg("operation %lu: %s", w.operation, kv_error_format(err, text, sizeof text));
}

/* ---- keys and values ---- */

static void make_keys(void)
{
	static const uint8_t alphabet[6] = { 0x00, 0x01, 'a', 'b', 0x80, 0xff };

	for (size_t i = 0; i < KEYS; i++) {
		size_t len = 1 + below(i % 50 == 49 ? STORE_KEY_MAX : i % 3 == 0 ? 5 : 24), same = 0;

		CHECK(buf_reserve(&w.keys[i], len) == KV_OK);
		for (size_t k = 0; k < len; k++)
			w.keys[i].data[k] = k < 12 && i % 3 == 1 ? 'p' : alphabet[below(6)];
		w.keys[i].len = len;
		while (!slice_equal(buf_slice(&w.keys[same]), buf_slice(&w.keys[i])))
			same++;
		if (same < i) {
			buf_clear(&w.keys[i]);
			i--; /* there already: another one */
		}
	}
}

static struct slice any_key(void)
{
	return buf_slice(&w.keys[below(KEYS)]);
}

static void make_value(struct buf *value, size_t end)
{
	size_t len = below(3) == 0 ? below(30) == 0 ? below(end) : below(1500) : below(200);
	uint64_t bits = runner_random(&w.rnd);

	CHECK(buf_reserve(value, len + 8) == KV_OK);
	for (size_t i = 0; i < len; i += 8) {
		bits = bits * 3 + 1;
		memcpy(value->data + i, &bits, 8);
	}
	value->len = len;
}

/* ---- writing ---- */

static uint64_t make_expiry(bool brief)
{
	switch (below(10)) {
	case 0:
		return 1; /* long ago */
	case 1:
		return clock_wall_ms() + FAR_MS + below(FAR_MS);
	case 2:
	case 3:
		return brief ? clock_wall_ms() + 1 + below(100) : 0;
	default:
		return 0;
	}
}

static void make_condition(struct operation *o)
{
	static const enum store_expect expects[] = { STORE_EXPECT_NOTHING, STORE_EXPECT_EXISTS,
		STORE_EXPECT_ABSENT, STORE_EXPECT_VERSION };
	const struct model_version *v =
		model_get(w.model, o->key, w.last_version, clock_wall_ms());

	o->has_condition = true;
	o->condition = (struct store_condition){ .expect = expects[below(4)], .want_existed = below(2) };
	if (o->condition.expect == STORE_EXPECT_VERSION)
		o->condition.version = v && below(5) != 0 ? v->version : 1 + below(w.last_version + 1);
	/* mostly such that it holds */
	if (below(4) != 0 && o->condition.expect == (v ? STORE_EXPECT_ABSENT : STORE_EXPECT_EXISTS))
		o->condition.expect = v ? STORE_EXPECT_EXISTS : STORE_EXPECT_ABSENT;
}

/* Mostly of what begins with the same bytes; sometimes from key to key, and a few without a bound. */
static void make_range(struct operation *o)
{
	struct slice other = any_key();
	uint64_t kind = below(40);

	o->is_range = true;
	if (kind == 0) {
		o->key.len = 0;
	} else if (kind < 8 && slice_compare(o->key, other) < 0) {
		CHECK(buf_set(&o->end, other) == KV_OK);
	} else if (kind > 8) {
		o->key.len = 1 + below(o->key.len < 6 ? o->key.len : 6);
		CHECK(buf_set(&o->end, o->key) == KV_OK);
		CHECK(buf_append_byte(&o->end, 0x81) == KV_OK);
	}
}

static bool covers(const struct operation *range, struct slice key)
{
	return range->is_range && slice_compare(range->key, key) <= 0 &&
		(range->end.len == 0 || slice_compare(key, buf_slice(&range->end)) < 0);
}

static void make_transform(struct flight *f)
{
	struct operation *o = &f->operations[0];

	*f = (struct flight){ .batch = store_batch_new(w.store), .count = 1,
		.transform = below(2) ? TRANSFORM_TOUCH : TRANSFORM_INCREMENT };
	CHECK(f->batch != NULL);
	o->key = buf_slice(&w.keys[BRIEF_KEYS + below(KEYS - BRIEF_KEYS)]);
	o->expires_unix_ms = make_expiry(false);
	f->by = (int64_t)below(1000) - 500;
	if (f->transform == TRANSFORM_TOUCH)
		CHECK(store_batch_touch(f->batch, o->key, o->expires_unix_ms) == KV_OK);
	else
		CHECK(store_batch_increment(f->batch, o->key, f->by) == KV_OK);
}

/* So that increments find some. */
static void make_number(struct buf *to)
{
	static const char *const numbers[] = { "0", "-17", "9223372036854775800", "-9223372036854775800", "9223372036854775808" };

	CHECK(buf_set(to, slice_of_string(numbers[below(sizeof numbers / sizeof numbers[0])])) == KV_OK);
}

/* Values below `value_end` bytes. */
static void make_flight(struct flight *f, size_t value_end)
{
	if (below(12) == 0) {
		make_transform(f);
		return;
	}
	*f = (struct flight){ .batch = store_batch_new(w.store), .count = 1 + below(below(3) ? 2 : BATCH_MAX) };
	CHECK(f->batch != NULL);
	for (size_t i = 0; i < f->count; i++) {
		struct operation *o = &f->operations[i];
		size_t key = below(KEYS);
		kv_status status;

		o->key = buf_slice(&w.keys[key]);
		o->is_delete = below(3) == 0;
		if (below(25) == 0)
			make_range(o);
		else if (key >= BRIEF_KEYS && below(6) == 0)
			make_condition(o);
		o->is_check = o->has_condition && below(3) == 0;
		if (o->is_check) {
			status = store_batch_check(f->batch, o->key, &o->condition);
		} else if (o->is_range) {
			status = store_batch_delete_range(f->batch, o->key, buf_slice(&o->end));
		} else if (o->is_delete) {
			status = store_batch_delete(f->batch, o->key,
				o->has_condition ? &o->condition : NULL);
		} else {
			if (below(8) == 0)
				make_number(&o->value);
			else
				make_value(&o->value, value_end);
			o->expires_unix_ms = make_expiry(key < BRIEF_KEYS);
			status = store_batch_put(f->batch, o->key, buf_slice(&o->value),
				o->expires_unix_ms, o->has_condition ? &o->condition : NULL);
		}
		CHECK(status == KV_OK);
	}
	store_batch_set_durability(f->batch,
		below(10) == 0 ? STORE_DURABLE_COMMIT : below(2) ? STORE_DURABLE_OS : STORE_DURABLE_DEFAULT);
}

static void free_flight(struct flight *f)
{
	for (size_t i = 0; i < f->count; i++) {
		buf_free(&f->operations[i].value);
		buf_free(&f->operations[i].end);
	}
	f->batch = store_batch_free(f->batch);
}

/* The state that the condition of operation `i` meets: of the model, or of an earlier operation of the batch. */
static bool existed_before(const struct flight *f, size_t i, uint64_t *ret_version)
{
	const struct operation *o = &f->operations[i];
	const struct model_version *v;

	*ret_version = 0; /* one made by this batch is not known to anybody before */
	for (size_t k = i; k-- > 0;) {
		if (f->operations[k].is_check)
			continue;
		if (covers(&f->operations[k], o->key))
			return false;
		if (!f->operations[k].is_range && slice_equal(f->operations[k].key, o->key))
			return !f->operations[k].is_delete && f->operations[k].expires_unix_ms != 1;
	}
	v = model_get(w.model, o->key, w.last_version, clock_wall_ms());
	if (v)
		*ret_version = v->version;
	return v != NULL;
}

static bool holds(const struct flight *f, size_t i, bool *ret_existed)
{
	const struct store_condition *c = &f->operations[i].condition;
	uint64_t version;
	bool existed = existed_before(f, i, &version);

	*ret_existed = existed;
	switch (c->expect) {
	case STORE_EXPECT_EXISTS:
	case STORE_EXPECT_NOT_ABSENT:
		return existed;
	case STORE_EXPECT_ABSENT:
		return !existed;
	case STORE_EXPECT_VERSION:
		return existed && version == c->version;
	case STORE_EXPECT_NOTHING:
		break;
	}
	return true;
}

/* Was it right to commit, or to refuse because of a condition? */
static void check_conditions(const struct flight *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct operation *o = &f->operations[i];
		bool existed;

		if (!o->has_condition)
			continue;
		if (!holds(f, i, &existed)) {
			CHECK(f->status == KV_CONDITION);
			CHECK(store_batch_failed_index(f->batch) == i);
			return;
		}
		if (f->status == KV_OK && (o->condition.want_existed || o->condition.expect != STORE_EXPECT_NOTHING))
			CHECK(store_batch_outcome(f->batch, i).existed == existed);
	}
	CHECK(f->status == KV_OK);
}

/* The status that a transform must have, and the value that it makes. */
static kv_status expect_transform(const struct flight *f, const struct model_version *before,
	struct buf *ret_value, uint64_t *ret_expires)
{
	int64_t number = 0;

	*ret_expires = f->operations[0].expires_unix_ms;
	if (f->transform == TRANSFORM_TOUCH)
		return before ? buf_set(ret_value, buf_slice(&before->value)) : KV_CONDITION;
	*ret_expires = before ? before->expires_unix_ms : 0;
	if (before && !decimal_int64(buf_slice(&before->value), &number))
		return KV_NOT_NUMBER;
	if (__builtin_add_overflow(number, f->by, &number))
		return KV_OVERFLOW;
	if (f->status == KV_OK)
		CHECK(store_batch_outcome(f->batch, 0).number == number);
	return buf_printf(ret_value, "%" PRId64, number);
}

static void land_transform(const struct flight *f)
{
	struct slice key = f->operations[0].key;
	struct buf value = { 0 };
	uint64_t expires;

	CHECK(f->status == expect_transform(f, model_get(w.model, key, w.last_version, clock_wall_ms()), &value, &expires));
	w.transforms += f->status == KV_OK;
	if (f->status == KV_OK) {
		uint64_t version = store_batch_outcome(f->batch, 0).version;

		CHECK(version > w.last_version);
		w.last_version = version;
		model_put(w.model, key, buf_slice(&value), expires, version);
	}
	buf_free(&value);
}

/* Brings the model up to what the store has done with it. */
static void land(struct flight *f)
{
	if (f->status == KV_BUSY) {
		w.busy++;
		return;
	}
	if (f->transform != TRANSFORM_NONE) {
		land_transform(f);
		return;
	}
	check_conditions(f);
	if (f->status != KV_OK) {
		w.conditions_failed++;
		return;
	}
	for (size_t i = 0; i < f->count; i++) {
		const struct operation *o = &f->operations[i];
		uint64_t version = store_batch_outcome(f->batch, i).version;

		if (o->is_check)
			continue;
		CHECK(version > w.last_version);
		w.last_version = version;
		w.range_deletes += o->is_range;
		if (o->is_range)
			model_delete_range(w.model, o->key, buf_slice(&o->end), version);
		else if (o->is_delete)
			model_delete(w.model, o->key, version);
		else
			model_put(w.model, o->key, buf_slice(&o->value), o->expires_unix_ms, version);
	}
}

static void write_one(void)
{
	struct flight f;

	make_flight(&f, VALUE_MAX);
	f.status = store_write(w.store, f.batch);
	land(&f);
	free_flight(&f);
}

static void landed(struct store_batch *batch, kv_status status, void *arg)
{
	struct flight *f = arg;

	(void)batch;
	f->status = status;
	sem_post(&w.landed);
}

/* Several on their way at the same time; without large values, which wait for their sync, they commit in the order of their submission. */
static void write_several(void)
{
	static struct flight flights[IN_FLIGHT_MAX];
	size_t count = 2 + below(IN_FLIGHT_MAX - 1);

	for (size_t i = 0; i < count; i++)
		make_flight(&flights[i], LARGE);
	for (size_t i = 0; i < count; i++)
		store_submit(w.store, flights[i].batch, landed, &flights[i]);
	for (size_t i = 0; i < count; i++)
		while (sem_wait(&w.landed) != 0)
			;
	for (size_t i = 0; i < count; i++) {
		land(&flights[i]);
		free_flight(&flights[i]);
	}
}

/* ---- reading ---- */

static void must_be_right(const char *wrong)
{
	if (wrong)
		ck_abort_msg("operation %lu: %s", w.operation, wrong);
}

static void check_get(struct slice key, const struct store_snapshot *snapshot, uint64_t at)
{
	uint64_t before = clock_wall_ms();
	struct store_value got;
	struct kv_error err;
	kv_status status = store_get(w.store, snapshot, key, &got, &err);
	uint64_t after = clock_wall_ms();
	const struct model_version *first = model_get(w.model, key, at, before);
	const struct model_version *second = model_get(w.model, key, at, after);

	if (status == KV_NOT_FOUND) {
		CHECK(!second);
		return;
	}
	check_status(status, &err);
	CHECK(first != NULL);
	CHECK(got.size == first->value.len);
	if (got.large)
		must_be_right(model_check_large(got.large, buf_slice(&first->value)));
	else
		CHECK(slice_equal(got.value.bytes, buf_slice(&first->value)));
	CHECK((got.large != NULL) == (first->value.len >= LARGE));
	CHECK(got.version == first->version);
	CHECK(got.expires_unix_ms == first->expires_unix_ms);
	store_value_release(&got);
}

/* The iterator must stand where the model says. */
static void check_at(const struct store_iter *iter, long place, uint64_t at, uint64_t now_unix_ms)
{
	must_be_right(model_check_at(w.model, iter, place, at, now_unix_ms, LARGE));
}

/* Opens one at a time at which nothing expired; *ret_now_unix_ms is that time. */
static struct store_iter *open_iter(const struct store_snapshot *snapshot, uint64_t at,
	uint64_t *ret_now_unix_ms)
{
	for (;;) {
		uint64_t before = clock_wall_ms();
		struct store_iter *iter;
		struct kv_error err;

		check_status(store_iter_open(w.store, snapshot, &iter, &err), &err);
		*ret_now_unix_ms = clock_wall_ms();
		if (!model_expires_between(w.model, at, before, *ret_now_unix_ms))
			return iter;
		store_iter_close(iter);
	}
}

static void check_scan(const struct store_snapshot *snapshot, uint64_t at)
{
	uint64_t now;
	struct store_iter *iter = open_iter(snapshot, at, &now);
	long place;

	CHECK(!store_iter_valid(iter));
	store_iter_seek_first(iter);
	for (place = model_first(w.model, at, now); place != MODEL_NONE;
		place = model_next(w.model, place, at, now)) {
		check_at(iter, place, at, now);
		store_iter_next(iter);
	}
	check_at(iter, place, at, now);
	store_iter_seek_last(iter);
	for (place = model_last(w.model, at, now); place != MODEL_NONE;
		place = model_prev(w.model, place, at, now)) {
		check_at(iter, place, at, now);
		store_iter_prev(iter);
	}
	check_at(iter, place, at, now);
	store_iter_close(iter);
}

static void check_everything(void)
{
	check_scan(NULL, w.last_version);
	for (size_t i = 0; i < SNAPSHOTS; i++) {
		if (w.snapshots[i].snapshot)
			check_scan(w.snapshots[i].snapshot, w.snapshots[i].at);
	}
	for (size_t i = 0; i < KEYS; i++)
		check_get(buf_slice(&w.keys[i]), NULL, w.last_version);
}

static void read_something(void)
{
	const struct held_snapshot *s = &w.snapshots[below(SNAPSHOTS)];

	if (s->snapshot && below(2))
		check_get(any_key(), s->snapshot, s->at);
	else
		check_get(any_key(), NULL, w.last_version);
}

/* ---- snapshots and iterators that stay ---- */

static void toggle_snapshot(void)
{
	struct held_snapshot *s = &w.snapshots[below(SNAPSHOTS)];

	if (s->snapshot) {
		s->snapshot = store_snapshot_free(s->snapshot);
	} else {
		s->snapshot = store_snapshot_new(w.store);
		CHECK(s->snapshot != NULL);
		s->at = w.last_version;
	}
}

static void close_iter(struct held_iter *h)
{
	if (h->iter)
		h->iter = store_iter_close(h->iter);
	buf_free(&h->key);
	h->valid = false;
}

static void toggle_iter(void)
{
	struct held_iter *h = &w.iters[below(ITERATORS)];
	const struct held_snapshot *s = &w.snapshots[below(SNAPSHOTS)];

	if (h->iter) {
		close_iter(h);
		return;
	}
	h->at = s->snapshot ? s->at : w.last_version;
	h->iter = open_iter(s->snapshot, h->at, &h->now_unix_ms);
}

static long seek_somewhere(struct held_iter *h)
{
	struct slice key = any_key();

	switch (below(4)) {
	case 0:
		store_iter_seek_first(h->iter);
		return model_first(w.model, h->at, h->now_unix_ms);
	case 1:
		store_iter_seek_last(h->iter);
		return model_last(w.model, h->at, h->now_unix_ms);
	case 2:
		store_iter_seek_before(h->iter, key);
		return model_seek_before(w.model, key, h->at, h->now_unix_ms);
	default:
		store_iter_seek(h->iter, key);
		return model_seek(w.model, key, h->at, h->now_unix_ms);
	}
}

static void move_iter(void)
{
	struct held_iter *h = &w.iters[below(ITERATORS)];
	long place;

	if (!h->iter)
		return;
	for (uint64_t moves = 1 + below(12); moves > 0; moves--) {
		bool forward = below(2);

		if (!h->valid || below(6) == 0) {
			place = seek_somewhere(h);
		} else if (forward) {
			place = model_seek(w.model, buf_slice(&h->key), h->at, h->now_unix_ms);
			place = model_next(w.model, place, h->at, h->now_unix_ms);
			store_iter_next(h->iter);
		} else {
			place = model_seek_before(w.model, buf_slice(&h->key), h->at, h->now_unix_ms);
			store_iter_prev(h->iter);
		}
		check_at(h->iter, place, h->at, h->now_unix_ms);
		h->valid = place != MODEL_NONE;
		if (h->valid)
			CHECK(buf_set(&h->key, model_key(w.model, place)) == KV_OK);
	}
}

/* ---- the life of a store ---- */

static void on_event(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	if (level <= LOG_LEVEL_ERROR)
		fprintf(stderr, "event: %s\n", text);
}

static void open_store(void)
{
	static const enum store_compression compressions[] = { STORE_COMPRESSION_NONE, STORE_COMPRESSION_LZ4,
		STORE_COMPRESSION_ZSTD };
	struct store_options options;
	struct kv_error err;
	kv_status status;

	store_options_init(&options);
	options.data_dir = w.path;
	options.tunables.flush_interval_s = (uint32_t)below(3);
	options.tunables.scrub_interval_s = (uint32_t)below(3);
	options.tunables.compaction_threshold = 2 + (uint32_t)below(4);
	options.memtable_bytes = 16384 << below(3);
	options.block_cache_bytes = below(3) == 0 ? 0 : UINT64_C(4096) << below(5);
	options.large_value_bytes = LARGE;
	options.durability = below(4) == 0 ? STORE_DURABLE_COMMIT : STORE_DURABLE_OS;
	options.compression = compressions[below(3)];
	options.compaction_threads = 1 + (unsigned)below(3);
	options.event = on_event;
	status = store_open(&options, &w.store, &err);
	if (status == KV_UNSUPPORTED) {
		options.compression = STORE_COMPRESSION_NONE;
		status = store_open(&options, &w.store, &err);
	}
	check_status(status, &err);
}

static void close_store(void)
{
	struct store_finish_report report;
	struct store_stats stats;
	struct kv_error err;

	for (size_t i = 0; i < ITERATORS; i++)
		close_iter(&w.iters[i]);
	for (size_t i = 0; i < SNAPSHOTS; i++) {
		if (w.snapshots[i].snapshot)
			w.snapshots[i].snapshot = store_snapshot_free(w.snapshots[i].snapshot);
	}
	store_get_stats(w.store, &stats);
	CHECK(stats.snapshots == 0 && stats.iterators == 0);
	CHECK(stats.last_version >= w.last_version);
	w.compactions += stats.compactions;
	w.flushes += stats.flushes;
	if (below(2)) {
		check_status(store_finish(w.store, &report, &err), &err);
		check_everything();
	}
	w.store = store_close(w.store);
}

static void reopen(void)
{
	close_store();
	open_store();
	w.compactions_seen = 0;
	w.reopenings++;
	check_everything();
}

/* A compaction of everything leaves none, unless somebody could still see what they hide. */
static void check_no_ranges(void)
{
	struct store_stats stats;

	for (size_t i = 0; i < SNAPSHOTS; i++)
		if (w.snapshots[i].snapshot)
			return;
	store_get_stats(w.store, &stats);
	CHECK(stats.range_deletes == 0);
}

static void look_after(void)
{
	struct store_tunables tunables = { .flush_interval_s = (uint32_t)below(3),
		.compaction_threshold = 2 + (uint32_t)below(6), .scrub_interval_s = (uint32_t)below(3) };
	struct kv_error err;

	switch (below(4)) {
	case 0:
		check_status(store_compact(w.store, &err), &err);
		check_no_ranges();
		break;
	case 1:
		check_status(store_retune(w.store, &tunables, &err), &err);
		break;
	default:
		check_status(store_flush(w.store, &err), &err);
		break;
	}
	check_everything();
}

static uint64_t compactions_now(void)
{
	struct store_stats stats;

	store_get_stats(w.store, &stats);
	return stats.compactions;
}

/* Whatever the background has merged meanwhile, every key is there as it was, and none that was deleted is back. */
static void scan_after_compactions(void)
{
	uint64_t compactions = compactions_now();

	if (compactions == w.compactions_seen)
		return;
	w.compactions_seen = compactions;
	w.scans_after++;
	check_scan(NULL, w.last_version);
	for (size_t i = 0; i < SNAPSHOTS; i++)
		if (w.snapshots[i].snapshot)
			check_scan(w.snapshots[i].snapshot, w.snapshots[i].at);
}

static void one_operation(void)
{
	uint64_t what = below(1000);

	if (what < 500)
		write_one();
	else if (what < 600)
		write_several();
	else if (what < 850)
		read_something();
	else if (what < 870)
		toggle_snapshot();
	else if (what < 900)
		toggle_iter();
	else if (what < 980)
		move_iter();
	else if (what < 990)
		check_scan(NULL, w.last_version);
	else if (what < 997)
		look_after();
	else
		reopen();
}

static void live(unsigned long operations)
{
	w.path = runner_new_dir();
	w.model = model_new();
	w.last_version = 0;
	make_keys();
	open_store();
	for (unsigned long i = 0; i < operations; i++, w.operation++) {
		one_operation();
		scan_after_compactions();
	}
	check_everything();
	close_store();
	w.model = model_free(w.model);
	for (size_t i = 0; i < KEYS; i++)
		buf_free(&w.keys[i]);
	runner_remove_dir(w.path);
}

/* Each with a seed of its own. */
static unsigned parts(void)
{
	return getenv("KV_LONG") ? RUNNER_LONG_PARTS / 4 : 1;
}

static unsigned long operations_of_a_part(void)
{
	const char *text = getenv("KV_MODEL_OPS");

	if (text)
		return strtoul(text, NULL, 10) / parts();
	return (getenv("KV_LONG") ? OPS_LONG : OPS_DEFAULT) / parts();
}

START_TEST(the_store_does_what_the_model_does)
{
	unsigned long left = operations_of_a_part();

	w.rnd = runner_seed();
	CHECK(sem_init(&w.landed, 0, 0) == 0);
	while (left > 0) {
		unsigned long now = left < OPS_PER_LIFE ? left : OPS_PER_LIFE;

		live(now);
		left -= now;
	}
	sem_destroy(&w.landed);
	printf("operations %lu, reopenings %lu, flushes %lu, compactions %lu, busy %lu, conditions failed %lu, range deletes %lu\n",
		w.operation, (unsigned long)w.reopenings, (unsigned long)w.flushes,
		(unsigned long)w.compactions, (unsigned long)w.busy, (unsigned long)w.conditions_failed,
		(unsigned long)w.range_deletes);
	if (w.operation >= OPS_DEFAULT) {
		ck_assert_uint_gt(w.reopenings, 0);
		ck_assert_uint_gt(w.flushes, 0);
		ck_assert_uint_gt(w.compactions, 0);
		ck_assert_uint_gt(w.scans_after, 0);
		ck_assert_uint_gt(w.range_deletes, 0);
		ck_assert_uint_gt(w.transforms, 0);
		ck_assert_uint_gt(model_check_large_reads(), 0);
		ck_assert_uint_gt(w.conditions_failed, 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("model");
	TCase *tc = tcase_create("model");

	tcase_set_timeout(tc, 120 + (double)operations_of_a_part() / 50);
	tcase_add_loop_test(tc, the_store_does_what_the_model_does, 0, (int)parts());
	suite_add_tcase(suite, tc);
	return runner_run(suite);
}
