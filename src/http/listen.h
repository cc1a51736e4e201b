/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses to listen on: TCP (IPv4 and IPv6) and Unix sockets. Main thread. */
#ifndef KV_HTTP_LISTEN_H
#define KV_HTTP_LISTEN_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LISTEN_MAX = 64 }; /* sockets */

struct listen_set {
	int fds[LISTEN_MAX];
	char *paths[LISTEN_MAX]; /* owned; of Unix sockets, else NULL */
	bool tls[LISTEN_MAX];    /* its connections speak TLS */
	size_t count;
	uint16_t port;           /* of the TCP sockets in the clear; 0 while there is none */
	uint16_t tls_port;       /* of those for TLS */
};

/* Adds the socket(s) of one address: "localhost" (both loopback addresses, as far as the machine has them), an address
 * literal, or the absolute path of a Unix socket (mode 0660; one that nobody listens on any more is replaced). `port` 0: any
 * free one for the first, the same for the later ones. With `tls`, a path is not an address.
 * KV_BUSY: in use; KV_INVALID: not an address; KV_IO: see errnum. */
kv_status listen_add(struct listen_set *set, const char *address, uint16_t port, bool tls, struct kv_error *err);

/* Takes over a socket that listens already, whose path stays when it is closed. KV_INVALID: it does not listen, or is of another kind; with
 * `tls` also a Unix socket. It is the caller's still on failure. */
kv_status listen_adopt(struct listen_set *set, int fd, bool tls, struct kv_error *err);

/* Closes all; with `remove_paths`, Unix sockets are unlinked, too. Safe twice. */
void listen_close(struct listen_set *set, int remove_paths);

#endif
