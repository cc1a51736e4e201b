/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *	blobs = (difference:varint)+
 *
 * Each difference is at least 1: the first to 0, the others to the number before. The bytes are all there is: their end is that of the
 * part of the table.
 */
#include "engine/sst_blobs.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

kv_status sst_blobs_append(uint64_t *numbers, size_t count, struct buf *to)
{
	uint64_t previous = 0;
	kv_status status = KV_OK;

	qsort(numbers, count, sizeof numbers[0], compare);
	for (size_t i = 0; status == KV_OK && i < count; i++) {
		if (numbers[i] == previous)
			continue;
		status = buf_append_varint(to, numbers[i] - previous);
		previous = numbers[i];
	}
	return status;
}

kv_status sst_blobs_decode(struct slice bytes, struct sst_blobs *ret)
{
	struct reader reader = reader_of(bytes);
	struct sst_blobs blobs = { 0 };
	uint64_t number = 0, difference;

	/* a number takes at least one byte */
	if (bytes.len == 0)
		return KV_CORRUPT;
	blobs.numbers = calloc(bytes.len, sizeof *blobs.numbers);
	if (!blobs.numbers)
		return KV_NO_MEMORY;
	while (reader_left(&reader) > 0) {
		if (!read_varint64(&reader, &difference) || difference == 0 ||
			__builtin_add_overflow(number, difference, &number)) {
			sst_blobs_free(&blobs);
			return KV_CORRUPT;
		}
		blobs.numbers[blobs.count++] = number;
	}
	*ret = blobs;
	return KV_OK;
}

void sst_blobs_free(struct sst_blobs *blobs)
{
	free(blobs->numbers);
	*blobs = (struct sst_blobs){ 0 };
}

size_t sst_blobs_find(const struct sst_blobs *blobs, uint64_t number)
{
	const uint64_t *found = NULL;

	if (blobs->count > 0)
		found = bsearch(&number, blobs->numbers, blobs->count, sizeof blobs->numbers[0], compare);
	return found ? (size_t)(found - blobs->numbers) : blobs->count;
}
