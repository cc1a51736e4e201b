/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mechanism of flush and compaction: reads a sorted stream of entries, drops what nobody can see any more, writes tables.
 *
 * What may go (compact_filter.h): an older version of a key when no snapshot lies between it and the next newer one, or the next range
 * delete that covers it; a
 * tombstone or an expired value when no snapshot older than it exists and no older version of its key can lie below the
 * output. An expired value that has to stay becomes a tombstone.
 */
#ifndef KV_ENGINE_COMPACT_RUN_H
#define KV_ENGINE_COMPACT_RUN_H

#include "engine/iter.h"
#include "engine/range_set.h"
#include "engine/sst_writer.h"

struct compact_run {
	const struct dir *dir;
	const struct store_id *id;
	struct sst_options table;
	uint64_t table_bytes_max;  /* an output is closed at this size, but never between two versions of a key; UINT64_MAX: one table */
	const uint64_t *snapshots; /* sequences in use, ascending; borrowed */
	size_t snapshot_count;
	const struct range_set *ranges; /* range deletes to apply; NULL: none; borrowed */
	uint64_t ranges_complete;  /* every range delete with a sequence up to this, that covers anything in the input, is in `ranges` */
	uint64_t now_unix_ms;
	/* May an older version of `key` lie below the output level? NULL: yes always. */
	bool (*may_be_below)(void *arg, struct slice key);
	uint64_t (*new_file_number)(void *file_numbers);
	void *file_numbers;
	/* Called after each 64 KiB or so read; `bytes` were written since the last call (0 when all was dropped). May wait (rate limit);
	 * any failure, e.g. KV_BUSY at shutdown, stops the run and is its result. NULL: none. */
	kv_status (*pace)(void *arg, uint64_t bytes);
	void *arg; /* of may_be_below and pace */
};

struct compact_result {
	struct sst_meta *tables; /* owned; may be none, when everything could go */
	size_t table_count;
	uint64_t bytes_written;
	uint64_t entries_read, entries_written;
};

void compact_result_free(struct compact_result *result);

/* Removes the files of a result that no MANIFEST can name. What cannot be removed is an orphan, swept at the next start. */
void compact_result_remove(const struct compact_result *result, const struct dir *dir);

/* `input` is borrowed and will be read from its first entry to the end. On KV_OK the tables are synced, and the directory too. On
 * failure no file is left (as far as they can be removed). */
kv_status compact_run(const struct compact_run *run, struct iter *input, struct compact_result *ret,
	struct kv_error *err);

#endif
