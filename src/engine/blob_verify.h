/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a whole blob file from the disk and verifies it by itself: header, every part, and the
 * footer over all of them. Whether it is the one that a pointer means, blob_reader_open() tells.
 */
#ifndef KV_ENGINE_BLOB_VERIFY_H
#define KV_ENGINE_BLOB_VERIFY_H

#include "engine/sst_reader.h"

/* KV_CORRUPT names file and offset, also of a file that is missing. way->blob is not used. */
kv_status blob_verify_from_disk(const struct dir *dir, const struct store_id *id, uint64_t number,
	const struct verify_way *way, struct kv_error *err);

#endif
