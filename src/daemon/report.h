/* SPDX-License-Identifier: BSD-2-Clause */
/* What a clean end did, as text: a line each, for the log and for the client of /shutdown. A pure function. */
#ifndef KV_DAEMON_REPORT_H
#define KV_DAEMON_REPORT_H

#include "store/store.h"

enum { REPORT_MAX = 2048 };

struct report_facts {
	unsigned drained; /* requests in work when the end began */
	unsigned left;    /* of these, those that did not end in time */
	const char *failure; /* why memory could not be written out; NULL: it was */
	struct store_finish_report store; /* when there was no failure */
	uint64_t elapsed_us;
};

/* Lines, each ended by a newline; the last is "kvstored stopped". Returns buf. */
const char *report_format(const struct report_facts *facts, char *buf, size_t size);

#endif
