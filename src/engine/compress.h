/* SPDX-License-Identifier: BSD-2-Clause */
/* Block compression by LZ4 and Zstandard, as far as they are built in. Any thread. */
#ifndef KV_ENGINE_COMPRESS_H
#define KV_ENGINE_COMPRESS_H

#include "base/buf.h"
#include "engine/format.h"

/* Is it built in? SST_COMPRESSION_NONE always is; unknown numbers never are. */
bool compress_available(enum sst_compression compression);

/* Appends `raw` (1..BLOCK_BYTES_MAX bytes), compressed, to `to`. KV_NOT_FOUND: it did not get smaller by an eighth at least, and `to`
 * is as it was. `compression` is available and not NONE. */
kv_status compress_append(enum sst_compression compression, struct slice raw, struct buf *to);

/* Decompresses into exactly `len` bytes at `ret`. KV_CORRUPT: `packed` is no such stream or gives another length (the bytes at
 * `ret` are then undefined); KV_UNSUPPORTED: not built in; KV_NO_MEMORY. Never writes beyond `len`. */
kv_status compress_unpack(enum sst_compression compression, struct slice packed, uint8_t *ret,
	size_t len);

#endif
