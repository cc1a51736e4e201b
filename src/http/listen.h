/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses to listen on: TCP (IPv4 and IPv6) and Unix sockets. Main thread. */
#ifndef KV_HTTP_LISTEN_H
#define KV_HTTP_LISTEN_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { LISTEN_MAX = 64 }; /* sockets */

struct listen_set {
	int fds[LISTEN_MAX];
	char *paths[LISTEN_MAX]; /* owned; of Unix sockets, else NULL */
	size_t count;
	uint16_t port;           /* of the TCP sockets; 0 while there is none */
};

/* Adds the socket(s) of one address: "localhost" (both loopback addresses, as far as the machine has them), an address
 * literal, or the absolute path of a Unix socket (mode 0660; one that nobody listens on any more is replaced). `port` 0: any
 * free one for the first, the same for the later ones.
 * KV_BUSY: in use; KV_INVALID: not an address; KV_IO: see errnum. */
kv_status listen_add(struct listen_set *set, const char *address, uint16_t port, struct kv_error *err);

/* Closes all; with `remove_paths`, Unix sockets are unlinked, too. Safe twice. */
void listen_close(struct listen_set *set, int remove_paths);

#endif
