/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmicrohttpd with one pool of threads for all addresses, and no listening socket of its own: the acceptor gives it connections. So
 * the threads do not multiply with the addresses, and draining needs nothing from the library (quiescing an epoll
 * pool is not safe in 0.9.75).
 *
 * The callbacks here only find the struct request of a connection; everything else is request.c's.
 */
#define _GNU_SOURCE
#include "http/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/acceptor.h"
#include "http/farewell.h"
#include "http/reply.h"
#include "http/request.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	HEADER_BYTES_MAX = 32 * 1024, /* libmicrohttpd clears this much for every request: larger is slower */
	STOP_WAIT_MS = 2000,          /* for answers under way when everything is closed */
	LIMIT_SLACK = 64,             /* the acceptor keeps the limit, not libmicrohttpd */
};

struct server {
	struct server_options options; /* constant */
	struct listen_set listen;      /* main thread; constant while there is an acceptor */
	struct service service;
	struct MHD_Daemon *mhd;        /* main thread */
	struct acceptor *acceptor;     /* main thread */
};

void server_options_init(struct server_options *options)
{
	static const char *const listen[] = { "localhost" };

	*options = (struct server_options){
		.listen = listen,
		.listen_count = 1,
		.port = 8080,
		.connection_limit = 1024,
		.max_value_bytes = UINT64_C(16) << 20,
		.inflight_bytes_max = UINT64_C(256) << 20,
		.header_timeout_ms = 10000,
		.idle_timeout_ms = 30000,
		.shutdown = SERVER_SHUTDOWN_LOOPBACK,
	};
}

static kv_status no_memory(struct kv_error *err)
{
	return kv_error_set(err, KV_NO_MEMORY, "out of memory");
}

kv_status server_bind(const struct server_options *options, struct server **ret, struct kv_error *err)
{
	struct server *server = calloc(1, sizeof *server);
	kv_status status = KV_OK;

	if (!server)
		return no_memory(err);
	server->options = *options;
	for (size_t i = 0; i < options->listen_count && status == KV_OK; i++)
		status = listen_add(&server->listen, options->listen[i], options->port, err);
	if (status == KV_OK && server->listen.count == 0)
		status = kv_error_set(err, KV_INVALID, "there is no address to listen on");
	if (status != KV_OK) {
		server_stop(server);
		return status;
	}
	*ret = server;
	return KV_OK;
}

uint16_t server_port(const struct server *server)
{
	return server->listen.port;
}

/* ---- what libmicrohttpd calls ---- */

static int descriptor_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? (int)info->connect_fd : -1;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct server *server = arg;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
		*socket_context = request_new(&server->service, descriptor_of(mhd),
			info ? guard_peer_of(info->client_addr) : GUARD_PEER_REMOTE);
	} else {
		*socket_context = request_free(*socket_context);
		atomic_fetch_sub(&server->service.open_connections, 1);
	}
}

/* The value becomes the request context of the following calls. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *request = info ? info->socket_context : NULL;

	(void)arg;
	if (request)
		request_target(request, mhd, target ? target : "");
	return request;
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **context)
{
	struct request *request = *context;

	(void)arg;
	(void)mhd;
	(void)url;
	return request ? request_access(request, method, version, data, size) : MHD_NO;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
	enum MHD_RequestTerminationCode code)
{
	(void)arg;
	(void)mhd;
	(void)code;
	if (*context)
		request_completed(*context);
}

/* The raw target is decoded by urlkey, once; nothing else of it is used. */
static size_t leave_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
	(void)arg;
	(void)mhd;
	return strlen(text);
}

/* An invariant of the library is broken. Its own handler writes to stderr, which a daemon does not have. */
static void on_panic(void *arg, const char *file, unsigned line, const char *reason)
{
	(void)arg;
	log_error("libmicrohttpd %s:%u: %s", file, line, reason ? reason : "panic");
	abort();
}

/* ---- start and stop ---- */

static unsigned thread_count(const struct server_options *options)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (options->threads > 0)
		return options->threads;
	return processors > 0 ? (unsigned)processors : 1;
}

/* Version 1 can be told to be strict: it then refuses what 0.9 lets through and judge.c has to find. */
#if MHD_VERSION >= 0x01000000
#define STRICTNESS MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#else
#define STRICTNESS
#endif

