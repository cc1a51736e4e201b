/* SPDX-License-Identifier: BSD-2-Clause */
/* Which blob files a table points to: a list of its own, so that it is known without reading the data blocks. */
#ifndef KV_ENGINE_SST_BLOBS_H
#define KV_ENGINE_SST_BLOBS_H

#include "base/coding.h"

struct sst_blobs {
	uint64_t *numbers; /* owned; ascending, each once, none 0 */
	size_t count;
};

/* In any order, with repetitions; sorts `numbers`. */
kv_status sst_blobs_append(uint64_t *numbers, size_t count, struct buf *to);

/* KV_CORRUPT: this is not what append makes of at least one number; KV_NO_MEMORY. */
kv_status sst_blobs_decode(struct slice bytes, struct sst_blobs *ret);
void sst_blobs_free(struct sst_blobs *blobs);

/* Where it is in the list; count when it is not. */
size_t sst_blobs_find(const struct sst_blobs *blobs, uint64_t number);

#endif
