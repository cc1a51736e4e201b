/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of a store's files: build and parse. Numbers are decimal, at least six digits, and
 * used once. */
#ifndef KV_ENGINE_FILENAME_H
#define KV_ENGINE_FILENAME_H

#include "base/status.h"

enum { FILENAME_MAX_BYTES = 32 };

/* A larger number makes a name foreign. Somebody's file with one that large must not take those of new files away, so no store goes on behind
 * FILENAME_NUMBER_USED_MAX: to get there would take longer than anybody waits. */
#define FILENAME_NUMBER_MAX (UINT64_C(1) << 62)
#define FILENAME_NUMBER_USED_MAX (UINT64_C(1) << 61)

#define FILENAME_LOST "lost+found"
/* where that is not ours: the root of an ext4 has one that only root may enter */
#define FILENAME_LOST_OTHER "lost+found.kvstored"

enum filename_kind {
	FILENAME_FORMAT,     /* FORMAT */
	FILENAME_LOCK,       /* LOCK */
	FILENAME_MANIFEST,   /* MANIFEST */
	FILENAME_SCRUB,      /* SCRUB: progress of the scrub, which may be lost */
	FILENAME_TEMP,       /* FORMAT.new, MANIFEST.new, SCRUB.new: left by a crash, may be removed */
	FILENAME_LOST_FOUND, /* lost+found */
	FILENAME_RESERVE,    /* RESERVE */
	FILENAME_WAL,        /* NNNNNN.wal */
	FILENAME_TABLE,      /* NNNNNN.sst */
	FILENAME_BLOB,       /* NNNNNN.blob */
	FILENAME_FOREIGN,    /* anything else: not ours, never touched */
};

/* `kind` is WAL, TABLE or BLOB. Returns `buf`. */
const char *filename_make(char buf[FILENAME_MAX_BYTES], enum filename_kind kind, uint64_t number);

/* Only the one spelling that filename_make gives is ours ("000012.sst", not "12.sst").
 * *ret_number is 0 for the kinds without one. */
enum filename_kind filename_parse(const char *name, uint64_t *ret_number);

#endif
