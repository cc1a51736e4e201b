/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop is ours and not libmicrohttpd's, because of writes: a request whose commit is under way has no answer yet, and the library
 * offers two ways to wait. Suspending the connection costs two epoll_ctl, an eventfd write and a useless recv each. Not answering makes the library's own loop spin. In a
 * loop of our own, not answering is free: such a connection stays on the library's list of ready ones, whose handlers are called again
 * by each MHD_run, and we run it when a commit group is done, once for all of the group.
 *
 * When to sleep: the library says "at once" as long as its list is not empty, so with waiting requests its word is worth nothing. Then
 * the loop goes on while its last runs showed any progress, and otherwise sleeps until a socket has something or worker_wake() was
 * called. As progress inside the library is not always seen from here, that sleep has an end, which grows with each
 * sleep that was for nothing.
 *
 * The library is one or two daemons (front.h) in the same loop.
 */
#define _GNU_SOURCE
#include "http/worker.h"

#include "base/clock.h"
#include "http/front.h"
#include "http/parking.h"
#include "http/request.h"
#include "http/tls.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	RUNS_AFTER_PROGRESS = 2,      /* an answer is sent in a later run than it is queued in */
	SLEEP_MIN_MS = 1,
	SLEEP_MAX_MS = 64,
	SUBMISSIONS_MAX = 256,        /* as many as a turn may well bring */
	SUBMISSIONS_US = 1000,        /* and no longer than that, where the turn takes longer */
	FRONTS_MAX = 2,               /* in the clear, over TLS */
};

struct newcomer {
	int fd;
	bool tls;
	socklen_t address_len;
	struct sockaddr_storage address;
};

struct worker {
	struct service *service; /* constant */
	struct front fronts[FRONTS_MAX]; /* worker thread while it runs, then main thread; the second is for TLS */
	unsigned front_count;    /* constant */
	int wake_fd;             /* constant */
	pthread_t thread;        /* constant */

	atomic_bool woken;       /* wake_fd was written since the loop last looked */
	atomic_bool ending;
	struct parking parking;  /* its first fields are for any thread */

	pthread_mutex_t mu;
	struct newcomer *newcomers; /* guarded by mu */
	size_t newcomer_count;      /* guarded by mu */

	/* worker thread */
	unsigned waiting;  /* requests */
	unsigned runs_due; /* before the next sleep */
	int sleep_ms;
	uint64_t now_us;              /* when the last request began */
	uint64_t submissions_from_us; /* ... before the first of them */
	size_t submission_count;
	struct store_submission submissions[SUBMISSIONS_MAX]; /* of this turn */
};

/* ---- the loop ---- */

static void add_newcomers(struct worker *worker)
{
	struct newcomer *newcomers;
	size_t count;

	pthread_mutex_lock(&worker->mu);
	newcomers = worker->newcomers;
	count = worker->newcomer_count;
	worker->newcomers = NULL;
	worker->newcomer_count = 0;
	pthread_mutex_unlock(&worker->mu);
	for (size_t i = 0; i < count; i++)
		front_add(&worker->fronts[newcomers[i].tls], newcomers[i].fd,
			(struct sockaddr *)&newcomers[i].address, newcomers[i].address_len);
	if (count > 0)
		worker_progress(worker);
	free(newcomers);
}

/* No later than the alarm; rounded up, not to be too early. */
static int until_alarm(uint64_t alarm_us, int ms)
{
	uint64_t now_us = clock_monotonic_us();
	uint64_t left_ms = alarm_us > now_us ? (alarm_us - now_us + 999) / 1000 : 0;

	return ms < 0 || left_ms < (uint64_t)ms ? (int)(left_ms < INT_MAX ? left_ms : INT_MAX) : ms;
}

static bool fronts_want_run(const struct worker *worker)
{
	for (unsigned i = 0; i < worker->front_count; i++)
		if (front_wants_run(&worker->fronts[i]))
			return true;
	return false;
}

/* The library says "at once" for clients that stop in the middle of a TLS handshake, too, and the loop would spin. What goes on in a
 * handshake begins with its socket, so its look without one may come later and later. But a transfer of a request may really want the
 * next one: beside such, only a short sleep. */
static int sleep_time_wanted(const struct worker *worker)
{
	unsigned greeting = 0, asking = 0;

	for (unsigned i = 0; i < worker->front_count; i++) {
		greeting += worker->fronts[i].greeting;
		asking += worker->fronts[i].asking;
	}
	if (worker->waiting > 0 || (greeting > 0 && asking == worker->parking.count))
		return worker->sleep_ms;
	return greeting > 0 ? SLEEP_MIN_MS : 0;
}

/* Milliseconds that the loop may sleep; -1: until it is woken. */
static int sleep_time(struct worker *worker)
{
	int ms = -1;

	if (worker->runs_due > 0)
		return 0;
	if (fronts_want_run(worker))
		ms = sleep_time_wanted(worker);
	if (ms != 0 && worker->parking.next_alarm_us != 0)
		ms = until_alarm(worker->parking.next_alarm_us, ms);
	return ms;
}

