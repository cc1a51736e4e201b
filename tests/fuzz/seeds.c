/* SPDX-License-Identifier: BSD-2-Clause */
/* seeds CORPORA: what the writers write, in a world without checksums (no_checksum.c), as the inputs that the fuzzers begin with. */
#include "engine/batch.h"
#include "base/checksum.h"
#include "engine/block_builder.h"
#include "engine/filename.h"
#include "engine/manifest.h"
#include "engine/sst_writer.h"
#include "engine/wal_writer.h"
#include "fuzz/wal_input.h"

#include <stdio.h>

static const char *corpora;

static void save(const char *target, const char *name, struct slice content)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s/%s", corpora, target, name);
	file = fopen(path, "w");
	FUZZ_REQUIRE(file != NULL);
	FUZZ_REQUIRE(fwrite(content.data, 1, content.len, file) == content.len);
	FUZZ_REQUIRE(fclose(file) == 0);
}

/* For fuzz_dump, whose first byte says what the file is: a table, a log, a MANIFEST. */
enum { DUMP_TABLE, DUMP_LOG, DUMP_MANIFEST };

static void save_for_dump(uint8_t what, const char *kind, const char *name, struct slice content)
{
	struct buf input = { 0 };
	char file_name[64];

	snprintf(file_name, sizeof file_name, "%s-%s", kind, name);
	FUZZ_REQUIRE(buf_append_byte(&input, what) == KV_OK && buf_append_slice(&input, content) == KV_OK);
	save("dump", file_name, buf_slice(&input));
	buf_free(&input);
}

static struct slice text(const char *string)
{
	return slice_of_string(string);
}

/* ---- the log ---- */

static void fill_batch(struct batch *batch, unsigned operations, unsigned value_bytes)
{
	struct blob_pointer pointer = { .number = 5, .size = 70000, .checksum = 9 };
	static const uint8_t value[512];
	char key[32];

	for (unsigned i = 0; i < operations; i++) {
		snprintf(key, sizeof key, "key%u", i);
		FUZZ_REQUIRE(batch_put(batch, text(key), slice_of(value, value_bytes), i % 3 ? 0 : 1700000000000) == KV_OK);
	}
	FUZZ_REQUIRE(batch_delete(batch, text("gone")) == KV_OK);
	FUZZ_REQUIRE(batch_delete_range(batch, text("a"), text("b")) == KV_OK);
	FUZZ_REQUIRE(batch_delete_range(batch, text("x"), text("")) == KV_OK);
	FUZZ_REQUIRE(batch_put_blob(batch, text("large"), &pointer, 0) == KV_OK);
}

static void append_group(struct wal_writer *writer, uint64_t *sequence, unsigned operations, unsigned value_bytes)
{
	struct batch batch = { 0 };
	struct slice piece;
	struct wal_group group;

	fill_batch(&batch, operations, value_bytes);
	piece = buf_slice(&batch.operations);
	group = (struct wal_group){ .first_sequence = *sequence, .count = batch.count, .wall_us = 1700000000000000 };
	FUZZ_REQUIRE(wal_append(writer, &group, &piece, 1, NULL) == KV_OK);
	*sequence += batch.count;
	batch_free(&batch);
}

/* The segment as wal_input.h has it. */
static void save_segment(const char *name, const struct fuzz_dir *dir, uint8_t flags, uint64_t end)
{
	char file_name[FILENAME_MAX_BYTES];
	struct slice file = fuzz_dir_get(dir, filename_make(file_name, FILENAME_WAL, FUZZ_FILE_NUMBER));
	struct buf input = { 0 };

	FUZZ_REQUIRE(buf_append_byte(&input, flags) == KV_OK && buf_append_fixed32(&input, (uint32_t)end) == KV_OK);
	FUZZ_REQUIRE(buf_append(&input, file.data, WAL_HEADER_BYTES) == KV_OK);
	FUZZ_REQUIRE(buf_append(&input, file.data + WAL_FIRST_GROUP_OFFSET, file.len - WAL_FIRST_GROUP_OFFSET) == KV_OK);
	save("wal", name, buf_slice(&input));
	save("changes", name, buf_slice(&input));
	save_for_dump(DUMP_LOG, "log", name, file);
	buf_free(&input);
}

