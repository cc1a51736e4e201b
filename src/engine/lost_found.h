/* SPDX-License-Identifier: BSD-2-Clause */
/* lost+found: what recovery takes out of use is copied there, never thrown away. */
#ifndef KV_ENGINE_LOST_FOUND_H
#define KV_ENGINE_LOST_FOUND_H

#include "base/file.h"

/* Opens it, and makes it if it is not there. Where it is somebody else's, who lets us not in or not write, the one with the other name. */
kv_status lost_found_open(const struct dir *dir, struct dir *ret, struct kv_error *err);

/* Its name, for messages: one of two constants. */
const char *lost_found_name(const struct dir *lost);

/* Copies bytes [begin, end) of WAL segment `number` into it as NNNNNN.wal.OFFSET, synced; *ret_where is its name. A copy that is there already (the
 * same torn tail, met by an interrupted recovery) is replaced. */
kv_status lost_found_keep(const struct dir *dir, uint64_t number, uint64_t begin, uint64_t end, const char **ret_where,
	struct kv_error *err);

#endif
