/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files. The ONLY place of base, store and engine that calls open, pread, pwrite, fdatasync, fsync, rename,
 * unlink, fallocate, mkdir, flock: through a small table of functions, so that a test can fail, cut,
 * delay or record any of them (tests/support/fault_fs).
 *
 * A `struct fs` is a table and its context, borrowed and constant. A directory is a `struct dir`: a
 * descriptor with its path (for messages). A file is a `struct file`: a descriptor with its name.
 * All functions take care of EINTR (except for a sync, which then has failed) and of short reads and writes. Any thread, but not two on one `struct
 * file` except file_read_at, which is free of state.
 *
 * Durability: file_write_at is not durable until file_sync returned KV_OK; a created, renamed or
 * unlinked name is not durable until dir_sync returned KV_OK. A failed sync must never be retried: the
 * kernel may have dropped the dirty pages. dir_sync sees to that itself.
 */
#ifndef KV_BASE_FILE_H
#define KV_BASE_FILE_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

#include <fcntl.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Each function behaves as the system call of its name: -1 and errno on failure. */
struct fs_ops {
	int (*open)(void *ctx, int dir_fd, const char *name, int flags, mode_t mode);
	int (*close)(void *ctx, int fd);
	ssize_t (*pread)(void *ctx, int fd, void *to, size_t len, off_t offset);
	ssize_t (*pwritev)(void *ctx, int fd, const struct iovec *iov, int count, off_t offset);
	int (*fdatasync)(void *ctx, int fd);
	int (*fsync)(void *ctx, int fd);      /* used on directories */
	int (*writeback)(void *ctx, int fd, off_t offset, off_t len); /* sync_file_range: begins to write, does not wait */
	int (*ftruncate)(void *ctx, int fd, off_t len);
	int (*fallocate)(void *ctx, int fd, int mode, off_t offset, off_t len);
	int (*rename)(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to,
		unsigned flags); /* renameat2 */
	int (*link)(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to);
	int (*unlink)(void *ctx, int dir_fd, const char *name);
	int (*mkdir)(void *ctx, int dir_fd, const char *name, mode_t mode);
	int (*rmdir)(void *ctx, int dir_fd, const char *name);
	int (*size)(void *ctx, int fd, uint64_t *ret_bytes); /* fstat; fails with EINVAL when not a regular file */
	int (*lock)(void *ctx, int fd);       /* flock(LOCK_EX | LOCK_NB) */
	/* calls `each` for every entry but . and .., in no order; it may end that by a value that is not 0,
	 * which is no failure */
	int (*list)(void *ctx, int dir_fd, int (*each)(void *arg, const char *name), void *arg);
	int (*space)(void *ctx, int dir_fd, uint64_t *ret_free_bytes); /* fstatvfs, for unprivileged users */
	/* mmap, shared, for reading and writing; NULL and errno on failure. The function may be missing. */
	void *(*map)(void *ctx, int fd, off_t offset, size_t len);
	void (*unmap)(void *ctx, void *at, size_t len);
	/* posix_fadvise(POSIX_FADV_DONTNEED). The function may be missing. */
	void (*forget)(void *ctx, int fd, off_t offset, off_t len);
};

struct fs {
	const struct fs_ops *ops;
	void *ctx;
};

/* The real thing. */
extern const struct fs fs_posix;

struct dir {
	const struct fs *fs;
	int fd;
	char *path; /* owned, for messages */
	struct dir_syncs *syncs; /* owned */
};

/* Opens an existing directory (not through a symbolic link in the last component). With `create`, a missing last component is made
 * with mode 0700 and made durable in its parent. */
kv_status dir_open(const struct fs *fs, const char *path, bool create, struct dir *ret,
	struct kv_error *err);
/* A new one, with mode 0700 and durable in its parent; KV_INVALID with EEXIST when the name is taken. A failure leaves none. */
kv_status dir_create(const struct fs *fs, const char *path, struct dir *ret, struct kv_error *err);
/* Closes it and removes it with all files in it, as far as that is possible. Not for a directory with directories in it. */
void dir_discard(struct dir *dir);
/* The same below an open directory; `name` has no slash. */
kv_status dir_open_at(const struct dir *parent, const char *name, bool create, struct dir *ret,
	struct kv_error *err);
void dir_close(struct dir *dir); /* safe on a zeroed one and twice: sets fd to -1 and path to NULL */
/* Makes the names in it durable. A failure is always KV_IO (errnum tells more), and then every later call fails: the kernel tells such an
 * error once, so other names that were waiting may be lost though a later sync succeeds. One call at a time, others wait. */
kv_status dir_sync(const struct dir *dir, struct kv_error *err);
kv_status dir_list(const struct dir *dir, int (*each)(void *arg, const char *name), void *arg,
	struct kv_error *err);
