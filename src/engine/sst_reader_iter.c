/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Iterator over a table: a cursor in one block at a time. Blocks come from the cache; those that are not there are entered
 * (keep_blocks), or read in pieces that grow while the walk goes on, and used where they lie.
 */
#include "engine/block_reader.h"
#include "engine/iter_spare.h"
#include "engine/sst_reader_internal.h"

#include <stdlib.h>

enum {
	PIECE_BYTES_FIRST = 16 * 1024,
	PIECE_BYTES_MAX = 256 * 1024,
};

struct sst_iter {
	struct iter iter;
	const struct sst_reader *reader;
	bool keep_blocks;
	void (*release)(void *owner); /* at close; NULL: none */
	void *owner;

	size_t block;                /* the cursor's, or NO_BLOCK */
	size_t sought;               /* the one that a seek will go to, or NO_BLOCK */
	bool looked;                 /* look_ahead() was there */
	struct cached_block *cached; /* what holds its bytes, if not piece or scratch */
	struct buf scratch;          /* of a block that had to be decompressed */
	struct buf piece;            /* stored bytes of the blocks piece_first up to piece_end (exclusive) */
	size_t piece_first, piece_end;
	size_t piece_bytes;          /* to read next time */

	kv_status status;
	struct kv_error err;
	struct block_cursor cursor;
};

#define NO_BLOCK SIZE_MAX

static struct iter_spare spare;

static struct sst_iter *of(struct iter *iter)
{
	return (struct sst_iter *)iter;
}

static void fail(struct sst_iter *it, kv_status status)
{
	it->status = status;
	it->iter.valid = false;
}

/* The blocks around `i`, at least itself, that one read of piece_bytes takes: those after it, or before it. */
static void choose_piece(struct sst_iter *it, size_t i, bool forward)
{
	const struct sst_index *index = it->reader->index;
	size_t bytes = sst_index_stored_bytes(index, i);
	size_t first = i, end = i + 1;

	while (forward && end < sst_index_blocks(index) &&
		bytes + sst_index_stored_bytes(index, end) <= it->piece_bytes)
		bytes += sst_index_stored_bytes(index, end++);
	while (!forward && first > 0 &&
		bytes + sst_index_stored_bytes(index, first - 1) <= it->piece_bytes)
		bytes += sst_index_stored_bytes(index, --first);
	it->piece_first = first;
	it->piece_end = end;
}

static kv_status read_piece(struct sst_iter *it, size_t i, bool forward)
{
	const struct sst_index *index = it->reader->index;
	uint64_t start, end;
	kv_status status;

	choose_piece(it, i, forward);
	start = sst_index_offset(index, it->piece_first);
	end = sst_index_offset(index, it->piece_end - 1) +
		sst_index_stored_bytes(index, it->piece_end - 1);
	if (it->piece.capacity > 4 * PIECE_BYTES_MAX)
		buf_free(&it->piece); /* a large value went through */
	buf_clear(&it->piece);
	status = buf_reserve(&it->piece, (size_t)(end - start));
	if (status != KV_OK) {
		it->piece_end = it->piece_first;
		return kv_error_set(&it->err, status, "no memory to read a table");
	}
	it->piece.len = (size_t)(end - start);
	status = file_read_at(&it->reader->file, it->piece.data, it->piece.len, start, &it->err);
	if (status != KV_OK)
		it->piece_end = it->piece_first; /* nothing in it is good */
	if (it->piece_bytes < PIECE_BYTES_MAX)
		it->piece_bytes *= 2;
	return status;
}

/* From the piece, which is read anew when the block is not in it. */
static kv_status load_from_piece(struct sst_iter *it, size_t i, bool forward, struct slice *ret)
{
	const struct sst_index *index = it->reader->index;
	struct slice stored;
	kv_status status;

	if (i < it->piece_first || i >= it->piece_end) {
		status = read_piece(it, i, forward);
		if (status != KV_OK)
			return status;
	}
	stored = slice_of(it->piece.data + (sst_index_offset(index, i) -
						   sst_index_offset(index, it->piece_first)),
		sst_index_stored_bytes(index, i));
	return sst_reader_unseal(it->reader, i, stored, &it->scratch, ret, &it->err);
}

