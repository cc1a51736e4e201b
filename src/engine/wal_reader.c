/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads through a window of the file. Before any memory is taken for a payload, its length has
 * passed the check of the header and fits what is left of the file.
 *
 * What is bad at offset p is judged by everything behind it:
 *
 *	the end was set (a successor knows it)                          damage
 *	a header of this segment behind p knows more than p durable     damage
 *	zeros at p (or no room for them) and no header behind           a clean end
 *	anything else                                                   a torn tail, from p on
 *
 * A header counts for what it claims even if its own payload is torn: the claim was true when it
 * was written. An old group of a recycled file passes for a header of this segment with a chance of
 * 2^-32, and its sequence is too low even then; the scan looks at one word in eight bytes and at no
 * payload, so its time is linear in the file whatever lies there.
 */
#include "engine/wal_reader.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/batch.h"
#include "engine/file_error.h"
#include "engine/filename.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum { WINDOW_BYTES = 1024 * 1024 };

enum progress {
	READING,
	ENDED,
	DAMAGED,
};

struct wal_reader {
	struct file file; /* closed while it rests */
	const struct dir *dir; /* constant after open, as all up to `end` */
	struct store_id id;
	uint64_t number;
	struct wal_header header;
	uint64_t file_bytes;
	uint64_t end; /* set by the caller; UINT64_MAX: the newest segment */
	struct kv_error *fault; /* only while it is opened by wal_reader_open_damaged(), else NULL */
	bool history;

	enum progress progress;
	uint64_t pos;           /* of the next group */
	uint64_t next_sequence; /* that it must have; 0: any */
	uint64_t synced;        /* the highest offset that a group so far knows durable */
	uint64_t torn_end;      /* when ENDED */
	uint64_t damage;        /* offset, when DAMAGED */
	const char *damage_text;

	struct buf window; /* bytes of the file from window_offset on */
	uint64_t window_offset;
};

static kv_status damaged(struct wal_reader *r, uint64_t offset, const char *text,
	struct kv_error *err)
{
	r->progress = DAMAGED;
	r->damage = offset;
	r->damage_text = text;
	return file_error(err, KV_CORRUPT, r->file.dir_path, r->file.name, offset, "%s", text);
}

/* ---- bytes ---- */

static kv_status wake(struct wal_reader *r, struct kv_error *err)
{
	kv_status status;

	if (r->file.fd >= 0)
		return KV_OK;
	status = file_open(r->dir, r->file.name, FILE_READ, &r->file, err);
	if (status != KV_NOT_FOUND)
		return status;
	return kv_error_set(err, KV_IO, "%s was removed while it was read", r->file.name);
}

/* The bytes [offset, offset + len) of the file, which must be there; good until the next load. */
static kv_status load(struct wal_reader *r, uint64_t offset, size_t len, const uint8_t **ret,
	struct kv_error *err)
{
	uint64_t left = r->file_bytes - offset;
	size_t want = len < WINDOW_BYTES ? WINDOW_BYTES : len;
	kv_status status;

	if (offset >= r->window_offset && offset - r->window_offset <= r->window.len &&
		len <= r->window.len - (offset - r->window_offset)) {
		*ret = r->window.data + (offset - r->window_offset);
		return KV_OK;
	}
	if (want > left)
		want = (size_t)left;
	status = wake(r, err);
	if (status != KV_OK)
		return status;
	buf_clear(&r->window);
	if (buf_reserve(&r->window, want) != KV_OK)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to read %zu bytes of %s", want,
			r->file.name);
	status = file_read_at(&r->file, r->window.data, want, offset, err);
	if (status != KV_OK)
		return status;
	r->window.len = want;
	r->window_offset = offset;
	*ret = r->window.data;
	return KV_OK;
}

/* The first header of a group of this segment at or behind *offset, with a sequence of at least
 * `first_sequence`; KV_NOT_FOUND: none. Its payload may be bad, or beyond the end of the file. */
static kv_status find_header(struct wal_reader *r, uint64_t *offset, uint64_t first_sequence,
	struct wal_group_header *ret, struct kv_error *err)
{
	const uint8_t *bytes = NULL;
	size_t len, at;
	kv_status status;

