/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "support/fault_epoll.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_uint left;

void fault_epoll_refuse(unsigned count)
{
	atomic_store(&left, count);
}

unsigned fault_epoll_left(void)
{
	return atomic_load(&left);
}

static bool is_connection(int fd)
{
	int type;
	socklen_t len = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static bool must_refuse(void)
{
	unsigned count = atomic_load(&left);

	while (count > 0 && !atomic_compare_exchange_weak(&left, &count, count - 1))
		continue;
	return count > 0;
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_ADD && is_connection(fd) && must_refuse()) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}
