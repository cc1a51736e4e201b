/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a store must be, in the plainest way: a sorted array of keys, each with all its versions. Reads say at which version (the newest
 * one a snapshot sees) and at which time. One thread.
 */
#ifndef KV_MODEL_H
#define KV_MODEL_H

#include "base/buf.h"

enum { MODEL_NONE = -1 };

struct model_version {
	uint64_t version;
	uint64_t expires_unix_ms; /* 0: never */
	bool deleted;
	struct buf value;
};

struct model;

/* Out of memory ends the test. */
struct model *model_new(void);
struct model *model_free(struct model *model);

/* Versions rise from call to call. */
void model_put(struct model *model, struct slice key, struct slice value, uint64_t expires_unix_ms,
	uint64_t version);
void model_delete(struct model *model, struct slice key, uint64_t version);

/* All keys from `start` up to and without `end` (empty: no bound). */
void model_delete_range(struct model *model, struct slice start, struct slice end, uint64_t version);

/* Forgets every version above `last`. */
void model_truncate(struct model *model, uint64_t last);

/* The value a reader sees; NULL: none. Good until the next change. */
const struct model_version *model_get(const struct model *model, struct slice key, uint64_t at,
	uint64_t now_unix_ms);

/* Does anything that a reader at `at` sees expire after `from` and not after `to`? */
bool model_expires_between(const struct model *model, uint64_t at, uint64_t from, uint64_t to);

/* Walks: places of live keys, MODEL_NONE at the ends. A place is good until a key is added. */
long model_first(const struct model *model, uint64_t at, uint64_t now_unix_ms);
long model_last(const struct model *model, uint64_t at, uint64_t now_unix_ms);
long model_seek(const struct model *model, struct slice key, uint64_t at, uint64_t now_unix_ms);
long model_seek_before(const struct model *model, struct slice key, uint64_t at, uint64_t now_unix_ms);
long model_next(const struct model *model, long place, uint64_t at, uint64_t now_unix_ms);
long model_prev(const struct model *model, long place, uint64_t at, uint64_t now_unix_ms);
struct slice model_key(const struct model *model, long place);

#endif
