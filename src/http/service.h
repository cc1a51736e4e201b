/* SPDX-License-Identifier: BSD-2-Clause */
/* What all requests of a server share. The server makes it and owns what it points to. */
#ifndef KV_HTTP_SERVICE_H
#define KV_HTTP_SERVICE_H

#include "http/connection.h"
#include "http/guard.h"
#include "http/metrics.h"
#include "http/peer.h"
#include "http/server.h"
#include "http/stopping.h"

#include <stdatomic.h>

struct jobs;
struct feeds;
struct replies;
struct snapshots;
struct worker;

struct service {
	/* constant while requests are served */
	const struct server_options *options;
	struct guard_rules rules;
	struct peer_rules peers;
	struct rate *rate;     /* NULL: there is no limit */
	struct tls *tls;       /* NULL: TLS is not served */
	struct tokens *tokens; /* NULL: nobody needs one */
	struct store *store;
	uint64_t large_value_bytes; /* as store_large_value_bytes() */
	struct metrics *metrics;
	struct replies *replies;
	struct connections *connections;
	struct stopping *stopping;
	struct farewell *farewell;
	struct snapshots *snapshots;
	struct feeds *feeds;
	struct jobs *jobs;
	struct worker **workers;
	unsigned worker_count;
	uint64_t started_us; /* clock_monotonic_us */

	atomic_bool draining;
	atomic_uint_fast64_t inflight_bytes; /* memory of request bodies */
	atomic_uint_fast64_t answer_bytes;   /* memory of large answers that are sent whole; has the same limit, but for itself: who does not read keeps nobody from writing */
	atomic_uint away;                    /* commits and jobs whose end has not come back */
	atomic_bool admin_busy;              /* a flush, compaction or checkpoint that somebody asked for is under way */
	atomic_uint uploads;                 /* large values on their way in */
	atomic_uint requests;                /* in work, while there is a limit on them */
	atomic_uint open_connections;        /* counted up by the acceptor, down when closed */
};

#endif
