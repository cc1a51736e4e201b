/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *	stored = bytes compression:u8 checksum:u64
 *	bytes  = block | raw_bytes:u32 compressed block
 *
 * The checksum covers everything before it.
 */
#include "engine/sst_block.h"

#include "base/checksum.h"
#include "base/coding.h"
#include "engine/compress.h"

uint64_t sst_block_file_seed(const struct store_id *id, uint64_t number)
{
	return checksum_seed(get_fixed64(id->bytes), get_fixed64(id->bytes + 8), number);
}

uint64_t sst_block_seed(uint64_t file_seed, uint64_t offset)
{
	return checksum_seed(file_seed, offset, SST_MAGIC);
}

/* KV_NOT_FOUND when the block is to be stored as it is. */
static kv_status append_packed(enum sst_compression compression, struct slice raw, struct buf *to)
{
	size_t start = to->len;
	kv_status status;

	if (compression == SST_COMPRESSION_NONE)
		return KV_NOT_FOUND;
	status = buf_append_fixed32(to, (uint32_t)raw.len);
	if (status == KV_OK)
		status = compress_append(compression, raw, to);
	if (status != KV_OK)
		to->len = start;
	return status;
}

static kv_status append_trailer(uint64_t file_seed, uint64_t offset, enum sst_compression compression,
	size_t start, struct buf *to)
{
	kv_status status = buf_append_byte(to, (uint8_t)compression);

	if (status != KV_OK)
		return status;
	return buf_append_fixed64(to, checksum64(slice_of(to->data + start, to->len - start),
		sst_block_seed(file_seed, offset)));
}

kv_status sst_block_seal_here(uint64_t file_seed, uint64_t offset, size_t start, struct buf *to)
{
	return append_trailer(file_seed, offset, SST_COMPRESSION_NONE, start, to);
}

kv_status sst_block_seal(uint64_t file_seed, uint64_t offset, enum sst_compression compression,
	struct slice raw, struct buf *to)
{
	size_t start = to->len;
	kv_status status = append_packed(compression, raw, to);

	if (status == KV_NOT_FOUND) {
		compression = SST_COMPRESSION_NONE;
		status = buf_append_slice(to, raw);
	}
	return status == KV_OK ? append_trailer(file_seed, offset, compression, start, to) : status;
}

static kv_status corrupt(const char **ret_what, const char *what)
{
	*ret_what = what;
	return KV_CORRUPT;
}

kv_status sst_block_check(uint64_t file_seed, uint64_t offset, struct slice stored,
	struct sst_block *ret, const char **ret_what)
{
	const uint8_t *trailer;
	struct sst_block block;
	size_t len;

	if (stored.len < SST_TRAILER_BYTES)
		return corrupt(ret_what, "block is shorter than its trailer");
	len = stored.len - SST_TRAILER_BYTES;
	trailer = stored.data + len;
	if (checksum64(slice_of(stored.data, len + SST_TRAILER_CHECKSUM), sst_block_seed(file_seed, offset)) !=
		get_fixed64(trailer + SST_TRAILER_CHECKSUM))
		return corrupt(ret_what, "block checksum does not match");
	block.compression = (enum sst_compression)trailer[SST_TRAILER_COMPRESSION];
	block.packed = slice_of(stored.data, len);
	block.raw_bytes = len;
	if (block.compression != SST_COMPRESSION_NONE) {
		if (len < SST_COMPRESSED_HEAD_BYTES)
			return corrupt(ret_what, "compressed block is shorter than its head");
		block.raw_bytes = get_fixed32(stored.data);
		block.packed = slice_of(stored.data + SST_COMPRESSED_HEAD_BYTES,
			len - SST_COMPRESSED_HEAD_BYTES);
	}
	if (block.raw_bytes == 0 || block.raw_bytes > BLOCK_BYTES_MAX)
		return corrupt(ret_what, "block has an impossible size");
	*ret = block;
	return KV_OK;
}

kv_status sst_block_unpack(const struct sst_block *block, uint8_t *to, const char **ret_what)
{
	kv_status status = KV_OK;

	if (block->compression == SST_COMPRESSION_NONE) {
		memcpy(to, block->packed.data, block->raw_bytes);
		return KV_OK;
	}
	status = compress_unpack(block->compression, block->packed, to, block->raw_bytes);
	if (status == KV_CORRUPT)
		*ret_what = "block cannot be decompressed";
	else if (status == KV_UNSUPPORTED)
		*ret_what = "block has a compression that this program was built without";
	else if (status != KV_OK)
		*ret_what = "no memory to decompress a block";
	return status;
}
