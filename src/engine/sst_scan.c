/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the table: each is looked at for itself, so that one that is damaged hides no other. */
#include "base/coding.h"
#include "engine/filename.h"
#include "engine/sst_block.h"
#include "engine/sst_scan_internal.h"

#include <stdlib.h>

void sst_scan_fault(struct sst_scan *scan, uint64_t offset, const char *what, const struct sst_scan_keys *lost)
{
	scan->faults++;
	scan->events.fault(scan->events.arg, offset, what, lost);
}

static kv_status no_memory(struct kv_error *err)
{
	return kv_error_set(err, KV_NO_MEMORY, "no memory to check a table");
}

kv_status sst_scan_add_block(struct sst_scan *scan, uint64_t offset, uint64_t bytes, struct slice separator)
{
	size_t count = scan->block_count;
	struct scan_block *grown = scan->blocks;

	if ((count & (count - 1)) == 0) {
		grown = reallocarray(scan->blocks, count ? 2 * count : 1, sizeof *grown);
		if (!grown)
			return KV_NO_MEMORY;
		scan->blocks = grown;
	}
	grown[count] = (struct scan_block){ .offset = offset, .bytes = bytes, .key_at = scan->separators.len,
		.key_len = separator.len };
	scan->block_count++;
	return buf_append_slice(&scan->separators, separator);
}

kv_status sst_scan_unseal(const struct sst_scan *scan, uint64_t offset, uint64_t stored_bytes, struct buf *stored,
	struct buf *ret, const char **ret_what, struct kv_error *err)
{
	struct sst_block block;
	kv_status status;

	buf_clear(stored);
	buf_clear(ret);
	if (stored_bytes > SIZE_MAX || buf_reserve(stored, (size_t)stored_bytes) != KV_OK)
		return no_memory(err);
	stored->len = (size_t)stored_bytes;
	status = file_read_at(&scan->file, stored->data, stored->len, offset, err);
	if (status == KV_CORRUPT)
		*ret_what = "the file ends within it";
	if (status == KV_OK)
		status = sst_block_check(scan->file_seed, offset, buf_slice(stored), &block, ret_what);
	if (status != KV_OK)
		return status;
	if (buf_reserve(ret, block.raw_bytes) != KV_OK)
		return no_memory(err);
	status = sst_block_unpack(&block, ret->data, ret_what);
	if (status == KV_OK)
		ret->len = block.raw_bytes;
	else if (status != KV_CORRUPT)
		kv_error_set(err, status, "%s", *ret_what);
	return status;
}

/* ---- parts ---- */

static kv_status read_footer(struct sst_scan *scan, struct kv_error *err)
{
	uint8_t bytes[SST_FOOTER_BYTES];
	uint64_t offset = scan->file_bytes - sizeof bytes;
	const char *what = "the file is too short for a table";
	kv_status status = KV_CORRUPT;

	if (scan->file_bytes < sizeof bytes) {
		offset = scan->file_bytes;
	} else {
		status = file_read_at(&scan->file, bytes, sizeof bytes, offset, err);
		if (status == KV_OK)
			status = sst_footer_decode(bytes, scan->file_bytes, &scan->id, scan->number, &scan->footer, &what);
	}
	if (status == KV_UNSUPPORTED)
		return kv_error_set(err, status, "%s: %s", scan->file.name, what);
	if (status == KV_CORRUPT)
		sst_scan_fault(scan, offset, what, NULL);
	scan->has_footer = status == KV_OK;
	return status == KV_CORRUPT ? KV_OK : status;
}

kv_status sst_scan_take_properties(struct sst_scan *scan, struct slice content)
{
	struct sst_properties properties;
	struct sst_meta meta = { 0 };
	kv_status status = sst_properties_decode(content, &properties, &meta);

	if (status != KV_OK)
		return status;
	if (meta.number != scan->number || (scan->has_footer && (meta.file_bytes != scan->file_bytes ||
			(properties.filter_probes > 0) != (scan->footer.filter_bytes > 0) ||
			(meta.blobs > 0) != (scan->footer.blobs_bytes > 0)))) {
		sst_meta_free(&meta);
		return KV_CORRUPT;
	}
	scan->properties = properties;
	scan->meta = meta;
	scan->has_properties = true;
	return KV_OK;
}