	for (uint64_t from = *offset; from < r->file_bytes; from += at) {
		if (r->file_bytes - from < WAL_GROUP_HEADER_BYTES)
			break;
		status = load(r, from, WAL_GROUP_HEADER_BYTES, &bytes, err);
		if (status != KV_OK)
			return status;
		len = r->window.len - (size_t)(from - r->window_offset);
		for (at = 0; len - at >= WAL_GROUP_HEADER_BYTES; at += WAL_GROUP_ALIGN) {
			const uint8_t *header = bytes + at;

			if (get_fixed32(header + WAL_GROUP_MARK_OFFSET) != WAL_GROUP_MARK ||
				get_fixed64(header + WAL_GROUP_FIRST_SEQUENCE) < first_sequence ||
				!wal_group_decode(header, &r->id, r->number, from + at, ret))
				continue;
			*offset = from + at;
			return KV_OK;
		}
	}
	return KV_NOT_FOUND;
}

/* Whether the payload of the group with this header, at `offset`, is there and right; `limit` is
 * where groups must end at the latest. */
static kv_status read_payload(struct wal_reader *r, uint64_t offset, uint64_t limit,
	const struct wal_group_header *group, bool *ret_good, struct slice *ret_payload,
	struct kv_error *err)
{
	const uint8_t *bytes = NULL;
	uint64_t bytes_needed = WAL_GROUP_HEADER_BYTES + (uint64_t)group->length;
	size_t len = (size_t)bytes_needed;
	kv_status status;

	*ret_good = false;
	if (bytes_needed > limit - offset)
		return KV_OK;
	if (bytes_needed > PTRDIFF_MAX)
		return kv_error_set(err, KV_NO_MEMORY, "%s has a group too large for this machine",
			r->file.name);
	status = load(r, offset, len, &bytes, err);
	if (status != KV_OK)
		return status;
	*ret_good = checksum64(slice_of(bytes + WAL_GROUP_MARK_OFFSET, len - WAL_GROUP_MARK_OFFSET),
			wal_group_seed(&r->id, r->number, offset)) == group->checksum;
	*ret_payload = slice_of(bytes + WAL_GROUP_HEADER_BYTES, group->length);
	return KV_OK;
}

/* ---- open ---- */

static kv_status find_valid_group(struct wal_reader *r, uint64_t offset, uint64_t *ret_offset, struct kv_error *err)
{
	struct wal_group_header group;
	struct slice payload = { 0 };
	bool good = false;
	kv_status status;

	while ((status = find_header(r, &offset, 1, &group, err)) == KV_OK) {
		status = read_payload(r, offset, r->file_bytes, &group, &good, &payload, err);
		if (status != KV_OK || good)
			break;
		offset += WAL_GROUP_ALIGN;
	}
	*ret_offset = offset;
	return status;
}

/* Of a segment that is no good: KV_OK when it is to be read as far as possible all the same. */
static kv_status tolerate(struct wal_reader *r, kv_status status, const struct kv_error *err)
{
	if (!r->fault || !err || status != KV_CORRUPT)
		return status;
	*r->fault = *err;
	return KV_OK;
}

static kv_status without_header(struct wal_reader *r, enum wal_segment_state *ret_state,
	struct kv_error *err)
{
	uint64_t offset;
	kv_status status = find_valid_group(r, WAL_FIRST_GROUP_OFFSET, &offset, err);

	if (status == KV_OK) {
		*ret_state = WAL_SEGMENT_HEADLESS;
		return tolerate(r, file_error(err, KV_CORRUPT, r->file.dir_path, r->file.name, 0,
			"the segment's header is damaged, there is a group at %" PRIu64, offset), err);
	}
	if (status != KV_NOT_FOUND)
		return status;
	*ret_state = WAL_SEGMENT_UNUSED;
	return KV_OK;
}

static kv_status with_header(struct wal_reader *r, enum wal_segment_state *ret_state,
	struct kv_error *err)
{
	r->next_sequence = r->header.first_sequence;
	*ret_state = WAL_SEGMENT_USED;
	if (!r->history && r->file_bytes / WAL_BLOCK_BYTES < r->header.blocks)
		return tolerate(r, file_error(err, KV_CORRUPT, r->file.dir_path, r->file.name, r->file_bytes,
			"the segment was cut: it was begun with %" PRIu32 " blocks of %d bytes",
			r->header.blocks, WAL_BLOCK_BYTES), err);
	return KV_OK;
}

