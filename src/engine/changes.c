/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading changes from the log: segment by segment (history.h), group by group (changes_group.h), operation by operation.
 *
 * What is read was visible when the call began. The commit publishes a group when it is wholly written, so a group up to there
 * that is not good is damage, never a write under way; and nothing behind it is looked at. The segment is held, so it cannot
 * become another one under the reader.
 *
 * A call does a bounded piece of work: what a position in the middle of a large batch, or of a long segment, makes it skip is
 * spread over several calls (KV_BUSY).
 */
#include "engine/batch.h"
#include "engine/changes_group.h"
#include "engine/engine_internal.h"
#include "engine/file_error.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	SKIPS_MAX = 16 * 1024,          /* groups and operations that a call passes over, */
	SKIP_BYTES = 4096,              /* ... a larger one counts for several */
	REST_BYTES = 16 * 1024,         /* memory that a reader with nothing to read may keep */
	HEAD_BYTES_MAX = 1 + 2 * VARINT32_MAX_BYTES + VARINT64_MAX_BYTES + ENTRY_KEY_MAX,
};

struct engine_changes {
	struct engine *engine;           /* constant */
	uint64_t next;                   /* the sequence to deliver */
	kv_status failed;                /* KV_OK, or what every call returns from now on */
	struct kv_error error;

	struct history_segment *segment; /* held; NULL: to be found */
	uint64_t file_end;               /* where its groups end, if its end is not known */
	struct changes_source source;

	uint64_t offset, sequence;       /* where the group to come, or the open one, begins */
	bool open, verified;
	struct changes_group group;
	uint64_t at;                     /* in its payload: the next operation */
	uint64_t at_sequence;            /* of that */
};

/* ---- segments ---- */

static void leave_segment(struct engine_changes *changes)
{
	changes_group_forget(&changes->group);
	changes->open = false;
	changes->segment = history_release(&changes->engine->catalog.history, changes->segment);
}

static kv_status gone(const struct engine_changes *changes, struct kv_error *err)
{
	return kv_error_set(err, KV_GONE, "changes are kept after %" PRIu64 " only, not after %" PRIu64,
		engine_changes_oldest(changes->engine), changes->next - 1);
}

/* The end of a file that nobody writes any more. */
static kv_status enter_segment(struct engine_changes *changes, struct kv_error *err)
{
	struct history *history = &changes->engine->catalog.history;
	struct history_hint hint;
	kv_status status = history_find(history, changes->next, &changes->segment);

	if (status == KV_OK)
		status = history_open_file(history, changes->segment, &changes->source.file, err);
	if (status == KV_OK && atomic_load(&changes->segment->end) == UINT64_MAX)
		status = file_size(changes->source.file, &changes->file_end, err);
	if (status == KV_GONE)
		status = gone(changes, err);
	if (status != KV_OK) {
		leave_segment(changes);
		return status;
	}
	hint = history_hint(changes->segment, changes->next);
	changes->source.number = changes->segment->number;
	changes->offset = hint.offset;
	changes->sequence = hint.sequence;
	return KV_OK;
}

/* The segment's end is looked at after what is visible, so it covers that. */
static kv_status find_segment(struct engine_changes *changes, uint64_t visible, struct kv_error *err)
{
	kv_status status = KV_OK;
	uint64_t end;

	if (changes->segment && changes->next >= atomic_load(&changes->segment->end_sequence))
		leave_segment(changes);
	if (!changes->segment)
		status = enter_segment(changes, err);
	if (status != KV_OK)
		return status;
	end = atomic_load_explicit(&changes->segment->end, memory_order_acquire);
	changes->source.end = end == UINT64_MAX ? changes->file_end : end;
	changes->source.sequence = visible;
	return KV_OK;
}

/* ---- groups ---- */

static bool spend(unsigned *budget, uint64_t bytes)
{
	uint64_t cost = 1 + bytes / SKIP_BYTES;

	if (*budget == 0)
		return false;
	*budget = cost < *budget ? *budget - (unsigned)cost : 0;
	return true;
}

