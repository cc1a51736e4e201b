/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may: judgements over what is known of a request, without any state. A page in a browser must not reach the store, by a
 * name that it made point here (DNS rebinding: Host) or by a request that it makes the browser send (Origin,
 * Sec-Fetch-Site); and nothing that looks like a browser may stop the daemon.
 */
#ifndef KV_HTTP_GUARD_H
#define KV_HTTP_GUARD_H

#include "http/access.h"
#include "http/head.h"

#include <sys/socket.h>

enum guard_peer { GUARD_PEER_UNIX, GUARD_PEER_LOOPBACK, GUARD_PEER_REMOTE };

/* Which admins may stop the daemon: all, so without tokens everybody on this machine; those by a token or as a user at a Unix socket; none. */
enum guard_shutdown_rule { GUARD_SHUTDOWN_LOOPBACK, GUARD_SHUTDOWN_TOKEN, GUARD_SHUTDOWN_OFF };

struct guard_rules {
	const char *const *allowed_hosts; /* names beside localhost and the loopback addresses */
	size_t allowed_hosts_count;
	const char *const *listen;        /* addresses that we listen on are our names, too */
	size_t listen_count;
	const char *const *tls_listen;
	size_t tls_listen_count;
	enum guard_shutdown_rule shutdown;
};

enum guard_peer guard_peer_of(const struct sockaddr *address);

/* `host` as in a Host header: a name or address, IPv6 in brackets, perhaps with a port. */
bool guard_host_allowed(const struct guard_rules *rules, struct slice host);

/* The Host that a connection had in its last requests and that was allowed, as long as it is short. Zeros: none. */
struct guard_memory {
	uint8_t len;
	uint8_t host[63];
};

/* For every request; false fills in `problem`. The rules of a connection's memory never change. */
bool guard_request(const struct guard_rules *rules, enum guard_peer peer, struct guard_memory *memory,
	const struct head *head, struct problem *problem);

/* For /shutdown, of a client that has the role admin, after guard_request(). */
bool guard_shutdown(const struct guard_rules *rules, enum guard_peer peer, const struct access *access,
	const struct head *head, struct problem *problem);

#endif
