/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands in the place of a large value: which blob file it is in, how large it is, and a checksum that binds the
 * file's content to the pointer. 24 bytes in WAL, memtable and tables (format.h).
 */
#ifndef KV_ENGINE_BLOB_POINTER_H
#define KV_ENGINE_BLOB_POINTER_H

#include "base/coding.h"
#include "engine/entry.h"
#include "engine/format.h"

struct blob_pointer {
	uint64_t number;   /* of the file, not 0 */
	uint64_t size;     /* bytes of the value, 1..ENTRY_VALUE_MAX */
	uint64_t checksum; /* of the checksums of the file's parts */
};

/* Could there be such a file? So sums with its size do not overflow. */
static inline bool blob_pointer_is_possible(const struct blob_pointer *pointer)
{
	return pointer->number != 0 && pointer->size >= 1 && pointer->size <= ENTRY_VALUE_MAX;
}

static inline void blob_pointer_encode(const struct blob_pointer *pointer, uint8_t to[BLOB_POINTER_BYTES])
{
	put_fixed64(to + BLOB_POINTER_NUMBER, pointer->number);
	put_fixed64(to + BLOB_POINTER_SIZE, pointer->size);
	put_fixed64(to + BLOB_POINTER_CHECKSUM, pointer->checksum);
}

/* false: these bytes are no pointer. */
static inline bool blob_pointer_decode(struct slice bytes, struct blob_pointer *ret)
{
	struct blob_pointer pointer;

	if (bytes.len != BLOB_POINTER_BYTES)
		return false;
	pointer.number = get_fixed64(bytes.data + BLOB_POINTER_NUMBER);
	pointer.size = get_fixed64(bytes.data + BLOB_POINTER_SIZE);
	pointer.checksum = get_fixed64(bytes.data + BLOB_POINTER_CHECKSUM);
	if (!blob_pointer_is_possible(&pointer))
		return false;
	*ret = pointer;
	return true;
}

#endif
