/* SPDX-License-Identifier: BSD-2-Clause */
/* See blob_reader.h. The header of the file is for people and tools: footer and checksums depend on all that it says. */
#include "engine/blob_reader.h"

#include "base/coding.h"
#include "engine/blob_format.h"
#include "engine/file_error.h"
#include "engine/filename.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define NO_PART UINT64_MAX

struct blob_reader {
	struct blob_pointer pointer; /* constant */
	uint64_t seed;               /* constant */
	struct file file;

	uint64_t part; /* in `data`, verified; or NO_PART */
	uint8_t data[BLOB_PART_BYTES + BLOB_PART_CHECKSUM_BYTES];
};

static kv_status damaged(const struct blob_reader *reader, uint64_t offset, struct kv_error *err, const char *what)
{
	return file_error(err, KV_CORRUPT, reader->file.dir_path, reader->file.name, offset, "%s", what);
}

static kv_status open_file(struct blob_reader *reader, const struct dir *dir, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	kv_status status = file_open(dir, filename_make(name, FILENAME_BLOB, reader->pointer.number), FILE_READ,
		&reader->file, err);

	/* something else in its place is damage, too */
	if (status == KV_NOT_FOUND || status == KV_INVALID)
		return file_error(err, KV_CORRUPT, dir->path, name, 0, "the file of a large value is missing");
	return status;
}

static kv_status check_file(struct blob_reader *reader, struct kv_error *err)
{
	const struct blob_pointer *pointer = &reader->pointer;
	uint64_t want = blob_file_bytes(pointer->size), bytes;
	uint8_t footer[BLOB_FOOTER_BYTES];
	kv_status status = file_size(&reader->file, &bytes, err);

	if (status == KV_OK && bytes != want)
		return file_error(err, KV_CORRUPT, reader->file.dir_path, reader->file.name,
			bytes < want ? bytes : want, "%" PRIu64 " bytes long instead of %" PRIu64, bytes, want);
	if (status == KV_OK)
		status = file_read_at(&reader->file, footer, sizeof footer, want - sizeof footer, err);
	if (status == KV_OK && !blob_footer_matches(reader->seed, pointer->size, pointer->checksum, footer))
		return damaged(reader, want - sizeof footer, err, "the footer is not that of this value");
	return status;
}

kv_status blob_reader_open(const struct dir *dir, const struct store_id *id,
	const struct blob_pointer *pointer, struct blob_reader **ret, struct kv_error *err)
{
	struct blob_reader *reader = malloc(sizeof *reader);
	kv_status status;

	if (!reader)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a large value");
	reader->pointer = *pointer;
	reader->seed = blob_file_seed(id, pointer->number);
	reader->file = (struct file){ .fd = -1 };
	reader->part = NO_PART;
	status = open_file(reader, dir, err);
	if (status == KV_OK)
		status = check_file(reader, err);
	if (status != KV_OK) {
		blob_reader_close(reader);
		return status;
	}
	*ret = reader;
	return KV_OK;
}

struct blob_reader *blob_reader_close(struct blob_reader *reader)
{
	if (!reader)
		return NULL;
	file_close(&reader->file);
	free(reader);
	return NULL;
}

static kv_status load_part(struct blob_reader *reader, uint64_t part, struct kv_error *err)
{
	size_t len = blob_part_bytes(reader->pointer.size, part);
	uint64_t offset = blob_part_offset(part);
	kv_status status;

	if (reader->part == part)
		return KV_OK;
	reader->part = NO_PART;
	status = file_read_at(&reader->file, reader->data, len + BLOB_PART_CHECKSUM_BYTES, offset, err);
	if (status != KV_OK)
		return status;
	if (blob_part_checksum(reader->seed, part, slice_of(reader->data, len)) != get_fixed64(reader->data + len))
		return damaged(reader, offset, err, "a part's checksum does not match");
	reader->part = part;
	return KV_OK;
}

kv_status blob_reader_read(struct blob_reader *reader, uint64_t offset, void *to, size_t len,
	struct kv_error *err)
{
	uint8_t *at = to;

	assert(offset <= reader->pointer.size && len <= reader->pointer.size - offset);
	while (len > 0) {
		uint64_t part = offset / BLOB_PART_BYTES;
		size_t skip = (size_t)(offset % BLOB_PART_BYTES);
		size_t some = blob_part_bytes(reader->pointer.size, part) - skip;
		kv_status status = load_part(reader, part, err);

		if (status != KV_OK)
			return status;
		if (some > len)
			some = len;
		memcpy(at, reader->data + skip, some);
		at += some;
		offset += some;
		len -= some;
	}
	return KV_OK;
}
