/* SPDX-License-Identifier: BSD-2-Clause */
/* A signalfd for the signals, an eventfd for requests by other threads, one poll over both. */
#define _GNU_SOURCE
#include "daemon/signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { NOTHING = -1 };

static const struct {
	int number;
	int event; /* enum signals_event, or NOTHING */
} table[] = {
	{ SIGTERM, SIGNALS_STOP },
	{ SIGINT, SIGNALS_STOP },
	{ SIGHUP, SIGNALS_RELOAD },
	{ SIGUSR1, NOTHING },
	{ SIGUSR2, NOTHING },
};

enum { TABLE_LEN = sizeof(table) / sizeof(table[0]) };

struct signals {
	int signal_fd;  /* constant after open */
	int request_fd; /* constant after open; written by any thread */
};

static kv_status block(sigset_t *set, struct kv_error *err)
{
	int errnum;

	sigemptyset(set);
	for (size_t i = 0; i < TABLE_LEN; i++)
		sigaddset(set, table[i].number);
	errnum = pthread_sigmask(SIG_BLOCK, set, NULL);
	if (errnum != 0)
		return kv_error_errno(err, errnum, "", "cannot block signals");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return kv_error_errno(err, errno, "", "cannot ignore SIGPIPE");
	return KV_OK;
}

kv_status signals_open(struct signals **ret, struct kv_error *err)
{
	struct signals *signals = malloc(sizeof(*signals));
	sigset_t set;
	kv_status status;

	if (!signals)
		return kv_error_set(err, KV_NO_MEMORY, "cannot prepare for signals");
	*signals = (struct signals){ .signal_fd = -1, .request_fd = -1 };
	status = block(&set, err);
	if (status == KV_OK) {
		signals->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
		signals->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (signals->signal_fd < 0 || signals->request_fd < 0)
			status = kv_error_errno(err, errno, "", "cannot prepare for signals");
	}
	if (status == KV_OK)
		*ret = signals;
	else
		signals_close(signals);
	return status;
}

static int event_of(int number)
{
	for (size_t i = 0; i < TABLE_LEN; i++) {
		if (table[i].number == number)
			return table[i].event;
	}
	return NOTHING;
}

static int next_signal(struct signals *signals, char *from, size_t size)
{
	struct signalfd_siginfo info;

	if (read(signals->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return NOTHING;
	if (from)
		snprintf(from, size, "SIG%s from process %u", sigabbrev_np((int)info.ssi_signo),
			info.ssi_pid);
	return event_of((int)info.ssi_signo);
}

static bool was_requested(struct signals *signals)
{
	uint64_t count;

	return read(signals->request_fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

enum signals_event signals_wait(struct signals *signals, char *from, size_t size)
{
	struct pollfd fds[] = {
		{ .fd = signals->request_fd, .events = POLLIN },
		{ .fd = signals->signal_fd, .events = POLLIN },
	};

	for (;;) {
		int event;

		if (poll(fds, 2, -1) < 0)
			continue; /* EINTR, or no memory for a moment */
		if (fds[0].revents != 0 && was_requested(signals)) {
			if (from)
				snprintf(from, size, "request of a client");
			return SIGNALS_STOP_REQUEST;
		}
		event = fds[1].revents != 0 ? next_signal(signals, from, size) : NOTHING;
		if (event != NOTHING)
			return (enum signals_event)event;
	}
}

void signals_request_stop(struct signals *signals)
{
	uint64_t one = 1;
	ssize_t put;

	do
		put = write(signals->request_fd, &one, sizeof(one));
	while (put < 0 && errno == EINTR); /* EAGAIN: requested 2^64 times already */
}

struct signals *signals_close(struct signals *signals)
{
	if (!signals)
		return NULL;
	if (signals->signal_fd >= 0)
		close(signals->signal_fd);
	if (signals->request_fd >= 0)
		close(signals->request_fd);
	free(signals);
	return NULL;
}
