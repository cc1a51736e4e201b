/* SPDX-License-Identifier: BSD-2-Clause */
/* One version of a key in a memtable; private to memtable*.c. Immutable once published. */
#ifndef KV_ENGINE_MEMTABLE_VERSION_H
#define KV_ENGINE_MEMTABLE_VERSION_H

#include "engine/art.h"
#include "engine/entry.h"

#include <string.h>

/* Before it in memory lie the value and, when HAS_EXPIRY is set, 8 bytes of expiry between the two. */
struct memtable_version {
	const struct memtable_version *older; /* NULL: none */
	uint64_t tag;                         /* sequence << 8 | flags | kind */
	uint32_t value_len;
};

enum {
	VERSION_KIND_MASK = 0x7f,
	VERSION_HAS_EXPIRY = 0x80,
	VERSION_ALIGN = 8,
};

static inline uint64_t memtable_version_sequence(const struct memtable_version *version)
{
	return version->tag >> 8;
}

/* The newest of a leaf. Any thread. */
static inline const struct memtable_version *memtable_version_newest(const struct art_leaf *leaf)
{
	return atomic_load_explicit(&leaf->head, memory_order_acquire);
}

/* The newest at or before `max_sequence`; NULL when there is none. */
static inline const struct memtable_version *memtable_version_at(const struct art_leaf *leaf,
	uint64_t max_sequence)
{
	const struct memtable_version *version = memtable_version_newest(leaf);

	while (version && memtable_version_sequence(version) > max_sequence)
		version = version->older;
	return version;
}

/* What the version of a value of this length takes of a reservation, at most. */
size_t memtable_version_bytes(size_t value_len);

/* A copy of `entry` without its key, not published; NULL when out of memory. */
struct memtable_version *memtable_version_new(struct arena *arena, const struct entry *entry);

/* The entry, borrowed from the memtable. */
static inline struct entry memtable_version_entry(const struct art_leaf *leaf,
	const struct memtable_version *version)
{
	const uint8_t *value_end = (const uint8_t *)version;
	struct entry ret = {
		.key = art_leaf_key(leaf),
		.sequence = memtable_version_sequence(version),
		.kind = (enum entry_kind)(version->tag & VERSION_KIND_MASK),
	};

	if (version->tag & VERSION_HAS_EXPIRY) {
		value_end -= sizeof ret.expires_unix_ms;
		memcpy(&ret.expires_unix_ms, value_end, sizeof ret.expires_unix_ms);
	}
	ret.value = slice_of(value_end - version->value_len, version->value_len);
	return ret;
}

#endif
