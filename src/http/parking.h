/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections of a worker that wait for something else than their socket: streams without data, bodies that cannot be taken yet.
 * Libmicrohttpd suspends them, so they cost the others nothing, and nobody but our registry of connections looks at them.
 *
 * All on the worker's thread, but for the functions that say otherwise.
 */
#ifndef KV_HTTP_PARKING_H
#define KV_HTTP_PARKING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct request;

/* A request's place in it; zeros: not parked. */
struct parked {
	atomic_bool woken;
	bool suspended;
	uint64_t alarm_us; /* clock_monotonic_us(); 0: none */
	struct request *previous, *next;
};

struct parking {
	atomic_bool look; /* somebody was woken */
	atomic_bool all;  /* all are */

	struct request *first;
	unsigned count;         /* of those from `first` on */
	uint64_t next_alarm_us; /* not later than the first of all alarms; 0: none */
};

/* Suspends the connection until parking_wake() or the alarm, perhaps longer than needed never. May be called within a callback of libmicrohttpd
 * for this connection only. False: it was woken since parking_forget_wake() and is not suspended. */
bool parking_enter(struct parking *parking, struct request *request, uint64_t alarm_us);

/* What was told until now is known. */
void parking_forget_wake(struct request *request);

/* The request may go on; it does so once, however often this is called. Any thread. The worker must be woken after it. */
void parking_wake(struct parking *parking, struct request *request);
/* A commit or job has ended that a parked request may wait for. Any thread; the same. */
void parking_look(struct parking *parking);
/* All may go on. Any thread; the same. */
void parking_wake_all(struct parking *parking);

/* Resumes those that may go on; true: there were some. */
bool parking_turn(struct parking *parking);
/* Resumes all, because libmicrohttpd cannot be stopped otherwise. */
void parking_empty(struct parking *parking);

#endif
