/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks without an index. All parts of a table are sealed alike and lie without a gap, so from a part's beginning the checksum is taken
 * byte by byte until it is followed by itself: linear in what is read. Data blocks come first. With a footer it is known where they end, and each part
 * before that is one, whatever is in it: who reads it says what of it is no good. Without one, the first part that is none ends them.
 */
#include "base/checksum.h"
#include "base/coding.h"
#include "engine/block_reader.h"
#include "engine/sst_block.h"
#include "engine/sst_scan_internal.h"

#include <stdlib.h>

enum { PIECE_BYTES = 64 * 1024, CHECKSUM_BYTES = SST_TRAILER_BYTES - SST_TRAILER_CHECKSUM };

/* `bytes`: `len` of the part, from its `done`-th on, and the CHECKSUM_BYTES that follow them. */
static bool find_checksum(struct checksum_stream *stream, const uint8_t *bytes, size_t len, size_t *ret_at)
{
	for (size_t at = 0; at < len; at++) {
		checksum_stream_add(stream, slice_of(bytes + at, 1));
		if (checksum_stream_value(stream) == get_fixed64(bytes + at + 1)) {
			*ret_at = at;
			return true;
		}
	}
	return false;
}

static kv_status find_in(const struct sst_scan *scan, uint64_t offset, uint64_t limit, uint8_t *piece,
	struct checksum_stream *stream, uint64_t *ret_bytes, struct kv_error *err)
{
	uint64_t from = offset;
	size_t at;

	while (limit - from > CHECKSUM_BYTES) {
		uint64_t left = limit - from - CHECKSUM_BYTES;
		size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		kv_status status = file_read_at(&scan->file, piece, len + CHECKSUM_BYTES, from, err);

		if (status != KV_OK)
			return status;
		if (find_checksum(stream, piece, len, &at)) {
			*ret_bytes = from + at + 1 + CHECKSUM_BYTES - offset;
			return KV_OK;
		}
		from += len;
	}
	return KV_NOT_FOUND;
}

kv_status sst_scan_find_part(const struct sst_scan *scan, uint64_t offset, uint64_t limit, uint64_t *ret_bytes,
	struct kv_error *err)
{
	struct checksum_stream *stream = checksum_stream_new(sst_block_seed(scan->file_seed, offset));
	uint8_t *piece = malloc(PIECE_BYTES + CHECKSUM_BYTES);
	kv_status status = KV_NO_MEMORY;

	if (stream && piece)
		status = find_in(scan, offset, limit, piece, stream, ret_bytes, err);
	else
		kv_error_set(err, status, "no memory to look for the blocks of a table");
	checksum_stream_free(stream);
	free(piece);
	return status;
}

/* A data block is decoded to its end, and has the right hash bytes. */
static kv_status is_data(struct slice content, bool *ret, struct kv_error *err)
{
	struct block_cursor *cursor = malloc(sizeof *cursor);
	kv_status move;

	*ret = false;
	if (!cursor)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to look for the blocks of a table");
	move = block_cursor_open(cursor, content);
	if (move == KV_OK)
		move = block_cursor_first(cursor);
	while (move == KV_OK) {
		for (uint32_t at = 0; at < cursor->count; at++)
			if (cursor->block.hashes[cursor->index + at] != (uint8_t)key_hash(cursor->entries[at].key))
				goto out;
		move = block_cursor_next(cursor);
	}
	*ret = move == KV_NOT_FOUND;
out:
	free(cursor);
	return KV_OK;
}

/* Without a footer: the part at `offset` is a data block, as all before it were, or one behind them. */
static kv_status take_part(struct sst_scan *scan, uint64_t offset, uint64_t bytes, bool *in_data, struct buf *stored,
	struct buf *content, struct kv_error *err)
{
	const char *what;
	bool data = false;
	kv_status status = sst_scan_unseal(scan, offset, bytes, stored, content, &what, err);

	if (status == KV_OK)
		status = is_data(buf_slice(content), &data, err);
	*in_data = *in_data && data;
	if (status == KV_CORRUPT)
		return KV_OK; /* right, but not to be decompressed: the end of what can be used */
	if (status != KV_OK)
		return status;
	if (*in_data)
		return sst_scan_add_block(scan, offset, bytes, slice_of(NULL, 0));
	if (!scan->has_properties)
		status = sst_scan_take_properties(scan, buf_slice(content));
	return status == KV_CORRUPT ? KV_OK : status;
}

kv_status sst_scan_walk(struct sst_scan *scan, struct kv_error *err)
{
	uint64_t limit = scan->has_footer ? scan->footer.data_bytes : scan->file_bytes;
	struct buf stored = { 0 }, content = { 0 };
	bool in_data = true;
	uint64_t bytes = 0;
	kv_status status = KV_OK;

	scan->by_checksum = true;
	scan->block_count = 0;
	for (uint64_t offset = 0; offset < limit; offset += bytes) {
		status = sst_scan_find_part(scan, offset, limit, &bytes, err);
		if (status == KV_OK && scan->has_footer)
			status = sst_scan_add_block(scan, offset, bytes, slice_of(NULL, 0));
		else if (status == KV_OK)
			status = take_part(scan, offset, bytes, &in_data, &stored, &content, err);
		if (status != KV_OK)
			break;
		if (in_data)
			scan->end = offset + bytes;
	}
	buf_free(&stored);
	buf_free(&content);
	if (status == KV_NO_MEMORY)
		kv_error_set(err, status, "no memory to look for the blocks of a table");
	if (status == KV_NOT_FOUND)
		status = KV_OK;
	if (status == KV_OK)
		scan->ends_early = scan->has_footer ? scan->end < limit :
						      !scan->has_properties ||
				scan->properties.data_blocks != scan->block_count;
	return status;
}
