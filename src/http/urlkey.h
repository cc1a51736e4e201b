/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the raw request target to bytes. Percent-decoding happens exactly once, in place, and any byte may come out,
 * NUL included. Nothing is normalised: `//`, `..` and `%2F` stay what they are. `+` is a space in a query
 * and a plus in a path.
 */
#ifndef KV_HTTP_URLKEY_H
#define KV_HTTP_URLKEY_H

#include "base/slice.h"
#include "http/problem.h"

/* A parameter that a query may have; `value` and `present` are results. */
struct urlkey_param {
	const char *name;
	bool present;
	struct slice value; /* decoded, lies in the query's memory */
};

/* Decodes the escapes of data[0, len) in place. False for a `%` without two hexadecimal digits. */
bool urlkey_decode(uint8_t *data, size_t len, bool plus_is_space, size_t *ret_len);

/* Takes the query apart, in place. Every name must be one of `params` and appear once: a misspelt or not yet
 * supported parameter is refused, not silently ignored. False fills in `problem`. */
bool urlkey_query(uint8_t *query, size_t len, struct urlkey_param *params, size_t count,
	struct problem *problem);

/* Whether the raw target has a byte that no request line may have: controls, DEL, space. */
bool urlkey_target_is_clean(struct slice target);

/* Whether two hexadecimal digits follow each '%'. */
bool urlkey_escapes_are_whole(struct slice target);

#endif
