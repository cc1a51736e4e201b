/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions of writes, one operation after the other: each sees what the ones before it have done. */
#include "engine/decide.h"

#include "base/rcu.h"

struct key_state {
	bool exists;
	uint64_t version;
};

bool decide_is_needed(const struct engine_write *list)
{
	for (; list; list = list->next)
		if (list->condition_count > 0)
			return true;
	return false;
}

static kv_status read_state(struct views *views, uint64_t visible_sequence, uint64_t now_unix_ms,
	const struct overlay *overlay, struct slice key, struct key_state *ret)
{
	const struct entry *pending = overlay_find(overlay, key);
	struct view_read read;
	kv_status status;

	if (pending) {
		*ret = (struct key_state){ entry_is_live(pending, now_unix_ms), pending->sequence };
		return KV_OK;
	}
	rcu_enter();
	status = view_get(views_peek(views), key, visible_sequence, &read, NULL);
	rcu_leave();
	if (status == KV_NOT_FOUND) {
		*ret = (struct key_state){ false, 0 };
		return KV_OK;
	}
	if (status != KV_OK)
		return status;
	*ret = (struct key_state){ entry_is_live(&read.entry, now_unix_ms), read.entry.sequence };
	pinned_release(&read.pin);
	return KV_OK;
}

static bool holds(const struct engine_condition *condition, const struct key_state *state)
{
	switch (condition->expect) {
	case ENGINE_EXPECT_EXISTS:
		return state->exists;
	case ENGINE_EXPECT_ABSENT:
		return !state->exists;
	case ENGINE_EXPECT_VERSION:
		return state->exists && state->version == condition->version;
	case ENGINE_EXPECT_NOTHING:
		break;
	}
	return true;
}

kv_status decide_write(struct views *views, uint64_t visible_sequence, uint64_t now_unix_ms,
	struct overlay *overlay, struct engine_write *write)
{
	struct reader reader = reader_of(buf_slice(&write->batch.operations));
	struct engine_condition *condition = write->conditions;
	struct engine_condition *end = condition + write->condition_count;
	size_t mark = overlay_mark(overlay);
	struct entry entry;
	kv_status status = KV_OK;

	for (uint32_t i = 0; status == KV_OK && i < write->batch.count; i++) {
		struct key_state state;

		status = batch_next(&reader, &entry);
		if (status == KV_OK && condition < end && condition->operation == i) {
			status = read_state(views, visible_sequence, now_unix_ms, overlay,
				entry.key, &state);
			if (status == KV_OK && !holds(condition, &state)) {
				write->failed_operation = i;
				status = KV_CONDITION;
			}
			if (status == KV_OK)
				condition++->existed = state.exists;
		}
		if (status == KV_OK) {
			entry.sequence = write->first_sequence + i;
			status = overlay_add(overlay, &entry);
		}
	}
	if (status != KV_OK)
		overlay_rollback(overlay, mark);
	return status;
}
