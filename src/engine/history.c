/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sequences of the listed segments follow each other without a gap: each ends where the next begins. So nobody needs to know where in
 * its file a segment ends: it is read until the sequence is there with which its successor begins.
 *
 * The list changes in three places: the leader of the commit adds at the end (history_begin), history_apply() removes from the
 * beginning, and recovery makes it. A segment that a reader holds may leave the list; its file is then removed and not reused, so
 * that the reader goes on reading what was written there.
 */
#include "engine/history.h"

#include "engine/filename.h"
#include "engine/format.h"

#include <stdlib.h>

/* ---- life ---- */

kv_status history_init(struct history *history, const struct dir *dir)
{
	*history = (struct history){ .dir = dir };
	return pthread_mutex_init(&history->mu, NULL) == 0 ? KV_OK : KV_NO_MEMORY;
}

static void free_segment(struct history_segment *segment)
{
	if (segment)
		file_close(&segment->file);
	free(segment);
}

void history_destroy(struct history *history)
{
	for (size_t i = 0; i < history->count; i++)
		free_segment(history->segments[i]);
	free(history->segments);
	free(history->unread);
	free_segment(history->spare);
	pthread_mutex_destroy(&history->mu);
}

/* ---- growing ---- */

static kv_status reserve(struct history *history)
{
	struct history_segment **grown;
	kv_status status = KV_OK;

	pthread_mutex_lock(&history->mu);
	if (history->count == history->capacity) {
		grown = reallocarray(history->segments, 2 * history->capacity + 8,
			sizeof(struct history_segment *));
		if (grown) {
			history->segments = grown;
			history->capacity = 2 * history->capacity + 8;
		} else {
			status = KV_NO_MEMORY;
		}
	}
	pthread_mutex_unlock(&history->mu);
	return status;
}

kv_status history_prepare(struct history *history)
{
	kv_status status = reserve(history);

	if (status == KV_OK && !history->spare) {
		history->spare = calloc(1, sizeof *history->spare);
		if (!history->spare)
			return KV_NO_MEMORY;
		history->spare->file.fd = -1;
	}
	return status;
}

static void append(struct history *history, uint64_t number, uint64_t first_sequence, uint64_t end)
{
	struct history_segment *segment = history->spare;

	history->spare = NULL;
	segment->number = number;
	segment->first_sequence = first_sequence;
	segment->references = 1;
	segment->listed = true;
	atomic_init(&segment->end_sequence, UINT64_MAX);
	atomic_init(&segment->end, end);
	pthread_mutex_lock(&history->mu);
	if (history->count > 0)
		atomic_store(&history->segments[history->count - 1]->end_sequence, first_sequence);
	history->segments[history->count++] = segment;
	pthread_mutex_unlock(&history->mu);
	history->active = segment;
	history->hint_due = WAL_FIRST_GROUP_OFFSET + history->hint_bytes;
}

kv_status history_add(struct history *history, uint64_t number, uint64_t first_sequence, uint64_t end)
{
	kv_status status = history_prepare(history);

	if (status == KV_OK)
		append(history, number, first_sequence, end);
	return status;
}

void history_begin(struct history *history, uint64_t number, uint64_t first_sequence)
{
	append(history, number, first_sequence, WAL_FIRST_GROUP_OFFSET);
}

static void add_hint(struct history *history, uint64_t next_sequence, uint64_t end)
{
	struct history_segment *segment = history->active;
	uint32_t count = atomic_load_explicit(&segment->hint_count, memory_order_relaxed);

	history->hint_due = end + history->hint_bytes;
	if (count == HISTORY_HINTS)
		return;
	segment->hints[count] = (struct history_hint){ next_sequence, end };
	atomic_store_explicit(&segment->hint_count, count + 1, memory_order_release);
}

void history_advance(struct history *history, uint64_t next_sequence, uint64_t end)
{
	atomic_store_explicit(&history->active->end, end, memory_order_release);
	if (end >= history->hint_due)
		add_hint(history, next_sequence, end);
}

/* ---- what is kept ---- */

static bool is_empty(const struct history_segment *segment)
{
	return atomic_load(&segment->end) == WAL_FIRST_GROUP_OFFSET ||
		atomic_load(&segment->end_sequence) == segment->first_sequence;
}

/* Of a file that is not there: as much as there can be, so that it is not kept. 0: it cannot be looked at now, the next plan will. */
static uint64_t measure(const struct history *history, uint64_t number)
{
	char name[FILENAME_MAX_BYTES];
	struct file file = { .fd = -1 };
	uint64_t bytes = 0;
	kv_status status = file_open(history->dir, filename_make(name, FILENAME_WAL, number),
		FILE_READ, &file, NULL);

	if (status == KV_OK && file_size(&file, &bytes, NULL) != KV_OK)
		bytes = 0;
	file_close(&file);
	return status == KV_NOT_FOUND ? UINT64_MAX : bytes;
}

