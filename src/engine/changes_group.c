/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A group that fits the window is there as a whole. Of a larger one the window holds one part at a time, and for each part a checksum was
 * taken when the group's own was made: so what is given out is what the group's checksum was right for, whatever
 * has become of the file in between.
 */
#include "engine/changes_group.h"

#include "base/coding.h"
#include "engine/file_error.h"

#include <stdlib.h>

void changes_group_init(struct changes_group *group)
{
	*group = (struct changes_group){ .part = UINT64_MAX };
}

static void end_large(struct changes_group *group)
{
	group->checksum = checksum_stream_free(group->checksum);
	free(group->part_checksums);
	group->part_checksums = NULL;
	group->part = UINT64_MAX;
	buf_free(&group->piece);
	if (group->large)
		group->window_sequence = 0;
	group->large = false;
}

void changes_group_forget(struct changes_group *group)
{
	end_large(group);
	buf_free(&group->window);
	group->window_sequence = 0;
}

void changes_group_free(struct changes_group *group)
{
	changes_group_forget(group);
}

static kv_status damaged(const struct changes_group *group, const struct changes_source *source,
	struct kv_error *err)
{
	return file_error(err, KV_CORRUPT, source->file->dir_path, source->file->name, group->offset,
		"a group of the log is damaged");
}

/* Fills the window with bytes [offset, offset + len) of the file. */
static kv_status read_window(struct changes_group *group, const struct changes_source *source,
	uint64_t offset, size_t len, struct kv_error *err)
{
	kv_status status;

	group->window_sequence = 0;
	buf_clear(&group->window);
	if (buf_reserve(&group->window, len) != KV_OK)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to read the log");
	status = file_read_at(source->file, group->window.data, len, offset, err);
	if (status != KV_OK)
		return status;
	group->window.len = len;
	group->window_offset = offset;
	group->window_sequence = source->sequence;
	return KV_OK;
}

/* Has the window bytes [offset, offset + len), read after the group of `sequence` was there? */
static bool window_has(const struct changes_group *group, uint64_t offset, size_t len,
	uint64_t sequence)
{
	return group->window_sequence >= sequence && offset >= group->window_offset &&
		offset - group->window_offset <= group->window.len &&
		len <= group->window.len - (size_t)(offset - group->window_offset);
}

/* Bytes of the file, `len` at most a window. */
static kv_status load(struct changes_group *group, const struct changes_source *source,
	uint64_t offset, size_t len, uint64_t sequence, const uint8_t **ret, struct kv_error *err)
{
	uint64_t left = source->end - offset;
	kv_status status = KV_OK;

	if (!window_has(group, offset, len, sequence))
		status = read_window(group, source, offset,
			left < CHANGES_GROUP_WINDOW ? (size_t)left : CHANGES_GROUP_WINDOW, err);
	if (status == KV_OK)
		*ret = group->window.data + (size_t)(offset - group->window_offset);
	return status;
}

kv_status changes_group_open(struct changes_group *group, const struct changes_source *source,
	uint64_t offset, uint64_t sequence, struct kv_error *err)
{
	const uint8_t *bytes = NULL;
	struct wal_group_header header;
	kv_status status;

	end_large(group);
	group->offset = offset;
	group->verified = 0;
	if (offset > source->end || source->end - offset < WAL_GROUP_HEADER_BYTES)
		return damaged(group, source, err);
	status = load(group, source, offset, WAL_GROUP_HEADER_BYTES, sequence, &bytes, err);
	if (status != KV_OK)
		return status;
	if (!wal_group_decode(bytes, source->id, source->number, offset, &header) ||
		header.first_sequence != sequence ||
		header.length > source->end - offset - WAL_GROUP_HEADER_BYTES)
		return damaged(group, source, err);
	group->header = header;
	group->large = header.length > CHANGES_GROUP_WINDOW - WAL_GROUP_HEADER_BYTES;
	return KV_OK;
}

/* ---- verifying ---- */

static kv_status verify_small(struct changes_group *group, const struct changes_source *source,
	struct kv_error *err)
{
	size_t len = WAL_GROUP_HEADER_BYTES + (size_t)group->header.length;
	const uint8_t *bytes = NULL;
	kv_status status = load(group, source, group->offset, len, group->header.first_sequence,
		&bytes, err);

	if (status != KV_OK)
		return status;
	if (checksum64(slice_of(bytes + WAL_GROUP_MARK_OFFSET, len - WAL_GROUP_MARK_OFFSET),
			wal_group_seed(source->id, source->number, group->offset)) !=
		group->header.checksum)
		return damaged(group, source, err);
	group->verified = group->header.length;
	return KV_OK;
}

static uint64_t part_count(const struct changes_group *group)
{
	return ((uint64_t)group->header.length + CHANGES_GROUP_WINDOW - 1) / CHANGES_GROUP_WINDOW;
}

