/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A data block alone. Whatever it holds, a walk shows at most as many entries as its head says, and a lookup nothing but the key it was asked
 * for. In one that is as a writer makes it (entries in order, hash bytes and runs right) both directions, seeks and lookups agree.
 */
#include "base/checksum.h"
#include "base/coding.h"
#include "engine/block_reader.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>

enum { ENTRIES_MAX = 512 };

struct walk {
	struct entry entries[ENTRIES_MAX]; /* keys are copies */
	size_t count;
	bool good; /* as a writer makes it */
};

static bool lies_in(struct slice part, struct slice whole)
{
	return part.data >= whole.data && part.len <= whole.len && part.data <= whole.data + (whole.len - part.len);
}

static void keep(struct walk *walk, const struct block_cursor *cursor, struct slice content)
{
	for (uint32_t at = 0; at < cursor->count && walk->count < ENTRIES_MAX; at++) {
		const struct entry *entry = &cursor->entries[at];
		struct entry *last = walk->count > 0 ? &walk->entries[walk->count - 1] : NULL;
		uint8_t *key = malloc(entry->key.len);

		FUZZ_REQUIRE(entry->key.len >= 1 && entry->key.len <= ENTRY_KEY_MAX && key);
		FUZZ_REQUIRE(lies_in(entry->value, content));
		FUZZ_REQUIRE(entry->sequence >= 1 && entry->sequence <= ENTRY_SEQUENCE_MAX);
		memcpy(key, entry->key.data, entry->key.len);
		if (last && entry_compare(last, entry) >= 0)
			walk->good = false;
		if (cursor->block.hashes[cursor->index + at] != (uint8_t)key_hash(entry->key))
			walk->good = false;
		walk->entries[walk->count] = *entry;
		walk->entries[walk->count++].key = slice_of(key, entry->key.len);
	}
}

static void walk_forward(struct slice content, struct walk *walk)
{
	static struct block_cursor cursor;
	kv_status status = block_cursor_open(&cursor, content);
	uint32_t seen = 0;

	walk->good = true;
	if (status == KV_OK)
		status = block_cursor_first(&cursor);
	for (; status == KV_OK; status = block_cursor_next(&cursor)) {
		FUZZ_REQUIRE(cursor.count >= 1 && cursor.index == seen);
		seen += cursor.count;
		keep(walk, &cursor, content);
	}
	FUZZ_REQUIRE(status == KV_NOT_FOUND || status == KV_CORRUPT);
	if (status == KV_NOT_FOUND)
		FUZZ_REQUIRE(seen == cursor.block.count);
	walk->good = walk->good && status == KV_NOT_FOUND && walk->count == seen &&
		block_check_runs(&cursor.block) == KV_OK;
}

static bool same(const struct entry *a, const struct entry *b)
{
	return slice_equal(a->key, b->key) && slice_equal(a->value, b->value) && a->sequence == b->sequence &&
		a->expires_unix_ms == b->expires_unix_ms && a->kind == b->kind;
}

static void walk_backward(struct slice content, const struct walk *walk)
{
	static struct block_cursor cursor;
	kv_status status = block_cursor_open(&cursor, content);
	size_t left = walk->count;

	if (status == KV_OK)
		status = block_cursor_last(&cursor);
	for (; status == KV_OK; status = block_cursor_prev(&cursor)) {
		for (uint32_t at = cursor.count; walk->good && at-- > 0;) {
			FUZZ_REQUIRE(left > 0);
			FUZZ_REQUIRE(same(&cursor.entries[at], &walk->entries[--left]));
		}
	}
	if (walk->good)
		FUZZ_REQUIRE(status == KV_NOT_FOUND && left == 0);
}

static void look_up(const struct block *block, const struct entry *want, bool good)
{
	struct entry got;
	kv_status status = block_get(block, want->key, key_hash(want->key), want->sequence, &got);

	if (status == KV_OK)
		FUZZ_REQUIRE(slice_equal(got.key, want->key) && got.sequence <= want->sequence);
	if (good)
		FUZZ_REQUIRE(status == KV_OK && same(&got, want));
}

static void seek(struct slice content, const struct walk *walk, size_t i)
{
	static struct block_cursor cursor;
	const struct entry *want = &walk->entries[i];
	uint32_t at = 0;
	kv_status status = block_cursor_open(&cursor, content);

	FUZZ_REQUIRE(status == KV_OK);
	status = block_cursor_seek(&cursor, want->key, want->sequence, &at);
	if (status == KV_OK)
		FUZZ_REQUIRE(at < cursor.count);
	if (walk->good)
		FUZZ_REQUIRE(status == KV_OK && same(&cursor.entries[at], want));
	status = block_cursor_seek_before(&cursor, want->key, &at);
	if (status == KV_OK)
		FUZZ_REQUIRE(at < cursor.count);
	if (walk->good && status == KV_OK)
		FUZZ_REQUIRE(slice_compare(cursor.entries[at].key, want->key) < 0);
	if (walk->good && status != KV_OK)
		FUZZ_REQUIRE(status == KV_NOT_FOUND && slice_equal(walk->entries[0].key, want->key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct walk walk;
	struct slice content = slice_of(data, size);
	struct block block;

	walk.count = 0;
	if (block_open(content, &block) != KV_OK)
		return 0;
	walk_forward(content, &walk);
	walk_backward(content, &walk);
	for (size_t i = 0; i < walk.count; i += 1 + walk.count / 64) {
		look_up(&block, &walk.entries[i], walk.good);
		seek(content, &walk, i);
	}
	for (size_t i = 0; i < walk.count; i++)
		free((void *)(uintptr_t)walk.entries[i].key.data);
	return 0;
}
