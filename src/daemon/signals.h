/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals arrive at one place: the main thread, which waits for them. Every other thread is made after
 * signals_open() and inherits that they are blocked. However many come, none is handled inside another: a
 * storm costs one round of the main loop for all that are pending.
 */
#ifndef KV_DAEMON_SIGNALS_H
#define KV_DAEMON_SIGNALS_H

#include "base/status.h"

#include <stddef.h>

enum signals_event {
	SIGNALS_STOP,         /* SIGTERM or SIGINT */
	SIGNALS_STOP_REQUEST, /* signals_request_stop() was called */
	SIGNALS_RELOAD,       /* SIGHUP */
};

struct signals;

/* Blocks what signals_wait() listens to; ignores SIGPIPE, and SIGXFSZ so that a write beyond the limit fails with
 * EFBIG instead. Main thread, before there are others. */
kv_status signals_open(struct signals **ret, struct kv_error *err);

/* Waits for the next event; signals that mean nothing here (SIGUSR1, SIGUSR2) are skipped. `from` (may be NULL) gets
 * "SIGTERM from process 123" or the like. Main thread. */
enum signals_event signals_wait(struct signals *signals, char *from, size_t size);

/* Wakes signals_wait(), now or when it is called. Any thread; never blocks. */
void signals_request_stop(struct signals *signals);

/* The signals stay blocked: one that is late must not end the process half-way out. NULL allowed; returns NULL. */
struct signals *signals_close(struct signals *signals);

#endif
