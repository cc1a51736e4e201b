/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying torn tails aside, in pieces, so that a large one needs little memory. */
#include "engine/lost_found.h"

#include "engine/filename.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE_BYTES = 1 << 20 };

static kv_status copy(const struct file *from, uint64_t begin, uint64_t end, const struct file *to,
	struct kv_error *err)
{
	uint8_t *piece = malloc(PIECE_BYTES);
	kv_status status = KV_OK;

	if (!piece)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a torn tail");
	for (uint64_t at = begin; status == KV_OK && at < end;) {
		size_t len = end - at < PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;

		status = file_read_at(from, piece, len, at, err);
		if (status == KV_OK)
			status = file_write_at(to, slice_of(piece, len), at - begin, err);
		at += len;
	}
	free(piece);
	return status == KV_OK ? file_sync(to, err) : status;
}

static kv_status copy_into(const struct dir *lost, const struct file *from, uint64_t begin,
	uint64_t end, struct kv_error *err)
{
	char name[sizeof from->name + 32];
	struct file to;
	kv_status status;

	snprintf(name, sizeof name, "%s.%" PRIu64, from->name, begin);
	status = dir_unlink(lost, name, err);
	if (status == KV_OK || status == KV_NOT_FOUND)
		status = file_open(lost, name, FILE_CREATE, &to, err);
	if (status != KV_OK)
		return status;
	status = copy(from, begin, end, &to, err);
	file_close(&to);
	return status == KV_OK ? dir_sync(lost, err) : status;
}

static bool is_not_ours(const struct kv_error *err)
{
	return err->errnum == EACCES || err->errnum == EPERM || err->errnum == ENOTDIR || err->errnum == EROFS;
}

/* Entering it is not enough. */
static kv_status open_to_write(const struct dir *dir, const char *name, struct dir *ret, struct kv_error *err)
{
	struct file probe = { .fd = -1 };
	kv_status status = dir_open_at(dir, name, true, ret, err);

	if (status != KV_OK)
		return status;
	status = file_open(ret, "kvstored.probe", FILE_OPEN_OR_CREATE, &probe, err);
	file_close(&probe);
	if (status == KV_OK)
		status = dir_unlink(ret, "kvstored.probe", err);
	if (status != KV_OK)
		dir_close(ret);
	return status;
}

kv_status lost_found_open(const struct dir *dir, struct dir *ret, struct kv_error *err)
{
	struct kv_error first = { 0 };
	kv_status status = open_to_write(dir, FILENAME_LOST, ret, &first);

	if (status != KV_OK && is_not_ours(&first))
		return open_to_write(dir, FILENAME_LOST_OTHER, ret, err);
	if (status != KV_OK && err)
		*err = first;
	return status;
}

const char *lost_found_name(const struct dir *lost)
{
	bool other = strcmp(strrchr(lost->path, '/') + 1, FILENAME_LOST_OTHER) == 0; /* it was opened in another one */

	return other ? FILENAME_LOST_OTHER : FILENAME_LOST;
}

kv_status lost_found_keep(const struct dir *dir, uint64_t number, uint64_t begin, uint64_t end, const char **ret_where,
	struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct dir lost = { .fd = -1 };
	struct file from;
	kv_status status = file_open(dir, filename_make(name, FILENAME_WAL, number), FILE_READ, &from, err);

	if (status != KV_OK)
		return status;
	status = lost_found_open(dir, &lost, err);
	if (status == KV_OK) {
		*ret_where = lost_found_name(&lost);
		status = copy_into(&lost, &from, begin, end, err);
	}
	dir_close(&lost);
	file_close(&from);
	return status;
}
