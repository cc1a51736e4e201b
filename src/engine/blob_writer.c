/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A part goes out with one write, header and footer with the first and the last one. Whole parts that come in one piece are not copied.
 *
 * The kernel is told to begin writing every few MiB, so that the sync at the end finds little to do.
 */
#include "engine/blob_writer.h"

#include "base/coding.h"
#include "engine/blob_format.h"
#include "engine/filename.h"

#include <assert.h>
#include <stdlib.h>

enum {
	WRITEBACK_BYTES = 4 << 20,
	PIECES_MAX = 4, /* header, data, checksum, footer */
};

struct blob_writer {
	const struct dir *dir; /* constant, as all up to the next blank line */
	struct store_id id;
	uint64_t number;
	uint64_t seed;

	struct file file;
	uint8_t *part;         /* the one being filled */
	size_t filled;
	uint64_t parts;        /* written */
	uint64_t size;         /* bytes of the value that were appended */
	uint64_t chain;        /* over the checksums of the parts written */
	uint64_t file_bytes;   /* written */
	uint64_t sent;         /* of these, given to the disk */
	bool failed, finished;
};

kv_status blob_writer_new(const struct dir *dir, const struct store_id *id, uint64_t number,
	struct blob_writer **ret, struct kv_error *err)
{
	struct blob_writer *writer = calloc(1, sizeof *writer);
	char name[FILENAME_MAX_BYTES];
	kv_status status;

	if (!writer)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a large value");
	writer->dir = dir;
	writer->id = *id;
	writer->number = number;
	writer->seed = blob_file_seed(id, number);
	writer->chain = blob_chain_begin(writer->seed);
	writer->file.fd = -1;
	writer->part = malloc(BLOB_PART_BYTES);
	if (!writer->part) {
		blob_writer_close(writer);
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a large value");
	}
	status = file_open(dir, filename_make(name, FILENAME_BLOB, number), FILE_CREATE, &writer->file, err);
	if (status != KV_OK) {
		blob_writer_close(writer);
		return status;
	}
	*ret = writer;
	return KV_OK;
}

struct blob_writer *blob_writer_close(struct blob_writer *writer)
{
	if (!writer)
		return NULL;
	file_close(&writer->file);
	free(writer->part);
	free(writer);
	return NULL;
}

uint64_t blob_writer_bytes(const struct blob_writer *writer)
{
	return writer->size;
}

static kv_status start_writeback(struct blob_writer *writer, struct kv_error *err)
{
	uint64_t from = writer->sent;

	if (writer->file_bytes - from < WRITEBACK_BYTES)
		return KV_OK;
	writer->sent = writer->file_bytes;
	return file_start_writeback(&writer->file, from, writer->sent - from, err);
}

/* The next part, not empty; the last one with the footer behind it. */
static kv_status write_part(struct blob_writer *writer, struct slice data, bool last, struct kv_error *err)
{
	uint8_t header[BLOB_HEADER_BYTES], footer[BLOB_FOOTER_BYTES], checksum[BLOB_PART_CHECKSUM_BYTES];
	uint64_t sum = blob_part_checksum(writer->seed, writer->parts, data);
	struct iovec pieces[PIECES_MAX];
	uint64_t bytes = data.len + sizeof checksum;
	int count = 0;
	kv_status status;

	put_fixed64(checksum, sum);
	writer->chain = blob_chain_add(writer->chain, sum);
	if (writer->parts == 0) {
		blob_header_encode(&writer->id, writer->number, header);
		pieces[count++] = (struct iovec){ header, sizeof header };
		bytes += sizeof header;
	}
	pieces[count++] = (struct iovec){ (void *)(uintptr_t)data.data, data.len };
	pieces[count++] = (struct iovec){ checksum, sizeof checksum };
	if (last) {
		blob_footer_encode(writer->seed, writer->size, writer->chain, footer);
		pieces[count++] = (struct iovec){ footer, sizeof footer };
		bytes += sizeof footer;
	}
	status = file_writev_at(&writer->file, pieces, count, writer->file_bytes, err);
	writer->failed = status != KV_OK;
	writer->parts++;
	writer->file_bytes += bytes;
	return status;
}

static kv_status refuse_failed(struct kv_error *err)
{
	return kv_error_set(err, KV_IO, "writing this large value has failed before");
}

/* A part is written when more comes: so the last one, full or not, is left for the footer. */
static kv_status append_some(struct blob_writer *writer, struct slice *bytes, struct kv_error *err)
{
	kv_status status = KV_OK;
	size_t room;

	if (writer->filled == BLOB_PART_BYTES) {
		status = write_part(writer, slice_of(writer->part, BLOB_PART_BYTES), false, err);
		writer->filled = 0;
	}
	while (status == KV_OK && writer->filled == 0 && bytes->len > BLOB_PART_BYTES) {
		status = write_part(writer, slice_of(bytes->data, BLOB_PART_BYTES), false, err);
		*bytes = slice_of(bytes->data + BLOB_PART_BYTES, bytes->len - BLOB_PART_BYTES);
	}
	if (status != KV_OK)
		return status;
	room = BLOB_PART_BYTES - writer->filled;
	if (room > bytes->len)
		room = bytes->len;
	memcpy(writer->part + writer->filled, bytes->data, room);
	writer->filled += room;
	*bytes = slice_of(bytes->data + room, bytes->len - room);
	return KV_OK;
}

kv_status blob_writer_append(struct blob_writer *writer, struct slice bytes, struct kv_error *err)
{
	kv_status status = KV_OK;

	assert(!writer->finished);
	if (writer->failed)
		return refuse_failed(err);
	writer->size += bytes.len;
	while (status == KV_OK && bytes.len > 0)
		status = append_some(writer, &bytes, err);
	if (status == KV_OK)
		status = start_writeback(writer, err);
	writer->failed = status != KV_OK;
	return status;
}

kv_status blob_writer_finish(struct blob_writer *writer, struct blob_pointer *ret, struct kv_error *err)
{
	kv_status status;

	assert(!writer->finished && writer->size > 0);
	if (writer->failed)
		return refuse_failed(err);
	status = write_part(writer, slice_of(writer->part, writer->filled), true, err);
	free(writer->part); /* it may wait long for its sync */
	writer->part = NULL;
	if (status != KV_OK)
		return status;
	writer->finished = true;
	*ret = (struct blob_pointer){ writer->number, writer->size, writer->chain };
	return KV_OK;
}

kv_status blob_writer_sync(struct blob_writer *writer, struct kv_error *err)
{
	assert(writer->finished);
	if (writer->failed)
		return refuse_failed(err);
	writer->failed = true; /* a sync is never tried again */
	return file_sync(&writer->file, err);
}
