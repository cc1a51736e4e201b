/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What check and repair share: a store that is looked at, and what was found out about it. Private to check*.c and repair*.c.
 */
#ifndef KV_ENGINE_CHECK_H
#define KV_ENGINE_CHECK_H

#include "engine/blob_check.h"
#include "engine/filename.h"
#include "engine/format.h"
#include "engine/fsck.h"
#include "engine/iter.h"
#include "engine/log_scan.h"
#include "engine/manifest.h"
#include "engine/sst_scan.h"

enum check_state { CHECK_GOOD, CHECK_MISSING, CHECK_DAMAGED };

struct check_file {
	enum filename_kind kind; /* WAL, TABLE or BLOB */
	uint64_t number;
};

struct check {
	struct dir dir;
	struct file lock;
	struct fsck_sink sink;
	bool quiet;              /* tell nothing, count nothing */
	struct fsck_report report;

	/* the directory */
	struct check_file *files; /* owned; by kind, then number */
	size_t file_count;
	uint64_t number_max;
	bool has_temp;

	/* FORMAT and MANIFEST */
	enum check_state format_state, manifest_state;
	struct store_id id;
	struct manifest manifest;

	/* tables: one for each of MANIFEST */
	bool *table_bad;

	/* the log */
	bool log_bad;            /* it cannot be replayed as it is, or an operation points to a bad blob file */
	bool log_lost;           /* operations of unknown keys are lost */
	size_t history_good;     /* so many of the newest of the history are whole */
	uint64_t log_next_sequence;

	struct blob_check *blobs;
};

/* Opens the directory and takes the lock. `make_lock`: LOCK is made when it is missing. check_close() in any case. */
kv_status check_open(const struct fs *fs, const char *path, bool make_lock, const struct fsck_sink *sink,
	struct check *check, struct kv_error *err);
/* Reads everything. */
kv_status check_run(struct check *check, struct kv_error *err);
/* Forgets what was found out, and lists the directory again. */
kv_status check_begin_again(struct check *check, struct kv_error *err);
void check_close(struct check *check);

/* Counts the finding and tells it. */
void check_tell(struct check *check, const struct fsck_finding *finding);
/* One without offset and keys. */
void check_say(struct check *check, enum fsck_kind kind, const char *file, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- check_files.c ---- */

/* Lists the directory. KV_NOT_FOUND: there is no file of a store in it. */
kv_status check_list(struct check *check, struct kv_error *err);
/* FORMAT and MANIFEST; what other files say of the store's id when FORMAT cannot. */
kv_status check_identity(struct check *check, struct kv_error *err);
kv_status check_manifest(struct check *check, struct kv_error *err);
/* Files that nothing names, once the rest is known. */
void check_leftovers(struct check *check);
bool check_is_named(const struct check *check, enum filename_kind kind, uint64_t number);
bool check_in_list(const uint64_t *numbers, size_t count, uint64_t number);

/* ---- check_table.c ---- */

/* Where the faults of a table go, and what they come to. */
struct check_table {
	struct check *check;
	const char *name;  /* of the file */
	bool bad;
	bool blob_bad;     /* an entry points to a blob file that is not good */
};

/* Reads the table in the file `name`; `expected` may be NULL. KV_NOT_FOUND is told, too. */
kv_status check_one_table(struct check *check, const char *name, uint64_t number, const struct sst_meta *expected,
	struct check_table *ret, struct kv_error *err);
/* For an entry that points to a blob file: tells when that is not good. */
kv_status check_entry_blob(struct check *check, const char *name, const struct entry *entry, bool *ret_good,
	struct kv_error *err);
struct sst_scan_events check_table_events(struct check_table *table);

/* ---- check_log.c ---- */

kv_status check_log(struct check *check, struct kv_error *err);
/* The numbers of all segments that are there; owned by the caller. NULL when out of memory. */
uint64_t *check_all_segments(const struct check *check, size_t *ret_count);
struct log_scan_events check_log_events(struct check *check);

#endif
