/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constants of the files on disk, shared by writers and readers. doc/format.md explains every byte. All integers are
 * little-endian. What is here is for ever: a change needs a new FORMAT_VERSION.
 */
#ifndef KV_ENGINE_FORMAT_H
#define KV_ENGINE_FORMAT_H

#include <stdint.h>

enum {
	FORMAT_VERSION = 2,      /* of the whole directory, in the file FORMAT */
	FORMAT_STORE_ID_BYTES = 16, /* random, made once; in FORMAT as 32 hexadecimal digits, in every file as bytes */
};

struct store_id {
	uint8_t bytes[FORMAT_STORE_ID_BYTES];
};

/*
 * WAL segment, NNNNNN.wal: header (one 4096-byte block, the rest of it zero), then groups, each at an offset
 * that is a multiple of 8, zeros between, WAL_END_BYTES zeros after the last where the file was there before.
 * What follows them: zeros, or groups of an earlier life of the file, which fail both checks because the seed
 * holds the segment's number.
 */
#define WAL_MAGIC       UINT64_C(0x314c41572d564b0d) /* "\r" "KV-WAL1" */
#define WAL_GROUP_MARK  UINT32_C(0x70724721)         /* "!Grp", makes candidates quick to find */
enum {
	WAL_VERSION = 1,
	WAL_BLOCK_BYTES = 4096,
	WAL_FIRST_GROUP_OFFSET = WAL_BLOCK_BYTES,
	WAL_GROUP_ALIGN = 8,
	WAL_END_BYTES = 16,

	WAL_HEADER_MAGIC = 0,        /* u64 */
	WAL_HEADER_VERSION = 8,      /* u16 */
	WAL_HEADER_FLAGS = 10,       /* u16: WAL_FLAG_..., no others */
	WAL_HEADER_BLOCKS = 12,      /* u32: whole 4096-byte blocks of the file when it was begun; it never gets shorter */
	WAL_HEADER_STORE_ID = 16,    /* 16 bytes */
	WAL_HEADER_NUMBER = 32,      /* u64: this segment's file number */
	WAL_HEADER_PREV_NUMBER = 40, /* u64: the segment before it, 0: none */
	WAL_HEADER_PREV_END = 48,    /* u64: where the groups of that one end; they are durable up to here, but for the flag */
	WAL_HEADER_FIRST_SEQUENCE = 56, /* u64: of the first group to come */
	WAL_HEADER_CHECKSUM = 64,    /* u64: over the 64 bytes before, seed WAL_MAGIC */
	WAL_HEADER_BYTES = 72,

	WAL_FLAG_PREV_UNSYNCED = 1, /* nobody had asked for the segment before it to be durable */

	WAL_GROUP_CHECKSUM = 0,       /* u64: over the header from offset 8 and the payload; seeded by store
				       * id, segment number and the group's offset */
	WAL_GROUP_MARK_OFFSET = 8,    /* u32 */
	WAL_GROUP_CHECK = 12,         /* u32: low half of the checksum of the header from offset 16, same seed: a
				       * header can be trusted before its payload was read, and without it */
	WAL_GROUP_COUNT = 16,         /* u32: operations, at least 1 */
	WAL_GROUP_LENGTH = 20,        /* u32: payload bytes, at least 4 for each operation */
	WAL_GROUP_FIRST_SEQUENCE = 24, /* u64 */
	WAL_GROUP_WALL_US = 32,       /* u64: microseconds since 1970 */
	WAL_GROUP_SYNCED = 40,        /* u64: offset in this segment known durable when the group was written */
	WAL_GROUP_HEADER_BYTES = 48,

	WAL_OPERATION_BYTES_MIN = 4,  /* tag, two lengths, a key of one byte */
};
#define WAL_GROUP_MAX UINT64_C(0xffffffff) /* payload bytes */

/* MANIFEST: this header, the body (manifest.c), and a u64 checksum of all before it, seed MANIFEST_MAGIC. */
#define MANIFEST_MAGIC UINT64_C(0x314e414d2d564b0d) /* "\r" "KV-MAN1" */
enum {
	MANIFEST_VERSION = 2,

	MANIFEST_HEADER_MAGIC = 0,     /* u64 */
	MANIFEST_HEADER_VERSION = 8,   /* u32 */
	MANIFEST_HEADER_RESERVED = 12, /* u32, 0 */
	MANIFEST_HEADER_STORE_ID = 16, /* 16 bytes */
	MANIFEST_HEADER_BYTES = 32,
	MANIFEST_CHECKSUM_BYTES = 8,
};

/*
 * SSTable, NNNNNN.sst:   data blocks, filter, index, blobs, properties, footer, without a gap; the file ends with
 * the footer. Each block of any kind is followed by a trailer: how it is compressed, and a checksum over
 * block and compression byte, seeded by store id, file number and offset.
 */
#define SST_MAGIC UINT64_C(0x315453532d564b0d) /* "\r" "KV-SST1" */
enum {
	SST_VERSION = 2,

	SST_TRAILER_COMPRESSION = 0, /* u8: enum sst_compression */
	SST_TRAILER_CHECKSUM = 1,    /* u64 */
	SST_TRAILER_BYTES = 9,
	SST_COMPRESSED_HEAD_BYTES = 4, /* u32: size when decompressed, before the compressed bytes */

