/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a table without opening it: made by the writer, kept in the MANIFEST, checked against the table's properties
 * at open. */
#ifndef KV_ENGINE_SST_META_H
#define KV_ENGINE_SST_META_H

#include "base/buf.h"
#include "base/coding.h"
#include "engine/entry.h"

struct sst_meta {
	uint64_t number;
	uint64_t file_bytes;
	uint64_t entries;         /* of any kind, at least 1 */
	uint64_t tombstones;
	uint64_t first_sequence;  /* smallest and largest that occur */
	uint64_t last_sequence;
	uint64_t oldest_expiry_unix_ms; /* 0: none expires */
	uint64_t key_bytes, value_bytes; /* uncompressed, as written by users; without values in blob files */
	uint64_t range_applied;   /* no entry is covered by a range delete with a sequence up to this */
	uint64_t blobs;           /* entries whose value is in a blob file */
	uint64_t blob_bytes;      /* of these values */
	struct buf smallest;      /* user keys, both inclusive; owned */
	struct buf largest;
};

void sst_meta_free(struct sst_meta *meta); /* the content */
kv_status sst_meta_copy(const struct sst_meta *from, struct sst_meta *ret);
/* One more entry, in the numbers; neither in the keys nor in number, file_bytes and range_applied. */
void sst_meta_count(struct sst_meta *meta, const struct entry *entry);
bool sst_meta_equal(const struct sst_meta *a, const struct sst_meta *b);

/* The form in MANIFEST and in a table's properties block. decode: KV_CORRUPT when it is no such form; then `from` has not moved. */
kv_status sst_meta_encode(const struct sst_meta *meta, struct buf *to);
kv_status sst_meta_decode(struct reader *from, struct sst_meta *ret);

#endif
