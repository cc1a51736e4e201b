/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block is closed when it has reached the size to aim at; an entry that large gets one of its own. Its separator can be
 * chosen only when the next key is known, so the last closed block waits for that. Filter, index and properties are small beside
 * the data and stay in memory until finish.
 */
#include "engine/sst_writer.h"

#include "base/checksum.h"
#include "engine/block_builder.h"
#include "engine/compress.h"
#include "engine/filename.h"
#include "engine/filter.h"
#include "engine/sst_block.h"
#include "engine/sst_blobs.h"
#include "engine/sst_footer.h"
#include "engine/sst_index.h"

#include <assert.h>
#include <stdlib.h>

enum { WRITE_BYTES = 256 * 1024 }; /* are collected for one write */

struct numbers {
	uint64_t *items;
	size_t count, capacity;
};

struct sst_writer {
	const struct dir *dir; /* constant after open, as up to file_seed */
	struct file file;
	struct store_id id;
	struct sst_options options;
	uint64_t file_seed;

	struct block_builder block;
	struct sst_index_builder index;
	struct numbers hashes; /* of all keys, each once */
	struct numbers blobs;  /* numbers of blob files, as they come */
	struct buf raw;       /* a finished block before it is sealed */
	struct buf out;       /* sealed bytes that are not in the file yet; they begin at `written` */
	uint64_t written;
	size_t waiting_bytes; /* size of the last closed block while its separator is not known, else 0 */
	struct sst_meta meta; /* number and file_bytes come at the end */
	uint64_t number;
	bool created, finished, failed;
};

void sst_options_init(struct sst_options *options)
{
	*options = (struct sst_options){
		.block_bytes = 4096,
		.filter_bits_per_key = 10,
		.compression = SST_COMPRESSION_NONE,
	};
}

bool sst_compression_available(enum sst_compression compression)
{
	return compress_available(compression);
}

kv_status sst_writer_open(const struct dir *dir, const struct store_id *id, uint64_t number,
	const struct sst_options *options, struct sst_writer **ret, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct sst_writer *writer;
	kv_status status;

	if (!compress_available(options->compression))
		return kv_error_set(err, KV_UNSUPPORTED, "compression %d is not built in",
			(int)options->compression);
	if (options->block_bytes == 0 || options->block_bytes > SST_BLOCK_BYTES_MAX ||
		options->filter_bits_per_key > SST_FILTER_BITS_MAX)
		return kv_error_set(err, KV_INVALID, "table options are out of range");
	writer = calloc(1, sizeof *writer);
	if (!writer)
		return kv_error_set(err, KV_NO_MEMORY, "cannot start a table");
	writer->dir = dir;
	writer->id = *id;
	writer->number = number;
	writer->options = *options;
	writer->file_seed = sst_block_file_seed(id, number);
	writer->file.fd = -1;
	status = file_open(dir, filename_make(name, FILENAME_TABLE, number), FILE_CREATE,
		&writer->file, err);
	if (status != KV_OK) {
		free(writer);
		return status;
	}
	writer->created = true;
	*ret = writer;
	return KV_OK;
}

struct sst_writer *sst_writer_close(struct sst_writer *writer)
{
	if (!writer)
		return NULL;
	if (writer->created && !writer->finished)
		(void)dir_unlink(writer->dir, writer->file.name, NULL); /* else swept at the next start */
	file_close(&writer->file);
	block_builder_free(&writer->block);
	sst_index_builder_free(&writer->index);
	free(writer->hashes.items);
	free(writer->blobs.items);
	buf_free(&writer->raw);
	buf_free(&writer->out);
	sst_meta_free(&writer->meta);
	free(writer);
	return NULL;
}

static uint64_t end_of_file(const struct sst_writer *writer)
{
	return writer->written + writer->out.len;
}

uint64_t sst_writer_bytes(const struct sst_writer *writer)
{
	return end_of_file(writer) + block_builder_bytes(&writer->block);
}

static kv_status no_memory(const struct sst_writer *writer, kv_status status, struct kv_error *err)
{
	if (status == KV_NO_MEMORY)
		return kv_error_set(err, status, "cannot write table %s", writer->file.name);
	return status;
}

static kv_status write_out(struct sst_writer *writer, struct kv_error *err)
{
	kv_status status = file_write_at(&writer->file, buf_slice(&writer->out), writer->written, err);

	/* the disk works while the rest is made, so that the sync at the end has less to wait for */
	if (status == KV_OK)
		status = file_start_writeback(&writer->file, writer->written, writer->out.len, err);
	if (status != KV_OK)
		return status;
	writer->written += writer->out.len;
	if (writer->out.capacity > 4 * WRITE_BYTES)
		buf_free(&writer->out); /* a large value went through */
	buf_clear(&writer->out);
	return KV_OK;
}

