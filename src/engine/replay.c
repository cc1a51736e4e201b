/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replay. The used segments form a chain: each header names the segment before and the offset where that one
 * ends, so all but the last must be read to exactly there. Unused segments (made ahead) come only after the last used one.
 *
 * A segment whose predecessor was flushed and removed names one that is not listed any more: that is right
 * only for the first.
 *
 * A header may say that what is before it was not durable when it was written (rotate.c). A later one without that flag vouches for all
 * segments before itself; so only the last ones may have lost their ends in a power cut: none of their writes had been promised to
 * survive one, and those that came later must not survive alone.
 */
#include "engine/replay.h"

#include "engine/batch.h"
#include "engine/filename.h"
#include "engine/wal_reader.h"

#include <inttypes.h>
#include <stdlib.h>

struct chain {
	struct wal_reader **readers; /* of the used segments */
	size_t count;
	size_t sure; /* so many of them are durable; the last is never one of these */
};

static void chain_free(struct chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		wal_reader_close(chain->readers[i]);
	free(chain->readers);
}

static kv_status misfit(uint64_t number, struct kv_error *err, const char *what)
{
	char name[FILENAME_MAX_BYTES];

	return kv_error_corrupt(err, filename_make(name, FILENAME_WAL, number), 0, "%s", what);
}

/* MANIFEST lists a segment that is made ahead only when the header of the one before is durable (catalog_make_spare, rotate): so of those
 * without a header all but the last had one. `unused`: the first such, 0: none so far. */
static kv_status chain_add(struct replay *replay, struct chain *chain, uint64_t number,
	uint64_t *unused, struct kv_error *err)
{
	const struct wal_header *header;
	enum wal_segment_state state;
	struct wal_reader *reader;
	kv_status status = wal_reader_open(replay->dir, replay->id, number, &reader, &state, err);

	if (status != KV_OK)
		return status;
	if (state == WAL_SEGMENT_UNUSED) {
		wal_reader_close(reader);
		if (*unused != 0)
			return misfit(*unused, err, "the segment has lost its header");
		*unused = number;
		return KV_OK;
	}
	chain->readers[chain->count++] = reader;
	if (*unused != 0)
		return misfit(*unused, err, "the segment has lost its header");
	if (chain->count == 1)
		return KV_OK;
	header = wal_reader_header(reader);
	reader = chain->readers[chain->count - 2];
	if (header->prev_number != wal_reader_header(reader)->number)
		return misfit(number, err, "it does not continue the segment before it");
	if (!header->prev_unsynced)
		chain->sure = chain->count - 1;
	return KV_OK;
}

static void set_ends(struct chain *chain)
{
	for (size_t i = 0; i < chain->sure; i++)
		wal_reader_set_end(chain->readers[i], wal_reader_header(chain->readers[i + 1])->prev_end);
}

static kv_status chain_open(struct replay *replay, const uint64_t *numbers, size_t count,
	struct chain *chain, struct kv_error *err)
{
	uint64_t unused = 0;
	kv_status status = KV_OK;

	chain->readers = calloc(count + 1, sizeof(struct wal_reader *));
	if (!chain->readers)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for the replay");
	for (size_t i = 0; status == KV_OK && i < count; i++)
		status = chain_add(replay, chain, numbers[i], &unused, err);
	/* the one that a start begins has its header before MANIFEST names it */
	if (status == KV_OK && chain->count == 0 && unused != 0)
		return misfit(unused, err, "the segment has lost its header");
	if (status == KV_OK)
		set_ends(chain);
	replay->unused = unused;
	return status;
}

/* ---- into memtables ---- */

static kv_status begin_memtable(struct replay *replay, uint64_t segment)
{
	struct memtable **grown = reallocarray(replay->memtables, replay->count + 1,
		sizeof(struct memtable *));

	if (!grown)
		return KV_NO_MEMORY;
	replay->memtables = grown;
	grown[replay->count] = memtable_new(segment);
	if (!grown[replay->count])
		return KV_NO_MEMORY;
	memtable_keep_blobs(grown[replay->count], replay->blobs);
	memtable_add_filter(grown[replay->count], replay->memtable_bytes);
	if (replay->count > 0)
		memtable_set_state(grown[replay->count - 1], MEMTABLE_FROZEN);
	replay->count++;
	return KV_OK;
}

static bool is_full(const struct memtable *memtable, size_t memtable_bytes_max, size_t bytes)
{
	return memtable_bytes(memtable) + bytes > memtable_bytes_max || memtable_has_many_ranges(memtable);
}

static kv_status room_for(struct replay *replay, uint64_t segment, size_t bytes)
{
	struct memtable *last = replay->count > 0 ? replay->memtables[replay->count - 1] : NULL;

	if (last && (memtable_entries(last) == 0 || !is_full(last, replay->memtable_bytes, bytes)))
		return KV_OK;
	return begin_memtable(replay, segment);
}

