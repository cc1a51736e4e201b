/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of the process, after any start, whole or half. */
#ifndef KV_DAEMON_STOP_H
#define KV_DAEMON_STOP_H

#include "daemon/daemon.h"
#include "daemon/exit_code.h"

/* When requests were served: drains them, empties memory into a table, cleans the WAL, and says so in the log and to who asked by
 * /shutdown. Then, always, takes down what the start made. Returns the code to exit with: `code`, or
 * EXIT_CODE_IO when that was EXIT_CODE_OK and memory could not be written out. */
enum exit_code stop_daemon(struct daemon *daemon, enum exit_code code);

#endif
