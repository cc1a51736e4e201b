/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers only add; only the acceptor thread reads and closes, so a descriptor cannot be given to somebody else while it is
 * read from. It looks at a copy of the list: nothing is read under the mutex.
 */
#define _GNU_SOURCE
#include "http/farewell.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LINGER_MAX = 64,
	LINGER_US = 5000000,
	PIECE_BYTES = 64 * 1024,
	PIECES_A_TURN = 8, /* then the others and new connections have their turn */
};

struct lingering {
	int fd;
	uint64_t until_us;
};

struct farewell {
	int epoll_fd; /* constant, as max */
	unsigned max;

	pthread_mutex_t mu;
	struct lingering list[LINGER_MAX]; /* guarded by mu; oldest first */
	unsigned count;                    /* guarded by mu */
};

struct farewell *farewell_new(unsigned max)
{
	struct farewell *farewell = calloc(1, sizeof *farewell);

	if (!farewell)
		return NULL;
	farewell->max = max < LINGER_MAX ? max : LINGER_MAX;
	pthread_mutex_init(&farewell->mu, NULL);
	farewell->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return farewell->epoll_fd >= 0 ? farewell : farewell_free(farewell);
}

struct farewell *farewell_free(struct farewell *farewell)
{
	if (!farewell)
		return NULL;
	while (farewell_end_first(farewell))
		;
	if (farewell->epoll_fd >= 0)
		close(farewell->epoll_fd);
	pthread_mutex_destroy(&farewell->mu);
	free(farewell);
	return NULL;
}

void farewell_add(struct farewell *farewell, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };
	bool added = false;

	pthread_mutex_lock(&farewell->mu);
	if (farewell->count < farewell->max && epoll_ctl(farewell->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
		farewell->list[farewell->count++] = (struct lingering){
			.fd = fd,
			.until_us = clock_monotonic_us() + LINGER_US,
		};
		added = true;
	}
	pthread_mutex_unlock(&farewell->mu);
	if (!added)
		close(fd);
}

void farewell_add_copy(struct farewell *farewell, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy >= 0)
		farewell_add(farewell, copy);
}

int farewell_poll_fd(const struct farewell *farewell)
{
	return farewell->epoll_fd;
}

/* Takes it out of the list; the list has it only once. */
static void end(struct farewell *farewell, int fd)
{
	unsigned i = 0;

	pthread_mutex_lock(&farewell->mu);
	while (farewell->list[i].fd != fd)
		i++;
	farewell->count--;
	memmove(&farewell->list[i], &farewell->list[i + 1], (farewell->count - i) * sizeof farewell->list[0]);
	pthread_mutex_unlock(&farewell->mu);
	(void)epoll_ctl(farewell->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* a copy of it may stay open elsewhere */
	close(fd);
}

/* Drops what has come. True: nothing more will. */
static bool drop_input(int fd)
{
	char dropped[PIECE_BYTES];

	for (int i = 0; i < PIECES_A_TURN; i++) {
		ssize_t n = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);

		if (n <= 0)
			return n == 0 || (errno != EAGAIN && errno != EINTR);
	}
	return false;
}

void farewell_turn(struct farewell *farewell, uint64_t now_us)
{
	struct lingering list[LINGER_MAX];
	unsigned count;

	pthread_mutex_lock(&farewell->mu);
	count = farewell->count;
	memcpy(list, farewell->list, count * sizeof list[0]);
	pthread_mutex_unlock(&farewell->mu);
	for (unsigned i = 0; i < count; i++)
		if (list[i].until_us <= now_us || drop_input(list[i].fd))
			end(farewell, list[i].fd);
}

bool farewell_end_first(struct farewell *farewell)
{
	int fd = -1;

	pthread_mutex_lock(&farewell->mu);
	if (farewell->count > 0)
		fd = farewell->list[0].fd;
	pthread_mutex_unlock(&farewell->mu);
	if (fd >= 0)
		end(farewell, fd);
	return fd >= 0;
}

bool farewell_is_empty(struct farewell *farewell)
{
	bool empty;

	pthread_mutex_lock(&farewell->mu);
	empty = farewell->count == 0;
	pthread_mutex_unlock(&farewell->mu);
	return empty;
}
