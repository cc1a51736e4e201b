/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of writes that commits as one, in the form in which it lies in the payload of a WAL group
 * (doc/format.md):
 *
 *	operation = tag:u8 key_len:varint value_len:varint [expires:varint] key value
 *	tag       = kind (low 4 bits) | 0x80 when `expires` (unix milliseconds) follows
 *
 * The i-th operation of a group has the sequence first_sequence + i.
 */
#ifndef KV_ENGINE_BATCH_H
#define KV_ENGINE_BATCH_H

#include "base/buf.h"
#include "base/coding.h"
#include "engine/entry.h"

struct batch {
	struct buf operations;
	uint32_t count;
	uint64_t key_bytes;
	uint64_t value_bytes;
};

#define BATCH_BYTES_MAX (UINT64_C(1) << 31) /* of operations */

void batch_free(struct batch *batch);  /* the content, not the struct */
void batch_clear(struct batch *batch); /* keeps the memory */

/* KV_INVALID: key length not 1..ENTRY_KEY_MAX, value above ENTRY_VALUE_MAX, batch above
 * BATCH_BYTES_MAX. */
kv_status batch_put(struct batch *batch, struct slice key, struct slice value,
	uint64_t expires_unix_ms);
kv_status batch_delete(struct batch *batch, struct slice key);

/* Reads the next operation; `ret->sequence` is left alone. KV_NOT_FOUND at the end, KV_CORRUPT
 * when the bytes are no operation (unknown kind, lengths out of range, cut). */
kv_status batch_next(struct reader *reader, struct entry *ret);

#endif
