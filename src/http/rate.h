/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many requests a client address may make: a token bucket for each, in a table of fixed size that nobody can fill. Any thread,
 * without locks.
 */
#ifndef KV_HTTP_RATE_H
#define KV_HTTP_RATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct rate;

/* `per_second` at least 1; `burst` at least 1: as many at once after a pause. NULL: no memory. */
struct rate *rate_new(uint32_t per_second, uint32_t burst);
struct rate *rate_free(struct rate *rate); /* NULL is allowed; returns NULL */

/* What counts as one client: an IPv4 address; of IPv6 the network of 64 bits, all of whose addresses one host may use. */
uint64_t rate_client(const struct sockaddr *address);

/* One request at `now_us` (clock_monotonic_us); false: too many. */
bool rate_take(struct rate *rate, uint64_t client, uint64_t now_us);

#endif
