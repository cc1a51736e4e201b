/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The face of checking, repairing and printing the files of a store that nobody has open: for kvfsck. It belongs to the backend whose data are
 * files of its own (lsm); one that keeps them elsewhere has other means. What is found is told one finding at a time; texts and
 * keys of a finding are good for the call. One thread.
 */
#ifndef KV_STORE_FSCK_H
#define KV_STORE_FSCK_H

#include "base/buf.h"
#include "base/file.h"
#include "base/slice.h"
#include "base/status.h"

enum store_finding_kind {
	STORE_FINDING_REMARK, /* nothing is wrong with the data */
	STORE_FINDING_DAMAGE,
	STORE_FINDING_LOST,   /* repair: given up */
	STORE_FINDING_DONE,   /* repair: what was done */
};

enum store_finding_scope {
	STORE_SCOPE_NONE, /* no key is concerned */
	STORE_SCOPE_KEYS, /* those from `first` to `last`, both in it */
	STORE_SCOPE_ANY,  /* any key may be */
};

struct store_finding {
	enum store_finding_kind kind;
	const char *file; /* name in the directory; "": the store as a whole */
	bool has_offset;
	uint64_t offset;
	const char *what;
	enum store_finding_scope scope;
	struct slice first, last;
};

typedef void (*store_finding_tell)(void *arg, const struct store_finding *finding);

struct store_fsck_report {
	uint64_t files;   /* of the store, that were read */
	uint64_t entries; /* that check */
	uint64_t damages, remarks, losses;
	bool needs_stale; /* store_repair() is refused without `accept_stale` */
};

/* Reads everything and changes nothing. KV_OK: the check was done, `ret` has the result. KV_NOT_FOUND: there is no store. KV_BUSY: somebody has it
 * open. KV_CORRUPT: nothing of it can be checked. KV_UNSUPPORTED: of another version. */
kv_status store_check(const struct fs *fs, const char *path, store_finding_tell tell, void *arg,
	struct store_fsck_report *ret, struct kv_error *err);

/* Keeps all that checks and moves the rest to lost+found. Without `accept_stale` no key gets an older value, or a deleted one back; KV_INVALID, and nothing
 * is changed, when that cannot be had. May be ended anywhere, and run again. */
kv_status store_repair(const struct fs *fs, const char *path, bool accept_stale, store_finding_tell tell, void *arg,
	struct store_fsck_report *ret, struct kv_error *err);

/* Prints a file, line by line. KV_CORRUPT: what can be read was printed, the rest told. KV_INVALID: it is no file of a store. */
struct store_printer {
	void (*line)(void *arg, struct slice text); /* with its newline */
	void *arg;
	bool values; /* print values, too */
};
kv_status store_dump(const struct fs *fs, const char *path, const struct store_printer *printer, store_finding_tell tell,
	void *arg, struct kv_error *err);

/* Appends bytes for people: visible ASCII as it is, all else as \xHH, in quotes. */
kv_status store_quote(struct slice bytes, struct buf *to);

#endif
