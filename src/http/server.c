/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker for each processor and one acceptor for all addresses: the threads do not multiply with the addresses, and draining needs
 * nothing from libmicrohttpd.
 */
#define _GNU_SOURCE
#include "http/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/acceptor.h"
#include "http/farewell.h"
#include "http/feeds.h"
#include "http/jobs.h"
#include "http/rate.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/snapshots.h"
#include "http/tls.h"
#include "http/tokens.h"
#include "http/worker.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	STOP_WAIT_MS = 2000, /* for answers under way when everything is closed */
	JOB_THREADS = 2,
	JOB_QUEUE_MAX = 64,
};

struct server {
	struct server_options options; /* constant */
	struct listen_set listen;      /* main thread; constant while there is an acceptor */
	struct service service;
	bool started;                  /* main thread */
	struct acceptor *acceptor;     /* main thread */
};

void server_options_init(struct server_options *options)
{
	static const char *const listen[] = { "localhost" };

	*options = (struct server_options){
		.listen = listen,
		.listen_count = 1,
		.port = 8080,
		.tls_port = 8443,
		.connection_limit = 1024,
		.heartbeat_ms = 15000,
		.max_header_bytes = UINT64_C(32) << 10,
		.max_value_bytes = UINT64_C(16) << 20,
		.max_batch_bytes = UINT64_C(16) << 20,
		.inflight_bytes_max = UINT64_C(256) << 20,
		.header_timeout_ms = 10000,
		.idle_timeout_ms = 30000,
		.snapshot_max_age_ms = 600000,
		.snapshot_limit = 1000,
		.socket_role = ACCESS_WRITE,
		.shutdown = SERVER_SHUTDOWN_LOOPBACK,
	};
}

static kv_status no_memory(struct kv_error *err)
{
	return kv_error_set(err, KV_NO_MEMORY, "out of memory");
}

/* Sockets that were given stand in for the addresses of their kind. */
static bool is_given(const struct listen_set *set, size_t given, bool tls, bool is_path)
{
	for (size_t i = 0; i < given; i++) {
		struct sockaddr address = { .sa_family = AF_UNSPEC };
		socklen_t len = sizeof address;

		(void)getsockname(set->fds[i], &address, &len); /* of what is too long we get the beginning */
		if (set->tls[i] == tls && (address.sa_family == AF_UNIX) == is_path)
			return true;
	}
	return false;
}

static kv_status listen_to_all(const struct server_options *options, struct listen_set *set, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = 0; i < options->socket_count && status == KV_OK; i++)
		status = listen_adopt(set, options->sockets[i].fd, options->sockets[i].tls, err);
	for (size_t i = 0; i < options->listen_count && status == KV_OK; i++)
		if (!is_given(set, options->socket_count, false, options->listen[i][0] == '/'))
			status = listen_add(set, options->listen[i], options->port, false, err);
	for (size_t i = 0; i < options->tls_listen_count && status == KV_OK; i++)
		if (!is_given(set, options->socket_count, true, false))
			status = listen_add(set, options->tls_listen[i], options->tls_port, true, err);
	return status;
}

