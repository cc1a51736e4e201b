/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block that hardly shrinks is not worth the time of its readers: it has to lose an eighth. The output is limited to
 * that size before compressing, so that both libraries give up early on data that does not compress.
 *
 * Zstandard's contexts are large, and making one takes longer than a block of 4 KiB: each thread keeps its own until it ends.
 */
#include "engine/compress.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef HAVE_LZ4
#include <lz4.h>
#endif
#ifdef HAVE_ZSTD
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#endif

#ifdef HAVE_ZSTD
enum { ZSTD_LEVEL = 3 };
#endif

bool compress_available(enum sst_compression compression)
{
	switch ((int)compression) {
	case SST_COMPRESSION_NONE:
		return true;
#ifdef HAVE_LZ4
	case SST_COMPRESSION_LZ4:
		return true;
#endif
#ifdef HAVE_ZSTD
	case SST_COMPRESSION_ZSTD:
		return true;
#endif
	default:
		return false;
	}
}

#ifdef HAVE_LZ4
/* 0 when it does not fit */
static size_t lz4_pack(struct slice raw, uint8_t *to, size_t room)
{
	int len = LZ4_compress_default((const char *)raw.data, (char *)to, (int)raw.len, (int)room);

	return len > 0 ? (size_t)len : 0;
}

static kv_status lz4_unpack(struct slice packed, uint8_t *ret, size_t len)
{
	int got = LZ4_decompress_safe((const char *)packed.data, (char *)ret, (int)packed.len, (int)len);

	return got >= 0 && (size_t)got == len ? KV_OK : KV_CORRUPT;
}
#endif

#ifdef HAVE_ZSTD
struct contexts { /* of one thread; made when needed */
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
};

static pthread_key_t contexts_key;
static bool has_contexts_key; /* set once */
static pthread_once_t contexts_once = PTHREAD_ONCE_INIT;

static void free_contexts(void *arg)
{
	struct contexts *contexts = arg;

	ZSTD_freeCCtx(contexts->compress); /* NULL is allowed */
	ZSTD_freeDCtx(contexts->decompress);
	free(contexts);
}

static void make_contexts_key(void)
{
	has_contexts_key = pthread_key_create(&contexts_key, free_contexts) == 0;
}

/* Those of this thread, NULL when out of memory. */
static struct contexts *get_contexts(void)
{
	struct contexts *contexts;

	(void)pthread_once(&contexts_once, make_contexts_key);
	if (!has_contexts_key)
		return NULL;
	contexts = pthread_getspecific(contexts_key);
	if (contexts)
		return contexts;
	contexts = calloc(1, sizeof *contexts);
	if (contexts && pthread_setspecific(contexts_key, contexts) != 0) {
		free(contexts);
		contexts = NULL;
	}
	return contexts;
}

/* 0 when it does not fit */
static kv_status zstd_pack(struct slice raw, uint8_t *to, size_t room, size_t *ret)
{
	struct contexts *contexts = get_contexts();
	size_t len;

	if (contexts && !contexts->compress)
		contexts->compress = ZSTD_createCCtx();
	if (!contexts || !contexts->compress)
		return KV_NO_MEMORY;
	len = ZSTD_compressCCtx(contexts->compress, to, room, raw.data, raw.len, ZSTD_LEVEL);
	if (ZSTD_isError(len) && ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation)
		return KV_NO_MEMORY;
	*ret = ZSTD_isError(len) ? 0 : len;
	return KV_OK;
}

static kv_status zstd_unpack(struct slice packed, uint8_t *ret, size_t len)
{
	struct contexts *contexts = get_contexts();
	size_t got;

	if (contexts && !contexts->decompress)
		contexts->decompress = ZSTD_createDCtx();
	if (!contexts || !contexts->decompress)
		return KV_NO_MEMORY;
	got = ZSTD_decompressDCtx(contexts->decompress, ret, len, packed.data, packed.len);
	if (ZSTD_isError(got) && ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation)
		return KV_NO_MEMORY;
	return got == len ? KV_OK : KV_CORRUPT;
}
#endif

kv_status compress_append(enum sst_compression compression, struct slice raw, struct buf *to)
{
	size_t room = raw.len - raw.len / 8;
	size_t len = 0;
	kv_status status;

	if (raw.len / 8 == 0)
		return KV_NOT_FOUND;
	status = buf_reserve(to, room);
	if (status != KV_OK)
		return status;
	switch ((int)compression) {
#ifdef HAVE_LZ4
	case SST_COMPRESSION_LZ4:
		len = lz4_pack(raw, to->data + to->len, room);
		break;
#endif
#ifdef HAVE_ZSTD
	case SST_COMPRESSION_ZSTD:
		status = zstd_pack(raw, to->data + to->len, room, &len);
		break;
#endif
	default:
		status = KV_UNSUPPORTED;
	}
	if (status != KV_OK)
		return status;
	to->len += len;
	return len > 0 ? KV_OK : KV_NOT_FOUND;
}

kv_status compress_unpack(enum sst_compression compression, struct slice packed, uint8_t *ret,
	size_t len)
{
	if (packed.len == 0 || packed.len > BLOCK_BYTES_MAX || len == 0 || len > BLOCK_BYTES_MAX)
		return KV_CORRUPT;
	(void)ret; /* unused when neither is built in */
	switch ((int)compression) {
#ifdef HAVE_LZ4
	case SST_COMPRESSION_LZ4:
		return lz4_unpack(packed, ret, len);
#endif
#ifdef HAVE_ZSTD
	case SST_COMPRESSION_ZSTD:
		return zstd_unpack(packed, ret, len);
#endif
	default:
		return KV_UNSUPPORTED;
	}
}