/* Seals `raw`; tells how many bytes it takes in the file. */
static kv_status append_sealed(struct sst_writer *writer, enum sst_compression compression,
	struct slice raw, uint64_t *ret_bytes, struct kv_error *err)
{
	uint64_t start = end_of_file(writer);
	kv_status status = sst_block_seal(writer->file_seed, start, compression, raw, &writer->out);

	if (status != KV_OK)
		return no_memory(writer, status, err);
	*ret_bytes = end_of_file(writer) - start;
	return KV_OK;
}

/* The separator of the closed block, now that the next key is known (NULL: there is none). */
static kv_status index_waiting(struct sst_writer *writer, const struct slice *next, struct kv_error *err)
{
	kv_status status;

	if (writer->waiting_bytes == 0)
		return KV_OK;
	status = sst_index_builder_add(&writer->index, buf_slice(&writer->block.last_key),
		writer->block.last_sequence, next, writer->waiting_bytes);
	writer->waiting_bytes = 0;
	return no_memory(writer, status, err);
}

/* The finished block is put together where it will be written from. */
static kv_status append_block_here(struct sst_writer *writer)
{
	uint64_t offset = end_of_file(writer);
	size_t start = writer->out.len;
	kv_status status = block_builder_finish(&writer->block, &writer->out);

	if (status == KV_OK)
		status = sst_block_seal_here(writer->file_seed, offset, start, &writer->out);
	return status;
}

static kv_status append_block_packed(struct sst_writer *writer)
{
	kv_status status;

	buf_clear(&writer->raw);
	status = block_builder_finish(&writer->block, &writer->raw);
	if (status == KV_OK)
		status = sst_block_seal(writer->file_seed, end_of_file(writer), writer->options.compression,
			buf_slice(&writer->raw), &writer->out);
	if (writer->raw.capacity > 4 * WRITE_BYTES)
		buf_free(&writer->raw);
	return status;
}

static kv_status close_block(struct sst_writer *writer, struct kv_error *err)
{
	uint64_t start = end_of_file(writer);
	kv_status status;

	if (writer->block.count == 0)
		return KV_OK;
	status = writer->options.compression == SST_COMPRESSION_NONE ? append_block_here(writer) :
		append_block_packed(writer);
	if (status != KV_OK)
		return no_memory(writer, status, err);
	writer->waiting_bytes = (size_t)(end_of_file(writer) - start);
	return writer->out.len >= WRITE_BYTES ? write_out(writer, err) : KV_OK;
}

static kv_status add_number(struct numbers *numbers, uint64_t number)
{
	if (numbers->count == numbers->capacity) {
		size_t capacity = numbers->capacity ? numbers->capacity * 2 : 1024;
		uint64_t *items = realloc(numbers->items, capacity * sizeof *items);

		if (!items)
			return KV_NO_MEMORY;
		numbers->items = items;
		numbers->capacity = capacity;
	}
	numbers->items[numbers->count++] = number;
	return KV_OK;
}

/* `common`: bytes that its key and that of the last entry begin with. */
static void assert_order(const struct sst_writer *writer, const struct entry *entry, size_t common)
{
	const struct buf *last = &writer->block.last_key;

	assert(entry->key.len >= 1 && entry->key.len <= ENTRY_KEY_MAX);
	assert(entry->value.len <= ENTRY_VALUE_MAX);
	assert(entry->kind != ENTRY_RANGE_DELETE);
	assert(entry->kind != ENTRY_BLOB || entry->value.len == BLOB_POINTER_BYTES);
	assert(entry->sequence >= 1 && entry->sequence <= ENTRY_SEQUENCE_MAX);
	if (common < last->len)
		assert(common < entry->key.len && last->data[common] < entry->key.data[common]);
	else if (common == entry->key.len)
		assert(entry->sequence < writer->block.last_sequence);
}

/* Makes room in the block for the entry: closes the one before when it is full or must not be mixed with this one. */
static kv_status make_room(struct sst_writer *writer, const struct entry *entry, struct kv_error *err)
{
	kv_status status = KV_OK;

	if (block_builder_bytes(&writer->block) >= writer->options.block_bytes ||
		entry->value.len >= writer->options.block_bytes ||
		!block_builder_fits(&writer->block, entry))
		status = close_block(writer, err);
	if (status == KV_OK)
		status = index_waiting(writer, &entry->key, err);
	return status;
}

static kv_status add(struct sst_writer *writer, const struct entry *entry, struct kv_error *err)
{
	uint64_t hash = key_hash(entry->key);
	size_t common = slice_common_prefix(buf_slice(&writer->block.last_key), entry->key);
	bool new_key = common < entry->key.len;
	kv_status status;

	assert_order(writer, entry, common);
	status = make_room(writer, entry, err);
	if (status != KV_OK)
		return status;
	if (writer->meta.entries == 0)
		status = buf_set(&writer->meta.smallest, entry->key);
	if (status == KV_OK && new_key && writer->options.filter_bits_per_key > 0)
		status = add_number(&writer->hashes, hash);
	if (status == KV_OK && entry->kind == ENTRY_BLOB)
		status = add_number(&writer->blobs, get_fixed64(entry->value.data + BLOB_POINTER_NUMBER));
	if (status == KV_OK)
		status = block_builder_add(&writer->block, entry, hash, common);
	if (status != KV_OK)
		return no_memory(writer, status, err);
	sst_meta_count(&writer->meta, entry);
	return KV_OK;
}

