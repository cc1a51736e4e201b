/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Headers and segment files. Two rules keep a segment's past from being taken for its present: the
 * seed of a group's checksums holds the segment's number, which is used once; and a recycled file
 * loses its header, durably, before it gets its new name. So a valid header under the wrong number
 * means that files were mixed up.
 */
#include "engine/wal.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/entry.h"
#include "engine/filename.h"

#include <stdlib.h>

enum {
	SETTLE_BYTES = 1024 * 1024,
	ZEROS_SYNCED_BYTES = 1024 * 1024, /* what a commit that syncs meanwhile may have to wait for */
};

void wal_header_encode(uint8_t to[WAL_HEADER_BYTES], const struct store_id *id,
	const struct wal_header *header)
{
	put_fixed64(to + WAL_HEADER_MAGIC, WAL_MAGIC);
	put_fixed16(to + WAL_HEADER_VERSION, WAL_VERSION);
	put_fixed16(to + WAL_HEADER_FLAGS, header->prev_unsynced ? WAL_FLAG_PREV_UNSYNCED : 0);
	put_fixed32(to + WAL_HEADER_BLOCKS, header->blocks);
	memcpy(to + WAL_HEADER_STORE_ID, id->bytes, FORMAT_STORE_ID_BYTES);
	put_fixed64(to + WAL_HEADER_NUMBER, header->number);
	put_fixed64(to + WAL_HEADER_PREV_NUMBER, header->prev_number);
	put_fixed64(to + WAL_HEADER_PREV_END, header->prev_end);
	put_fixed64(to + WAL_HEADER_FIRST_SEQUENCE, header->first_sequence);
	put_fixed64(to + WAL_HEADER_CHECKSUM,
		checksum64(slice_of(to, WAL_HEADER_CHECKSUM), WAL_MAGIC));
}

kv_status wal_header_decode(const uint8_t from[WAL_HEADER_BYTES], const struct store_id *id,
	uint64_t number, struct wal_header *ret)
{
	/* in this order in every version: only what passed the checksum can be believed to be
	 * newer */
	if (get_fixed64(from + WAL_HEADER_MAGIC) != WAL_MAGIC ||
		get_fixed64(from + WAL_HEADER_CHECKSUM) !=
			checksum64(slice_of(from, WAL_HEADER_CHECKSUM), WAL_MAGIC))
		return KV_CORRUPT;
	if (get_fixed16(from + WAL_HEADER_VERSION) != WAL_VERSION ||
		(get_fixed16(from + WAL_HEADER_FLAGS) & ~WAL_FLAG_PREV_UNSYNCED) != 0)
		return KV_UNSUPPORTED;
	if (get_fixed64(from + WAL_HEADER_FIRST_SEQUENCE) == 0)
		return KV_CORRUPT; /* nothing would tell that groups are missing */
	*ret = (struct wal_header){
		.number = get_fixed64(from + WAL_HEADER_NUMBER),
		.prev_number = get_fixed64(from + WAL_HEADER_PREV_NUMBER),
		.prev_end = get_fixed64(from + WAL_HEADER_PREV_END),
		.first_sequence = get_fixed64(from + WAL_HEADER_FIRST_SEQUENCE),
		.blocks = get_fixed32(from + WAL_HEADER_BLOCKS),
		.prev_unsynced = get_fixed16(from + WAL_HEADER_FLAGS) != 0,
	};
	if (memcmp(from + WAL_HEADER_STORE_ID, id->bytes, FORMAT_STORE_ID_BYTES) != 0 ||
		ret->number != number)
		return KV_INVALID;
	return KV_OK;
}

uint64_t wal_group_seed(const struct store_id *id, uint64_t number, uint64_t offset)
{
	return checksum_seed(get_fixed64(id->bytes), get_fixed64(id->bytes + 8),
		checksum_seed(WAL_MAGIC, number, offset));
}