	/* A data block, decompressed: head, hashes, runs, key area, value area. */
	BLOCK_HEAD_COUNT = 0,     /* u16: entries, at least 1 */
	BLOCK_HEAD_RUN_SHIFT = 2, /* u8: a run of prefix compression has 1 << this entries */
	BLOCK_HEAD_RESERVED = 3,  /* u8, 0 */
	BLOCK_HEAD_KEYS = 4,      /* u32: bytes of the key area */
	BLOCK_HEAD_BYTES = 8,
	BLOCK_HASH_BYTES = 1,     /* for each entry: the low byte of key_hash() */
	BLOCK_RUN_KEY = 0,        /* u16: where the run begins in the key area */
	BLOCK_RUN_VALUE = 2,      /* u16: and in the value area */
	BLOCK_RUN_BYTES = 4,      /* for each run but the first, which begins at 0 and 0 */
	BLOCK_RUN_SHIFT_DEFAULT = 2,
	BLOCK_RUN_SHIFT_MAX = 6,
	BLOCK_SHARED_BYTES_MAX = 65535, /* of a block of more than one entry */
	BLOCK_TAG_KIND = 0x0f,
	BLOCK_TAG_SEQUENCE_SHIFT = 4, /* 3 bits: bytes of the sequence, less one; 7 is not used */
	BLOCK_TAG_EXPIRES = 0x80,

	FILTER_LINE_BYTES = 64,
	FILTER_PROBES_MAX = 7,

	SST_PROPERTIES_BLOCK_BYTES = 0,    /* u32: the writer's options ... */
	SST_PROPERTIES_FILTER_BITS = 4,    /* u8 */
	SST_PROPERTIES_FILTER_PROBES = 5,  /* u8: 0 when there is no filter */
	SST_PROPERTIES_COMPRESSION = 6,    /* u8 */
	SST_PROPERTIES_RESERVED = 7,       /* u8, 0 */
	SST_PROPERTIES_DATA_BLOCKS = 8,    /* u64 */
	SST_PROPERTIES_META = 16,          /* sst_meta_encode() */

	SST_FOOTER_MAGIC = 0,       /* u64 */
	SST_FOOTER_VERSION = 8,     /* u32 */
	SST_FOOTER_RESERVED = 12,   /* u32, 0 */
	SST_FOOTER_STORE_ID = 16,   /* 16 bytes */
	SST_FOOTER_NUMBER = 32,     /* u64: this table's file number */
	SST_FOOTER_DATA = 40,       /* u64: bytes of all data blocks with their trailers, as the following */
	SST_FOOTER_FILTER = 48,     /* u64: 0: no filter, and no trailer of one */
	SST_FOOTER_INDEX = 56,      /* u64 */
	SST_FOOTER_BLOBS = 64,      /* u64: 0: no entry points to a blob file, and no trailer */
	SST_FOOTER_PROPERTIES = 72, /* u64 */
	SST_FOOTER_CHECKSUM = 80,   /* u64: over the 80 bytes before, seeded as a block's */
	SST_FOOTER_BYTES = 88,

	/* A blob pointer: the value of an entry whose real value is in a file of its own, NNNNNN.blob. */
	BLOB_POINTER_NUMBER = 0,    /* u64: of the file, not 0 */
	BLOB_POINTER_SIZE = 8,      /* u64: bytes of the value */
	BLOB_POINTER_CHECKSUM = 16, /* u64: of the checksums of the file's parts */
	BLOB_POINTER_BYTES = 24,
};
#define BLOCK_BYTES_MAX ((UINT64_C(1) << 30) + 65536) /* decompressed: one entry of the largest size fits */

/*
 * Blob file, NNNNNN.blob: one large value. Header, parts, footer, without a gap. Every part but the last has BLOB_PART_BYTES of the value;
 * behind each stands its checksum, seeded by store id, file number and part, so any part can be read and verified alone.
 */
#define BLOB_MAGIC UINT64_C(0x314f4c422d564b0d) /* "\r" "KV-BLO1" */
enum {
	BLOB_VERSION = 1,

	BLOB_HEADER_MAGIC = 0,     /* u64 */
	BLOB_HEADER_VERSION = 8,   /* u32 */
	BLOB_HEADER_RESERVED = 12, /* u32, 0 */
	BLOB_HEADER_STORE_ID = 16, /* 16 bytes */
	BLOB_HEADER_NUMBER = 32,   /* u64: this file's number */
	BLOB_HEADER_CHECKSUM = 40, /* u64: over the 40 bytes before, seed BLOB_MAGIC */
	BLOB_HEADER_BYTES = 48,

	BLOB_PART_BYTES = 65536,
	BLOB_PART_CHECKSUM_BYTES = 8,

	BLOB_FOOTER_SIZE = 0,      /* u64: bytes of the value */
	BLOB_FOOTER_PARTS = 8,     /* u64: over the checksums of all parts */
	BLOB_FOOTER_CHECKSUM = 16, /* u64: over the 16 bytes before, seeded by store id, file number and size */
	BLOB_FOOTER_BYTES = 24,
};

enum sst_compression { SST_COMPRESSION_NONE = 0, SST_COMPRESSION_LZ4 = 1, SST_COMPRESSION_ZSTD = 2 };

/*
 * SCRUB: when which file was read for the last time; not synced, and missed by nobody (scrub_state.c).
 */
#define SCRUB_MAGIC UINT64_C(0x314243532d564b0d) /* "\r" "KV-SCB1" */

#endif