/* Bytes that may still be written by this user. */
kv_status dir_space(const struct dir *dir, uint64_t *ret_free_bytes, struct kv_error *err);
/* KV_NOT_FOUND when there is none. */
kv_status dir_unlink(const struct dir *dir, const char *name, struct kv_error *err);
/* Replaces `to` when it exists, unless `keep_existing`: then KV_INVALID with EEXIST. Not durable before dir_sync of both. */
kv_status dir_rename(const struct dir *from_dir, const char *from, const struct dir *to_dir,
	const char *to, bool keep_existing, struct kv_error *err);
/* Each gets the other's name, in one step; both must exist. KV_UNSUPPORTED: the file system cannot do it. Not durable before dir_sync. */
kv_status dir_exchange(const struct dir *dir, const char *a, const char *b, struct kv_error *err);
kv_status dir_link(const struct dir *from_dir, const char *from, const struct dir *to_dir,
	const char *to, struct kv_error *err);
/* Whether the name is there, of whatever kind. KV_OK; KV_NOT_FOUND; else nobody knows. */
kv_status dir_look(const struct dir *dir, const char *name, struct kv_error *err);
/* The same for who goes on without it: false also when it cannot be looked at. */
bool dir_has(const struct dir *dir, const char *name);

enum file_mode {
	FILE_READ,       /* existing, read only */
	FILE_READ_WRITE, /* existing */
	FILE_CREATE,     /* new, 0600, read and write; KV_INVALID with EEXIST when the name is taken */
	FILE_OPEN_OR_CREATE, /* read and write, created 0600 when missing; for LOCK */
};

struct file {
	const struct fs *fs;
	int fd;
	char name[64];        /* within its directory */
	const char *dir_path; /* borrowed from the struct dir, for messages; the dir must outlive the file */
};

/* Always O_NOFOLLOW | O_CLOEXEC. KV_NOT_FOUND when it is missing. Anything but a regular file: KV_INVALID. */
kv_status file_open(const struct dir *dir, const char *name, enum file_mode mode,
	struct file *ret, struct kv_error *err);
void file_close(struct file *file); /* safe on a closed one (fd -1); errors of close are of no interest after a sync */
kv_status file_size(const struct file *file, uint64_t *ret_bytes, struct kv_error *err);
/* Exactly `len` bytes; an end of file before that is KV_CORRUPT with the offset. */
kv_status file_read_at(const struct file *file, void *to, size_t len, uint64_t offset,
	struct kv_error *err);
kv_status file_write_at(const struct file *file, struct slice data, uint64_t offset,
	struct kv_error *err);
/* Vectored; changes iov[] on the way. count at most 16. */
kv_status file_writev_at(const struct file *file, struct iovec *iov, int count, uint64_t offset,
	struct kv_error *err);
kv_status file_sync(const struct file *file, struct kv_error *err);
/* Begins to write [offset, offset + len) to the disk, so that a later file_sync has less to do. Makes nothing durable. A failure may have cost
 * data, as that of a sync; where the file system cannot do it, nothing happens. */
kv_status file_start_writeback(const struct file *file, uint64_t offset, uint64_t len, struct kv_error *err);
/* Asks the kernel to drop what it holds of [offset, offset + len) in memory, so that the next read comes from the disk. Only advice:
 * what is not written yet stays. */
void file_forget(const struct file *file, uint64_t offset, uint64_t len);
kv_status file_truncate(const struct file *file, uint64_t len, struct kv_error *err);
/* Zeros in [from, to); none when to <= from. Not durable. */
kv_status file_write_zeros(const struct file *file, uint64_t from, uint64_t to, struct kv_error *err);
/* Space for [0, len) is reserved and the file has at least that length; on a file system without fallocate by writing zeros behind its
 * end. Unwritten space reads as zeros. */
kv_status file_allocate(const struct file *file, uint64_t len, struct kv_error *err);
/* Exclusive, by flock: KV_BUSY when another process holds it. Held until the file is closed. */
kv_status file_lock(const struct file *file, struct kv_error *err);

/* A whole small file into `ret` (replaced). KV_CORRUPT when it is larger than `max` bytes. */
kv_status file_read_whole(const struct dir *dir, const char *name, size_t max, struct buf *ret,
	struct kv_error *err);

/* Durable replacement of `name`: write `temp_name`, sync it, rename over `name`, sync the
 * directory. On failure before the rename the old content stays and the temporary file is removed; a failure of the directory sync, and
 * EIO of the rename, is reported as KV_UNCERTAIN: either content may be found, now or at the next start. */
kv_status file_replace(const struct dir *dir, const char *name, const char *temp_name,
	struct slice content, struct kv_error *err);

#endif
