/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a block of any kind lies in a table: its bytes, maybe compressed, and a trailer (format.h). The checksum is seeded by store,
 * file number and offset, so that a right block in a wrong place does not pass.
 */
#ifndef KV_ENGINE_SST_BLOCK_H
#define KV_ENGINE_SST_BLOCK_H

#include "base/buf.h"
#include "engine/format.h"

/* The part of the seed that all blocks of a table have in common. */
uint64_t sst_block_file_seed(const struct store_id *id, uint64_t number);

/* The seed of the block at `offset`; the footer's, too. */
uint64_t sst_block_seed(uint64_t file_seed, uint64_t offset);

/* Appends `raw` (compressed when that pays) and its trailer. */
kv_status sst_block_seal(uint64_t file_seed, uint64_t offset, enum sst_compression compression,
	struct slice raw, struct buf *to);

/* The same for a block that is in `to` already, from `start` on, and stays as it is. */
kv_status sst_block_seal_here(uint64_t file_seed, uint64_t offset, size_t start, struct buf *to);

/* A block whose checksum is right; borrowed. */
struct sst_block {
	enum sst_compression compression;
	struct slice packed; /* without head; with SST_COMPRESSION_NONE the block itself */
	size_t raw_bytes;    /* decompressed, at most BLOCK_BYTES_MAX */
};

/* `stored`: block and trailer. KV_CORRUPT; *ret_what (a constant text) says what is wrong. */
kv_status sst_block_check(uint64_t file_seed, uint64_t offset, struct slice stored,
	struct sst_block *ret, const char **ret_what);

/* The decompressed bytes, raw_bytes of them, to `to`. KV_CORRUPT, KV_UNSUPPORTED, KV_NO_MEMORY, *ret_what as above. */
kv_status sst_block_unpack(const struct sst_block *block, uint8_t *to, const char **ret_what);

#endif
