/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values are on disk: the algorithm (XXH3, 64 bits; its output is stable since libxxhash 0.8.0) and the
 * mixing of seeds may never change within a format version. A test pins known values.
 */
#include "base/checksum.h"

#include "base/checksum_wide.h"
#include "base/coding.h"

/* header only: hashes of short keys are inlined, and the state can lie on the stack, where nothing can
 * fail and no size has to agree with a shared library */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

enum { WIDE_BYTES = 512 }; /* from so many on wide vectors pay */

/* XXH3 wants a pointer even for no bytes. */
static const void *bytes_of(struct slice s)
{
	return s.len > 0 ? (const void *)s.data : "";
}

uint64_t checksum64(struct slice data, uint64_t seed)
{
	if (data.len >= WIDE_BYTES && checksum_wide_available())
		return checksum_wide(data, seed);
	return XXH3_64bits_withSeed(bytes_of(data), data.len, seed);
}

uint64_t checksum64_pieces(struct slice first, const struct slice *pieces, size_t count, uint64_t seed)
{
	XXH3_state_t state; /* on the stack, so that there is no allocation to fail */

	XXH3_INITSTATE(&state);
	/* these fail only on NULL arguments */
	XXH3_64bits_reset_withSeed(&state, seed);
	XXH3_64bits_update(&state, bytes_of(first), first.len);
	for (size_t i = 0; i < count; i++)
		XXH3_64bits_update(&state, bytes_of(pieces[i]), pieces[i].len);
	return XXH3_64bits_digest(&state);
}

uint64_t checksum64_pair(struct slice a, struct slice b, uint64_t seed)
{
	return checksum64_pieces(a, &b, 1, seed);
}

struct checksum_stream {
	XXH3_state_t state; /* wants an address that is a multiple of 64 */
};

struct checksum_stream *checksum_stream_new(uint64_t seed)
{
	struct checksum_stream *stream = aligned_alloc(64, (sizeof *stream + 63) / 64 * 64);

	if (!stream)
		return NULL;
	XXH3_INITSTATE(&stream->state);
	XXH3_64bits_reset_withSeed(&stream->state, seed);
	return stream;
}

void checksum_stream_add(struct checksum_stream *stream, struct slice piece)
{
	XXH3_64bits_update(&stream->state, bytes_of(piece), piece.len);
}

uint64_t checksum_stream_value(const struct checksum_stream *stream)
{
	return XXH3_64bits_digest(&stream->state);
}

struct checksum_stream *checksum_stream_free(struct checksum_stream *stream)
{
	free(stream);
	return NULL;
}

uint64_t checksum_seed(uint64_t a, uint64_t b, uint64_t c)
{
	uint8_t bytes[24];

	put_fixed64(bytes, a);
	put_fixed64(bytes + 8, b);
	put_fixed64(bytes + 16, c);
	return XXH3_64bits(bytes, sizeof bytes);
}

uint64_t key_hash(struct slice key)
{
	return XXH3_64bits(bytes_of(key), key.len);
}
