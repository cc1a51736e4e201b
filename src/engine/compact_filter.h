/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which versions a flush or compaction may leave out: a pure decision, entry by entry.
 *
 * A reader sees, of each key, the newest version with a sequence not above its own: that of one of the snapshots, or
 * (the newest state, and every snapshot still to come) one that is not below any entry here. So a version with sequence v is
 * seen by somebody only when it is the newest, or a snapshot s lies in v <= s < w, where w is the next newer version: else
 * it is dropped. A range delete that covers the version is as good as a newer version: it stays in force until nothing that
 * it covers is in a table.
 *
 * A tombstone that is seen can still go when it hides nothing: no older version lies below the output, and none stays in
 * the output. The latter is sure when no snapshot s < v exists. An expired value is as good as a tombstone, for
 * every reader, because time only goes forward: it goes under the same rule, and where it must stay, it stays as a
 * tombstone, which gives its space back.
 */
#ifndef KV_ENGINE_COMPACT_FILTER_H
#define KV_ENGINE_COMPACT_FILTER_H

#include "engine/entry.h"

#include <stddef.h>

struct compact_filter {
	const uint64_t *snapshots; /* ascending; borrowed */
	size_t snapshot_count;
	uint64_t now_unix_ms;
	/* May an older version of `key` lie below the output? NULL: yes always. Asked only when it matters. */
	bool (*may_be_below)(void *arg, struct slice key);
	void *arg;
};

enum compact_verdict {
	COMPACT_KEEP,
	COMPACT_DROP,
	COMPACT_BURY, /* keep as a delete: same key and sequence, no value, no expiry */
};

/* `newer`: the sequence of the next newer version of the key in the input, dropped or not, or of the oldest range delete that covers the
 * entry, if that is lower; 0: none. */
enum compact_verdict compact_filter_judge(const struct compact_filter *filter,
	const struct entry *entry, uint64_t newer);

#endif
