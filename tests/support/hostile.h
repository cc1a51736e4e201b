/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that would set key `k` (or `smuggled`) if they were not malformed or hostile, with the answer they must get. For tests of the
 * server alone, and of the daemon over all that it listens on.
 */
#ifndef KV_SUPPORT_HOSTILE_H
#define KV_SUPPORT_HOSTILE_H

#include "support/rawhttp.h"

struct hostile {
	const char *what;
	const char *bytes;
	size_t len;
	unsigned status; /* 0: no answer, or any refusal */
	bool tcp_only;   /* over a Unix socket it is none */
	bool stays_open; /* well-formed HTTP: what follows is a request */
};

size_t hostile_count(void);
const struct hostile *hostile_at(size_t i);

/* Whether the answer is right; libmicrohttpd 1.0 refuses some of them itself: with 400, or without an answer. */
bool hostile_is_expected(const struct hostile *hostile, unsigned status);

/* Whether what follows such a request must not be taken for one. */
bool hostile_closes(const struct hostile *hostile);

/* Sends it with a good SET behind it: the connection must end without an answer to that. Does nothing when it need not close. */
void hostile_must_end_the_connection(const struct hostile *hostile, struct rawhttp *http);

#endif
