/* SPDX-License-Identifier: BSD-2-Clause */
/* The first steps of a start (recover.c): whose directory it is, and whether every file that MANIFEST names is there. */
#include "engine/recover_internal.h"

#include "engine/filename.h"
#include "engine/identity.h"

#include <inttypes.h>

static int look_at(void *arg, const char *name)
{
	struct recovery *recovery = arg;
	uint64_t number;
	enum filename_kind kind = filename_parse(name, &number);

	if (number > recovery->file_number_max)
		recovery->file_number_max = number;
	if (kind == FILENAME_MANIFEST || kind == FILENAME_WAL || kind == FILENAME_TABLE ||
		kind == FILENAME_BLOB)
		recovery->data_files++;
	return 0;
}

static kv_status open_identity(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	kv_status status = identity_read(&engine->dir, &engine->id, err);

	if (status != KV_NOT_FOUND)
		return status;
	if (recovery->data_files > 0)
		return kv_error_corrupt(err, "FORMAT", 0,
			"it is missing, but the directory holds files of a store");
	return identity_create(&engine->dir, &engine->id, err);
}

static kv_status check_table(struct recovery *recovery, const struct sst_meta *meta,
	struct kv_error *err)
{
	const struct dir *dir = &recovery->engine->dir;
	char name[FILENAME_MAX_BYTES];
	struct file file;
	uint64_t bytes;
	kv_status status = file_open(dir, filename_make(name, FILENAME_TABLE, meta->number),
		FILE_READ, &file, err);

	if (status == KV_NOT_FOUND)
		return kv_error_corrupt(err, name, 0, "a table that MANIFEST names is missing");
	if (status != KV_OK)
		return status;
	status = file_size(&file, &bytes, err);
	if (status == KV_OK && bytes != meta->file_bytes)
		status = kv_error_corrupt(err, name, bytes < meta->file_bytes ? bytes :
			meta->file_bytes, "%" PRIu64 " bytes long instead of %" PRIu64, bytes,
			meta->file_bytes);
	file_close(&file);
	return status;
}

static kv_status check_segment(struct recovery *recovery, uint64_t number, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct file file;
	kv_status status = file_open(&recovery->engine->dir, filename_make(name, FILENAME_WAL, number),
		FILE_READ, &file, err);

	/* one that cannot be looked at (no descriptor, a failing disk) is not missing */
	if (status == KV_NOT_FOUND)
		return kv_error_corrupt(err, name, 0, "a WAL segment that MANIFEST names is missing");
	if (status == KV_OK)
		file_close(&file);
	return status;
}

static kv_status open_manifest(struct recovery *recovery, struct kv_error *err)
{
	struct engine *engine = recovery->engine;
	struct manifest *manifest = &recovery->manifest;
	kv_status status = manifest_read(&engine->dir, &engine->id, manifest, err);

	if (status == KV_NOT_FOUND) {
		if (recovery->data_files > 0)
			return kv_error_corrupt(err, "MANIFEST", 0,
				"it is missing, but there are tables or WAL segments");
		/* before any other file is made: so a missing MANIFEST is always damage */
		manifest->generation = 1;
		manifest->next_file_number = 1;
		return manifest_write(&engine->dir, &engine->id, manifest, err);
	}
	for (size_t i = 0; status == KV_OK && i < manifest->table_count; i++)
		status = check_table(recovery, &manifest->tables[i].meta, err);
	for (size_t i = 0; status == KV_OK && i < manifest->wal_count; i++)
		status = check_segment(recovery, manifest->wal_numbers[i], err);
	return status;
}

kv_status recover_files(struct recovery *recovery, struct kv_error *err)
{
	kv_status status = dir_list(&recovery->engine->dir, look_at, recovery, err);

	if (status == KV_OK)
		status = open_identity(recovery, err);
	if (status == KV_OK)
		status = open_manifest(recovery, err);
	return status;
}
