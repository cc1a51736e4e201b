/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line is made on the stack and goes out by one write. The log file keeps one descriptor number for the life of the
 * process: reopening puts the new file under that number with dup3, atomically, so that a thread that is
 * just writing needs no lock and loses no line.
 *
 * The file is opened here and not through base/file: it is no data, is only appended to, is never synced,
 * and must work when the store's file system does not.
 */
#define _GNU_SOURCE
#include "base/log.h"

#include "base/clock.h"
#include "base/fs_error.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
	TEXT_MAX = 2048,                      /* bytes of one message, the rest is cut */
	LINE_MAX_BYTES = 128 + 4 * TEXT_MAX, /* every byte may become \xNN */
	IDENT_MAX = 32,
	TO_SYSLOG = -1, /* in place of a descriptor */
};

static const struct {
	const char *name;
	int priority;
} levels[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

/* written by the main thread, read by any */
static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_int target = STDERR_FILENO; /* a descriptor, or TO_SYSLOG */

/* main thread only */
static int file_fd = -1;
static char *file_path; /* owned; NULL while there is no file */
static char syslog_ident[IDENT_MAX];

const char *log_level_name(enum log_level level)
{
	assert((unsigned)level < LOG_LEVEL_COUNT);
	return levels[level].name;
}

kv_status log_level_parse(const char *word, enum log_level *ret)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (strcmp(word, levels[i].name) == 0) {
			*ret = (enum log_level)i;
			return KV_OK;
		}
	}
	return KV_INVALID;
}

void log_set_level(enum log_level level)
{
	assert((unsigned)level < LOG_LEVEL_COUNT);
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_to_stderr(void)
{
	/* an open file stays open until log_close(): another thread may just write to it */
	atomic_store(&target, STDERR_FILENO);
}

void log_to_syslog(const char *ident)
{
	/* openlog keeps the pointer */
	snprintf(syslog_ident, sizeof syslog_ident, "%s", ident);
	openlog(syslog_ident, LOG_PID, LOG_DAEMON);
	atomic_store(&target, TO_SYSLOG);
}

/* A descriptor, or -1 with errno; ENXIO for what is not a regular file. */
static int open_file(const char *path)
{
	struct stat st;
	/* O_NONBLOCK: a FIFO must be refused, not waited for */
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);

	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = ENXIO;
		fd = -1;
	}
	return fd;
}

/* Makes `path` what file_fd writes to. */
static kv_status switch_file(const char *path, struct kv_error *err)
{
	kv_status status = KV_OK;
	int fd = open_file(path);

	if (fd < 0)
		return fs_error(err, errno, path, NULL, errno == ENXIO ?
			"the log file is not a regular file" : "cannot open the log file");
	if (file_fd < 0) {
		file_fd = fd;
		return KV_OK;
	}
	if (dup3(fd, file_fd, O_CLOEXEC) < 0)
		status = fs_error(err, errno, path, NULL, "cannot switch to the log file");
	close(fd);
	return status;
}

kv_status log_to_file(const char *path, struct kv_error *err)
{
	char *copy = strdup(path);
	kv_status status;

	if (!copy)
		return kv_error_set(err, KV_NO_MEMORY, "cannot open the log file %s", path);
	status = switch_file(path, err);
	if (status != KV_OK) {
		free(copy);
		return status;
	}
	free(file_path);
	file_path = copy;
	atomic_store(&target, file_fd);
	return KV_OK;
}

kv_status log_reopen(struct kv_error *err)
{
	if (!file_path || atomic_load(&target) != file_fd)
		return KV_OK;
	return switch_file(file_path, err);
}

void log_close(void)
{
	if (atomic_exchange(&target, STDERR_FILENO) == TO_SYSLOG)
		closelog();
	if (file_fd >= 0)
		close(file_fd);
	file_fd = -1;
	free(file_path);
	file_path = NULL;
}

/* Copies `text` without control bytes, so that nobody can forge a line. Returns the length; `to` has room. */
static size_t escape(char *to, const char *text)
{
	char *pos = to;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\n')
			pos = stpcpy(pos, "\\n");
		else if (c == '\t')
			pos = stpcpy(pos, "\\t");
		else if (c < 0x20 || c == 0x7f)
			pos += sprintf(pos, "\\x%02x", c);
		else
			*pos++ = (char)c;
	}
	*pos = '\0';
	return (size_t)(pos - to);
}

static size_t put_head(char *to, size_t size, enum log_level level)
{
	uint64_t ms = clock_realtime_us() / 1000;
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(to + len, size - len, ".%03uZ %.32s[%ld] %s: ", (unsigned)(ms % 1000),
		program_invocation_short_name, (long)getpid(), levels[level].name);
	return len;
}

static void write_line(int fd, const char *line, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, line, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* there is nobody left to tell */
		line += n;
		len -= (size_t)n;
	}
}

void log_write(enum log_level level, const char *format, ...)
{
	char text[TEXT_MAX];
	char line[LINE_MAX_BYTES];
	int saved = errno;
	size_t len;
	va_list args;
	int fd;

	if (level > log_get_level())
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof text, format, args) >= (int)sizeof text)
		memcpy(text + sizeof text - 4, "...", 4);
	va_end(args);
	fd = atomic_load(&target);
	if (fd == TO_SYSLOG) {
		escape(line, text);
		syslog(levels[level].priority, "%s", line);
	} else {
		len = put_head(line, 128, level);
		len += escape(line + len, text);
		line[len++] = '\n';
		write_line(fd, line, len);
	}
	errno = saved;
}
