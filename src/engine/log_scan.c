/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All segments are looked at first: a header tells where the groups of the segment before it end. They are walked in the order of the numbers that their
 * headers give, which is another one than that of their names when files were mixed up. There may be thousands, where little is written between two
 * flushes; so one is open at a time.
 */
#include "engine/log_scan.h"

#include "engine/batch.h"
#include "engine/filename.h"
#include "engine/wal_reader.h"

#include <stdlib.h>

struct segment {
	struct wal_reader *reader; /* NULL: nothing can be read */
	uint64_t name_number;
	uint64_t number;           /* of its content */
	enum wal_segment_state state;
	bool cut;                  /* groups may be missing at its end */
	bool left_out;             /* a start ended the store before it (replay.c) */
	uint64_t told_end;         /* where its successor says that it ends; 0: it has none, or the reader knows */
};

struct walk {
	struct log_scan *scan;
	struct segment *segments;
	size_t count;
	uint64_t missing;   /* the newest number of which nothing can be read; 0: none */
	bool open_end;      /* damage with nothing behind it */
	bool ended;         /* what follows is no more of the store (replay.c) */
};

static void fault(struct walk *walk, uint64_t number, uint64_t offset, const char *what)
{
	char name[FILENAME_MAX_BYTES];

	walk->scan->faults++;
	walk->scan->events.fault(walk->scan->events.arg, filename_make(name, FILENAME_WAL, number), offset, what);
}

static void lose(struct log_scan *scan, uint64_t first, uint64_t end)
{
	scan->lost = true;
	scan->events.lost(scan->events.arg, first, end);
}

/* What comes next begins with `first`. */
static void go_on_at(struct log_scan *scan, uint64_t first)
{
	uint64_t from = scan->next_sequence > scan->last_sequence ? scan->next_sequence : scan->last_sequence + 1;

	if (first > from)
		lose(scan, from, first);
	if (first > scan->next_sequence)
		scan->next_sequence = first;
}

/* ---- open ---- */

static kv_status open_one(struct walk *walk, struct segment *segment, bool history, struct kv_error *err)
{
	struct kv_error told = { 0 };
	kv_status status = wal_reader_open_damaged(walk->scan->dir, walk->scan->id, segment->name_number, history,
		&segment->reader, &segment->state, &told, err);

	if (status == KV_NOT_FOUND || status == KV_INVALID) {
		fault(walk, segment->name_number, 0, status == KV_NOT_FOUND ? "a segment that MANIFEST names is missing" :
									       "this is no regular file");
		return KV_OK;
	}
	if (status != KV_OK)
		return status;
	wal_reader_rest(segment->reader);
	segment->number = segment->state == WAL_SEGMENT_USED ? wal_reader_header(segment->reader)->number :
							       segment->name_number;
	if (told.status == KV_OK)
		return KV_OK;
	segment->cut = told.offset >= WAL_HEADER_BYTES;
	fault(walk, segment->name_number, told.offset, told.text);
	if (segment->state == WAL_SEGMENT_UNUSED)
		segment->reader = wal_reader_close(segment->reader);
	return KV_OK;
}

static int compare_segments(const void *a, const void *b)
{
	uint64_t x = ((const struct segment *)a)->number, y = ((const struct segment *)b)->number;

	return (x > y) - (x < y);
}

static bool is_there(const struct walk *walk, uint64_t number)
{
	for (size_t i = 0; i < walk->count; i++)
		if (walk->segments[i].reader && walk->segments[i].number == number)
			return true;
	return false;
}

static kv_status open_all(struct walk *walk, const uint64_t *numbers, size_t count, bool history,
	struct kv_error *err)
{
	kv_status status = KV_OK;

	walk->segments = calloc(count + 1, sizeof *walk->segments);
	if (!walk->segments)
		return kv_error_set(err, KV_NO_MEMORY, "no memory to check the log");
	for (size_t i = 0; status == KV_OK && i < count; i++) {
		walk->segments[i].name_number = walk->segments[i].number = numbers[i];
		walk->count++;
		status = open_one(walk, &walk->segments[i], history, err);
	}
	for (size_t i = 0; status == KV_OK && i < count; i++)
		if (!is_there(walk, numbers[i]))
			walk->missing = numbers[i];
	if (walk->count > 1)
		qsort(walk->segments, walk->count, sizeof *walk->segments, compare_segments);
	return status;
}

static void close_all(struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++)
		wal_reader_close(walk->segments[i].reader);
	free(walk->segments);
}

/* ---- ends ---- */

static bool is_used(const struct segment *segment)
{
	return segment->reader && segment->state != WAL_SEGMENT_UNUSED && !segment->left_out;
}

