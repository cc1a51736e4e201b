/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client may do: a role, and perhaps a prefix that confines it to the keys that begin with it. It comes from the token that the
 * request carries, from the user at the other end of a Unix socket, or from the address. Pure functions.
 */
#ifndef KV_HTTP_ACCESS_H
#define KV_HTTP_ACCESS_H

#include "base/slice.h"

#include <stdbool.h>

/* Each may do what the ones before it may. A route's role is the least that it asks for: ACCESS_NONE is for everybody. */
enum access_role { ACCESS_NONE, ACCESS_READ, ACCESS_WRITE, ACCESS_ADMIN };

struct access {
	enum access_role role;
	struct slice prefix; /* borrowed; empty: all keys */
	bool by_token;       /* the client has shown one; else it is its user or its address */
};

/* "none", "read", "write", "admin". */
const char *access_role_name(enum access_role role);
/* False: `name` is none of them. */
bool access_role_of(struct slice name, enum access_role *ret);

static inline bool access_covers_key(const struct access *access, struct slice key)
{
	return access->prefix.len == 0 || slice_starts_with(key, access->prefix);
}

/* All keys that have `prefix` and are from `start` (included) to `end` (not included); empty: no bound. */
bool access_covers_range(const struct access *access, struct slice prefix, struct slice start,
	struct slice end);

#endif
