/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A repair on its way: what the check found, the MANIFEST to come, and the files to be moved to lost+found. Private to repair*.c.
 *
 * Places are gone through from the newest to the oldest: log, level 0, level 1 and so on. What is lost in one may have been newer than what older
 * places have of the same keys; so these keys are given up there, too (unless `accept_stale`), and keep what newer places have.
 */
#ifndef KV_ENGINE_REPAIR_H
#define KV_ENGINE_REPAIR_H

#include "engine/check.h"
#include "engine/compact_run.h"
#include "engine/key_ranges.h"

struct repair {
	struct check check;
	bool accept_stale;
	struct manifest next;     /* to be written */
	uint64_t next_file_number;
	bool tables_damaged;      /* without a MANIFEST: what a table has lost may be in the log */
	struct key_ranges lost;   /* keys of which something was lost in the places gone through so far */
	char (*rescued)[FILENAME_MAX_BYTES]; /* owned: names to be moved to lost+found */
	size_t rescued_count;
	uint64_t *made;           /* owned: numbers of the tables that were written */
	size_t made_count;
};

/* ---- repair_table.c ---- */

/* Where the entries of one place come from, and what of them is lost. */
struct repair_source {
	struct repair *repair;
	const char *name;        /* for people */
	struct key_ranges lost;  /* found here; added to those of the repair at the end */
	kv_status status;        /* of remembering it */
	uint64_t dropped;        /* older versions of keys lost in newer places */
	uint64_t entries;        /* kept */
	size_t faults;
};

/* Notes that entries of these keys are given up, and tells it. */
void repair_lose(struct repair_source *source, const char *what, bool has_offset, uint64_t offset, struct slice first,
	struct slice last);
/* The entries of `input` that stay; it is borrowed. NULL when out of memory. */
struct iter *repair_iter(struct repair_source *source, struct iter *input);
/* Writes the entries of `input` into tables of at most about `bytes_max`; their files are removed when the repair fails. */
kv_status repair_write(struct repair *repair, struct iter *input, uint64_t bytes_max, struct compact_result *ret,
	struct kv_error *err);
/* Adds what was lost in a place to what is lost in all. */
kv_status repair_leave(struct repair_source *source, struct kv_error *err);
/* All that checks of the table in the file, as new tables. */
kv_status repair_salvage(struct repair_source *source, const char *name, uint64_t number, const struct sst_meta *expected,
	struct compact_result *ret, struct kv_error *err);
/* Every table of a MANIFEST that is good. */
kv_status repair_tables(struct repair *repair, struct kv_error *err);

/* ---- repair_log.c ---- */

/* The log's operations from the one behind `last_sequence` on as a table (*ret_tables may be none), its range deletes in the new MANIFEST; *ret_last is
 * at least the last sequence that was ever given out. `all`: of all segments that are there, all range deletes, and when tables are damaged all
 * operations. All segments are rescued. */
kv_status repair_log(struct repair *repair, uint64_t last_sequence, bool all, struct compact_result *ret_tables,
	uint64_t *ret_last, struct kv_error *err);

/* ---- repair_rebuild.c ---- */

/* The new MANIFEST from tables and log, when the old one is of no use. */
kv_status repair_rebuild(struct repair *repair, struct kv_error *err);

/* ---- repair_place.c ---- */

/* Gives files that lie under each other's names their own ones; *ret_moved: there were such, the check has to be done again. */
kv_status repair_places(struct repair *repair, bool *ret_moved, struct kv_error *err);

/* ---- repair_files.c ---- */

/* The file is to be moved to lost+found; one that is not there is not. */
kv_status repair_rescue(struct repair *repair, const char *name, struct kv_error *err);
kv_status repair_rescue_numbered(struct repair *repair, enum filename_kind kind, uint64_t number, struct kv_error *err);
/* Links all of them into lost+found, durably. */
kv_status repair_link(struct repair *repair, struct kv_error *err);
/* Takes them out of the directory. */
kv_status repair_unlink(struct repair *repair, struct kv_error *err);
/* Blob files that nothing in the new MANIFEST points to, and files that nothing names. */
kv_status repair_rescue_rest(struct repair *repair, struct kv_error *err);
/* Writes the headers of blob files anew that are damaged. */
kv_status repair_blob_headers(struct repair *repair, struct kv_error *err);

uint64_t repair_new_file_number(void *repair);

#endif
