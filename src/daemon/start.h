/* SPDX-License-Identifier: BSD-2-Clause */
/* The start: from the command line to the first request, and what it says when it fails. */
#ifndef KV_DAEMON_START_H
#define KV_DAEMON_START_H

#include "daemon/daemon.h"
#include "daemon/exit_code.h"

/* Takes all the steps, or stops at the first that fails, having told why: on stderr, in the log, and to the parent.
 * `daemon` is zeroed but for its options. Whatever the outcome, stop_daemon() takes down what was made. */
enum exit_code start_daemon(struct daemon *daemon);

/* --check-config: checks it with all that it names and that can be looked at without changing anything (users, tokens, certificate), and prints what is
 * in effect to `to`. */
enum exit_code start_check_config(struct daemon *daemon, FILE *to);

/* What happened, in one line for people. */
const char *start_format_error(const struct kv_error *err, char *buf, size_t size);

/* Tells the service manager the state of the store, as its line of status. Any thread. */
void start_tell_state(struct store *store);

#endif