/* A part that the footer names, through `take`. */
static kv_status read_part(struct sst_scan *scan, uint64_t offset, uint64_t bytes, const char *malformed,
	kv_status (*take)(struct sst_scan *scan, struct slice content), struct kv_error *err)
{
	struct buf stored = { 0 }, content = { 0 };
	const char *what = malformed;
	kv_status status = sst_scan_unseal(scan, offset, bytes, &stored, &content, &what, err);

	if (status == KV_OK) {
		what = malformed;
		status = take(scan, buf_slice(&content));
	}
	if (status == KV_NO_MEMORY)
		no_memory(err);
	if (status == KV_CORRUPT) {
		sst_scan_fault(scan, offset, what, NULL);
		status = KV_OK;
	}
	buf_free(&stored);
	buf_free(&content);
	return status;
}

static kv_status take_blobs(struct sst_scan *scan, struct slice content)
{
	kv_status status = sst_blobs_decode(content, &scan->blobs);

	scan->has_blobs = status == KV_OK;
	return status;
}

static kv_status take_filter(struct sst_scan *scan, struct slice content)
{
	kv_status status;

	if (!scan->has_properties)
		return KV_OK; /* how many bits a key has is not known */
	if (content.len == 0 || content.len % FILTER_LINE_BYTES != 0)
		return KV_CORRUPT;
	status = filter_init(&scan->filter, content.len, scan->properties.filter_probes);
	if (status == KV_OK)
		memcpy(scan->filter.lines, content.data, content.len);
	return status;
}

static kv_status take_record(struct sst_scan *scan, struct reader *from, struct buf *key, uint64_t *offset)
{
	uint64_t sequence, bytes;
	uint32_t shared, unshared;
	struct slice suffix;
	kv_status status;

	if (!read_varint32(from, &shared) || !read_varint32(from, &unshared) || !read_varint64(from, &sequence) ||
		!read_varint64(from, &bytes) || !read_bytes(from, unshared, &suffix))
		return KV_CORRUPT;
	if (shared > key->len || shared > ENTRY_KEY_MAX || unshared > ENTRY_KEY_MAX - shared || bytes <= SST_TRAILER_BYTES || bytes > scan->footer.data_bytes - *offset)
		return KV_CORRUPT;
	key->len = shared;
	status = buf_append_slice(key, suffix);
	if (status == KV_OK)
		status = sst_scan_add_block(scan, *offset, bytes, buf_slice(key));
	*offset += bytes;
	return status;
}

/* Also through sst_index, which looks at the order of the keys, and finds. */
static kv_status take_index(struct sst_scan *scan, struct slice content)
{
	const struct sst_meta *meta = sst_scan_meta(scan);
	struct reader reader = reader_of(content);
	struct buf key = { 0 };
	uint64_t offset = 0;
	const char *what;
	kv_status status = KV_OK;

	while (status == KV_OK && reader_left(&reader) > 0)
		status = take_record(scan, &reader, &key, &offset);
	buf_free(&key);
	if (status == KV_OK && offset != scan->footer.data_bytes)
		status = KV_CORRUPT;
	if (status == KV_OK && meta)
		status = sst_index_open(content, scan->has_properties ? scan->properties.data_blocks : scan->block_count,
			scan->footer.data_bytes, buf_slice(&meta->smallest), buf_slice(&meta->largest), &scan->index, &what);
	return status;
}

/* ---- open ---- */