/* Only one segment is made ahead, and the header of the one before it is durable then: so of those without a header all but the last had one.
 * Without a MANIFEST there is no such rule. `number`: 0 for none so far. */
static void lost_header(struct walk *walk, uint64_t number)
{
	if (number == 0 || walk->scan->give_all)
		return;
	fault(walk, number, 0, "the segment has lost its header");
	if (number > walk->missing)
		walk->missing = number;
}

/* Everything before segment `i` was durable when its header was written. */
static void vouch(struct walk *walk, size_t i)
{
	while (i-- > 0)
		if (walk->segments[i].told_end > 0) {
			wal_reader_set_end(walk->segments[i].reader, walk->segments[i].told_end);
			walk->segments[i].told_end = 0;
		}
}

/* Without a MANIFEST: segment `i` goes on behind an earlier one than the one in front of it. Those between were no more of the store when it was begun.
 * The earlier one; NULL: there is none, or nothing of it can be read. */
static struct segment *leave_out(struct walk *walk, size_t i, uint64_t prev_number)
{
	size_t at = i;

	while (at > 0 && walk->segments[at - 1].number != prev_number)
		at--;
	if (at == 0 || prev_number == 0)
		return NULL;
	for (size_t between = at; between < i; between++)
		walk->segments[between].left_out = true;
	return is_used(&walk->segments[at - 1]) ? &walk->segments[at - 1] : NULL;
}

/* `before`: the used one in front of it, or NULL. */
static void set_end(struct walk *walk, struct segment *before, const struct segment *segment)
{
	const struct wal_header *header;

	if (!before || segment->state != WAL_SEGMENT_USED || segment->number == before->number)
		return;
	header = wal_reader_header(segment->reader);
	if (walk->scan->give_all && header->prev_number != before->number)
		before = leave_out(walk, (size_t)(segment - walk->segments), header->prev_number);
	if (!before)
		return;
	if (header->prev_number == before->number)
		before->told_end = header->prev_end;
	else if (!walk->scan->give_all && !walk->missing)
		fault(walk, segment->name_number, 0, "it does not continue the segment before it");
}

static void set_ends(struct walk *walk)
{
	struct segment *before = NULL;
	uint64_t unused = 0;

	for (size_t i = 0; i < walk->count; i++) {
		struct segment *segment = &walk->segments[i];

		if (!segment->reader)
			continue;
		lost_header(walk, unused);
		unused = is_used(segment) ? 0 : segment->number;
		if (!is_used(segment))
			continue;
		set_end(walk, before, segment);
		if (segment->state == WAL_SEGMENT_USED && !wal_reader_header(segment->reader)->prev_unsynced)
			vouch(walk, i);
		before = segment;
	}
	if (!before)
		lost_header(walk, unused); /* one is always in use */
}

/* ---- groups ---- */

static kv_status give(struct log_scan *scan, const struct wal_read_group *group, struct kv_error *err)
{
	struct reader reader = reader_of(group->payload);
	kv_status status = KV_OK;

	for (uint32_t i = 0; status == KV_OK && i < group->count; i++) {
		struct entry entry = { .sequence = group->first_sequence + i };

		status = batch_next(&reader, &entry);
		if (status == KV_OK)
			status = scan->events.operation(scan->events.arg, &entry, err);
	}
	if (scan->first_sequence == 0)
		scan->first_sequence = group->first_sequence;
	scan->groups++;
	scan->operations += group->count;
	return status;
}

static kv_status take(struct log_scan *scan, const struct wal_read_group *group, struct kv_error *err)
{
	uint64_t end = group->first_sequence + group->count;
	bool is_new = group->first_sequence >= scan->next_sequence;
	kv_status status = KV_OK;

	go_on_at(scan, group->first_sequence);
	/* what was there already comes from a segment that lies here twice */
	if (is_new && (scan->give_all || end - 1 > scan->last_sequence))
		status = give(scan, group, err);
	if (end > scan->next_sequence)
		scan->next_sequence = end;
	return status;
}

