/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small store on a directory behind a fault_fs, and the shortest way to write and read in it: for tests of faults. The functions fail
 * the test when something else happens than they say.
 */
#ifndef KV_SUPPORT_SMALL_STORE_H
#define KV_SUPPORT_SMALL_STORE_H

#include "store/store.h"
#include "support/disk.h"

struct small_store {
	struct disk disk;
	struct store_options options; /* tiny limits; may be changed before small_store_open */
	struct store *store;
	unsigned warnings;            /* events at that level or worse */
	char last_warning[512];
};

void small_store_init(struct small_store *small);  /* the directory and the options */
void small_store_open(struct small_store *small);
kv_status small_store_try_open(struct small_store *small, struct kv_error *err);
void small_store_crash(struct small_store *small); /* closes without finish */
void small_store_done(struct small_store *small);  /* removes it all */

kv_status small_put(struct small_store *small, const char *key, const char *value);
kv_status small_delete(struct small_store *small, const char *key);

/* NULL: there must be no such key. */
void small_expect(struct small_store *small, const char *key, const char *value);

/* The name of the only, or the newest, file with this ending. */
const char *small_newest(struct small_store *small, const char *ending);
size_t small_count(struct small_store *small, const char *ending);

#endif