static void save_log(const char *name, unsigned groups, unsigned operations, unsigned value_bytes, uint8_t flags)
{
	struct wal_header header = { .number = FUZZ_FILE_NUMBER, .prev_number = 6, .prev_end = 8192, .first_sequence = 100 };
	struct wal_writer *writer = NULL;
	uint64_t sequence = 100;
	struct fuzz_dir dir;

	fuzz_dir_open(&dir);
	FUZZ_REQUIRE(wal_make_segment(&dir.dir, FUZZ_FILE_NUMBER, WAL_FIRST_GROUP_OFFSET, WAL_WRITTEN, NULL) == KV_OK);
	FUZZ_REQUIRE(wal_writer_open(&dir.dir, &fuzz_store_id, &header, &writer, NULL) == KV_OK);
	for (unsigned i = 0; i < groups; i++) {
		append_group(writer, &sequence, operations, value_bytes);
		if (i % 2)
			FUZZ_REQUIRE(wal_sync(writer, NULL) == KV_OK);
	}
	save_segment(name, &dir, flags, wal_writer_end(writer));
	wal_writer_close(writer);
	fuzz_dir_close(&dir);
}

/* One group whose payload goes on to the end of a file of 640 KiB: for the change feed, which does not look into it. */
static void save_large_group(void)
{
	struct wal_group_header group = { .count = 10, .length = 600000, .first_sequence = 100,
		.synced = WAL_FIRST_GROUP_OFFSET };
	struct wal_header header = { .number = FUZZ_FILE_NUMBER, .first_sequence = 100, .blocks = 1 };
	uint8_t input[5 + WAL_HEADER_BYTES + WAL_GROUP_HEADER_BYTES + 100] = { WAL_INPUT_LARGE };

	wal_header_encode(input + 5, &fuzz_store_id, &header);
	wal_group_encode(input + 5 + WAL_HEADER_BYTES, 0, &group);
	for (size_t i = sizeof input - 100; i < sizeof input; i++)
		input[i] = (uint8_t)i;
	save("changes", "large-group", slice_of(input, sizeof input));
}

/* ---- tables ---- */

struct table_shape {
	const char *name;
	unsigned keys, versions, value_bytes;
	struct sst_options options;
	bool blobs;
};

static struct entry make_entry(const struct table_shape *shape, unsigned key, unsigned version, char *key_text,
	uint8_t pointer_bytes[BLOB_POINTER_BYTES])
{
	static const uint8_t value[4096];
	struct blob_pointer pointer = { .number = 3 + key % 2, .size = 70000, .checksum = 1 };
	struct entry entry = { .sequence = 1000 - version * 10 - key % 7, .value = slice_of(value, shape->value_bytes) };

	snprintf(key_text, 32, key % 5 ? "a/key%05u" : "a/\x80%05u", key);
	if (key % 5 == 0)
		snprintf(key_text, 32, "a/key%05u/\xff", key);
	entry.key = text(key_text);
	entry.kind = version % 3 == 2 ? ENTRY_DELETE : ENTRY_PUT;
	entry.expires_unix_ms = key % 4 || entry.kind == ENTRY_DELETE ? 0 : 1700000000000 + key;
	if (entry.kind == ENTRY_DELETE)
		entry.value = text("");
	if (shape->blobs && key % 3 == 0 && entry.kind == ENTRY_PUT) {
		blob_pointer_encode(&pointer, pointer_bytes);
		entry.kind = ENTRY_BLOB;
		entry.value = slice_of(pointer_bytes, BLOB_POINTER_BYTES);
	}
	return entry;
}

static void save_table(const struct table_shape *shape, struct sst_meta *ret_meta)
{
	struct sst_writer *writer = NULL;
	char key[32], name[FILENAME_MAX_BYTES];
	uint8_t pointer[BLOB_POINTER_BYTES];
	struct fuzz_dir dir;

	fuzz_dir_open(&dir);
	FUZZ_REQUIRE(sst_writer_open(&dir.dir, &fuzz_store_id, FUZZ_FILE_NUMBER, &shape->options, &writer, NULL) == KV_OK);
	for (unsigned i = 0; i < shape->keys; i++)
		for (unsigned version = 0; version < shape->versions; version++) {
			struct entry entry = make_entry(shape, i, version, key, pointer);

			FUZZ_REQUIRE(sst_writer_add(writer, &entry, NULL) == KV_OK);
		}
	FUZZ_REQUIRE(sst_writer_finish(writer, ret_meta, NULL) == KV_OK);
	sst_writer_close(writer);
	save("table", shape->name, fuzz_dir_get(&dir, filename_make(name, FILENAME_TABLE, FUZZ_FILE_NUMBER)));
	save_for_dump(DUMP_TABLE, "table", shape->name, fuzz_dir_get(&dir, name));
	fuzz_dir_close(&dir);
}

