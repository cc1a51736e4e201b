/* SPDX-License-Identifier: BSD-2-Clause */
/* Appends groups to one segment. Commit thread only. */
#ifndef KV_ENGINE_WAL_WRITER_H
#define KV_ENGINE_WAL_WRITER_H

#include "engine/wal.h"

struct wal_writer;

/* Starts the existing, unused segment file `header->number` (wal_make_segment,
 * wal_recycle_segment): writes the header (`blocks` is filled in from the file's size) and syncs
 * it, so that no group can be durable without it. KV_INVALID: the file belongs to something
 * else, or a group has been written to it. KV_NO_MEMORY: nothing was written, may be tried again. */
kv_status wal_writer_open(const struct dir *dir, const struct store_id *id,
	const struct wal_header *header, struct wal_writer **ret, struct kv_error *err);

/* All groups before this segment are durable by now: takes the flag prev_unsynced from the header, if it has it. That is
 * durable with the next group that is. KV_NO_SPACE, KV_NO_MEMORY: may be tried again; any other failure (KV_UNCERTAIN) poisons the writer. */
kv_status wal_writer_vouch(struct wal_writer *writer, struct kv_error *err);

/* Without a sync. NULL is allowed; returns NULL. */
struct wal_writer *wal_writer_close(struct wal_writer *writer);

struct wal_group {
	uint64_t first_sequence;
	uint32_t count;   /* operations */
	uint64_t wall_us;
	bool sync_follows; /* a hint: wal_sync() is called next */
};

/* Appends one group. The payload is the concatenation of `pieces` (borrowed for the call; at
 * most WAL_GROUP_MAX bytes together, at least WAL_OPERATION_BYTES_MIN for each operation, else
 * KV_INVALID and nothing was done). Up to WAL_WRITE_BUFFER_BYTES go out in one write. Allocates
 * nothing. Not durable until wal_sync() returned KV_OK. KV_NO_SPACE, KV_NO_MEMORY (the
 * kernel's): the group is not there, and that is durable; the next append goes to the same
 * place. KV_UNCERTAIN: any other failure, or that one and it could not be undone; the group may
 * be found at the next start or not; the writer is poisoned: every later call returns KV_IO. */
kv_status wal_append(struct wal_writer *writer, const struct wal_group *group,
	const struct slice *pieces, size_t piece_count, struct kv_error *err);

/* Begins to write to the disk what a wal_sync() that follows has to wait for; the caller may work meanwhile. Makes nothing durable. A
 * failure is one of wal_sync(). */
kv_status wal_start_sync(struct wal_writer *writer, struct kv_error *err);

/* Makes all groups durable; does nothing when they are. A failure (always KV_UNCERTAIN: each
 * group since the last sync may be found at the next start or not) poisons the writer: it is
 * never tried again. */
kv_status wal_sync(struct wal_writer *writer, struct kv_error *err);

enum { WAL_WRITE_BUFFER_BYTES = 256 * 1024 };

uint64_t wal_writer_number(const struct wal_writer *writer);
/* Where the next group goes, a multiple of 8. */
uint64_t wal_writer_end(const struct wal_writer *writer);
uint64_t wal_writer_left(const struct wal_writer *writer); /* bytes of the file behind that */
uint64_t wal_writer_synced(const struct wal_writer *writer); /* <= end */
/* Have there been groups, and none of them is known to be durable? Not after a failure: then nobody knows where they end. */
bool wal_writer_is_unsynced(const struct wal_writer *writer);
/* Is everything in it durable? Not after a failure. */
bool wal_writer_is_settled(const struct wal_writer *writer);
/* No more groups come: gives the window back, and nothing else. */
void wal_writer_rest(struct wal_writer *writer);

#endif
