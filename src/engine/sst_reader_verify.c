/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a whole table from disk and compares everything that is told twice: order of entries, index, hash bytes, runs, filter, the
 * list of blob files, and the counts and ranges of the properties.
 */
#include "base/checksum.h"
#include "engine/block_reader.h"
#include "engine/sst_reader_internal.h"

#include <stdlib.h>

enum {
	FORGET_BYTES = 1 << 20,     /* of the file, at a time: just before they are read again */
	PAGE_BYTES_MAX = 64 * 1024, /* of any processor */
};

struct verify {
	const struct sst_reader *reader;
	const struct verify_way *way; /* NULL: at once, from wherever the kernel has it */
	uint64_t forgotten;       /* the file is read from the disk up to here */
	struct sst_meta found;    /* counted anew; `largest` is the key of the last entry */
	uint64_t last_sequence;   /* its sequence */
	struct buf stored, scratch;
	uint8_t *blobs_seen;      /* for each of the table's list: an entry points to it */
	struct block_cursor cursor;
};

static bool note_blob(const struct verify *verify, const struct entry *entry)
{
	const struct sst_blobs *blobs = &verify->reader->blobs;
	struct blob_pointer pointer;
	size_t i;

	if (!blob_pointer_decode(entry->value, &pointer))
		return false;
	i = sst_blobs_find(blobs, pointer.number);
	if (i < blobs->count)
		verify->blobs_seen[i] = 1;
	return i < blobs->count;
}

/* NULL, or what is wrong with the entry at a place of the cursor's batch. */
static const char *fault_of(const struct verify *verify, size_t i, uint32_t at)
{
	const struct entry *entry = &verify->cursor.entries[at];
	uint64_t hash = key_hash(entry->key);

	if (verify->found.entries > 0 &&
		entry_compare_position(buf_slice(&verify->found.largest), verify->last_sequence, entry->key,
			entry->sequence) >= 0)
		return "entries are not in order";
	if (sst_index_find(verify->reader->index, entry->key, entry->sequence) != i)
		return "index does not lead to an entry";
	if (verify->cursor.block.hashes[verify->cursor.index + at] != (uint8_t)hash)
		return "hash byte of an entry is wrong";
	if (!filter_may_have(&verify->reader->filter, hash))
		return "filter denies a key";
	if (entry->kind == ENTRY_RANGE_DELETE)
		return "a range delete is among the entries";
	if (entry->kind == ENTRY_BLOB && !note_blob(verify, entry))
		return "an entry points to a blob file that is not in the list";
	return NULL;
}

static kv_status tell_blob(const struct verify *verify, const struct entry *entry)
{
	struct blob_pointer pointer;

	if (!verify->way || !verify->way->blob || !blob_pointer_decode(entry->value, &pointer))
		return KV_OK;
	return verify->way->blob(verify->way->arg, entry->key, &pointer);
}

static kv_status check_entry(struct verify *verify, size_t i, uint32_t at, struct kv_error *err)
{
	const struct entry *entry = &verify->cursor.entries[at];
	const char *fault = fault_of(verify, i, at);
	kv_status status = KV_OK;

	if (fault)
		return sst_reader_corrupt(verify->reader, sst_index_offset(verify->reader->index, i),
			fault, err);
	if (verify->found.entries == 0)
		status = buf_set(&verify->found.smallest, entry->key);
	if (status == KV_OK)
		status = buf_set(&verify->found.largest, entry->key);
	if (status != KV_OK)
		return kv_error_set(err, status, "no memory to check a table");
	verify->last_sequence = entry->sequence;
	sst_meta_count(&verify->found, entry);
	return entry->kind == ENTRY_BLOB ? tell_blob(verify, entry) : KV_OK;
}

/* Waits as long as the way wants, and sees to it that the bytes come from the disk. */
static kv_status prepare(struct verify *verify, uint64_t offset, uint32_t bytes)
{
	if (!verify->way)
		return KV_OK;
	while (verify->forgotten < offset + bytes) {
		file_forget(&verify->reader->file, verify->forgotten, FORGET_BYTES);
		verify->forgotten += FORGET_BYTES;
	}
	return verify->way->pace(verify->way->arg, bytes);
}

static kv_status read_stored(struct verify *verify, size_t i, struct kv_error *err)
{
	uint32_t bytes = sst_index_stored_bytes(verify->reader->index, i);
	uint64_t offset = sst_index_offset(verify->reader->index, i);
	kv_status status = prepare(verify, offset, bytes);

	if (status != KV_OK)
		return status;
	buf_clear(&verify->stored);
	status = buf_reserve(&verify->stored, bytes);
	if (status != KV_OK)
		return kv_error_set(err, status, "no memory to check a table");
	verify->stored.len = bytes;
	return file_read_at(&verify->reader->file, verify->stored.data, bytes, offset, err);
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
	move = block_cursor_open(&verify->cursor, content);
	if (move == KV_OK)
		move = block_check_runs(&verify->cursor.block);
	if (move == KV_OK)
		move = block_cursor_first(&verify->cursor);
	while (move == KV_OK) {
		for (uint32_t at = 0; status == KV_OK && at < verify->cursor.count; at++)
			status = check_entry(verify, i, at, err);
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
	for (size_t i = 0; i < verify->reader->blobs.count; i++)
		if (!verify->blobs_seen[i])
			return sst_reader_corrupt(verify->reader, meta->file_bytes,
				"no entry points to a blob file of the list", err);
	verify->found.range_applied = meta->range_applied; /* cannot be found out */
	verify->found.number = meta->number;
	verify->found.file_bytes = meta->file_bytes;
	if (!sst_meta_equal(&verify->found, meta))
		return sst_reader_corrupt(verify->reader, meta->file_bytes, "properties do not fit the entries",
			err);
	return KV_OK;
}

static kv_status verify_table(struct sst_reader *reader, const struct verify_way *way, struct kv_error *err)
{
	struct verify *verify;
	kv_status status = sst_reader_check_parts(reader, err);

	if (status != KV_OK)
		return status;
	verify = calloc(1, sizeof *verify);
	if (verify)
		verify->blobs_seen = calloc(reader->blobs.count + 1, 1);
	if (!verify || !verify->blobs_seen) {
		free(verify);
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check a table");
	}
	verify->reader = reader;
	verify->way = way;
	status = check_blocks(verify, err);
	free(verify->blobs_seen);
	sst_meta_free(&verify->found);
	buf_free(&verify->stored);
	buf_free(&verify->scratch);
	free(verify);
	return status;
}

kv_status sst_reader_verify(struct sst_reader *reader, struct kv_error *err)
{
	return verify_table(reader, NULL, err);
}

kv_status sst_reader_verify_from_disk(struct sst_reader *reader, const struct verify_way *way,
	struct kv_error *err)
{
	uint64_t data_bytes = 0;
	size_t blocks = sst_index_blocks(reader->index);

	if (blocks > 0)
		data_bytes = sst_index_offset(reader->index, blocks - 1) +
			sst_index_stored_bytes(reader->index, blocks - 1);
	data_bytes -= data_bytes % PAGE_BYTES_MAX; /* a page of which only a part is to be forgotten stays */
	file_forget(&reader->file, data_bytes, reader->meta.file_bytes - data_bytes);
	return verify_table(reader, way, err);
}
