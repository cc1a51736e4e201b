/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One write a group: what fits the buffer is copied there as a whole (for many small pieces that is
 * faster than a vector), and its checksum is taken in one go; a larger group is gathered, its small
 * pieces in the buffer, its large ones from where they lie, and written whenever buffer or vector
 * is full.
 *
 * Behind each group lie WAL_END_BYTES zeros, over which the next one is written: a reader of a
 * recycled segment sees an end there, not the middle of an old group. Where the file ends they are
 * not needed.
 *
 * Where nobody syncs for a while, small groups are written to a window of the file in memory, which costs a fiftieth of a system call.
 * Its header goes last, so that a process that ends in the middle leaves no group there. Groups that are synced one by one are
 * better off without: the kernel knows no better than by whole pages (or more) what was written to a window. When a page
 * cannot be had, the group is written as any other; that tells what is wrong.
 *
 * A group that could not be written for want of space or memory is undone before anybody is told: a
 * write that is reported as failed may have reached the file as a whole (a short write, then an
 * error in the padding), and would be found at the next start. The file is cut to the size it had,
 * the header is overwritten with zeros if it lies below that, and this is synced. After that there
 * is no header of this segment at or behind the end; remnants of a payload have none that fits its
 * place, so the reader takes them for nothing.
 */
#include "engine/wal_writer.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "base/file_map.h"
#include "engine/file_error.h"
#include "engine/filename.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	IOV_MAX_ENTRIES = 16, /* of file_writev_at */
	DIRECT_BYTES = 32 * 1024, /* from here on a piece of a large group is not copied */
	UNSYNCED_BYTES = 16 * 1024, /* when so much was written without a sync, the next group without one goes to a window */
	WINDOW_BYTES = 1024 * 1024, /* counts as memory in use of the process */
	WINDOWED_BYTES_MAX = 64 * 1024,
};

static const uint8_t zeros[WAL_FIRST_GROUP_OFFSET + WAL_END_BYTES];

struct wal_writer {
	struct file file;
	struct store_id id;
	uint64_t number;
	struct wal_header header; /* as it stands in the file */

	uint64_t end;        /* of the last group */
	uint64_t synced;     /* <= end */
	uint64_t file_bytes; /* >= end; never shrinks below what it was at open */
	bool poisoned;

	struct file_map window;
	bool windowless; /* there is none for this file */

	/* a write being gathered: iov points into buffer and at the caller's pieces */
	uint64_t gather_offset; /* where it goes */
	size_t gather_bytes;
	int iov_count;
	struct iovec iov[IOV_MAX_ENTRIES];
	size_t used; /* of buffer */
	uint8_t buffer[WAL_WRITE_BUFFER_BYTES];
};

static kv_status poison(struct wal_writer *w, struct kv_error *err)
{
	w->poisoned = true;
	if (err)
		err->status = KV_UNCERTAIN;
	return KV_UNCERTAIN;
}

static kv_status refuse_poisoned(const struct wal_writer *w, struct kv_error *err)
{
	return file_error(err, KV_IO, w->file.dir_path, w->file.name, w->end,
		"the log takes no more writes since an earlier one failed");
}

/* ---- open ---- */

/* Only a file that holds no group of this number may be begun: what is written over cannot be
 * had back. */
static kv_status check_unused(struct wal_writer *w, struct kv_error *err)
{
	uint8_t bytes[WAL_HEADER_BYTES];
	struct wal_header header;
	struct wal_group_header group;
	kv_status status;

	status = file_read_at(&w->file, bytes, sizeof bytes, 0, err);
	if (status != KV_OK)
		return status;
	status = wal_header_decode(bytes, &w->id, w->number, &header);
	if (status == KV_CORRUPT)
		return KV_OK; /* none */
	if (status == KV_OK) {
		if (w->file_bytes - WAL_FIRST_GROUP_OFFSET < WAL_GROUP_HEADER_BYTES)
			return KV_OK;
		status = file_read_at(&w->file, bytes, WAL_GROUP_HEADER_BYTES,
			WAL_FIRST_GROUP_OFFSET, err);
		if (status != KV_OK)
			return status;
		if (!wal_group_decode(bytes, &w->id, w->number, WAL_FIRST_GROUP_OFFSET, &group))
			return KV_OK;
	}
	return file_error(err, KV_INVALID, w->file.dir_path, w->file.name, 0,
		"this log segment is in use already");
}

static uint64_t end_zeros(const struct wal_writer *w, uint64_t end)
{
	if (end >= w->file_bytes)
		return 0;
	return w->file_bytes - end < WAL_END_BYTES ? w->file_bytes - end : WAL_END_BYTES;
}

