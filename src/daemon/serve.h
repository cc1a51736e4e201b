/* SPDX-License-Identifier: BSD-2-Clause */
/* The main thread's work while requests are served. */
#ifndef KV_DAEMON_SERVE_H
#define KV_DAEMON_SERVE_H

#include "daemon/daemon.h"

/* Reloads on SIGHUP; returns when the process is asked to stop. */
void serve_until_stopped(struct daemon *daemon);

#endif
