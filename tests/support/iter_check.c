/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/iter_check.h"

#include "support/array_iter.h"
#include "support/runner.h"

#include <stdlib.h>

struct slice iter_check_key(uint64_t *rnd, uint8_t *to)
{
	static const uint8_t alphabet[4] = { 0x00, 'a', 0x80, 0xff };
	uint64_t r = runner_random(rnd);
	size_t len = 1 + r % 3, same;

	r >>= 8;
	/* some keys differ only behind their first 8 or 16 bytes */
	same = r % 4 < 2 ? r % 4 * 8 + 8 : 0;
	memset(to, 'p', same);
	len += same;
	r >>= 8;
	for (size_t i = same; i < len; i++, r >>= 2)
		to[i] = alphabet[r & 3];
	return slice_of(to, len);
}

struct entry *iter_check_entries(uint64_t *rnd, size_t count)
{
	struct entry *entries = calloc(count + 1, sizeof *entries);

	ck_assert_ptr_nonnull(entries);
	for (size_t i = 0; i < count; i++) {
		uint8_t *bytes = malloc(2 * ITER_CHECK_KEY_MAX);

		if (!bytes)
			ck_abort_msg("out of memory");
		entries[i].key = iter_check_key(rnd, bytes);
		entries[i].sequence = i + 1;
		entries[i].kind = runner_random(rnd) % 4 == 0 ? ENTRY_DELETE : ENTRY_PUT;
		if (entries[i].kind == ENTRY_PUT) {
			memcpy(bytes + ITER_CHECK_KEY_MAX, &entries[i].sequence, sizeof entries[i].sequence);
			entries[i].value = slice_of(bytes + ITER_CHECK_KEY_MAX, runner_random(rnd) % 9);
			entries[i].expires_unix_ms = runner_random(rnd) % 3 * 1000;
		}
	}
	array_iter_sort(entries, count);
	return entries;
}

void iter_check_free(struct entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)entries[i].key.data);
	free(entries);
}

bool iter_check_same(const struct entry *a, const struct entry *b)
{
	return slice_equal(a->key, b->key) && slice_equal(a->value, b->value) &&
		a->sequence == b->sequence && a->expires_unix_ms == b->expires_unix_ms &&
		a->kind == b->kind;
}

/* The iterator must stand on entries[at]; beyond the array: be at its end. */
static void check_at(const struct iter *iter, const struct entry *entries, size_t count, size_t at)
{
	/* ck_assert reports every call to the parent process, which is slow */
	if (iter_status(iter, NULL) != KV_OK || iter->valid != (at < count) ||
		(at < count && !iter_check_same(iter->entry, &entries[at])))
		ck_abort_msg("the iterator is not at entry %zu of %zu", at, count);
}

static size_t seek_somewhere(struct iter *iter, const struct entry *entries, size_t count, uint64_t *rnd)
{
	uint8_t bytes[ITER_CHECK_KEY_MAX];
	struct slice key = iter_check_key(rnd, bytes);
	uint64_t sequence = runner_random(rnd) % (count + 2);
	size_t at = 0;

	switch (runner_random(rnd) % 6) {
	case 0:
		iter_seek_first(iter);
		return 0;
	case 1:
		iter_seek_last(iter);
		return count - 1;
	case 2:
		iter_seek_before(iter, key);
		while (at < count && slice_compare(entries[at].key, key) < 0)
			at++;
		return at - 1;
	case 3:
		sequence = ENTRY_SEQUENCE_MAX;
		/* fall through */
	default:
		iter_seek(iter, key, sequence);
		while (at < count &&
			entry_compare_position(entries[at].key, entries[at].sequence, key, sequence) < 0)
			at++;
		return at;
	}
}

void iter_check_walk(struct iter *iter, const struct entry *entries, size_t count, uint64_t *rnd,
	size_t moves)
{
	size_t at = count;

	while (moves > 0) {
		size_t steps = 1 + runner_random(rnd) % 6;
		bool forward = runner_random(rnd) % 2;

		if (at >= count || runner_random(rnd) % 8 == 0) {
			at = seek_somewhere(iter, entries, count, rnd);
			check_at(iter, entries, count, at);
			moves--;
		}
		for (; steps > 0 && moves > 0 && at < count; steps--, moves--) {
			if (forward)
				iter_next(iter);
			else
				iter_prev(iter);
			at += forward ? 1 : (size_t)-1;
			check_at(iter, entries, count, at);
		}
	}
}
