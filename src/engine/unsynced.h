/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segments that the log has left without a sync, because no write in them asked for one. They are kept open until a table has what is
 * in them, or a write asks: then they are synced before it is. So a log that nobody waits for need never reach the disk.
 *
 * The leader of the commit adds and syncs, the flush thread forgets: what is removed gives its space back only when it is closed.
 */
#ifndef KV_ENGINE_UNSYNCED_H
#define KV_ENGINE_UNSYNCED_H

#include "engine/wal_writer.h"

#include <pthread.h>

enum { UNSYNCED_MAX = 8 }; /* each costs a descriptor, and memory of WAL_WRITE_BUFFER_BYTES */

struct unsynced {
	pthread_mutex_t mu; /* guards all below; held over a sync */
	struct {
		struct wal_writer *wal;
		uint64_t last_sequence; /* no group in it has a later one */
	} segments[UNSYNCED_MAX];       /* oldest first */
	size_t count;
};

/* KV_NO_MEMORY. */
kv_status unsynced_init(struct unsynced *unsynced);
/* Closes all, without a sync. Also of one that is all zero. */
void unsynced_destroy(struct unsynced *unsynced);

size_t unsynced_count(struct unsynced *unsynced);
/* Takes over the writer. There is room (count < UNSYNCED_MAX). */
void unsynced_add(struct unsynced *unsynced, struct wal_writer *wal, uint64_t last_sequence);
/* Makes all durable, oldest first, and closes them. After a failure (KV_UNCERTAIN) those that are left stay, and no other try succeeds. */
kv_status unsynced_sync(struct unsynced *unsynced, struct kv_error *err);
/* Closes those of which tables have everything: the sequences up to `flushed_sequence`. */
void unsynced_forget(struct unsynced *unsynced, uint64_t flushed_sequence);

#endif
