/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any file of a store as kvfsck prints it, which reads what is damaged as far as it can: the input's first byte says which name it has. What is
 * printed are lines of visible characters; what could not be is told; and of what a reader has nothing against everything is printed.
 */
#include "engine/filename.h"
#include "engine/fsck.h"
#include "engine/identity.h"
#include "engine/manifest.h"
#include "engine/sst_reader.h"
#include "fuzz/fuzz.h"

#include <stdio.h>

enum { CACHE_BYTES = 1 << 20 };

struct printed {
	uint64_t lines, entries, tables, faults;
};

static bool begins(struct slice line, const char *word)
{
	return line.len >= strlen(word) && memcmp(line.data, word, strlen(word)) == 0;
}

static void take_line(void *arg, struct slice line)
{
	static const char *const entries[] = { "put ", "delete ", "blob " };
	struct printed *printed = arg;

	FUZZ_REQUIRE(line.len > 1 && line.data[line.len - 1] == '\n');
	for (size_t i = 0; i + 1 < line.len; i++)
		FUZZ_REQUIRE(line.data[i] >= ' ' && line.data[i] <= '~');
	printed->lines++;
	for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
		printed->entries += begins(line, entries[i]);
	printed->tables += begins(line, "table ");
}

static void take_finding(void *arg, const struct fsck_finding *finding)
{
	struct printed *printed = arg;

	FUZZ_REQUIRE(finding->kind == FSCK_DAMAGE && finding->what[0] != '\0');
	printed->faults++;
}

/* Is it a table that can be used? How many entries has it? */
static bool read_table(const struct dir *dir, uint64_t *ret_entries)
{
	struct block_cache *cache = block_cache_new(CACHE_BYTES);
	struct sst_reader *reader = NULL;
	bool good;

	FUZZ_REQUIRE(cache != NULL);
	good = sst_reader_open(dir, &fuzz_store_id, FUZZ_FILE_NUMBER, NULL, cache, &reader, NULL) == KV_OK &&
		sst_reader_verify(reader, NULL) == KV_OK;
	if (good)
		*ret_entries = sst_reader_meta(reader)->entries;
	sst_reader_close(reader);
	block_cache_free(cache);
	return good;
}

static void judge(const struct fuzz_dir *dir, enum filename_kind kind, kv_status status, const struct printed *printed)
{
	struct manifest manifest = { 0 };
	uint64_t entries = 0;

	FUZZ_REQUIRE(status == KV_OK || status == KV_CORRUPT || status == KV_INVALID || status == KV_UNSUPPORTED ||
		status == KV_NO_MEMORY);
	FUZZ_REQUIRE(status != KV_OK || printed->faults == 0);
	if (kind == FILENAME_TABLE && read_table(&dir->dir, &entries))
		FUZZ_REQUIRE(status == KV_OK && printed->entries == entries);
	if (kind == FILENAME_MANIFEST && manifest_read(&dir->dir, &fuzz_store_id, &manifest, NULL) == KV_OK) {
		FUZZ_REQUIRE(status == KV_OK && printed->tables == manifest.table_count);
		manifest_free(&manifest);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum filename_kind kinds[] = { FILENAME_TABLE, FILENAME_WAL, FILENAME_MANIFEST, FILENAME_BLOB };
	struct slice input = slice_of(data, size);
	enum filename_kind kind = kinds[fuzz_byte(&input) % (sizeof kinds / sizeof kinds[0])];
	struct printed printed = { 0 };
	struct fsck_printer printer = { .line = take_line, .arg = &printed, .values = true };
	struct fsck_sink sink = { .tell = take_finding, .arg = &printed };
	char name[FILENAME_MAX_BYTES], path[64];
	struct fuzz_dir dir;
	kv_status status;

	fuzz_dir_open(&dir);
	if (kind == FILENAME_MANIFEST)
		snprintf(name, sizeof name, "MANIFEST");
	else
		filename_make(name, kind, FUZZ_FILE_NUMBER);
	fuzz_dir_put(&dir, name, input);
	snprintf(path, sizeof path, "memory/%s", name);
	status = engine_dump(&dir.fs, path, &printer, &sink, NULL);
	judge(&dir, kind, status, &printed);
	fuzz_dir_close(&dir);
	return 0;
}
