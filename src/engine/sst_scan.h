/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a table of which parts may be damaged: whatever checks is given out, and all that does not is told, with the keys that it
 * concerns. For kvfsck; sst_reader is for those who want all or nothing.
 *
 * Data blocks are found by the index. Without a good one they are found by their checksums: each block begins where the one before ends, and
 * its length is the first one at which the checksum is right. One thread.
 */
#ifndef KV_ENGINE_SST_SCAN_H
#define KV_ENGINE_SST_SCAN_H

#include "base/file.h"
#include "engine/format.h"
#include "engine/iter.h"
#include "engine/sst_blobs.h"
#include "engine/sst_footer.h"

struct sst_scan;

/* Keys from `first` to `last`, both in it. */
struct sst_scan_keys {
	struct slice first, last;
};

struct sst_scan_events {
	/* `lost`: entries of these keys cannot be read; NULL: none is concerned, what is damaged can be made again from the entries. */
	void (*fault)(void *arg, uint64_t offset, const char *what, const struct sst_scan_keys *lost);
	void *arg;
};

/* `name` is that of the file, which need not be the one of `number`. `expected` (from MANIFEST; NULL: unknown) is borrowed. Faults of all parts but
 * the data blocks are told in here. A file that is of no use at all is no failure: sst_scan_usable() is false then, and the keys of
 * `expected` have been told lost. KV_NOT_FOUND, KV_INVALID (no regular file), KV_UNSUPPORTED (of another version), KV_IO, KV_NO_MEMORY. */
kv_status sst_scan_open(const struct dir *dir, const char *name, const struct store_id *id, uint64_t number,
	const struct sst_meta *expected, const struct sst_scan_events *events, struct sst_scan **ret,
	struct kv_error *err);
struct sst_scan *sst_scan_close(struct sst_scan *scan); /* NULL is allowed; returns NULL */

bool sst_scan_usable(const struct sst_scan *scan);
/* NULL: damaged, as the next. */
const struct sst_footer *sst_scan_footer(const struct sst_scan *scan);
const struct sst_properties *sst_scan_properties(const struct sst_scan *scan);
/* Of the properties, or else what was expected; NULL: neither. */
const struct sst_meta *sst_scan_meta(const struct sst_scan *scan);
const struct sst_blobs *sst_scan_blobs(const struct sst_scan *scan);
/* Of the i-th data block that is known. */
uint64_t sst_scan_block_offset(const struct sst_scan *scan, size_t i);
uint64_t sst_scan_block_bytes(const struct sst_scan *scan, size_t i);

/* All entries of the blocks that check, in their order. Only seek_first and next are offered; blocks that do not check are told and passed over.
 * At the end the counts are compared with the properties. One iterator at a time, and one walk. NULL when out of memory. */
struct iter *sst_scan_iter(struct sst_scan *scan);
/* The block that the iterator stands in. */
size_t sst_scan_iter_block(const struct iter *iter);

#endif
