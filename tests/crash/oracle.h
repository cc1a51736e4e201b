/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a store may hold: the memory of the crash test.
 *
 * Every key has one writer, so its operations have an order. Each is a version of the key: a put or a delete. The floor
 * of a key is the newest version that has been promised: its write was acknowledged, or its effect was read. A
 * state is right when it is that of the floor or of a later version that may have been applied. Values are made
 * from (seed, key, version), so that a wrong, old or torn one is recognised by its bytes.
 */
#ifndef KV_CRASH_ORACLE_H
#define KV_CRASH_ORACLE_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct oracle;

enum { ORACLE_VALUE_MAX = 120 * 1024 }; /* bytes */

enum oracle_end {
	ORACLE_APPLIED,     /* acknowledged */
	ORACLE_NOT_APPLIED, /* answered that nothing was changed, or never sent whole */
	ORACLE_UNKNOWN,     /* no answer: may have been applied */
};

/* What a read found. */
struct oracle_found {
	bool exists;
	struct slice value;
	uint64_t etag;      /* a hash of it; 0: not told */
};

struct oracle *oracle_new(uint64_t seed, unsigned keys);
struct oracle *oracle_free(struct oracle *oracle);

unsigned oracle_key_count(const struct oracle *oracle);

/* Keys are ordered as their numbers are, and hold all byte values. The slice lives as long as the oracle. */
struct slice oracle_key(const struct oracle *oracle, unsigned key);

/* The number of a key's bytes; -1: none of ours. */
int oracle_find_key(const struct oracle *oracle, struct slice bytes);

/* A new operation on a key; at most one is open on each. The value to put goes to `ret_value`. */
void oracle_begin_put(struct oracle *oracle, unsigned key, struct buf *ret_value);
void oracle_begin_delete(struct oracle *oracle, unsigned key);

/* Whether the key exists before the open operation: 0 no, 1 yes, -1 not known. */
int oracle_existed(const struct oracle *oracle, unsigned key);

/* How the open operation ended; `etag` as in oracle_found. False with a text in oracle_complaint() when an earlier
 * version had the same ETag. */
bool oracle_end(struct oracle *oracle, unsigned key, enum oracle_end end, uint64_t etag);

/* A read is right when it shows a version from the floor at its begin, which this returns, to the newest begun before
 * its end. Right or wrong, the state it shows is promised from then on. */
uint32_t oracle_read_begin(const struct oracle *oracle, unsigned key);
bool oracle_read_end(struct oracle *oracle, unsigned key, uint32_t floor,
	const struct oracle_found *found);

/* A read while nothing is open, all connections gone: what it shows is from now on the only truth. */
bool oracle_settle(struct oracle *oracle, unsigned key, const struct oracle_found *found);

/* The keys that exist, after all have been settled. */
bool oracle_exists(const struct oracle *oracle, unsigned key);

/* The last false result in full: key, what was found, what was allowed. */
const char *oracle_complaint(const struct oracle *oracle);

#endif
