/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's log: levels, to stderr, to a file, or to syslog. Only http, daemon and tools log; base and
 * engine return errors (the engine hands notable events to a callback). Any thread; a line is
 * written with one write(2) to a descriptor opened O_APPEND, so lines never mix and none is lost
 * while logrotate moves the file: log_reopen() opens the new file before it closes the old.
 */
#ifndef KV_BASE_LOG_H
#define KV_BASE_LOG_H

#include "base/status.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_COUNT };

/* "error", "warning", "info", "debug". */
const char *log_level_name(enum log_level level);

/* KV_INVALID for any other word; *ret is untouched then. */
kv_status log_level_parse(const char *word, enum log_level *ret);

/* Before any log_open_*, lines go to stderr. */
void log_to_stderr(void);
void log_to_syslog(const char *ident);

/* Appends to `path` (created 0640; a symbolic link, FIFO or directory there is refused). On failure the log
 * goes on where it went before. Main thread. */
kv_status log_to_file(const char *path, struct kv_error *err);

/* Opens the file of log_to_file() anew; no effect for the other targets. On failure the old file stays
 * in use. Main thread. */
kv_status log_reopen(struct kv_error *err);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Lines above the level cost one atomic load. A line break or control byte inside the text is written
 * as an escape. Form in files and on stderr: "2026-11-22T14:15:52.123Z kvstored[123] error: text". */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Closes what is open; later lines go to stderr. No other thread may log at the same time. */
void log_close(void);

#endif
