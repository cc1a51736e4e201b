/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *	meta = number file_bytes entries tombstones first_sequence last_sequence oldest_expiry key_bytes value_bytes
 *	       range_applied blobs blob_bytes (u64 each) smallest largest (varint length and bytes each)
 *
 * Fixed-size numbers: the size of a table's properties must not depend on the size of the file, which is in them.
 */
#include "engine/sst_meta.h"

#include "engine/blob_pointer.h"

void sst_meta_free(struct sst_meta *meta)
{
	buf_free(&meta->smallest);
	buf_free(&meta->largest);
	*meta = (struct sst_meta){ 0 };
}

kv_status sst_meta_copy(const struct sst_meta *from, struct sst_meta *ret)
{
	struct sst_meta copy = *from;
	kv_status status;

	copy.smallest = (struct buf){ 0 };
	copy.largest = (struct buf){ 0 };
	status = buf_set(&copy.smallest, buf_slice(&from->smallest));
	if (status == KV_OK)
		status = buf_set(&copy.largest, buf_slice(&from->largest));
	if (status != KV_OK) {
		sst_meta_free(&copy);
		return status;
	}
	*ret = copy;
	return KV_OK;
}

bool sst_meta_equal(const struct sst_meta *a, const struct sst_meta *b)
{
	return a->number == b->number && a->file_bytes == b->file_bytes && a->entries == b->entries &&
		a->tombstones == b->tombstones && a->first_sequence == b->first_sequence &&
		a->last_sequence == b->last_sequence &&
		a->oldest_expiry_unix_ms == b->oldest_expiry_unix_ms && a->key_bytes == b->key_bytes &&
		a->value_bytes == b->value_bytes && a->range_applied == b->range_applied &&
		a->blobs == b->blobs && a->blob_bytes == b->blob_bytes &&
		slice_equal(buf_slice(&a->smallest), buf_slice(&b->smallest)) &&
		slice_equal(buf_slice(&a->largest), buf_slice(&b->largest));
}

static void count_value(struct sst_meta *meta, const struct entry *entry)
{
	struct blob_pointer pointer;

	if (entry->kind != ENTRY_BLOB) {
		meta->value_bytes += entry->value.len;
		return;
	}
	meta->blobs++;
	/* a sum of sizes that cannot be is no reason to overflow: the reader of the blob finds the damage */
	if (blob_pointer_decode(entry->value, &pointer) &&
		__builtin_add_overflow(meta->blob_bytes, pointer.size, &meta->blob_bytes))
		meta->blob_bytes = UINT64_MAX;
}

void sst_meta_count(struct sst_meta *meta, const struct entry *entry)
{
	uint64_t expires = entry->expires_unix_ms;

	if (meta->entries == 0 || entry->sequence < meta->first_sequence)
		meta->first_sequence = entry->sequence;
	if (entry->sequence > meta->last_sequence)
		meta->last_sequence = entry->sequence;
	if (expires != 0 && (meta->oldest_expiry_unix_ms == 0 || expires < meta->oldest_expiry_unix_ms))
		meta->oldest_expiry_unix_ms = expires;
	meta->entries++;
	if (entry->kind == ENTRY_DELETE || entry->kind == ENTRY_RANGE_DELETE)
		meta->tombstones++;
	meta->key_bytes += entry->key.len;
	count_value(meta, entry);
}

kv_status sst_meta_encode(const struct sst_meta *meta, struct buf *to)
{
	const uint64_t numbers[] = { meta->number, meta->file_bytes, meta->entries, meta->tombstones,
		meta->first_sequence, meta->last_sequence, meta->oldest_expiry_unix_ms, meta->key_bytes,
		meta->value_bytes, meta->range_applied, meta->blobs, meta->blob_bytes };
	kv_status status = KV_OK;

	for (unsigned i = 0; status == KV_OK && i < sizeof numbers / sizeof numbers[0]; i++)
		status = buf_append_fixed64(to, numbers[i]);
	if (status == KV_OK)
		status = buf_append_prefixed(to, buf_slice(&meta->smallest));
	if (status == KV_OK)
		status = buf_append_prefixed(to, buf_slice(&meta->largest));
	return status;
}

static bool is_key(struct slice key)
{
	return key.len >= 1 && key.len <= ENTRY_KEY_MAX;
}

/* What can be told to be wrong without the table. */
static bool plausible(const struct sst_meta *meta, struct slice smallest, struct slice largest)
{
	return meta->number != 0 && meta->entries != 0 && meta->tombstones <= meta->entries &&
		meta->blobs <= meta->entries - meta->tombstones && (meta->blobs > 0 || meta->blob_bytes == 0) &&
		meta->range_applied <= ENTRY_SEQUENCE_MAX &&
		meta->first_sequence != 0 && meta->first_sequence <= meta->last_sequence &&
		meta->last_sequence <= ENTRY_SEQUENCE_MAX && is_key(smallest) && is_key(largest) &&
		slice_compare(smallest, largest) <= 0;
}

kv_status sst_meta_decode(struct reader *from, struct sst_meta *ret)
{
	struct sst_meta meta = { 0 };
	uint64_t *const numbers[] = { &meta.number, &meta.file_bytes, &meta.entries, &meta.tombstones,
		&meta.first_sequence, &meta.last_sequence, &meta.oldest_expiry_unix_ms, &meta.key_bytes,
		&meta.value_bytes, &meta.range_applied, &meta.blobs, &meta.blob_bytes };
	struct reader ahead = *from;
	struct slice smallest, largest;
	kv_status status;

	for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		if (!read_fixed64(&ahead, numbers[i]))
			return KV_CORRUPT;
	}
	if (!read_prefixed(&ahead, &smallest) || !read_prefixed(&ahead, &largest) ||
		!plausible(&meta, smallest, largest))
		return KV_CORRUPT;
	status = buf_set(&meta.smallest, smallest);
	if (status == KV_OK)
		status = buf_set(&meta.largest, largest);
	if (status != KV_OK) {
		sst_meta_free(&meta);
		return status;
	}
	*from = ahead;
	*ret = meta;
	return KV_OK;
}
