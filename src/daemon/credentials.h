/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that say who may: read by the daemon as the user that it runs as, so that a reload can read them again. */
#ifndef KV_DAEMON_CREDENTIALS_H
#define KV_DAEMON_CREDENTIALS_H

#include "daemon/config.h"
#include "http/server.h"

/* Reads what the configuration names and gives it to the server, before it starts. KV_INVALID with one line that says what is wrong,
 * also for a file that cannot be read; KV_NO_MEMORY. `server` NULL: they are only checked, and nothing is logged. */
kv_status credentials_load(const struct config *config, struct server *server, struct kv_error *err);

/* Reads all again. What is bad is logged, and stays as it was. */
void credentials_reload(const struct config *config, struct server *server);

#endif