static kv_status wrong_header(struct wal_reader *r, const uint8_t *bytes, enum wal_segment_state *ret_state,
	struct kv_error *err)
{
	if (memcmp(bytes + WAL_HEADER_STORE_ID, r->id.bytes, FORMAT_STORE_ID_BYTES) != 0) {
		*ret_state = WAL_SEGMENT_UNUSED;
		return tolerate(r, file_error(err, KV_CORRUPT, r->file.dir_path, r->file.name,
			WAL_HEADER_STORE_ID, "the segment belongs to another store"), err);
	}
	*ret_state = WAL_SEGMENT_USED;
	r->number = r->header.number;
	r->next_sequence = r->header.first_sequence;
	return tolerate(r, file_error(err, KV_CORRUPT, r->file.dir_path, r->file.name, WAL_HEADER_NUMBER,
		"this is segment %" PRIu64 " under a wrong name", r->header.number), err);
}

static kv_status newer_header(const struct wal_reader *r, const uint8_t *bytes, kv_status status, struct kv_error *err)
{
	unsigned version = get_fixed16(bytes + WAL_HEADER_VERSION), flags = get_fixed16(bytes + WAL_HEADER_FLAGS);

	if (version == WAL_VERSION)
		return file_error(err, status, r->file.dir_path, r->file.name, WAL_HEADER_FLAGS,
			"this kvstored does not know all of the log's flags (%u)", flags);
	return file_error(err, status, r->file.dir_path, r->file.name, WAL_HEADER_VERSION,
		"log version %u is newer than the %d that this kvstored reads", version, WAL_VERSION);
}

static kv_status look_at_header(struct wal_reader *r, enum wal_segment_state *ret_state,
	struct kv_error *err)
{
	const uint8_t *bytes = NULL;
	kv_status status;

	*ret_state = WAL_SEGMENT_UNUSED;
	if (r->file_bytes < WAL_FIRST_GROUP_OFFSET)
		return tolerate(r, file_error(err, KV_CORRUPT, r->file.dir_path, r->file.name, r->file_bytes,
			"the segment was cut: it is shorter than its header"), err);
	status = load(r, 0, WAL_HEADER_BYTES, &bytes, err);
	if (status != KV_OK)
		return tolerate(r, status, err); /* KV_CORRUPT: it has become shorter */
	status = wal_header_decode(bytes, &r->id, r->number, &r->header);
	switch (status) {
	case KV_OK:
		return with_header(r, ret_state, err);
	case KV_CORRUPT:
		return without_header(r, ret_state, err);
	case KV_INVALID:
		return wrong_header(r, bytes, ret_state, err);
	default:
		return newer_header(r, bytes, status, err);
	}
}

static kv_status open_segment(const struct dir *dir, const char *name, const struct store_id *id, uint64_t number,
	bool history, struct kv_error *fault, struct wal_reader **ret, enum wal_segment_state *ret_state,
	struct kv_error *err)
{
	struct wal_reader *r = calloc(1, sizeof *r);
	kv_status status;

	if (!r)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to read %s", name);
	r->file.fd = -1;
	r->dir = dir;
	r->id = *id;
	r->number = number;
	r->fault = fault;
	r->history = history;
	r->end = UINT64_MAX;
	r->pos = WAL_FIRST_GROUP_OFFSET;
	r->synced = WAL_FIRST_GROUP_OFFSET;
	status = file_open(dir, name, FILE_READ, &r->file, err);
	if (status == KV_OK)
		status = file_size(&r->file, &r->file_bytes, err);
	if (status == KV_OK)
		status = look_at_header(r, ret_state, err);
	if (status != KV_OK)
		goto out;
	r->fault = NULL;
	*ret = r;
	r = NULL;
out:
	wal_reader_close(r);
	return status;
}

kv_status wal_reader_open(const struct dir *dir, const struct store_id *id, uint64_t number,
	struct wal_reader **ret, enum wal_segment_state *ret_state, struct kv_error *err)
{
	enum wal_segment_state state;
	char name[FILENAME_MAX_BYTES];
	kv_status status = open_segment(dir, filename_make(name, FILENAME_WAL, number), id, number, false, NULL, ret,
		&state, err);

	if (status == KV_OK)
		*ret_state = state;
	return status;
}

kv_status wal_reader_open_damaged(const struct dir *dir, const struct store_id *id, uint64_t number, bool history,
	struct wal_reader **ret, enum wal_segment_state *ret_state, struct kv_error *ret_fault, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];

	return wal_reader_open_named(dir, filename_make(name, FILENAME_WAL, number), id, number, history, ret, ret_state,
		ret_fault, err);
}

