/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets that the service manager has bound for us (sd_listen_fds(3)). One that is named "https" is for TLS; the others are for HTTP in the
 * clear, over TCP or as Unix sockets. They stand in for what the configuration would have us listen on.
 */
#ifndef KV_DAEMON_ACTIVATION_H
#define KV_DAEMON_ACTIVATION_H

#include "daemon/config.h"
#include "http/server.h"

enum { ACTIVATION_MAX = 32 };

struct activation {
	struct server_socket sockets[ACTIVATION_MAX]; /* their descriptors are the first after the standard ones */
	size_t count;
};

/* Takes them from the environment, which then does not name them any more. None without systemd. Before anything else is opened. */
kv_status activation_take(struct activation *ret, struct kv_error *err);

/* The rules of `listen` and `tls_listen` hold for them, too: KV_INVALID. */
kv_status activation_check(const struct activation *activation, const struct config *config, struct kv_error *err);

#endif
