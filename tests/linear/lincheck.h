/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a history of concurrent operations linearizable? That is: can each operation be given a moment
 * between its call and its end so that, one after the other, they do what was seen? By the search
 * of Wing and Gong (1993) with the memory of configurations of Lowe (2017): which operations are
 * done, and what the keys hold then.
 *
 * A history is about up to LINCHECK_KEYS keys at a time; keys that no operation touches together
 * are checked apart, since a history is linearizable when that of each such part is (Herlihy and
 * Wing, 1990).
 *
 * An operation whose outcome nobody knows is optional: it happened at some moment before its end,
 * or not at all.
 */
#ifndef KV_LINEAR_LINCHECK_H
#define KV_LINEAR_LINCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LINCHECK_KEYS = 2,
	LINCHECK_ABSENT =
		0, /* the state of a key without a value; every value has another number */
};
#define LINCHECK_NUMBER_BIAS                                                                       \
	(UINT64_C(1) << 40) /* a counter that holds n is in the state n + this */

/* What an operation saw, which must be so at its moment. */
enum lincheck_saw { LINCHECK_NOTHING, LINCHECK_EQUAL, LINCHECK_DIFFERENT, LINCHECK_EXISTS };
/* What it did. */
enum lincheck_did { LINCHECK_KEEP, LINCHECK_SET, LINCHECK_ADD };

struct lincheck_part { /* of an operation, about one key */
	enum lincheck_saw saw;
	uint64_t value; /* for EQUAL, DIFFERENT */
	enum lincheck_did did;
	uint64_t to;     /* for SET */
	int64_t by, sum; /* for ADD; the sum that was told */
	bool sum_is_known;
};

struct lincheck_op {
	uint64_t call, end; /* moments; no two of a history are the same, but for the ends of
			       optional ones */
	bool optional;
	unsigned client; /* for people */
	struct lincheck_part parts[LINCHECK_KEYS];
};

enum lincheck_verdict { LINCHECK_YES, LINCHECK_NO, LINCHECK_GAVE_UP };

/* `first`: what the keys hold before. `ret_stuck` gets the number of the operation that the best
 * attempt could not pass, after NO. Gives up when it had to remember more than `memory_max`
 * configurations. */
enum lincheck_verdict lincheck_run(const struct lincheck_op *ops, size_t count,
	const uint64_t first[LINCHECK_KEYS], size_t memory_max, size_t *ret_stuck);

/* One line for people. Returns `text`. */
const char *lincheck_describe(const struct lincheck_op *op, char *text, size_t size);

#endif