kv_status wal_reader_open_named(const struct dir *dir, const char *name, const struct store_id *id, uint64_t number,
	bool history, struct wal_reader **ret, enum wal_segment_state *ret_state, struct kv_error *ret_fault,
	struct kv_error *err)
{
	ret_fault->status = KV_OK;
	return open_segment(dir, name, id, number, history, ret_fault, ret, ret_state, err);
}

struct wal_reader *wal_reader_close(struct wal_reader *r)
{
	if (!r)
		return NULL;
	file_close(&r->file);
	buf_free(&r->window);
	free(r);
	return NULL;
}

void wal_reader_rest(struct wal_reader *r)
{
	file_close(&r->file);
	buf_free(&r->window);
}

const struct wal_header *wal_reader_header(const struct wal_reader *r)
{
	return &r->header;
}

void wal_reader_set_end(struct wal_reader *r, uint64_t end)
{
	r->end = end;
}

/* ---- the end ---- */

/* One more than the offset of the last byte in [from, to) that is not zero; `from` when there is
 * none. */
static kv_status last_nonzero(struct wal_reader *r, uint64_t from, uint64_t to, uint64_t *ret,
	struct kv_error *err)
{
	const uint8_t *bytes = NULL;
	kv_status status;

	*ret = from;
	while (to > from) {
		size_t len = to - from < WINDOW_BYTES ? (size_t)(to - from) : WINDOW_BYTES;

		status = load(r, to - len, len, &bytes, err);
		if (status != KV_OK)
			return status;
		while (len > 0 && bytes[len - 1] == 0) {
			len--;
			to--;
		}
		if (len > 0) {
			*ret = to;
			return KV_OK;
		}
	}
	return KV_OK;
}

/* What is left at pos begins as a writer leaves the place behind its last group. */
static kv_status ends_in_zeros(struct wal_reader *r, bool *ret, struct kv_error *err)
{
	uint64_t left = r->file_bytes - r->pos;
	uint64_t last;
	kv_status status = last_nonzero(r, r->pos,
		r->pos + (left < WAL_END_BYTES ? left : WAL_END_BYTES), &last, err);

	*ret = status == KV_OK && last == r->pos;
	return status;
}

static uint64_t capped_end(const struct wal_reader *r, uint64_t offset, uint64_t length)
{
	uint64_t len = WAL_GROUP_HEADER_BYTES + length;

	return len < r->file_bytes - offset ? offset + len : r->file_bytes;
}

/* *ret_later_end: end of the last group of this segment behind pos, 0: none. KV_CORRUPT: one
 * knows pos to be durable. */
static kv_status judge_later_groups(struct wal_reader *r, uint64_t *ret_later_end,
	struct kv_error *err)
{
	uint64_t offset = r->pos + WAL_GROUP_ALIGN;
	struct wal_group_header group;
	kv_status status;

	*ret_later_end = 0;
	while ((status = find_header(r, &offset, r->next_sequence, &group, err)) == KV_OK) {
		if (group.synced > r->pos)
			return damaged(r, r->pos,
				"the group is damaged: a later one says that it was on disk", err);
		*ret_later_end = capped_end(r, offset, group.length);
		offset += WAL_GROUP_ALIGN;
	}
	return status == KV_NOT_FOUND ? KV_OK : status;
}

/* There is no good group at pos; `torn` is its header, when that is good, else NULL.
 * KV_NOT_FOUND: the end. */
static kv_status judge_end(struct wal_reader *r, const struct wal_group_header *torn,
	struct kv_error *err)
{
	uint64_t own_end = r->file_bytes;
	uint64_t later_end, torn_end;
	bool clean = false;
	kv_status status = judge_later_groups(r, &later_end, err);

	if (status == KV_OK)
		status = ends_in_zeros(r, &clean, err);
	if (status != KV_OK)
		return status;
	if (torn)
		own_end = capped_end(r, r->pos, torn->length);
	else if (clean)
		own_end = r->pos;
	status = last_nonzero(r, r->pos, own_end > later_end ? own_end : later_end, &torn_end, err);
	if (status != KV_OK)
		return status;
	r->torn_end = torn_end;
	r->progress = ENDED;
	return KV_NOT_FOUND;
}

/* ---- groups ---- */

static bool decodes(struct slice payload, uint32_t count)
{
	struct reader reader = reader_of(payload);
	struct entry entry = { 0 };

	for (uint32_t i = 0; i < count; i++)
		if (batch_next(&reader, &entry) != KV_OK)
			return false;
	return reader_left(&reader) == 0;
}

