/* SPDX-License-Identifier: BSD-2-Clause */
/* Text files that the administrator wrote: configuration, tokens, certificates, keys. */
#ifndef KV_DAEMON_TEXT_FILE_H
#define KV_DAEMON_TEXT_FILE_H

#include "base/buf.h"

#include <sys/types.h>

struct text_file_kind {
	const char *what; /* for messages */
	size_t max;       /* bytes */
	mode_t forbidden; /* permission bits that it must not have */
};

/* What is nobody's business: others have no access at all, its group may only read. */
#define TEXT_FILE_SECRET 027

/* Appends the file to `text`. KV_NOT_FOUND; KV_INVALID for anything but a regular file, one above `max`, one with NUL bytes, and
 * one with a forbidden permission. A FIFO is not waited for. */
kv_status text_file_read(const char *path, const struct text_file_kind *kind, struct buf *text,
	struct kv_error *err);

#endif
