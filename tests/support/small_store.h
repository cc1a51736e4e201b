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
	unsigned warnings;            /* small_store.c only, as the next: events at that level or worse, from any thread */
	char warning_text[4096];      /* of all of them, as far as there is room */
};

void small_store_init(struct small_store *small);  /* the directory and the options */
void small_store_open(struct small_store *small);
kv_status small_store_try_open(struct small_store *small, struct kv_error *err);
/* Until the segment that the flush thread makes ahead after a start, and after a rotation, is there. */
void small_wait_for_spare(struct small_store *small);
/* The same where the log has more than the one segment that is written. */
void small_wait_for_segments(struct small_store *small, uint64_t count);
void small_store_crash(struct small_store *small); /* closes without finish */
void small_store_done(struct small_store *small);  /* removes it all */

kv_status small_put(struct small_store *small, const char *key, const char *value);
kv_status small_delete(struct small_store *small, const char *key);

/* "": from the first key, to the last. */
kv_status small_delete_range(struct small_store *small, const char *start, const char *end);

/* key000000 and so on: from and without `to`. */
void small_fill(struct small_store *small, unsigned from, unsigned to, const char *value);

struct store_stats small_stats(struct small_store *small);
uint64_t small_tables(struct small_store *small); /* of all levels */

/* Warnings and errors that the store told, and whether `part` is in their text. */
unsigned small_warnings(struct small_store *small);
bool small_was_warned(struct small_store *small, const char *part);
void small_forget_warnings(struct small_store *small);

/* How many keys a scan finds, in both directions; `snapshot` NULL: now. */
unsigned small_count_keys(struct small_store *small, const struct store_snapshot *snapshot);

/* NULL: there must be no such key. */
void small_expect(struct small_store *small, const char *key, const char *value);

/* The name of the only, or the newest, file with this ending. */
const char *small_newest(struct small_store *small, const char *ending);
size_t small_count(struct small_store *small, const char *ending);

#endif
