/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by sst_reader*.c, and by no one else. */
#ifndef KV_ENGINE_SST_READER_INTERNAL_H
#define KV_ENGINE_SST_READER_INTERNAL_H

#include "engine/filter.h"
#include "engine/sst_block.h"
#include "engine/sst_footer.h"
#include "engine/sst_index.h"
#include "engine/sst_reader.h"

struct sst_reader { /* constant after open */
	struct sst_index *index;
	struct filter filter;
	struct block_cache *cache; /* borrowed; guards itself, and the places */
	struct block_place *places; /* one for each data block */
	struct store_id id;
	uint64_t number;
	uint64_t file_seed;
	struct sst_meta meta;
	struct sst_blobs blobs;
	struct sst_properties properties;
	struct file file;
};

/* KV_CORRUPT with the table's path and an offset. */
kv_status sst_reader_corrupt(const struct sst_reader *reader, uint64_t offset, const char *what,
	struct kv_error *err);

/* Reads and verifies again what sst_reader_open() had read. */
kv_status sst_reader_check_parts(const struct sst_reader *reader, struct kv_error *err);

/* Data block `i`, decompressed, with a reference: from the cache, or read, verified and entered into it. */
kv_status sst_reader_block(const struct sst_reader *reader, size_t i, struct cached_block **ret,
	struct kv_error *err);

/* Verifies data block `i` in its stored form, which is good for `*ret` without compression; else it is decompressed into `scratch`
 * (replaced), and *ret points there. */
kv_status sst_reader_unseal(const struct sst_reader *reader, size_t i, struct slice stored,
	struct buf *scratch, struct slice *ret, struct kv_error *err);

#endif
