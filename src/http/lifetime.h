/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a value lives, as it stands in requests and answers. Inside it is a time in unix milliseconds, 0 for "for ever". A time that has
 * passed already is one like any other: the value is stored, and is gone at once. Pure functions.
 */
#ifndef KV_HTTP_LIFETIME_H
#define KV_HTTP_LIFETIME_H

#include "base/slice.h"

/* The end of the year 9999: an HTTP date has four digits for the year. */
#define LIFETIME_LAST_MS UINT64_C(253402300799999)

/* "60s": a number from 1 on and one of ms, s, m, h, d, from `now_unix_ms` on; not beyond LIFETIME_LAST_MS. */
bool lifetime_of_ttl(struct slice text, uint64_t now_unix_ms, uint64_t *ret_unix_ms);

/* Is it an expiry that a client may ask for: from 1 to LIFETIME_LAST_MS? */
bool lifetime_is_expires(uint64_t unix_ms);

/* The same from text. */
bool lifetime_of_expires(struct slice text, uint64_t *ret_unix_ms);

/* What a request asks for. One that waits for its body has it live from the commit on, not from its own beginning. Zeroed: for ever. */
struct lifetime {
	uint64_t ttl_ms;          /* 0: there is none */
	uint64_t expires_unix_ms; /* 0: never; counts without a ttl only */
};

/* The expiry of a value that is committed now. */
uint64_t lifetime_end(const struct lifetime *lifetime, uint64_t now_unix_ms);

enum { LIFETIME_DATE_SIZE = 32 };

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7). Returns `buf`. */
const char *lifetime_date(uint64_t unix_ms, char buf[LIFETIME_DATE_SIZE]);

/* Seconds that are left, rounded up; 0: it is over. */
uint64_t lifetime_seconds_left(uint64_t expires_unix_ms, uint64_t now_unix_ms);

#endif
