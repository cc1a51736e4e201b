/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entries of a table, block by block. A block is verified as a whole before its first entry is shown, so none of a bad one is. Of a lost block
 * the keys are those behind the separator before it, up to its own; without separators (blocks found by checksums) the last block ends
 * at the largest key.
 */
#include "base/checksum.h"
#include "base/coding.h"
#include "engine/blob_pointer.h"
#include "engine/block_reader.h"
#include "engine/sst_scan_internal.h"

#include <stdlib.h>

struct scan_iter {
	struct iter base; /* first */
	struct sst_scan *scan;
	size_t block;     /* the next one to load */
	uint32_t at;      /* in the cursor's batch */
	bool ended;
	kv_status status;
	struct kv_error err;

	struct buf stored, content;
	struct buf last_key;     /* of all entries that were verified, with the next */
	uint64_t last_sequence;  /* 0: none yet */
	struct buf key_before;   /* `last_key` as it was before the block that is verified */
	struct buf first_lost, last_lost;
	struct sst_meta found;
	uint8_t *blobs_seen;
	bool complete;           /* no block was lost */
	struct block_cursor cursor;
};

static void fail(struct scan_iter *it, kv_status status)
{
	it->base.valid = false;
	it->status = status;
	if (it->err.status == KV_OK)
		kv_error_set(&it->err, status, "no memory to check a table");
}

/* ---- what is lost ---- */

static kv_status set_after(struct buf *to, struct slice key)
{
	kv_status status = buf_set(to, key);

	return status == KV_OK ? buf_append_byte(to, 0) : status;
}

static struct slice separator_of(const struct sst_scan *scan, size_t i)
{
	return slice_of(scan->separators.data + scan->blocks[i].key_at, scan->blocks[i].key_len);
}

/* The first key that block `i` may hold. */
static kv_status set_first_lost(struct scan_iter *it, size_t i)
{
	const struct sst_meta *meta = sst_scan_meta(it->scan);

	if (!it->scan->by_checksum && i > 0)
		return set_after(&it->first_lost, separator_of(it->scan, i - 1));
	if (it->scan->by_checksum && it->last_sequence > 0)
		return set_after(&it->first_lost, buf_slice(&it->last_key));
	if (meta)
		return buf_set(&it->first_lost, buf_slice(&meta->smallest));
	return set_after(&it->first_lost, slice_of(NULL, 0));
}

/* Keys have no bound; this one is behind all of them. */
static kv_status set_no_bound(struct buf *to)
{
	kv_status status = KV_OK;

	buf_clear(to);
	for (int i = 0; status == KV_OK && i < ENTRY_KEY_MAX; i++)
		status = buf_append_byte(to, 0xff);
	return status;
}

static kv_status set_last_lost(struct scan_iter *it, size_t i)
{
	const struct sst_meta *meta = sst_scan_meta(it->scan);

	if (!it->scan->by_checksum)
		return buf_set(&it->last_lost, separator_of(it->scan, i));
	if (meta)
		return buf_set(&it->last_lost, buf_slice(&meta->largest));
	return set_no_bound(&it->last_lost);
}

static kv_status lose(struct scan_iter *it, size_t i, uint64_t offset, const char *what)
{
	struct sst_scan_keys keys;
	kv_status status = set_first_lost(it, i);

	it->complete = false;
	if (status == KV_OK)
		status = set_last_lost(it, i);
	if (status != KV_OK)
		return status;
	keys.first = buf_slice(&it->first_lost);
	keys.last = buf_slice(&it->last_lost);
	if (slice_compare(keys.first, keys.last) <= 0)
		sst_scan_fault(it->scan, offset, what, &keys);
	else /* older versions of a key whose newest is there */
		sst_scan_fault(it->scan, offset, what, NULL);
	return KV_OK;
}

/* ---- verifying ---- */

/* NULL, or what makes the block unusable. */
static const char *unusable(const struct scan_iter *it, const struct entry *entry)
{
	struct blob_pointer pointer;

	if (it->last_sequence > 0 && entry_compare_position(buf_slice(&it->last_key), it->last_sequence, entry->key,
			entry->sequence) >= 0)
		return "its entries are not in order";
	if (entry->kind == ENTRY_RANGE_DELETE)
		return "a range delete is among its entries";
	if (entry->kind == ENTRY_BLOB && !blob_pointer_decode(entry->value, &pointer))
		return "an entry has a malformed pointer to a blob file";
	return NULL;
}

