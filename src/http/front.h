/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One libmicrohttpd daemon in the loop of a worker: what it is told to do, and what it calls. A worker has one for connections in the
 * clear and, when TLS is served, one for those over TLS. Worker's thread, but for start (main thread, before the loop) and stop (after).
 */
#ifndef KV_HTTP_FRONT_H
#define KV_HTTP_FRONT_H

#include <stdbool.h>
#include <sys/socket.h>

struct MHD_Daemon;
struct service;
struct worker;

struct front {
	struct service *service; /* constant, as all up to `fd` */
	struct worker *worker;
	bool tls;
	struct MHD_Daemon *mhd;  /* NULL: not started */
	int fd;                  /* readable when a socket has something; -1: not started */

	unsigned greeting;       /* connections over TLS that have not asked anything yet; worker's thread, as the next two */
	unsigned asking;         /* requests that have begun and not ended, parked ones, too */
	bool announced;          /* libmicrohttpd has told of a connection since front_add() was called */
};

/* Fills in a zeroed one, which must stay where it is; 0 or an errno. */
int front_start(struct front *front, struct service *service, struct worker *worker, bool tls);
void front_stop(struct front *front); /* closes its connections; safe on one that was not started */

/* Takes over the descriptor, which is in service->open_connections until it is closed: at once when it cannot be served. */
void front_add(struct front *front, int fd, const struct sockaddr *address, socklen_t len);

/* Serves what can be served. */
void front_run(struct front *front);
/* Whether front_run() is to be called again though no socket has anything. While some are greeting its word is worth little: a TLS
 * handshake that waits for its client counts, too. */
bool front_wants_run(const struct front *front);

#endif
