/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may: judgements over what is known of a request, without any state. A page in a browser must not reach the store, by a
 * name that it made point here (DNS rebinding: Host) or by a request that it makes the browser send (Origin,
 * Sec-Fetch-Site); and nothing that looks like a browser may stop the daemon.
 */
#ifndef KV_HTTP_GUARD_H
#define KV_HTTP_GUARD_H

#include "http/head.h"

#include <sys/socket.h>

enum guard_peer { GUARD_PEER_UNIX, GUARD_PEER_LOOPBACK, GUARD_PEER_REMOTE };

struct guard_rules {
	const char *const *allowed_hosts; /* names beside localhost and the loopback addresses */
	size_t allowed_hosts_count;
	const char *const *listen;        /* addresses that we listen on are our names, too */
	size_t listen_count;
	bool shutdown_allowed;
};

enum guard_peer guard_peer_of(const struct sockaddr *address);

/* `host` as in a Host header: a name or address, IPv6 in brackets, perhaps with a port. */
bool guard_host_allowed(const struct guard_rules *rules, struct slice host);

/* For every request; false fills in `problem`. */
bool guard_request(const struct guard_rules *rules, enum guard_peer peer, const struct head *head,
	struct problem *problem);

/* For /shutdown, after guard_request(). */
bool guard_shutdown(const struct guard_rules *rules, enum guard_peer peer, const struct head *head,
	struct problem *problem);

#endif
