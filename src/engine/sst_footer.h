/* SPDX-License-Identifier: BSD-2-Clause */
/* Footer and properties of a table: how its parts are found, and what it holds. */
#ifndef KV_ENGINE_SST_FOOTER_H
#define KV_ENGINE_SST_FOOTER_H

#include "engine/format.h"
#include "engine/sst_meta.h"
#include "engine/sst_writer.h"

/* Bytes of each part with its trailers; they lie in this order, and the footer follows. */
struct sst_footer {
	struct store_id id;
	uint64_t number;
	uint64_t data_bytes;
	uint64_t filter_bytes; /* 0: none */
	uint64_t index_bytes;
	uint64_t blobs_bytes;  /* 0: none */
	uint64_t properties_bytes;
};

/* Where the footer itself begins: the sum of the parts. */
uint64_t sst_footer_offset(const struct sst_footer *footer);

kv_status sst_footer_append(const struct sst_footer *footer, struct buf *to);

/* `bytes`: the last SST_FOOTER_BYTES of a file of `file_bytes`, whose name says `number`. KV_CORRUPT, KV_UNSUPPORTED; *ret_what (a constant
 * text) says why. */
kv_status sst_footer_decode(const uint8_t bytes[SST_FOOTER_BYTES], uint64_t file_bytes,
	const struct store_id *id, uint64_t number, struct sst_footer *ret, const char **ret_what);

struct sst_properties {
	struct sst_options options; /* of the writer */
	unsigned filter_probes;     /* 0: no filter */
	uint64_t data_blocks;
};

/* Always the same length for keys of the same lengths, whatever the numbers are. */
kv_status sst_properties_append(const struct sst_properties *properties, const struct sst_meta *meta,
	struct buf *to);

/* KV_CORRUPT, KV_NO_MEMORY. `ret_meta` is owned by the caller. */
kv_status sst_properties_decode(struct slice block, struct sst_properties *ret,
	struct sst_meta *ret_meta);

#endif
