/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real daemon as a child of a test: `kvstored -f` with a configuration, a data directory and a log in a
 * directory of the test's. The program is $KVSTORED. It is killed with the test, whatever ends that.
 */
#ifndef KV_SUPPORT_DAEMONPROC_H
#define KV_SUPPORT_DAEMONPROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemonproc;

/* Writes DIR/kvstored.conf: a free port of 127.0.0.1, data in DIR/data, and the lines of `settings`. The log of every
 * start goes to DIR/log. Starts nothing. Ends the program when $KVSTORED cannot be executed. */
struct daemonproc *daemonproc_new(const char *dir, const char *settings);

/* Writes the configuration again, with these lines instead; for the next start. */
void daemonproc_configure(struct daemonproc *proc, const char *settings);

/* Kills it when it runs. NULL allowed; returns NULL. */
struct daemonproc *daemonproc_free(struct daemonproc *proc);

/* A port of 127.0.0.1 that is kept free for our daemons until this process ends. */
uint16_t daemonproc_find_port(void);

/* 0: it does not run. */
pid_t daemonproc_pid(const struct daemonproc *proc);

uint16_t daemonproc_port(const struct daemonproc *proc);

/* Forks and executes; returns at once. REQUIRES: it does not run. */
void daemonproc_start(struct daemonproc *proc);

/* Waits until /readyz says 200. False when the daemon ended or `timeout_ms` passed before. */
bool daemonproc_wait_ready(struct daemonproc *proc, unsigned timeout_ms, uint64_t *ret_elapsed_us);

/* Waits up to `wait_ms` for the daemon's end. True when it has ended. */
bool daemonproc_has_ended(struct daemonproc *proc, int wait_ms);

/* SIGKILL and wait. */
void daemonproc_kill(struct daemonproc *proc);

/* SIGTERM, without waiting. */
void daemonproc_terminate(struct daemonproc *proc);

/* SIGTERM and wait; the exit status, or -1 when a signal ended it or `timeout_ms` passed (it is killed then). */
int daemonproc_stop(struct daemonproc *proc, unsigned timeout_ms);

/* The exit status after it has ended by itself (-signal when a signal ended it). */
int daemonproc_exit_status(const struct daemonproc *proc);

/* Copies the end of the log to stdout. */
void daemonproc_print_log(const struct daemonproc *proc);

#endif
