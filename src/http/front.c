/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Beside this file, only those who answer or park a request call libmicrohttpd. It is not told of deadlines: connection.h knows them, and
 * that of the header covers a TLS handshake, too.
 */
#define _GNU_SOURCE
#include "http/front.h"

#include "http/rate.h"
#include "http/request.h"
#include "http/tls.h"
#include "http/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { LIMIT_SLACK = 64 }; /* the acceptor keeps the limit of connections, not libmicrohttpd */

static int descriptor_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? (int)info->connect_fd : -1;
}

static void greeting_begins(struct front *front, struct request *request)
{
	if (!request)
		return;
	request->greeting = true;
	front->greeting++;
}

static void greeting_ends(struct front *front, struct request *request)
{
	if (!request || !request->greeting)
		return;
	request->greeting = false;
	front->greeting--;
}

/* Also of one whose end is not told: a resumed connection that epoll does not take back is closed without a word of its request. */
static void asking_ends(struct front *front, struct request *request)
{
	if (!request || !request->asking)
		return;
	request->asking = false;
	front->asking--;
	request_completed(request);
}

/* Libmicrohttpd leaves the socket corked: TLS's word of the end would lie there for 200 ms when the descriptor has a copy. */
static void let_go(struct MHD_Connection *mhd)
{
	int off = 0;

	(void)setsockopt(descriptor_of(mhd), IPPROTO_TCP, TCP_CORK, &off, sizeof off);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct front *front = arg;
	struct worker *worker = front->worker;
	const union MHD_ConnectionInfo *info;

	worker_progress(worker);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
		front->announced = true;
		*socket_context = request_new(front->service, worker, descriptor_of(mhd),
			info ? guard_peer_of(info->client_addr) : GUARD_PEER_REMOTE, front->tls);
		if (!*socket_context)
			(void)shutdown(descriptor_of(mhd), SHUT_RDWR); /* no memory, and who is not registered has no deadline */
		if (*socket_context && info && front->service->rate)
			((struct request *)*socket_context)->client = rate_client(info->client_addr);
		if (front->tls) {
			tls_prepare(mhd);
			greeting_begins(front, *socket_context);
		}
	} else {
		greeting_ends(front, *socket_context);
		asking_ends(front, *socket_context);
		if (front->tls)
			let_go(mhd);
		*socket_context = request_free(*socket_context);
		atomic_fetch_sub(&front->service->open_connections, 1);
	}
}

/* The value becomes the request context of the following calls. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *request = info ? info->socket_context : NULL;
	struct front *front = arg;

	worker_progress(front->worker);
	greeting_ends(front, request);
	if (request) {
		request->asking = true;
		front->asking++;
		request_target(request, mhd, target ? target : "");
	}
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
	struct front *front = arg;

	(void)mhd;
	(void)code;
	worker_progress(front->worker);
	asking_ends(front, *context);
}

/* The raw target is decoded by urlkey, once; nothing else of it is used. */
static size_t leave_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
	(void)arg;
	(void)mhd;
	return strlen(text);
}

/*
 * The memory limit of a connection is what its request line and header may take. For every request libmicrohttpd clears one and a half times
 * as much, which is the largest part of what it does outside of the kernel: a larger limit is slower.
 */

/* Version 1 can be told to be strict: it then refuses what 0.9 lets through and judge.c has to find. */
#if MHD_VERSION >= 0x01000000
#define STRICTNESS MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#else
#define STRICTNESS
#endif

#define OPTIONS \
	MHD_OPTION_CONNECTION_LIMIT, front->service->options->connection_limit + LIMIT_SLACK, \
	MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)front->service->options->max_header_bytes, \
	MHD_OPTION_URI_LOG_CALLBACK, on_target, front, \
	MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, \
	MHD_OPTION_NOTIFY_CONNECTION, on_connection, front, \
	MHD_OPTION_NOTIFY_COMPLETED, on_completed, front, \
	STRICTNESS

static struct MHD_Daemon *start_mhd(struct front *front)
{
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;

	if (!front->tls)
		return MHD_start_daemon(flags, 0, NULL, NULL, on_access, front, OPTIONS MHD_OPTION_END);
	return MHD_start_daemon(flags | MHD_USE_TLS, 0, NULL, NULL, on_access, front, OPTIONS
		MHD_OPTION_HTTPS_PRIORITIES, tls_priorities,
		MHD_OPTION_HTTPS_CERT_CALLBACK, tls_certificate,
		MHD_OPTION_END);
}

int front_start(struct front *front, struct service *service, struct worker *worker, bool tls)
{
	const union MHD_DaemonInfo *info;

	front->service = service;
	front->worker = worker;
	front->tls = tls;
	front->fd = -1;
	errno = 0;
	front->mhd = start_mhd(front);
	if (!front->mhd)
		return errno ? errno : ENOMEM;
	info = MHD_get_daemon_info(front->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return ENOSYS;
	front->fd = info->epoll_fd;
	return 0;
}

void front_stop(struct front *front)
{
	if (front->mhd)
		MHD_stop_daemon(front->mhd);
	front->mhd = NULL;
}

/* What libmicrohttpd has announced before it fails, it also tells the end of. */
void front_add(struct front *front, int fd, const struct sockaddr *address, socklen_t len)
{
	front->announced = false;
	if (MHD_add_connection(front->mhd, fd, address, len) != MHD_YES && !front->announced)
		atomic_fetch_sub(&front->service->open_connections, 1);
}

void front_run(struct front *front)
{
	MHD_run(front->mhd);
}

bool front_wants_run(const struct front *front)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	return MHD_get_timeout(front->mhd, &timeout) == MHD_YES;
}
