/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening reads from the end: footer, then the parts it names. After that everything but the data blocks is constant and in
 * memory, so no function needs a lock.
 *
 * The filter is not asked by sst_reader_get: who has more than one table asks it first (table_cache), and counts.
 */
#include "engine/sst_reader.h"

#include "base/checksum.h"
#include "engine/block_reader.h"
#include "engine/file_error.h"
#include "engine/filename.h"
#include "engine/sst_reader_internal.h"

#include <stdlib.h>

kv_status sst_reader_corrupt(const struct sst_reader *reader, uint64_t offset, const char *what,
	struct kv_error *err)
{
	return file_error(err, KV_CORRUPT, reader->file.dir_path, reader->file.name, offset, "%s", what);
}

/* A failure that `what` describes, at `offset`. */
static kv_status report(const struct sst_reader *reader, kv_status status, uint64_t offset,
	const char *what, struct kv_error *err)
{
	return file_error(err, status, reader->file.dir_path, reader->file.name, offset, "%s", what);
}

/* Reads and verifies the part of `stored_bytes` at `offset` into `ret`, which is empty and stays so on failure. */
static kv_status read_part(const struct sst_reader *reader, uint64_t offset, uint64_t stored_bytes,
	struct buf *ret, struct kv_error *err)
{
	const char *what = "no memory to open the table";
	struct buf stored = { 0 };
	struct sst_block block;
	kv_status status = stored_bytes > SIZE_MAX ? KV_NO_MEMORY :
						     buf_reserve(&stored, (size_t)stored_bytes);

	if (status != KV_OK)
		return report(reader, status, offset, what, err);
	stored.len = (size_t)stored_bytes;
	status = file_read_at(&reader->file, stored.data, stored.len, offset, err);
	if (status != KV_OK)
		goto out;
	status = sst_block_check(reader->file_seed, offset, buf_slice(&stored), &block, &what);
	if (status == KV_OK)
		status = buf_reserve(ret, block.raw_bytes);
	if (status == KV_OK)
		status = sst_block_unpack(&block, ret->data, &what);
	if (status == KV_OK)
		ret->len = block.raw_bytes;
	else
		status = report(reader, status, offset, what, err);
out:
	if (status != KV_OK)
		buf_free(ret);
	buf_free(&stored);
	return status;
}

static kv_status read_footer(const struct sst_reader *reader, uint64_t file_bytes,
	struct sst_footer *ret, struct kv_error *err)
{
	uint8_t bytes[SST_FOOTER_BYTES];
	uint64_t offset = file_bytes - sizeof bytes;
	const char *what;
	kv_status status;

	if (file_bytes < sizeof bytes)
		return sst_reader_corrupt(reader, 0, "file is too short for a table", err);
	status = file_read_at(&reader->file, bytes, sizeof bytes, offset, err);
	if (status != KV_OK)
		return status;
	status = sst_footer_decode(bytes, file_bytes, &reader->id, reader->number, ret, &what);
	return status == KV_OK ? KV_OK : report(reader, status, offset, what, err);
}

static kv_status read_properties(struct sst_reader *reader, const struct sst_footer *footer,
	uint64_t file_bytes, const struct sst_meta *expected, struct kv_error *err)
{
	uint64_t offset = sst_footer_offset(footer) - footer->properties_bytes;
	struct buf part = { 0 };
	kv_status status = read_part(reader, offset, footer->properties_bytes, &part, err);

	if (status != KV_OK)
		return status;
	status = sst_properties_decode(buf_slice(&part), &reader->properties, &reader->meta);
	buf_free(&part);
	if (status != KV_OK)
		return report(reader, status, offset, "properties of the table are malformed", err);
	if (reader->meta.number != reader->number || reader->meta.file_bytes != file_bytes ||
		(reader->properties.filter_probes > 0) != (footer->filter_bytes > 0) ||
		(reader->meta.blobs > 0) != (footer->blobs_bytes > 0))
		return sst_reader_corrupt(reader, offset, "properties do not fit the file", err);
	if (expected && !sst_meta_equal(expected, &reader->meta))
		return sst_reader_corrupt(reader, offset, "table is not the one that the MANIFEST lists", err);
	return KV_OK;
}

