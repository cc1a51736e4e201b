/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forward, what is shown is lent on from the input's run, of which as much as can be shown is judged at once: so the input stands on the entry shown,
 * or before it in the same run. Backward, a key's versions come oldest first: all of them must be passed before it is known which is the newest
 * visible one; so the input stands on the last entry before the key shown (or is at its end), and what is shown is the input's as long as that
 * outlives its move, else a copy.
 *
 * Keys are judged whole, one after another. `key` holds the one judged last, but for one shown forward; a move that gives up
 * reports it as its position. A key with many versions costs a few steps and a seek, not a walk over all of them; so
 * between two looks at the clock at least one key is settled, and whoever tries again gets on.
 */
#include "engine/iter_live.h"

#include "base/buf.h"
#include "base/clock.h"
#include "engine/iter_spare.h"

#include <assert.h>
#include <stdlib.h>

enum {
	STEPS_BEFORE_SEEK = 12,     /* over versions of one key */
	HIDDEN_BETWEEN_LOOKS = 64,  /* entries passed between two looks at the clock */
	HIDDEN_COUNTS = 16,         /* so many is one where there are range deletes: iter_uncovered may have jumped on the way to it */
};

struct iter_live {
	struct iter *input;
	uint64_t max_sequence;
	uint64_t now_unix_ms;
	uint64_t deadline_us;
	struct range_cover *cover; /* NULL: no range deletes */
	bool span_known;
	struct range_span span;    /* that of the last key that was asked for, if known */

	bool backward;      /* how we came to the entry shown; see above */
	kv_status status;   /* our own trouble; the input's is asked for */
	unsigned hidden;    /* entries passed since the last look at the clock */
	const struct entry *entry; /* shown, NULL: none */
	const struct entry *last;  /* up to here all of the input's run from `entry` on can be shown; forward only, else NULL */
	struct entry kept;  /* a copy: its key is in `key`, its value in `value` */
	struct buf value;
	size_t key_len;
	uint8_t key[ENTRY_KEY_MAX];
};

static struct iter_spare spare;

struct iter_live *iter_live_new(struct iter *input, uint64_t max_sequence, uint64_t now_unix_ms)
{
	struct iter_live *it = iter_spare_take(&spare, sizeof *it);

	if (!it) {
		iter_close(input);
		return NULL;
	}
	memset(it, 0, offsetof(struct iter_live, key));
	it->input = input;
	it->max_sequence = max_sequence;
	it->now_unix_ms = now_unix_ms;
	return it;
}

struct iter_live *iter_live_close(struct iter_live *it)
{
	if (it) {
		iter_close(it->input); /* it may use the cover */
		free(it->cover);
		buf_free(&it->value);
		iter_spare_give(&spare, it);
	}
	return NULL;
}

void iter_live_set_cover(struct iter_live *it, struct range_cover *cover)
{
	it->cover = cover;
}

static bool is_covered(struct iter_live *it, const struct entry *entry)
{
	if (!it->span_known || !range_span_has(&it->span, entry->key))
		it->span = range_cover_span(it->cover, entry->key);
	it->span_known = true;
	return entry->sequence < it->span.sequence;
}

/* Would the reader see the entry, if it is the newest version for him? */
static inline bool is_live(struct iter_live *it, const struct entry *entry)
{
	if (entry_is_live(entry, it->now_unix_ms) && !(it->cover && is_covered(it, entry)))
		return true;
	if (it->cover)
		it->hidden += HIDDEN_COUNTS - 1;
	return false;
}

static void begin_move(struct iter_live *it)
{
	if (it->last)
		it->input->entry = it->entry; /* it has moved within the run */
	it->entry = it->last = NULL;
	it->status = KV_OK;
	it->hidden = 0;
}

/* Keeps the key that the input stands on. */
static inline void take_key(struct iter_live *it)
{
	struct slice key = it->input->entry->key;

	it->key_len = key.len;
	if (key.len == 16) /* a usual length: without a call */
		memcpy(it->key, key.data, 16);
	else
		memcpy(it->key, key.data, key.len);
}

