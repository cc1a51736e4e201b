/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll() over the listening sockets and an eventfd that wakes it for a change of `wish`. While connections are open, it also
 * wakes up for their deadlines and reads what refused clients still send (farewell.h); while there are snapshots, for their age.
 *
 * When descriptors have run out, the spare one is given up so that one client can be accepted and told. Where that does not help (the
 * machine has no open file more, or no memory), clients wait for a tick: their sockets stay readable, and poll() would not sleep.
 */
#define _GNU_SOURCE
#include "http/acceptor.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/worker.h"
#include "http/farewell.h"
#include "http/snapshots.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum wish { WISH_ACCEPT, WISH_CLOSED, WISH_END };

enum {
	TICK_MS = 250,
	ACCEPT_BATCH = 64, /* connections taken from one socket before the next has its turn */
};

struct acceptor {
	struct service *service;         /* constant */
	const struct listen_set *listen; /* constant */
	int wake_fd;                     /* constant */
	pthread_t thread;                /* constant */

	_Atomic(int) wish;               /* enum wish; written by the main thread */

	/* acceptor thread */
	unsigned turns; /* connections given to workers */
	int spare_fd; /* -1: given up, to be had again */
	bool told_descriptors; /* the lack of them was logged */
	bool must_rest; /* the next turn accepts nobody */
};

static const char answer_503[] =
	"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
	"Content-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n";