static kv_status read_index(struct sst_reader *reader, const struct sst_footer *footer,
	struct kv_error *err)
{
	uint64_t offset = footer->data_bytes + footer->filter_bytes;
	struct buf part = { 0 };
	const char *what;
	kv_status status = read_part(reader, offset, footer->index_bytes, &part, err);

	if (status != KV_OK)
		return status;
	status = sst_index_open(buf_slice(&part), reader->properties.data_blocks, footer->data_bytes,
		buf_slice(&reader->meta.smallest), buf_slice(&reader->meta.largest), &reader->index, &what);
	buf_free(&part);
	if (status == KV_OK) {
		what = "no memory for the places of blocks";
		reader->places = calloc(sst_index_blocks(reader->index), sizeof *reader->places);
		status = reader->places ? KV_OK : KV_NO_MEMORY;
	}
	return status == KV_OK ? KV_OK : report(reader, status, offset, what, err);
}

/* The filter is read in place: it is large, and its lines are to be aligned. */
static kv_status read_filter(struct sst_reader *reader, const struct sst_footer *footer,
	struct kv_error *err)
{
	uint64_t offset = footer->data_bytes;
	struct filter *filter = &reader->filter;
	const char *what = "no memory for the filter";
	struct sst_block block;
	size_t bytes;
	kv_status status;

	if (footer->filter_bytes == 0)
		return KV_OK;
	if (footer->filter_bytes > SIZE_MAX - FILTER_LINE_BYTES)
		return report(reader, KV_NO_MEMORY, offset, what, err);
	bytes = (size_t)footer->filter_bytes - SST_TRAILER_BYTES;
	/* one line more, for the trailer */
	status = filter_init(filter, bytes + FILTER_LINE_BYTES, reader->properties.filter_probes);
	if (status != KV_OK)
		return report(reader, status, offset, what, err);
	filter->bytes = bytes;
	status = file_read_at(&reader->file, filter->lines, bytes + SST_TRAILER_BYTES, offset, err);
	if (status != KV_OK)
		return status;
	status = sst_block_check(reader->file_seed, offset,
		slice_of(filter->lines, bytes + SST_TRAILER_BYTES), &block, &what);
	if (status == KV_OK && block.compression != SST_COMPRESSION_NONE) {
		what = "filter is compressed";
		status = KV_CORRUPT;
	}
	return status == KV_OK ? KV_OK : report(reader, status, offset, what, err);
}

static kv_status read_blobs(struct sst_reader *reader, const struct sst_footer *footer,
	struct kv_error *err)
{
	uint64_t offset = footer->data_bytes + footer->filter_bytes + footer->index_bytes;
	const char *what = "no memory for the list of blob files";
	struct buf part = { 0 };
	kv_status status;

	if (footer->blobs_bytes == 0)
		return KV_OK;
	status = read_part(reader, offset, footer->blobs_bytes, &part, err);
	if (status != KV_OK)
		return status;
	status = sst_blobs_decode(buf_slice(&part), &reader->blobs);
	buf_free(&part);
	if (status == KV_OK && reader->blobs.count > reader->meta.blobs)
		status = KV_CORRUPT;
	if (status == KV_CORRUPT)
		what = "list of blob files is malformed";
	return status == KV_OK ? KV_OK : report(reader, status, offset, what, err);
}

static kv_status open_parts(struct sst_reader *reader, const struct sst_meta *expected,
	struct kv_error *err)
{
	struct sst_footer footer;
	uint64_t file_bytes;
	kv_status status = file_size(&reader->file, &file_bytes, err);

	if (status == KV_OK)
		status = read_footer(reader, file_bytes, &footer, err);
	if (status == KV_OK)
		status = read_properties(reader, &footer, file_bytes, expected, err);
	if (status == KV_OK)
		status = read_index(reader, &footer, err);
	if (status == KV_OK)
		status = read_filter(reader, &footer, err);
	if (status == KV_OK)
		status = read_blobs(reader, &footer, err);
	return status;
}

static void free_parts(struct sst_reader *reader)
{
	if (reader->places)
		block_cache_forget(reader->cache, reader->places, sst_index_blocks(reader->index));
	free(reader->places);
	sst_index_close(reader->index);
	filter_free(&reader->filter);
	sst_blobs_free(&reader->blobs);
	sst_meta_free(&reader->meta);
}

