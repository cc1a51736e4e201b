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
#include "http/reply.h"
#include "http/request.h"
#include "http/worker.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STOP_WAIT_MS = 2000 }; /* for answers under way when everything is closed */

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
	kv_status status = fill_service(server, store, err);

	if (status != KV_OK)
		return status;
	MHD_set_panic_func(on_panic, NULL);
	server->started = true;
	status = start_workers(&server->service, err);
	if (status != KV_OK)
		return status;
	return acceptor_start(&server->service, &server->listen, &server->acceptor, err);
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

/* No callback of the store may come any more when the workers are freed. store_finish() has called all of them, so this is
 * the tail of the last ones. */
static void wait_for_commits(struct service *service)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	while (atomic_load(&service->commits) > 0)
		nanosleep(&pause, NULL);
}

static void stop_workers(struct service *service)
{
	for (unsigned i = 0; i < service->worker_count; i++)
		worker_end(service->workers[i]);
	for (unsigned i = 0; i < service->worker_count; i++)
		worker_join(service->workers[i]);
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
		connections_watch(service->connections);
		(void)connections_wait_idle(service->connections, true, STOP_WAIT_MS);
		server->acceptor = acceptor_stop(server->acceptor);
		stop_workers(service);
	}
	listen_close(&server->listen, true);
	service->farewell = farewell_free(service->farewell);
	service->connections = connections_free(service->connections);
	service->stopping = stopping_free(service->stopping);
	service->replies = replies_free(service->replies);
	service->metrics = metrics_free(service->metrics);
	free(server);
	return NULL;
}
