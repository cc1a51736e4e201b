/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of writes that commits as one, in the form in which it lies in the payload of a WAL group
 * (doc/format.md):
 *
 *	operation = tag:u8 key_len:varint value_len:varint [expires:varint] key value
 *	tag       = kind (low 4 bits) | 0x80 when `expires` (unix milliseconds) follows
 *
 * The value of a range delete is its end (empty: none), that of a blob its pointer (blob_pointer.h).
 *
 * The i-th operation of a group has the sequence first_sequence + i.
 */
#ifndef KV_ENGINE_BATCH_H
#define KV_ENGINE_BATCH_H

#include "base/buf.h"
#include "base/coding.h"
#include "engine/blob_pointer.h"
#include "engine/entry.h"

struct batch {
	struct buf operations;
	uint32_t count;
	uint32_t range_deletes; /* of `count`, as the next */
	uint32_t puts;          /* of small and large values */
	uint64_t key_bytes;
	uint64_t value_bytes;
};

#define BATCH_BYTES_MAX (UINT64_C(1) << 31) /* of operations */
enum { BATCH_RANGES_MAX = 4096 };           /* range deletes */

void batch_free(struct batch *batch);  /* the content, not the struct */
void batch_clear(struct batch *batch); /* keeps the memory */

/* KV_INVALID: key length not 1..ENTRY_KEY_MAX, value above ENTRY_VALUE_MAX, batch above
 * BATCH_BYTES_MAX. */
kv_status batch_put(struct batch *batch, struct slice key, struct slice value,
	uint64_t expires_unix_ms);
kv_status batch_delete(struct batch *batch, struct slice key);
/* Every key from `start` up to and without `end`; an empty `end` is no bound. The range from the first key on starts with the key of one
 * zero byte. KV_INVALID also when start >= end, or `end` is longer than a key, or there are
 * BATCH_RANGES_MAX already. */
kv_status batch_delete_range(struct batch *batch, struct slice start, struct slice end);
kv_status batch_put_blob(struct batch *batch, struct slice key, const struct blob_pointer *pointer,
	uint64_t expires_unix_ms);

/* Reads the next operation; `ret->sequence` is left alone. KV_NOT_FOUND at the end, KV_CORRUPT
 * when the bytes are no operation (unknown kind, lengths out of range, cut). */
kv_status batch_next(struct reader *reader, struct entry *ret);

/* The same without the value, of which only the length is told; `reader` then stands before it. */
kv_status batch_next_head(struct reader *reader, struct entry *ret, uint32_t *ret_value_bytes);

#endif
