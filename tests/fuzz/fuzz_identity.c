/* SPDX-License-Identifier: BSD-2-Clause */
/* The first line is the name of a file, the rest is FORMAT. There is one spelling of a name, and one of an identity. */
#include "engine/filename.h"
#include "engine/identity.h"
#include "fuzz/fuzz.h"

static void check_name(struct slice text)
{
	char name[64] = "", again[FILENAME_MAX_BYTES];
	enum filename_kind kind;
	uint64_t number = 0;

	memcpy(name, text.data, text.len < sizeof name ? text.len : sizeof name - 1);
	kind = filename_parse(name, &number);
	if (kind == FILENAME_WAL || kind == FILENAME_TABLE || kind == FILENAME_BLOB)
		FUZZ_REQUIRE(strcmp(filename_make(again, kind, number), name) == 0);
	else
		FUZZ_REQUIRE(number == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size), line = fuzz_line(&input);
	struct store_id id;
	struct fuzz_dir dir;
	kv_status status;

	if (line.len > 0)
		check_name(line);
	fuzz_dir_open(&dir);
	fuzz_dir_put(&dir, "FORMAT", input);
	status = identity_read(&dir.dir, &id, NULL);
	FUZZ_REQUIRE(status == KV_OK || status == KV_CORRUPT || status == KV_UNSUPPORTED);
	fuzz_dir_close(&dir);
	return 0;
}
