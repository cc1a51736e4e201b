/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the change feed of a store must tell: every write is remembered when it is made, and a reader's changes are compared with
 * that. All of it fails the test when something else happens than it says.
 */
#ifndef KV_SUPPORT_FEED_MODEL_H
#define KV_SUPPORT_FEED_MODEL_H

#include "store/store.h"

struct feed_item {
	enum store_change_kind kind;
	char key[40];
	uint32_t value_bytes; /* of a put; the bytes follow from `salt` */
	uint64_t salt;
	uint64_t version;
	uint64_t expires_unix_ms;
};

struct feed_model {
	uint64_t random; /* state; not 0 */
	struct feed_item *items;
	size_t count, capacity;
};

void feed_model_init(struct feed_model *model, uint64_t seed);
void feed_model_free(struct feed_model *model);

/* Commits a batch of `operations` random puts (values of up to `value_max` bytes) and deletes, and remembers it. */
void feed_model_write(struct feed_model *model, struct store *store, unsigned operations,
	uint32_t value_max);

/* Whether the change is the one of the model that comes after version `since`. */
bool feed_model_matches(const struct feed_model *model, uint64_t since, const struct store_change *change);
uint64_t feed_model_last(const struct feed_model *model); /* version */

/* Reads after *since as far as it goes and compares; *since is then where it came. KV_NOT_FOUND: all that is there. */
kv_status feed_model_read(const struct feed_model *model, struct store *store, uint64_t *since,
	struct kv_error *err);
/* All after `since` must be told. */
void feed_model_expect(const struct feed_model *model, struct store *store, uint64_t since);

#endif
