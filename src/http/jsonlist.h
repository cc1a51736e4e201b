/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A JSON array, or a text of one JSON value a line (NDJSON), taken apart item by item, without a tree of all of it in memory: a body of a few
 * MiB could make one of a few hundred. An item is a string or an object that holds no other object or array; that, too, is seen
 * before anything is allocated. Whether an item is JSON inside is for who parses it: jsonread.h.
 */
#ifndef KV_HTTP_JSONLIST_H
#define KV_HTTP_JSONLIST_H

#include "base/slice.h"
#include "base/status.h"

enum { JSONLIST_MEMBERS_MAX = 16 }; /* of an object */

enum jsonlist_form { JSONLIST_ARRAY, JSONLIST_LINES };

struct jsonlist {
	enum jsonlist_form form;
	struct slice rest; /* borrowed */
	size_t count;      /* items so far */
	size_t fault;      /* after KV_INVALID, the index of the item at fault: what stands, or is missing, where one belongs, or a line. SIZE_MAX: of
			    * none, but of what stands around them */
	bool ended;
};

void jsonlist_init(struct jsonlist *list, struct slice text, enum jsonlist_form form);

/* The next item, a piece of the text. KV_NOT_FOUND: that was all, and the text was whole. KV_INVALID: here the text is no such list. */
kv_status jsonlist_next(struct jsonlist *list, struct slice *ret_item);

#endif
