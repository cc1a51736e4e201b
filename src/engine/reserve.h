/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reserve: a file of allocated blocks and no content, which is given back when the disk is full, so that deletes can be
 * logged, flushed and compacted until there is space again. It is no part of the data: it need not be durable, and a store without it is a good one.
 */
#ifndef KV_ENGINE_RESERVE_H
#define KV_ENGINE_RESERVE_H

#include "base/file.h"

/* How large it is for segments of the log of so many bytes. Pure. */
uint64_t reserve_bytes(uint64_t wal_segment_bytes);

/* Makes it `bytes` large, if it is not there in full; holes in it get blocks, where the file system has fallocate. KV_NO_SPACE: there is none now. */
kv_status reserve_make(const struct dir *dir, uint64_t bytes, struct kv_error *err);

/* False: there was none, or it cannot be removed. */
bool reserve_release(const struct dir *dir);

enum {
	RESERVE_MEMTABLE_LEAST = 64 * 1024,
	RESERVE_SEGMENT_LEAST = 8 * 1024, /* a header and some deletes: without the next segment no memory can be flushed */
};

/* How large memtables and segments may be, of at most `bytes`, on a disk with so much free space: so that what is in memory can still be
 * written to tables when the disk is full. At least `least`, if not `bytes` is less. Pure. */
uint64_t reserve_limit(uint64_t bytes, uint64_t free_bytes, uint64_t least);

#endif
