/* SPDX-License-Identifier: BSD-2-Clause */
/* The process: what its start makes, its work uses and its end takes down. Main thread only. */
#ifndef KV_DAEMON_DAEMON_H
#define KV_DAEMON_DAEMON_H

#include "daemon/activation.h"
#include "daemon/config.h"
#include "daemon/limits.h"
#include "daemon/options.h"
#include "daemon/peers.h"
#include "daemon/pidfile.h"
#include "daemon/privileges.h"
#include "daemon/signals.h"
#include "http/server.h"
#include "store/store.h"

#include <stdatomic.h>

struct daemon {
	struct options options;
	struct config_source source; /* of the configuration; its path is absolute and owned */
	struct config config;
	struct privileges privileges;
	struct activation activation;
	struct peers peers;
	struct limits_share share; /* of descriptors */

	bool log_is_open;      /* at the place that the configuration names */
	bool log_is_stderr;
	struct pidfile *pidfile;
	struct signals *signals;
	struct server *server;
	struct store *store;
	bool serves;           /* requests are, or were, answered: the end must be a clean one */

	_Atomic(struct store *) told_store; /* = store once it is open; for events, which come from any thread */
};

#endif