kv_status sst_reader_open(const struct dir *dir, const struct store_id *id, uint64_t number,
	const struct sst_meta *expected, struct block_cache *cache, struct sst_reader **ret,
	struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct sst_reader *reader = calloc(1, sizeof *reader);
	kv_status status;

	if (!reader)
		return kv_error_set(err, KV_NO_MEMORY, "cannot open a table");
	reader->cache = cache;
	reader->id = *id;
	reader->number = number;
	reader->file_seed = sst_block_file_seed(id, number);
	reader->file.fd = -1;
	status = file_open(dir, filename_make(name, FILENAME_TABLE, number), FILE_READ, &reader->file,
		err);
	if (status == KV_OK)
		status = open_parts(reader, expected, err);
	if (status != KV_OK) {
		sst_reader_close(reader);
		return status;
	}
	*ret = reader;
	return KV_OK;
}

struct sst_reader *sst_reader_close(struct sst_reader *reader)
{
	if (!reader)
		return NULL;
	file_close(&reader->file);
	free_parts(reader);
	free(reader);
	return NULL;
}

kv_status sst_reader_check_parts(const struct sst_reader *reader, struct kv_error *err)
{
	struct sst_reader again = { .cache = reader->cache, .id = reader->id, .number = reader->number,
		.file_seed = reader->file_seed, .file = reader->file };
	kv_status status = open_parts(&again, &reader->meta, err);

	free_parts(&again);
	return status;
}

const struct sst_meta *sst_reader_meta(const struct sst_reader *reader)
{
	return &reader->meta;
}

const struct sst_blobs *sst_reader_blobs(const struct sst_reader *reader)
{
	return &reader->blobs;
}

size_t sst_reader_memory(const struct sst_reader *reader)
{
	return sizeof *reader + sst_index_memory(reader->index) + reader->filter.bytes +
		sst_index_blocks(reader->index) * sizeof *reader->places +
		reader->blobs.count * sizeof reader->blobs.numbers[0];
}

bool sst_reader_may_have(const struct sst_reader *reader, uint64_t hash)
{
	return filter_may_have(&reader->filter, hash);
}

void sst_reader_prefetch_filter(const struct sst_reader *reader, uint64_t hash)
{
	filter_prefetch(&reader->filter, hash);
}

kv_status sst_reader_unseal(const struct sst_reader *reader, size_t i, struct slice stored,
	struct buf *scratch, struct slice *ret, struct kv_error *err)
{
	uint64_t offset = sst_index_offset(reader->index, i);
	const char *what = "no memory to read a block";
	struct sst_block block;
	kv_status status = sst_block_check(reader->file_seed, offset, stored, &block, &what);

	if (status == KV_OK && block.compression == SST_COMPRESSION_NONE) {
		*ret = block.packed;
		return KV_OK;
	}
	buf_clear(scratch);
	if (status == KV_OK)
		status = buf_reserve(scratch, block.raw_bytes);
	if (status == KV_OK)
		status = sst_block_unpack(&block, scratch->data, &what);
	if (status != KV_OK)
		return report(reader, status, offset, what, err);
	scratch->len = block.raw_bytes;
	*ret = buf_slice(scratch);
	return KV_OK;
}

/* The stored bytes become the cached block themselves, or are decompressed into one. */
static kv_status to_cached(const struct sst_reader *reader, uint64_t offset,
	struct cached_block **block, struct kv_error *err)
{
	const char *what = "no memory to read a block";
	struct cached_block *unpacked;
	struct sst_block sealed;
	kv_status status =
		sst_block_check(reader->file_seed, offset, cached_block_data(*block), &sealed, &what);

	if (status == KV_OK && sealed.compression == SST_COMPRESSION_NONE) {
		cached_block_set_len(*block, sealed.raw_bytes);
		return KV_OK;
	}
	if (status == KV_OK) {
		unpacked = cached_block_new(sealed.raw_bytes);
		status = unpacked ? sst_block_unpack(&sealed, cached_block_room(unpacked), &what) :
				    KV_NO_MEMORY;
		cached_block_unref(*block);
		*block = unpacked;
	}
	return status == KV_OK ? KV_OK : report(reader, status, offset, what, err);
}

