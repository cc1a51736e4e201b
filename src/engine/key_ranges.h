/* SPDX-License-Identifier: BSD-2-Clause */
/* A set of keys, as ranges with both ends in them: for repair, the keys of which something was lost. One thread. */
#ifndef KV_ENGINE_KEY_RANGES_H
#define KV_ENGINE_KEY_RANGES_H

#include "base/buf.h"

struct key_range {
	struct buf first, last; /* owned */
};

struct key_ranges { /* {0} is an empty one */
	struct key_range *ranges; /* owned; ascending, apart */
	size_t count, capacity;
};

void key_ranges_free(struct key_ranges *set); /* the content */
/* `first` <= `last`. KV_NO_MEMORY leaves the set as it was, or with the range. */
kv_status key_ranges_add(struct key_ranges *set, struct slice first, struct slice last);
kv_status key_ranges_add_all(struct key_ranges *set, const struct key_ranges *from);
bool key_ranges_have(const struct key_ranges *set, struct slice key);
/* Is any key from `first` to `last` in it? */
bool key_ranges_touch(const struct key_ranges *set, struct slice first, struct slice last);

#endif
