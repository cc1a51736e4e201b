/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads GET /v1/kv page by page, as a user would: the items of each page, then the next one by its cursor. */
#ifndef KV_SUPPORT_PAGER_H
#define KV_SUPPORT_PAGER_H

#include "base/slice.h"
#include "support/httpclient.h"

#include <stdbool.h>

struct pager_options {
	struct slice prefix; /* empty: everything */
	unsigned limit;      /* items a page; 0: the server's default */
	bool keys_only;
	bool reverse;
};

/* One item; `value` is empty with keys_only, and when it is too large for a page. False ends the walk. */
typedef bool (*pager_item)(void *arg, struct slice key, struct slice value);

/* Walks to the end. False when `item` said so or when a page was wrong, which is then told in `error`. */
bool pager_walk(struct httpclient *client, const struct pager_options *options, pager_item item,
	void *arg, char *error, size_t error_size);

#endif
