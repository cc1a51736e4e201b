/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Phase and time lie in one atomic word, so that the reaper's decision is exact: it swaps the very word it judged for REAPED, and
 * the worker's next step then fails. Only these two write it.
 *
 * The registry's mutex is taken when a connection comes or goes and by the reaper, never for a request. The reaper's send and
 * shutdown happen under it, against the rule, because it is what keeps the descriptor from being closed and given to
 * somebody else meanwhile; neither of them blocks.
 */
#define _GNU_SOURCE
#include "http/connection.h"

#include "base/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
	PHASE_BITS = 4,
	PHASE_MASK = (1 << PHASE_BITS) - 1,
	ABANDONED_MS = 200, /* not earlier: most ends of streams are seen by the worker */
};

struct connections {
	struct connections_limits limits; /* constant */

	pthread_mutex_t mu;
	pthread_cond_t left;      /* a request has ended while somebody was watching */
	struct connection *first; /* guarded by mu */

	atomic_bool watched;
};

static const char answer_408[] =
	"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\n"
	"Content-Length: 26\r\n\r\nthe request came too slow\n";

static uint64_t now_ms(void)
{
	return clock_monotonic_coarse_ms();
}

static uint64_t word_of(enum connection_phase phase)
{
	return now_ms() << PHASE_BITS | (uint64_t)phase;
}

/* The time of the first header runs on when its first line is there. */
static uint64_t next_word(uint64_t old, enum connection_phase phase)
{
	if ((old & PHASE_MASK) == CONNECTION_NEW && phase == CONNECTION_HEADER)
		return (old & ~(uint64_t)PHASE_MASK) | (uint64_t)phase;
	return word_of(phase);
}

struct connections *connections_new(const struct connections_limits *limits)
{
	struct connections *connections = calloc(1, sizeof *connections);
	pthread_condattr_t attr;

	if (!connections)
		return NULL;
	connections->limits = *limits;
	pthread_mutex_init(&connections->mu, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&connections->left, &attr);
	pthread_condattr_destroy(&attr);
	return connections;
}

struct connections *connections_free(struct connections *connections)
{
	if (!connections)
		return NULL;
	pthread_cond_destroy(&connections->left);
	pthread_mutex_destroy(&connections->mu);
	free(connections);
	return NULL;
}

void connections_add(struct connections *connections, struct connection *connection, int fd,
	enum guard_peer peer)
{
	connection->fd = fd;
	connection->peer = peer;
	atomic_init(&connection->bytes, 0);
	atomic_init(&connection->state, word_of(CONNECTION_NEW));
	connection->previous = NULL;
	pthread_mutex_lock(&connections->mu);
	connection->next = connections->first;
	if (connection->next)
		connection->next->previous = connection;
	connections->first = connection;
	pthread_mutex_unlock(&connections->mu);
}

void connections_remove(struct connections *connections, struct connection *connection)
{
	pthread_mutex_lock(&connections->mu);
	if (connection->next)
		connection->next->previous = connection->previous;
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		connections->first = connection->next;
	pthread_cond_broadcast(&connections->left);
	pthread_mutex_unlock(&connections->mu);
}

bool connection_enter(struct connection *connection, enum connection_phase phase)
{
	uint64_t old = atomic_load_explicit(&connection->state, memory_order_relaxed);

	/* sequentially consistent: connections_left() looks whether somebody watches after this */
	return (old & PHASE_MASK) != CONNECTION_REAPED &&
		atomic_compare_exchange_strong(&connection->state, &old, next_word(old, phase));
}

/* A new word comes before new bytes: between the two, the reaper sees more time than there is, never less. */
bool connection_progress(struct connection *connection, uint64_t bytes)
{
	uint64_t word = atomic_load_explicit(&connection->state, memory_order_relaxed);
	uint64_t so_far = atomic_load_explicit(&connection->bytes, memory_order_relaxed);
	uint64_t now = now_ms();

	if ((word & PHASE_MASK) == CONNECTION_REAPED)
		return false;
	if (now - (word >> PHASE_BITS) < so_far * 1000 / CONNECTION_RATE_MIN) {
		if (!atomic_compare_exchange_strong(&connection->state, &word, now << PHASE_BITS | (word & PHASE_MASK)))
			return false;
		so_far = 0;
	}
	atomic_store_explicit(&connection->bytes, so_far + bytes, memory_order_release);
	return true;
}

enum connection_phase connection_phase(const struct connection *connection)
{
	return (enum connection_phase)(atomic_load(&connection->state) & PHASE_MASK);
}

