/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forward, the input stands on the entry shown, whose slices are lent on. Backward, a key's versions come oldest
 * first: all of them must be passed before it is known which is the newest visible one; so what is shown is a copy, and the
 * input stands on the last entry before that key (or is at its end).
 *
 * Keys are judged whole, one after another. `key` holds the one judged last, or the one shown; a move that gives up
 * reports it as its position. A key with many versions costs a few steps and a seek, not a walk over all of them; so
 * between two looks at the clock at least one key is settled, and whoever tries again gets on.
 */
#include "engine/iter_live.h"

#include "base/buf.h"
#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

enum {
	STEPS_BEFORE_SEEK = 12,     /* over versions of one key */
	HIDDEN_BETWEEN_LOOKS = 64,  /* entries passed between two looks at the clock */
};

struct iter_live {
	struct iter *input;
	uint64_t max_sequence;
	uint64_t now_unix_ms;
	uint64_t deadline_us;

	bool valid;
	bool backward;      /* how we came to the entry shown; see above */
	kv_status status;   /* our own trouble; the input's is asked for */
	unsigned hidden;    /* entries passed since the last look at the clock */
	struct entry entry;
	struct buf key, value;
};

struct iter_live *iter_live_new(struct iter *input, uint64_t max_sequence, uint64_t now_unix_ms)
{
	struct iter_live *it = calloc(1, sizeof *it);

	if (!it) {
		iter_close(input);
		return NULL;
	}
	it->input = input;
	it->max_sequence = max_sequence;
	it->now_unix_ms = now_unix_ms;
	return it;
}

struct iter_live *iter_live_close(struct iter_live *it)
{
	if (it) {
		iter_close(it->input);
		buf_free(&it->key);
		buf_free(&it->value);
		free(it);
	}
	return NULL;
}

static void begin_move(struct iter_live *it)
{
	it->valid = false;
	it->status = KV_OK;
	it->hidden = 0;
}

/* Keeps the key that the input stands on. */
static bool take_key(struct iter_live *it)
{
	it->status = buf_set(&it->key, it->input->entry.key);
	return it->status == KV_OK;
}

/* Does the input stand on a version of the key taken? */
static bool on_key(const struct iter_live *it)
{
	return it->input->valid && slice_equal(it->input->entry.key, buf_slice(&it->key));
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
	for (unsigned steps = 0; on_key(it) && it->input->entry.sequence > sequence; steps++) {
		if (steps < STEPS_BEFORE_SEEK)
			iter_next(it->input);
		else
			iter_seek(it->input, buf_slice(&it->key), sequence);
		it->hidden++;
	}
}

/* From the input's entry on, which must be the first of its key that was not passed, to the next live one. */
static void find_forward(struct iter_live *it)
{
	it->backward = false;
	while (it->input->valid) {
		bool hidden = it->input->entry.sequence > it->max_sequence;

		if (!hidden && entry_is_live(&it->input->entry, it->now_unix_ms)) {
			it->entry = it->input->entry;
			it->valid = true;
			return;
		}
		if (!take_key(it))
			return;
		/* a hidden version leads to the one to judge, if there is one; a dead one hides the rest of its key */
		pass_versions(it, hidden ? it->max_sequence : 0);
		if (!on_key(it) && gives_up(it))
			return;
	}
}

/* Copies what the input stands on, which is a version of the key taken. */
static bool keep_version(struct iter_live *it)
{
	it->entry = it->input->entry;
	it->status = buf_set(&it->value, it->input->entry.value);
	return it->status == KV_OK;
}

/* The same for a key with many versions: seeks the one that counts, then the end of the key before. */
static bool judge_by_seek(struct iter_live *it)
{
	bool live = false;

	iter_seek(it->input, buf_slice(&it->key), it->max_sequence);
	if (on_key(it)) {
		live = entry_is_live(&it->input->entry, it->now_unix_ms);
		if (live && !keep_version(it))
			return false;
	}
	/* where that seek failed, this one does nothing */
	iter_seek_before(it->input, buf_slice(&it->key));
	return live;
}

/* Passes all versions of the key taken, on whose oldest the input stands, backward. Is the newest visible one live? Then it is
 * kept. False also on errors. */
static bool judge_backward(struct iter_live *it)
{
	bool live = false;

	for (unsigned steps = 0; on_key(it); steps++) {
		it->hidden++;
		if (steps == STEPS_BEFORE_SEEK)
			return judge_by_seek(it);
		if (it->input->entry.sequence <= it->max_sequence) {
			live = entry_is_live(&it->input->entry, it->now_unix_ms);
			if (live && !keep_version(it))
				return false;
		}
		iter_prev(it->input);
	}
	return live;
}

/* From the input's entry, which must be the last of its key, backward to the next live one. */
static void find_backward(struct iter_live *it)
{
	it->backward = true;
	while (it->input->valid && take_key(it)) {
		bool live = judge_backward(it);

		if (it->status != KV_OK || (!it->input->valid && iter_status(it->input, NULL) != KV_OK))
			return;
		if (live) {
			it->entry.key = buf_slice(&it->key);
			it->entry.value = buf_slice(&it->value);
			it->valid = true;
			return;
		}
		if (gives_up(it))
			return;
	}
}

void iter_live_seek_first(struct iter_live *it)
{
	begin_move(it);
	iter_seek_first(it->input);
	find_forward(it);
}

void iter_live_seek_last(struct iter_live *it)
{
	begin_move(it);
	iter_seek_last(it->input);
	find_backward(it);
}

void iter_live_seek(struct iter_live *it, struct slice key)
{
	begin_move(it);
	iter_seek(it->input, key, ENTRY_SEQUENCE_MAX);
	find_forward(it);
}

void iter_live_seek_before(struct iter_live *it, struct slice key)
{
	begin_move(it);
	iter_seek_before(it->input, key);
	find_backward(it);
}

void iter_live_next(struct iter_live *it)
{
	assert(it->valid);
	begin_move(it);
	if (it->backward)
		iter_seek(it->input, buf_slice(&it->key), 0);
	else if (take_key(it))
		pass_versions(it, 0);
	if (it->status == KV_OK)
		find_forward(it);
}

void iter_live_prev(struct iter_live *it)
{
	assert(it->valid);
	begin_move(it);
	if (!it->backward && take_key(it))
		iter_seek_before(it->input, buf_slice(&it->key));
	if (it->status == KV_OK)
		find_backward(it);
}

bool iter_live_valid(const struct iter_live *it)
{
	return it->valid;
}

const struct entry *iter_live_entry(const struct iter_live *it)
{
	return &it->entry;
}

kv_status iter_live_status(const struct iter_live *it, struct kv_error *err)
{
	switch (it->status) {
	case KV_OK:
		return it->valid ? KV_OK : iter_status(it->input, err);
	case KV_BUSY:
		return kv_error_set(err, KV_BUSY, "the deadline passed on the way over deleted keys");
	default:
		return kv_error_set(err, it->status, "cannot keep a key or value while iterating");
	}
}

struct slice iter_live_position(const struct iter_live *it)
{
	return buf_slice(&it->key);
}

void iter_live_set_deadline(struct iter_live *it, uint64_t deadline_us)
{
	it->deadline_us = deadline_us;
}