/* A good checksum over anything that the writer does not write is a fault of ours, or forged.
 * NULL: nothing wrong. */
static const char *what_is_wrong(const struct wal_reader *r, const struct wal_group_header *group,
	struct slice payload)
{
	if (r->next_sequence != 0 && group->first_sequence != r->next_sequence)
		return "the group's sequence does not follow that of the one before";
	if (group->synced < r->synced)
		return "the group knows less to be durable than the one before";
	if (!decodes(payload, group->count))
		return "the group does not hold the operations that its header says";
	return NULL;
}

static kv_status read_header(struct wal_reader *r, uint64_t limit, bool *ret_good,
	struct wal_group_header *ret, struct kv_error *err)
{
	const uint8_t *bytes = NULL;
	kv_status status;

	*ret_good = false;
	if (r->pos > limit || limit - r->pos < WAL_GROUP_HEADER_BYTES)
		return KV_OK;
	status = load(r, r->pos, WAL_GROUP_HEADER_BYTES, &bytes, err);
	if (status == KV_OK)
		*ret_good = wal_group_decode(bytes, &r->id, r->number, r->pos, ret);
	return status;
}

static void take(struct wal_reader *r, const struct wal_group_header *group, struct slice payload,
	struct wal_read_group *ret)
{
	uint64_t len = wal_group_bytes(group->length);

	*ret = (struct wal_read_group){
		.offset = r->pos,
		.first_sequence = group->first_sequence,
		.count = group->count,
		.wall_us = group->wall_us,
		.synced = group->synced,
		.payload = payload,
	};
	/* the padding of the last group may be missing where the file was cut; nothing is lost
	 * by that */
	r->pos = len < r->file_bytes - r->pos ? r->pos + len : r->file_bytes;
	r->next_sequence = group->first_sequence + group->count;
	r->synced = group->synced;
}

static kv_status read_group(struct wal_reader *r, struct wal_read_group *ret, struct kv_error *err)
{
	uint64_t limit = r->end < r->file_bytes ? r->end : r->file_bytes;
	struct wal_group_header group = { 0 };
	struct slice payload = { 0 };
	bool good_header = false, good = false;
	const char *wrong;
	kv_status status;

	status = read_header(r, limit, &good_header, &group, err);
	if (status == KV_OK && good_header)
		status = read_payload(r, r->pos, limit, &group, &good, &payload, err);
	if (status != KV_OK)
		return status;
	if (!good && r->end != UINT64_MAX)
		return damaged(r, r->pos,
			"the group is damaged: the next segment says that it was on disk", err);
	if (!good)
		return judge_end(r, good_header ? &group : NULL, err);
	wrong = what_is_wrong(r, &group, payload);
	if (wrong)
		return damaged(r, r->pos, wrong, err);
	take(r, &group, payload, ret);
	return KV_OK;
}

kv_status wal_reader_next(struct wal_reader *r, struct wal_read_group *ret, struct kv_error *err)
{
	kv_status status;

	if (r->progress == DAMAGED)
		return damaged(r, r->damage, r->damage_text, err);
	if (r->progress == READING && r->pos == r->end) {
		r->torn_end = r->end;
		r->progress = ENDED;
	}
	if (r->progress == ENDED)
		return KV_NOT_FOUND;
	status = read_group(r, ret, err);
	if (status == KV_CORRUPT && r->progress == READING)
		return damaged(r, r->pos, "the segment has become shorter while it was read", err);
	return status;
}

kv_status wal_reader_resume(struct wal_reader *r, struct kv_error *err)
{
	uint64_t offset = 0;
	kv_status status;

	assert(r->progress == DAMAGED);
	if (r->damage > r->file_bytes || r->file_bytes - r->damage < WAL_GROUP_ALIGN)
		return KV_NOT_FOUND;
	status = find_valid_group(r, r->damage + WAL_GROUP_ALIGN, &offset, err);
	if ((status == KV_OK && offset >= r->end) || status == KV_CORRUPT) /* the latter: it has become shorter */
		status = KV_NOT_FOUND;
	if (status != KV_OK)
		return status;
	r->pos = offset;
	r->next_sequence = 0;
	r->progress = READING;
	return KV_OK;
}

uint64_t wal_reader_end(const struct wal_reader *r, uint64_t *ret_torn_end)
{
	assert(r->progress == ENDED);
	*ret_torn_end = r->torn_end;
	return r->pos;
}

uint64_t wal_reader_synced(const struct wal_reader *r)
{
	return r->synced;
}