/* Data block `i` from the file, verified, in no cache yet. */
static kv_status load_block(const struct sst_reader *reader, size_t i, struct cached_block **ret,
	struct kv_error *err)
{
	uint64_t offset = sst_index_offset(reader->index, i);
	uint32_t bytes = sst_index_stored_bytes(reader->index, i);
	struct cached_block *block = cached_block_new(bytes);
	kv_status status;

	if (!block)
		return report(reader, KV_NO_MEMORY, offset, "no memory to read a block", err);
	status = file_read_at(&reader->file, cached_block_room(block), bytes, offset, err);
	if (status == KV_OK)
		status = to_cached(reader, offset, &block, err);
	if (status != KV_OK) {
		cached_block_unref(block);
		return status;
	}
	*ret = block;
	return KV_OK;
}

/* What is not in the cache. Not inlined: it costs the others registers. */
static __attribute__((noinline)) kv_status read_block(const struct sst_reader *reader, size_t i,
	struct cached_block **ret, struct kv_error *err)
{
	struct cached_block *block;
	kv_status status = load_block(reader, i, &block, err);

	if (status == KV_OK)
		*ret = block_cache_add(reader->cache, &reader->places[i], block);
	return status;
}

kv_status sst_reader_block(const struct sst_reader *reader, size_t i, struct cached_block **ret,
	struct kv_error *err)
{
	struct cached_block *block = block_cache_find(reader->cache, &reader->places[i]);

	if (!block)
		return read_block(reader, i, ret, err);
	*ret = block;
	return KV_OK;
}

static bool has_room(const struct sst_reader *reader, size_t i, size_t bytes)
{
	return block_cache_has_room(reader->cache, &reader->places[i], bytes);
}

/* About as large as data block `i` will be when it is in the cache: what is compressed tells only once it was read. */
static size_t size_in_cache(const struct sst_reader *reader, size_t i)
{
	const struct sst_options *options = &reader->properties.options;
	size_t stored = sst_index_stored_bytes(reader->index, i);

	if (options->compression == SST_COMPRESSION_NONE || stored > options->block_bytes)
		return stored;
	return options->block_bytes;
}

kv_status sst_reader_warm(struct sst_reader *reader, struct kv_error *err)
{
	size_t blocks = sst_index_blocks(reader->index);
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < blocks; i++) {
		struct cached_block *block = NULL;

		if (!has_room(reader, i, size_in_cache(reader, i)))
			continue;
		status = load_block(reader, i, &block, err);
		if (status == KV_OK && has_room(reader, i, cached_block_data(block).len))
			block = block_cache_add(reader->cache, &reader->places[i], block);
		cached_block_unref(block);
	}
	return status;
}

static void release_block(void *owner)
{
	cached_block_unref(owner);
}

kv_status sst_reader_get(struct sst_reader *reader, struct slice key, uint64_t hash,
	uint64_t max_sequence, struct entry *ret, struct pinned *ret_pin, struct kv_error *err)
{
	size_t i = sst_index_find(reader->index, key, max_sequence);
	struct cached_block *cached;
	struct block block;
	struct entry entry;
	kv_status status;

	if (i == sst_index_blocks(reader->index))
		return KV_NOT_FOUND;
	status = sst_reader_block(reader, i, &cached, err);
	if (status != KV_OK)
		return status;
	status = block_open(cached_block_data(cached), &block);
	if (status == KV_OK)
		status = block_get(&block, key, hash, max_sequence, &entry);
	if (status != KV_OK) {
		cached_block_unref(cached);
		if (status == KV_CORRUPT)
			sst_reader_corrupt(reader, sst_index_offset(reader->index, i), "block is malformed",
				err);
		return status;
	}
	*ret = entry;
	*ret_pin = (struct pinned){ .bytes = entry.value, .release = release_block, .owner = cached };
	return KV_OK;
}

double sst_reader_share(const struct sst_reader *reader, struct slice start, struct slice end)
{
	size_t blocks = sst_index_blocks(reader->index);
	size_t first = sst_index_find(reader->index, start, ENTRY_SEQUENCE_MAX);
	size_t last = end.len > 0 ? sst_index_find(reader->index, end, ENTRY_SEQUENCE_MAX) : blocks;

	if (first >= blocks || last < first)
		return 0;
	return (last > first ? (double)(last - first) : 0.5) / (double)blocks;
}