static kv_status read_parts(struct sst_scan *scan, struct kv_error *err)
{
	const struct sst_footer *footer = &scan->footer;
	uint64_t filter = footer->data_bytes, index = filter + footer->filter_bytes, blobs = index + footer->index_bytes;
	size_t faults;
	kv_status status = read_part(scan, blobs + footer->blobs_bytes, footer->properties_bytes,
		"the properties do not fit the file", sst_scan_take_properties, err);

	if (status == KV_OK && footer->filter_bytes > 0)
		status = read_part(scan, filter, footer->filter_bytes, "the filter has no such size", take_filter, err);
	if (status == KV_OK && footer->blobs_bytes > 0)
		status = read_part(scan, blobs, footer->blobs_bytes, "the list of blob files is malformed", take_blobs, err);
	faults = scan->faults;
	if (status == KV_OK)
		status = read_part(scan, index, footer->index_bytes, "the index is malformed", take_index, err);
	if (status == KV_OK && scan->faults > faults)
		status = sst_scan_walk(scan, err);
	return status;
}

static struct sst_scan_keys keys_of(const struct sst_meta *meta)
{
	return (struct sst_scan_keys){ .first = buf_slice(&meta->smallest), .last = buf_slice(&meta->largest) };
}

static void give_up(struct sst_scan *scan, const char *what)
{
	struct sst_scan_keys keys;

	scan->usable = false;
	if (scan->expected)
		keys = keys_of(scan->expected);
	sst_scan_fault(scan, 0, what, scan->expected ? &keys : NULL);
}

static kv_status look(struct sst_scan *scan, struct kv_error *err)
{
	kv_status status = file_size(&scan->file, &scan->file_bytes, err);

	if (status == KV_OK)
		status = read_footer(scan, err);
	if (status == KV_OK && scan->has_footer)
		status = read_parts(scan, err);
	else if (status == KV_OK)
		status = sst_scan_walk(scan, err);
	if (status != KV_OK)
		return status;
	if (scan->block_count == 0)
		give_up(scan, "none of its blocks can be found");
	else if (scan->expected && scan->has_properties && !sst_meta_equal(scan->expected, &scan->meta))
		give_up(scan, "it is not the table that MANIFEST lists");
	return KV_OK;
}

kv_status sst_scan_open(const struct dir *dir, const char *name, const struct store_id *id, uint64_t number,
	const struct sst_meta *expected, const struct sst_scan_events *events, struct sst_scan **ret,
	struct kv_error *err)
{
	struct sst_scan *scan = calloc(1, sizeof *scan);
	kv_status status;

	if (!scan)
		return no_memory(err);
	scan->file.fd = -1;
	scan->id = *id;
	scan->number = number;
	scan->file_seed = sst_block_file_seed(id, number);
	scan->expected = expected;
	scan->events = *events;
	scan->usable = true;
	status = file_open(dir, name, FILE_READ, &scan->file, err);
	if (status == KV_OK)
		status = look(scan, err);
	if (status != KV_OK) {
		sst_scan_close(scan);
		return status;
	}
	*ret = scan;
	return KV_OK;
}

struct sst_scan *sst_scan_close(struct sst_scan *scan)
{
	if (!scan)
		return NULL;
	file_close(&scan->file);
	sst_meta_free(&scan->meta);
	sst_blobs_free(&scan->blobs);
	sst_index_close(scan->index);
	filter_free(&scan->filter);
	buf_free(&scan->separators);
	free(scan->blocks);
	free(scan);
	return NULL;
}

bool sst_scan_usable(const struct sst_scan *scan)
{
	return scan->usable;
}

const struct sst_footer *sst_scan_footer(const struct sst_scan *scan)
{
	return scan->has_footer ? &scan->footer : NULL;
}

const struct sst_properties *sst_scan_properties(const struct sst_scan *scan)
{
	return scan->has_properties ? &scan->properties : NULL;
}

const struct sst_meta *sst_scan_meta(const struct sst_scan *scan)
{
	return scan->has_properties ? &scan->meta : scan->expected;
}

const struct sst_blobs *sst_scan_blobs(const struct sst_scan *scan)
{
	return &scan->blobs;
}

uint64_t sst_scan_block_offset(const struct sst_scan *scan, size_t i)
{
	return scan->blocks[i].offset;
}

uint64_t sst_scan_block_bytes(const struct sst_scan *scan, size_t i)
{
	return scan->blocks[i].bytes;
}