static void plan_cut(struct history_item *item, bool clean_end)
{
	uint64_t end = atomic_load(&item->segment->end);

	if (end == UINT64_MAX || item->bytes == UINT64_MAX)
		return;
	end = (end + WAL_BLOCK_BYTES - 1) / WAL_BLOCK_BYTES * WAL_BLOCK_BYTES;
	if (end < item->bytes && (clean_end || end <= item->bytes / 2))
		item->cut_to = end;
}

static void list_old(struct history *history, struct history_plan *plan)
{
	uint64_t needed = plan->needed;

	pthread_mutex_lock(&history->mu);
	if (needed < history->needed)
		needed = history->needed;
	plan->items = calloc(history->count + 1, sizeof *plan->items);
	for (; plan->items && plan->count < history->count; plan->count++) {
		struct history_segment *segment = history->segments[plan->count];

		if (segment->number >= needed)
			break;
		plan->items[plan->count] = (struct history_item){ .segment = segment,
			.number = segment->number,
			.bytes = segment->bytes };
	}
	while (plan->unread_count < history->unread_count &&
		history->unread[plan->unread_count] < needed)
		plan->unread_count++;
	pthread_mutex_unlock(&history->mu);
}

/* The newest, without a gap, until they are enough: so the last of them may go beyond. An empty one is worth no file. */
static void choose(const struct history *history, struct history_plan *plan)
{
	uint64_t sum = 0;

	for (size_t i = plan->count; i > 0; i--) {
		struct history_item *item = &plan->items[i - 1];

		if (is_empty(item->segment))
			continue;
		if (sum >= history->bytes_max || item->bytes == UINT64_MAX)
			return;
		sum += item->cut_to != 0 ? item->cut_to : item->bytes;
		item->kept = true;
	}
	plan->keeps_unread = sum < history->bytes_max;
}

kv_status history_plan(struct history *history, uint64_t needed, bool clean_end,
	struct history_plan *ret)
{
	struct history_plan plan = { .needed = needed };

	list_old(history, &plan);
	if (!plan.items)
		return KV_NO_MEMORY;
	for (size_t i = 0; i < plan.count; i++) {
		struct history_item *item = &plan.items[i];

		if (item->bytes != 0 && !clean_end)
			continue; /* it was cut as far as it pays */
		item->bytes = measure(history, item->number);
		plan_cut(item, clean_end);
	}
	choose(history, &plan);
	*ret = plan;
	return KV_OK;
}

void history_plan_free(struct history_plan *plan)
{
	free(plan->items);
	*plan = (struct history_plan){ 0 };
}

kv_status history_describe(const struct history *history, const struct history_plan *plan,
	struct manifest *manifest)
{
	kv_status status = KV_OK;

	for (size_t i = 0; plan->keeps_unread && status == KV_OK && i < plan->unread_count; i++)
		status = manifest_add_history(manifest, history->unread[i]);
	for (size_t i = 0; status == KV_OK && i < plan->count; i++)
		if (plan->items[i].kept)
			status = manifest_add_history(manifest, plan->items[i].number);
	return status;
}

/* Only space depends on it. */
static void cut(const struct history *history, struct history_item *item)
{
	char name[FILENAME_MAX_BYTES];
	struct file file;

	if (file_open(history->dir, filename_make(name, FILENAME_WAL, item->number),
			FILE_READ_WRITE, &file, NULL) != KV_OK)
		return;
	if (file_truncate(&file, item->cut_to, NULL) == KV_OK)
		item->bytes = item->cut_to;
	file_close(&file);
}

static void note_use_locked(struct history *history, const struct history_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct history_segment *segment = plan->items[i].segment;

		uint64_t end = atomic_load(&segment->end);

		if (segment->number >= history->needed && !is_empty(segment) && end != UINT64_MAX)
			history->last_used = end;
		segment->bytes = plan->items[i].kept ? plan->items[i].bytes : 0;
	}
	if (plan->needed > history->needed)
		history->needed = plan->needed;
}

/* The last one stays listed, since it says where the log goes on. Returns how many of plan->items are to be freed; they come first. */
static void delist_locked(struct history *history, struct history_plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < history->count; i++) {
		struct history_segment *segment = history->segments[i];
		struct history_item *item = i < plan->count ? &plan->items[i] : NULL;

		if (item && !item->kept)
			item->held = segment->references > 1;
		if (item && !item->kept && i + 1 < history->count) {
			segment->listed = false;
			segment->references--;
			if (segment->references > 0)
				item->segment = NULL;
		} else {
			history->segments[count++] = segment;
		}
	}
	history->count = count;
}

