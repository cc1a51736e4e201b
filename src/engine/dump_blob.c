/* SPDX-License-Identifier: BSD-2-Clause */
/* A large value, part by part. The size of the file alone tells the size of the value. */
#include "engine/dump.h"

#include "base/coding.h"
#include "engine/blob_format.h"

#include <stdlib.h>

enum { STORED_PART = BLOB_PART_BYTES + BLOB_PART_CHECKSUM_BYTES, FRAME_BYTES = BLOB_HEADER_BYTES + BLOB_FOOTER_BYTES };

static uint64_t size_of_value(uint64_t file_bytes)
{
	uint64_t stored = file_bytes > FRAME_BYTES ? file_bytes - FRAME_BYTES : 0;
	uint64_t parts = stored / STORED_PART + (stored % STORED_PART != 0);

	return stored > parts * BLOB_PART_CHECKSUM_BYTES ? stored - parts * BLOB_PART_CHECKSUM_BYTES : 0;
}

static kv_status print_part(struct dump *dump, const struct file *file, uint64_t part, uint64_t size, uint8_t *bytes,
	uint64_t *chain, struct kv_error *err)
{
	size_t len = blob_part_bytes(size, part);
	uint64_t offset = blob_part_offset(part), checksum;
	kv_status status = file_read_at(file, bytes, len + BLOB_PART_CHECKSUM_BYTES, offset, err);

	if (status != KV_OK)
		return status;
	checksum = get_fixed64(bytes + len);
	*chain = blob_chain_add(*chain, checksum);
	if (checksum != blob_part_checksum(blob_file_seed(&dump->id, dump->number), part, slice_of(bytes, len))) {
		dump_fault(dump, offset, "a part's checksum does not match");
		return KV_OK;
	}
	dump_begin(dump, "part");
	dump_number(dump, "offset", offset);
	dump_number(dump, "bytes", len);
	dump_hex(dump, "checksum", checksum);
	if (dump->printer->values)
		dump_bytes(dump, "value", slice_of(bytes, len));
	dump_end(dump);
	return KV_OK;
}

static kv_status print_footer(struct dump *dump, const struct file *file, uint64_t size, uint64_t chain,
	struct kv_error *err)
{
	uint8_t footer[BLOB_FOOTER_BYTES];
	uint64_t offset = dump->file_bytes - sizeof footer;
	kv_status status = file_read_at(file, footer, sizeof footer, offset, err);

	if (status != KV_OK)
		return status;
	if (!blob_footer_matches(blob_file_seed(&dump->id, dump->number), size, chain, footer)) {
		dump_fault(dump, offset, "the footer is not that of these parts");
		return KV_OK;
	}
	dump_begin(dump, "end");
	dump_number(dump, "bytes", size);
	dump_hex(dump, "checksum", chain);
	dump_end(dump);
	return KV_OK;
}

static kv_status print(struct dump *dump, const struct file *file, struct kv_error *err)
{
	uint64_t size = size_of_value(dump->file_bytes), chain = blob_chain_begin(blob_file_seed(&dump->id, dump->number));
	uint8_t *bytes = malloc(STORED_PART);
	kv_status status = KV_OK;

	if (!bytes)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to print a large value");
	dump_begin(dump, "blob-file");
	dump_number(dump, "number", dump->number);
	dump_number(dump, "version", BLOB_VERSION);
	dump_id(dump, &dump->id);
	dump_end(dump);
	for (uint64_t i = 0; status == KV_OK && i < blob_part_count(size); i++)
		status = print_part(dump, file, i, size, bytes, &chain, err);
	if (status == KV_OK && dump->file_bytes >= FRAME_BYTES)
		status = print_footer(dump, file, size, chain, err);
	free(bytes);
	return status;
}

kv_status dump_blob(struct dump *dump, struct kv_error *err)
{
	struct file file = { .fd = -1 };
	kv_status status = dump_origin(dump, FILENAME_BLOB, err);

	if (status == KV_OK)
		status = file_open(&dump->dir, dump->name, FILE_READ, &file, err);
	if (status == KV_OK && !dump->has_origin)
		dump_fault(dump, 0, "the header is damaged");
	if (status == KV_OK && (!dump->has_id || dump->number == 0))
		dump_fault(dump, 0, "neither the name nor a FORMAT beside the file tells whose it is");
	else if (status == KV_OK)
		status = print(dump, &file, err);
	file_close(&file);
	return status;
}
