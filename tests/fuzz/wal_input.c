/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz/wal_input.h"

#include "engine/filename.h"

enum { LARGE_BYTES = 640 * 1024 }; /* three windows of the change feed */

static void append(struct buf *to, struct slice bytes)
{
	FUZZ_REQUIRE(buf_append_slice(to, bytes) == KV_OK);
}

struct wal_input wal_input_put(struct slice input, bool may_be_large, struct fuzz_dir *dir)
{
	uint8_t flags = fuzz_byte(&input);
	uint64_t end = fuzz_u32(&input);
	struct slice header = fuzz_bytes(&input, WAL_HEADER_BYTES);
	char name[FILENAME_MAX_BYTES];
	struct buf file = { 0 };
	struct wal_input made;

	append(&file, header);
	if (header.len == WAL_HEADER_BYTES) /* a shorter file is one, too */
		FUZZ_REQUIRE(buf_append_zeros(&file, WAL_FIRST_GROUP_OFFSET - file.len) == KV_OK);
	append(&file, input);
	while (may_be_large && (flags & WAL_INPUT_LARGE) != 0 && input.len > 64 && file.len < LARGE_BYTES)
		append(&file, input);
	fuzz_dir_put(dir, filename_make(name, FILENAME_WAL, FUZZ_FILE_NUMBER), buf_slice(&file));
	made = (struct wal_input){ .end = (flags & WAL_INPUT_END) != 0 ? end : 0, .bytes = file.len };
	buf_free(&file);
	return made;
}
