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
 */
#define _GNU_SOURCE
#include "http/worker.h"

#include "http/request.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	HEADER_BYTES_MAX = 32 * 1024, /* libmicrohttpd clears this much for every request: larger is slower */
	RUNS_AFTER_PROGRESS = 2,      /* an answer is sent in a later run than it is queued in */
	SLEEP_MIN_MS = 1,
	SLEEP_MAX_MS = 64,
	LIMIT_SLACK = 64,             /* the acceptor keeps the limit, not libmicrohttpd */
};

struct newcomer {
	int fd;
	socklen_t address_len;
	struct sockaddr_storage address;
};

struct worker {
	struct service *service; /* constant */
	struct MHD_Daemon *mhd;  /* worker thread while it runs, then main thread */
	int mhd_fd;              /* constant; readable when a socket has something */
	int wake_fd;             /* constant */
	pthread_t thread;        /* constant */

	atomic_bool woken;       /* wake_fd was written since the loop last looked */
	atomic_bool ending;

	pthread_mutex_t mu;
	struct newcomer *newcomers; /* guarded by mu */
	size_t newcomer_count;      /* guarded by mu */

	/* worker thread */
	unsigned waiting;  /* requests */
	unsigned runs_due; /* before the next sleep */
	int sleep_ms;
};

/* ---- what libmicrohttpd calls ---- */

static int descriptor_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? (int)info->connect_fd : -1;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct worker *worker = arg;
	const union MHD_ConnectionInfo *info;

	worker_progress(worker);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
		*socket_context = request_new(worker->service, worker, descriptor_of(mhd),
			info ? guard_peer_of(info->client_addr) : GUARD_PEER_REMOTE);
	} else {
		*socket_context = request_free(*socket_context);
		atomic_fetch_sub(&worker->service->open_connections, 1);
	}
}

/* The value becomes the request context of the following calls. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *request = info ? info->socket_context : NULL;

	worker_progress(arg);
	if (request)
		request_target(request, mhd, target ? target : "");
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
	(void)mhd;
	(void)code;
	worker_progress(arg);
	if (*context)
		request_completed(*context);
}

/* The raw target is decoded by urlkey, once; nothing else of it is used. */
static size_t leave_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
	(void)arg;
	(void)mhd;
	return strlen(text);
}

/* Version 1 can be told to be strict: it then refuses what 0.9 lets through and judge.c has to find. */
#if MHD_VERSION >= 0x01000000
#define STRICTNESS MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#else
#define STRICTNESS
#endif

static struct MHD_Daemon *start_mhd(struct worker *worker)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_access, worker,
		MHD_OPTION_CONNECTION_LIMIT, worker->service->options->connection_limit + LIMIT_SLACK,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES_MAX,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, worker,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, worker,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, worker,
		STRICTNESS
		MHD_OPTION_END);
}

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
	for (size_t i = 0; i < count; i++) /* it closes the descriptor when it fails */
		if (MHD_add_connection(worker->mhd, newcomers[i].fd,
				(struct sockaddr *)&newcomers[i].address, newcomers[i].address_len) != MHD_YES)
			atomic_fetch_sub(&worker->service->open_connections, 1);
	if (count > 0)
		worker_progress(worker);
	free(newcomers);
}

/* Milliseconds that the loop may sleep; -1: until it is woken. */
static int sleep_time(struct worker *worker)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	if (worker->runs_due > 0)
		return 0;
	if (MHD_get_timeout(worker->mhd, &timeout) != MHD_YES)
		return -1;
	return worker->waiting == 0 ? 0 : worker->sleep_ms;
}

static void sleep_until_needed(struct worker *worker)
{
	struct pollfd polls[] = {
		{ .fd = worker->mhd_fd, .events = POLLIN },
		{ .fd = worker->wake_fd, .events = POLLIN },
	};
	int ms = sleep_time(worker);
	uint64_t drained;

	if (ms != 0 && poll(polls, 2, ms) == 0)
		worker->sleep_ms = worker->sleep_ms < SLEEP_MAX_MS ? 2 * worker->sleep_ms : SLEEP_MAX_MS;
	else
		worker->sleep_ms = SLEEP_MIN_MS;
	/* the mark may be seen before the write that follows it: then there is nothing to read yet, and later no mark */
	if (polls[1].revents != 0 || atomic_load_explicit(&worker->woken, memory_order_relaxed)) {
		(void)!read(worker->wake_fd, &drained, sizeof drained);
		atomic_store(&worker->woken, false); /* what is told from here on wakes again */
		add_newcomers(worker);
	}
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	pthread_setname_np(pthread_self(), "http-worker");
	while (!atomic_load(&worker->ending)) {
		sleep_until_needed(worker);
		if (worker->runs_due > 0)
			worker->runs_due--;
		MHD_run(worker->mhd);
	}
	return NULL;
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

/* ---- start and end ---- */

bool worker_give(struct worker *worker, int fd, const struct sockaddr *address, socklen_t len)
{
	struct newcomer *grown;

	pthread_mutex_lock(&worker->mu);
	grown = realloc(worker->newcomers, (worker->newcomer_count + 1) * sizeof *grown);
	if (grown) {
		struct newcomer *newcomer = &grown[worker->newcomer_count++];

		worker->newcomers = grown;
		newcomer->fd = fd;
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
	if (worker->mhd)
		MHD_stop_daemon(worker->mhd);
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	pthread_mutex_destroy(&worker->mu);
	free(worker);
	return NULL;
}

/* 0 or an errno. */
static int open_loop(struct worker *worker)
{
	const union MHD_DaemonInfo *info;

	worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->wake_fd < 0)
		return errno;
	errno = 0;
	worker->mhd = start_mhd(worker);
	if (!worker->mhd)
		return errno ? errno : ENOMEM;
	info = MHD_get_daemon_info(worker->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return ENOSYS;
	worker->mhd_fd = info->epoll_fd;
	return 0;
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
