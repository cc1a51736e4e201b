/* SPDX-License-Identifier: BSD-2-Clause */
/* Not through base/file: the path may be a symbolic link, and not everything that can be opened is a file to read. */
#define _GNU_SOURCE
#include "daemon/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static kv_status cannot(const char *do_what, const struct text_file_kind *kind, const char *path, int errnum,
	struct kv_error *err)
{
	char text[80];

	snprintf(text, sizeof(text), "cannot %s %s", do_what, kind->what);
	return kv_error_errno(err, errnum, path, text);
}

static kv_status check(const char *path, const struct text_file_kind *kind, const struct stat *st,
	struct kv_error *err)
{
	if (!S_ISREG(st->st_mode))
		return kv_error_set(err, KV_INVALID, "%s '%s' is not a regular file", kind->what, path);
	if ((st->st_mode & kind->forbidden) != 0)
		return kv_error_set(err, KV_INVALID, "%s file '%s' has the mode %03o: others must have no access, and its "
			"group may only read (chmod 640)", kind->what, path, (unsigned)st->st_mode & 0777);
	return KV_OK;
}

static kv_status open_regular(const char *path, const struct text_file_kind *kind, int *ret_fd,
	struct kv_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
	struct stat st;
	kv_status status;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return kv_error_set(err, KV_NOT_FOUND, "%s file '%s' does not exist", kind->what, path);
	if (fd < 0)
		return cannot("open", kind, path, errno, err);
	status = fstat(fd, &st) == 0 ? check(path, kind, &st, err) : cannot("look at", kind, path, errno, err);
	if (status == KV_OK)
		*ret_fd = fd;
	else
		close(fd);
	return status;
}

static kv_status read_all(int fd, const char *path, const struct text_file_kind *kind, struct buf *text,
	struct kv_error *err)
{
	char part[4096];
	ssize_t got;

	while ((got = read(fd, part, sizeof(part))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cannot("read", kind, path, errno, err);
		if (memchr(part, '\0', (size_t)got) || text->len + (size_t)got > kind->max)
			return kv_error_set(err, KV_INVALID, "%s '%s' is not a text file", kind->what, path);
		if (buf_append(text, part, (size_t)got) != KV_OK)
			return kv_error_set(err, KV_NO_MEMORY, "cannot hold '%s'", path);
	}
	return KV_OK;
}

kv_status text_file_read(const char *path, const struct text_file_kind *kind, struct buf *text,
	struct kv_error *err)
{
	int fd = -1;
	kv_status status = open_regular(path, kind, &fd, err);

	if (status != KV_OK)
		return status;
	status = read_all(fd, path, kind, text, err);
	close(fd);
	return status;
}