kv_status server_bind(const struct server_options *options, struct server **ret, struct kv_error *err)
{
	struct server *server = calloc(1, sizeof *server);
	kv_status status = KV_OK;

	if (!server)
		return no_memory(err);
	server->options = *options;
	status = listen_to_all(options, &server->listen, err);
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

_Static_assert((int)SERVER_TOKENS_BYTES_MAX == (int)TOKEN_FILE_MAX, "one limit");

kv_status server_set_tokens(struct server *server, const char *file, struct slice text, struct kv_error *err)
{
	struct service *service = &server->service;
	struct token_list list;
	kv_status status = token_list_parse(text, file, &list, err);

	if (status != KV_OK)
		return status;
	if (!service->tokens)
		service->tokens = tokens_new();
	if (!service->tokens) {
		token_list_free(&list);
		return no_memory(err);
	}
	tokens_replace(service->tokens, &list);
	for (unsigned i = 0; i < service->worker_count; i++) /* streams that wait may have lost their right to go on */
		worker_wake_parked(service->workers[i]);
	return KV_OK;
}

kv_status server_check_tokens(const char *file, struct slice text, struct kv_error *err)
{
	struct token_list list;
	kv_status status = token_list_parse(text, file, &list, err);

	if (status == KV_OK)
		token_list_free(&list);
	return status;
}

kv_status server_check_certificate(const char *names, struct slice chain, struct slice key, struct kv_error *err)
{
	struct tls *tls = tls_new();
	kv_status status = tls ? tls_set_certificate(tls, names, chain, key, err) : no_memory(err);

	tls_free(tls);
	return status;
}

kv_status server_set_certificate(struct server *server, const char *names, struct slice chain, struct slice key,
	struct kv_error *err)
{
	struct service *service = &server->service;
	struct tls *tls = service->tls ? service->tls : tls_new();
	kv_status status;

	if (!tls)
		return no_memory(err);
	status = tls_set_certificate(tls, names, chain, key, err);
	if (status == KV_OK)
		service->tls = tls;
	else if (!service->tls)
		tls_free(tls);
	return status;
}

/* An invariant of the library is broken. Its own handler writes to stderr, which a daemon does not have. */
static void on_panic(void *arg, const char *file, unsigned line, const char *reason)
{
	(void)arg;
	log_error("libmicrohttpd %s:%u: %s", file, line, reason ? reason : "panic");
	abort();
}

uint16_t server_tls_port(const struct server *server)
{
	return server->listen.tls_port;
}

/* ---- start and stop ---- */

static unsigned thread_count(const struct server_options *options)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (options->threads > 0)
		return options->threads;
	return processors > 0 ? (unsigned)processors : 1;
}

static void on_reaped(struct connection *connection)
{
	struct request *request = (struct request *)connection; /* its first field */

	parking_wake(worker_parking(request->worker), request);
	worker_wake(request->worker);
}

static void on_answered(void *arg, unsigned status, uint64_t elapsed_us)
{
	metrics_record(arg, METRICS_OTHER, status, elapsed_us);
}

static kv_status fill_service(struct server *server, struct store *store, struct kv_error *err)
{
	struct service *service = &server->service;
	const struct server_options *options = &server->options;
	struct connections_limits limits = {
		.header_timeout_ms = options->header_timeout_ms,
		.idle_timeout_ms = options->idle_timeout_ms,
		.reaped = on_reaped,
		.answered = on_answered,
	};

	service->options = options;
	service->rules = (struct guard_rules){
		.allowed_hosts = options->allowed_hosts,
		.allowed_hosts_count = options->allowed_hosts_count,
		.listen = options->listen,
		.listen_count = options->listen_count,
		.tls_listen = options->tls_listen,
		.tls_listen_count = options->tls_listen_count,
		.shutdown = (enum guard_shutdown_rule)options->shutdown,
	};
	service->peers = (struct peer_rules){
		.own_uid = geteuid(),
		.admin_uids = options->admin_uids,
		.admin_uid_count = options->admin_uid_count,
		.admin_gids = options->admin_gids,
		.admin_gid_count = options->admin_gid_count,
		.others = options->socket_role,
	};
	if (options->rate_limit > 0) {
		service->rate = rate_new(options->rate_limit,
			options->rate_burst > 0 ? options->rate_burst : options->rate_limit);
		if (!service->rate)
			return no_memory(err);
	}
	service->store = store;
	service->large_value_bytes = store_large_value_bytes(store);
	service->started_us = clock_monotonic_us();
	service->metrics = metrics_new();
	service->replies = replies_new();
	limits.answered_arg = service->metrics;
	service->connections = connections_new(&limits);
	service->farewell = farewell_new(options->connection_limit / 4);
	service->snapshots = snapshots_new(store, options->snapshot_max_age_ms, options->snapshot_limit);
	service->stopping = stopping_new(options->request_stop, options->request_stop_arg);
	service->feeds = feeds_new(store, options->connection_limit / 4);
	service->jobs = jobs_new(JOB_THREADS, JOB_QUEUE_MAX);
	if (!service->metrics || !service->replies || !service->connections || !service->stopping ||
		!service->farewell || !service->snapshots || !service->feeds || !service->jobs)
		return no_memory(err);
	return KV_OK;
}

