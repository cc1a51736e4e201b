/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll() over the listening sockets and an eventfd that wakes it for a change of `wish`. While connections are open, it also
 * wakes up for their deadlines.
 *
 * A refused client gets its 503 at once, but its descriptor lingers for a moment: closing it while the request is on its way would
 * reset the connection, and the answer could be lost. When descriptors have run out, the spare one is given up so that one client
 * can be accepted and told.
 */
#define _GNU_SOURCE
#include "http/acceptor.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <microhttpd.h>
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
	LINGER_MS = 1000,
	LINGER_MAX = 32,   /* refused clients that are not closed yet */
	ACCEPT_BATCH = 64, /* connections taken from one socket before the next has its turn */
};

struct lingering {
	int fd;
	uint64_t until_us;
};

struct acceptor {
	struct service *service;         /* constant */
	const struct listen_set *listen; /* constant */
	struct MHD_Daemon *daemon;       /* constant */
	int wake_fd;                     /* constant */
	pthread_t thread;                /* constant */

	_Atomic(int) wish;               /* enum wish; written by the main thread */

	/* acceptor thread */
	int spare_fd; /* -1: given up, to be had again */
	struct lingering lingering[LINGER_MAX];
	unsigned lingering_count;
	bool told_descriptors; /* the lack of them was logged */
};

static const char answer_503[] =
	"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
	"Content-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n";

static void end_lingering(struct acceptor *acceptor, unsigned i)
{
	close(acceptor->lingering[i].fd);
	acceptor->lingering_count--;
	memmove(&acceptor->lingering[i], &acceptor->lingering[i + 1],
		(acceptor->lingering_count - i) * sizeof acceptor->lingering[0]);
}

static void end_old_lingering(struct acceptor *acceptor, uint64_t now_us)
{
	while (acceptor->lingering_count > 0 && acceptor->lingering[0].until_us <= now_us)
		end_lingering(acceptor, 0);
}

static void refuse(struct acceptor *acceptor, int fd)
{
	(void)send(fd, answer_503, sizeof answer_503 - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	if (acceptor->lingering_count == LINGER_MAX)
		end_lingering(acceptor, 0);
	acceptor->lingering[acceptor->lingering_count++] = (struct lingering){
		.fd = fd,
		.until_us = clock_monotonic_us() + LINGER_MS * 1000,
	};
}

static void hand_over(struct acceptor *acceptor, int fd, const struct sockaddr *address, socklen_t len)
{
	struct service *service = acceptor->service;
	int on = 1;

	if (atomic_load(&service->open_connections) >= service->options->connection_limit) {
		refuse(acceptor, fd);
		return;
	}
	if (address->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	atomic_fetch_add(&service->open_connections, 1);
	if (MHD_add_connection(acceptor->daemon, fd, address, len) != MHD_YES)
		atomic_fetch_sub(&service->open_connections, 1); /* it has closed the descriptor */
}

/* Descriptors have run out: tells one client so with the spare one. */
static void tell_one(struct acceptor *acceptor, int listen_fd)
{
	int fd;

	if (!acceptor->told_descriptors)
		log_warning("no descriptors left for new connections (limit of open files)");
	acceptor->told_descriptors = true;
	while (acceptor->lingering_count > 0)
		end_lingering(acceptor, 0);
	if (acceptor->spare_fd >= 0)
		close(acceptor->spare_fd);
	acceptor->spare_fd = -1;
	/* cppcheck-suppress nullPointer ; it need not tell who it is */
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		(void)send(fd, answer_503, sizeof answer_503 - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
	}
	acceptor->spare_fd = fcntl(acceptor->wake_fd, F_DUPFD_CLOEXEC, 0);
}

static void accept_some(struct acceptor *acceptor, int listen_fd)
{
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage address = { 0 };
		socklen_t len = sizeof address;
		int fd = accept4(listen_fd, (struct sockaddr *)&address, &len,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
				tell_one(acceptor, listen_fd);
			return;
		}
		acceptor->told_descriptors = false;
		hand_over(acceptor, fd, (struct sockaddr *)&address, len);
	}
}

static bool must_tick(struct acceptor *acceptor)
{
	return acceptor->lingering_count > 0 || atomic_load(&acceptor->service->open_connections) > 0;
}

/* Waits for something to do; the sockets that are ready are served. */
static void turn(struct acceptor *acceptor)
{
	struct pollfd polls[LISTEN_MAX + 1] = { { .fd = acceptor->wake_fd, .events = POLLIN } };
	nfds_t count = 1;
	uint64_t drained;

	if (atomic_load(&acceptor->wish) == WISH_ACCEPT)
		for (size_t i = 0; i < acceptor->listen->count; i++)
			polls[count++] = (struct pollfd){ .fd = acceptor->listen->fds[i], .events = POLLIN };
	if (poll(polls, count, must_tick(acceptor) ? TICK_MS : -1) > 0) {
		if (polls[0].revents != 0)
			(void)!read(acceptor->wake_fd, &drained, sizeof drained);
		for (nfds_t i = 1; i < count; i++)
			if (polls[i].revents != 0 && atomic_load(&acceptor->wish) == WISH_ACCEPT)
				accept_some(acceptor, polls[i].fd);
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
		end_old_lingering(acceptor, now_us);
		connections_reap(acceptor->service->connections);
	}
	return NULL;
}

static struct acceptor *discard(struct acceptor *acceptor)
{
	while (acceptor->lingering_count > 0)
		end_lingering(acceptor, 0);
	if (acceptor->spare_fd >= 0)
		close(acceptor->spare_fd);
	if (acceptor->wake_fd >= 0)
		close(acceptor->wake_fd);
	free(acceptor);
	return NULL;
}

kv_status acceptor_start(struct service *service, const struct listen_set *listen,
	struct MHD_Daemon *daemon, struct acceptor **ret, struct kv_error *err)
{
	struct acceptor *acceptor = calloc(1, sizeof *acceptor);
	int errnum;

	if (!acceptor)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory");
	acceptor->service = service;
	acceptor->listen = listen;
	acceptor->daemon = daemon;
	atomic_init(&acceptor->wish, WISH_ACCEPT);
	acceptor->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	acceptor->spare_fd = fcntl(acceptor->wake_fd, F_DUPFD_CLOEXEC, 0);
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
