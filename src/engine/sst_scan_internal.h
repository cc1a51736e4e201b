/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by sst_scan*.c, and by no one else. */
#ifndef KV_ENGINE_SST_SCAN_INTERNAL_H
#define KV_ENGINE_SST_SCAN_INTERNAL_H

#include "engine/filter.h"
#include "engine/sst_index.h"
#include "engine/sst_scan.h"

struct scan_block {
	uint64_t offset, bytes;
	size_t key_at, key_len; /* its separator, in `separators`; length 0: not known */
};

struct sst_scan {
	struct file file;
	struct store_id id;
	uint64_t number;
	uint64_t file_seed;
	uint64_t file_bytes;
	const struct sst_meta *expected; /* borrowed; may be NULL */
	struct sst_scan_events events;
	size_t faults;
	bool usable;

	bool has_footer, has_properties, has_blobs;
	struct sst_footer footer;
	struct sst_properties properties;
	struct sst_meta meta; /* when has_properties */
	struct sst_blobs blobs;
	struct sst_index *index; /* NULL: damaged */
	struct filter filter;

	struct scan_block *blocks; /* owned, grown by sst_scan_add_block() only */
	size_t block_count;
	struct buf separators;
	bool by_checksum;  /* the blocks were found without the index */
	bool ends_early;   /* ... and there are some behind them that were not found */
	uint64_t end;      /* ... from here on */
};

void sst_scan_fault(struct sst_scan *scan, uint64_t offset, const char *what, const struct sst_scan_keys *lost);

kv_status sst_scan_add_block(struct sst_scan *scan, uint64_t offset, uint64_t bytes, struct slice separator);

/* The bytes of a sealed part, decompressed, into `ret` (replaced). KV_CORRUPT with *ret_what. */
kv_status sst_scan_unseal(const struct sst_scan *scan, uint64_t offset, uint64_t stored_bytes, struct buf *stored,
	struct buf *ret, const char **ret_what, struct kv_error *err);

/* sst_scan_walk.c: the size of the sealed part that begins at `offset` and ends at or before `limit`. KV_NOT_FOUND: there is none. */
kv_status sst_scan_find_part(const struct sst_scan *scan, uint64_t offset, uint64_t limit, uint64_t *ret_bytes,
	struct kv_error *err);
/* Finds the data blocks without the index, and, when the footer is damaged, the properties. */
kv_status sst_scan_walk(struct sst_scan *scan, struct kv_error *err);

/* sst_scan.c: takes the properties from their decompressed bytes. */
kv_status sst_scan_take_properties(struct sst_scan *scan, struct slice content);

#endif
