/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a request is refused: the status and one line for a person. The functions that judge a request are pure;
 * they fill in one of these, and reply turns it into an answer.
 */
#ifndef KV_HTTP_PROBLEM_H
#define KV_HTTP_PROBLEM_H

#include <stdbool.h>

enum { PROBLEM_TEXT_MAX = 200 };

struct problem {
	unsigned status; /* HTTP; 0: none */
	bool close;      /* the connection cannot be trusted any more */
	unsigned allow;  /* for 405: the methods of the path, bits of enum http_method */
	char text[PROBLEM_TEXT_MAX];
};

/* Fills it in (an over-long text is cut) and returns false, for `return problem_set(...)`. */
bool problem_set(struct problem *problem, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, and the connection is closed after the answer. */
bool problem_set_close(struct problem *problem, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
