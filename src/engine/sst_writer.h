/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes one table front to back: data blocks, filter, index, blobs, properties, footer (format.h, doc/format.md).
 * One thread at a time.
 */
#ifndef KV_ENGINE_SST_WRITER_H
#define KV_ENGINE_SST_WRITER_H

#include "base/file.h"
#include "engine/entry.h"
#include "engine/format.h"
#include "engine/sst_meta.h"

enum {
	SST_BLOCK_BYTES_MAX = 32768,
	SST_FILTER_BITS_MAX = 64,
};

struct sst_options {
	uint32_t block_bytes;         /* uncompressed size to aim at, 4096; at most SST_BLOCK_BYTES_MAX */
	uint32_t filter_bits_per_key; /* 0: no filter; at most SST_FILTER_BITS_MAX */
	enum sst_compression compression;
};

void sst_options_init(struct sst_options *options);

/* Is this compression built in? */
bool sst_compression_available(enum sst_compression compression);

struct sst_writer;

/* Creates the file (O_EXCL). `dir` is borrowed. */
kv_status sst_writer_open(const struct dir *dir, const struct store_id *id, uint64_t number,
	const struct sst_options *options, struct sst_writer **ret, struct kv_error *err);

/* Entries in the order of entry.h, strictly rising and none of a range delete; assert()s that. Any failure is final: only close remains. */
kv_status sst_writer_add(struct sst_writer *writer, const struct entry *entry, struct kv_error *err);

/* Which range deletes no entry is covered by (sst_meta.range_applied); 0 when it is not told. Before finish. */
void sst_writer_set_range_applied(struct sst_writer *writer, uint64_t sequence);

/* Bytes of the file so far, with what is still buffered. */
uint64_t sst_writer_bytes(const struct sst_writer *writer);

/* Writes the rest and syncs the file; the caller syncs the directory before anything refers to the table. At least one entry must have been
 * added. `ret` is owned by the caller. */
kv_status sst_writer_finish(struct sst_writer *writer, struct sst_meta *ret, struct kv_error *err);

/* Without a successful finish the file is removed. NULL is allowed; returns NULL. */
struct sst_writer *sst_writer_close(struct sst_writer *writer);

#endif