/* What was written from `offset` on becomes durable. After a failure it may be on the disk or not. */
static kv_status sync_from(const struct wal_writer *w, uint64_t offset, struct kv_error *err)
{
	kv_status status = file_sync(&w->file, err);

	if (status != KV_OK && err) {
		err->has_offset = true;
		err->offset = offset;
	}
	return status;
}

static kv_status write_header(struct wal_writer *w, struct wal_header header, struct kv_error *err)
{
	uint8_t bytes[WAL_FIRST_GROUP_OFFSET + WAL_END_BYTES] = { 0 };
	uint64_t blocks = w->file_bytes / WAL_BLOCK_BYTES;
	kv_status status;

	header.blocks = blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks;
	w->header = header;
	wal_header_encode(bytes, &w->id, &header);
	status = file_write_at(&w->file,
		slice_of(bytes, WAL_FIRST_GROUP_OFFSET + end_zeros(w, WAL_FIRST_GROUP_OFFSET)), 0,
		err);
	return status == KV_OK ? sync_from(w, 0, err) : status;
}

kv_status wal_writer_open(const struct dir *dir, const struct store_id *id,
	const struct wal_header *header, struct wal_writer **ret, struct kv_error *err)
{
	struct wal_writer *w = calloc(1, sizeof *w);
	char name[FILENAME_MAX_BYTES];
	kv_status status;

	filename_make(name, FILENAME_WAL, header->number);
	if (!w)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to write %s", name);
	w->file.fd = -1;
	w->id = *id;
	w->number = header->number;
	w->end = WAL_FIRST_GROUP_OFFSET;
	w->synced = WAL_FIRST_GROUP_OFFSET;
	status = file_open(dir, name, FILE_READ_WRITE, &w->file, err);
	if (status == KV_OK)
		status = file_size(&w->file, &w->file_bytes, err);
	if (status != KV_OK)
		goto out;
	if (w->file_bytes < WAL_FIRST_GROUP_OFFSET) {
		status = file_error(err, KV_INVALID, dir->path, name, w->file_bytes,
			"too short for a log segment");
		goto out;
	}
	status = check_unused(w, err);
	if (status != KV_OK)
		goto out;
	status = write_header(w, *header, err);
	if (status == KV_NO_MEMORY) { /* the header may be there, in part */
		status = KV_IO;
		if (err)
			err->status = KV_IO;
	}
	if (status != KV_OK)
		goto out;
	*ret = w;
	w = NULL;
out:
	wal_writer_close(w);
	return status;
}

/* The header lies in one sector, so it is there as before or as a whole; and it is true either way. */
kv_status wal_writer_vouch(struct wal_writer *w, struct kv_error *err)
{
	uint8_t bytes[WAL_HEADER_BYTES];
	kv_status status;

	if (w->poisoned)
		return refuse_poisoned(w, err);
	if (!w->header.prev_unsynced)
		return KV_OK;
	w->header.prev_unsynced = false;
	wal_header_encode(bytes, &w->id, &w->header);
	status = file_write_at(&w->file, slice_of(bytes, sizeof bytes), 0, err);
	w->header.prev_unsynced = status != KV_OK;
	return status == KV_OK || status == KV_NO_SPACE || status == KV_NO_MEMORY ? status : poison(w, err);
}

struct wal_writer *wal_writer_close(struct wal_writer *w)
{
	if (w) {
		file_unmap(&w->window);
		file_close(&w->file);
	}
	free(w);
	return NULL;
}

/* ---- append ---- */

/* Zeros are written ahead of the groups, so that the pages are made by one call: where space was only allocated, a page that is made when it is
 * touched takes so long that one put in a hundred took 7 us instead of 3. */
static void move_window(struct wal_writer *w)
{
	uint64_t offset = w->end / FILE_MAP_ALIGN * FILE_MAP_ALIGN;
	uint64_t left = w->file_bytes - offset;
	size_t len = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;

	file_unmap(&w->window);
	w->windowless = file_write_zeros(&w->file, w->end, offset + len, NULL) != KV_OK ||
		file_map(&w->file, offset, len, &w->window) != KV_OK;
}

/* Has the window room for a group of `len` bytes at the end? Else it is moved there. */
static bool has_window(struct wal_writer *w, size_t len)
{
	if (len > WINDOWED_BYTES_MAX || len > w->file_bytes - w->end)
		return false;
	if (!w->windowless && !file_map_holds(&w->window, w->end, len))
		move_window(w);
	return !w->windowless;
}

