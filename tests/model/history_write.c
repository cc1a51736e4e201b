/* SPDX-License-Identifier: BSD-2-Clause */
/* The writes of a history: made at random, handed to the store, and remembered when it is known what became of them. */
#include "model/history_internal.h"

#include "base/clock.h"
#include "support/fault_alloc.h"
#include "support/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdlib.h>

enum {
	BATCH_MAX = 6,
	COUNTERS = 4, /* the first keys: only increments, range deletes and deletes meet them */
	FAR_MS = 3600 * 1000,
};

struct flight {
	struct history *history;
	struct store_batch *batch;
	struct history_change changes[BATCH_MAX]; /* versions are filled in when it has landed */
	size_t count;
	bool is_increment, is_touch;
	size_t submission;
	kv_status status;
	sem_t *landed;
};

static struct slice key(struct history *h, uint64_t i)
{
	return buf_slice(&h->keys[i]);
}

static void make_value(struct history *h, struct buf *value, bool small)
{
	size_t len = history_below(h, 3) == 0 ? history_below(h, 1500) : history_below(h, 100);
	uint64_t bits = runner_random(&h->random);

	/* in a script some are sure */
	if (!small && (history_below(h, 25) == 0 || (h->faulty && h->submission_count % 16 == 5)))
		len = HISTORY_LARGE + history_below(h, 9000);
	h->large_values += len >= HISTORY_LARGE;
	history_must(buf_reserve(value, len + 8) == KV_OK, "out of memory");
	for (size_t i = 0; i < len; i += 8) {
		bits = bits * 3 + 1;
		memcpy(value->data + i, &bits, 8);
	}
	value->len = len;
}

static uint64_t make_expiry(struct history *h)
{
	switch (history_below(h, 12)) {
	case 0:
		return 1; /* long ago */
	case 1:
		return clock_wall_ms() + FAR_MS + history_below(h, FAR_MS);
	default:
		return 0;
	}
}

static void add_range(struct history *h, struct flight *f, struct history_change *c)
{
	struct slice start = key(h, history_below(h, HISTORY_KEYS)), end = key(h, history_below(h, HISTORY_KEYS));

	if (slice_compare(start, end) >= 0)
		end = (struct slice){ 0 };
	/* not half of everything each time */
	if (end.len == 0 && history_below(h, 4) != 0)
		history_must(buf_set(&c->value, start) == KV_OK && buf_append_byte(&c->value, 0x81) == KV_OK, "out of memory");
	else
		history_must(buf_set(&c->value, end) == KV_OK, "out of memory");
	history_must(buf_set(&c->bound, start) == KV_OK, "out of memory");
	c->kind = STORE_CHANGE_DELETE_RANGE;
	c->key = buf_slice(&c->bound);
	history_enter(h);
	f->status = store_batch_delete_range(f->batch, c->key, buf_slice(&c->value));
	fault_alloc_pause();
}

static void add_operation(struct history *h, struct flight *f, bool small)
{
	struct history_change *c = &f->changes[f->count++];
	struct store_condition condition = { .expect = history_below(h, 2) ? STORE_EXPECT_ABSENT : STORE_EXPECT_EXISTS };
	uint64_t what = history_below(h, 20);

	if (what == 0) {
		add_range(h, f, c);
		return;
	}
	c->key = key(h, COUNTERS + history_below(h, HISTORY_KEYS - COUNTERS));
	c->kind = what < 6 ? STORE_CHANGE_DELETE : STORE_CHANGE_PUT;
	if (c->kind == STORE_CHANGE_PUT) {
		c->expires_unix_ms = make_expiry(h);
		make_value(h, &c->value, small);
	}
	history_enter(h);
	f->status = c->kind == STORE_CHANGE_DELETE ? store_batch_delete(f->batch, c->key, NULL) :
		store_batch_put(f->batch, c->key, buf_slice(&c->value), c->expires_unix_ms,
			what == 19 ? &condition : NULL);
	fault_alloc_pause();
}

static void set_durability(struct history *h, struct flight *f)
{
	static const uint64_t one_in[] = { [HISTORY_MIXED] = 5, [HISTORY_LAZY] = 100, [HISTORY_UNSYNCED] = 40 };
	enum store_durability durability = STORE_DURABLE_DEFAULT;
	bool durable = h->sync_commits;

	switch (history_below(h, one_in[h->kind])) {
	case 0:
		durability = STORE_DURABLE_COMMIT;
		durable = true;
		break;
	case 1:
		durability = STORE_DURABLE_OS;
		durable = false;
		break;
	default:
		break;
	}
	store_batch_set_durability(f->batch, durability);
	h->submissions[f->submission].durable = durable;
}

static struct store_batch *new_batch(struct history *h)
{
	struct store_batch *ret = store_batch_new(history_enter(h));

	fault_alloc_pause();
	return ret;
}

/* An operation whose result depends on the value before. */
static void make_transform(struct history *h, struct flight *f)
{
	struct history_change *c = &f->changes[f->count++];

	c->kind = STORE_CHANGE_PUT;
	c->key = key(h, f->is_increment ? history_below(h, COUNTERS) : history_below(h, HISTORY_KEYS));
	c->expires_unix_ms = f->is_touch ? make_expiry(h) : 0;
	f->status = f->is_touch ? store_batch_touch(f->batch, c->key, c->expires_unix_ms) :
		store_batch_increment(f->batch, c->key, (int64_t)history_below(h, 99) - 40);
}

