/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An entry: one version of one key, as every layer of the tree holds it.
 *
 * Order of entries everywhere: user key ascending (unsigned bytes), then sequence descending, so that the
 * newest version of a key comes first. No two entries have the same key and sequence.
 */
#ifndef KV_ENGINE_ENTRY_H
#define KV_ENGINE_ENTRY_H

#include "base/slice.h"

enum {
	ENTRY_KEY_MAX = 4096, /* bytes of a user key; at least 1 */
};
#define ENTRY_VALUE_MAX    (UINT64_C(1) << 30)       /* bytes */
#define ENTRY_SEQUENCE_MAX ((UINT64_C(1) << 56) - 1) /* 0 is no sequence of an entry */
#define ENTRY_SEQUENCES_PASSED_OVER (UINT64_C(1) << 40) /* 127 days of 100,000 writes a second; there is room for 65,536 times */

/* Where a store goes on for which nobody knows what was given out behind `last`, after a loss or as a copy of another one: no sequence
 * may come to mean something else than what a client has seen under it. */
static inline uint64_t entry_sequence_beyond(uint64_t last)
{
	return last <= ENTRY_SEQUENCE_MAX - ENTRY_SEQUENCES_PASSED_OVER ? last + ENTRY_SEQUENCES_PASSED_OVER : last;
}

/* On disk (WAL and tables): never renumber. */
enum entry_kind {
	ENTRY_DELETE = 0,
	ENTRY_PUT = 1,
	ENTRY_RANGE_DELETE = 2, /* key = first key, value = end key (not deleted), empty: no end; never in a table */
	ENTRY_BLOB = 3,         /* value = pointer to a blob file: blob_pointer.h */
};

struct entry {
	struct slice key;         /* borrowed, as value */
	struct slice value;       /* empty for a delete */
	uint64_t sequence;
	uint64_t expires_unix_ms; /* 0: never */
	enum entry_kind kind;
};

static inline int entry_compare_position(struct slice key_a, uint64_t sequence_a,
	struct slice key_b, uint64_t sequence_b)
{
	int order = slice_compare(key_a, key_b);

	if (order != 0)
		return order;
	return (sequence_a < sequence_b) - (sequence_a > sequence_b);
}

static inline int entry_compare(const struct entry *a, const struct entry *b)
{
	return entry_compare_position(a->key, a->sequence, b->key, b->sequence);
}

/* Is it a value that a reader at `now_unix_ms` sees (no delete, not expired)? */
static inline bool entry_is_live(const struct entry *entry, uint64_t now_unix_ms)
{
	return (entry->kind == ENTRY_PUT || entry->kind == ENTRY_BLOB) &&
		(entry->expires_unix_ms == 0 || entry->expires_unix_ms > now_unix_ms);
}

#endif
