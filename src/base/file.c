/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of real system calls, and the functions file_* over any table. Short reads and writes are
 * continued, EINTR is tried again, except for a sync, which is never tried again.
 */
#define _GNU_SOURCE
#include "base/file.h"

#include "base/fs_error.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "files of more than 2 GiB need a 64-bit off_t");

enum {
	IOV_COUNT_MAX = 16,
	FILE_PERMISSIONS = 0600,
	/* In one write. A kernel that caches files in large pieces makes a piece of each write, and for every small write to come it looks at
	 * all of the piece: with 1 MiB appending to zeros takes twice as long as with this. */
	ZEROS_BYTES = 64 * 1024,
};

/* ---- the real file system ---- */

static int real_open(void *ctx, int dir_fd, const char *name, int flags, mode_t mode)
{
	(void)ctx;
	return openat(dir_fd, name, flags, mode);
}

static int real_close(void *ctx, int fd)
{
	(void)ctx;
	return close(fd);
}

static ssize_t real_pread(void *ctx, int fd, void *to, size_t len, off_t offset)
{
	(void)ctx;
	return pread(fd, to, len, offset);
}

static ssize_t real_pwritev(void *ctx, int fd, const struct iovec *iov, int count, off_t offset)
{
	(void)ctx;
	return pwritev(fd, iov, count, offset);
}

static int real_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	return fdatasync(fd);
}

static int real_fsync(void *ctx, int fd)
{
	(void)ctx;
	return fsync(fd);
}

static int real_writeback(void *ctx, int fd, off_t offset, off_t len)
{
	(void)ctx;
	return sync_file_range(fd, offset, len, SYNC_FILE_RANGE_WRITE);
}

static int real_ftruncate(void *ctx, int fd, off_t len)
{
	(void)ctx;
	return ftruncate(fd, len);
}

static int real_fallocate(void *ctx, int fd, int mode, off_t offset, off_t len)
{
	(void)ctx;
	return fallocate(fd, mode, offset, len);
}

static int real_rename(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to,
	unsigned flags)
{
	(void)ctx;
	return renameat2(from_dir_fd, from, to_dir_fd, to, flags);
}

static int real_link(void *ctx, int from_dir_fd, const char *from, int to_dir_fd, const char *to)
{
	(void)ctx;
	return linkat(from_dir_fd, from, to_dir_fd, to, 0);
}

static int real_rmdir(void *ctx, int dir_fd, const char *name)
{
	(void)ctx;
	return unlinkat(dir_fd, name, AT_REMOVEDIR);
}

static int real_unlink(void *ctx, int dir_fd, const char *name)
{
	(void)ctx;
	return unlinkat(dir_fd, name, 0);
}

static int real_mkdir(void *ctx, int dir_fd, const char *name, mode_t mode)
{
	(void)ctx;
	return mkdirat(dir_fd, name, mode);
}

