/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader sees the old text or the new one, never a part: write a temporary file, sync it, rename it, sync the directory. */
#define _GNU_SOURCE
#include "tools/token_store.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char temp_name[] = ".tokens.new";

enum { LOCK_TRIES = 100, LOCK_WAIT_US = 100 * 1000 };

/* Who can read the directory can lock it, so it is not waited for without an end. */
static kv_status lock(const struct token_store *store, const char *path, struct kv_error *err)
{
	for (int i = 0; flock(store->dir.fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return kv_error_errno(err, errno, path, "cannot lock the directory of");
		if (i == LOCK_TRIES)
			return kv_error_set(err, KV_BUSY, "another process has locked the directory of %s for 10 seconds", path);
		(void)usleep(LOCK_WAIT_US);
	}
	return KV_OK;
}

/* Cuts the path into the directory and the name. */
static kv_status open_dir(const char *path, struct token_store *store, struct kv_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *parent = slash == path ? strdup("/") : slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	kv_status status;

	if (!parent)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory");
	if (name[0] == '\0' || strlen(name) >= sizeof(store->name))
		status = kv_error_set(err, KV_INVALID, "'%s' is not the name of a file", path);
	else
		status = dir_open(&fs_posix, parent, false, &store->dir, err);
	free(parent);
	if (status != KV_OK)
		return status;
	memcpy(store->name, name, strlen(name) + 1);
	return lock(store, path, err);
}

kv_status token_store_open(const char *path, bool create, struct token_store *ret, struct kv_error *err)
{
	kv_status status;

	*ret = (struct token_store){ .path = path };
	ret->dir.fd = -1;
	status = open_dir(path, ret, err);
	if (status != KV_OK)
		return status;
	status = file_read_whole(&ret->dir, ret->name, TOKEN_FILE_MAX, &ret->text, err);
	ret->exists = status == KV_OK;
	if (status == KV_NOT_FOUND && create)
		status = KV_OK;
	if (status == KV_OK)
		status = token_list_parse(buf_slice(&ret->text), path, &ret->list, err);
	return status;
}

void token_store_close(struct token_store *store)
{
	token_list_free(&store->list);
	buf_free(&store->text);
	if (store->dir.fd >= 0)
		dir_close(&store->dir);
}

/* Who may read the file; false: errno. */
static bool set_owner(const struct token_store *store, int fd)
{
	const struct group *group;
	struct stat st;

	if (store->exists)
		return fstatat(store->dir.fd, store->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			((st.st_uid == geteuid() && st.st_gid == getegid()) || fchown(fd, st.st_uid, st.st_gid) == 0) &&
			fchmod(fd, st.st_mode & 07777) == 0;
	/* cppcheck-suppress getgrnamCalled ; there are no threads */
	group = geteuid() == 0 ? getgrnam("kvstored") : NULL;
	return !group || (fchown(fd, 0, group->gr_gid) == 0 && fchmod(fd, 0640) == 0);
}

static kv_status write_temp(const struct token_store *store, struct file *file, struct slice text,
	struct kv_error *err)
{
	kv_status status = file_write_at(file, text, 0, err);

	if (status == KV_OK && !set_owner(store, file->fd))
		status = kv_error_errno(err, errno, store->path, "cannot keep the owner and the mode of");
	return status == KV_OK ? file_sync(file, err) : status;
}

kv_status token_store_replace(const struct token_store *store, struct slice text, struct kv_error *err)
{
	struct file file;
	kv_status status;

	(void)dir_unlink(&store->dir, temp_name, NULL); /* of one that was interrupted: we have the lock */
	status = file_open(&store->dir, temp_name, FILE_CREATE, &file, err);
	if (status != KV_OK)
		return status;
	status = write_temp(store, &file, text, err);
	file_close(&file);
	if (status == KV_OK)
		status = dir_rename(&store->dir, temp_name, &store->dir, store->name, false, err);
	if (status != KV_OK) {
		(void)dir_unlink(&store->dir, temp_name, NULL); /* the first error is the one to tell */
		return status;
	}
	if (dir_sync(&store->dir, err) == KV_OK)
		return KV_OK;
	err->status = KV_UNCERTAIN;
	return KV_UNCERTAIN;
}
