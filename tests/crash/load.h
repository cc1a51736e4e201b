/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load of the crash test: writers and readers over HTTP, one connection each, whose every answer is checked against
 * the oracle and recorded in it. One thread.
 */
#ifndef KV_CRASH_LOAD_H
#define KV_CRASH_LOAD_H

#include "crash/oracle.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOAD_WRITERS = 8, LOAD_READERS = 4 };

struct load_counts {
	uint64_t puts, deletes, reads; /* sent */
	uint64_t acknowledged;         /* writes */
	uint64_t refused;              /* writes answered with 503 */
	uint64_t unanswered;           /* writes whose outcome is unknown */
	uint64_t checked;              /* keys verified after a restart */
	uint64_t flushes, compactions; /* seen in /v1/stats */
	uint64_t violations;
};

struct load;

/* The oracle is borrowed; so is `counts`, to which everything is added. */
struct load *load_new(uint16_t port, struct oracle *oracle, uint64_t seed, struct load_counts *counts);
struct load *load_free(struct load *load);

/* After a restart, with nothing under way: every key is read and settled; then one scan must show exactly these keys. */
void load_verify(struct load *load);

/* Writes and reads for `duration_ms`; everything stays under way. */
void load_run(struct load *load, unsigned duration_ms);

/* Goes on for about a millisecond. */
void load_continue(struct load *load);

/* With the load going on: fetches /v1/stats and adds flushes and compactions. */
void load_fetch_stats(struct load *load);

/* The daemon is about to end: from now on answers may fail to come. */
void load_expect_end(struct load *load);

/* Closes all connections without looking at what has been answered: the outcome of all that is under way is unknown. */
void load_abandon(struct load *load);

/* After the end: collects what became of everything that was under way. */
void load_collect(struct load *load);

#endif
