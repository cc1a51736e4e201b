/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration file as text. */
#ifndef KV_DAEMON_CONFIG_FILE_H
#define KV_DAEMON_CONFIG_FILE_H

#include "base/buf.h"

/* Appends the file to `text`. KV_NOT_FOUND; KV_INVALID for anything but a regular file, one above 1 MiB, and one with
 * NUL bytes. A FIFO is not waited for. */
kv_status config_file_read(const char *path, struct buf *text, struct kv_error *err);

/* Turns comments into spaces; every line stays where it is. '#' begins one anywhere outside of quotes, the slashed forms only
 * where a word may begin: "a//b" is a word. Returns where the first backslash outside of quotes and comments is, or
 * `len`: libconfuse would skip it silently. */
size_t config_file_blank_comments(char *text, size_t len);

#endif