/* A walk is in the cursor's block: the one it comes to is fetched from memory meanwhile, once. */
static void look_ahead(struct sst_iter *it, bool forward)
{
	const struct sst_reader *reader = it->reader;

	if (!it->cached || it->looked)
		return;
	it->looked = true;
	if (forward && sst_index_blocks(reader->index) - it->block > 1)
		block_cache_prefetch(&reader->places[it->block + 1]);
	else if (!forward && it->block > 0)
		block_cache_prefetch(&reader->places[it->block - 1]);
}

/* Content of block `i`; the one before is let go. */
static kv_status fetch(struct sst_iter *it, size_t i, bool forward, struct slice *ret)
{
	const struct sst_reader *reader = it->reader;
	struct cached_block *cached = NULL;
	kv_status status = KV_OK;

	cached_block_unref(it->cached);
	it->cached = NULL;
	if (it->keep_blocks)
		status = sst_reader_block(reader, i, &cached, &it->err);
	else if (i < it->piece_first || i >= it->piece_end)
		cached = block_cache_find(reader->cache, &reader->places[i]);
	if (status != KV_OK)
		return status;
	if (!cached)
		return load_from_piece(it, i, forward, ret);
	it->cached = cached;
	*ret = cached_block_data(cached);
	return KV_OK;
}

static kv_status malformed(struct sst_iter *it, size_t i)
{
	return sst_reader_corrupt(it->reader, sst_index_offset(it->reader->index, i),
		"block is malformed", &it->err);
}

/* Puts the cursor over block `i`; false when it cannot. */
static bool load(struct sst_iter *it, size_t i, bool forward)
{
	struct slice content;
	kv_status status;

	if (it->status != KV_OK)
		return false;
	if (it->block == i)
		return true;
	it->block = NO_BLOCK;
	status = fetch(it, i, forward, &content);
	if (status == KV_OK && block_cursor_open(&it->cursor, content) != KV_OK)
		status = malformed(it, i);
	if (status != KV_OK) {
		fail(it, status);
		return false;
	}
	it->block = i;
	it->looked = false;
	return true;
}

/* The outcome of a move within a block that must have found something: shows the entry at a place of the cursor's batch. */
static void land(struct sst_iter *it, kv_status status, uint32_t at)
{
	it->iter.valid = status == KV_OK;
	if (status == KV_OK) {
		it->iter.first = it->cursor.entries;
		it->iter.entry = it->iter.first + at;
		it->iter.last = it->iter.first + it->cursor.count - 1;
	} else {
		fail(it, malformed(it, it->block));
	}
}

static void first_of(struct sst_iter *it, size_t i)
{
	it->iter.valid = false;
	if (i < sst_index_blocks(it->reader->index) && load(it, i, true))
		land(it, block_cursor_first(&it->cursor), 0);
}

/* `i` is one more than the block's number: 0 is the end. */
static void last_before(struct sst_iter *it, size_t i)
{
	kv_status status;

	it->iter.valid = false;
	if (i == 0 || !load(it, i - 1, false))
		return;
	status = block_cursor_last(&it->cursor);
	land(it, status, it->cursor.count - 1);
}

static void sst_iter_seek_first(struct iter *iter)
{
	first_of(of(iter), 0);
}

static void sst_iter_seek_last(struct iter *iter)
{
	last_before(of(iter), sst_index_blocks(of(iter)->reader->index));
}

/* The entry's own key would go with the batch and the block while the cursor moves. */
static struct slice safe_key(const struct sst_iter *it, struct slice key, uint8_t copy[ENTRY_KEY_MAX])
{
	if (!it->iter.valid || key.data != it->iter.entry->key.data || key.len > ENTRY_KEY_MAX)
		return key;
	memcpy(copy, key.data, key.len);
	return slice_of(copy, key.len);
}

static void sst_iter_fetch(struct iter *iter, struct slice key, uint64_t sequence, unsigned step)
{
	struct sst_iter *it = of(iter);
	const struct sst_reader *reader = it->reader;

	if (step == 0)
		it->sought = sst_index_find(reader->index, key, sequence);
	if (it->sought == sst_index_blocks(reader->index) || it->sought == it->block)
		return;
	if (step == 0)
		__builtin_prefetch(&reader->places[it->sought]);
	else
		block_cache_prefetch(&reader->places[it->sought]);
}

