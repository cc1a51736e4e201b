/* SPDX-License-Identifier: BSD-2-Clause */
/* The order in privileges_drop() matters: after setuid() nothing else would be allowed. */
#define _GNU_SOURCE
#include "daemon/privileges.h"

#include "base/file.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

kv_status privileges_resolve(const char *user, const char *group, struct privileges *ret,
	struct kv_error *err)
{
	struct privileges result = { 0 };
	const struct passwd *passwd;
	const struct group *entry;

	if (geteuid() != 0 || user[0] == '\0') {
		*ret = result;
		return KV_OK;
	}
	/* cppcheck-suppress getpwnamCalled ; before there are threads */
	passwd = getpwnam(user);
	if (!passwd)
		return kv_error_set(err, KV_INVALID, "user '%s' does not exist (user = \"\" stays root)", user);
	result.drop = passwd->pw_uid != 0;
	result.uid = passwd->pw_uid;
	result.gid = passwd->pw_gid;
	snprintf(result.user, sizeof(result.user), "%s", user);
	/* cppcheck-suppress getgrnamCalled ; before there are threads */
	entry = group[0] != '\0' ? getgrnam(group) : NULL;
	if (group[0] != '\0' && !entry)
		return kv_error_set(err, KV_INVALID, "group '%s' does not exist", group);
	if (entry)
		result.gid = entry->gr_gid;
	*ret = result;
	return KV_OK;
}

kv_status privileges_make_dir(const struct privileges *privileges, const char *path, struct kv_error *err)
{
	struct dir dir = { .fd = -1 };
	struct stat st;
	kv_status status;
	bool missing = lstat(path, &st) != 0;

	if (!privileges->drop)
		return KV_OK;
	status = dir_open(&fs_posix, path, true, &dir, err);
	if (status != KV_OK)
		return status;
	if (missing && fchown(dir.fd, privileges->uid, privileges->gid) != 0)
		status = kv_error_errno(err, errno, path, "cannot change the owner of");
	if (status == KV_OK && fstat(dir.fd, &st) != 0)
		status = kv_error_errno(err, errno, path, "cannot look at");
	if (status == KV_OK && st.st_uid != privileges->uid)
		status = kv_error_errno(err, EACCES, path, "must belong to the user of the configuration");
	dir_close(&dir);
	return status;
}

/* The parent of `path`, reached through symbolic links if need be. */
static kv_status open_parent(const char *path, struct dir *ret, struct kv_error *err)
{
	char copy[PATH_MAX];
	char *parent;
	kv_status status;

	if (strlen(path) >= sizeof(copy))
		return kv_error_errno(err, ENAMETOOLONG, path, "cannot make");
	parent = realpath(dirname(memcpy(copy, path, strlen(path) + 1)), NULL);
	if (!parent)
		return kv_error_errno(err, errno, path, "cannot find the directory of");
	status = dir_open(&fs_posix, parent, false, ret, err);
	free(parent);
	return status;
}

kv_status privileges_make_file(const struct privileges *privileges, const char *path,
	struct kv_error *err)
{
	struct dir dir = { .fd = -1 };
	struct file file = { .fd = -1 };
	kv_status status;
	struct kv_error taken;

	if (!privileges->drop)
		return KV_OK;
	status = open_parent(path, &dir, err);
	if (status != KV_OK)
		return status;
	status = file_open(&dir, strrchr(path, '/') + 1, FILE_CREATE, &file, &taken);
	if (status == KV_OK && (fchmod(file.fd, 0640) != 0 ||
			fchown(file.fd, privileges->uid, privileges->gid) != 0))
		status = kv_error_errno(err, errno, path, "cannot change the owner of");
	else if (status != KV_OK && taken.errnum == EEXIST)
		status = KV_OK;
	else if (status != KV_OK && err)
		*err = taken;
	file_close(&file);
	dir_close(&dir);
	return status;
}

static kv_status set_group(const struct privileges *privileges, gid_t gid, struct kv_error *err)
{
	if (privileges->drop && setegid(gid) != 0)
		return kv_error_errno(err, errno, "", "cannot change the group");
	return KV_OK;
}

kv_status privileges_enter_group(const struct privileges *privileges, struct kv_error *err)
{
	return set_group(privileges, privileges->gid, err);
}

kv_status privileges_leave_group(const struct privileges *privileges, struct kv_error *err)
{
	return set_group(privileges, getgid(), err);
}

static bool is_dropped(const struct privileges *privileges)
{
	uid_t uid[3];
	gid_t gid[3];

	if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
		return false;
	for (int i = 0; i < 3; i++) {
		if (uid[i] != privileges->uid || gid[i] != privileges->gid)
			return false;
	}
	return setuid(0) != 0;
}

kv_status privileges_drop(const struct privileges *privileges, struct kv_error *err)
{
	if (!privileges->drop)
		return KV_OK;
	if (initgroups(privileges->user, privileges->gid) != 0 || setgid(privileges->gid) != 0 ||
		setuid(privileges->uid) != 0)
		return kv_error_errno(err, errno, "", "cannot drop the privileges of root");
	if (!is_dropped(privileges))
		return kv_error_errno(err, EPERM, "", "the privileges of root are not really dropped");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
		return kv_error_errno(err, errno, "", "cannot settle after dropping privileges");
	return KV_OK;
}