static void note_blob(struct replay *replay, const struct entry *entry)
{
	struct blob_pointer pointer;

	if (entry->kind == ENTRY_BLOB && blob_pointer_decode(entry->value, &pointer) &&
		pointer.number > replay->blob_number_max)
		replay->blob_number_max = pointer.number;
}

static kv_status apply_group(struct replay *replay, uint64_t segment,
	const struct wal_read_group *group)
{
	struct reader reader = reader_of(group->payload);
	kv_status status = room_for(replay, segment, group->payload.len);

	for (uint32_t i = 0; status == KV_OK && i < group->count; i++) {
		struct entry entry;

		status = batch_next(&reader, &entry);
		entry.sequence = group->first_sequence + i;
		if (status == KV_OK)
			status = memtable_add(replay->memtables[replay->count - 1], &entry);
		if (status == KV_OK)
			note_blob(replay, &entry);
	}
	if (status != KV_OK)
		return status;
	replay->last_sequence = group->first_sequence + group->count - 1;
	replay->operations += group->count;
	if (replay->oldest_needed == UINT64_MAX)
		replay->oldest_needed = segment;
	return KV_OK;
}

static kv_status replay_segment(struct replay *replay, struct wal_reader *reader,
	struct kv_error *err)
{
	uint64_t number = wal_reader_header(reader)->number;
	struct wal_read_group group;
	kv_status status;

	while ((status = wal_reader_next(reader, &group, err)) == KV_OK) {
		if (group.first_sequence + group.count - 1 <= replay->last_sequence)
			continue; /* a table has it */
		if (group.first_sequence != replay->last_sequence + 1)
			return misfit(number, err, "sequences are missing before it");
		status = apply_group(replay, number, &group);
		if (status != KV_OK)
			return kv_error_set(err, status, "cannot replay a WAL group: %s",
				kv_status_text(status));
	}
	if (status != KV_NOT_FOUND)
		return status;
	replay->segments++;
	replay->last_used = number;
	replay->end = wal_reader_end(reader, &replay->torn_end);
	return KV_OK;
}

/* Of a segment that was replayed and is followed by another: does it end where that one says? If not, that is no more of the store, nor are those
 * behind it. */
static kv_status follow(struct replay *replay, struct chain *chain, size_t i, struct kv_error *err)
{
	const struct wal_header *next = wal_reader_header(chain->readers[i + 1]);

	if (replay->end > next->prev_end)
		return misfit(next->number, err, "the segment before it goes on behind its end");
	if (replay->end < next->prev_end) {
		replay->lost_segments = chain->count - i - 1;
		while (chain->count > i + 1)
			wal_reader_close(chain->readers[--chain->count]);
	}
	return KV_OK;
}

static kv_status replay_chain(struct replay *replay, struct chain *chain, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = 0; status == KV_OK && i < chain->count; i++) {
		status = replay_segment(replay, chain->readers[i], err);
		if (status == KV_OK && i + 1 < chain->count)
			status = follow(replay, chain, i, err);
	}
	return status;
}

/* What may be in memory only, though it was read: it was never synced, or a sync that failed in an earlier life has left clean pages. */
static kv_status settle_segment(const struct replay *replay, const struct wal_reader *reader, struct kv_error *err)
{
	uint64_t number = wal_reader_header(reader)->number, torn_end;
	kv_status status = wal_settle(replay->dir, number, 0, WAL_FIRST_GROUP_OFFSET, err);

	if (status == KV_OK)
		status = wal_settle(replay->dir, number, wal_reader_synced(reader), wal_reader_end(reader, &torn_end), err);
	return status;
}

static kv_status settle(const struct replay *replay, const struct chain *chain, struct kv_error *err)
{
	kv_status status = KV_OK;

	for (size_t i = chain->sure; status == KV_OK && i < chain->count; i++)
		status = settle_segment(replay, chain->readers[i], err);
	return status;
}

kv_status replay_run(struct replay *replay, const uint64_t *numbers, size_t count,
	struct kv_error *err)
{
	struct chain chain = { 0 };
	kv_status status;

	replay->oldest_needed = UINT64_MAX;
	status = chain_open(replay, numbers, count, &chain, err);
	if (status == KV_OK)
		status = replay_chain(replay, &chain, err);
	if (status == KV_OK)
		status = settle(replay, &chain, err);
	chain_free(&chain);
	return status;
}

uint64_t replay_memory_bytes(const struct replay *replay)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < replay->count; i++)
		ret += memtable_bytes(replay->memtables[i]);
	return ret;
}

void replay_free(struct replay *replay)
{
	for (size_t i = 0; i < replay->count; i++)
		memtable_unref(replay->memtables[i]);
	free(replay->memtables);
	replay->memtables = NULL;
	replay->count = 0;
}
