/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The write-ahead log: what the writer and the reader share. A segment is a header and a run of
 * groups (format.h, doc/format.md); a group is a commit's operations under one checksum: it is
 * there as a whole or not.
 *
 * How the end is told from damage: each group carries the offset that was known durable when it was
 * written. A bad group at offset p is a torn tail only if no header of a later group says that more
 * than p had been synced. A segment that has a successor ends where the successor's header says;
 * anything bad before that is damage, unless the successor says that nobody had asked for a sync
 * of it: then a power cut may have taken its end, and with that all that follows (replay.c).
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
	uint32_t blocks;      /* wal_writer_open fills it in */
	bool prev_unsynced;   /* what is before this segment may not be durable; not set: all of it is */
};

void wal_header_encode(uint8_t to[WAL_HEADER_BYTES], const struct store_id *id,
	const struct wal_header *header);
/* KV_CORRUPT: no header (magic or checksum); KV_UNSUPPORTED: a newer version, or flags of one; KV_INVALID: valid,
 * but of another store or another number, so a file in the wrong place (a recycled segment has
 * no header until it is begun). *ret is filled for KV_INVALID too. */
kv_status wal_header_decode(const uint8_t from[WAL_HEADER_BYTES], const struct store_id *id,
	uint64_t number, struct wal_header *ret);

/* Seed of both checksums of the group at `offset`. */
uint64_t wal_group_seed(const struct store_id *id, uint64_t number, uint64_t offset);

struct wal_group_header {
	uint64_t checksum; /* of the whole; not looked at by encode */
	uint32_t count;
	uint32_t length;   /* payload bytes */
	uint64_t first_sequence;
	uint64_t wall_us;
	uint64_t synced;
};

/* Everything but the checksum of the whole, which the writer puts in front when it knows it. */
void wal_group_encode(uint8_t to[WAL_GROUP_HEADER_BYTES], uint64_t seed,
	const struct wal_group_header *group);
/* Is there a header of a group of this segment (whose payload may still be damaged)? */
bool wal_group_decode(const uint8_t from[WAL_GROUP_HEADER_BYTES], const struct store_id *id,
	uint64_t number, uint64_t offset, struct wal_group_header *ret);

/* Bytes from a group to where the next one begins. */
static inline uint64_t wal_group_bytes(uint64_t payload_bytes)
{
	return (WAL_GROUP_HEADER_BYTES + payload_bytes + WAL_GROUP_ALIGN - 1) / WAL_GROUP_ALIGN *
		WAL_GROUP_ALIGN;
}

enum wal_space {
	WAL_WRITTEN,  /* zeros are written: then appends that are synced are about a third faster than in allocated space */
	WAL_ALLOCATED /* the space is only reserved: for a log that nobody syncs, less is written */
};
/* Makes segment `number` as a new file of `bytes` (at least WAL_FIRST_GROUP_OFFSET) zeros, synced
 * (file and directory). May take long; any thread. KV_INVALID when `number` exists. On failure no
 * file is left, as far as that can be done. */
kv_status wal_make_segment(const struct dir *dir, uint64_t number, uint64_t bytes,
	enum wal_space space, struct kv_error *err);
/* The same from a retired segment, which the MANIFEST on disk no longer names: its header is
 * wiped and all of it is synced, it is renamed, then the directory is synced. KV_INVALID when
 * `number` exists. After a failure it may have either name and no header: sweep both. */
kv_status wal_recycle_segment(const struct dir *dir, uint64_t old_number, uint64_t number,
	struct kv_error *err);

/* Makes an unused segment `bytes` long (at least WAL_FIRST_GROUP_OFFSET): cut, or with zeros written behind its end; then it is synced. After
 * KV_NO_SPACE and KV_NO_MEMORY it has the size that it had. May take long; any thread, while nobody else uses the segment. */
kv_status wal_resize_segment(const struct dir *dir, uint64_t number, uint64_t bytes, struct kv_error *err);

/* Puts bytes [from, to) of a segment that was found at start on stable storage: they are read,
 * written again in place and synced. A sync alone would not do: after a failed sync in an
 * earlier life of this machine's memory the pages may be clean and yet not on disk. Recovery
 * calls it for what lies behind the last `synced` before it begins a successor whose prev_end
 * says that the groups are durable. */
kv_status wal_settle(const struct dir *dir, uint64_t number, uint64_t from, uint64_t to,
	struct kv_error *err);

#endif