/* Milliseconds that the phase may last. */
static uint64_t allowance_ms(const struct connections *connections, enum connection_phase phase,
	uint64_t bytes)
{
	switch (phase) {
	case CONNECTION_NEW:
	case CONNECTION_HEADER:
		return connections->limits.header_timeout_ms;
	case CONNECTION_BODY:
		return connections->limits.header_timeout_ms + bytes * 1000 / CONNECTION_RATE_MIN;
	case CONNECTION_SENDING:
		return connections->limits.idle_timeout_ms + bytes * 1000 / CONNECTION_RATE_MIN;
	case CONNECTION_IDLE:
		return connections->limits.idle_timeout_ms;
	default:
		return UINT64_MAX;
	}
}

/* libmicrohttpd 0.9.75 misses an end of stream that arrived together with a part of a request. */
static bool is_abandoned(const struct connection *connection, enum connection_phase phase, uint64_t age_ms)
{
	char byte;

	struct pollfd end = { .fd = connection->fd, .events = POLLRDHUP };

	if (phase == CONNECTION_WAITING) /* what it sent after its request does not matter */
		return poll(&end, 1, 0) > 0;
	if (age_ms < ABANDONED_MS || phase == CONNECTION_WORKING || phase == CONNECTION_STOPPING ||
		phase == CONNECTION_SENDING || phase == CONNECTION_REAPED)
		return false;
	return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Where a request may have begun. */
static void answer_late(struct connections *connections, struct connection *connection, enum connection_phase phase, uint64_t age_ms)
{
	if (phase != CONNECTION_NEW && phase != CONNECTION_HEADER && phase != CONNECTION_BODY)
		return;
	if (!connection->tls)
		(void)send(connection->fd, answer_408, sizeof answer_408 - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (connections->limits.answered)
		connections->limits.answered(connections->limits.answered_arg, 408, age_ms * 1000);
}

static void reap_if_late(struct connections *connections, struct connection *connection, uint64_t now)
{
	uint64_t word = atomic_load(&connection->state);
	enum connection_phase phase = (enum connection_phase)(word & PHASE_MASK);
	uint64_t since = word >> PHASE_BITS;
	uint64_t bytes = atomic_load_explicit(&connection->bytes, memory_order_relaxed);
	uint64_t age = now > since ? now - since : 0;
	bool late = age > allowance_ms(connections, phase, bytes);

	if (!late && !is_abandoned(connection, phase, age))
		return;
	if (!atomic_compare_exchange_strong(&connection->state, &word, word_of(CONNECTION_REAPED)))
		return;
	if (late)
		answer_late(connections, connection, phase, age);
	shutdown(connection->fd, SHUT_RDWR);
	if (phase == CONNECTION_WAITING && connections->limits.reaped)
		connections->limits.reaped(connection);
}

void connections_reap(struct connections *connections)
{
	uint64_t now = now_ms();

	pthread_mutex_lock(&connections->mu);
	for (struct connection *c = connections->first; c; c = c->next)
		reap_if_late(connections, c, now);
	pthread_mutex_unlock(&connections->mu);
}

static bool is_busy(const struct connection *connection, bool with_stopping)
{
	switch (connection_phase(connection)) {
	case CONNECTION_BODY:
	case CONNECTION_WORKING:
	case CONNECTION_SENDING:
		return true;
	case CONNECTION_STOPPING:
		return with_stopping;
	default:
		return false;
	}
}

static unsigned count_busy_locked(const struct connections *connections, bool with_stopping)
{
	unsigned count = 0;

	for (const struct connection *c = connections->first; c; c = c->next)
		count += is_busy(c, with_stopping);
	return count;
}

unsigned connections_count_busy(struct connections *connections, bool with_stopping)
{
	unsigned count;

	pthread_mutex_lock(&connections->mu);
	count = count_busy_locked(connections, with_stopping);
	pthread_mutex_unlock(&connections->mu);
	return count;
}

void connections_watch(struct connections *connections)
{
	atomic_store(&connections->watched, true);
}

void connections_left(struct connections *connections)
{
	if (!atomic_load(&connections->watched))
		return;
	pthread_mutex_lock(&connections->mu);
	pthread_cond_broadcast(&connections->left);
	pthread_mutex_unlock(&connections->mu);
}

unsigned connections_wait_idle(struct connections *connections, bool with_stopping,
	uint32_t timeout_ms)
{
	uint64_t until_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000),
	};
	unsigned busy;

	pthread_mutex_lock(&connections->mu);
	while ((busy = count_busy_locked(connections, with_stopping)) > 0)
		if (pthread_cond_timedwait(&connections->left, &connections->mu, &until) != 0)
			break;
	pthread_mutex_unlock(&connections->mu);
	return busy;
}