/* `bytes` is a group with its header and the zeros behind it. */
static bool write_to_window(struct wal_writer *w, const struct wal_group *group, struct slice bytes)
{
	struct slice header = slice_of(bytes.data, WAL_GROUP_HEADER_BYTES);
	struct slice rest = slice_of(bytes.data + header.len, bytes.len - header.len);

	if (group->sync_follows || w->end - w->synced < UNSYNCED_BYTES || !has_window(w, bytes.len))
		return false;
	w->windowless = !file_map_write(&w->window, rest, w->end + header.len) ||
		!file_map_write(&w->window, header, w->end);
	if (w->windowless)
		file_unmap(&w->window);
	return !w->windowless;
}

static kv_status flush(struct wal_writer *w, struct kv_error *err)
{
	kv_status status = KV_OK;

	if (w->iov_count > 0)
		status = file_writev_at(&w->file, w->iov, w->iov_count, w->gather_offset, err);
	w->gather_offset += w->gather_bytes;
	w->gather_bytes = 0;
	w->iov_count = 0;
	w->used = 0;
	return status;
}

static void add_iov(struct wal_writer *w, const uint8_t *data, size_t len)
{
	/* the cast only takes off const: a write does not change what it reads */
	w->iov[w->iov_count++] =
		(struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	w->gather_bytes += len;
}

static void add_copy(struct wal_writer *w, struct slice piece)
{
	uint8_t *to = w->buffer + w->used;
	struct iovec *last = w->iov_count > 0 ? &w->iov[w->iov_count - 1] : NULL;

	memcpy(to, piece.data, piece.len);
	w->used += piece.len;
	if (last && (uint8_t *)last->iov_base + last->iov_len == to) {
		last->iov_len += piece.len;
		w->gather_bytes += piece.len;
	} else {
		add_iov(w, to, piece.len);
	}
}

/* The piece must stay until the next flush. */
static kv_status gather(struct wal_writer *w, struct slice piece, struct kv_error *err)
{
	bool copied = piece.len < DIRECT_BYTES;
	kv_status status = KV_OK;

	if (piece.len == 0)
		return KV_OK;
	if (w->iov_count == IOV_MAX_ENTRIES ||
		(copied && piece.len > WAL_WRITE_BUFFER_BYTES - w->used))
		status = flush(w, err);
	if (status != KV_OK)
		return status;
	if (copied)
		add_copy(w, piece);
	else
		add_iov(w, piece.data, piece.len);
	return KV_OK;
}

static kv_status write_large(struct wal_writer *w, uint8_t header[WAL_GROUP_HEADER_BYTES],
	uint64_t seed, const struct slice *pieces, size_t piece_count, size_t tail_zeros,
	struct kv_error *err)
{
	struct slice covered = slice_of(header + WAL_GROUP_MARK_OFFSET,
		WAL_GROUP_HEADER_BYTES - WAL_GROUP_MARK_OFFSET);
	kv_status status;

	put_fixed64(header + WAL_GROUP_CHECKSUM,
		checksum64_pieces(covered, pieces, piece_count, seed));
	w->gather_offset = w->end;
	status = gather(w, slice_of(header, WAL_GROUP_HEADER_BYTES), err);
	for (size_t i = 0; i < piece_count && status == KV_OK; i++)
		status = gather(w, pieces[i], err);
	if (status == KV_OK)
		status = gather(w, slice_of(zeros, tail_zeros), err);
	return status == KV_OK ? flush(w, err) : status;
}

static kv_status write_small(struct wal_writer *w, const struct wal_group *group,
	const uint8_t header[WAL_GROUP_HEADER_BYTES], uint64_t seed, const struct slice *pieces,
	size_t piece_count, size_t tail_zeros, struct kv_error *err)
{
	uint8_t *to = w->buffer + WAL_GROUP_HEADER_BYTES;
	struct slice bytes;
	size_t len;

	memcpy(w->buffer, header, WAL_GROUP_HEADER_BYTES);
	for (size_t i = 0; i < piece_count; i++) {
		if (pieces[i].len > 0)
			memcpy(to, pieces[i].data, pieces[i].len);
		to += pieces[i].len;
	}
	len = (size_t)(to - w->buffer);
	put_fixed64(w->buffer + WAL_GROUP_CHECKSUM,
		checksum64(slice_of(w->buffer + WAL_GROUP_MARK_OFFSET, len - WAL_GROUP_MARK_OFFSET),
			seed));
	memset(to, 0, tail_zeros);
	bytes = slice_of(w->buffer, len + tail_zeros);
	return write_to_window(w, group, bytes) ? KV_OK : file_write_at(&w->file, bytes, w->end, err);
}

/* See the top of this file. */
static kv_status undo(struct wal_writer *w, uint64_t group_end, struct kv_error *err)
{
	uint64_t below = w->file_bytes - w->end;
	kv_status status = KV_OK;

	if (group_end > w->file_bytes)
		status = file_truncate(&w->file, w->file_bytes, err);
	if (below > WAL_GROUP_HEADER_BYTES)
		below = WAL_GROUP_HEADER_BYTES;
	if (status == KV_OK && below > 0)
		status = file_write_at(&w->file, slice_of(zeros, (size_t)below), w->end, err);
	if (status == KV_OK)
		status = sync_from(w, w->end, err);
	if (status == KV_OK)
		w->synced = w->end;
	return status;
}

static kv_status append_failed(struct wal_writer *w, kv_status status, uint64_t group_end,
	struct kv_error *err)
{
	w->iov_count = 0;
	w->used = 0;
	w->gather_bytes = 0;
	if (status != KV_NO_SPACE && status != KV_NO_MEMORY)
		return poison(w, err);
	if (undo(w, group_end, NULL) != KV_OK) /* the first error is the one to tell */
		return poison(w, err);
	return status;
}

/* Total length, or 0 when it is more than a group may have. */
static uint64_t payload_bytes(const struct slice *pieces, size_t piece_count)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < piece_count; i++) {
		if (pieces[i].len > WAL_GROUP_MAX - ret)
			return 0;
		ret += pieces[i].len;
	}
	return ret;
}

