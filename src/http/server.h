/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The HTTP server as the daemon sees it: bind, start, drain, stop.
 *
 * Order of life:   server_bind (as root, before anything slow)
 *                  server_start (after the store is open: from here on requests are served)
 *                  server_drain, store_finish, server_answer_shutdown, server_stop
 */
#ifndef KV_HTTP_SERVER_H
#define KV_HTTP_SERVER_H

#include "base/status.h"
#include "store/store.h"

enum server_shutdown { SERVER_SHUTDOWN_LOOPBACK, SERVER_SHUTDOWN_OFF };

struct server_options {
	const char *const *listen; /* IPv4 or IPv6 literals, "localhost", or absolute paths of Unix sockets */
	size_t listen_count;
	uint16_t port;             /* for the IP addresses; 0: any free one (tests), see server_port() */
	const char *const *allowed_hosts; /* names accepted in Host beside localhost and loopback literals */
	size_t allowed_hosts_count;
	unsigned threads;          /* workers; 0: processors */
	unsigned connection_limit;
	uint64_t max_value_bytes;
	uint64_t inflight_bytes_max; /* bytes of request bodies in memory; above: 503 */
	uint32_t header_timeout_ms;  /* total time for a request's header */
	uint32_t idle_timeout_ms;
	enum server_shutdown shutdown;
	/* /shutdown was accepted: called once by a worker, must only wake the main thread. */
	void (*request_stop)(void *arg);
	void *request_stop_arg;
};

/* The defaults of kvstored.conf(5). */
void server_options_init(struct server_options *options);

struct server;

/* Binds and listens, serves nothing yet. Borrowed pointers in `options` must outlive the server. KV_BUSY: an address is
 * in use (err->errnum EADDRINUSE); KV_INVALID: not an address; KV_IO with EACCES: no permission.
 * Main thread. */
kv_status server_bind(const struct server_options *options, struct server **ret,
	struct kv_error *err);

/* Starts the threads. `store` must outlive the server. Main thread. */
kv_status server_start(struct server *server, struct store *store, struct kv_error *err);

/* The TCP port that is listened on; 0 when there are only Unix sockets. */
uint16_t server_port(const struct server *server);

/* Accepts no new connections, answers new requests on open ones with 503, and waits until every request in
 * work has been answered (requests of /shutdown excepted) or `timeout_ms` has passed. Returns how many
 * requests were in work when it was called; *ret_left those that did not end. Main thread, never a handler. */
unsigned server_drain(struct server *server, uint32_t timeout_ms, unsigned *ret_left);

/* Answers the waiting /shutdown requests with 200 and `text`. Main thread. */
void server_answer_shutdown(struct server *server, const char *text);

/* Closes everything after waiting (bounded) for answers under way, removes Unix sockets, frees. NULL allowed; returns
 * NULL. Main thread. */
struct server *server_stop(struct server *server);

#endif
