/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *	index = (shared:varint unshared:varint sequence:varint stored_bytes:varint suffix)*
 *
 * `shared` counts bytes in common with the separator before. Data blocks lie without a gap from offset 0, so sizes give the
 * offsets.
 */
#include "engine/sst_index.h"

#include "base/coding.h"
#include "engine/format.h"

#include <stdlib.h>

enum {
	PREFIX_BYTES = 8,
	STORED_BYTES_MIN = BLOCK_HEAD_BYTES + SST_TRAILER_BYTES,
	RECORD_BYTES_MIN = 4, /* of a block in the index */
};

struct sst_index { /* constant after open */
	size_t count;
	struct buf keys;      /* separators without the common prefix, one after another */
	struct buf common;    /* prefix of all keys of the table */
	uint64_t *prefixes;   /* [count] */
	uint64_t *offsets;    /* [count + 1]; the last is the end of the data */
	uint32_t *key_ends;   /* [count] in `keys` */
	uint64_t *sequences;  /* [count], or NULL when all are 0 */
};

void sst_index_builder_free(struct sst_index_builder *builder)
{
	buf_free(&builder->content);
	buf_free(&builder->last);
	buf_free(&builder->separator);
	*builder = (struct sst_index_builder){ 0 };
}

/* A key s with last <= s < next, as short as one byte more than they have in common where possible. last < next. */
static kv_status separate(struct slice last, struct slice next, struct buf *ret)
{
	size_t common = slice_common_prefix(last, next);
	size_t end = common + 1;
	kv_status status;

	if (last.len <= end)
		return buf_set(ret, last);
	if (next.len > end)
		return buf_set(ret, slice_of(next.data, end));
	/* next ends with the byte that differs: raise a byte of `last`, there or further on */
	if (last.data[common] + 1 < next.data[common]) {
		end = common;
	} else {
		while (end < last.len && last.data[end] == 0xff)
			end++;
		if (end == last.len)
			return buf_set(ret, last);
	}
	status = buf_set(ret, slice_of(last.data, end + 1));
	if (status == KV_OK)
		ret->data[end]++;
	return status;
}

kv_status sst_index_builder_add(struct sst_index_builder *builder, struct slice last,
	uint64_t sequence, const struct slice *next, uint64_t stored_bytes)
{
	struct buf *separator = &builder->separator;
	uint8_t head[4 * VARINT64_MAX_BYTES];
	size_t shared, len = 0;
	kv_status status;

	if (next && slice_equal(last, *next)) {
		status = buf_set(separator, last);
	} else {
		sequence = 0;
		status = next ? separate(last, *next, separator) : buf_set(separator, last);
	}
	if (status != KV_OK)
		return status;
	shared = slice_common_prefix(buf_slice(&builder->last), buf_slice(separator));
	len += put_varint64(head + len, shared);
	len += put_varint64(head + len, separator->len - shared);
	len += put_varint64(head + len, sequence);
	len += put_varint64(head + len, stored_bytes);
	status = buf_append(&builder->content, head, len);
	if (status == KV_OK)
		status = buf_append(&builder->content, separator->data + shared, separator->len - shared);
	if (status == KV_OK)
		status = buf_set(&builder->last, buf_slice(separator));
	if (status == KV_OK)
		builder->blocks++;
	return status;
}

struct sst_index *sst_index_close(struct sst_index *index)
{
	if (!index)
		return NULL;
	buf_free(&index->keys);
	buf_free(&index->common);
	free(index->prefixes);
	free(index->offsets);
	free(index->key_ends);
	free(index->sequences);
	free(index);
	return NULL;
}

/* The first 8 bytes as a number whose order is that of the bytes; shorter ones as if zeros followed. */
static inline uint64_t prefix_of(const uint8_t *data, size_t len)
{
	uint64_t v = 0;

	if (len >= PREFIX_BYTES) {
		memcpy(&v, data, PREFIX_BYTES);
		return be64toh(v);
	}
	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)data[i] << (56 - 8 * i);
	return v;
}

