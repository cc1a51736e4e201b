/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a store what the model says? Each returns NULL, or what is wrong, in words that are good until the next call. One thread. */
#ifndef KV_MODEL_CHECK_H
#define KV_MODEL_CHECK_H

#include "model/model.h"
#include "store/store.h"

/* What the iterator shows must be the key of this place of the model (MODEL_NONE: nothing), as a reader at version `at` sees it.
 * Values of `large_bytes` and more must be large; they are read. */
const char *model_check_at(const struct model *model, const struct store_iter *iter, long place, uint64_t at,
	uint64_t now_unix_ms, uint64_t large_bytes);

/* Reads the large value in pieces. */
const char *model_check_large(struct store_large *large, struct slice want);

/* Large values read so far. */
uint64_t model_check_large_reads(void);

#endif
