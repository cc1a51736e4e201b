/* SPDX-License-Identifier: BSD-2-Clause */
/* What a log segment, table or blob file says itself of whose it is, whatever its name. */
#ifndef KV_ENGINE_ORIGIN_H
#define KV_ENGINE_ORIGIN_H

#include "base/file.h"
#include "engine/filename.h"
#include "engine/format.h"

struct origin {
	struct store_id id;
	uint64_t number;
};

/* By its header, or the footer of a table, when the checksum of that is right. KV_NOT_FOUND: it is not, or there is no such file. */
kv_status origin_read(const struct dir *dir, const char *name, enum filename_kind kind, struct origin *ret,
	struct kv_error *err);

#endif
