/* SPDX-License-Identifier: BSD-2-Clause */
/* By errno where a call was refused for what is in its way, else by status. */
#include "tools/fsck_exit.h"

#include <errno.h>
#include <stddef.h>
#include <sysexits.h>

enum { EXIT_LOCKED = 75 };

static const struct {
	int errnum;
	int code;
} by_errno[] = {
	{ ENOENT, EX_NOINPUT },
	{ ENOTDIR, EX_NOINPUT },
	{ EISDIR, EX_NOINPUT },
	{ EACCES, EX_NOPERM },
	{ EPERM, EX_NOPERM },
	{ EROFS, EX_NOPERM },
	{ ELOOP, EX_NOPERM }, /* a symbolic link is not followed */
};

static const int by_status[KV_STATUS_COUNT] = {
	[KV_NOT_FOUND] = EX_NOINPUT,
	[KV_INVALID] = EX_DATAERR,
	[KV_NO_MEMORY] = EX_OSERR,
	[KV_NO_SPACE] = EX_IOERR,
	[KV_BUSY] = EXIT_LOCKED,
	[KV_IO] = EX_IOERR,
	[KV_CORRUPT] = EX_DATAERR,
	[KV_UNSUPPORTED] = EX_DATAERR,
	[KV_UNCERTAIN] = EX_IOERR,
};

int fsck_exit_code(const struct kv_error *err)
{
	for (size_t i = 0; err->status != KV_BUSY && i < sizeof by_errno / sizeof by_errno[0]; i++)
		if (err->errnum == by_errno[i].errnum)
			return by_errno[i].code;
	if ((unsigned)err->status < KV_STATUS_COUNT && by_status[err->status] != 0)
		return by_status[err->status];
	return EX_SOFTWARE;
}
