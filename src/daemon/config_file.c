/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Not through base/file: the path may be a symbolic link, and not everything that can be opened is a file to read.
 * The comments go because libconfuse 3.3 counts lines wrongly after one and takes none inside a list.
 */
#define _GNU_SOURCE
#include "daemon/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20 };

static kv_status open_regular(const char *path, int *ret_fd, struct kv_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
	struct stat st;
	int errnum;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return kv_error_set(err, KV_NOT_FOUND, "configuration file '%s' does not exist", path);
	if (fd < 0)
		return kv_error_errno(err, errno, path, "cannot open configuration");
	errnum = fstat(fd, &st) == 0 ? 0 : errno;
	if (errnum == 0 && S_ISREG(st.st_mode)) {
		*ret_fd = fd;
		return KV_OK;
	}
	close(fd);
	if (errnum != 0)
		return kv_error_errno(err, errnum, path, "cannot look at configuration");
	return kv_error_set(err, KV_INVALID, "configuration '%s' is not a regular file", path);
}

static kv_status read_all(int fd, const char *path, struct buf *text, struct kv_error *err)
{
	char part[4096];
	ssize_t got;

	while ((got = read(fd, part, sizeof(part))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return kv_error_errno(err, errno, path, "cannot read configuration");
		if (memchr(part, '\0', (size_t)got) || text->len + (size_t)got > FILE_BYTES_MAX)
			return kv_error_set(err, KV_INVALID, "configuration '%s' is not a text file", path);
		if (buf_append(text, part, (size_t)got) != KV_OK)
			return kv_error_set(err, KV_NO_MEMORY, "cannot hold '%s'", path);
	}
	return KV_OK;
}

kv_status config_file_read(const char *path, struct buf *text, struct kv_error *err)
{
	int fd = -1;
	kv_status status = open_regular(path, &fd, err);

	if (status != KV_OK)
		return status;
	status = read_all(fd, path, text, err);
	close(fd);
	return status;
}

static size_t skip_string(const char *text, size_t len, size_t at)
{
	char quote = text[at];

	for (at++; at < len && text[at] != quote; at++) {
		if (text[at] == '\\')
			at++;
	}
	return at;
}

static size_t blank_until(char *text, size_t len, size_t at, const char *end)
{
	size_t end_len = strlen(end);

	while (at < len && (len - at < end_len || memcmp(text + at, end, end_len) != 0)) {
		if (text[at] != '\n')
			text[at] = ' ';
		at++;
	}
	return at;
}

size_t config_file_blank_comments(char *text, size_t len)
{
	bool at_word = true;
	size_t stray = len;

	for (size_t at = 0; at < len; at++) {
		bool slash = at_word && text[at] == '/' && at + 1 < len;

		if (text[at] == '"' || text[at] == '\'') {
			at = skip_string(text, len, at);
		} else if (text[at] == '#' || (slash && text[at + 1] == '/')) {
			at = blank_until(text, len, at, "\n");
		} else if (slash && text[at + 1] == '*') {
			at = blank_until(text, len, at, "*/");
			if (at < len)
				text[at] = text[at + 1] = ' ';
		} else if (text[at] == '\\' && stray == len) {
			stray = at;
		}
		at_word = at >= len || strchr(" \t\r\n={},+()\"'", text[at]) != NULL;
	}
	return stray;
}