/* Its header is in the window still. */
static kv_status begin_large(struct changes_group *group, const struct changes_source *source,
	struct kv_error *err)
{
	const uint8_t *bytes = NULL;
	kv_status status = load(group, source, group->offset, WAL_GROUP_HEADER_BYTES,
		group->header.first_sequence, &bytes, err);

	if (status != KV_OK)
		return status;
	group->part_checksums = calloc((size_t)part_count(group), sizeof(uint64_t));
	group->checksum = checksum_stream_new(
		wal_group_seed(source->id, source->number, group->offset));
	if (!group->part_checksums || !group->checksum) {
		free(group->part_checksums);
		group->part_checksums = NULL;
		group->checksum = checksum_stream_free(group->checksum);
		return kv_error_set(err, KV_NO_MEMORY, "no memory to read the log");
	}
	checksum_stream_add(group->checksum, slice_of(bytes + WAL_GROUP_MARK_OFFSET,
		WAL_GROUP_HEADER_BYTES - WAL_GROUP_MARK_OFFSET));
	return KV_OK;
}

static kv_status read_part(struct changes_group *group, const struct changes_source *source,
	uint64_t part, struct kv_error *err)
{
	uint64_t at = part * CHANGES_GROUP_WINDOW;
	uint64_t left = group->header.length - at;
	kv_status status;

	group->part = UINT64_MAX;
	status = read_window(group, source, group->offset + WAL_GROUP_HEADER_BYTES + at,
		left < CHANGES_GROUP_WINDOW ? (size_t)left : CHANGES_GROUP_WINDOW, err);
	group->window_sequence = 0; /* only group->part tells what it is */
	return status;
}

static kv_status verify_large(struct changes_group *group, const struct changes_source *source,
	struct kv_error *err)
{
	kv_status status = group->checksum ? KV_OK : begin_large(group, source, err);

	for (uint64_t step = 0; status == KV_OK && group->verified < group->header.length;
		step += CHANGES_GROUP_WINDOW) {
		uint64_t part = group->verified / CHANGES_GROUP_WINDOW;

		if (step >= CHANGES_GROUP_STEP)
			return KV_BUSY;
		status = read_part(group, source, part, err);
		if (status != KV_OK)
			break;
		checksum_stream_add(group->checksum, buf_slice(&group->window));
		group->part_checksums[part] = checksum64(buf_slice(&group->window), part);
		group->verified += group->window.len;
	}
	if (status == KV_OK && checksum_stream_value(group->checksum) != group->header.checksum)
		status = damaged(group, source, err);
	return status;
}

kv_status changes_group_verify(struct changes_group *group, const struct changes_source *source,
	struct kv_error *err)
{
	return group->large ? verify_large(group, source, err) : verify_small(group, source, err);
}

/* ---- the payload ---- */

static kv_status load_part(struct changes_group *group, const struct changes_source *source,
	uint64_t part, struct kv_error *err)
{
	kv_status status;

	if (group->part == part)
		return KV_OK;
	status = read_part(group, source, part, err);
	if (status != KV_OK)
		return status;
	if (checksum64(buf_slice(&group->window), part) != group->part_checksums[part])
		return damaged(group, source, err);
	group->part = part;
	return KV_OK;
}

static kv_status gather(struct changes_group *group, const struct changes_source *source, uint64_t at,
	size_t len, struct slice *ret, struct kv_error *err)
{
	kv_status status = KV_OK;

	buf_clear(&group->piece);
	if (buf_reserve(&group->piece, len) != KV_OK)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to read the log");
	while (status == KV_OK && group->piece.len < len) {
		uint64_t from = at + group->piece.len;
		size_t begin = (size_t)(from % CHANGES_GROUP_WINDOW), some;

		status = load_part(group, source, from / CHANGES_GROUP_WINDOW, err);
		if (status != KV_OK)
			break;
		some = group->window.len - begin;
		if (some > len - group->piece.len)
			some = len - group->piece.len;
		status = buf_append(&group->piece, group->window.data + begin, some);
	}
	*ret = buf_slice(&group->piece);
	return status;
}

kv_status changes_group_bytes(struct changes_group *group, const struct changes_source *source,
	uint64_t at, size_t len, struct slice *ret, struct kv_error *err)
{
	uint64_t part = at / CHANGES_GROUP_WINDOW;
	size_t begin = (size_t)(at % CHANGES_GROUP_WINDOW);
	kv_status status;

	if (!group->large) { /* all of it is in the window since it was verified */
		*ret = slice_of(group->window.data + (size_t)(group->offset - group->window_offset) +
			WAL_GROUP_HEADER_BYTES + (size_t)at, len);
		return KV_OK;
	}
	if (len > CHANGES_GROUP_WINDOW - begin)
		return gather(group, source, at, len, ret, err);
	status = load_part(group, source, part, err);
	if (status == KV_OK)
		*ret = slice_of(group->window.data + begin, len);
	return status;
}