static kv_status walk_segment(struct walk *walk, struct segment *segment, struct kv_error *err)
{
	struct log_scan *scan = walk->scan;
	struct wal_read_group group;
	uint64_t end, torn_end, first = 0;
	kv_status status = KV_OK;
	char name[FILENAME_MAX_BYTES];

	walk->open_end = segment->cut;
	if (segment->state == WAL_SEGMENT_USED)
		first = wal_reader_header(segment->reader)->first_sequence;
	if (first > 0)
		go_on_at(scan, first);
	if (scan->last_used == 0)
		scan->header_sequence = first;
	scan->last_used = segment->number;
	while (status == KV_OK) {
		status = wal_reader_next(segment->reader, &group, err);
		if (status == KV_OK) {
			status = take(scan, &group, err);
		} else if (status == KV_CORRUPT) {
			fault(walk, segment->name_number, err->offset, err->text);
			status = wal_reader_resume(segment->reader, err);
			walk->open_end = walk->open_end || status == KV_NOT_FOUND;
			if (status == KV_NOT_FOUND)
				return KV_OK;
		}
	}
	if (status != KV_NOT_FOUND)
		return status;
	end = wal_reader_end(segment->reader, &torn_end);
	filename_make(name, FILENAME_WAL, segment->name_number);
	if (segment->told_end > 0 && segment->told_end < end)
		fault(walk, segment->name_number, segment->told_end, "it goes on behind where the next segment says that it ends");
	if (segment->told_end > end) {
		walk->ended = true;
		scan->events.unsynced(scan->events.arg, name, end, segment->told_end);
	} else if (torn_end > end) {
		scan->events.torn(scan->events.arg, name, end, torn_end - end);
	}
	return KV_OK;
}

kv_status log_scan_run(struct log_scan *scan, const uint64_t *numbers, size_t count, struct kv_error *err)
{
	struct walk walk = { .scan = scan };
	struct kv_error own = { 0 };
	kv_status status;

	err = err ? err : &own;
	scan->next_sequence = scan->give_all ? 0 : scan->last_sequence + 1;
	status = open_all(&walk, numbers, count, false, err);
	if (status == KV_OK)
		set_ends(&walk);
	for (size_t i = 0; status == KV_OK && i < walk.count && !walk.ended; i++)
		if (is_used(&walk.segments[i])) {
			status = walk_segment(&walk, &walk.segments[i], err);
			wal_reader_rest(walk.segments[i].reader);
		}
	if (status == KV_OK && !scan->give_all && scan->next_sequence <= scan->last_sequence)
		scan->next_sequence = scan->last_sequence + 1;
	if (status == KV_OK && (walk.open_end || walk.missing > scan->last_used))
		lose(scan, scan->next_sequence, 0);
	close_all(&walk);
	return status;
}

/* ---- history ---- */

/* Whether all groups up to and without the one of `next` are there. */
static kv_status is_whole(struct walk *walk, struct segment *segment, uint64_t next, bool *ret, struct kv_error *err)
{
	struct wal_read_group group;
	uint64_t at;
	kv_status status = KV_OK;

	*ret = false;
	if (!segment->reader || segment->state != WAL_SEGMENT_USED || segment->number != segment->name_number) {
		if (segment->reader && segment->state == WAL_SEGMENT_UNUSED)
			fault(walk, segment->name_number, 0, "the segment's header is damaged");
		return KV_OK;
	}
	at = wal_reader_header(segment->reader)->first_sequence;
	while (status == KV_OK && (next == 0 || at < next)) {
		status = wal_reader_next(segment->reader, &group, err);
		if (status == KV_OK) {
			at = group.first_sequence + group.count;
			walk->scan->groups++;
		}
	}
	*ret = next == 0 ? status == KV_NOT_FOUND : at >= next;
	if (status == KV_CORRUPT)
		fault(walk, segment->name_number, err->offset, err->text);
	else if (status == KV_NOT_FOUND && !*ret)
		fault(walk, segment->name_number, 0, "groups are missing at its end");
	return status == KV_CORRUPT || status == KV_NOT_FOUND ? KV_OK : status;
}

kv_status log_scan_history(struct log_scan *scan, const uint64_t *numbers, size_t count, uint64_t next_first_sequence,
	size_t *ret_good, struct kv_error *err)
{
	struct walk walk = { .scan = scan };
	struct kv_error own = { 0 };
	kv_status status;
	bool whole = true;
	size_t good = 0;

	err = err ? err : &own;
	status = open_all(&walk, numbers, count, true, err);
	for (size_t i = walk.count; status == KV_OK && i-- > 0;) {
		struct segment *segment = &walk.segments[i];
		bool this = false;

		status = is_whole(&walk, segment, next_first_sequence, &this, err);
		if (segment->reader)
			wal_reader_rest(segment->reader);
		whole = whole && this;
		good += whole;
		next_first_sequence = segment->reader && segment->state == WAL_SEGMENT_USED ?
			wal_reader_header(segment->reader)->first_sequence : 0;
	}
	close_all(&walk);
	if (status == KV_OK)
		*ret_good = good;
	return status;
}
