/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entry shown is a copy in one of two scratch buffers, which take turns; the other one is overwritten at every
 * move, so that a slice kept too long reads rubbish.
 */
#include "support/array_iter.h"

#include <assert.h>
#include <stdlib.h>

enum { RUBBISH = 0xdd };

struct array_iter {
	struct iter base;
	const struct entry *entries;
	size_t count;
	size_t at; /* while valid */

	uint8_t *scratch[2];
	size_t scratch_bytes;
	unsigned turn;

	size_t moves;
	size_t fail_at; /* the number of the move that fails */
	kv_status fail_status;
	kv_status status;
};

static size_t open_count;

/* Counts a move; false when it fails or an earlier one did. */
static bool begin(struct array_iter *it)
{
	it->base.valid = false;
	memset(it->scratch[it->turn], RUBBISH, it->scratch_bytes);
	memset(&it->base.entry, RUBBISH, sizeof it->base.entry);
	if (it->fail_status != KV_OK && it->moves == it->fail_at)
		it->status = it->fail_status;
	it->moves++;
	return it->status == KV_OK;
}

/* `at` may be count or SIZE_MAX: beyond either end. */
static void show(struct array_iter *it, size_t at)
{
	uint8_t *to;

	if (at >= it->count)
		return;
	it->at = at;
	it->turn ^= 1;
	to = it->scratch[it->turn];
	it->base.entry = it->entries[at];
	memcpy(to, it->base.entry.key.data, it->base.entry.key.len);
	it->base.entry.key.data = to;
	if (it->base.entry.value.len > 0)
		memcpy(to + it->base.entry.key.len, it->base.entry.value.data, it->base.entry.value.len);
	it->base.entry.value.data = to + it->base.entry.key.len;
	it->base.valid = true;
}

/* Index of the first entry at or after the position. */
static size_t lower_bound(const struct array_iter *it, struct slice key, uint64_t sequence)
{
	size_t low = 0, high = it->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (entry_compare_position(it->entries[mid].key, it->entries[mid].sequence, key, sequence) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void array_seek_first(struct iter *iter)
{
	struct array_iter *it = (struct array_iter *)iter;

	if (begin(it))
		show(it, 0);
}

static void array_seek_last(struct iter *iter)
{
	struct array_iter *it = (struct array_iter *)iter;

	if (begin(it))
		show(it, it->count - 1);
}

static void array_seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	struct array_iter *it = (struct array_iter *)iter;
	size_t at = lower_bound(it, key, sequence);

	if (begin(it))
		show(it, at);
}

static void array_seek_before(struct iter *iter, struct slice key)
{
	struct array_iter *it = (struct array_iter *)iter;
	size_t at = lower_bound(it, key, ENTRY_SEQUENCE_MAX);

	if (begin(it))
		show(it, at - 1);
}

static void array_next(struct iter *iter)
{
	struct array_iter *it = (struct array_iter *)iter;

	assert(iter->valid);
	if (begin(it))
		show(it, it->at + 1);
}

static void array_prev(struct iter *iter)
{
	struct array_iter *it = (struct array_iter *)iter;

	assert(iter->valid);
	if (begin(it))
		show(it, it->at - 1);
}

static kv_status array_status(const struct iter *iter, struct kv_error *err)
{
	const struct array_iter *it = (const struct array_iter *)iter;

	if (it->status == KV_OK)
		return KV_OK;
	return kv_error_set(err, it->status, "injected");
}

static void array_close(struct iter *iter)
{
	struct array_iter *it = (struct array_iter *)iter;

	free(it->scratch[0]);
	free(it->scratch[1]);
	free(it);
	open_count--;
}

static const struct iter_ops array_ops = {
	.seek_first = array_seek_first,
	.seek_last = array_seek_last,
	.seek = array_seek,
	.seek_before = array_seek_before,
	.next = array_next,
	.prev = array_prev,
	.status = array_status,
	.close = array_close,
};

struct iter *array_iter_new(const struct entry *entries, size_t count)
{
	struct array_iter *it = calloc(1, sizeof *it);
	size_t bytes = 1;

	if (!it)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (entries[i].key.len + entries[i].value.len > bytes)
			bytes = entries[i].key.len + entries[i].value.len;
		assert(i == 0 || entry_compare(&entries[i - 1], &entries[i]) < 0);
	}
	open_count++;
	it->base.ops = &array_ops;
	it->entries = entries;
	it->count = count;
	it->scratch_bytes = bytes;
	it->scratch[0] = malloc(bytes);
	it->scratch[1] = malloc(bytes);
	if (it->scratch[0] && it->scratch[1])
		return &it->base;
	array_close(&it->base);
	return NULL;
}

void array_iter_fail(struct iter *iter, size_t moves, kv_status status)
{
	struct array_iter *it = (struct array_iter *)iter;

	it->fail_at = it->moves + moves;
	it->fail_status = status;
}

size_t array_iter_moves(const struct iter *iter)
{
	return ((const struct array_iter *)iter)->moves;
}

size_t array_iter_open(void)
{
	return open_count;
}

static int by_position(const void *a, const void *b)
{
	return entry_compare(a, b);
}

void array_iter_sort(struct entry *entries, size_t count)
{
	if (count > 0)
		qsort(entries, count, sizeof *entries, by_position);
}