static struct MHD_Daemon *start_pool(struct server *server)
{
	unsigned threads = thread_count(&server->options);
	struct MHD_OptionItem pool[] = {
		{ MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (threads == 1)
		pool[0].option = MHD_OPTION_END; /* a pool of one is refused: no pool is one thread */
	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
			MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, on_access, server,
		MHD_OPTION_CONNECTION_LIMIT, server->options.connection_limit + LIMIT_SLACK,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES_MAX,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		STRICTNESS
		MHD_OPTION_ARRAY, pool,
		MHD_OPTION_END);
}

static kv_status fill_service(struct server *server, struct store *store, struct kv_error *err)
{
	struct service *service = &server->service;
	const struct server_options *options = &server->options;
	struct connections_limits limits = {
		.header_timeout_ms = options->header_timeout_ms,
		.idle_timeout_ms = options->idle_timeout_ms,
	};

	service->options = options;
	service->rules = (struct guard_rules){
		.allowed_hosts = options->allowed_hosts,
		.allowed_hosts_count = options->allowed_hosts_count,
		.listen = options->listen,
		.listen_count = options->listen_count,
		.shutdown_allowed = options->shutdown == SERVER_SHUTDOWN_LOOPBACK,
	};
	service->store = store;
	service->started_us = clock_monotonic_us();
	service->metrics = metrics_new();
	service->replies = replies_new();
	service->connections = connections_new(&limits);
	service->farewell = farewell_new(options->connection_limit / 4);
	service->stopping = stopping_new(options->request_stop, options->request_stop_arg);
	if (!service->metrics || !service->replies || !service->connections || !service->stopping ||
		!service->farewell)
		return no_memory(err);
	return KV_OK;
}

kv_status server_start(struct server *server, struct store *store, struct kv_error *err)
{
	kv_status status = fill_service(server, store, err);

	if (status != KV_OK)
		return status;
	MHD_set_panic_func(on_panic, NULL);
	errno = 0;
	server->mhd = start_pool(server);
	if (!server->mhd)
		return kv_error_errno(err, errno ? errno : ENOMEM, "", "cannot start the HTTP threads");
	return acceptor_start(&server->service, &server->listen, server->mhd, &server->acceptor, err);
}

unsigned server_drain(struct server *server, uint32_t timeout_ms, unsigned *ret_left)
{
	struct connections *connections = server->service.connections;
	unsigned busy;

	if (!server->acceptor) {
		*ret_left = 0;
		return 0;
	}
	atomic_store(&server->service.draining, true);
	acceptor_close(server->acceptor);
	connections_watch(connections);
	busy = connections_count_busy(connections, false);
	*ret_left = connections_wait_idle(connections, false, timeout_ms);
	return busy;
}

void server_answer_shutdown(struct server *server, const char *text)
{
	if (server->service.stopping)
		stopping_answer(server->service.stopping, text);
}

/* No batch may be with the store any more: libmicrohttpd ends the process when it is stopped with a suspended
 * connection. store_finish() has called every callback, so this is the tail of the last ones. */
static void wait_for_commits(struct server *server)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	while (atomic_load(&server->service.commits) > 0)
		nanosleep(&pause, NULL);
}

struct server *server_stop(struct server *server)
{
	struct service *service;

	if (!server)
		return NULL;
	service = &server->service;
	if (server->mhd) {
		atomic_store(&service->draining, true);
		if (server->acceptor)
			acceptor_close(server->acceptor);
		stopping_answer(service->stopping, "kvstored stopped\n");
		connections_watch(service->connections);
		(void)connections_wait_idle(service->connections, true, STOP_WAIT_MS);
		wait_for_commits(server);
		server->acceptor = acceptor_stop(server->acceptor);
		MHD_stop_daemon(server->mhd);
	}
	listen_close(&server->listen, true);
	service->connections = connections_free(service->connections);
	service->farewell = farewell_free(service->farewell);
	service->stopping = stopping_free(service->stopping);
	service->replies = replies_free(service->replies);
	service->metrics = metrics_free(service->metrics);
	free(server);
	return NULL;
}
