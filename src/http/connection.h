/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client connection as we see it beside libmicrohttpd: its peer, what it is doing and since when, and the
 * registry of all of them, which finds those past their deadline.
 *
 * The deadlines are total, whatever trickles in: for the first header and every started one header_timeout,
 * between requests idle_timeout, for bodies and answers a floor on the rate.
 */
#ifndef KV_HTTP_CONNECTION_H
#define KV_HTTP_CONNECTION_H

#include "http/guard.h"

#include <stdatomic.h>
#include <stdint.h>

enum connection_phase {
	CONNECTION_NEW,     /* nothing complete has come yet */
	CONNECTION_HEADER,  /* the request line is there */
	CONNECTION_BODY,
	CONNECTION_WORKING, /* the server's turn */
	CONNECTION_STOPPING, /* /shutdown, waiting for the end */
	CONNECTION_SENDING,
	CONNECTION_WAITING, /* in the middle of an answer that has nothing to send now; no deadline, but its end is looked for */
	CONNECTION_IDLE,    /* an answer was sent, the next request may come */
	CONNECTION_REAPED,  /* past its deadline: shut down, nothing of it may have an effect any more */
};

enum { CONNECTION_RATE_MIN = 4096 }; /* bytes a second that bodies and answers must make on average */

struct connection {
	int fd;               /* constant; open while in the registry */
	enum guard_peer peer; /* constant */
	bool tls;             /* constant, set before it is added: nothing may be written to it in the clear */

	atomic_uint_fast64_t state;       /* phase and since when; worker, reaper */
	atomic_uint_fast64_t bytes;       /* of the body received or the answer to send, since `state`; worker writes */

	struct connection *previous, *next; /* guarded by the registry's mutex */
};

struct connections;

struct connections_limits {
	uint32_t header_timeout_ms;
	uint32_t idle_timeout_ms;
	/* A waiting connection was reaped: its worker must look at it. Called under the mutex, must not block. May be NULL. */
	void (*reaped)(struct connection *connection);
	/* A request was answered with `status` after so long, by whoever found it late. Called under the mutex, must not block. May be NULL. */
	void (*answered)(void *arg, unsigned status, uint64_t elapsed_us);
	void *answered_arg;
};

struct connections *connections_new(const struct connections_limits *limits); /* NULL: no memory */
struct connections *connections_free(struct connections *connections); /* must be empty */

void connections_add(struct connections *connections, struct connection *connection, int fd,
	enum guard_peer peer);
/* Before the descriptor is closed. */
void connections_remove(struct connections *connections, struct connection *connection);

/* Its worker's thread. False: it was reaped, and must be closed without any effect. */
bool connection_enter(struct connection *connection, enum connection_phase phase);
/* So many more bytes have come, or will be sent, in the phase that it is in. What was faster than the floor on the rate is not
 * credited to what follows. Its worker's thread; false as above. */
bool connection_progress(struct connection *connection, uint64_t bytes);
enum connection_phase connection_phase(const struct connection *connection);

/* Shuts down what is past its deadline, answering 408 where a request may have begun, and what the client has left in
 * the middle of a request. Acceptor thread. */
void connections_reap(struct connections *connections);

/* Connections in a phase between BODY and SENDING: a request is in work (STOPPING ones only when asked). */
unsigned connections_count_busy(struct connections *connections, bool with_stopping);

/* connections_left() is called at every end of a request; it wakes who waits once connections_watch() was called. */
void connections_watch(struct connections *connections);
void connections_left(struct connections *connections);
/* Waits until none is busy or the time is over; returns how many are left. After connections_watch(). */
unsigned connections_wait_idle(struct connections *connections, bool with_stopping,
	uint32_t timeout_ms);

#endif
