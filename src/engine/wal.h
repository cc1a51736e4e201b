/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The write-ahead log: what the writer and the reader share. A segment is a header and a run of groups (format.h,
 * doc/format.md); a group is a commit's operations under one checksum: it is there as a whole or not.
 *
 * How the end is told from damage: each group carries the offset that was known durable when it was written.
 * A bad group at offset p is a torn tail only if no valid group after p says that more than p had been synced.
 * A segment that has a successor ends where the successor's header says; anything bad before that is damage.
 */
#ifndef KV_ENGINE_WAL_H
#define KV_ENGINE_WAL_H

#include "base/file.h"
#include "engine/format.h"

struct wal_header {
	uint64_t number;
	uint64_t prev_number; /* 0: none */
	uint64_t prev_end;    /* bytes */
	uint64_t first_sequence;
};

void wal_header_encode(uint8_t to[WAL_HEADER_BYTES], const struct store_id *id,
	const struct wal_header *header);
/* KV_CORRUPT: no header (magic or checksum); KV_UNSUPPORTED: a newer version; KV_INVALID: valid, but of another store
 * or another number (a recycled segment not yet in use). */
kv_status wal_header_decode(const uint8_t from[WAL_HEADER_BYTES], const struct store_id *id,
	uint64_t number, struct wal_header *ret);

/* Seed of the checksum of the group at `offset`. */
uint64_t wal_group_seed(const struct store_id *id, uint64_t number, uint64_t offset);

/* Makes segment `number` as a new file of `bytes` written zeros, synced (file and directory): space that was written before
 * makes later appends about a third faster than fallocated space. May take long; any thread. */
kv_status wal_make_segment(const struct dir *dir, uint64_t number, uint64_t bytes,
	struct kv_error *err);
/* The same from a retired segment: renamed, then the directory is synced. KV_INVALID when `number` exists. */
kv_status wal_recycle_segment(const struct dir *dir, uint64_t old_number, uint64_t number,
	struct kv_error *err);

#endif
