/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A write-ahead log under test: writes groups of known content, remembers them, and compares what a
 * reader finds. Groups are numbered from 0 within a segment.
 */
#ifndef KV_SUPPORT_WAL_LOG_H
#define KV_SUPPORT_WAL_LOG_H

#include "engine/batch.h"
#include "engine/wal_reader.h"
#include "engine/wal_writer.h"
#include "support/disk.h"

enum { WAL_LOG_GROUPS_MAX = 4096 };

struct wal_log_group {
	uint64_t offset;
	uint64_t first_sequence;
	uint32_t count;
	uint64_t synced; /* that its header must hold */
	struct buf payload;
};

struct wal_log {
	struct disk disk;
	struct store_id id;
	uint64_t number; /* the current segment */
	struct wal_writer *writer;
	uint64_t next_sequence;
	uint64_t seed; /* of the contents */

	struct wal_log_group groups[WAL_LOG_GROUPS_MAX]; /* of the current segment */
	size_t count;
};

/* On an empty directory, with no segment. */
void wal_log_open(struct wal_log *log);
void wal_log_close(struct wal_log *log);

/* Makes segment `number` of `bytes` zeros and begins it, as the successor of what was the
 * current one. */
void wal_log_begin(struct wal_log *log, uint64_t number, uint64_t bytes);
/* Begins a segment file that is there. */
void wal_log_begin_existing(struct wal_log *log, uint64_t number);
/* Closes the writer and forgets the groups. */
void wal_log_end(struct wal_log *log);

/* Appends a group of `operations` puts with values of `value_bytes`; a failure is returned and
 * nothing remembered. */
kv_status wal_log_append(struct wal_log *log, uint32_t operations, size_t value_bytes);
/* The same, which must succeed, and a sync. */
void wal_log_commit(struct wal_log *log, uint32_t operations, size_t value_bytes);

/* Bytes of the header and payload of a group. */
size_t wal_log_group_bytes(const struct wal_log_group *group);

struct wal_log_found {
	kv_status status; /* KV_NOT_FOUND: read to the end; else why it stopped, at open or later */
	enum wal_segment_state state;
	size_t count; /* of groups, each compared with what was written */
	uint64_t end, torn_end; /* when KV_NOT_FOUND */
	struct kv_error err;
};

/* Reads segment `number`, whose groups must be the first ones of `log->groups`. `end`: 0, or
 * given to wal_reader_set_end. */
struct wal_log_found wal_log_read(struct wal_log *log, uint64_t number, uint64_t end);

#endif