static inline struct slice separator_of(const struct sst_index *index, size_t i)
{
	uint32_t start = i > 0 ? index->key_ends[i - 1] : 0;

	return slice_of(index->keys.data + start, index->key_ends[i] - start);
}

static inline uint64_t sequence_of(const struct sst_index *index, size_t i)
{
	return index->sequences ? index->sequences[i] : 0;
}

/* One record of the index block. `key` holds the separator before and gets this one. */
static bool read_record(struct reader *reader, struct buf *key, uint64_t *ret_sequence,
	uint64_t *ret_bytes, kv_status *ret_status)
{
	struct slice suffix;
	uint64_t shared, unshared;

	*ret_status = KV_OK;
	if (!read_varint64(reader, &shared) || !read_varint64(reader, &unshared) ||
		!read_varint64(reader, ret_sequence) || !read_varint64(reader, ret_bytes))
		return false;
	if (shared > key->len || shared > ENTRY_KEY_MAX || unshared > ENTRY_KEY_MAX - shared ||
		!read_bytes(reader, (size_t)unshared, &suffix))
		return false;
	key->len = (size_t)shared;
	*ret_status = buf_append_slice(key, suffix);
	return *ret_status == KV_OK;
}

/* Enters separator `i`; false when it does not follow the one before. */
static bool enter(struct sst_index *index, size_t i, struct slice key, uint64_t sequence,
	uint64_t bytes, uint64_t data_bytes, kv_status *ret_status)
{
	struct slice tail;

	*ret_status = KV_OK;
	if (!slice_starts_with(key, buf_slice(&index->common)) || sequence > ENTRY_SEQUENCE_MAX)
		return false;
	if (bytes < STORED_BYTES_MIN || bytes > UINT32_MAX || bytes > data_bytes - index->offsets[i])
		return false;
	if (key.len == 0)
		return false; /* a separator is not below the last key of its block */
	tail = slice_of(key.data + index->common.len, key.len - index->common.len);
	if (i > 0 && entry_compare_position(separator_of(index, i - 1), sequence_of(index, i - 1), tail,
			     sequence) >= 0)
		return false;
	if (sequence != 0 && !index->sequences) {
		index->sequences = calloc(index->count, sizeof *index->sequences);
		if (!index->sequences)
			*ret_status = KV_NO_MEMORY;
	}
	if (*ret_status == KV_OK && tail.len > UINT32_MAX - index->keys.len)
		return false;
	if (*ret_status == KV_OK)
		*ret_status = buf_append_slice(&index->keys, tail);
	if (*ret_status != KV_OK)
		return false;
	if (index->sequences)
		index->sequences[i] = sequence;
	index->key_ends[i] = (uint32_t)index->keys.len;
	index->prefixes[i] = prefix_of(tail.data, tail.len);
	index->offsets[i + 1] = index->offsets[i] + bytes;
	return true;
}

static kv_status fill(struct sst_index *index, struct slice content, uint64_t data_bytes,
	struct slice largest, const char **ret_what)
{
	struct reader reader = reader_of(content);
	struct buf key = { 0 };
	uint64_t sequence = 0, bytes;
	kv_status status = KV_OK;
	bool good = true;

	for (size_t i = 0; good && i < index->count; i++)
		good = read_record(&reader, &key, &sequence, &bytes, &status) &&
			enter(index, i, buf_slice(&key), sequence, bytes, data_bytes, &status);
	if (status == KV_OK && !good) {
		*ret_what = "index is not in order";
		status = KV_CORRUPT;
	} else if (status == KV_OK &&
		(reader_left(&reader) != 0 || index->offsets[index->count] != data_bytes ||
			sequence != 0 || !slice_equal(buf_slice(&key), largest))) {
		*ret_what = "index does not fit the table";
		status = KV_CORRUPT;
	}
	buf_free(&key);
	return status;
}