static uint32_t group_check(const uint8_t header[WAL_GROUP_HEADER_BYTES], uint64_t seed)
{
	struct slice covered =
		slice_of(header + WAL_GROUP_COUNT, WAL_GROUP_HEADER_BYTES - WAL_GROUP_COUNT);

	return (uint32_t)(checksum64(covered, seed) & UINT32_MAX);
}

void wal_group_encode(uint8_t to[WAL_GROUP_HEADER_BYTES], uint64_t seed,
	const struct wal_group_header *group)
{
	put_fixed64(to + WAL_GROUP_CHECKSUM, 0);
	put_fixed32(to + WAL_GROUP_MARK_OFFSET, WAL_GROUP_MARK);
	put_fixed32(to + WAL_GROUP_COUNT, group->count);
	put_fixed32(to + WAL_GROUP_LENGTH, group->length);
	put_fixed64(to + WAL_GROUP_FIRST_SEQUENCE, group->first_sequence);
	put_fixed64(to + WAL_GROUP_WALL_US, group->wall_us);
	put_fixed64(to + WAL_GROUP_SYNCED, group->synced);
	put_fixed32(to + WAL_GROUP_CHECK, group_check(to, seed));
}

static bool plausible(const struct wal_group_header *group, uint64_t offset)
{
	return group->count >= 1 && group->length / WAL_OPERATION_BYTES_MIN >= group->count &&
		group->first_sequence >= 1 && group->first_sequence <= ENTRY_SEQUENCE_MAX &&
		group->count - 1 <= ENTRY_SEQUENCE_MAX - group->first_sequence &&
		group->synced >= WAL_FIRST_GROUP_OFFSET && group->synced <= offset &&
		group->synced % WAL_GROUP_ALIGN == 0;
}

bool wal_group_decode(const uint8_t from[WAL_GROUP_HEADER_BYTES], const struct store_id *id,
	uint64_t number, uint64_t offset, struct wal_group_header *ret)
{
	struct wal_group_header group;

	if (get_fixed32(from + WAL_GROUP_MARK_OFFSET) != WAL_GROUP_MARK)
		return false;
	group = (struct wal_group_header){
		.checksum = get_fixed64(from + WAL_GROUP_CHECKSUM),
		.count = get_fixed32(from + WAL_GROUP_COUNT),
		.length = get_fixed32(from + WAL_GROUP_LENGTH),
		.first_sequence = get_fixed64(from + WAL_GROUP_FIRST_SEQUENCE),
		.wall_us = get_fixed64(from + WAL_GROUP_WALL_US),
		.synced = get_fixed64(from + WAL_GROUP_SYNCED),
	};
	if (!plausible(&group, offset) || get_fixed32(from + WAL_GROUP_CHECK) !=
			group_check(from, wal_group_seed(id, number, offset)))
		return false;
	*ret = group;
	return true;
}

/* Durable zeros, in pieces: a sync of 64 MiB at once would keep that of every commit waiting for 40 ms. */
static kv_status make_zeros(const struct file *file, uint64_t from, uint64_t to, struct kv_error *err)
{
	kv_status status = KV_OK;

	while (status == KV_OK && from < to) {
		uint64_t end = to - from < ZEROS_SYNCED_BYTES ? to : from + ZEROS_SYNCED_BYTES;

		status = file_write_zeros(file, from, end, err);
		if (status == KV_OK)
			status = file_sync(file, err);
		from = end;
	}
	return status;
}

static kv_status make_space(const struct file *file, uint64_t bytes, enum wal_space space, struct kv_error *err)
{
	kv_status status;

	if (space == WAL_WRITTEN)
		return make_zeros(file, 0, bytes, err);
	status = file_allocate(file, bytes, err);
	return status == KV_OK ? file_sync(file, err) : status;
}

