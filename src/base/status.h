/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one error enum of the project, and the detail that goes with it.
 *
 * A function that can fail returns kv_status. Where a person will want to know more (which file,
 * which offset, which errno), it takes a `struct kv_error *` as its last parameter: the caller owns
 * it, NULL means "not interested", and it is filled on failure only. The lowest layer that knows
 * the detail fills it; the layers above pass it on untouched.
 */
#ifndef KV_BASE_STATUS_H
#define KV_BASE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum kv_status {
	KV_OK = 0,
	KV_NOT_FOUND,   /* no such key, no such file */
	KV_INVALID,     /* the caller's argument or a setting is not acceptable */
	KV_CONDITION,   /* the condition of a write did not hold; nothing was changed */
	KV_NO_MEMORY,   /* an allocation failed; nothing was changed */
	KV_NO_SPACE,    /* disk, quota or inodes are used up; nothing was changed */
	KV_BUSY,        /* not now: try again later (stalled, stopping, locked by another) */
	KV_IO,          /* a system call failed; see kv_error for file and errno */
	KV_CORRUPT,     /* bytes on disk are not what was written there */
	KV_UNSUPPORTED, /* written by a newer version, or not built in */
	KV_UNCERTAIN,   /* the outcome of a write is unknown until the next start */
	KV_NOT_NUMBER,  /* an increment of a value that is no decimal number; nothing was changed */
	KV_OVERFLOW,    /* an increment beyond 64 bits; nothing was changed */
	KV_GONE,        /* it was there once and is no longer kept */
	KV_STATUS_COUNT
} kv_status;

enum {
	KV_ERROR_FILE_MAX = 256,
	KV_ERROR_TEXT_MAX = 256,
};

struct kv_error {
	kv_status status;
	int errnum;      /* errno of the failed call, 0 when none */
	bool has_offset;
	uint64_t offset; /* bytes from the start of `file`, when has_offset */
	char file[KV_ERROR_FILE_MAX]; /* path or name, "" when no file is concerned */
	char text[KV_ERROR_TEXT_MAX]; /* what was being done or what is wrong, plain English */
};

/* Constant text of a status, e.g. "damaged data". Never NULL, also for values out of range. */
const char *kv_status_text(kv_status status);

/* KV_NO_SPACE for ENOSPC, EDQUOT and EFBIG; KV_NO_MEMORY for ENOMEM, EMFILE and ENFILE (all pass by themselves); else KV_IO. */
kv_status kv_status_from_errno(int errnum);

/* The setters fill `err` (NULL is allowed), cut over-long texts, and return `status`, so that one can
 * write `return kv_error_set(err, KV_INVALID, "...")`. */
kv_status kv_error_set(struct kv_error *err, kv_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A failed system call on `file`: status by kv_status_from_errno(errnum). `what` reads as in
 * "cannot open". */
kv_status kv_error_errno(struct kv_error *err, int errnum, const char *file, const char *what);

/* Damage: KV_CORRUPT with file and offset. */
kv_status kv_error_corrupt(struct kv_error *err, const char *file, uint64_t offset,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* One line for people, e.g. "000012.sst at offset 4096: block checksum does not match (damaged
 * data)". Writes at most `size` bytes including the terminating NUL, and returns `buf`. */
const char *kv_error_format(const struct kv_error *err, char *buf, uint32_t size);

/* Static analyzers look at one file at a time: they are told that who reports an error returns one. */
#if defined(__clang_analyzer__) || defined(KV_ANALYZE)
static inline kv_status kv_error_status(kv_status status)
{
	if (status == KV_OK)
		__builtin_unreachable();
	return status;
}
#define kv_error_set(...)     kv_error_status(kv_error_set(__VA_ARGS__))
#define kv_error_errno(...)   kv_error_status(kv_error_errno(__VA_ARGS__))
#define kv_error_corrupt(...) kv_error_status(kv_error_corrupt(__VA_ARGS__))
#endif

#endif