static kv_status allocate(struct sst_index *index, struct slice content, struct slice smallest,
	struct slice largest)
{
	size_t common = slice_common_prefix(smallest, largest);

	index->prefixes = malloc(index->count * sizeof *index->prefixes);
	index->offsets = malloc((index->count + 1) * sizeof *index->offsets);
	index->key_ends = malloc(index->count * sizeof *index->key_ends);
	if (!index->prefixes || !index->offsets || !index->key_ends)
		return KV_NO_MEMORY;
	index->offsets[0] = 0;
	/* enough in nearly every case, and never nothing */
	if (buf_reserve(&index->keys, content.len) != KV_OK)
		return KV_NO_MEMORY;
	return buf_set(&index->common, slice_of(smallest.data, common));
}

kv_status sst_index_open(struct slice content, uint64_t blocks, uint64_t data_bytes,
	struct slice smallest, struct slice largest, struct sst_index **ret, const char **ret_what)
{
	struct sst_index *index;
	kv_status status;

	*ret_what = "no memory for the index";
	if (blocks == 0 || blocks > content.len / RECORD_BYTES_MIN) {
		*ret_what = "index does not fit the table";
		return KV_CORRUPT;
	}
	index = calloc(1, sizeof *index);
	if (!index)
		return KV_NO_MEMORY;
	index->count = (size_t)blocks;
	status = allocate(index, content, smallest, largest);
	if (status == KV_OK)
		status = fill(index, content, data_bytes, largest, ret_what);
	if (status != KV_OK) {
		sst_index_close(index);
		return status;
	}
	*ret = index;
	return KV_OK;
}

size_t sst_index_blocks(const struct sst_index *index)
{
	return index->count;
}

size_t sst_index_memory(const struct sst_index *index)
{
	size_t each = sizeof *index->prefixes + sizeof *index->offsets + sizeof *index->key_ends;

	if (index->sequences)
		each += sizeof *index->sequences;
	return sizeof *index + index->count * each + index->keys.capacity + index->common.capacity;
}

/* The first of `count` ascending numbers that is >= wanted. A product instead of a branch, which would be mispredicted every other time. */
static size_t lower_bound(const uint64_t *numbers, size_t count, uint64_t wanted)
{
	const uint64_t *base = numbers;

	while (count > 1) {
		size_t half = count / 2;

		base += half * (base[half - 1] < wanted);
		count -= half;
	}
	return (size_t)(base - numbers) + (count == 1 && *base < wanted);
}

/* Among the separators from `first` on that begin as `tail` does: the first at or after (tail, sequence), or the one behind them. */
static size_t resolve_ties(const struct sst_index *index, size_t first, struct slice tail,
	uint64_t prefix, uint64_t sequence)
{
	size_t low = first, high = index->count;

	/* nearly always the first decides */
	if (entry_compare_position(separator_of(index, low), sequence_of(index, low), tail, sequence) >= 0)
		return low;
	low++;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->prefixes[middle] > prefix ||
			entry_compare_position(separator_of(index, middle), sequence_of(index, middle), tail,
				sequence) >= 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

size_t sst_index_find(const struct sst_index *index, struct slice key, uint64_t sequence)
{
	struct slice common = buf_slice(&index->common), tail;
	uint64_t prefix;
	size_t i;

	if (!slice_starts_with(key, common))
		return slice_compare(key, common) < 0 ? 0 : index->count;
	tail = slice_of(key.data + common.len, key.len - common.len);
	prefix = prefix_of(tail.data, tail.len);
	i = lower_bound(index->prefixes, index->count, prefix);
	if (i == index->count || index->prefixes[i] != prefix)
		return i;
	return resolve_ties(index, i, tail, prefix, sequence);
}

uint64_t sst_index_offset(const struct sst_index *index, size_t i)
{
	return index->offsets[i];
}

uint32_t sst_index_stored_bytes(const struct sst_index *index, size_t i)
{
	return (uint32_t)(index->offsets[i + 1] - index->offsets[i]);
}