static void leave_group(struct engine_changes *changes)
{
	changes->offset += wal_group_bytes(changes->group.header.length);
	changes->sequence += changes->group.header.count;
	changes->open = false;
}

static bool is_done_with_group(const struct engine_changes *changes)
{
	return changes->open && changes->next - changes->sequence >= changes->group.header.count;
}

static kv_status open_group(struct engine_changes *changes, struct kv_error *err)
{
	kv_status status = changes_group_open(&changes->group, &changes->source, changes->offset,
		changes->sequence, err);

	if (status != KV_OK)
		return status;
	changes->open = true;
	changes->verified = false;
	changes->at = 0;
	changes->at_sequence = changes->sequence;
	return KV_OK;
}

/* Opens and verifies the group that holds the next sequence; what comes before it is passed over by the headers. */
static kv_status find_group(struct engine_changes *changes, unsigned *budget, struct kv_error *err)
{
	kv_status status;

	for (;;) {
		if (is_done_with_group(changes))
			leave_group(changes);
		if (changes->open)
			break;
		status = open_group(changes, err);
		if (status != KV_OK)
			return status;
		if (is_done_with_group(changes) && !spend(budget, changes->group.header.length))
			return KV_BUSY;
	}
	if (changes->verified)
		return KV_OK;
	status = changes_group_verify(&changes->group, &changes->source, err);
	changes->verified = status == KV_OK;
	return status;
}

/* ---- operations ---- */

static kv_status damaged(const struct engine_changes *changes, struct kv_error *err)
{
	return file_error(err, KV_CORRUPT, changes->source.file->dir_path, changes->source.file->name,
		changes->offset, "the group does not hold the operations that its header says");
}

/* All but the value of the next operation, and how long that is. Most lie within a part of the group. */
static kv_status read_head(struct engine_changes *changes, struct entry *ret, size_t *ret_head_bytes,
	uint32_t *ret_value_bytes, struct kv_error *err)
{
	uint64_t left = changes->group.header.length - changes->at;
	size_t most = left < HEAD_BYTES_MAX ? (size_t)left : HEAD_BYTES_MAX;
	size_t in_part = CHANGES_GROUP_WINDOW - (size_t)(changes->at % CHANGES_GROUP_WINDOW);
	size_t len = most < in_part ? most : in_part;
	struct slice bytes = { 0 };

	for (;;) {
		struct reader reader;
		kv_status status = changes_group_bytes(&changes->group, &changes->source, changes->at,
			len, &bytes, err);

		if (status != KV_OK)
			return status;
		reader = reader_of(bytes);
		if (batch_next_head(&reader, ret, ret_value_bytes) == KV_OK) {
			*ret_head_bytes = bytes.len - reader_left(&reader);
			if (*ret_value_bytes > left - *ret_head_bytes)
				return damaged(changes, err);
			return KV_OK;
		}
		if (len == most)
			return damaged(changes, err);
		len = most;
	}
}

static kv_status read_whole(struct engine_changes *changes, size_t len, struct entry *ret,
	struct kv_error *err)
{
	struct slice bytes = { 0 };
	struct reader reader;
	kv_status status = changes_group_bytes(&changes->group, &changes->source, changes->at, len,
		&bytes, err);

	if (status != KV_OK)
		return status;
	reader = reader_of(bytes);
	return batch_next(&reader, ret) == KV_OK ? KV_OK : damaged(changes, err);
}

static void deliver(const struct engine_changes *changes, const struct entry *entry,
	uint32_t value_bytes, struct engine_change *ret)
{
	struct blob_pointer pointer;

	*ret = (struct engine_change){
		.kind = entry->kind,
		.key = entry->key,
		.value = entry->value,
		.size = value_bytes,
		.sequence = changes->next,
		.expires_unix_ms = entry->expires_unix_ms,
		.committed_unix_us = changes->group.header.wall_us,
	};
	if (entry->kind == ENTRY_BLOB && blob_pointer_decode(entry->value, &pointer)) {
		ret->size = pointer.size;
		ret->value = slice_of(NULL, 0);
		ret->large = true;
	} else if (value_bytes > ENGINE_CHANGE_VALUE_MAX) {
		ret->large = true;
	}
}

