/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run shown is a copy in one of two scratch buffers, which take turns; the other one is overwritten at every
 * move out of a run, so that a slice kept too long reads rubbish.
 */
#include "support/array_iter.h"

#include <assert.h>
#include <stdlib.h>

enum { RUBBISH = 0xdd };

struct array_iter {
	struct iter base;
	const struct entry *entries;
	size_t count;
	size_t run_max;
	size_t run_at; /* of the first of the run; while valid */
	struct entry run[ARRAY_ITER_RUN_MAX];

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
	memset(it->run, RUBBISH, sizeof it->run);
	if (it->fail_status != KV_OK && it->moves == it->fail_at)
		it->status = it->fail_status;
	it->moves++;
	return it->status == KV_OK;
}

static void copy_entry(const struct entry *from, struct entry *ret, uint8_t **to)
{
	*ret = *from;
	memcpy(*to, from->key.data, from->key.len);
	ret->key.data = *to;
	*to += from->key.len;
	if (from->value.len > 0)
		memcpy(*to, from->value.data, from->value.len);
	ret->value.data = *to;
	*to += from->value.len;
}

/* `at` may be count or SIZE_MAX: beyond either end. The run begins or ends with it. */
static void show(struct array_iter *it, size_t at, bool forward)
{
	size_t begin_at = at, end = at + 1;
	uint8_t *to;

	if (at >= it->count)
		return;
	if (forward)
		end = it->count - at < it->run_max ? it->count : at + it->run_max;
	else
		begin_at = at + 1 < it->run_max ? 0 : at + 1 - it->run_max;
	it->turn ^= 1;
	to = it->scratch[it->turn];
	for (size_t i = begin_at; i < end; i++)
		it->run[i - begin_at] = it->entries[i];
	for (size_t i = begin_at; !it->base.keeps_slices && i < end; i++)
		copy_entry(&it->entries[i], &it->run[i - begin_at], &to);
	it->run_at = begin_at;
	it->base.first = it->run;
	it->base.entry = it->run + (at - begin_at);
	it->base.last = it->run + (end - begin_at - 1);
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
		show(it, 0, true);
}

static void array_seek_last(struct iter *iter)
{
	struct array_iter *it = (struct array_iter *)iter;

	if (begin(it))
		show(it, it->count - 1, false);
}

static void array_seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	struct array_iter *it = (struct array_iter *)iter;
	size_t at = lower_bound(it, key, sequence);

	if (begin(it))
		show(it, at, true);
}

static void array_seek_before(struct iter *iter, struct slice key)
{
	struct array_iter *it = (struct array_iter *)iter;
	size_t at = lower_bound(it, key, ENTRY_SEQUENCE_MAX);

	if (begin(it))
		show(it, at - 1, false);
}

static void array_next(struct iter *iter)
{
	struct array_iter *it = (struct array_iter *)iter;

	size_t at = it->run_at + (size_t)(iter->entry - iter->first);

	assert(iter->valid && iter->entry == iter->last);
	if (begin(it))
		show(it, at + 1, true);
}

static void array_prev(struct iter *iter)
{
	struct array_iter *it = (struct array_iter *)iter;

	size_t at = it->run_at;

	assert(iter->valid && iter->entry == iter->first);
	if (begin(it))
		show(it, at - 1, false);
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
	it->run_max = 1;
	bytes *= ARRAY_ITER_RUN_MAX;
	it->scratch_bytes = bytes;
	it->scratch[0] = malloc(bytes);
	it->scratch[1] = malloc(bytes);
	if (it->scratch[0] && it->scratch[1])
		return &it->base;
	array_close(&it->base);
	return NULL;
}

void array_iter_set_runs(struct iter *iter, size_t entries)
{
	assert(entries > 0 && entries <= ARRAY_ITER_RUN_MAX);
	((struct array_iter *)iter)->run_max = entries;
}

void array_iter_keep_slices(struct iter *iter)
{
	iter->keeps_slices = true;
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
