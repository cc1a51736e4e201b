/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes one blob file, as the bytes of the value come. Holds one part of it in memory. One thread at a time.
 *
 * Any failure poisons the writer: what the file holds then is of no use, and it is the caller's to remove it.
 */
#ifndef KV_ENGINE_BLOB_WRITER_H
#define KV_ENGINE_BLOB_WRITER_H

#include "base/file.h"
#include "engine/blob_pointer.h"
#include "engine/format.h"

struct blob_writer;

/* Creates the file `number`; `dir` must outlive the writer. After a failure no file is left. */
kv_status blob_writer_new(const struct dir *dir, const struct store_id *id, uint64_t number,
	struct blob_writer **ret, struct kv_error *err);
/* Closes the file, and leaves it on disk. NULL is allowed; returns NULL. */
struct blob_writer *blob_writer_close(struct blob_writer *writer);

kv_status blob_writer_append(struct blob_writer *writer, struct slice bytes, struct kv_error *err);
uint64_t blob_writer_bytes(const struct blob_writer *writer); /* of the value, so far */

/* Writes what is left; nothing can be appended any more. At least one byte was. The value is complete, but not durable: that takes
 * blob_writer_sync() and a sync of the directory. */
kv_status blob_writer_finish(struct blob_writer *writer, struct blob_pointer *ret, struct kv_error *err);
/* Once, after blob_writer_finish(). */
kv_status blob_writer_sync(struct blob_writer *writer, struct kv_error *err);

#endif
