/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A range is inside of a prefix P when every key that it could hold begins with P, whether there is one or not: its own prefix
 * begins with P, or it begins at or after P and ends before the first key after all those with P.
 */
#include "http/access.h"

#include <string.h>

static const char *const names[] = { "none", "read", "write", "admin" };

const char *access_role_name(enum access_role role)
{
	return names[role];
}

bool access_role_of(struct slice name, enum access_role *ret)
{
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (slice_equal(name, slice_of_string(names[i]))) {
			*ret = (enum access_role)i;
			return true;
		}
	return false;
}

/* Whether no key at or above `prefix` and below `end` lies behind the keys with the prefix: end <= successor(prefix), which is the
 * prefix without its trailing 0xff and its last byte then one higher. (All bytes 0xff: nothing lies behind.) */
static bool ends_within(struct slice end, struct slice prefix)
{
	size_t len = prefix.len;
	size_t common;
	int order;

	while (len > 0 && prefix.data[len - 1] == 0xff)
		len--;
	if (len == 0)
		return true;
	if (end.len == 0)
		return false;
	common = end.len < len - 1 ? end.len : len - 1;
	order = memcmp(end.data, prefix.data, common);
	if (order != 0 || common < len - 1)
		return order <= 0;
	if (end.len < len || end.data[len - 1] <= prefix.data[len - 1])
		return true;
	return end.data[len - 1] == prefix.data[len - 1] + 1 && end.len == len;
}

bool access_covers_range(const struct access *access, struct slice prefix, struct slice start,
	struct slice end)
{
	if (access->prefix.len == 0 || slice_starts_with(prefix, access->prefix))
		return true;
	return slice_compare(start, access->prefix) >= 0 && ends_within(end, access->prefix);
}
