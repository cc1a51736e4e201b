/* SPDX-License-Identifier: BSD-2-Clause */
/* There is one right header and one right footer of a given value, so checking is encoding again. */
#include "engine/blob_format.h"

#include "base/checksum.h"
#include "base/coding.h"

uint64_t blob_part_count(uint64_t size)
{
	return size / BLOB_PART_BYTES + (size % BLOB_PART_BYTES != 0);
}

uint64_t blob_file_bytes(uint64_t size)
{
	return BLOB_HEADER_BYTES + size + blob_part_count(size) * BLOB_PART_CHECKSUM_BYTES +
		BLOB_FOOTER_BYTES;
}

uint64_t blob_part_offset(uint64_t part)
{
	return BLOB_HEADER_BYTES + part * (BLOB_PART_BYTES + BLOB_PART_CHECKSUM_BYTES);
}

size_t blob_part_bytes(uint64_t size, uint64_t part)
{
	uint64_t left = size - part * BLOB_PART_BYTES;

	return left < BLOB_PART_BYTES ? (size_t)left : BLOB_PART_BYTES;
}

uint64_t blob_file_seed(const struct store_id *id, uint64_t number)
{
	return checksum_seed(get_fixed64(id->bytes), get_fixed64(id->bytes + 8), number);
}

uint64_t blob_part_checksum(uint64_t file_seed, uint64_t part, struct slice data)
{
	return checksum64(data, checksum_seed(file_seed, part, BLOB_MAGIC));
}

uint64_t blob_chain_begin(uint64_t file_seed)
{
	return file_seed;
}

uint64_t blob_chain_add(uint64_t chain, uint64_t part_checksum)
{
	uint8_t bytes[8];

	put_fixed64(bytes, part_checksum);
	return checksum64(slice_of(bytes, sizeof bytes), chain);
}

void blob_header_encode(const struct store_id *id, uint64_t number, uint8_t *to)
{
	put_fixed64(to + BLOB_HEADER_MAGIC, BLOB_MAGIC);
	put_fixed32(to + BLOB_HEADER_VERSION, BLOB_VERSION);
	put_fixed32(to + BLOB_HEADER_RESERVED, 0);
	memcpy(to + BLOB_HEADER_STORE_ID, id->bytes, sizeof id->bytes);
	put_fixed64(to + BLOB_HEADER_NUMBER, number);
	put_fixed64(to + BLOB_HEADER_CHECKSUM,
		checksum64(slice_of(to, BLOB_HEADER_CHECKSUM), BLOB_MAGIC));
}

void blob_footer_encode(uint64_t file_seed, uint64_t size, uint64_t chain, uint8_t *to)
{
	put_fixed64(to + BLOB_FOOTER_SIZE, size);
	put_fixed64(to + BLOB_FOOTER_PARTS, chain);
	put_fixed64(to + BLOB_FOOTER_CHECKSUM, checksum64(slice_of(to, BLOB_FOOTER_CHECKSUM),
		checksum_seed(file_seed, size, BLOB_MAGIC)));
}

bool blob_footer_matches(uint64_t file_seed, uint64_t size, uint64_t chain, const uint8_t *footer)
{
	uint8_t right[BLOB_FOOTER_BYTES];

	blob_footer_encode(file_seed, size, chain, right);
	return memcmp(right, footer, sizeof right) == 0;
}
