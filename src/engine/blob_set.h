/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which blob files are needed, by count of references: a file is one value, so it is garbage as a whole, and is removed when its last
 * reference goes. References are held by
 *
 *	memtables     one for each entry that points to the file, until the memtable is freed
 *	tables        one for each file in their list, until the table is freed
 *	uploads       until the batch that took them is freed; for ever when nobody can say whether it was committed
 *	readers       while they are open
 *
 * A new reference is taken only by somebody who knows of another one that stays meanwhile (a reader: inside the RCU section in which it found
 * the pointer), or when a file is made, or during recovery. So a file without references never comes back; but where no file is removed (see
 * blob_set_keep_all), it stays in the set and may.
 *
 * Any thread; no I/O but in blob_set_trim().
 */
#ifndef KV_ENGINE_BLOB_SET_H
#define KV_ENGINE_BLOB_SET_H

#include "base/file.h"

struct blob_set;

/* `dir` must outlive it. `garbage` is called after a file has lost its last reference, by whoever gave that up, without a lock of the
 * set; may be NULL. NULL when out of memory. */
struct blob_set *blob_set_new(const struct dir *dir, void (*garbage)(void *arg), void *arg);
/* Removes no file: what is referenced at the end is needed at the next start, and the rest is swept there. NULL is allowed; returns NULL. */
struct blob_set *blob_set_free(struct blob_set *set);

/* One more reference. `file_bytes` 0: not known. Fails (KV_NO_MEMORY) only when it is the first one to this file. */
kv_status blob_set_ref(struct blob_set *set, uint64_t number, uint64_t file_bytes);
/* True when it was the last one: the file waits for blob_set_trim(). */
bool blob_set_unref(struct blob_set *set, uint64_t number);

/* The size of the file, once it is known. */
void blob_set_set_bytes(struct blob_set *set, uint64_t number, uint64_t file_bytes);
/* From now on no file is removed: not all references are known, because a table cannot be read, or nobody knows what is in the log. */
void blob_set_keep_all(struct blob_set *set);
bool blob_set_keeps_all(struct blob_set *set);

/* Damage was found in the file. True the first time, and while anybody needs it. */
bool blob_set_note_damage(struct blob_set *set, uint64_t number);

/* For recovery: whether anybody needs this file; and what is on disk: *ret_expected is the size that is known, or else `file_bytes`, which is noted. */
bool blob_set_found(struct blob_set *set, uint64_t number, uint64_t file_bytes, uint64_t *ret_expected);
/* The needed files that blob_set_found() has not been told of: calls `each` for every one. Under the lock. */
void blob_set_each_missing(struct blob_set *set, void (*each)(void *arg, uint64_t number), void *arg);

/* Removes the files that lost their last reference (not synced: an orphan is swept at the next start). The first error is returned
 * after the rest was done; its file is left for the next start. Background thread. */
kv_status blob_set_trim(struct blob_set *set, struct kv_error *err);

struct blob_set_stats {
	uint64_t files; /* those included that are to be removed */
	uint64_t bytes;
	uint64_t damaged; /* in which damage was found */
};

void blob_set_get_stats(struct blob_set *set, struct blob_set_stats *ret);

#endif
