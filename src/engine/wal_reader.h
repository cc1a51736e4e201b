/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads one segment from its first group to its end. Used at recovery and by kvfsck. One thread. */
#ifndef KV_ENGINE_WAL_READER_H
#define KV_ENGINE_WAL_READER_H

#include "base/slice.h"
#include "engine/wal.h"

struct wal_reader;

enum wal_segment_state {
	WAL_SEGMENT_UNUSED, /* made or recycled ahead: no header and no valid group of its own */
	WAL_SEGMENT_USED,   /* header is valid */
	WAL_SEGMENT_HEADLESS, /* only from wal_reader_open_damaged: no header, but groups of its own */
};

/* Opens a segment and looks at its header. KV_CORRUPT: the header is bad but valid groups of
 * this segment are there; or the file is shorter than a header's block or than it was when it
 * was begun; or it is another segment under this name, or another store's.
 * KV_UNSUPPORTED: newer version. */
kv_status wal_reader_open(const struct dir *dir, const struct store_id *id, uint64_t number,
	struct wal_reader **ret, enum wal_segment_state *ret_state, struct kv_error *err);
/* The same for a segment of which as much as possible is to be read: what would be KV_CORRUPT is put into *ret_fault (else its
 * status is KV_OK), and the reader is open. A header of this store with another number is believed: the groups are those of
 * that number. `history`: the file may be shorter than its header says. */
kv_status wal_reader_open_damaged(const struct dir *dir, const struct store_id *id, uint64_t number, bool history,
	struct wal_reader **ret, enum wal_segment_state *ret_state, struct kv_error *ret_fault, struct kv_error *err);
/* The same for a file with any name. */
kv_status wal_reader_open_named(const struct dir *dir, const char *name, const struct store_id *id, uint64_t number,
	bool history, struct wal_reader **ret, enum wal_segment_state *ret_state, struct kv_error *ret_fault,
	struct kv_error *err);
struct wal_reader *wal_reader_close(struct wal_reader *reader);

/* Gives back descriptor and memory until the next call that reads, which opens the file again by its name: for who keeps more readers than there
 * may be descriptors. The payload of the last group is gone. The directory must be there as long as the reader is. */
void wal_reader_rest(struct wal_reader *reader);

/* Only when used. */
const struct wal_header *wal_reader_header(const struct wal_reader *reader);

/* Where the groups must end, from the header of the next segment. Without this call the segment
 * is the newest. */
void wal_reader_set_end(struct wal_reader *reader, uint64_t end);

struct wal_read_group {
	uint64_t offset;
	uint64_t first_sequence;
	uint32_t count;
	uint64_t wall_us;
	uint64_t synced;
	struct slice payload; /* good until the next call */
};

/* The next group: its payload decodes to exactly `count` operations, and its sequences follow
 * those of the group before (the header's first_sequence). KV_NOT_FOUND: the end (see
 * wal_reader_end). KV_CORRUPT: damage, with the offset. After either, every call returns the
 * same. KV_NO_MEMORY, KV_IO: may be called again. */
kv_status wal_reader_next(struct wal_reader *reader, struct wal_read_group *ret,
	struct kv_error *err);

/* After KV_CORRUPT: goes on with the next good group behind the damage, whatever its sequence; KV_NOT_FOUND: there is none
 * before the end. */
kv_status wal_reader_resume(struct wal_reader *reader, struct kv_error *err);

/* After KV_NOT_FOUND: where the groups end. *ret_torn_end is the same when they end cleanly
 * (with zeros, or with the file). Else a torn tail follows, and it is where the tail's last byte
 * that is not zero lies, plus 1: of the torn group when its header is good, or of a later group
 * that is dropped with it; of the file when the header is bad, since what follows cannot be told
 * from groups of an earlier life. What lies in between is worth keeping in lost+found.
 * `prev_end` of a successor is durable by contract: see wal_settle and wal_reader_synced. */
uint64_t wal_reader_end(const struct wal_reader *reader, uint64_t *ret_torn_end);

/* The offset that the last group returned knows durable; what lies behind it may be in memory
 * only. */
uint64_t wal_reader_synced(const struct wal_reader *reader);

#endif