static void sst_iter_seek(struct iter *iter, struct slice key, uint64_t sequence)
{
	struct sst_iter *it = of(iter);
	uint8_t copy[ENTRY_KEY_MAX];
	size_t i = it->sought != NO_BLOCK ? it->sought : sst_index_find(it->reader->index, key, sequence);
	kv_status status;
	uint32_t at;

	it->sought = NO_BLOCK;
	key = safe_key(it, key, copy);
	iter->valid = false;
	if (i == sst_index_blocks(it->reader->index) || !load(it, i, true))
		return;
	status = block_cursor_seek(&it->cursor, key, sequence, &at);
	if (status == KV_NOT_FOUND)
		first_of(it, i + 1); /* it lies between the last entry and the separator */
	else
		land(it, status, at);
}

static void sst_iter_seek_before(struct iter *iter, struct slice key)
{
	struct sst_iter *it = of(iter);
	uint8_t copy[ENTRY_KEY_MAX];
	size_t i = sst_index_find(it->reader->index, key, ENTRY_SEQUENCE_MAX);
	kv_status status;
	uint32_t at;

	key = safe_key(it, key, copy);
	iter->valid = false;
	if (i == sst_index_blocks(it->reader->index)) {
		last_before(it, i);
		return;
	}
	if (!load(it, i, false))
		return;
	status = block_cursor_seek_before(&it->cursor, key, &at);
	if (status == KV_NOT_FOUND)
		last_before(it, i);
	else
		land(it, status, at);
}

static void sst_iter_next(struct iter *iter)
{
	struct sst_iter *it = of(iter);
	kv_status status = block_cursor_next(&it->cursor);

	if (status == KV_NOT_FOUND)
		first_of(it, it->block + 1);
	else
		land(it, status, 0);
	if (it->iter.valid)
		look_ahead(it, true);
}

static void sst_iter_prev(struct iter *iter)
{
	struct sst_iter *it = of(iter);
	kv_status status = block_cursor_prev(&it->cursor);

	if (status == KV_NOT_FOUND)
		last_before(it, it->block);
	else
		land(it, status, it->cursor.count - 1);
	if (it->iter.valid)
		look_ahead(it, false);
}

static kv_status sst_iter_status(const struct iter *iter, struct kv_error *err)
{
	const struct sst_iter *it = (const struct sst_iter *)iter;

	if (err && it->status != KV_OK)
		*err = it->err;
	return it->status;
}

static void sst_iter_close(struct iter *iter)
{
	struct sst_iter *it = of(iter);

	cached_block_unref(it->cached);
	buf_free(&it->scratch);
	buf_free(&it->piece);
	if (it->release)
		it->release(it->owner);
	iter_spare_give(&spare, it);
}

static const struct iter_ops sst_iter_ops = {
	.seek_first = sst_iter_seek_first,
	.seek_last = sst_iter_seek_last,
	.seek = sst_iter_seek,
	.seek_before = sst_iter_seek_before,
	.fetch = sst_iter_fetch,
	.next = sst_iter_next,
	.prev = sst_iter_prev,
	.status = sst_iter_status,
	.close = sst_iter_close,
};

struct iter *sst_reader_iter_owned(struct sst_reader *reader, bool keep_blocks,
	void (*release)(void *owner), void *owner)
{
	struct sst_iter *it = iter_spare_take(&spare, sizeof *it);

	if (!it)
		return NULL;
	memset(it, 0, offsetof(struct sst_iter, cursor));
	it->iter.ops = &sst_iter_ops;
	it->reader = reader;
	it->keep_blocks = keep_blocks;
	it->release = release;
	it->owner = owner;
	it->block = NO_BLOCK;
	it->sought = NO_BLOCK;
	it->piece_bytes = PIECE_BYTES_FIRST;
	return &it->iter;
}

struct iter *sst_reader_iter(struct sst_reader *reader, bool keep_blocks)
{
	return sst_reader_iter_owned(reader, keep_blocks, NULL, NULL);
}
