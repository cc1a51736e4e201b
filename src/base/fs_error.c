/* SPDX-License-Identifier: BSD-2-Clause */
/* One mapping from errno to status for everything that is done with names and descriptors. */
#include "base/fs_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static kv_status status_of(int errnum)
{
	switch (errnum) {
	case ENOENT:
		return KV_NOT_FOUND;
	case EEXIST:
	case ELOOP:
	case ENOTDIR:
	case EISDIR:
	case ENXIO:
		return KV_INVALID;
	default:
		return kv_status_from_errno(errnum);
	}
}

static void join(char *to, size_t size, const char *dir_path, const char *name)
{
	int len = snprintf(to, size, "%s%s%s", dir_path, name ? "/" : "", name ? name : "");

	/* the end of a path says more than its start */
	if (name && len >= (int)size)
		snprintf(to, size, ".../%s", name);
}

kv_status (fs_error)(struct kv_error *err, int errnum, const char *dir_path, const char *name,
	const char *what)
{
	char path[KV_ERROR_FILE_MAX];

	if (!err)
		return status_of(errnum);
	join(path, sizeof path, dir_path, name);
	kv_error_errno(err, errnum, path, what);
	err->status = status_of(errnum);
	return err->status;
}

kv_status (fs_error_at)(struct kv_error *err, int errnum, const char *dir_path, const char *name,
	const char *what, uint64_t offset)
{
	kv_status ret = fs_error(err, errnum, dir_path, name, what);

	if (err) {
		err->has_offset = true;
		err->offset = offset;
	}
	return ret;
}

kv_status (fs_error_corrupt)(struct kv_error *err, const char *dir_path, const char *name,
	uint64_t offset, const char *what)
{
	char path[KV_ERROR_FILE_MAX];

	if (!err)
		return KV_CORRUPT;
	join(path, sizeof path, dir_path, name);
	return kv_error_corrupt(err, path, offset, "%s", what);
}
