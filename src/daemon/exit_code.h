/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit codes of kvstored(8), in the numbers of sysexits.h. */
#ifndef KV_DAEMON_EXIT_CODE_H
#define KV_DAEMON_EXIT_CODE_H

#include "base/status.h"

enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_USAGE = 64,
	EXIT_CODE_DAMAGED = 65, /* also a newer format */
	EXIT_CODE_ADDRESS_IN_USE = 69,
	EXIT_CODE_IO = 74,
	EXIT_CODE_LOCKED = 75, /* another instance has the pidfile or the data */
	EXIT_CODE_PERMISSION = 77, /* also: something that is not ours lies where a file of ours should be */
	EXIT_CODE_CONFIG = 78,
};

/* The code for a failure during the start. */
enum exit_code exit_code_of(const struct kv_error *err);

#endif
