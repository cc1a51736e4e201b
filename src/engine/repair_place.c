/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that lie under each other's names are put in their places. Each step is one call, which leaves all files there: so this may be ended
 * anywhere, and is done before anything is decided.
 */
#include "engine/origin.h"
#include "engine/repair.h"

/* What lies under the name; 0: nobody can tell. */
static kv_status content_of(const struct check *check, enum filename_kind kind, uint64_t number, uint64_t *ret_content,
	struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct origin origin;
	kv_status status = origin_read(&check->dir, filename_make(name, kind, number), kind, &origin, err);

	*ret_content = 0;
	if (status == KV_OK && memcmp(origin.id.bytes, check->id.bytes, sizeof origin.id.bytes) == 0)
		*ret_content = origin.number;
	return status == KV_NOT_FOUND ? KV_OK : status;
}

static kv_status move(struct repair *repair, enum filename_kind kind, uint64_t from, uint64_t to, struct kv_error *err)
{
	const struct dir *dir = &repair->check.dir;
	char name[FILENAME_MAX_BYTES], right[FILENAME_MAX_BYTES];
	kv_status status;

	filename_make(name, kind, from);
	filename_make(right, kind, to);
	status = dir_has(dir, right) ? dir_exchange(dir, name, right, err) : dir_rename(dir, name, dir, right, true, err);
	if (status == KV_OK)
		check_say(&repair->check, FSCK_DONE, name, "it is %s, and is called so again", right);
	return status;
}

/* Until what lies under the name is not to be moved. */
static kv_status settle(struct repair *repair, const struct check_file *file, bool *ret_moved, struct kv_error *err)
{
	const struct check *check = &repair->check;
	kv_status status = KV_OK;

	for (size_t tries = 0; status == KV_OK && tries < check->file_count; tries++) {
		uint64_t content, there = 0;

		status = content_of(check, file->kind, file->number, &content, err);
		if (status != KV_OK || content == 0 || content == file->number || !check_is_named(check, file->kind, content))
			return status;
		status = content_of(check, file->kind, content, &there, err);
		if (status != KV_OK || there == content)
			return status; /* a copy */
		status = move(repair, file->kind, file->number, content, err);
		if (status == KV_UNSUPPORTED)
			return KV_OK; /* the file system cannot do it: it is damage then */
		*ret_moved = *ret_moved || status == KV_OK;
	}
	return status;
}

kv_status repair_places(struct repair *repair, bool *ret_moved, struct kv_error *err)
{
	kv_status status = KV_OK;

	*ret_moved = false;
	for (size_t i = 0; status == KV_OK && i < repair->check.file_count; i++)
		status = settle(repair, &repair->check.files[i], ret_moved, err);
	if (status == KV_OK && *ret_moved)
		status = dir_sync(&repair->check.dir, err);
	return status;
}
