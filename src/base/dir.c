/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directories: the functions dir_* of file.h. No path is walked after opening: everything happens
 * relative to the descriptor, so that a directory moved or replaced under us changes nothing.
 */
#define _GNU_SOURCE
#include "base/file.h"

#include "base/fs_error.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	OPEN_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	DIR_MODE = 0700,
};

struct dir_syncs {
	pthread_mutex_t mu; /* so that no two syncs share the one error that the kernel tells */
	int failed;         /* guarded by mu: errno of the first that failed; 0: none has */
};

static struct dir_syncs *syncs_new(void)
{
	struct dir_syncs *ret = calloc(1, sizeof *ret);

	if (ret && pthread_mutex_init(&ret->mu, NULL) != 0) {
		free(ret);
		return NULL;
	}
	return ret;
}

static void syncs_free(struct dir_syncs *syncs)
{
	if (!syncs)
		return;
	pthread_mutex_destroy(&syncs->mu);
	free(syncs);
}

static int open_dir(const struct fs *fs, int at_fd, const char *name)
{
	int fd;

	do {
		fd = fs->ops->open(fs->ctx, at_fd, name, OPEN_FLAGS, 0);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

/* What fsync says of a directory of squashfs, erofs or iso9660, where nothing is ever written. */
static bool is_never_synced(int errnum)
{
	return errnum == EINVAL || errnum == EROFS || errnum == EOPNOTSUPP;
}

/* Syncs the directory that holds `path`. A name that was there before us (`made` is false) may lie where we may not
 * read, or be a mount point on a file system that has no such sync: then it is not for us to make it durable. */
static int sync_parent(const struct fs *fs, const char *path, bool made)
{
	char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	int result = -1;
	int saved;
	int fd;

	if (!parent) {
		errno = ENOMEM;
		return -1;
	}
	if (slash)
		slash[slash == parent] = '\0';
	/* the parent may well be reached through a symbolic link, only the last component may not */
	fd = fs->ops->open(fs->ctx, AT_FDCWD, slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	saved = errno;
	if (fd >= 0) {
		result = fs->ops->fsync(fs->ctx, fd);
		saved = errno;
		fs->ops->close(fs->ctx, fd);
		if (result != 0 && !made && is_never_synced(saved))
			result = 0;
	} else if (!made && (saved == EACCES || saved == EPERM)) {
		result = 0;
	}
	free(parent);
	errno = saved;
	return result;
}

/* With `create` the parent is synced even when the directory is there already: whoever made it may have been
 * killed before he could. */
static kv_status make(const struct fs *fs, const struct dir *parent, const char *name, const char *path, struct kv_error *err)
{
	bool made = fs->ops->mkdir(fs->ctx, parent ? parent->fd : AT_FDCWD, name, DIR_MODE) == 0;

	if (!made && errno != EEXIST)
		return fs_error(err, errno, path, NULL, "cannot create the directory");
	if (parent)
		return dir_sync(parent, err);
	if (sync_parent(fs, name, made) != 0)
		return fs_error(err, errno, path, NULL, "cannot sync the directory above");
	return KV_OK;
}

/* `parent` NULL: `name` is a path. */
static kv_status open_path(const struct fs *fs, const struct dir *parent, const char *name, char *path, bool create,
	struct dir *ret, struct kv_error *err)
{
	struct dir_syncs *syncs;
	kv_status status = create ? make(fs, parent, name, path, err) : KV_OK;
	int fd;

	if (status != KV_OK)
		return status;
	fd = open_dir(fs, parent ? parent->fd : AT_FDCWD, name);
	if (fd < 0)
		return fs_error(err, errno, path, NULL, "cannot open the directory");
	syncs = syncs_new();
	if (!syncs) {
		fs->ops->close(fs->ctx, fd);
		return kv_error_set(err, KV_NO_MEMORY, "cannot open the directory %s", path);
	}
	*ret = (struct dir){ .fs = fs, .fd = fd, .path = path, .syncs = syncs };
	return KV_OK;
}

kv_status dir_open(const struct fs *fs, const char *path, bool create, struct dir *ret,
	struct kv_error *err)
{
	size_t len = strlen(path);
	kv_status status;
	char *copy;

	/* with a slash at its end, O_NOFOLLOW would follow */
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0)
		return kv_error_set(err, KV_INVALID, "the name of a directory is empty");
	copy = strndup(path, len);
	if (!copy)
		return kv_error_set(err, KV_NO_MEMORY, "cannot open the directory %s", path);
	status = open_path(fs, NULL, copy, copy, create, ret, err);
	if (status != KV_OK)
		free(copy);
	return status;
}

kv_status dir_create(const struct fs *fs, const char *path, struct dir *ret, struct kv_error *err)
{
	kv_status status;

	if (fs->ops->mkdir(fs->ctx, AT_FDCWD, path, DIR_MODE) != 0)
		return fs_error(err, errno, path, NULL, "cannot create the directory");
	if (sync_parent(fs, path, true) == 0)
		status = dir_open(fs, path, false, ret, err);
	else
		status = fs_error(err, errno, path, NULL, "cannot sync the directory above");
	if (status != KV_OK)
		(void)fs->ops->rmdir(fs->ctx, AT_FDCWD, path); /* the first error is the one to tell */
	return status;
}

static int discard_file(void *arg, const char *name)
{
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		(void)dir_unlink(arg, name, NULL);
	return 0;
}

void dir_discard(struct dir *dir)
{
	const struct fs *fs = dir->fs;

	if (dir->fd < 0)
		return;
	(void)dir_list(dir, discard_file, dir, NULL);
	if (fs->ops->rmdir(fs->ctx, AT_FDCWD, dir->path) == 0)
		(void)sync_parent(fs, dir->path, true);
	dir_close(dir);
}

kv_status dir_open_at(const struct dir *parent, const char *name, bool create, struct dir *ret,
	struct kv_error *err)
{
	size_t size = strlen(parent->path) + 1 + strlen(name) + 1;
	kv_status status;
	char *path;

	if (name[0] == '\0' || strchr(name, '/'))
		return kv_error_set(err, KV_INVALID, "'%s' is no name of a directory", name);
	path = malloc(size);
	if (!path)
		return kv_error_set(err, KV_NO_MEMORY, "cannot open the directory %s", name);
	snprintf(path, size, "%s/%s", parent->path, name);
	status = open_path(parent->fs, parent, name, path, create, ret, err);
	if (status != KV_OK)
		free(path);
	return status;
}

void dir_close(struct dir *dir)
{
	/* a zeroed one has no fs; descriptor 0 in it means nothing */
	if (dir->fs && dir->fd >= 0)
		dir->fs->ops->close(dir->fs->ctx, dir->fd);
	free(dir->path);
	syncs_free(dir->syncs);
	dir->path = NULL;
	dir->syncs = NULL;
	dir->fd = -1;
}

kv_status dir_sync(const struct dir *dir, struct kv_error *err)
{
	struct dir_syncs *syncs = dir->syncs;
	bool before;
	int failed;

	pthread_mutex_lock(&syncs->mu);
	before = syncs->failed != 0;
	/* not retried for EINTR either: nobody can say what became of the dirty pages */
	if (!before && dir->fs->ops->fsync(dir->fs->ctx, dir->fd) != 0)
		syncs->failed = errno;
	failed = syncs->failed;
	pthread_mutex_unlock(&syncs->mu);
	if (failed == 0)
		return KV_OK;
	fs_error(err, failed, dir->path, NULL,
		before ? "the directory is not synced any more since that failed" : "cannot sync the directory");
	if (err)
		err->status = KV_IO;
	return KV_IO;
}

kv_status dir_list(const struct dir *dir, int (*each)(void *arg, const char *name), void *arg,
	struct kv_error *err)
{
	if (dir->fs->ops->list(dir->fs->ctx, dir->fd, each, arg) != 0)
		return fs_error(err, errno, dir->path, NULL, "cannot list the directory");
	return KV_OK;
}

kv_status dir_space(const struct dir *dir, uint64_t *ret_free_bytes, struct kv_error *err)
{
	uint64_t bytes;

	if (dir->fs->ops->space(dir->fs->ctx, dir->fd, &bytes) != 0)
		return fs_error(err, errno, dir->path, NULL, "cannot ask for the free space");
	*ret_free_bytes = bytes;
	return KV_OK;
}

kv_status dir_unlink(const struct dir *dir, const char *name, struct kv_error *err)
{
	if (dir->fs->ops->unlink(dir->fs->ctx, dir->fd, name) != 0)
		return fs_error(err, errno, dir->path, name, "cannot remove");
	return KV_OK;
}

kv_status dir_rename(const struct dir *from_dir, const char *from, const struct dir *to_dir,
	const char *to, bool keep_existing, struct kv_error *err)
{
	const struct fs *fs = from_dir->fs;

	if (fs->ops->rename(fs->ctx, from_dir->fd, from, to_dir->fd, to,
		    keep_existing ? RENAME_NOREPLACE : 0) == 0)
		return KV_OK;
	if (errno == EEXIST)
		return fs_error(err, errno, to_dir->path, to, "cannot rename to this name");
	/* a file system that does not know RENAME_NOREPLACE says EINVAL; link() never replaces */
	if (!keep_existing || errno != EINVAL)
		return fs_error(err, errno, from_dir->path, from, "cannot rename");
	if (fs->ops->link(fs->ctx, from_dir->fd, from, to_dir->fd, to) != 0)
		return fs_error(err, errno, to_dir->path, to, "cannot rename to this name");
	if (fs->ops->unlink(fs->ctx, from_dir->fd, from) != 0)
		return fs_error(err, errno, from_dir->path, from, "cannot remove the old name");
	return KV_OK;
}

kv_status dir_exchange(const struct dir *dir, const char *a, const char *b, struct kv_error *err)
{
	if (dir->fs->ops->rename(dir->fs->ctx, dir->fd, a, dir->fd, b, RENAME_EXCHANGE) == 0)
		return KV_OK;
	if (errno == EINVAL || errno == ENOSYS)
		return kv_error_set(err, KV_UNSUPPORTED, "the file system cannot exchange the names of two files");
	return fs_error(err, errno, dir->path, a, "cannot exchange the name of");
}

kv_status dir_link(const struct dir *from_dir, const char *from, const struct dir *to_dir,
	const char *to, struct kv_error *err)
{
	const struct fs *fs = from_dir->fs;

	if (fs->ops->link(fs->ctx, from_dir->fd, from, to_dir->fd, to) != 0)
		return fs_error(err, errno, to_dir->path, to, "cannot create the link");
	return KV_OK;
}

kv_status dir_look(const struct dir *dir, const char *name, struct kv_error *err)
{
	int fd = dir->fs->ops->open(dir->fs->ctx, dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0)
		return fs_error(err, errno, dir->path, name, "cannot look for");
	dir->fs->ops->close(dir->fs->ctx, fd);
	return KV_OK;
}

bool dir_has(const struct dir *dir, const char *name)
{
	return dir_look(dir, name, NULL) == KV_OK;
}
