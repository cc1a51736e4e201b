/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lines of an import to batches. It is given bytes, takes whole lines from them, and stops where a batch is to be committed; what went
 * wrong with a line is kept until the lines before it are committed. Knows nothing of requests but who may touch a key. One thread at a time.
 */
#ifndef KV_HTTP_IMPORT_H
#define KV_HTTP_IMPORT_H

#include "http/import_line.h"
#include "store/store.h"

/* Bytes of a line that are taken whatever max_batch_size says: a line of an export has at most 256 KiB of a value and a key, each byte of them as
 * six characters at worst, so what a server exported it can import. */
enum { IMPORT_LINE_BYTES = 2 * 1024 * 1024 };

struct import_limits {
	uint64_t line_bytes;  /* the larger of IMPORT_LINE_BYTES and the option max_batch_size */
	uint64_t value_bytes; /* the option max_value_size */
};

struct import {
	struct store *store;           /* constant, as all up to the next blank line */
	struct import_limits limits;
	enum store_durability durability;
	bool (*may_touch)(void *arg, struct slice key);
	void *may_touch_arg;

	struct buf input;              /* not taken yet */
	size_t taken;                  /* bytes of it */
	size_t searched;               /* bytes of it in which no newline was found */
	bool at_end;                   /* no more comes: a last line needs no newline */
	uint64_t lines;                /* taken */
	uint64_t imported;             /* operations committed; the committer counts */
	struct problem problem;        /* status 0: none */

	struct import_line line;
	struct store_batch *batch;     /* to be committed, unless NULL */
	uint64_t batch_bytes;
	bool in_export;
	uint64_t export_count;         /* keys since its head */

	bool in_value;                 /* parts of one are coming; about it: */
	uint64_t value_line;           /* of the first */
	struct buf value_key, value;
	struct store_upload *upload;   /* instead of `value` */
	uint64_t value_size, value_done, value_expires_unix_ms;
};

/* Is there a line to take? */
bool import_has_line(struct import *import);

/* Makes 413 the problem: the line that was counted last is longer than its limit. */
void import_refuse_long_line(struct import *import);

/* Takes lines until a batch is full, there is no more line, or one is at fault. May wait for the page cache. */
void import_take_lines(struct import *import);

/* The batch that is to be committed, which is the caller's now; NULL: there is none. */
struct store_batch *import_give_batch(struct import *import);

/* At the end, with nothing left to take or commit: is it whole? */
void import_check_end(struct import *import);

void import_free(struct import *import); /* the content; safe on a zeroed one and twice */

#endif
