/* SPDX-License-Identifier: BSD-2-Clause */
/* A MANIFEST has one checksum: it can be printed, or nothing of it. */
#include "engine/dump.h"

#include "engine/manifest.h"

enum { BYTES_MAX = 1 << 30 };

static void print_numbers(struct dump *dump, const char *word, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		dump_begin(dump, word);
		dump_number(dump, "number", numbers[i]);
		dump_end(dump);
	}
}

static void print(struct dump *dump, const struct store_id *id, const struct manifest *manifest)
{
	dump_begin(dump, "manifest");
	dump_number(dump, "version", MANIFEST_VERSION);
	dump_id(dump, id);
	dump_number(dump, "generation", manifest->generation);
	dump_number(dump, "next-file", manifest->next_file_number);
	dump_number(dump, "last-sequence", manifest->last_sequence);
	dump_end(dump);
	print_numbers(dump, "log", manifest->wal_numbers, manifest->wal_count);
	print_numbers(dump, "history", manifest->history, manifest->history_count);
	for (size_t i = 0; i < manifest->range_count; i++)
		dump_range(dump, manifest->ranges[i].sequence, buf_slice(&manifest->ranges[i].start),
			buf_slice(&manifest->ranges[i].end));
	for (size_t i = 0; i < manifest->table_count; i++) {
		dump_begin(dump, "table");
		dump_number(dump, "level", manifest->tables[i].level);
		dump_meta(dump, &manifest->tables[i].meta);
		dump_end(dump);
	}
}

kv_status dump_manifest(struct dump *dump, struct kv_error *err)
{
	struct manifest manifest = { 0 };
	struct store_id id = { { 0 } };
	struct buf bytes = { 0 };
	kv_status status = file_read_whole(&dump->dir, dump->name, BYTES_MAX, &bytes, err);

	if (status == KV_OK && bytes.len >= MANIFEST_HEADER_BYTES)
		memcpy(id.bytes, bytes.data + MANIFEST_HEADER_STORE_ID, sizeof id.bytes);
	if (status == KV_OK)
		status = manifest_decode(buf_slice(&bytes), &id, dump->dir.path, &manifest, err);
	if (status == KV_OK)
		print(dump, &id, &manifest);
	else if (status == KV_CORRUPT)
		dump_fault(dump, err->offset, err->text);
	manifest_free(&manifest);
	buf_free(&bytes);
	return status;
}
