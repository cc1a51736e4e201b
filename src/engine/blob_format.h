/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things lie in a blob file (format.h), and the checksums of its parts; shared by writer and reader.
 */
#ifndef KV_ENGINE_BLOB_FORMAT_H
#define KV_ENGINE_BLOB_FORMAT_H

#include "base/slice.h"
#include "engine/format.h"

#include <stddef.h>

uint64_t blob_part_count(uint64_t size);  /* of a value of `size` bytes */
uint64_t blob_file_bytes(uint64_t size);  /* of the whole file */
uint64_t blob_part_offset(uint64_t part); /* of the part's data in the file */
/* Bytes of the value in this part, without the checksum. */
size_t blob_part_bytes(uint64_t size, uint64_t part);

/* Which file of which store: begins every checksum of it. */
uint64_t blob_file_seed(const struct store_id *id, uint64_t number);
uint64_t blob_part_checksum(uint64_t file_seed, uint64_t part, struct slice data);
/* The checksum over part checksums is a chain: it begins with blob_chain_begin(), and takes one after the other, so that
 * nobody has to hold them all. */
uint64_t blob_chain_begin(uint64_t file_seed);
uint64_t blob_chain_add(uint64_t chain, uint64_t part_checksum);

/* BLOB_HEADER_BYTES and BLOB_FOOTER_BYTES. */
void blob_header_encode(const struct store_id *id, uint64_t number, uint8_t *to);
void blob_footer_encode(uint64_t file_seed, uint64_t size, uint64_t chain, uint8_t *to);
/* Is it this one? */
bool blob_footer_matches(uint64_t file_seed, uint64_t size, uint64_t chain, const uint8_t *footer);

#endif