/* `small`: no large values, so that several are committed in the order of their submission. f->status tells whether it can be submitted. */
static void make_flight(struct history *h, struct flight *f, bool small)
{
	*f = (struct flight){ .history = h, .batch = new_batch(h), .submission = h->submission_count };
	h->submissions = reallocarray(h->submissions, ++h->submission_count, sizeof *h->submissions);
	history_must(h->submissions != NULL, "out of memory");
	h->submissions[f->submission] = (struct history_submission){ 0 };
	if (!f->batch) {
		f->status = KV_NO_MEMORY;
		return;
	}
	set_durability(h, f);
	/* of an uncertain one nobody could tell the result */
	f->is_increment = !h->faulty && history_below(h, 15) == 0;
	f->is_touch = !h->faulty && !f->is_increment && history_below(h, 15) == 0;
	if (f->is_increment || f->is_touch) {
		make_transform(h, f);
		return;
	}
	for (uint64_t n = history_below(h, 3) ? 1 : 1 + history_below(h, BATCH_MAX); f->status == KV_OK && n > 0; n--)
		add_operation(h, f, small);
}

/* Into the list of changes and the model. Takes what the change owns. */
static void land_change(struct history *h, struct history_change *c)
{
	history_must(c->version > h->last_version, "a version was used again");
	h->last_version = c->version;
	if (c->kind == STORE_CHANGE_PUT)
		model_put(h->model, c->key, buf_slice(&c->value), c->expires_unix_ms, c->version);
	else if (c->kind == STORE_CHANGE_DELETE)
		model_delete(h->model, c->key, c->version);
	else
		model_delete_range(h->model, c->key, buf_slice(&c->value), c->version);
	h->changes = reallocarray(h->changes, h->change_count + 1, sizeof *h->changes);
	history_must(h->changes != NULL, "out of memory");
	h->changes[h->change_count] = *c;
	if (c->kind == STORE_CHANGE_DELETE_RANGE)
		h->changes[h->change_count].key = buf_slice(&h->changes[h->change_count].bound);
	h->change_count++;
	*c = (struct history_change){ 0 };
}

/* What the commit made of the value before. */
static void fill_transform(struct flight *f)
{
	struct history_change *c = &f->changes[0];
	struct store_outcome outcome = store_batch_outcome(f->batch, 0);
	const struct model_version *before;

	if (f->is_increment) {
		c->expires_unix_ms = outcome.expires_unix_ms;
		history_must(buf_printf(&c->value, "%" PRId64, outcome.number) == KV_OK, "out of memory");
		return;
	}
	before = model_get(f->history->model, c->key, f->history->last_version, clock_wall_ms());
	history_must(before != NULL, "a key that is not there was touched");
	history_must(buf_set(&c->value, buf_slice(&before->value)) == KV_OK, "out of memory");
}

static void free_changes(struct flight *f)
{
	for (size_t i = 0; i < f->count; i++) {
		buf_free(&f->changes[i].bound);
		buf_free(&f->changes[i].value);
	}
	f->batch = store_batch_free(f->batch);
}

static bool may_be(const struct history *h, kv_status status)
{
	if (status == KV_CONDITION || status == KV_BUSY || status == KV_NOT_NUMBER)
		return true;
	return h->faulty && (status == KV_IO || status == KV_NO_MEMORY || status == KV_NO_SPACE || status == KV_UNCERTAIN);
}

/* It may be found at the next start; until then nobody may see it, and nothing else is written. */
static void land_uncertain(struct history *h, struct flight *f)
{
	uint64_t last = h->last_version;

	history_must(h->uncertain_to == 0, "two writes are uncertain");
	for (size_t i = 0; i < f->count; i++) {
		f->changes[i].version = last + 1 + i;
		land_change(h, &f->changes[i]);
	}
	h->submissions[f->submission].last_version = h->uncertain_to = h->last_version;
	h->last_version = last;
}

static void land(struct history *h, struct flight *f)
{
	if (f->status == KV_OK) {
		history_must(h->uncertain_to == 0, "a write was acknowledged after an uncertain one");
		if (f->is_increment || f->is_touch)
			fill_transform(f);
		for (size_t i = 0; i < f->count; i++) {
			f->changes[i].version = store_batch_outcome(f->batch, i).version;
			land_change(h, &f->changes[i]);
		}
		h->submissions[f->submission].last_version = h->last_version;
	} else if (f->status == KV_UNCERTAIN && h->faulty) {
		land_uncertain(h, f);
	} else {
		history_must(may_be(h, f->status), kv_status_text(f->status));
	}
	free_changes(f);
}

/* Any thread. The versions of what was committed before this are all below it. */
static void on_landed(struct store_batch *batch, kv_status status, void *arg)
{
	struct flight *f = arg;

	if (status == KV_OK && f->history->submissions[f->submission].durable)
		sim_disk_mark(f->history->disk, HISTORY_PROMISED, store_batch_outcome(batch, f->count - 1).version);
	f->status = status;
	sem_post(f->landed);
}

void history_write(struct history *h, size_t count)
{
	struct flight flights[IN_FLIGHT_MAX];
	size_t under_way = 0;
	sem_t landed;

	history_must(sem_init(&landed, 0, 0) == 0, "sem_init");
	for (size_t i = 0; i < count; i++) {
		make_flight(h, &flights[i], count > 1);
		flights[i].landed = &landed;
	}
	for (size_t i = 0; i < count; i++) {
		if (flights[i].status != KV_OK)
			continue;
		under_way++;
		sim_disk_mark(h->disk, HISTORY_BEGUN, flights[i].submission);
		store_submit(history_enter(h), flights[i].batch, on_landed, &flights[i]);
		fault_alloc_pause();
	}
	while (under_way-- > 0)
		while (sem_wait(&landed) != 0)
			history_must(errno == EINTR, "sem_wait");
	for (size_t i = 0; i < count; i++)
		land(h, &flights[i]);
	sem_destroy(&landed);
}
