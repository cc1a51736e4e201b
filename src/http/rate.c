/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bucket is one word, the time at which it will be full again (the "theoretical arrival time" of the generic cell rate algorithm, ITU-T
 * I.371): a request moves it by the time that one request costs, and is refused when it would lie further ahead than a
 * burst costs. An idle bucket needs no upkeep, and zero is a full one.
 *
 * There are no entries to be made or found: a client's buckets are where the hash of its address says. Another client with the same
 * bucket would share it, so each has two, in rows with hashes of their own (secret, or one could choose whom to collide
 * with); it may go on as long as one of them lets it.
 */
#define _GNU_SOURCE
#include "http/rate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { ROWS = 2, BUCKET_BITS = 14, BUCKETS = 1 << BUCKET_BITS };

struct rate {
	uint64_t cost_ns;  /* constant: of one request */
	uint64_t burst_ns; /* constant */
	uint64_t seeds[ROWS]; /* constant */

	_Atomic(uint64_t) full_ns[ROWS][BUCKETS];
};

struct rate *rate_new(uint32_t per_second, uint32_t burst)
{
	struct rate *rate = calloc(1, sizeof *rate);

	if (!rate)
		return NULL;
	rate->cost_ns = UINT64_C(1000000000) / per_second;
	rate->burst_ns = rate->cost_ns * burst;
	if (getrandom(rate->seeds, sizeof rate->seeds, 0) != sizeof rate->seeds)
		return rate_free(rate);
	return rate;
}

struct rate *rate_free(struct rate *rate)
{
	free(rate);
	return NULL;
}

uint64_t rate_client(const struct sockaddr *address)
{
	uint64_t client = 0;

	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof in);
		client = in.sin_addr.s_addr;
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof in6);
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
			memcpy(&client, in6.sin6_addr.s6_addr + 12, 4);
		else
			memcpy(&client, in6.sin6_addr.s6_addr, 8);
	}
	return client;
}

/* The finalizer of MurmurHash3 (Appleby). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static bool take(const struct rate *rate, _Atomic(uint64_t) *full_ns, uint64_t now_ns)
{
	uint64_t old = atomic_load_explicit(full_ns, memory_order_relaxed);
	uint64_t next;

	do {
		next = (old > now_ns ? old : now_ns) + rate->cost_ns;
		if (next - now_ns > rate->burst_ns)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(full_ns, &old, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

bool rate_take(struct rate *rate, uint64_t client, uint64_t now_us)
{
	bool taken = false;

	for (unsigned row = 0; row < ROWS; row++) {
		uint64_t hash = mix(mix(client ^ rate->seeds[row]) + rate->seeds[row]);

		taken |= take(rate, &rate->full_ns[row][hash >> (64 - BUCKET_BITS)], now_us * 1000);
	}
	return taken;
}
