/* SPDX-License-Identifier: BSD-2-Clause */
/* What the process may use, set to what the configuration needs, and divided when it is too little. */
#ifndef KV_DAEMON_LIMITS_H
#define KV_DAEMON_LIMITS_H

#include "base/status.h"

/* How many descriptors there are for what. */
struct limits_share {
	uint64_t connections; /* at most what the configuration says */
	uint64_t threads;     /* that serve them: also at most that, at least 1 */
	uint64_t tables;      /* that the store keeps open */
};

/* Raises RLIMIT_NOFILE so that `connections` clients, a large value on its way for each, the `threads` that serve them (0: as many as there
 * are processors), and the tables and logs of the store find a descriptor each; the hard limit too, where we may. KV_INVALID with a text that
 * tells what is allowed and what is needed when that cannot be had: then *ret, which is set in any case, has less for each, so that clients
 * never take what the store needs to go on.
 * (A batch of many large values has a file for each until it is committed; what then finds no descriptor is tried again.) */
kv_status limits_raise_descriptors(uint64_t connections, uint64_t threads, struct limits_share *ret, struct kv_error *err);

#endif