kv_status sst_writer_add(struct sst_writer *writer, const struct entry *entry, struct kv_error *err)
{
	kv_status status;

	assert(!writer->failed && !writer->finished);
	status = add(writer, entry, err);
	writer->failed = status != KV_OK;
	return status;
}

void sst_writer_set_range_applied(struct sst_writer *writer, uint64_t sequence)
{
	writer->meta.range_applied = sequence;
}

static kv_status append_filter(struct sst_writer *writer, struct sst_footer *footer,
	struct sst_properties *properties, struct kv_error *err)
{
	struct filter filter = { 0 };
	size_t bytes;
	kv_status status;

	if (writer->options.filter_bits_per_key == 0)
		return KV_OK;
	status = filter_plan(writer->hashes.count, writer->options.filter_bits_per_key, &bytes,
		&properties->filter_probes);
	if (status == KV_OK)
		status = filter_init(&filter, bytes, properties->filter_probes);
	if (status != KV_OK)
		return no_memory(writer, status, err);
	filter_add_all(&filter, writer->hashes.items, writer->hashes.count);
	status = append_sealed(writer, SST_COMPRESSION_NONE, slice_of(filter.lines, filter.bytes),
		&footer->filter_bytes, err);
	filter_free(&filter);
	return status;
}

static kv_status append_blobs(struct sst_writer *writer, struct sst_footer *footer, struct kv_error *err)
{
	kv_status status;

	if (writer->blobs.count == 0)
		return KV_OK;
	buf_clear(&writer->raw);
	status = sst_blobs_append(writer->blobs.items, writer->blobs.count, &writer->raw);
	if (status != KV_OK)
		return no_memory(writer, status, err);
	return append_sealed(writer, SST_COMPRESSION_NONE, buf_slice(&writer->raw), &footer->blobs_bytes,
		err);
}

/* The size of the file is in the properties, whose own size does not depend on it. */
static kv_status append_properties(struct sst_writer *writer, struct sst_footer *footer,
	const struct sst_properties *properties, struct kv_error *err)
{
	struct sst_meta *meta = &writer->meta;
	kv_status status;

	meta->number = writer->number;
	meta->file_bytes = 0;
	for (int pass = 0; pass < 2; pass++) {
		buf_clear(&writer->raw);
		status = sst_properties_append(properties, meta, &writer->raw);
		if (status != KV_OK)
			return no_memory(writer, status, err);
		meta->file_bytes = end_of_file(writer) + writer->raw.len + SST_TRAILER_BYTES +
			SST_FOOTER_BYTES;
	}
	return append_sealed(writer, SST_COMPRESSION_NONE, buf_slice(&writer->raw),
		&footer->properties_bytes, err);
}

/* Everything behind the data blocks. */
static kv_status append_tail(struct sst_writer *writer, struct kv_error *err)
{
	struct sst_properties properties = { .options = writer->options };
	struct sst_footer footer = { .id = writer->id, .number = writer->number };
	kv_status status = close_block(writer, err);

	if (status == KV_OK)
		status = index_waiting(writer, NULL, err);
	if (status != KV_OK)
		return status;
	properties.data_blocks = writer->index.blocks;
	footer.data_bytes = end_of_file(writer);
	status = append_filter(writer, &footer, &properties, err);
	if (status == KV_OK)
		status = append_sealed(writer, writer->options.compression,
			buf_slice(&writer->index.content), &footer.index_bytes, err);
	if (status == KV_OK)
		status = append_blobs(writer, &footer, err);
	if (status == KV_OK)
		status = append_properties(writer, &footer, &properties, err);
	if (status == KV_OK)
		status = no_memory(writer, sst_footer_append(&footer, &writer->out), err);
	return status;
}

static kv_status finish(struct sst_writer *writer, struct kv_error *err)
{
	kv_status status = buf_set(&writer->meta.largest, buf_slice(&writer->block.last_key));

	if (status != KV_OK)
		return no_memory(writer, status, err);
	status = append_tail(writer, err);
	if (status == KV_OK)
		status = write_out(writer, err);
	if (status == KV_OK)
		status = file_sync(&writer->file, err);
	return status;
}

kv_status sst_writer_finish(struct sst_writer *writer, struct sst_meta *ret, struct kv_error *err)
{
	kv_status status;

	assert(!writer->failed && !writer->finished && writer->meta.entries > 0);
	status = finish(writer, err);
	writer->failed = status != KV_OK;
	if (status != KV_OK)
		return status;
	assert(writer->meta.file_bytes == writer->written);
	writer->finished = true;
	*ret = writer->meta;
	writer->meta = (struct sst_meta){ 0 };
	return KV_OK;
}