static bool is_listed(struct scan_iter *it, const struct entry *entry)
{
	const struct sst_blobs *blobs = &it->scan->blobs;
	struct blob_pointer pointer;
	size_t i;

	if (entry->kind != ENTRY_BLOB || !it->scan->has_blobs || !blob_pointer_decode(entry->value, &pointer))
		return true;
	i = sst_blobs_find(blobs, pointer.number);
	if (i == blobs->count)
		return false;
	it->blobs_seen[i] = 1;
	return true;
}

/* NULL, or why a reader would not find the entry, though it is there. */
static const char *unreachable(struct scan_iter *it, size_t i, uint32_t at)
{
	const struct entry *entry = &it->cursor.entries[at];
	const struct sst_scan *scan = it->scan;
	uint64_t hash = key_hash(entry->key);

	if (it->cursor.block.hashes[it->cursor.index + at] != (uint8_t)hash)
		return "the hash byte of an entry is wrong";
	if (scan->index && sst_index_find(scan->index, entry->key, entry->sequence) != i)
		return "the index does not lead to an entry";
	if (!filter_may_have(&scan->filter, hash))
		return "the filter denies a key";
	if (!is_listed(it, entry))
		return "an entry points to a blob file that is not in the list";
	return NULL;
}

static kv_status note(struct scan_iter *it, const struct entry *entry)
{
	kv_status status = KV_OK;

	if (it->found.entries == 0)
		status = buf_set(&it->found.smallest, entry->key);
	if (status == KV_OK)
		status = buf_set(&it->found.largest, entry->key);
	if (status == KV_OK)
		status = buf_set(&it->last_key, entry->key);
	it->last_sequence = entry->sequence;
	return status;
}

/* *ret_bad: NULL, or why nothing of the block can be used; *ret_odd: NULL, or what else is wrong. */
static kv_status verify_entries(struct scan_iter *it, size_t i, const char **ret_bad, const char **ret_odd)
{
	kv_status status = KV_OK, move = block_cursor_open(&it->cursor, buf_slice(&it->content));

	if (move == KV_OK && block_check_runs(&it->cursor.block) != KV_OK)
		*ret_odd = "its runs do not begin where they are told to";
	if (move == KV_OK)
		move = block_cursor_first(&it->cursor);
	while (move == KV_OK) {
		for (uint32_t at = 0; status == KV_OK && at < it->cursor.count; at++) {
			*ret_bad = unusable(it, &it->cursor.entries[at]);
			if (*ret_bad)
				return KV_OK;
			if (!*ret_odd)
				*ret_odd = unreachable(it, i, at);
			status = note(it, &it->cursor.entries[at]);
			sst_meta_count(&it->found, &it->cursor.entries[at]);
		}
		if (status != KV_OK)
			return status;
		move = block_cursor_next(&it->cursor);
	}
	if (move != KV_NOT_FOUND)
		*ret_bad = "the block is malformed";
	return KV_OK;
}

/* What a block that cannot be used says of its keys is not believed: the next one is compared with the entries before it. */
static kv_status verify(struct scan_iter *it, size_t i, const char **ret_bad, const char **ret_odd)
{
	uint64_t sequence_before = it->last_sequence;
	kv_status status = buf_set(&it->key_before, buf_slice(&it->last_key));

	if (status == KV_OK)
		status = verify_entries(it, i, ret_bad, ret_odd);
	if (status == KV_OK && *ret_bad) {
		struct buf bad_key = it->last_key;

		it->last_key = it->key_before;
		it->last_sequence = sequence_before;
		it->key_before = bad_key;
	}
	return status;
}

/* Loads block `i` and stands on its first batch; KV_NOT_FOUND when it was lost. */
static kv_status load(struct scan_iter *it, size_t i)
{
	const struct scan_block *block = &it->scan->blocks[i];
	const char *bad = NULL, *odd = NULL;
	kv_status status =
		sst_scan_unseal(it->scan, block->offset, block->bytes, &it->stored, &it->content, &bad, &it->err);

	if (status == KV_OK)
		status = verify(it, i, &bad, &odd);
	else if (status != KV_CORRUPT)
		return status;
	if (status != KV_OK && status != KV_CORRUPT)
		return status;
	if (bad) {
		status = lose(it, i, block->offset, bad);
		return status == KV_OK ? KV_NOT_FOUND : status;
	}
	if (odd)
		sst_scan_fault(it->scan, block->offset, odd, NULL);
	status = block_cursor_open(&it->cursor, buf_slice(&it->content));
	if (status == KV_OK)
		status = block_cursor_first(&it->cursor);
	it->at = 0;
	return status;
}