static void save_block(const struct table_shape *shape)
{
	struct block_builder builder = { 0 };
	struct buf block = { 0 };
	char key[32];
	uint8_t pointer[BLOB_POINTER_BYTES];

	for (unsigned i = 0; i < shape->keys; i++)
		for (unsigned version = 0; version < shape->versions; version++) {
			struct entry entry = make_entry(shape, i, version, key, pointer);

			if (!block_builder_fits(&builder, &entry))
				break;
			FUZZ_REQUIRE(block_builder_add(&builder, &entry, key_hash(entry.key),
				slice_common_prefix(buf_slice(&builder.last_key), entry.key)) == KV_OK);
		}
	FUZZ_REQUIRE(block_builder_finish(&builder, &block) == KV_OK);
	save("block", shape->name, buf_slice(&block));
	buf_free(&block);
	block_builder_free(&builder);
}

static void save_manifest(const char *name, const struct sst_meta *meta, unsigned tables)
{
	struct manifest manifest = { .generation = 3, .next_file_number = 50, .last_sequence = 2000 };
	struct sst_meta other;
	struct fuzz_dir dir;

	FUZZ_REQUIRE(manifest_add_wal(&manifest, 30) == KV_OK && manifest_add_wal(&manifest, 31) == KV_OK);
	FUZZ_REQUIRE(manifest_add_history(&manifest, 20) == KV_OK);
	FUZZ_REQUIRE(manifest_add_range(&manifest, 1500, text("a"), text("b")) == KV_OK);
	FUZZ_REQUIRE(manifest_add_range(&manifest, 1501, text("c"), text("")) == KV_OK);
	FUZZ_REQUIRE(sst_meta_copy(meta, &other) == KV_OK);
	for (unsigned i = 0; i < tables; i++) {
		other.number = 10 - i;
		FUZZ_REQUIRE(manifest_add_table(&manifest, i, &other) == KV_OK);
	}
	fuzz_dir_open(&dir);
	FUZZ_REQUIRE(manifest_write(&dir.dir, &fuzz_store_id, &manifest, NULL) == KV_OK);
	save("manifest", name, fuzz_dir_get(&dir, "MANIFEST"));
	save_for_dump(DUMP_MANIFEST, "manifest", name, fuzz_dir_get(&dir, "MANIFEST"));
	fuzz_dir_close(&dir);
	sst_meta_free(&other);
	manifest_free(&manifest);
}

static void save_tables(void)
{
	static const struct table_shape shapes[] = {
		{ "one", 1, 1, 3, { 4096, 10, SST_COMPRESSION_NONE }, false },
		{ "few", 9, 3, 5, { 64, 0, SST_COMPRESSION_NONE }, false },
		{ "filter", 40, 1, 1, { 256, 10, SST_COMPRESSION_NONE }, false },
		{ "blobs", 12, 2, 4, { 128, 10, SST_COMPRESSION_NONE }, true },
		{ "lz4", 24, 2, 100, { 1024, 10, SST_COMPRESSION_LZ4 }, false },
		{ "zstd", 24, 2, 100, { 1024, 10, SST_COMPRESSION_ZSTD }, true },
		{ "versions", 2, 40, 2, { 4096, 10, SST_COMPRESSION_NONE }, false },
		{ "values", 4, 2, 1500, { 4096, 10, SST_COMPRESSION_NONE }, false },
	};

	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		struct sst_meta meta = { 0 };

		save_table(&shapes[i], &meta);
		save_block(&shapes[i]);
		if (i < 4)
			save_manifest(shapes[i].name, &meta, (unsigned)i);
		sst_meta_free(&meta);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seeds CORPORA\n");
		return 64;
	}
	corpora = argv[1];
	save_log("one-group", 1, 1, 3, 0);
	save_log("groups", 5, 3, 20, 0);
	save_log("end-is-told", 3, 2, 5, WAL_INPUT_END);
	save_log("large-values", 2, 4, 500, WAL_INPUT_LARGE);
	save_log("no-group", 0, 0, 0, 0);
	save_large_group();
	save_tables();
	return 0;
}
