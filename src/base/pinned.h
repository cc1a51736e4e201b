/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes together with what keeps them in place (a reference to a cached block or a memtable, or memory of
 * their own): a value handed up without a copy. The receiver calls pinned_release() once, from any
 * thread.
 */
#ifndef KV_BASE_PINNED_H
#define KV_BASE_PINNED_H

#include "base/slice.h"

#include <stdlib.h>

struct pinned {
	struct slice bytes;
	void (*release)(void *owner); /* NULL: nothing to release */
	void *owner;
};

/* Safe on a zeroed one and twice. */
static inline void pinned_release(struct pinned *pinned)
{
	if (pinned->release)
		pinned->release(pinned->owner);
	*pinned = (struct pinned){ 0 };
}

/* Takes over malloc'ed memory. */
static inline struct pinned pinned_malloced(void *data, size_t len)
{
	return (struct pinned){ .bytes = slice_of(data, len), .release = free, .owner = data };
}

#endif
