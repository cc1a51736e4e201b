/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table file. Reading it in every way neither crashes nor goes on for ever. When sst_reader_verify() has nothing against it, entries are in
 * order, forward and backward show the same, every key is found, and no filter denies it.
 */
#include "base/checksum.h"
#include "engine/filename.h"
#include "engine/sst_reader.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>

enum { ENTRIES_MAX = 1024, CACHE_BYTES = 1 << 20 };

struct walk {
	struct entry entries[ENTRIES_MAX]; /* keys are copies, values are not looked at */
	uint64_t value_hash[ENTRIES_MAX];
	size_t count;
};

static void keep(struct walk *walk, const struct entry *entry)
{
	uint8_t *key = malloc(entry->key.len + 1);

	FUZZ_REQUIRE(key != NULL);
	memcpy(key, entry->key.data, entry->key.len);
	walk->value_hash[walk->count] = key_hash(entry->value);
	walk->entries[walk->count] = *entry;
	walk->entries[walk->count++].key = slice_of(key, entry->key.len);
}

static bool same(const struct entry *entry, const struct walk *walk, size_t i)
{
	const struct entry *other = &walk->entries[i];

	return slice_equal(entry->key, other->key) && entry->sequence == other->sequence &&
		entry->kind == other->kind && entry->expires_unix_ms == other->expires_unix_ms &&
		key_hash(entry->value) == walk->value_hash[i];
}

/* false: not all of the table is in `walk`. */
static bool walk_forward(struct sst_reader *reader, bool keep_blocks, bool verified, struct walk *walk)
{
	struct iter *iter = sst_reader_iter(reader, keep_blocks);
	uint64_t entries = sst_reader_meta(reader)->entries;
	bool whole;

	FUZZ_REQUIRE(iter != NULL);
	for (iter_seek_first(iter); iter->valid && walk->count < ENTRIES_MAX; iter_next(iter)) {
		keep(walk, iter->entry);
		if (verified && walk->count > 1)
			FUZZ_REQUIRE(entry_compare(&walk->entries[walk->count - 2], iter->entry) < 0);
	}
	whole = !iter->valid && iter_status(iter, NULL) == KV_OK;
	if (verified)
		FUZZ_REQUIRE(iter_status(iter, NULL) == KV_OK && (iter->valid || walk->count == entries));
	iter_close(iter);
	return whole;
}

static void walk_backward(struct sst_reader *reader, bool verified, const struct walk *walk)
{
	struct iter *iter = sst_reader_iter(reader, false);
	size_t left = walk->count, steps = 0;

	FUZZ_REQUIRE(iter != NULL);
	for (iter_seek_last(iter); iter->valid && steps < ENTRIES_MAX; iter_prev(iter), steps++)
		if (verified)
			FUZZ_REQUIRE(left > 0 && same(iter->entry, walk, --left));
	if (verified)
		FUZZ_REQUIRE(left == 0);
	iter_close(iter);
}

static void look_up(struct sst_reader *reader, bool verified, const struct walk *walk, size_t i)
{
	const struct entry *want = &walk->entries[i];
	uint64_t hash = key_hash(want->key);
	bool may_have = sst_reader_may_have(reader, hash);
	struct pinned pin;
	struct entry got;
	kv_status status = sst_reader_get(reader, want->key, hash, want->sequence, &got, &pin, NULL);

	if (verified)
		FUZZ_REQUIRE(may_have && status == KV_OK && same(&got, walk, i));
	if (status == KV_OK) {
		FUZZ_REQUIRE(slice_equal(got.key, want->key) && got.sequence <= want->sequence);
		pinned_release(&pin);
	}
}

static void seek(struct sst_reader *reader, bool verified, const struct walk *walk)
{
	struct iter *iter = sst_reader_iter(reader, true);

	FUZZ_REQUIRE(iter != NULL);
	for (size_t i = 0; i < walk->count; i += 1 + walk->count / 32) {
		iter_fetch(iter, walk->entries[i].key, walk->entries[i].sequence, 0);
		iter_fetch(iter, walk->entries[i].key, walk->entries[i].sequence, 1);
		iter_seek(iter, walk->entries[i].key, walk->entries[i].sequence);
		if (verified)
			FUZZ_REQUIRE(iter->valid && same(iter->entry, walk, i));
		iter_seek_before(iter, walk->entries[i].key);
		if (verified && iter->valid)
			FUZZ_REQUIRE(slice_compare(iter->entry->key, walk->entries[i].key) < 0);
		if (verified && !iter->valid)
			FUZZ_REQUIRE(slice_equal(walk->entries[0].key, walk->entries[i].key));
	}
	iter_close(iter);
}

static void use(struct sst_reader *reader)
{
	static struct walk walk;
	bool verified = sst_reader_verify(reader, NULL) == KV_OK;

	walk.count = 0;
	verified = walk_forward(reader, true, verified, &walk) && verified;
	walk_backward(reader, verified, &walk);
	seek(reader, verified, &walk);
	for (size_t i = 0; i < walk.count; i += 1 + walk.count / 64)
		look_up(reader, verified, &walk, i);
	(void)sst_reader_share(reader, slice_of("b", 1), slice_of("c", 1));
	(void)sst_reader_warm(reader, NULL);
	for (size_t i = 0; i < walk.count; i++)
		free((void *)(uintptr_t)walk.entries[i].key.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block_cache *cache = block_cache_new(CACHE_BYTES);
	struct sst_reader *reader = NULL;
	char name[FILENAME_MAX_BYTES];
	struct fuzz_dir dir;

	FUZZ_REQUIRE(cache != NULL);
	fuzz_dir_open(&dir);
	fuzz_dir_put(&dir, filename_make(name, FILENAME_TABLE, FUZZ_FILE_NUMBER), slice_of(data, size));
	if (sst_reader_open(&dir.dir, &fuzz_store_id, FUZZ_FILE_NUMBER, NULL, cache, &reader, NULL) == KV_OK)
		use(reader);
	sst_reader_close(reader);
	block_cache_free(cache);
	fuzz_dir_close(&dir);
	return 0;
}
