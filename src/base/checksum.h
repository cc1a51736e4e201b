/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XXH3, 64 bits, by libxxhash: the one wrapper, so that checksums, filters and block hash indexes
 * agree and could be changed in one place. Not cryptographic: it finds damage, not forgery.
 */
#ifndef KV_BASE_CHECKSUM_H
#define KV_BASE_CHECKSUM_H

#include "base/slice.h"

/* Checksum of `data` under `seed`: use different seeds for different places (file number, offset),
 * so that right bytes in a wrong place do not pass. */
uint64_t checksum64(struct slice data, uint64_t seed);

/* The same over two pieces as if they were one, without copying. */
uint64_t checksum64_pair(struct slice a, struct slice b, uint64_t seed);

/* The same over `first` and all `pieces` in a row. */
uint64_t checksum64_pieces(struct slice first, const struct slice *pieces, size_t count, uint64_t seed);

/* The same over pieces that come one after the other. NULL: out of memory; the destructor takes NULL and returns NULL. */
struct checksum_stream;
struct checksum_stream *checksum_stream_new(uint64_t seed);
void checksum_stream_add(struct checksum_stream *stream, struct slice piece);
uint64_t checksum_stream_value(const struct checksum_stream *stream);
struct checksum_stream *checksum_stream_free(struct checksum_stream *stream);

/* Mixes up to three numbers into a seed. */
uint64_t checksum_seed(uint64_t a, uint64_t b, uint64_t c);

/* Hash of a key, for filters and hash indexes: seed 0, fixed for ever because it is on disk. */
uint64_t key_hash(struct slice key);

#endif
