/* SPDX-License-Identifier: BSD-2-Clause */
/* Core dumps are left to the administrator: RLIMIT_CORE stays as it was given to us. */
#include "daemon/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

enum {
	TABLES = 4096,      /* more are of no use */
	TABLES_MIN = 4,
	CONNECTIONS_MIN = 4,
	OWN = 48,           /* logs, tables being written, lock, sockets, epoll and event descriptors */
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

/* `descriptors` divided: three quarters for the connections where not all can have theirs. */
static struct limits_share divide(uint64_t descriptors, uint64_t connections)
{
	uint64_t rest = descriptors > OWN ? descriptors - OWN : 0;
	struct limits_share share = { .connections = rest / 3, .tables = TABLES };

	if (share.connections < CONNECTIONS_MIN)
		share.connections = CONNECTIONS_MIN;
	if (share.connections > connections || rest >= for_connections(connections) + TABLES)
		share.connections = connections;
	rest -= rest > for_connections(share.connections) ? for_connections(share.connections) : rest;
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

kv_status limits_raise_descriptors(uint64_t connections, struct limits_share *ret, struct kv_error *err)
{
	uint64_t needed = OWN + for_connections(connections) + TABLES;
	struct rlimit limit;

	*ret = divide(needed, connections);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return kv_error_errno(err, errno, "", "cannot read the limit of open files");
	if (raise_to((rlim_t)needed, &limit))
		return KV_OK;
	*ret = divide(limit.rlim_cur, connections);
	return kv_error_set(err, KV_INVALID,
		"%" PRIu64 " open files are allowed, %" PRIu64 " are wanted for %" PRIu64
		" connections: there will be at most %" PRIu64 " connections and %" PRIu64 " open tables",
		(uint64_t)limit.rlim_cur, needed, connections, ret->connections, ret->tables);
}
