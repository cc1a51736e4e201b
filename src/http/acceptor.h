/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One thread accepts the connections of all addresses and gives them to the workers. It keeps the limit on connections, with an
 * answer (503) for those above it and when descriptors have run out, and it is the clock of the deadlines.
 */
#ifndef KV_HTTP_ACCEPTOR_H
#define KV_HTTP_ACCEPTOR_H

#include "http/listen.h"
#include "http/service.h"

struct acceptor;

/* Borrows everything until acceptor_stop(). */
kv_status acceptor_start(struct service *service, const struct listen_set *listen,
	struct acceptor **ret, struct kv_error *err);

/* No connection is taken any more, deadlines are still watched. Main thread. */
void acceptor_close(struct acceptor *acceptor);

/* Ends the thread. NULL is allowed; returns NULL. Main thread. */
struct acceptor *acceptor_stop(struct acceptor *acceptor);

#endif