static struct slice taken_key(const struct iter_live *it)
{
	return slice_of(it->key, it->key_len);
}

/* As slice_equal(); two keys of a walk mostly differ at their end. */
static inline bool same_key(struct slice a, struct slice b)
{
	uint64_t x, y;

	if (a.len != b.len)
		return false;
	if (a.len < sizeof x)
		return memcmp(a.data, b.data, a.len) == 0;
	memcpy(&x, a.data + a.len - sizeof x, sizeof x);
	memcpy(&y, b.data + b.len - sizeof y, sizeof y);
	return x == y && memcmp(a.data, b.data, a.len - sizeof x) == 0;
}

/* Does the input stand on a version of the key taken? */
static inline bool on_key(const struct iter_live *it)
{
	return it->input->valid && same_key(it->input->entry->key, taken_key(it));
}

/* Between two keys: is it time to stop? */
static bool gives_up(struct iter_live *it)
{
	if (it->deadline_us == 0 || it->hidden < HIDDEN_BETWEEN_LOOKS)
		return false;
	it->hidden = 0;
	if (clock_monotonic_us() > it->deadline_us)
		it->status = KV_BUSY;
	return it->status != KV_OK;
}

/* Moves the input forward to the first version of the key taken that is not newer than `sequence` (0: behind all of
 * them), or to the next key. */
static void pass_versions(struct iter_live *it, uint64_t sequence)
{
	for (unsigned steps = 0; on_key(it) && it->input->entry->sequence > sequence; steps++) {
		if (steps < STEPS_BEFORE_SEEK)
			iter_next(it->input);
		else
			iter_seek(it->input, taken_key(it), sequence);
		it->hidden++;
	}
}

/* How far the input's run goes on with entries of further keys that are live, too. */
static inline const struct entry *live_until(struct iter_live *it)
{
	const struct entry *at = it->input->entry, *last = it->input->last;

	while (at != last && at[1].sequence <= it->max_sequence && is_live(it, &at[1]) && !same_key(at[1].key, at->key))
		at++;
	return at;
}

/* From the input's entry on, which must be the first of its key that was not passed, to the next live one. */
static void find_forward(struct iter_live *it)
{
	while (it->input->valid) {
		bool hidden = it->input->entry->sequence > it->max_sequence;

		if (!hidden && is_live(it, it->input->entry)) {
			it->entry = it->input->entry;
			it->last = live_until(it);
			return;
		}
		take_key(it);
		/* a hidden version leads to the one to judge, if there is one; a dead one hides the rest of its key */
		pass_versions(it, hidden ? it->max_sequence : 0);
		if (!on_key(it) && gives_up(it))
			return;
	}
}

/* Copies what will not outlive the next move: a version of the key taken. */
static bool keep(struct iter_live *it, const struct entry *entry)
{
	it->kept = *entry;
	it->status = buf_set(&it->value, entry->value);
	it->kept.key = taken_key(it);
	it->kept.value = buf_slice(&it->value);
	return it->status == KV_OK;
}

/* For a key with many versions: seeks the one that counts, then the end of the key before. Returns the one to show, as
 * judge_backward(). */
static const struct entry *judge_by_seek(struct iter_live *it)
{
	const struct entry *ret = NULL;

	iter_seek(it->input, taken_key(it), it->max_sequence);
	if (on_key(it) && is_live(it, it->input->entry)) {
		if (!keep(it, it->input->entry))
			return NULL;
		ret = &it->kept;
	}
	/* where that seek failed, this one does nothing */
	iter_seek_before(it->input, taken_key(it));
	return ret;
}

/* Passes all versions of the key taken, on whose oldest the input stands, backward. Returns the newest visible one if it is live, else
 * NULL, as on errors. */
