/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which files are live: the whole list, one checksum, replaced atomically (temp, fsync, rename,
 * fsync of the directory). Files that are not in it are orphans of a crash.
 */
#ifndef KV_ENGINE_MANIFEST_H
#define KV_ENGINE_MANIFEST_H

#include "base/file.h"
#include "engine/format.h"
#include "engine/sst_meta.h"

enum { MANIFEST_LEVELS = 7 };

struct manifest_table {
	unsigned level;       /* < MANIFEST_LEVELS */
	struct sst_meta meta; /* owned */
};

/* A range delete that tables may not have been rid of yet. */
struct manifest_range {
	uint64_t sequence;
	struct buf start; /* 1..ENTRY_KEY_MAX bytes; owned, as the next */
	struct buf end;   /* not deleted; empty: no bound */
};

struct manifest {
	uint64_t generation;      /* rises with every write */
	uint64_t next_file_number; /* larger than that of every file that exists */
	uint64_t last_sequence;   /* every entry up to it is in the tables (or was dropped), none after it */
	/* Owned, as `tables` grown by manifest_add_* only. Ascending: segments that hold unflushed
	 * groups, then unused ones. Each must exist. */
	uint64_t *wal_numbers;
	size_t wal_count;
	/* Ascending, all lower than those of wal_numbers: segments whose groups are all in tables, kept for
	 * the change feed only, never replayed. */
	uint64_t *history;
	size_t history_count;
	struct manifest_range *ranges; /* owned; ascending by sequence */
	size_t range_count;
	/* owned; by level, level 0 newest first, deeper levels by smallest key */
	struct manifest_table *tables;
	size_t table_count;
};

void manifest_free(struct manifest *manifest);

/* Appends a copy. */
kv_status manifest_add_table(struct manifest *manifest, unsigned level,
	const struct sst_meta *meta);
kv_status manifest_add_wal(struct manifest *manifest, uint64_t number);
kv_status manifest_add_history(struct manifest *manifest, uint64_t number);
kv_status manifest_add_range(struct manifest *manifest, uint64_t sequence, struct slice start,
	struct slice end);

/* KV_NOT_FOUND when there is none; KV_CORRUPT, also: of another store; KV_UNSUPPORTED:
 * another version. Checks everything that can be checked without opening other files (numbers
 * unique, levels sorted and disjoint from 1 on, sequences in order). */
kv_status manifest_read(const struct dir *dir, const struct store_id *id, struct manifest *ret,
	struct kv_error *err);

/* The same for bytes that were read already; `dir_path` is for messages. */
kv_status manifest_decode(struct slice file, const struct store_id *id, const char *dir_path,
	struct manifest *ret, struct kv_error *err);

/* Durable when it returns KV_OK. KV_UNCERTAIN: the old or the new one will be found at the next
 * start: the store must stop writing. Any other failure: the old one is in force. KV_INVALID:
 * manifest_read would not accept it. */
kv_status manifest_write(const struct dir *dir, const struct store_id *id,
	const struct manifest *manifest, struct kv_error *err);

#endif
