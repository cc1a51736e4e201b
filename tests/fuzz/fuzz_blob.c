/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of a large value: size (4 bytes), then changes to the file that a writer would make, each an offset (3 bytes) and a byte, or 0xffffff
 * and a byte: so much is cut off its end. What is read is what stands in the file at that place.
 */
#include "engine/blob_format.h"
#include "engine/blob_pointer.h"
#include "engine/blob_reader.h"
#include "engine/filename.h"
#include "fuzz/fuzz.h"

enum { SIZE_MASK = (1 << 18) - 1, CUT = 0xffffff };

static void make_file(uint64_t size, struct buf *file)
{
	uint64_t seed = blob_file_seed(&fuzz_store_id, FUZZ_FILE_NUMBER);

	FUZZ_REQUIRE(buf_append_zeros(file, (size_t)blob_file_bytes(size)) == KV_OK); /* checksums are 0 */
	blob_header_encode(&fuzz_store_id, FUZZ_FILE_NUMBER, file->data);
	blob_footer_encode(seed, size, 0, file->data + file->len - BLOB_FOOTER_BYTES);
}

static void change_file(struct slice input, struct buf *file)
{
	while (input.len >= 4) {
		uint32_t change = fuzz_u32(&input), offset = change & CUT;
		uint8_t byte = (uint8_t)(change >> 24);

		if (offset == CUT)
			file->len -= byte < file->len ? byte : file->len;
		else if (file->len > 0)
			file->data[offset % file->len] = byte;
	}
}

static void check_read(struct blob_reader *reader, const struct buf *file, uint64_t size, uint64_t offset, size_t len)
{
	static uint8_t bytes[SIZE_MASK + 1];

	if (len > size - offset)
		len = (size_t)(size - offset);
	if (blob_reader_read(reader, offset, bytes, len, NULL) != KV_OK)
		return;
	for (size_t i = 0, some; i < len; i += some) {
		uint64_t skip = (offset + i) % BLOB_PART_BYTES;

		some = len - i < BLOB_PART_BYTES - skip ? len - i : (size_t)(BLOB_PART_BYTES - skip);
		FUZZ_REQUIRE(memcmp(bytes + i, file->data + blob_part_offset((offset + i) / BLOB_PART_BYTES) + skip, some) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct slice input = slice_of(data, bytes);
	uint64_t size = (fuzz_u32(&input) & SIZE_MASK) + 1;
	struct blob_pointer pointer = { .number = FUZZ_FILE_NUMBER, .size = size };
	struct blob_reader *reader = NULL;
	char name[FILENAME_MAX_BYTES];
	struct buf file = { 0 };
	struct fuzz_dir dir;

	make_file(size, &file);
	change_file(input, &file);
	fuzz_dir_open(&dir);
	fuzz_dir_put(&dir, filename_make(name, FILENAME_BLOB, FUZZ_FILE_NUMBER), buf_slice(&file));
	if (blob_reader_open(&dir.dir, &fuzz_store_id, &pointer, &reader, NULL) == KV_OK) {
		check_read(reader, &file, size, 0, (size_t)size);
		check_read(reader, &file, size, size / 2, 7);
		check_read(reader, &file, size, size - 1, 1);
		check_read(reader, &file, size, size / 3, BLOB_PART_BYTES);
	}
	blob_reader_close(reader);
	fuzz_dir_close(&dir);
	buf_free(&file);
	return 0;
}
