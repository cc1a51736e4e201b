/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.h without a store: a sorted array in memory, for tests of the HTTP layer. A test can make it fail with any status, hold
 * commits back, or complete them before store_submit() returns. Linked instead of libkvstore.a (libfakestore.a).
 */
#ifndef KV_SUPPORT_FAKE_STORE_H
#define KV_SUPPORT_FAKE_STORE_H

#include "store/store.h"

enum fake_store_commits {
	FAKE_STORE_INLINE, /* done is called within store_submit() */
	FAKE_STORE_THREAD, /* done is called by a thread, in groups, as the real one does */
	FAKE_STORE_HELD,   /* nothing happens until the mode is changed */
};

struct store *fake_store_new(void);
struct store *fake_store_free(struct store *store);

void fake_store_set_commits(struct store *store, enum fake_store_commits commits);
/* Waits until that many batches are held. */
void fake_store_wait_held(struct store *store, size_t count);

/* What every write (read) answers from now on; KV_OK: as it should. */
void fake_store_fail_writes(struct store *store, kv_status status);
void fake_store_fail_reads(struct store *store, kv_status status);
void fake_store_set_state(struct store *store, enum store_state state, const char *reason);
/* An iterator gives up (KV_BUSY) after each so many moves; 0: never. */
void fake_store_set_patience(struct store *store, unsigned moves);

/* Changes so far: to see that there was none. */
uint64_t fake_store_changes(struct store *store);

#endif
