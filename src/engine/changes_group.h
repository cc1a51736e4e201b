/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of one WAL group at a time for a reader of changes, in memory that does not grow with the group: no byte is given out
 * before the checksum of the whole group has passed. One thread.
 */
#ifndef KV_ENGINE_CHANGES_GROUP_H
#define KV_ENGINE_CHANGES_GROUP_H

#include "base/buf.h"
#include "base/checksum.h"
#include "engine/wal.h"

enum {
	CHANGES_GROUP_WINDOW = 256 * 1024,    /* bytes of the file in memory */
	CHANGES_GROUP_STEP = 4 * 1024 * 1024, /* that changes_group_verify() reads at most */
};

/* Where the groups come from. */
struct changes_source {
	const struct file *file; /* borrowed, as id */
	const struct store_id *id;
	uint64_t number;         /* of the segment */
	uint64_t end;            /* there is no group behind this offset ... */
	uint64_t sequence;       /* ... and all groups up to this sequence are wholly there */
};

struct changes_group {
	uint64_t offset;                /* of the group in its file */
	struct wal_group_header header;

	/* the rest is its own */
	struct buf window;              /* bytes of the file from window_offset on */
	uint64_t window_offset;
	uint64_t window_sequence;       /* what was there when they were read; 0: nothing is in the window */

	/* A group that does not fit the window is read twice: the checksum is made over all of it, then it is read again in parts of a window each,
	 * which must be the ones that were seen before. */
	bool large;
	uint64_t verified;              /* bytes of the payload */
	struct checksum_stream *checksum;
	uint64_t *part_checksums;
	uint64_t part;                  /* that is in the window; UINT64_MAX: none */
	struct buf piece;               /* bytes from more than one part */
};

void changes_group_init(struct changes_group *group);
void changes_group_free(struct changes_group *group);
/* Nothing is left of the file that was read so far. */
void changes_group_forget(struct changes_group *group);

/* The header of the group at `offset`, whose first sequence must be `sequence`. KV_CORRUPT: it is not there. */
kv_status changes_group_open(struct changes_group *group, const struct changes_source *source,
	uint64_t offset, uint64_t sequence, struct kv_error *err);
/* Must return KV_OK before the first changes_group_bytes(). KV_BUSY: it goes on with the next call. KV_CORRUPT. */
kv_status changes_group_verify(struct changes_group *group, const struct changes_source *source,
	struct kv_error *err);
/* Bytes [at, at + len) of the payload, which must be there; good until the next call of any of these. */
kv_status changes_group_bytes(struct changes_group *group, const struct changes_source *source,
	uint64_t at, size_t len, struct slice *ret, struct kv_error *err);

#endif
