/* SPDX-License-Identifier: BSD-2-Clause */
/* A table by status; where that says only that a system call failed, a table by errno before it. */
#include "daemon/exit_code.h"

#include <errno.h>
#include <stddef.h>

static const struct {
	int errnum;
	enum exit_code code;
} by_errno[] = {
	{ ENOENT, EXIT_CODE_CONFIG }, /* a path that leads nowhere */
	{ EADDRINUSE, EXIT_CODE_ADDRESS_IN_USE },
	{ EACCES, EXIT_CODE_PERMISSION },
	{ EPERM, EXIT_CODE_PERMISSION },
	{ EROFS, EXIT_CODE_PERMISSION },
	/* a symbolic link, a file or a directory in the place of something else */
	{ ELOOP, EXIT_CODE_PERMISSION },
	{ ENOTDIR, EXIT_CODE_PERMISSION },
	{ EISDIR, EXIT_CODE_PERMISSION },
	{ ENXIO, EXIT_CODE_PERMISSION },
};

static const enum exit_code by_status[KV_STATUS_COUNT] = {
	[KV_OK] = EXIT_CODE_OK,
	[KV_NOT_FOUND] = EXIT_CODE_CONFIG,
	[KV_INVALID] = EXIT_CODE_CONFIG,
	[KV_CONDITION] = EXIT_CODE_IO,
	[KV_NO_MEMORY] = EXIT_CODE_IO,
	[KV_NO_SPACE] = EXIT_CODE_IO,
	[KV_BUSY] = EXIT_CODE_LOCKED,
	[KV_IO] = EXIT_CODE_IO,
	[KV_CORRUPT] = EXIT_CODE_DAMAGED,
	[KV_UNSUPPORTED] = EXIT_CODE_DAMAGED,
	[KV_UNCERTAIN] = EXIT_CODE_IO,
};

enum exit_code exit_code_of(const struct kv_error *err)
{
	bool by_call = err->status == KV_IO || err->status == KV_BUSY || err->status == KV_INVALID;

	for (size_t i = 0; by_call && i < sizeof(by_errno) / sizeof(by_errno[0]); i++) {
		if (err->errnum == by_errno[i].errnum)
			return by_errno[i].code;
	}
	/* base/file says KV_INVALID with the file's name for what is no regular file: a FIFO, say. */
	if (err->status == KV_INVALID && err->file[0] != '\0')
		return EXIT_CODE_PERMISSION;
	return (unsigned)err->status < KV_STATUS_COUNT ? by_status[err->status] : EXIT_CODE_IO;
}
