/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a large value from its file, in pieces of any size at any place. Holds one part of it in memory: the last one that was read, so
 * that small reads in a row read and verify each part once. One thread at a time.
 */
#ifndef KV_ENGINE_BLOB_READER_H
#define KV_ENGINE_BLOB_READER_H

#include "base/file.h"
#include "engine/blob_pointer.h"
#include "engine/format.h"

struct blob_reader;

/* Opens the file and checks that it is the one that the pointer means: its length and its footer. KV_CORRUPT, naming the file, when it is missing,
 * too, because pointers mean files that are there. `dir` must outlive the reader. */
kv_status blob_reader_open(const struct dir *dir, const struct store_id *id,
	const struct blob_pointer *pointer, struct blob_reader **ret, struct kv_error *err);
struct blob_reader *blob_reader_close(struct blob_reader *reader); /* NULL is allowed; returns NULL */

/* `len` bytes from `offset` of the value, which must be inside of it; every part that they touch is verified as a whole.
 * KV_CORRUPT names file and offset. */
kv_status blob_reader_read(struct blob_reader *reader, uint64_t offset, void *to, size_t len,
	struct kv_error *err);

#endif
