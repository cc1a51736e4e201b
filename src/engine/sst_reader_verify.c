/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a whole table from disk and compares everything that is told twice: order of entries, index, hash bytes, filter, and the
 * counts and ranges of the properties.
 */
#include "base/checksum.h"
#include "engine/block_reader.h"
#include "engine/sst_reader_internal.h"

#include <stdlib.h>

struct verify {
	const struct sst_reader *reader;
	struct sst_meta found;    /* counted anew; `largest` is the key of the last entry */
	uint64_t last_sequence;   /* its sequence */
	struct buf stored, scratch;
	struct entry entry;
	struct block_cursor cursor;
};

/* NULL, or what is wrong with the entry that the cursor stands on. */
static const char *fault_of(const struct verify *verify, size_t i)
{
	const struct entry *entry = &verify->entry;
	uint64_t hash = key_hash(entry->key);

	if (verify->found.entries > 0 &&
		entry_compare_position(buf_slice(&verify->found.largest), verify->last_sequence, entry->key,
			entry->sequence) >= 0)
		return "entries are not in order";
	if (sst_index_find(verify->reader->index, entry->key, entry->sequence) != i)
		return "index does not lead to an entry";
	if (verify->cursor.block.hashes[verify->cursor.index] != (uint8_t)hash)
		return "hash byte of an entry is wrong";
	if (!filter_may_have(&verify->reader->filter, hash))
		return "filter denies a key";
	return NULL;
}

static kv_status check_entry(struct verify *verify, size_t i, struct kv_error *err)
{
	const char *fault = fault_of(verify, i);
	kv_status status = KV_OK;

	if (fault)
		return sst_reader_corrupt(verify->reader, sst_index_offset(verify->reader->index, i),
			fault, err);
	if (verify->found.entries == 0)
		status = buf_set(&verify->found.smallest, verify->entry.key);
	if (status == KV_OK)
		status = buf_set(&verify->found.largest, verify->entry.key);
	if (status != KV_OK)
		return kv_error_set(err, status, "no memory to check a table");
	verify->last_sequence = verify->entry.sequence;
	sst_meta_count(&verify->found, &verify->entry);
	return KV_OK;
}

static kv_status read_stored(struct verify *verify, size_t i, struct kv_error *err)
{
	uint32_t bytes = sst_index_stored_bytes(verify->reader->index, i);
	kv_status status;

	buf_clear(&verify->stored);
	status = buf_reserve(&verify->stored, bytes);
	if (status != KV_OK)
		return kv_error_set(err, status, "no memory to check a table");
	verify->stored.len = bytes;
	return file_read_at(&verify->reader->file, verify->stored.data, bytes,
		sst_index_offset(verify->reader->index, i), err);
}

static kv_status check_block(struct verify *verify, size_t i, struct kv_error *err)
{
	struct slice content;
	kv_status status = read_stored(verify, i, err), move;

	if (status == KV_OK)
		status = sst_reader_unseal(verify->reader, i, buf_slice(&verify->stored),
			&verify->scratch, &content, err);
	if (status != KV_OK)
		return status;
	move = block_cursor_open(&verify->cursor, content, &verify->entry);
	if (move == KV_OK)
		move = block_cursor_first(&verify->cursor);
	while (move == KV_OK) {
		status = check_entry(verify, i, err);
		if (status != KV_OK)
			return status;
		move = block_cursor_next(&verify->cursor);
	}
	if (move != KV_NOT_FOUND)
		return sst_reader_corrupt(verify->reader, sst_index_offset(verify->reader->index, i),
			"block is malformed", err);
	return KV_OK;
}

static kv_status check_blocks(struct verify *verify, struct kv_error *err)
{
	const struct sst_meta *meta = &verify->reader->meta;
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < sst_index_blocks(verify->reader->index); i++)
		status = check_block(verify, i, err);
	if (status != KV_OK)
		return status;
	verify->found.number = meta->number;
	verify->found.file_bytes = meta->file_bytes;
	if (!sst_meta_equal(&verify->found, meta))
		return sst_reader_corrupt(verify->reader, meta->file_bytes, "properties do not fit the entries",
			err);
	return KV_OK;
}

kv_status sst_reader_verify(struct sst_reader *reader, struct kv_error *err)
{
	struct verify *verify;
	kv_status status = sst_reader_check_parts(reader, err);

	if (status != KV_OK)
		return status;
	verify = calloc(1, sizeof *verify);
	if (!verify)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check a table");
	verify->reader = reader;
	status = check_blocks(verify, err);
	sst_meta_free(&verify->found);
	buf_free(&verify->stored);
	buf_free(&verify->scratch);
	free(verify);
	return status;
}
