/* SPDX-License-Identifier: BSD-2-Clause */
/* How dir.c and file.c report a failed system call. Private to these two and log.c. */
#ifndef KV_BASE_FS_ERROR_H
#define KV_BASE_FS_ERROR_H

#include "base/status.h"

/* Fills `err` (NULL is allowed) for `name` (NULL: the directory itself) in the directory `dir_path`, and
 * returns the status: KV_NOT_FOUND for ENOENT; KV_INVALID for a name that is taken (EEXIST) or is of
 * another kind than wanted (ELOOP, ENOTDIR, EISDIR, ENXIO); else as kv_status_from_errno. */
kv_status fs_error(struct kv_error *err, int errnum, const char *dir_path, const char *name,
	const char *what);

/* The same with the offset at which it happened. */
kv_status fs_error_at(struct kv_error *err, int errnum, const char *dir_path, const char *name,
	const char *what, uint64_t offset);

/* KV_CORRUPT for a place in a file. */
kv_status fs_error_corrupt(struct kv_error *err, const char *dir_path, const char *name,
	uint64_t offset, const char *what);

#if defined(__clang_analyzer__) || defined(KV_ANALYZE) /* see status.h */
#define fs_error(...)         kv_error_status(fs_error(__VA_ARGS__))
#define fs_error_at(...)      kv_error_status(fs_error_at(__VA_ARGS__))
#define fs_error_corrupt(...) kv_error_status(fs_error_corrupt(__VA_ARGS__))
#endif

#endif
