/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that serves connections, with an event loop and libmicrohttpd daemons of its own. There is one for each
 * processor; a connection stays with its worker.
 */
#ifndef KV_HTTP_WORKER_H
#define KV_HTTP_WORKER_H

#include "base/status.h"
#include "store/store.h"

#include <stdbool.h>
#include <sys/socket.h>

struct parking;
struct service;
struct worker;

kv_status worker_start(struct service *service, struct worker **ret, struct kv_error *err);

/* Hands over an accepted, non-blocking connection; false: no memory, it is the caller's still. Acceptor thread. */
bool worker_give(struct worker *worker, int fd, bool tls, const struct sockaddr *address, socklen_t len);

/* Something that a request waits for has happened. Any thread; never blocks. */
void worker_wake(struct worker *worker);

/* All parked requests may go on. Any thread. */
void worker_wake_parked(struct worker *worker);

/* Where its requests wait. Any thread. */
struct parking *worker_parking(struct worker *worker);

/* The end, in three steps, each for all workers: asks the thread to end; waits for it; closes all connections and frees. A
 * commit may be under way until the third. worker_free(): NULL is allowed; returns NULL. Main thread. */
void worker_end(struct worker *worker);
void worker_join(struct worker *worker);
struct worker *worker_free(struct worker *worker);

/* ---- for requests, on the worker's own thread ---- */

/* A request begins (ends) to wait for something that worker_wake() will tell. */
void worker_wait_begins(struct worker *worker);
void worker_wait_ends(struct worker *worker);

/* A request begins, at that time by clock_monotonic_us(). */
void worker_begins_request(struct worker *worker, uint64_t now_us);

/* Commits the batch together with those of the requests that are at hand with this one: at the end of this turn of the loop, or when they are many, or
 * when another request begins a millisecond later. (One that reads from the disk may hold up the turn.) As store_submit() otherwise. */
void worker_submit(struct worker *worker, struct store_batch *batch, store_done done, void *arg);

/* A request has got further: the loop looks again before it sleeps. */
void worker_progress(struct worker *worker);

#endif