static void sleep_until_needed(struct worker *worker)
{
	struct pollfd polls[1 + FRONTS_MAX] = {
		{ .fd = worker->wake_fd, .events = POLLIN },
		{ .fd = worker->fronts[0].fd, .events = POLLIN },
		{ .fd = worker->fronts[1].fd, .events = POLLIN },
	};
	int ms = sleep_time(worker);
	uint64_t drained;

	if (ms != 0 && poll(polls, 1 + worker->front_count, ms) == 0)
		worker->sleep_ms = worker->sleep_ms < SLEEP_MAX_MS ? 2 * worker->sleep_ms : SLEEP_MAX_MS;
	else
		worker->sleep_ms = SLEEP_MIN_MS;
	/* the mark may be seen before the write that follows it: then there is nothing to read yet, and later no mark */
	if (polls[0].revents != 0 || atomic_load_explicit(&worker->woken, memory_order_relaxed)) {
		(void)!read(worker->wake_fd, &drained, sizeof drained);
		atomic_store(&worker->woken, false); /* what is told from here on wakes again */
		add_newcomers(worker);
	}
}

static void submit_turn(struct worker *worker)
{
	size_t count = worker->submission_count;

	if (count == 0)
		return;
	worker->submission_count = 0;
	store_submit_all(worker->service->store, worker->submissions, count);
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	pthread_setname_np(pthread_self(), "http-worker");
	tls_serve_on_this_thread(worker->service->tls);
	while (!atomic_load(&worker->ending)) {
		sleep_until_needed(worker);
		if (parking_turn(&worker->parking))
			worker_progress(worker);
		if (worker->runs_due > 0)
			worker->runs_due--;
		for (unsigned i = 0; i < worker->front_count; i++) {
			front_run(&worker->fronts[i]);
			submit_turn(worker);
		}
	}
	return NULL;
}

void worker_begins_request(struct worker *worker, uint64_t now_us)
{
	worker->now_us = now_us;
	if (worker->submission_count > 0 && now_us - worker->submissions_from_us >= SUBMISSIONS_US)
		submit_turn(worker);
}

void worker_submit(struct worker *worker, struct store_batch *batch, store_done done, void *arg)
{
	if (worker->submission_count == SUBMISSIONS_MAX)
		submit_turn(worker);
	if (worker->submission_count == 0)
		worker->submissions_from_us = worker->now_us;
	worker->submissions[worker->submission_count++] = (struct store_submission){ batch, done, arg };
}

void worker_wait_begins(struct worker *worker)
{
	worker->waiting++;
}

void worker_wait_ends(struct worker *worker)
{
	worker->waiting--;
}

void worker_progress(struct worker *worker)
{
	worker->runs_due = RUNS_AFTER_PROGRESS;
}

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;

	if (!atomic_exchange(&worker->woken, true))
		(void)!write(worker->wake_fd, &one, sizeof one); /* cannot fail: the counter is far from its end */
}

void worker_wake_parked(struct worker *worker)
{
	parking_wake_all(&worker->parking);
	worker_wake(worker);
}

struct parking *worker_parking(struct worker *worker)
{
	return &worker->parking;
}

/* ---- start and end ---- */

bool worker_give(struct worker *worker, int fd, bool tls, const struct sockaddr *address, socklen_t len)
{
	struct newcomer *grown;

	pthread_mutex_lock(&worker->mu);
	grown = realloc(worker->newcomers, (worker->newcomer_count + 1) * sizeof *grown);
	if (grown) {
		struct newcomer *newcomer = &grown[worker->newcomer_count++];

		worker->newcomers = grown;
		newcomer->fd = fd;
		newcomer->tls = tls;
		newcomer->address_len = len;
		memcpy(&newcomer->address, address, len);
	}
	pthread_mutex_unlock(&worker->mu);
	if (grown)
		worker_wake(worker);
	return grown != NULL;
}

static struct worker *discard(struct worker *worker)
{
	for (size_t i = 0; i < worker->newcomer_count; i++)
		close(worker->newcomers[i].fd);
	free(worker->newcomers);
	parking_empty(&worker->parking);
	for (unsigned i = 0; i < FRONTS_MAX; i++)
		front_stop(&worker->fronts[i]);
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	pthread_mutex_destroy(&worker->mu);
	free(worker);
	return NULL;
}

/* 0 or an errno. */
static int open_loop(struct worker *worker)
{
	int errnum = 0;

	worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->wake_fd < 0)
		return errno;
	worker->front_count = worker->service->tls ? 2 : 1;
	for (unsigned i = 0; i < worker->front_count && errnum == 0; i++)
		errnum = front_start(&worker->fronts[i], worker->service, worker, i == 1);
	return errnum;
}

kv_status worker_start(struct service *service, struct worker **ret, struct kv_error *err)
{
	struct worker *worker = calloc(1, sizeof *worker);
	int errnum;

	if (!worker)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory");
	worker->service = service;
	worker->sleep_ms = SLEEP_MIN_MS;
	pthread_mutex_init(&worker->mu, NULL);
	errnum = open_loop(worker);
	if (errnum == 0)
		errnum = pthread_create(&worker->thread, NULL, run, worker);
	if (errnum != 0) {
		discard(worker);
		return kv_error_errno(err, errnum, "", "cannot start an HTTP thread");
	}
	*ret = worker;
	return KV_OK;
}

void worker_end(struct worker *worker)
{
	atomic_store(&worker->ending, true);
	worker_wake(worker);
}

void worker_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
}

struct worker *worker_free(struct worker *worker)
{
	return worker ? discard(worker) : NULL;
}
