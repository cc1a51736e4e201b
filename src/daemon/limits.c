/* SPDX-License-Identifier: BSD-2-Clause */
/* Core dumps are left to the administrator: RLIMIT_CORE stays as it was given to us. */
#include "daemon/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	TABLES = 4096,      /* more are of no use */
	TABLES_MIN = 4,
	CONNECTIONS_MIN = 4,
	OWN = 43,           /* logs, tables being written, lock, sockets, what wakes the threads that serve no requests */
	PER_THREAD = 5,     /* what wakes it; and of libmicrohttpd an epoll and an event descriptor, and two more for TLS */
	PER_CONNECTION = 2, /* its socket; and a file: of a large value on its way, or of the log that it follows */
	FAREWELL_PART = 4,  /* every so many connections, one more is being refused (http/farewell.h) */
};

static bool try_limit(rlim_t soft, rlim_t hard)
{
	struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };

	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static uint64_t for_connections(uint64_t connections)
{
	return connections * PER_CONNECTION + connections / FAREWELL_PART;
}

static uint64_t wanted_threads(uint64_t threads)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (threads > 0)
		return threads;
	return processors > 0 ? (uint64_t)processors : 1;
}

static uint64_t left_of(uint64_t all, uint64_t taken)
{
	return all > taken ? all - taken : 0;
}

/* `descriptors` divided: at most half of what the others do not need at least is for the threads; of the rest, three quarters for the
 * connections where not all can have theirs. */
static struct limits_share divide(uint64_t descriptors, uint64_t connections, uint64_t threads)
{
	uint64_t rest = left_of(descriptors, OWN);
	uint64_t spare = left_of(rest, for_connections(CONNECTIONS_MIN) + TABLES_MIN);
	struct limits_share share = { .threads = spare / 2 / PER_THREAD, .tables = TABLES };

	if (share.threads < 1)
		share.threads = 1;
	if (share.threads > threads)
		share.threads = threads;
	rest = left_of(rest, share.threads * PER_THREAD);
	share.connections = rest / 3;
	if (share.connections < CONNECTIONS_MIN)
		share.connections = CONNECTIONS_MIN;
	if (share.connections > connections || rest >= for_connections(connections) + TABLES)
		share.connections = connections;
	rest = left_of(rest, for_connections(share.connections));
	if (rest < TABLES)
		share.tables = rest > TABLES_MIN ? rest : TABLES_MIN;
	return share;
}

static bool raise_to(rlim_t needed, struct rlimit *limit)
{
	if (limit->rlim_cur >= needed)
		return true;
	if (limit->rlim_max >= needed ? try_limit(needed, limit->rlim_max) : try_limit(needed, needed))
		return true;
	if (try_limit(limit->rlim_max, limit->rlim_max))
		limit->rlim_cur = limit->rlim_max;
	return false;
}

kv_status limits_raise_descriptors(uint64_t connections, uint64_t threads, struct limits_share *ret, struct kv_error *err)
{
	uint64_t wanted = wanted_threads(threads);
	uint64_t needed = OWN + wanted * PER_THREAD + for_connections(connections) + TABLES;
	struct rlimit limit;

	*ret = (struct limits_share){ .connections = connections, .threads = wanted, .tables = TABLES };
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return kv_error_errno(err, errno, "", "cannot read the limit of open files");
	if (raise_to((rlim_t)needed, &limit))
		return KV_OK;
	*ret = divide(limit.rlim_cur, connections, wanted);
	return kv_error_set(err, KV_INVALID,
		"%" PRIu64 " open files are allowed, %" PRIu64 " are wanted for %" PRIu64 " connections and %" PRIu64
		" threads: there will be at most %" PRIu64 " connections, %" PRIu64 " threads and %" PRIu64 " open tables",
		(uint64_t)limit.rlim_cur, needed, connections, wanted, ret->connections, ret->threads, ret->tables);
}
