/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk that comes to a key which is covered by a range delete newer than the whole table goes on behind the range by a
 * seek. It does not look at single entries: where the table holds something newer, all of them are shown, and whoever
 * compares them with the range deletes also looks at the clock. So that he comes to it among very many ranges, too, a move
 * makes few jumps, and shows what it stands on then, hidden or not.
 *
 * The span of the last key is kept, so that a walk over many keys of one span asks once.
 */
#include "engine/iter_uncovered.h"

#include <stdlib.h>

enum { JUMPS_MAX = 16 }; /* of one move */

struct iter_uncovered {
	struct iter base;
	struct iter *input;
	const struct range_cover *cover;
	uint64_t last_sequence;
	bool known;             /* is `span` that of some key? */
	struct range_span span;
};

static struct iter_uncovered *self(struct iter *iter)
{
	return (struct iter_uncovered *)iter;
}

/* The span of a walk in the other direction reaches less far where it goes on, but is as true. */
static bool is_hidden(struct iter_uncovered *it, bool backward)
{
	struct slice key = it->input->entry->key;

	if (!it->known || !range_span_has(&it->span, key))
		it->span = range_cover_hidden(it->cover, key, it->last_sequence, backward);
	it->known = true;
	return it->span.sequence != 0;
}

/* Jumps out of the span that hides where the input stands; false: it reaches to the end. */
static bool jump(struct iter_uncovered *it, bool backward)
{
	if (backward && it->span.start.len > 0)
		iter_seek_before(it->input, it->span.start);
	else if (!backward && it->span.end.len > 0)
		iter_seek(it->input, it->span.end, ENTRY_SEQUENCE_MAX);
	else
		return false;
	return true;
}

static void show(struct iter_uncovered *it, bool backward)
{
	bool more = true;

	for (unsigned jumps = 0; more && jumps < JUMPS_MAX && it->input->valid && is_hidden(it, backward); jumps++)
		more = jump(it, backward);
	it->base.valid = false;
	if (more && it->input->valid)
		iter_show(&it->base, it->input->entry); /* of what else is in the run, something may be hidden */
}

static void seek_first(struct iter *iter)
{
	iter_seek_first(self(iter)->input);
	show(self(iter), false);
}

static void seek_last(struct iter *iter)
{
	iter_seek_last(self(iter)->input);
	show(self(iter), true);
}

static void seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	iter_seek(self(iter)->input, key, sequence);
	show(self(iter), false);
}

static void seek_before(struct iter *iter, struct slice key)
{
	iter_seek_before(self(iter)->input, key);
	show(self(iter), true);
}

static void next(struct iter *iter)
{
	iter_next(self(iter)->input);
	show(self(iter), false);
}

static void prev(struct iter *iter)
{
	iter_prev(self(iter)->input);
	show(self(iter), true);
}

static kv_status status(const struct iter *iter, struct kv_error *err)
{
	return iter_status(((const struct iter_uncovered *)iter)->input, err);
}

static void close_iter(struct iter *iter)
{
	iter_close(self(iter)->input);
	free(iter);
}

static const struct iter_ops ops = {
	.seek_first = seek_first,
	.seek_last = seek_last,
	.seek = seek,
	.seek_before = seek_before,
	.next = next,
	.prev = prev,
	.status = status,
	.close = close_iter,
};

struct iter *iter_uncovered_new(struct iter *input, const struct range_cover *cover, uint64_t last_sequence)
{
	struct iter_uncovered *it;

	if (!cover || !input)
		return input;
	it = calloc(1, sizeof *it);
	if (!it) {
		iter_close(input);
		return NULL;
	}
	it->base.ops = &ops;
	it->input = input;
	it->cover = cover;
	it->last_sequence = last_sequence;
	return &it->base;
}
