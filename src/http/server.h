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

#include "base/slice.h"
#include "base/status.h"
#include "http/access.h"
#include "store/store.h"

#include <stdbool.h>
#include <sys/types.h>

enum server_shutdown { SERVER_SHUTDOWN_LOOPBACK, SERVER_SHUTDOWN_TOKEN, SERVER_SHUTDOWN_OFF };

/* One that listens already. */
struct server_socket {
	int fd;
	bool tls;
};

struct server_options {
	const struct server_socket *sockets; /* in place of the addresses of the same kind: TCP, TLS, Unix sockets */
	size_t socket_count;

	const char *const *listen; /* IPv4 or IPv6 literals, "localhost", or absolute paths of Unix sockets */
	size_t listen_count;
	const char *const *tls_listen; /* IP literals or "localhost": connections speak TLS there */
	size_t tls_listen_count;
	uint16_t tls_port;
	uint16_t port;             /* for the IP addresses; 0: any free one (tests), see server_port() */
	const char *const *allowed_hosts; /* names accepted in Host beside localhost and loopback literals */
	size_t allowed_hosts_count;
	unsigned threads;          /* workers; 0: processors */
	unsigned connection_limit;
	uint32_t heartbeat_ms;     /* a stream of changes that has nothing to tell says so as often */
	uint64_t max_header_bytes;   /* of request line and header together, roughly: notes about each line take of it, too */
	uint64_t max_value_bytes;
	uint64_t max_batch_bytes;    /* of a document in a body: a batch, a list of keys */
	uint64_t inflight_bytes_max; /* bytes of request bodies in memory, and for themselves those of large answers; above: 503 */
	uint32_t header_timeout_ms;  /* total time for a request's header */
	uint32_t idle_timeout_ms;
	uint64_t snapshot_max_age_ms;
	unsigned snapshot_limit;     /* of each kind: made by clients, kept for cursors */
	enum access_role socket_role; /* of Unix socket clients that are not admins */
	const uid_t *admin_uids;      /* beside root and the daemon's own user */
	size_t admin_uid_count;
	const gid_t *admin_gids;
	size_t admin_gid_count;
	uint32_t rate_limit;          /* requests a second for each client address; 0: no limit */
	uint32_t rate_burst;          /* 0: as many as rate_limit */
	uint32_t request_limit;       /* requests in work; 0: no limit */
	enum server_shutdown shutdown;
	const char *backup_dir;      /* where checkpoints are made; NULL or "": nowhere */
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

enum { SERVER_TOKENS_BYTES_MAX = 8 * 1024 * 1024 }; /* of a tokens file */

/* The text of a tokens file (doc/kvctl.1); `file` is for messages. From the first call on, which must come before server_start(),
 * TCP clients need a token. A later one replaces the tokens at once; a bad text (KV_INVALID, with file and line) or
 * KV_NO_MEMORY leaves them as they were. Main thread. */
kv_status server_set_tokens(struct server *server, const char *file, struct slice text, struct kv_error *err);

/* What these two would say to it; nothing is kept. */
kv_status server_check_tokens(const char *file, struct slice text, struct kv_error *err);
kv_status server_check_certificate(const char *names, struct slice chain, struct slice key, struct kv_error *err);

/* The certificate chain (its own first) and the private key, both PEM; `names` is for messages. Needed before server_start() when there is a
 * tls_listen. A later call replaces them for new connections; what does not fit (KV_INVALID) or KV_NO_MEMORY leaves them as they
 * were. Main thread. */
kv_status server_set_certificate(struct server *server, const char *names, struct slice chain, struct slice key,
	struct kv_error *err);

/* Starts the threads. `store` must outlive the server. Main thread. */
kv_status server_start(struct server *server, struct store *store, struct kv_error *err);

/* The TCP port that is listened on; 0 when there are only Unix sockets. */
uint16_t server_port(const struct server *server);

/* The same for TLS. */
uint16_t server_tls_port(const struct server *server);

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
