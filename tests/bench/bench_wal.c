/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the log costs, on the file system of $TMPDIR: a record of 140 bytes in groups of 64 without
 * a sync, and read back; a synced group of 4.5 KB into zeros written before, into a recycled
 * segment, and appended; finding the end of a 64 MiB segment at start. Usage: bench_wal [synced
 * groups]
 */
#include "base/clock.h"
#include "engine/batch.h"
#include "engine/wal_reader.h"
#include "engine/wal_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	RECORDS = 64,     /* in a group */
	RECORD_BYTES = 140,
	SYNCED_RECORDS = 32, /* 4.5 KB */
};
#define SEGMENT_BYTES (UINT64_C(64) << 20)

static const struct store_id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
static struct dir dir;
static struct batch records[RECORDS];
static struct slice pieces[RECORDS];
static uint64_t next_sequence = 1;

static void must(kv_status status, const struct kv_error *err)
{
	char text[600];

	if (status == KV_OK)
		return;
	fprintf(stderr, "%s\n", kv_error_format(err, text, sizeof text));
	exit(1);
}

static double since(uint64_t start_ns)
{
	return (double)(clock_monotonic_ns() - start_ns);
}

static void make_records(void)
{
	uint8_t value[RECORD_BYTES];
	uint8_t key[16];

	for (int i = 0; i < RECORDS; i++) {
		for (size_t j = 0; j < sizeof value; j++)
			value[j] = (uint8_t)((size_t)i * 31 + j * 7);
		memcpy(key, value, sizeof key);
		must(batch_put(&records[i], slice_of(key, sizeof key),
			slice_of(value, RECORD_BYTES - 20), 0), NULL);
		pieces[i] = buf_slice(&records[i].operations);
	}
}

static struct wal_writer *begin(uint64_t number, bool make, uint64_t bytes)
{
	struct wal_header header = { .number = number, .first_sequence = next_sequence };
	struct wal_writer *ret = NULL;
	struct kv_error err;

	if (make)
		must(wal_make_segment(&dir, number, bytes, WAL_WRITTEN, &err), &err);
	must(wal_writer_open(&dir, &id, &header, &ret, &err), &err);
	return ret;
}

static void append(struct wal_writer *writer, uint32_t count)
{
	struct wal_group group = { .first_sequence = next_sequence, .count = count, .wall_us = 1 };
	struct kv_error err;

	must(wal_append(writer, &group, pieces, count, &err), &err);
	next_sequence += count;
}

static void bench_unsynced(void)
{
	struct wal_writer *writer = begin(1, true, SEGMENT_BYTES);
	uint64_t start = clock_monotonic_ns(), count = 0;

	while (wal_writer_end(writer) < SEGMENT_BYTES - 16384) {
		append(writer, RECORDS);
		count += RECORDS;
	}
	printf("%-44s %8.1f ns\n", "append a record of 140 bytes, unsynced", since(start) / (double)count);
	must(wal_sync(writer, NULL), NULL);
	wal_writer_close(writer);
}

static void bench_synced(const char *what, uint64_t number, bool make, uint64_t bytes, uint64_t groups)
{
	struct wal_writer *writer = begin(number, make, bytes);
	struct kv_error err;
	uint64_t start = clock_monotonic_ns();

	for (uint64_t i = 0; i < groups; i++) {
		append(writer, SYNCED_RECORDS);
		must(wal_sync(writer, &err), &err);
	}
	printf("%-44s %8.1f us\n", what, since(start) / 1e3 / (double)groups);
	wal_writer_close(writer);
}

static void bench_read(const char *what, uint64_t number)
{
	struct wal_reader *reader = NULL;
	enum wal_segment_state state;
	struct wal_read_group group;
	struct kv_error err;
	uint64_t start = clock_monotonic_ns(), count = 0, torn_end = 0;
	kv_status status = KV_NOT_FOUND;
	double spent;

	must(wal_reader_open(&dir, &id, number, &reader, &state, &err), &err);
	while (state == WAL_SEGMENT_USED && (status = wal_reader_next(reader, &group, &err)) == KV_OK)
		count += group.count;
	spent = since(start);
	if (status != KV_NOT_FOUND || wal_reader_end(reader, &torn_end) != torn_end)
		must(KV_CORRUPT, &err);
	printf("%-44s %8.1f ms for %" PRIu64 " records", what, spent / 1e6, count);
	printf(count >= RECORDS ? ", %.1f ns each\n" : "\n", spent / (double)count);
	wal_reader_close(reader);
}

static int remove_file(void *arg, const char *name)
{
	(void)arg;
	return dir_unlink(&dir, name, NULL) == KV_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
	uint64_t groups = argc > 1 ? strtoull(argv[1], NULL, 0) : 2000;
	const char *base = getenv("TMPDIR");
	struct kv_error err;
	char path[256];

	snprintf(path, sizeof path, "%s/benchwal.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(path)) {
		perror(path);
		return 1;
	}
	must(dir_open(&fs_posix, path, false, &dir, &err), &err);
	make_records();
	bench_unsynced();
	bench_read("read all of it", 1);
	bench_synced("synced group of 4.5 KB, appended", 2, true, 4096, groups);
	bench_synced("synced group of 4.5 KB, into zeros", 3, true, SEGMENT_BYTES, groups);
	must(wal_recycle_segment(&dir, 1, 4, &err), &err);
	bench_synced("synced group of 4.5 KB, recycled", 4, false, 0, groups);
	wal_writer_close(begin(5, true, SEGMENT_BYTES));
	bench_read("find the end of an empty 64 MiB segment", 5);
	must(wal_recycle_segment(&dir, 4, 6, &err), &err);
	wal_writer_close(begin(6, false, 0));
	bench_read("find the end of a recycled one", 6);
	for (int i = 0; i < RECORDS; i++)
		batch_free(&records[i]);
	must(dir_list(&dir, remove_file, NULL, &err), &err);
	dir_close(&dir);
	return rmdir(path) == 0 ? 0 : 1;
}