kv_status wal_make_segment(const struct dir *dir, uint64_t number, uint64_t bytes,
	enum wal_space space, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct file file = { .fd = -1 };
	kv_status status;

	if (bytes < WAL_FIRST_GROUP_OFFSET)
		return kv_error_set(err, KV_INVALID, "a log segment has at least %d bytes",
			WAL_FIRST_GROUP_OFFSET);
	filename_make(name, FILENAME_WAL, number);
	status = file_open(dir, name, FILE_CREATE, &file, err);
	if (status != KV_OK)
		return status;
	status = make_space(&file, bytes, space, err);
	file_close(&file);
	if (status == KV_OK)
		status = dir_sync(dir, err);
	if (status != KV_OK)
		dir_unlink(dir, name, NULL); /* the first error is the one to tell */
	return status;
}

static kv_status resize(const struct file *file, uint64_t bytes, struct kv_error *err)
{
	uint64_t before;
	kv_status status = file_size(file, &before, err);

	if (status != KV_OK)
		return status;
	if (before >= bytes)
		status = file_truncate(file, bytes, err);
	else
		status = make_zeros(file, before, bytes, err);
	if ((status == KV_NO_SPACE || status == KV_NO_MEMORY) && file_truncate(file, before, NULL) != KV_OK)
		return kv_error_set(err, KV_IO, "a log segment that did not grow cannot be cut");
	return status == KV_OK && before >= bytes ? file_sync(file, err) : status;
}

kv_status wal_resize_segment(const struct dir *dir, uint64_t number, uint64_t bytes, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct file file = { .fd = -1 };
	kv_status status;

	if (bytes < WAL_FIRST_GROUP_OFFSET)
		return kv_error_set(err, KV_INVALID, "a log segment has at least %d bytes", WAL_FIRST_GROUP_OFFSET);
	status = file_open(dir, filename_make(name, FILENAME_WAL, number), FILE_READ_WRITE, &file, err);
	if (status == KV_OK)
		status = resize(&file, bytes, err);
	file_close(&file);
	return status;
}

static kv_status wipe_header(const struct dir *dir, const char *name, struct kv_error *err)
{
	struct file file = { .fd = -1 };
	kv_status status;

	status = file_open(dir, name, FILE_READ_WRITE, &file, err);
	if (status == KV_OK)
		status = file_write_zeros(&file, 0, WAL_FIRST_GROUP_OFFSET, err);
	if (status == KV_OK)
		status = file_sync(&file, err);
	file_close(&file);
	return status;
}

kv_status wal_recycle_segment(const struct dir *dir, uint64_t old_number, uint64_t number,
	struct kv_error *err)
{
	char old_name[FILENAME_MAX_BYTES], name[FILENAME_MAX_BYTES];
	kv_status status;

	filename_make(old_name, FILENAME_WAL, old_number);
	filename_make(name, FILENAME_WAL, number);
	status = wipe_header(dir, old_name, err);
	if (status == KV_OK)
		status = dir_rename(dir, old_name, dir, name, true, err);
	if (status == KV_OK)
		status = dir_sync(dir, err);
	return status;
}

static kv_status rewrite(const struct file *file, uint8_t *buffer, uint64_t from, uint64_t to,
	struct kv_error *err)
{
	kv_status status = KV_OK;

	while (status == KV_OK && from < to) {
		size_t len = to - from < SETTLE_BYTES ? (size_t)(to - from) : SETTLE_BYTES;

		status = file_read_at(file, buffer, len, from, err);
		if (status == KV_OK)
			status = file_write_at(file, slice_of(buffer, len), from, err);
		from += len;
	}
	return status;
}

kv_status wal_settle(const struct dir *dir, uint64_t number, uint64_t from, uint64_t to,
	struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct file file = { .fd = -1 };
	uint8_t *buffer = malloc(SETTLE_BYTES);
	kv_status status;

	filename_make(name, FILENAME_WAL, number);
	if (!buffer)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to read %s", name);
	status = file_open(dir, name, FILE_READ_WRITE, &file, err);
	if (status == KV_OK)
		status = rewrite(&file, buffer, from, to, err);
	if (status == KV_OK)
		status = file_sync(&file, err);
	file_close(&file);
	free(buffer);
	return status;
}