static kv_status start_workers(struct service *service, struct kv_error *err)
{
	unsigned count = thread_count(service->options);
	kv_status status = KV_OK;

	service->workers = calloc(count, sizeof service->workers[0]);
	if (!service->workers)
		return no_memory(err);
	for (; service->worker_count < count && status == KV_OK; service->worker_count += status == KV_OK)
		status = worker_start(service, &service->workers[service->worker_count], err);
	return status;
}

kv_status server_start(struct server *server, struct store *store, struct kv_error *err)
{
	kv_status status;

	if (server->listen.tls_port != 0 && !server->service.tls)
		return kv_error_set(err, KV_INVALID, "there is no certificate for TLS");
	status = fill_service(server, store, err);
	if (status != KV_OK)
		return status;
	MHD_set_panic_func(on_panic, NULL);
	server->started = true;
	status = start_workers(&server->service, err);
	if (status != KV_OK)
		return status;
	return acceptor_start(&server->service, &server->listen, &server->acceptor, err);
}

/* Answers that wait for something have an end now. */
static void end_waiting_streams(struct service *service)
{
	for (unsigned i = 0; i < service->worker_count; i++)
		worker_wake_parked(service->workers[i]);
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
	end_waiting_streams(&server->service);
	connections_watch(connections);
	busy = connections_count_busy(connections, false);
	*ret_left = connections_wait_idle(connections, false, timeout_ms);
	return busy;
}

static void answer_shutdown(struct service *service, const char *text)
{
	stopping_answer(service->stopping, text);
	for (unsigned i = 0; i < service->worker_count; i++)
		worker_wake(service->workers[i]);
}

void server_answer_shutdown(struct server *server, const char *text)
{
	if (server->service.stopping)
		answer_shutdown(&server->service, text);
}

/* No callback of the store may come any more when the workers are freed. store_finish() and, of what a worker
 * brought later, its last turn have called all of them, so this is the tail of the last ones. */
static void wait_for_commits(struct service *service)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	while (atomic_load(&service->away) > 0)
		nanosleep(&pause, NULL);
}

static void stop_workers(struct service *service)
{
	for (unsigned i = 0; i < service->worker_count; i++)
		worker_end(service->workers[i]);
	for (unsigned i = 0; i < service->worker_count; i++)
		worker_join(service->workers[i]);
	service->jobs = jobs_free(service->jobs);
	wait_for_commits(service);
	for (unsigned i = 0; i < service->worker_count; i++)
		worker_free(service->workers[i]);
	free(service->workers);
	service->workers = NULL;
	service->worker_count = 0;
}

struct server *server_stop(struct server *server)
{
	struct service *service;

	if (!server)
		return NULL;
	service = &server->service;
	if (server->started) {
		atomic_store(&service->draining, true);
		if (server->acceptor)
			acceptor_close(server->acceptor);
		answer_shutdown(service, "kvstored stopped\n");
		end_waiting_streams(service);
		connections_watch(service->connections);
		(void)connections_wait_idle(service->connections, true, STOP_WAIT_MS);
		server->acceptor = acceptor_stop(server->acceptor);
		stop_workers(service);
	}
	listen_close(&server->listen, true);
	service->jobs = jobs_free(service->jobs); /* of a start that failed before */
	service->snapshots = snapshots_free(service->snapshots);
	service->feeds = feeds_free(service->feeds);
	service->farewell = farewell_free(service->farewell);
	service->connections = connections_free(service->connections);
	service->stopping = stopping_free(service->stopping);
	service->replies = replies_free(service->replies);
	service->metrics = metrics_free(service->metrics);
	service->tokens = tokens_free(service->tokens);
	service->rate = rate_free(service->rate);
	service->tls = tls_free(service->tls);
	free(server);
	return NULL;
}