static const struct entry *judge_backward(struct iter_live *it)
{
	const struct entry *live = NULL;

	for (unsigned steps = 0; on_key(it); steps++) {
		const struct entry *here = it->input->entry;
		bool visible = here->sequence <= it->max_sequence;

		it->hidden++;
		if (steps == STEPS_BEFORE_SEEK)
			return judge_by_seek(it);
		if (visible)
			live = is_live(it, here) ? here : NULL;
		/* what is kept from an earlier step has seen one move already */
		if (live && live != &it->kept && (!visible || !iter_outlives_prev(it->input))) {
			if (!keep(it, live))
				return NULL;
			live = &it->kept;
		}
		iter_prev(it->input);
	}
	return live;
}

/* From the input's entry, which must be the last of its key, backward to the next live one. */
static void find_backward(struct iter_live *it)
{
	it->backward = true;
	while (it->input->valid) {
		const struct entry *live;

		take_key(it);
		live = judge_backward(it);
		if (it->status != KV_OK || (!it->input->valid && iter_status(it->input, NULL) != KV_OK))
			return;
		if (live) {
			it->entry = live;
			return;
		}
		if (gives_up(it))
			return;
	}
}

const struct entry *iter_live_seek_first(struct iter_live *it)
{
	begin_move(it);
	it->backward = false;
	iter_seek_first(it->input);
	find_forward(it);
	return it->entry;
}

const struct entry *iter_live_seek_last(struct iter_live *it)
{
	begin_move(it);
	iter_seek_last(it->input);
	find_backward(it);
	return it->entry;
}

const struct entry *iter_live_seek(struct iter_live *it, struct slice key)
{
	begin_move(it);
	it->backward = false;
	iter_seek(it->input, key, ENTRY_SEQUENCE_MAX);
	find_forward(it);
	return it->entry;
}

const struct entry *iter_live_seek_before(struct iter_live *it, struct slice key)
{
	begin_move(it);
	iter_seek_before(it->input, key);
	find_backward(it);
	return it->entry;
}

/* Off the entry that the input stands on, and over the older versions of its key. */
static inline void leave_key(struct iter_live *it)
{
	struct slice key = it->input->entry->key;

	if (!iter_outlives_next(it->input)) {
		take_key(it);
		key = taken_key(it);
	}
	iter_next(it->input);
	if (it->input->valid && same_key(it->input->entry->key, key)) {
		take_key(it);
		pass_versions(it, 0);
	}
}

/* Not inlined: it costs the step within a run registers. */
static __attribute__((noinline)) const struct entry *leave_run(struct iter_live *it)
{
	begin_move(it);
	if (it->backward)
		iter_seek(it->input, taken_key(it), 0);
	else
		leave_key(it);
	it->backward = false;
	find_forward(it);
	return it->entry;
}

const struct entry *iter_live_next(struct iter_live *it)
{
	assert(it->entry);
	if (it->entry == it->last || !it->last)
		return leave_run(it);
	return ++it->entry;
}

const struct entry *iter_live_prev(struct iter_live *it)
{
	assert(it->entry);
	begin_move(it);
	if (!it->backward) {
		take_key(it);
		iter_seek_before(it->input, taken_key(it));
	}
	find_backward(it);
	return it->entry;
}

const struct entry *iter_live_entry(const struct iter_live *it)
{
	return it->entry;
}

kv_status iter_live_status(const struct iter_live *it, struct kv_error *err)
{
	switch (it->status) {
	case KV_OK:
		return it->entry ? KV_OK : iter_status(it->input, err);
	case KV_BUSY:
		return kv_error_set(err, KV_BUSY, "the deadline passed on the way over deleted keys");
	default:
		return kv_error_set(err, it->status, "cannot keep a value while iterating");
	}
}

struct slice iter_live_position(const struct iter_live *it)
{
	return taken_key(it);
}

void iter_live_set_deadline(struct iter_live *it, uint64_t deadline_us)
{
	it->deadline_us = deadline_us;
}
