/* SPDX-License-Identifier: BSD-2-Clause */
/* The length of the file tells that of the value: there is one length for each, and the footer must
 * agree. */
#include "engine/blob_verify.h"

#include "base/coding.h"
#include "engine/blob_format.h"
#include "engine/file_error.h"
#include "engine/filename.h"

#include <stdlib.h>

struct blob_check {
	struct file file;
	const struct store_id *id;
	uint64_t number, seed;
	uint64_t size;  /* of the value */
	uint64_t chain; /* over the checksums of the parts so far */
	uint8_t data[BLOB_PART_BYTES + BLOB_PART_CHECKSUM_BYTES];
};

static kv_status damaged(
	const struct blob_check *check, uint64_t offset, const char *what, struct kv_error *err)
{
	return file_error(
		err, KV_CORRUPT, check->file.dir_path, check->file.name, offset, "%s", what);
}

static kv_status find_size(struct blob_check *check, struct kv_error *err)
{
	const uint64_t around = BLOB_HEADER_BYTES + BLOB_FOOTER_BYTES;
	const uint64_t part = BLOB_PART_BYTES + BLOB_PART_CHECKSUM_BYTES;
	uint64_t bytes, parts;
	kv_status status = file_size(&check->file, &bytes, err);

	if (status != KV_OK)
		return status;
	if (bytes <= around + BLOB_PART_CHECKSUM_BYTES)
		return damaged(check, bytes, "the file is too short for a value", err);
	parts = (bytes - around + part - 1) / part;
	check->size = bytes - around - parts * BLOB_PART_CHECKSUM_BYTES;
	if (check->size > ENTRY_VALUE_MAX || blob_file_bytes(check->size) != bytes)
		return damaged(check, bytes, "no value makes a file of this length", err);
	return KV_OK;
}

static kv_status check_header(const struct blob_check *check, struct kv_error *err)
{
	uint8_t right[BLOB_HEADER_BYTES], found[BLOB_HEADER_BYTES];
	kv_status status = file_read_at(&check->file, found, sizeof found, 0, err);

	if (status != KV_OK)
		return status;
	blob_header_encode(check->id, check->number, right);
	return memcmp(right, found, sizeof right) == 0
		       ? KV_OK
		       : damaged(check, 0, "the header is not that of this file", err);
}

static kv_status check_part(
	struct blob_check *check, uint64_t part, const struct verify_way *way, struct kv_error *err)
{
	size_t len = blob_part_bytes(check->size, part);
	uint64_t offset = blob_part_offset(part), told;
	kv_status status = way->pace(way->arg, len + BLOB_PART_CHECKSUM_BYTES);

	if (status != KV_OK)
		return status;
	file_forget(&check->file, offset, len + BLOB_PART_CHECKSUM_BYTES);
	status = file_read_at(
		&check->file, check->data, len + BLOB_PART_CHECKSUM_BYTES, offset, err);
	if (status != KV_OK)
		return status;
	told = get_fixed64(check->data + len);
	if (blob_part_checksum(check->seed, part, slice_of(check->data, len)) != told)
		return damaged(check, offset, "a part's checksum does not match", err);
	check->chain = blob_chain_add(check->chain, told);
	return KV_OK;
}

static kv_status check_footer(const struct blob_check *check, struct kv_error *err)
{
	uint64_t offset = blob_file_bytes(check->size) - BLOB_FOOTER_BYTES;
	uint8_t footer[BLOB_FOOTER_BYTES];
	kv_status status = file_read_at(&check->file, footer, sizeof footer, offset, err);

	if (status == KV_OK && !blob_footer_matches(check->seed, check->size, check->chain, footer))
		status = damaged(check, offset, "the footer does not fit the parts", err);
	return status;
}

static kv_status check_file(
	struct blob_check *check, const struct verify_way *way, struct kv_error *err)
{
	kv_status status = find_size(check, err);

	if (status != KV_OK)
		return status;
	/* a page of which only a part is to be forgotten stays: so first all, then again what
	 * others have read meanwhile */
	file_forget(&check->file, 0, blob_file_bytes(check->size));
	status = check_header(check, err);
	check->chain = blob_chain_begin(check->seed);
	for (uint64_t part = 0; status == KV_OK && part < blob_part_count(check->size); part++)
		status = check_part(check, part, way, err);
	return status == KV_OK ? check_footer(check, err) : status;
}

kv_status blob_verify_from_disk(const struct dir *dir, const struct store_id *id, uint64_t number,
	const struct verify_way *way, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct blob_check *check = malloc(sizeof *check);
	kv_status status;

	if (!check)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory to check a large value");
	check->id = id;
	check->number = number;
	check->seed = blob_file_seed(id, number);
	check->file = (struct file){ .fd = -1 };
	status = file_open(
		dir, filename_make(name, FILENAME_BLOB, number), FILE_READ, &check->file, err);
	if (status == KV_NOT_FOUND || status == KV_INVALID)
		status = file_error(err, KV_CORRUPT, dir->path, name, 0,
			"the file of a large value is missing");
	if (status == KV_OK)
		status = check_file(check, way, err);
	file_close(&check->file);
	free(check);
	return status;
}