static int real_size(void *ctx, int fd, uint64_t *ret_bytes)
{
	struct stat st;

	(void)ctx;
	if (fstat(fd, &st) != 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

static int real_lock(void *ctx, int fd)
{
	(void)ctx;
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int each_entry(DIR *stream, int (*each)(void *arg, const char *name), void *arg)
{
	const struct dirent *entry;

	for (;;) {
		errno = 0;
		entry = readdir(stream);
		if (!entry)
			return errno == 0 ? 0 : -1;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (each(arg, entry->d_name) != 0)
			return 0;
	}
}

static int real_list(void *ctx, int dir_fd, int (*each)(void *arg, const char *name), void *arg)
{
	/* a descriptor of its own: the position of a shared one would be shared too */
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream;
	int result;
	int saved;

	(void)ctx;
	if (fd < 0)
		return -1;
	stream = fdopendir(fd);
	if (!stream) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	result = each_entry(stream, each, arg);
	saved = errno;
	closedir(stream);
	errno = saved;
	return result;
}

static int real_space(void *ctx, int dir_fd, uint64_t *ret_free_bytes)
{
	struct statvfs st;

	(void)ctx;
	if (fstatvfs(dir_fd, &st) != 0)
		return -1;
	*ret_free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

static void *real_map(void *ctx, int fd, off_t offset, size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	(void)ctx;
	/* cppcheck-suppress memleak ; real_unmap() gives it back */
	return at == MAP_FAILED ? NULL : at;
}

static void real_unmap(void *ctx, void *at, size_t len)
{
	(void)ctx;
	munmap(at, len);
}

static void real_forget(void *ctx, int fd, off_t offset, off_t len)
{
	(void)ctx;
	(void)posix_fadvise(fd, offset, len, POSIX_FADV_DONTNEED); /* advice */
}

static const struct fs_ops real_ops = {
	.open = real_open,
	.close = real_close,
	.pread = real_pread,
	.pwritev = real_pwritev,
	.fdatasync = real_fdatasync,
	.fsync = real_fsync,
	.writeback = real_writeback,
	.ftruncate = real_ftruncate,
	.fallocate = real_fallocate,
	.rename = real_rename,
	.link = real_link,
	.unlink = real_unlink,
	.mkdir = real_mkdir,
	.rmdir = real_rmdir,
	.size = real_size,
	.lock = real_lock,
	.list = real_list,
	.space = real_space,
	.map = real_map,
	.unmap = real_unmap,
	.forget = real_forget,
};

const struct fs fs_posix = { .ops = &real_ops };

/* ---- files over any file system ---- */

static int flags_of(enum file_mode mode)
{
	static const int flags[] = {
		[FILE_READ] = O_RDONLY,
		[FILE_READ_WRITE] = O_RDWR,
		[FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL,
		[FILE_OPEN_OR_CREATE] = O_RDWR | O_CREAT,
	};

	/* O_NONBLOCK: a FIFO in the place of a file must not make us wait for its other end */
	return flags[mode] | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
}

static kv_status fail(const struct file *file, struct kv_error *err, const char *what)
{
	return fs_error(err, errno, file->dir_path, file->name, what);
}

static kv_status check_regular(const struct file *file, struct kv_error *err)
{
	uint64_t bytes;

	if (file->fs->ops->size(file->fs->ctx, file->fd, &bytes) == 0)
		return KV_OK;
	if (errno != EINVAL)
		return fail(file, err, "cannot ask for the size");
	fail(file, err, "is not a regular file");
	if (err) {
		err->errnum = 0;
		err->status = KV_INVALID;
	}
	return KV_INVALID;
}

kv_status file_open(const struct dir *dir, const char *name, enum file_mode mode, struct file *ret,
	struct kv_error *err)
{
	const struct fs *fs = dir->fs;
	struct file file = { .fs = fs, .dir_path = dir->path };
	kv_status status;

	if (name[0] == '\0' || strchr(name, '/') || strlen(name) >= sizeof file.name)
		return kv_error_set(err, KV_INVALID, "'%s' is no name of a file", name);
	memcpy(file.name, name, strlen(name) + 1);
	do {
		file.fd = fs->ops->open(fs->ctx, dir->fd, name, flags_of(mode), FILE_PERMISSIONS);
	} while (file.fd < 0 && errno == EINTR);
	if (file.fd < 0)
		return fail(&file, err, mode == FILE_CREATE ? "cannot create" : "cannot open");
	status = check_regular(&file, err);
	if (status != KV_OK)
		file_close(&file);
	else
		*ret = file;
	return status;
}

void file_close(struct file *file)
{
	/* a zeroed one has no fs; descriptor 0 in it means nothing */
	if (file->fs && file->fd >= 0)
		file->fs->ops->close(file->fs->ctx, file->fd);
	file->fd = -1;
}

kv_status file_size(const struct file *file, uint64_t *ret_bytes, struct kv_error *err)
{
	uint64_t bytes;

	if (file->fs->ops->size(file->fs->ctx, file->fd, &bytes) != 0)
		return fail(file, err, "cannot ask for the size");
	*ret_bytes = bytes;
	return KV_OK;
}

kv_status file_read_at(const struct file *file, void *to, size_t len, uint64_t offset,
	struct kv_error *err)
{
	uint8_t *pos = to;
	ssize_t n;

	/* an offset that came from damaged bytes can be anything */
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return fs_error_corrupt(err, file->dir_path, file->name, offset, "no such offset");
	while (len > 0) {
		n = file->fs->ops->pread(file->fs->ctx, file->fd, pos, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fs_error_at(err, errno, file->dir_path, file->name, "cannot read", offset);
		if (n == 0)
			return fs_error_corrupt(err, file->dir_path, file->name, offset,
				"the file ends too early");
		pos += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return KV_OK;
}

kv_status file_write_at(const struct file *file, struct slice data, uint64_t offset,
	struct kv_error *err)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data.data, .iov_len = data.len };

	return file_writev_at(file, &iov, 1, offset, err);
}

/* Drops the first `done` bytes, and empty pieces at the front. */
static void advance(struct iovec **iov, int *count, size_t done)
{
	while (*count > 0 && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count > 0) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

kv_status file_writev_at(const struct file *file, struct iovec *iov, int count, uint64_t offset,
	struct kv_error *err)
{
	ssize_t n;

	assert(count >= 0 && count <= IOV_COUNT_MAX);
	advance(&iov, &count, 0);
	while (count > 0) {
		if (offset > INT64_MAX)
			return fs_error_at(err, EFBIG, file->dir_path, file->name, "cannot write", offset);
		n = file->fs->ops->pwritev(file->fs->ctx, file->fd, iov, count, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		/* no progress without an error would make us turn round for ever */
		if (n <= 0)
			return fs_error_at(err, n < 0 ? errno : EIO, file->dir_path, file->name,
				"cannot write", offset);
		advance(&iov, &count, (size_t)n);
		offset += (size_t)n;
	}
	return KV_OK;
}

kv_status file_sync(const struct file *file, struct kv_error *err)
{
	/* not retried for EINTR either: nobody can say what became of the dirty pages */
	if (file->fs->ops->fdatasync(file->fs->ctx, file->fd) != 0)
		return fail(file, err, "cannot sync");
	return KV_OK;
}

kv_status file_start_writeback(const struct file *file, uint64_t offset, uint64_t len, struct kv_error *err)
{
	assert(offset <= INT64_MAX && len <= INT64_MAX - offset);
	if (file->fs->ops->writeback(file->fs->ctx, file->fd, (off_t)offset, (off_t)len) == 0 ||
		errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP)
		return KV_OK;
	return fs_error_at(err, errno, file->dir_path, file->name, "cannot write", offset);
}

void file_forget(const struct file *file, uint64_t offset, uint64_t len)
{
	if (file->fs->ops->forget && offset <= INT64_MAX && len <= INT64_MAX - offset)
		file->fs->ops->forget(file->fs->ctx, file->fd, (off_t)offset, (off_t)len);
}

kv_status file_truncate(const struct file *file, uint64_t len, struct kv_error *err)
{
	int result;

	if (len > INT64_MAX)
		return fs_error_at(err, EFBIG, file->dir_path, file->name, "cannot truncate", len);
	do {
		result = file->fs->ops->ftruncate(file->fs->ctx, file->fd, (off_t)len);
	} while (result != 0 && errno == EINTR);
	if (result != 0)
		return fs_error_at(err, errno, file->dir_path, file->name, "cannot truncate", len);
	return KV_OK;
}

kv_status file_write_zeros(const struct file *file, uint64_t from, uint64_t to, struct kv_error *err)
{
	/* never written to; not const, so that it takes no space in the program's file */
	static uint8_t zeros[ZEROS_BYTES];
	kv_status status = KV_OK;

	for (; status == KV_OK && from < to; from += ZEROS_BYTES) {
		uint64_t left = to - from;

		status = file_write_at(file, slice_of(zeros, left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES), from, err);
	}
	return status;
}

kv_status file_allocate(const struct file *file, uint64_t len, struct kv_error *err)
{
	uint64_t now;
	kv_status status;
	int result;

	if (len == 0)
		return KV_OK;
	if (len > INT64_MAX)
		return fs_error_at(err, EFBIG, file->dir_path, file->name, "cannot allocate", len);
	do {
		result = file->fs->ops->fallocate(file->fs->ctx, file->fd, 0, 0, (off_t)len);
	} while (result != 0 && errno == EINTR);
	if (result == 0)
		return KV_OK;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return fs_error_at(err, errno, file->dir_path, file->name, "cannot allocate", len);
	status = file_size(file, &now, err);
	return status == KV_OK ? file_write_zeros(file, now, len, err) : status;
}

kv_status file_lock(const struct file *file, struct kv_error *err)
{
	int result;

	do {
		result = file->fs->ops->lock(file->fs->ctx, file->fd);
	} while (result != 0 && errno == EINTR);
	if (result == 0)
		return KV_OK;
	if (errno != EWOULDBLOCK)
		return fail(file, err, "cannot lock");
	fail(file, err, "cannot lock");
	if (err)
		err->status = KV_BUSY;
	return KV_BUSY;
}

kv_status file_read_whole(const struct dir *dir, const char *name, size_t max, struct buf *ret,
	struct kv_error *err)
{
	struct file file = { .fd = -1 };
	struct buf content = { 0 };
	uint64_t bytes = 0;
	kv_status status;

	status = file_open(dir, name, FILE_READ, &file, err);
	if (status != KV_OK)
		return status;
	status = file_size(&file, &bytes, err);
	if (status != KV_OK)
		goto out;
	if (bytes > max) {
		status = fs_error_corrupt(err, dir->path, name, max, "the file is too large");
		goto out;
	}
	status = buf_reserve(&content, (size_t)bytes);
	if (status != KV_OK) {
		kv_error_set(err, status, "cannot read %s", name);
		goto out;
	}
	status = file_read_at(&file, content.data, (size_t)bytes, 0, err);
	if (status != KV_OK)
		goto out;
	content.len = (size_t)bytes;
	buf_free(ret);
	*ret = content;
	content = (struct buf){ 0 };
out:
	buf_free(&content);
	file_close(&file);
	return status;
}

static kv_status write_temp(const struct dir *dir, const char *temp_name, struct slice content,
	struct kv_error *err)
{
	struct file file = { .fd = -1 };
	kv_status status;

	/* one may be left over from a crash */
	status = dir_unlink(dir, temp_name, err);
	if (status != KV_OK && status != KV_NOT_FOUND)
		return status;
	status = file_open(dir, temp_name, FILE_CREATE, &file, err);
	if (status != KV_OK)
		return status;
	status = file_write_at(&file, content, 0, err);
	if (status == KV_OK)
		status = file_sync(&file, err);
	file_close(&file);
	return status;
}

static kv_status uncertain(struct kv_error *err)
{
	if (err)
		err->status = KV_UNCERTAIN;
	return KV_UNCERTAIN;
}

/* After an error of the device or of the network nobody knows whether it was done all the same. */
static kv_status rename_temp(const struct dir *dir, const char *temp_name, const char *name, struct kv_error *err)
{
	struct kv_error own = { 0 };
	struct kv_error *told = err ? err : &own;
	kv_status status = dir_rename(dir, temp_name, dir, name, false, told);

	return status == KV_IO && told->errnum == EIO ? uncertain(told) : status;
}

kv_status file_replace(const struct dir *dir, const char *name, const char *temp_name,
	struct slice content, struct kv_error *err)
{
	kv_status status;

	status = write_temp(dir, temp_name, content, err);
	if (status == KV_OK)
		status = rename_temp(dir, temp_name, name, err);
	if (status != KV_OK) {
		dir_unlink(dir, temp_name, NULL); /* the first error is the one to tell */
		return status;
	}
	return dir_sync(dir, err) == KV_OK ? KV_OK : uncertain(err);
}
