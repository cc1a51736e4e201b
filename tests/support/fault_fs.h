/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A `struct fs` around another one, for tests: it counts operations, fails, shortens or tears chosen ones,
 * calls a hook before each, and records their order. Any thread.
 *
 * An operation goes: counted, recorded, hook, rules, the real one. A failed close still closes, as on Linux.
 */
#ifndef KV_SUPPORT_FAULT_FS_H
#define KV_SUPPORT_FAULT_FS_H

#include "base/file.h"

enum fault_op {
	FAULT_OPEN,
	FAULT_CLOSE,
	FAULT_PREAD,
	FAULT_PWRITEV,
	FAULT_FDATASYNC,
	FAULT_FSYNC,
	FAULT_WRITEBACK,
	FAULT_FTRUNCATE,
	FAULT_FALLOCATE,
	FAULT_RENAME,
	FAULT_LINK,
	FAULT_UNLINK,
	FAULT_MKDIR,
	FAULT_RMDIR,
	FAULT_SIZE,
	FAULT_LOCK,
	FAULT_LIST,
	FAULT_SPACE,
	FAULT_MAP, /* only once maps are allowed */
	FAULT_OP_COUNT,
	FAULT_ANY = FAULT_OP_COUNT,
};

struct fault_rule {
	enum fault_op op;
	const char *name_part; /* only operations on names that contain this; NULL: all. Borrowed. */
	uint64_t nth;          /* which of the matching operations from now on, 1 = the next */
	bool from_then_on;     /* that one and all later ones, else only that one */
	int errnum;
	size_t torn_bytes;     /* a failed pwritev writes this many bytes first */
};

struct fault_fs;

/* `below` is borrowed, e.g. &fs_posix. Never NULL: fails the test instead. */
struct fault_fs *fault_fs_new(const struct fs *below);
struct fault_fs *fault_fs_free(struct fault_fs *fault);

/* Give this to the code under test; lives as long as `fault`. */
const struct fs *fault_fs_fs(struct fault_fs *fault);

/* At most 16 rules at a time; the first that says "fail" wins. */
void fault_fs_add(struct fault_fs *fault, struct fault_rule rule);
/* Shorthand: the nth operation of this kind from now on, once. */
void fault_fs_fail(struct fault_fs *fault, enum fault_op op, uint64_t nth, int errnum);
/* Shorthand: that one and every later one of this kind. */
void fault_fs_fail_from(struct fault_fs *fault, enum fault_op op, uint64_t nth, int errnum);
/* Removes all rules. */
void fault_fs_heal(struct fault_fs *fault);

/* Operations so far, and how many of them were failed by a rule. */
uint64_t fault_fs_count(struct fault_fs *fault, enum fault_op op);
uint64_t fault_fs_failed(struct fault_fs *fault);

/* No read or write moves more than `max_bytes` at once; 0: no limit. */
void fault_fs_shorten(struct fault_fs *fault, size_t max_bytes);

/* At first no file can be mapped, so that every write is an operation that a rule can fail. From now on windows are given; what is
 * written to them is not seen here. */
void fault_fs_allow_maps(struct fault_fs *fault);

/* Called before each operation, without a lock: it may wait, or use the fs itself. `name` is the file or
 * directory concerned (the old name of a rename), without its path. NULL: none. */
void fault_fs_hook(struct fault_fs *fault,
	void (*hook)(void *arg, enum fault_op op, const char *name), void *arg);

/* Recording starts off. One line an operation, e.g.
 *   create temp / open MANIFEST / pwritev temp 0 100 (offset, bytes) / fdatasync temp / rename temp MANIFEST /
 *   fsync data / writeback x 0 100 / map x 0 65536 / ftruncate x 5 / fallocate x 4096
 * and " failed" at the end when a rule failed it. */
void fault_fs_record(struct fault_fs *fault, bool on);
/* The lines so far, to be freed by the caller; recording goes on with none. */
char *fault_fs_take_record(struct fault_fs *fault);
/* Whether lines that begin with each of `starts` (ended by NULL) were recorded in this order, others between. */
bool fault_fs_in_order(struct fault_fs *fault, const char *const starts[]);

const char *fault_op_name(enum fault_op op);

#endif