void history_apply(struct history *history, struct history_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].kept && plan->items[i].cut_to != 0)
			cut(history, &plan->items[i]);
	pthread_mutex_lock(&history->mu);
	if (!plan->keeps_unread)
		history->unread_count = 0; /* the next start sweeps them */
	note_use_locked(history, plan);
	delist_locked(history, plan);
	pthread_mutex_unlock(&history->mu);
	/* what has left the list and is held by nobody is ours alone */
	for (size_t i = 0; i < plan->count; i++) {
		struct history_item *item = &plan->items[i];

		if (!item->kept && item->segment && !item->segment->listed)
			free_segment(item->segment);
		item->segment = NULL;
	}
}

/* ---- readers ---- */

kv_status history_find(struct history *history, uint64_t sequence, struct history_segment **ret)
{
	struct history_segment *found = NULL;
	size_t low = 0, high;

	pthread_mutex_lock(&history->mu);
	high = history->count;
	while (low < high) { /* the first whose first sequence is above it */
		size_t middle = low + (high - low) / 2;

		if (history->segments[middle]->first_sequence <= sequence)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0 && sequence < atomic_load(&history->segments[low - 1]->end_sequence)) {
		found = history->segments[low - 1];
		found->references++;
	}
	pthread_mutex_unlock(&history->mu);
	if (!found)
		return KV_GONE;
	*ret = found;
	return KV_OK;
}

/* The file may be opened twice at a time; one of the two is used. */
kv_status history_open_file(struct history *history, struct history_segment *segment,
	const struct file **ret, struct kv_error *err)
{
	char name[FILENAME_MAX_BYTES];
	struct file file = { .fd = -1 };
	bool open;
	kv_status status;

	pthread_mutex_lock(&history->mu);
	open = segment->file.fd >= 0;
	pthread_mutex_unlock(&history->mu);
	if (!open) {
		status = file_open(history->dir,
			filename_make(name, FILENAME_WAL, segment->number), FILE_READ, &file, err);
		if (status == KV_NOT_FOUND)
			return kv_error_set(err, KV_GONE, "the log no longer goes back that far");
		if (status != KV_OK)
			return status;
		pthread_mutex_lock(&history->mu);
		if (segment->file.fd < 0) {
			segment->file = file;
			file.fd = -1;
		}
		pthread_mutex_unlock(&history->mu);
		file_close(&file);
	}
	*ret = &segment->file;
	return KV_OK;
}

struct history_segment *history_release(struct history *history, struct history_segment *segment)
{
	struct file file = { .fd = -1 };
	bool last;

	if (!segment)
		return NULL;
	pthread_mutex_lock(&history->mu);
	last = --segment->references == 0;
	if (last || (segment->references == 1 && segment->listed)) {
		file = segment->file;
		segment->file.fd = -1;
	}
	pthread_mutex_unlock(&history->mu);
	file_close(&file);
	if (last)
		free_segment(segment);
	return NULL;
}

struct history_hint history_hint(const struct history_segment *segment, uint64_t sequence)
{
	struct history_hint best = { segment->first_sequence, WAL_FIRST_GROUP_OFFSET };
	uint32_t count = atomic_load_explicit(&segment->hint_count, memory_order_acquire);

	for (uint32_t i = 0; i < count && segment->hints[i].sequence <= sequence; i++)
		best = segment->hints[i];
	return best;
}

bool history_has(struct history *history, uint64_t number)
{
	bool found = false;

	pthread_mutex_lock(&history->mu);
	for (size_t i = 0; i < history->count && !found; i++)
		found = history->segments[i]->number == number;
	for (size_t i = 0; i < history->unread_count && !found; i++)
		found = history->unread[i] == number;
	pthread_mutex_unlock(&history->mu);
	return found;
}

uint64_t history_oldest(struct history *history)
{
	uint64_t sequence;

	pthread_mutex_lock(&history->mu);
	sequence = history->count > 0 ? history->segments[0]->first_sequence : 1;
	pthread_mutex_unlock(&history->mu);
	return sequence;
}

uint64_t history_bytes(struct history *history)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&history->mu);
	for (size_t i = 0; i < history->count; i++)
		if (history->segments[i]->number < history->needed)
			bytes += history->segments[i]->bytes;
	pthread_mutex_unlock(&history->mu);
	return bytes;
}

uint64_t history_last_used(struct history *history)
{
	uint64_t bytes;

	pthread_mutex_lock(&history->mu);
	bytes = history->last_used;
	pthread_mutex_unlock(&history->mu);
	return bytes;
}
