/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filter of a table: a blocked Bloom filter (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom
 * Filters", 2007). A key sets and tests a few bits of one line of 64 bytes, which is one cache miss. At 10 bits
 * a key about 1% of the keys that are not there pass.
 */
#ifndef KV_ENGINE_FILTER_H
#define KV_ENGINE_FILTER_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct filter {
	uint8_t *lines; /* owned, aligned to FILTER_LINE_BYTES; NULL: no filter, every key passes */
	size_t bytes;   /* a multiple of FILTER_LINE_BYTES */
	unsigned probes; /* bits a key, 1..FILTER_PROBES_MAX */
};

void filter_free(struct filter *filter); /* the content; safe twice */

/* An empty filter of `bytes` bytes (a multiple of the line, at least one) that a table's bytes are read into, or keys are added to. */
kv_status filter_init(struct filter *filter, size_t bytes, unsigned probes);

/* The size and the number of probes for `keys` keys (at least 1). KV_NO_MEMORY: more than a filter can have. */
kv_status filter_plan(uint64_t keys, unsigned bits_per_key, size_t *ret_bytes, unsigned *ret_probes);

/* `hash` = key_hash(key) */
void filter_add(struct filter *filter, uint64_t hash);
void filter_add_all(struct filter *filter, const uint64_t *hashes, size_t count);
bool filter_may_have(const struct filter *filter, uint64_t hash);
/* Starts to fetch what filter_may_have() will look at. */
void filter_prefetch(const struct filter *filter, uint64_t hash);

#endif
