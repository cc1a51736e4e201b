/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Becoming a daemon whose parent tells the truth: the process that was started returns 0 only when the daemon
 * serves, and otherwise the daemon's exit code, with its error on stderr.
 */
#ifndef KV_DAEMON_DAEMONIZE_H
#define KV_DAEMON_DAEMONIZE_H

#include "base/status.h"

#include <stddef.h>

/* Puts /dev/null where stdin, stdout or stderr is closed: otherwise a file of the store could get descriptor 2, and
 * messages would be written into it. Before anything else is opened. */
kv_status daemonize_open_standard_files(struct kv_error *err);

/* Closes what the caller has left open, standard files and the `kept` ones after them excepted: a pipe of his would wait for our end. Before anything else is
 * opened. */
void daemonize_close_others(size_t kept);

/* Forks twice. Returns in the daemon only: a session of its own without a terminal, in /, with umask 077 and
 * stdin and stdout at /dev/null; stderr stays until daemonize_ready(). On failure it returns in the calling
 * process. Before any thread is made. */
kv_status daemonize_start(struct kv_error *err);

/* In the daemon: stderr goes to /dev/null and the parent exits with 0. No effect when not daemonized. */
void daemonize_ready(void);

/* In the daemon, which is about to exit: the parent prints `text` on stderr and exits with `code`.
 * False when not daemonized, or ready already: nobody waits for the text. */
bool daemonize_failed(int code, const char *text);

#endif