/* The operation of the next sequence, those before it passed over. */
static kv_status find_operation(struct engine_changes *changes, unsigned *budget,
	struct engine_change *ret, struct kv_error *err)
{
	for (;;) {
		struct entry entry = { 0 };
		uint32_t value_bytes = 0;
		size_t head_bytes = 0;
		bool wanted = changes->at_sequence == changes->next;
		kv_status status = read_head(changes, &entry, &head_bytes, &value_bytes, err);

		if (status == KV_OK && wanted && value_bytes <= ENGINE_CHANGE_VALUE_MAX)
			status = read_whole(changes, head_bytes + value_bytes, &entry, err);
		if (status != KV_OK)
			return status;
		if (wanted)
			deliver(changes, &entry, value_bytes, ret);
		changes->at += head_bytes + value_bytes;
		changes->at_sequence++;
		if (wanted)
			return KV_OK;
		if (!spend(budget, value_bytes))
			return KV_BUSY;
	}
}

/* ---- the face ---- */

kv_status engine_changes_open(struct engine *engine, uint64_t since, struct engine_changes **ret,
	struct kv_error *err)
{
	struct engine_changes *changes;
	uint64_t visible = engine_visible(engine);

	if (engine->options.change_log_bytes == 0)
		return kv_error_set(err, KV_UNSUPPORTED,
			"no changes are kept: change_log_size is 0");
	if (since > visible)
		return kv_error_set(err, KV_INVALID, "there is no change %" PRIu64 " yet, the last one is %"
			PRIu64, since, visible);
	changes = calloc(1, sizeof *changes);
	if (!changes)
		return kv_error_set(err, KV_NO_MEMORY, "out of memory for a reader of changes");
	changes->engine = engine;
	changes->next = since + 1;
	changes->source.id = &engine->id;
	changes_group_init(&changes->group);
	if (since < engine_changes_oldest(engine)) {
		gone(changes, err);
		engine_changes_close(changes);
		return KV_GONE;
	}
	*ret = changes;
	return KV_OK;
}

/* Memory for many readers that wait at the end would add up. */
static void rest(struct engine_changes *changes)
{
	if (is_done_with_group(changes))
		leave_group(changes);
	if (!changes->open && changes->group.window.capacity > REST_BYTES)
		changes_group_forget(&changes->group);
}

kv_status engine_changes_next(struct engine_changes *changes, struct engine_change *ret,
	struct kv_error *err)
{
	uint64_t visible = engine_visible(changes->engine);
	unsigned budget = SKIPS_MAX;
	kv_status status = changes->failed;

	if (status != KV_OK) {
		if (err)
			*err = changes->error;
		return status;
	}
	if (changes->next > visible) {
		rest(changes);
		return KV_NOT_FOUND;
	}
	changes->error = (struct kv_error){ 0 };
	status = find_segment(changes, visible, &changes->error);
	if (status == KV_OK)
		status = find_group(changes, &budget, &changes->error);
	if (status == KV_OK)
		status = find_operation(changes, &budget, ret, &changes->error);
	if (status == KV_OK)
		changes->next++;
	if (status == KV_CORRUPT || status == KV_GONE) {
		changes->failed = status;
		leave_segment(changes);
	}
	if (status != KV_OK && err)
		*err = changes->error;
	return status;
}

struct engine_changes *engine_changes_close(struct engine_changes *changes)
{
	if (!changes)
		return NULL;
	leave_segment(changes);
	changes_group_free(&changes->group);
	free(changes);
	return NULL;
}

uint64_t engine_changes_oldest(struct engine *engine)
{
	return history_oldest(&engine->catalog.history) - 1;
}

/* The commit stores what is visible, then loads `watched`; here it is the other way round. All four are in one order, so one of
 * the two sees the other: nobody who looks for changes after this call misses the next group. */
void engine_watch(struct engine *engine, bool on)
{
	atomic_store(&engine->watched, on);
	atomic_fetch_add(&engine->catalog.visible_sequence, 0);
}
