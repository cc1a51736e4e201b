/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups of a segment as a reader of changes sees them: each that the log's own reader accepts is there with the same bytes, and none is
 * read outside of the file. */
#include "base/coding.h"
#include "engine/changes_group.h"
#include "engine/filename.h"
#include "engine/wal_reader.h"
#include "fuzz/wal_input.h"

enum { TRIES_MAX = 8 };

static kv_status verify(struct changes_group *group, const struct changes_source *source)
{
	kv_status status;

	do
		status = changes_group_verify(group, source, NULL);
	while (status == KV_BUSY);
	return status;
}

static void compare(struct changes_group *group, const struct changes_source *source, uint64_t at, size_t len,
	const uint8_t *expected)
{
	struct slice bytes;

	FUZZ_REQUIRE(changes_group_bytes(group, source, at, len, &bytes, NULL) == KV_OK);
	FUZZ_REQUIRE(slice_equal(bytes, slice_of(expected, len)));
}

/* All of the payload, in pieces that end where windows do not. */
static void check_bytes(struct changes_group *group, const struct changes_source *source, const uint8_t *payload)
{
	uint64_t len = group->header.length, step = len / 3 + 1;

	for (uint64_t at = 0; at < len; at += step)
		compare(group, source, at, (size_t)(len - at < step ? len - at : step), payload + at);
	compare(group, source, len - 1, 1, payload + len - 1);
	compare(group, source, 0, 1, payload);
}

/* Any offset with a group's mark is tried, whatever lies before it. */
static void try_all(const struct changes_source *source, struct slice file)
{
	struct changes_group group;
	unsigned tries = 0;

	changes_group_init(&group);
	for (uint64_t at = WAL_FIRST_GROUP_OFFSET; at <= file.len && tries < TRIES_MAX; at += WAL_GROUP_ALIGN) {
		uint64_t sequence;

		if (file.len - at < WAL_GROUP_HEADER_BYTES ||
			get_fixed32(file.data + at + WAL_GROUP_MARK_OFFSET) != WAL_GROUP_MARK)
			continue;
		tries++;
		sequence = get_fixed64(file.data + at + WAL_GROUP_FIRST_SEQUENCE);
		if (changes_group_open(&group, source, at, sequence, NULL) == KV_OK && verify(&group, source) == KV_OK)
			check_bytes(&group, source, file.data + at + WAL_GROUP_HEADER_BYTES);
	}
	changes_group_free(&group);
}

static void follow_log(const struct dir *dir, const struct changes_source *source)
{
	enum wal_segment_state state = WAL_SEGMENT_UNUSED;
	struct wal_reader *reader = NULL;
	struct wal_read_group read;
	struct changes_group group;

	changes_group_init(&group);
	if (wal_reader_open(dir, source->id, source->number, &reader, &state, NULL) == KV_OK && state == WAL_SEGMENT_USED) {
		while (wal_reader_next(reader, &read, NULL) == KV_OK) {
			FUZZ_REQUIRE(changes_group_open(&group, source, read.offset, read.first_sequence, NULL) == KV_OK);
			FUZZ_REQUIRE(verify(&group, source) == KV_OK);
			FUZZ_REQUIRE(group.header.count == read.count && group.header.length == read.payload.len);
			check_bytes(&group, source, read.payload.data);
		}
	}
	wal_reader_close(reader);
	changes_group_free(&group);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[FILENAME_MAX_BYTES];
	struct wal_input input;
	struct fuzz_dir dir;
	struct file file;

	fuzz_dir_open(&dir);
	input = wal_input_put(slice_of(data, size), true, &dir);
	filename_make(name, FILENAME_WAL, FUZZ_FILE_NUMBER);
	if (file_open(&dir.dir, name, FILE_READ, &file, NULL) == KV_OK) {
		struct changes_source source = { .file = &file, .id = &fuzz_store_id, .number = FUZZ_FILE_NUMBER,
			.end = input.bytes, .sequence = UINT64_MAX };

		try_all(&source, fuzz_dir_get(&dir, name));
		follow_log(&dir.dir, &source);
		file_close(&file);
	}
	fuzz_dir_close(&dir);
	return 0;
}