kv_status wal_append(struct wal_writer *w, const struct wal_group *group,
	const struct slice *pieces, size_t piece_count, struct kv_error *err)
{
	uint64_t length = payload_bytes(pieces, piece_count);
	uint64_t seed = wal_group_seed(&w->id, w->number, w->end);
	uint64_t group_end = w->end + wal_group_bytes(length);
	size_t tail_zeros;
	uint8_t header[WAL_GROUP_HEADER_BYTES];
	kv_status status;

	if (w->poisoned)
		return refuse_poisoned(w, err);
	if (group->count == 0 || length / WAL_OPERATION_BYTES_MIN < group->count)
		return kv_error_set(err, KV_INVALID,
			"no such group: %" PRIu32 " operations in %" PRIu64 " bytes", group->count,
			length);
	wal_group_encode(header, seed,
		&(struct wal_group_header){ .count = group->count,
			.length = (uint32_t)length,
			.first_sequence = group->first_sequence,
			.wall_us = group->wall_us,
			.synced = w->synced });
	tail_zeros = (size_t)(group_end - w->end - WAL_GROUP_HEADER_BYTES - length +
		end_zeros(w, group_end));
	if (length <= WAL_WRITE_BUFFER_BYTES - WAL_GROUP_HEADER_BYTES - tail_zeros)
		status = write_small(w, group, header, seed, pieces, piece_count, tail_zeros, err);
	else
		status = write_large(w, header, seed, pieces, piece_count, tail_zeros, err);
	if (status != KV_OK)
		return append_failed(w, status, group_end, err);
	w->end = group_end;
	if (w->file_bytes < group_end)
		w->file_bytes = group_end;
	return KV_OK;
}

kv_status wal_start_sync(struct wal_writer *w, struct kv_error *err)
{
	uint64_t end = w->end + end_zeros(w, w->end);
	kv_status status;

	if (w->poisoned)
		return refuse_poisoned(w, err);
	if (w->synced == w->end)
		return KV_OK;
	status = file_start_writeback(&w->file, w->synced, end - w->synced, err);
	if (status == KV_OK || status == KV_NO_MEMORY) /* the pages are still dirty; a sync waits for the memory */
		return KV_OK;
	return poison(w, err);
}

kv_status wal_sync(struct wal_writer *w, struct kv_error *err)
{
	if (w->poisoned)
		return refuse_poisoned(w, err);
	if (w->synced == w->end)
		return KV_OK;
	if (sync_from(w, w->synced, err) != KV_OK)
		return poison(w, err);
	w->synced = w->end;
	return KV_OK;
}

uint64_t wal_writer_number(const struct wal_writer *w)
{
	return w->number;
}

uint64_t wal_writer_end(const struct wal_writer *w)
{
	return w->end;
}

uint64_t wal_writer_left(const struct wal_writer *w)
{
	return w->file_bytes - w->end;
}

uint64_t wal_writer_synced(const struct wal_writer *w)
{
	return w->synced;
}

bool wal_writer_is_unsynced(const struct wal_writer *w)
{
	return !w->poisoned && w->end > WAL_FIRST_GROUP_OFFSET && w->synced == WAL_FIRST_GROUP_OFFSET;
}

bool wal_writer_is_settled(const struct wal_writer *w)
{
	return !w->poisoned && w->synced == w->end;
}

void wal_writer_rest(struct wal_writer *w)
{
	file_unmap(&w->window);
}
