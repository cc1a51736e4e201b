/* SPDX-License-Identifier: BSD-2-Clause */
/* What all requests of a server share. The server makes it and owns what it points to. */
#ifndef KV_HTTP_SERVICE_H
#define KV_HTTP_SERVICE_H

#include "http/connection.h"
#include "http/guard.h"
#include "http/metrics.h"
#include "http/server.h"
#include "http/stopping.h"

#include <stdatomic.h>

struct replies;
struct worker;

struct service {
	/* constant while requests are served */
	const struct server_options *options;
	struct guard_rules rules;
	struct store *store;
	struct metrics *metrics;
	struct replies *replies;
	struct connections *connections;
	struct stopping *stopping;
	struct farewell *farewell;
	struct worker **workers;
	unsigned worker_count;
	uint64_t started_us; /* clock_monotonic_us */

	atomic_bool draining;
	atomic_uint_fast64_t inflight_bytes; /* memory of request bodies */
	atomic_uint commits;                 /* batches in the store whose callback has not returned */
	atomic_uint open_connections;        /* counted up by the acceptor, down when closed */
};

#endif
