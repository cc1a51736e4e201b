/* SPDX-License-Identifier: BSD-2-Clause */
/* An item of a scan as a JSON object: of pages, of NDJSON. */
#ifndef KV_HTTP_SCAN_ITEM_H
#define KV_HTTP_SCAN_ITEM_H

#include "base/buf.h"
#include "store/store.h"

enum { SCAN_ITEM_VALUE_MAX = 1 << 20 }; /* bytes; a larger value, and one with a file of its own, is only told by its size */

/* {"key":...,"value":...,"etag":...} with "expires" when it has an end, and "large": BYTES where the value is not told. */
kv_status scan_item_append(struct buf *to, const struct store_iter *iter, bool keys_only);

/* The same of a value that was read by its key. */
kv_status scan_item_append_value(struct buf *to, struct slice key, const struct store_value *value);

/* Has the value a file of its own? */
static inline bool scan_item_is_large(const struct store_iter *iter)
{
	return store_iter_size(iter) != store_iter_value(iter).len;
}

#endif