/* ---- the end ---- */

static kv_status tell_what_is_behind(struct scan_iter *it)
{
	const struct sst_meta *meta = sst_scan_meta(it->scan);

	if (!it->scan->ends_early)
		return KV_OK;
	it->complete = false;
	if (meta && it->last_sequence > 0 && slice_compare(buf_slice(&it->last_key), buf_slice(&meta->largest)) >= 0)
		return KV_OK; /* all keys are there */
	return lose(it, it->scan->block_count, it->scan->end, "no block can be found from here on");
}

static kv_status finish(struct scan_iter *it)
{
	struct sst_scan *scan = it->scan;
	kv_status status = tell_what_is_behind(it);

	if (status != KV_OK || !it->complete || !scan->has_properties)
		return status;
	for (size_t i = 0; i < scan->blobs.count; i++)
		if (!it->blobs_seen[i]) {
			sst_scan_fault(scan, scan->file_bytes, "no entry points to a blob file of the list", NULL);
			break;
		}
	it->found.range_applied = scan->meta.range_applied; /* cannot be found out */
	it->found.number = scan->meta.number;
	it->found.file_bytes = scan->meta.file_bytes;
	if (!sst_meta_equal(&it->found, &scan->meta))
		sst_scan_fault(scan, scan->file_bytes, "the properties do not fit the entries", NULL);
	return KV_OK;
}

/* ---- the iterator ---- */

static void show(struct scan_iter *it)
{
	iter_show(&it->base, &it->cursor.entries[it->at]);
}

static void next_block(struct scan_iter *it)
{
	kv_status status = KV_NOT_FOUND;

	it->base.valid = false;
	while (status == KV_NOT_FOUND && it->block < it->scan->block_count)
		status = load(it, it->block++);
	if (status == KV_OK) {
		show(it);
		return;
	}
	if (status == KV_NOT_FOUND && !it->ended) {
		it->ended = true;
		status = finish(it);
	}
	if (status != KV_OK && status != KV_NOT_FOUND)
		fail(it, status);
}

static void scan_next(struct iter *iter)
{
	struct scan_iter *it = (struct scan_iter *)iter;
	kv_status move;

	if (++it->at < it->cursor.count) {
		show(it);
		return;
	}
	it->at = 0;
	move = block_cursor_next(&it->cursor);
	if (move == KV_OK)
		show(it);
	else
		next_block(it);
}

static void scan_seek_first(struct iter *iter)
{
	struct scan_iter *it = (struct scan_iter *)iter;

	if (it->status == KV_OK && it->block == 0 && it->scan->usable)
		next_block(it);
}

static kv_status scan_status(const struct iter *iter, struct kv_error *err)
{
	const struct scan_iter *it = (const struct scan_iter *)iter;

	if (it->status != KV_OK && err)
		*err = it->err;
	return it->status;
}

static void scan_close(struct iter *iter)
{
	struct scan_iter *it = (struct scan_iter *)iter;

	buf_free(&it->stored);
	buf_free(&it->content);
	buf_free(&it->last_key);
	buf_free(&it->key_before);
	buf_free(&it->first_lost);
	buf_free(&it->last_lost);
	sst_meta_free(&it->found);
	free(it->blobs_seen);
	free(it);
}

static const struct iter_ops scan_ops = {
	.seek_first = scan_seek_first,
	.next = scan_next,
	.status = scan_status,
	.close = scan_close,
};

struct iter *sst_scan_iter(struct sst_scan *scan)
{
	struct scan_iter *it = calloc(1, sizeof *it);

	if (!it)
		return NULL;
	it->base.ops = &scan_ops;
	it->scan = scan;
	it->complete = true;
	it->blobs_seen = calloc(scan->blobs.count + 1, 1);
	if (it->blobs_seen)
		return &it->base;
	free(it);
	return NULL;
}

size_t sst_scan_iter_block(const struct iter *iter)
{
	return ((const struct scan_iter *)iter)->block - 1;
}
