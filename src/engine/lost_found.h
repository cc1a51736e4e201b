/* SPDX-License-Identifier: BSD-2-Clause */
/* lost+found: what recovery takes out of use is copied there, never thrown away. */
#ifndef KV_ENGINE_LOST_FOUND_H
#define KV_ENGINE_LOST_FOUND_H

#include "base/file.h"

/* Opens it, and makes it if it is not there. Where it is somebody else's, who lets us not in, the one with the other name. */
kv_status lost_found_open(const struct dir *dir, struct dir *ret, struct kv_error *err);

/* Copies bytes [begin, end) of WAL segment `number` into lost+found/NNNNNN.wal.OFFSET, synced. A copy that is there already (the same torn tail, met
 * by an interrupted recovery) is replaced. */
kv_status lost_found_keep(const struct dir *dir, uint64_t number, uint64_t begin, uint64_t end,
	struct kv_error *err);

#endif
