/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Printing files: a line is a word for what it is, and NAME=VALUE for each field, separated by a blank. Private to dump*.c.
 */
#ifndef KV_ENGINE_DUMP_H
#define KV_ENGINE_DUMP_H

#include "engine/entry.h"
#include "engine/filename.h"
#include "engine/format.h"
#include "engine/fsck.h"
#include "engine/sst_meta.h"

struct dump {
	const struct fsck_printer *printer;
	const struct fsck_sink *sink;
	struct dir dir;
	const char *name;      /* of the file in `dir` */
	struct store_id id;    /* as far as known: of FORMAT beside the file; the file's own is preferred */
	bool has_id;
	bool has_origin;       /* the file itself told it */
	uint64_t number;       /* of the name; 0: none */
	uint64_t file_bytes;
	struct buf line;
	kv_status status;      /* the first failure to make a line */
	size_t faults;
};

/* A line is begun, gets its fields, and is given out. */
void dump_begin(struct dump *dump, const char *word);
void dump_number(struct dump *dump, const char *name, uint64_t number);
void dump_hex(struct dump *dump, const char *name, uint64_t number);
void dump_bytes(struct dump *dump, const char *name, struct slice bytes);
void dump_id(struct dump *dump, const struct store_id *id);
void dump_end(struct dump *dump);

void dump_entry(struct dump *dump, const struct entry *entry);
void dump_range(struct dump *dump, uint64_t sequence, struct slice first, struct slice end);
void dump_meta(struct dump *dump, const struct sst_meta *meta); /* fields of a line */

void dump_fault(struct dump *dump, uint64_t offset, const char *what);

/* Takes id and number from the file itself, when it tells them. */
kv_status dump_origin(struct dump *dump, enum filename_kind kind, struct kv_error *err);

kv_status dump_log(struct dump *dump, struct kv_error *err);
kv_status dump_table(struct dump *dump, struct kv_error *err);
kv_status dump_manifest(struct dump *dump, struct kv_error *err);
kv_status dump_blob(struct dump *dump, struct kv_error *err);

#endif
