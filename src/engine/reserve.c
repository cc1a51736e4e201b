/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/reserve.h"

enum {
	LIMIT_ALIGN = 4096,
	LIMIT_PART = 4, /* three memtables may wait to be written; the next segment */
	RESERVE_PART = 16,
	RESERVE_MIN = 256 * 1024,
	RESERVE_MAX = 2 << 20,
};

#define NAME "RESERVE"

uint64_t reserve_bytes(uint64_t wal_segment_bytes)
{
	uint64_t bytes = wal_segment_bytes / RESERVE_PART;

	return bytes < RESERVE_MIN ? RESERVE_MIN : bytes > RESERVE_MAX ? RESERVE_MAX : bytes;
}

kv_status reserve_make(const struct dir *dir, uint64_t bytes, struct kv_error *err)
{
	struct file file = { .fd = -1 };
	kv_status status = file_open(dir, NAME, FILE_OPEN_OR_CREATE, &file, err);

	if (status == KV_OK)
		status = file_allocate(&file, bytes, err); /* whatever its size: a copy may have holes in place of blocks */
	file_close(&file);
	if (status != KV_OK)
		dir_unlink(dir, NAME, NULL); /* a part of it would pass for all: the size is set first where blocks run out */
	return status;
}

bool reserve_release(const struct dir *dir)
{
	return dir_unlink(dir, NAME, NULL) == KV_OK;
}

uint64_t reserve_limit(uint64_t bytes, uint64_t free_bytes, uint64_t least)
{
	uint64_t limit = free_bytes / LIMIT_PART / LIMIT_ALIGN * LIMIT_ALIGN;

	if (limit < least)
		limit = least;
	return bytes < limit ? bytes : limit;
}
