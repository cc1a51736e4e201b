/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that work on a few keys at the same time over HTTP, and what each of them did and saw, as
 * histories for lincheck: some keys are registers, some are counters, and some come in pairs that
 * batches write and read together. One thread.
 */
#ifndef KV_LINEAR_TRAFFIC_H
#define KV_LINEAR_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRAFFIC_CLIENTS = 8 };

struct traffic_counts {
	uint64_t operations; /* whose outcome is known */
	uint64_t unknown;
	uint64_t checked;  /* operations in histories that were found linearizable */
	uint64_t failures; /* wrong answers, and histories that are not linearizable */
};

struct traffic;

/* `counts` is borrowed and added to. */
struct traffic *traffic_new(uint16_t port, uint64_t seed, struct traffic_counts *counts);
struct traffic *traffic_free(struct traffic *traffic);

/* Works for `duration_ms`; everything stays under way. */
void traffic_run(struct traffic *traffic, unsigned duration_ms);
/* The daemon is about to end: from now on answers may fail to come. */
void traffic_expect_end(struct traffic *traffic);
/* The daemon is dead: whatever it has not answered happened before, or not at all. */
void traffic_ended(struct traffic *traffic);

/* With the daemon running: reads every key, checks all histories, and begins new ones from what was
 * read. */
void traffic_check(struct traffic *traffic);

#endif