/* Over TLS there is no way to tell why without a handshake: its clients see the end only. */
static void send_503(struct acceptor *acceptor, int fd, bool tls)
{
	metrics_record(acceptor->service->metrics, METRICS_OTHER, 503, 0);
	if (!tls)
		(void)send(fd, answer_503, sizeof answer_503 - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void refuse(struct acceptor *acceptor, int fd, bool tls)
{
	send_503(acceptor, fd, tls);
	shutdown(fd, SHUT_WR);
	farewell_add(acceptor->service->farewell, fd);
}

static void hand_over(struct acceptor *acceptor, int fd, bool tls, const struct sockaddr *address, socklen_t len)
{
	struct service *service = acceptor->service;
	int on = 1;

	if (atomic_load(&service->open_connections) >= service->options->connection_limit) {
		refuse(acceptor, fd, tls);
		return;
	}
	if (address->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	atomic_fetch_add(&service->open_connections, 1);
	if (!worker_give(service->workers[acceptor->turns++ % service->worker_count], fd, tls, address,
			len)) {
		atomic_fetch_sub(&service->open_connections, 1);
		refuse(acceptor, fd, tls);
	}
}

static bool is_shortage(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM || errnum == ENOBUFS;
}

/* Descriptors have run out: tells one client so with the spare one. */
static void tell_one(struct acceptor *acceptor, int listen_fd, bool tls)
{
	int fd;

	if (!acceptor->told_descriptors)
		log_warning("no descriptors left for new connections (limit of open files)");
	acceptor->told_descriptors = true;
	while (farewell_end_first(acceptor->service->farewell))
		;
	if (acceptor->spare_fd >= 0)
		close(acceptor->spare_fd);
	acceptor->spare_fd = -1;
	/* cppcheck-suppress nullPointer ; it need not tell who it is */
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		send_503(acceptor, fd, tls);
		close(fd);
	} else if (is_shortage(errno)) {
		acceptor->must_rest = true;
	}
	acceptor->spare_fd = fcntl(acceptor->wake_fd, F_DUPFD_CLOEXEC, 0);
}

static void accept_some(struct acceptor *acceptor, size_t which)
{
	int listen_fd = acceptor->listen->fds[which];
	bool tls = acceptor->listen->tls[which];

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage address = { 0 };
		socklen_t len = sizeof address;
		int fd = accept4(listen_fd, (struct sockaddr *)&address, &len,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (is_shortage(errno))
				tell_one(acceptor, listen_fd, tls);
			return;
		}
		acceptor->told_descriptors = false;
		hand_over(acceptor, fd, tls, (struct sockaddr *)&address, len);
	}
}

static bool must_tick(struct acceptor *acceptor)
{
	return atomic_load(&acceptor->service->open_connections) > 0 ||
		!farewell_is_empty(acceptor->service->farewell) ||
		!snapshots_is_empty(acceptor->service->snapshots);
}

/* Waits for something to do; the sockets that are ready are served. */
static void turn(struct acceptor *acceptor)
{
	struct farewell *farewell = acceptor->service->farewell;
	struct pollfd polls[LISTEN_MAX + 2] = {
		{ .fd = acceptor->wake_fd, .events = POLLIN },
		{ .fd = farewell_poll_fd(farewell), .events = POLLIN },
	};
	nfds_t count = 2;
	bool rests = acceptor->must_rest;
	uint64_t drained;

	acceptor->must_rest = false;
	if (!rests && atomic_load(&acceptor->wish) == WISH_ACCEPT)
		for (size_t i = 0; i < acceptor->listen->count; i++)
			polls[count++] = (struct pollfd){ .fd = acceptor->listen->fds[i], .events = POLLIN };
	if (poll(polls, count, rests || must_tick(acceptor) ? TICK_MS : -1) > 0) {
		if (polls[0].revents != 0)
			(void)!read(acceptor->wake_fd, &drained, sizeof drained);
		if (polls[1].revents != 0)
			farewell_turn(farewell, clock_monotonic_us());
		for (nfds_t i = 2; i < count; i++)
			if (polls[i].revents != 0 && atomic_load(&acceptor->wish) == WISH_ACCEPT)
				accept_some(acceptor, i - 2);
	}
}

static void *run(void *arg)
{
	struct acceptor *acceptor = arg;
	uint64_t next_tick_us = 0;

	pthread_setname_np(pthread_self(), "http-accept");
	while (atomic_load(&acceptor->wish) != WISH_END) {
		uint64_t now_us;

		turn(acceptor);
		now_us = clock_monotonic_us();
		if (now_us < next_tick_us)
			continue;
		next_tick_us = now_us + TICK_MS * 1000;
		farewell_turn(acceptor->service->farewell, now_us);
		snapshots_tick(acceptor->service->snapshots, now_us);
		connections_reap(acceptor->service->connections);
	}
	return NULL;
}

static struct acceptor *discard(struct acceptor *acceptor)
{
	if (acceptor->spare_fd >= 0)
		close(acceptor->spare_fd);
	if (acceptor->wake_fd >= 0)
		close(acceptor->wake_fd);
	free(acceptor);
	return NULL;
}

kv_status acceptor_start(struct service *service, const struct listen_set *listen,
	struct acceptor **ret, struct kv_error *err)
{
	struct acceptor *acceptor = calloc(1, sizeof *acceptor);
	int errnum;

	if (!acceptor)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory");
	acceptor->service = service;
	acceptor->listen = listen;
	atomic_init(&acceptor->wish, WISH_ACCEPT);
	acceptor->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	acceptor->spare_fd = acceptor->wake_fd < 0 ? -1 : fcntl(acceptor->wake_fd, F_DUPFD_CLOEXEC, 0);
	errnum = acceptor->spare_fd < 0 ? errno : 0;
	if (errnum == 0)
		errnum = pthread_create(&acceptor->thread, NULL, run, acceptor);
	if (errnum != 0) {
		discard(acceptor);
		return kv_error_errno(err, errnum, "", "cannot start the thread that accepts connections");
	}
	*ret = acceptor;
	return KV_OK;
}

static void change(struct acceptor *acceptor, enum wish wish)
{
	uint64_t one = 1;

	atomic_store(&acceptor->wish, wish);
	(void)!write(acceptor->wake_fd, &one, sizeof one); /* only fails when it is awake already */
}

void acceptor_close(struct acceptor *acceptor)
{
	change(acceptor, WISH_CLOSED);
}

struct acceptor *acceptor_stop(struct acceptor *acceptor)
{
	if (!acceptor)
		return NULL;
	change(acceptor, WISH_END);
	pthread_join(acceptor->thread, NULL);
	return discard(acceptor);
}
