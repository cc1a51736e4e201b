/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checking, repairing and printing the files of a store that nobody has open. Part of the engine's public face. What is found is told through a
 * callback, one finding at a time; the texts and keys of a finding are good for the call. One thread.
 */
#ifndef KV_ENGINE_FSCK_H
#define KV_ENGINE_FSCK_H

#include "base/buf.h"
#include "base/file.h"
#include "base/slice.h"
#include "base/status.h"

enum fsck_kind {
	FSCK_REMARK, /* nothing is wrong with the data: a torn tail, a leftover of a crash, a file that is not ours */
	FSCK_DAMAGE,
	FSCK_LOST,   /* repair: given up */
	FSCK_DONE,   /* repair: what was done */
};

enum fsck_scope {
	FSCK_SCOPE_NONE, /* no key is concerned */
	FSCK_SCOPE_KEYS, /* those from `first` to `last`, both in it */
	FSCK_SCOPE_ANY,  /* any key may be */
};

struct fsck_finding {
	enum fsck_kind kind;
	const char *file; /* name in the directory; "": the store as a whole */
	bool has_offset;
	uint64_t offset;
	const char *what;
	enum fsck_scope scope;
	struct slice first, last;
};

struct fsck_sink {
	void (*tell)(void *arg, const struct fsck_finding *finding);
	void *arg;
};

struct fsck_report {
	uint64_t files;   /* of the store, that were read */
	uint64_t entries; /* of tables and logs, that check */
	uint64_t damages, remarks, losses;
	bool needs_stale; /* repair is refused without `accept_stale` */
};

/* Reads everything and changes nothing. KV_OK: the check was done, `ret` tells with what result. KV_NOT_FOUND: no such directory, or there is no store in
 * it. KV_BUSY: somebody has the store open. KV_UNSUPPORTED: of another version. KV_IO and others: could not be read. */
kv_status engine_check(const struct fs *fs, const char *path, const struct fsck_sink *sink, struct fsck_report *ret,
	struct kv_error *err);

/*
 * Checks, then keeps all that checks and moves the rest to lost+found. The rules are in doc/design.md. When it ends with KV_OK, a check
 * finds no damage. Ended anywhere, it can be run again.
 *
 * Without `accept_stale` the repaired store never answers with a value that is not the last one written: where newer versions are lost, older
 * ones of the same keys are given up, too. Where it is not known of which keys (operations of the log, range deletes of MANIFEST) it
 * returns KV_INVALID and has changed nothing (but for files that lay under each other's names: they have their own ones). With it, all that checks is kept, and any key that is told may have an
 * older value, or one that had been deleted.
 */
kv_status engine_repair(const struct fs *fs, const char *path, bool accept_stale, const struct fsck_sink *sink,
	struct fsck_report *ret, struct kv_error *err);

/* Prints one file of a store in the form that kvfsck(8) documents: each line, with its newline, to `line`. What is damaged is told to `sink`, and
 * KV_CORRUPT is returned when all that can be read was printed. KV_INVALID: it is no file of a store. */
struct fsck_printer {
	void (*line)(void *arg, struct slice text);
	void *arg;
	bool values; /* print values, too, and not their lengths only */
};
kv_status engine_dump(const struct fs *fs, const char *path, const struct fsck_printer *printer,
	const struct fsck_sink *sink, struct kv_error *err);

/* A key (or value) for people and programs: visible ASCII but " and \ as it is, all else as \xHH, in quotes. */
kv_status fsck_quote(struct slice bytes, struct buf *to);

#endif
