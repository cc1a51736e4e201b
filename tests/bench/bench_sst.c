/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a table costs: nanoseconds (of CPU) for writing, a random get, a get of a missing key, and an entry of a walk, with everything in memory.
 * Usage: bench_sst [entries [value bytes [none|lz4|zstd]]]
 */
#include "base/checksum.h"
#include "engine/sst_reader.h"
#include "engine/sst_writer.h"
#include "support/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const struct store_id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static void must(kv_status status, const struct kv_error *err)
{
	char text[600];

	if (status == KV_OK)
		return;
	fprintf(stderr, "%s\n", kv_error_format(err, text, sizeof text));
	exit(1);
}

/* Of this thread: other work on the machine does not count. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void report(const char *what, uint64_t start_ns, uint64_t count)
{
	uint64_t spent = cpu_ns() - start_ns;

	printf("%-28s %8.1f ns\n", what, (double)spent / (double)count);
}

/* 16 digits; the table holds the even numbers */
static struct slice make_key(char buf[17], uint64_t number)
{
	snprintf(buf, 17, "%016" PRIu64, number);
	return slice_of(buf, 16);
}

static void write_table(const struct dir *dir, uint64_t entries, size_t value_bytes,
	enum sst_compression compression)
{
	struct sst_options options;
	struct sst_writer *writer;
	struct sst_meta meta;
	struct kv_error err;
	uint64_t state = 88172645463325252u, start = cpu_ns();
	uint8_t *value = malloc(value_bytes + 8);
	char key[17];

	sst_options_init(&options);
	options.compression = compression;
	must(sst_writer_open(dir, &id, 1, &options, &writer, &err), &err);
	for (uint64_t i = 0; i < entries; i++) {
		struct entry entry = { .kind = ENTRY_PUT, .sequence = i * 7 % entries + 1 };

		for (size_t j = 0; j < value_bytes; j += 8) { /* half of it compresses */
			uint64_t r = runner_random(&state) & UINT64_C(0x0f0f0f0f0f0f0f0f);

			memcpy(value + j, &r, 8);
		}
		entry.key = make_key(key, i * 2);
		entry.value = slice_of(value, value_bytes);
		must(sst_writer_add(writer, &entry, &err), &err);
	}
	must(sst_writer_finish(writer, &meta, &err), &err);
	sst_writer_close(writer);
	report("write, an entry", start, entries);
	printf("%-28s %8.1f bytes\n", "size, an entry", (double)meta.file_bytes / (double)entries);
	sst_meta_free(&meta);
	free(value);
}

static void get_random(struct sst_reader *reader, uint64_t entries, const char *what, unsigned odd)
{
	uint64_t state = 88172645463325252u, count = 2000000, found = 0, start, sum = 0;
	char(*keys)[16] = malloc(count * 16);
	struct kv_error err;

	for (uint64_t i = 0; i < count; i++) {
		char key[17];

		make_key(key, runner_random(&state) % entries * 2 + odd);
		memcpy(keys[i], key, 16);
	}
	start = cpu_ns();
	for (uint64_t i = 0; i < count; i++) {
		struct slice key = slice_of(keys[i], 16);
		uint64_t hash = key_hash(key);
		struct entry entry;
		struct pinned pin;

		if (!sst_reader_may_have(reader, hash) ||
			sst_reader_get(reader, key, hash, ENTRY_SEQUENCE_MAX, &entry, &pin, &err) != KV_OK)
			continue;
		found++;
		sum += entry.value.len > 0 ? entry.value.data[entry.value.len - 1] : 0;
		pinned_release(&pin);
	}
	report(what, start, count);
	if (found != (odd ? 0 : count))
		printf("found %" PRIu64 " (%" PRIu64 ")\n", found, sum);
	free(keys);
}

static void walk(struct sst_reader *reader, uint64_t entries, const char *what, bool keep, bool back)
{
	struct iter *iter = sst_reader_iter(reader, keep);
	uint64_t count = 0, bytes = 0, start = cpu_ns();
	struct kv_error err;

	for (back ? iter_seek_last(iter) : iter_seek_first(iter); iter->valid;
		back ? iter_prev(iter) : iter_next(iter)) {
		count++;
		bytes += iter->entry->key.len + iter->entry->value.len;
	}
	must(iter_status(iter, &err), &err);
	iter_close(iter);
	report(what, start, count);
	if (count != entries)
		printf("walked over %" PRIu64 " entries, %" PRIu64 " bytes\n", count, bytes);
}

static void seek_random(struct sst_reader *reader, uint64_t entries)
{
	struct iter *iter = sst_reader_iter(reader, true);
	uint64_t state = 88172645463325252u, count = 500000, start = cpu_ns();
	char key[17];

	for (uint64_t i = 0; i < count; i++)
		iter_seek(iter, make_key(key, runner_random(&state) % entries * 2), ENTRY_SEQUENCE_MAX);
	report("seek, random", start, count);
	iter_close(iter);
}

int main(int argc, char **argv)
{
	uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	size_t value_bytes = argc > 2 ? (size_t)strtoull(argv[2], NULL, 0) : 100;
	const char *compression = argc > 3 ? argv[3] : "none";
	char path[] = "bench_sst.XXXXXX";
	struct block_cache *cache = block_cache_new(UINT64_C(1) << 30);
	struct block_cache_stats stats;
	struct sst_reader *reader;
	struct kv_error err;
	struct dir dir;

	if (!mkdtemp(path)) {
		perror(path);
		return 1;
	}
	must(dir_open(&fs_posix, path, false, &dir, &err), &err);
	write_table(&dir, entries, value_bytes,
		compression[0] == 'l' ? SST_COMPRESSION_LZ4 :
		compression[0] == 'z' ? SST_COMPRESSION_ZSTD :
					SST_COMPRESSION_NONE);
	must(sst_reader_open(&dir, &id, 1, NULL, cache, &reader, &err), &err);
	walk(reader, entries, "walk, an entry, read ahead", false, false);
	walk(reader, entries, "walk, an entry, first", true, false);
	walk(reader, entries, "walk, an entry, cached", true, false);
	walk(reader, entries, "walk, an entry, cached again", true, false);
	walk(reader, entries, "walk backward, an entry", true, true);
	get_random(reader, entries, "get, random", 0);
	get_random(reader, entries, "get, random, again", 0);
	get_random(reader, entries, "get, missing", 1);
	seek_random(reader, entries);
	block_cache_get_stats(cache, &stats);
	printf("%-28s %8.1f bytes\n", "index and filter, an entry",
		(double)sst_reader_memory(reader) / (double)entries);
	printf("cache: %" PRIu64 " blocks, %" PRIu64 " bytes\n", stats.blocks, stats.bytes);
	sst_reader_close(reader);
	block_cache_free(cache);
	must(dir_unlink(&dir, "000001.sst", &err), &err);
	dir_close(&dir);
	rmdir(path);
	return 0;
}
